"""The AWS API of the local cloud: moto's server in this process, and the parts of moto that the rehearsal uses."""

import json
import os
import re
import traceback
from collections.abc import Callable, Iterable
from functools import cache
from importlib import metadata
from io import BytesIO
from ipaddress import ip_address
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

from botocore.credentials import Credentials
from moto.moto_server.werkzeug_app import MotoRequestHandler
from werkzeug import Request, Response

from local_cloud.access import Access, new_key
from local_cloud.aws import absent, hooks, signatures
from local_cloud.machine.sockets import check_free
from local_cloud.text import t

VERSION = "5.2.5"
"""The version of moto that the rehearsal was written for."""


class WrongMoto(Exception):
    """The installed moto is not the version that the rehearsal was written for."""


def check_moto() -> None:
    """Raise ``WrongMoto`` for another version, of which parts that are replaced here may differ."""
    installed = metadata.version("moto")
    if installed != VERSION:
        raise WrongMoto(
            t(
                "moto {installed} is installed, the local cloud needs {version}. "
                "Install the versions of its lock file again",
                installed=installed,
                version=VERSION,
            )
        )


SETTINGS = {
    "MOTO_IAM_LOAD_MANAGED_POLICIES": "true",
    "MOTO_ACCOUNT_ID": hooks.ACCOUNT,
    # moto itself calls boto3 in places, which must not use the user's real credentials.
    "AWS_ACCESS_KEY_ID": "rehearsal",
    "AWS_SECRET_ACCESS_KEY": "rehearsal",
    "AWS_EC2_METADATA_DISABLED": "true",
}
NEVER = ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE")


HEALTH = ("/_local-cloud/health", "/_localstack/health")
"""The second one is LocalStack's, which other people's tools wait for."""
PUBLIC_KEYS = "/public-keys.auth.elb/"
"""The path below which the public key of a load balancer's signature is, by its id."""


RESERVED = re.compile(r"(.+\.)?localhost|.+\.amazonaws\.com")
"""Names that no other site can lead here (RFC 6761; AWS's own), unlike any other name (DNS rebinding)."""


def guarded(moto: Any) -> Callable[..., Iterable[bytes]]:
    """Return the application that answers to this local cloud's clients as moto, and to all others not at all.

    A web page that the user has open may send requests to any port of this machine. It has no key, it says its
    Origin, and it reads no answer without CORS headers, of which there are none.
    """

    def answer(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        request = Request(environ)
        if own := _own(request):
            # Behind the body is the connection's next request. A web page may send one of any length.
            while request.stream.read(1 << 16):
                pass
            return own(environ, start)
        environ["wsgi.input"] = BytesIO(request.get_data())  # moto reads it again
        answered: Iterable[bytes] = (_refused(request) or moto)(environ, start)
        return answered

    return answer


def _own(request: Request) -> Response | None:
    """Return what this local cloud answers without a signature: that it runs, a public key, or a refusal."""
    from local_cloud.aws.elb.login import SIGNER
    from local_cloud.providers.aws import KINDS

    host, origin = request.headers.get("Host", ""), request.headers.get("Origin")
    if (
        request.path.startswith("/moto-api")
        or not _leads_here(host)
        or origin not in (None, f"http://{host}")
    ):
        return Response("the local cloud answers its own clients only\n", 403)
    if request.path in HEALTH:
        services = dict.fromkeys(sorted({kind.service for kind in KINDS.values()}), "running")
        text = json.dumps({"services": services, "region": hooks.registry.region})
        return Response(text, content_type="application/json")
    if request.path.startswith(PUBLIC_KEYS):
        known = request.path == PUBLIC_KEYS + SIGNER.kid
        return Response(SIGNER.public_key * known, 200 if known else 404)
    return None


def _leads_here(host: str) -> bool:
    """Return whether a Host header is an address, or a name that no other site has."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
        return bool(RESERVED.fullmatch(name) or ip_address(name))
    except ValueError:
        return False


def _refused(request: Request) -> Response | None:
    """Return AWS's error for what no key has signed, in the form of the API's protocol; else None."""
    if (found := signatures.refusal(request)) is None:
        return None
    protocol, code, message = found
    if protocol == "json":
        text = json.dumps({"__type": code, "message": message})
        return Response(text, 403, content_type="application/x-amz-json-1.1")
    error = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
    around = {"ec2": "<Response><Errors>{}</Errors></Response>", "s3": "{}"}
    text = around.get(protocol, "<ErrorResponse>{}</ErrorResponse>").format(error)
    return Response(text, 401 if protocol == "ec2" else 403, content_type="text/xml")


class Handler(MotoRequestHandler):
    """Keeps a client's connection, as AWS does, and sends the head and the body of an answer together.

    werkzeug's own closes it after each answer, and to open one is a tenth of a call's time. AWS's SDK for Go closes a
    request's body when the answer's head is there. If its writer has not ended by then, as on a busy machine, that
    closes the connection; and without the answer's body the SDK sends the request, which was carried out, again. A
    body that came with its head has been read by then.
    """

    wbufsize = 1 << 16
    protocol_version = "HTTP/1.1"

    def run_wsgi(self) -> None:
        """Answer one request; with 500 where the application fails, as an SDK would send it again without an answer."""
        environ = self.make_environ()
        try:
            answer = Response.from_app(self.server.app, environ, buffered=True)
        except Exception:
            self.server.log("error", f"Error on request:\n{traceback.format_exc()}")
            answer = Response(status=500)
        self.send_response(answer.status_code)
        for name, value in answer.get_wsgi_headers(environ):
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.get_data())

    def handle_expect_100(self) -> bool:
        """Let a client send the body that it has announced."""
        expected = super().handle_expect_100()
        self.wfile.flush()
        return expected


def serve(port: int = 0) -> tuple[Any, str]:
    """Start moto's server, guarded, and return it with its endpoint."""
    from moto import backends
    from moto.core import responses, utils
    from moto.moto_server import threaded_moto_server, werkzeug_app

    vars(werkzeug_app)["DISABLE_GLOBAL_CORS"] = True
    # For every request moto lists its own folder, up to twice and under a lock, and the methods of a class.
    modules = frozenset(backends.list_of_moto_modules())
    vars(backends)["list_of_moto_modules"] = lambda: modules
    vars(responses)["method_names_from_class"] = cache(utils.method_names_from_class)
    threaded = threaded_moto_server.ThreadedMotoServer(
        ip_address="127.0.0.1", port=port, verbose=False
    )
    threaded.start()
    server: Any = threaded._server
    server.app = guarded(server.app)
    server.RequestHandlerClass = Handler
    host, bound = threaded.get_host_and_port()
    return threaded, f"http://{host}:{bound}"


class Api:
    """moto with the rehearsal's hooks, on one loopback port."""

    def __init__(self, region: str) -> None:
        hooks.registry.region = region
        self._region = region

    def start(self, port: int = 0) -> Access:
        """Start answering, and return where. Port 0 uses any free port. Raises PortTaken."""
        check_free(port, "--api-port")
        for name in NEVER:
            os.environ.pop(name, None)
        os.environ.update(SETTINGS | {"AWS_DEFAULT_REGION": self._region})
        check_moto()
        absent.install()
        _forget_other_regions(self._region)
        hooks.install()
        for part in _parts():
            hooks.register(part)
            if hasattr(part, "install"):
                part.install()
        self._server, endpoint = serve(port)
        key = new_key()
        hooks.registry.keys[key[0]] = Credentials(*key)
        return Access(endpoint, self._region, *key)

    def stop(self) -> None:
        self._server.stop()


def _parts() -> tuple[ModuleType, ...]:
    """Return the modules with hooks; ``install`` of one also replaces parts of moto, which SETTINGS must precede."""
    from local_cloud.aws import acm, kms, policies, quotas, refusals, route53
    from local_cloud.aws.cloudwatch import alarms, logs, queries
    from local_cloud.aws.ec2 import endpoints, interfaces, patches
    from local_cloud.aws.ec2 import rules as ec2
    from local_cloud.aws.ecs import definitions
    from local_cloud.aws.ecs import rules as ecs
    from local_cloud.aws.elb import rules as elb
    from local_cloud.aws.rds import offers
    from local_cloud.aws.rds import rules as rds
    from local_cloud.aws.recorded import answers, members
    from local_cloud.aws.s3 import rules as s3
    from local_cloud.aws.s3 import settings
    from local_cloud.aws.scaling import rules as scaling
    from local_cloud.aws.scaling import schedule
    from local_cloud.aws.scheduler import rules as scheduler

    return (
        *(endpoints, interfaces, patches, ec2, ecs, definitions, elb, offers, rds, s3, settings),
        *(acm, answers, policies, quotas, route53, kms, members, refusals),
        *(scaling, schedule, scheduler, alarms, logs, queries),
    )


def _forget_other_regions(region: str) -> None:
    """Delete moto's lists of EC2 instance types for other regions, a third of its memory."""
    from moto.ec2.models.instance_types import INSTANCE_TYPE_OFFERINGS

    for offerings in INSTANCE_TYPE_OFFERINGS.values():
        for other in set(offerings) - {region}:
            del offerings[other]
