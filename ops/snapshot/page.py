"""Request the page as a user does: at the load balancer's own address."""

from __future__ import annotations

import http.client
import socket
import ssl
import time
import urllib.request
from dataclasses import dataclass, replace

from i18n import said, t
from ops.aws import local_cloud
from ops.aws.errors import AwsProblem
from ops.snapshot import elb
from ops.snapshot.elb import Balancer, Listener, Page
from stack.settings import Settings

CONNECT_SECONDS = 2.5
"""How long all of the load balancer's addresses together may take to accept a connection."""

ANSWER_SECONDS = 10

DATABASE_SECONDS = 5

TRIES = 3

PAUSE = 0.3
"""Seconds between two tries."""

DATABASE_PATH = "/health/db"

UNKNOWN_ISSUER = range(18, 22)
"""OpenSSL's codes for a certificate whose issuer is not known here (x509_vfy.h), as behind a
company's proxy that reads HTTPS, or in a Python without certificates."""


@dataclass(frozen=True)
class Endpoint:
    """The address to connect to, and the host name to request there.

    ``trust`` is None for plain HTTP.
    """

    address: str
    port: int
    name: str
    declared_port: int
    trust: ssl.SSLContext | None


class Unreachable(Exception):
    """The load balancer did not accept a connection; the text says why."""


def page(balancer: Balancer, settings: Settings) -> Page | None:
    """Request ``smokePath``, and of the app in webapp/ the database's health.

    An answer below 500 is the result. An error, or a connection that closes without an answer, is
    tried again, three times in all; ANSWER_SECONDS without an answer end it. None without a
    listener, or where ``smokePath`` is empty. Raises AwsProblem where the load balancer cannot be
    reached from here: that is no fault of the page.
    """
    path, listener = settings.health.smoke_path, elb.serving(balancer)
    if not path or listener is None:
        return None
    url = f"{balancer.url}{path}"
    try:
        endpoint = _endpoint(balancer, listener, settings)
        found = _get_page(endpoint, Page(url=url, path=path))
        if found.status and settings.webapp:
            found = replace(found, database=_get(endpoint, DATABASE_PATH, DATABASE_SECONDS)[0])
        return found
    except Unreachable as problem:
        raise AwsProblem(
            "unreachable",
            t("{url} cannot be reached from here: {why}.", url=url, why=said(problem)),
            t("Open it in a browser, or run the command where it can be reached."),
        ) from None


def _get_page(endpoint: Endpoint, found: Page) -> Page:
    for tries in range(1, TRIES + 1):
        begun = time.monotonic()
        status, problem = _get(endpoint, found.path, ANSWER_SECONDS)
        found = replace(found, tries=tries, status=status, problem=problem)
        if not found.fails or time.monotonic() - begun >= ANSWER_SECONDS:
            break
        if tries < TRIES:
            time.sleep(PAUSE)
    return found


def _endpoint(balancer: Balancer, listener: Listener, settings: Settings) -> Endpoint:
    """Return the load balancer's own address, so that a missing DNS record of the domain does not matter.

    The certificate must be valid for ``domainName``. With a ``certificateArn`` alone the name that
    visitors use is not known, so the certificate is not verified. Raises Unreachable.
    """
    secure = listener.protocol == "HTTPS"
    domain = settings.https.domain if secure else ""
    address, port, authority = balancer.dns, listener.port, None
    if local_cloud.facts_file():
        place = local_cloud.listener(listener.arn)
        if place is None:
            raise Unreachable(t("the local cloud does not listen for it"))
        address, port, authority = place
    elif _proxy(listener.protocol.lower(), address):
        raise Unreachable(t("a proxy is set in the environment, and NO_PROXY does not name it"))
    trust = ssl.create_default_context(cafile=authority) if secure else None
    if trust is not None and not domain:
        trust.check_hostname, trust.verify_mode = False, ssl.CERT_NONE
    return Endpoint(address, port, domain or balancer.dns, listener.port, trust)


def _proxy(scheme: str, host: str) -> bool:
    """Return whether a request to a host goes through a proxy, which may answer instead."""
    return scheme in urllib.request.getproxies() and not urllib.request.proxy_bypass(host)


def _get(endpoint: Endpoint, path: str, seconds: float) -> tuple[int, str]:
    """Return the status of one answer; 0 and the reason without one. Raises Unreachable."""
    connection = _Connection(endpoint, seconds)
    try:
        connection.request("GET", path, headers={"User-Agent": "careapp-doctor", "Accept": "*/*"})
        return connection.getresponse().status, ""
    except TimeoutError:
        return 0, f"timed out after {seconds:g} s"
    except (OSError, http.client.HTTPException) as problem:
        return 0, str(problem) or type(problem).__name__
    finally:
        connection.close()


class _Connection(http.client.HTTPConnection):
    """A connection to an endpoint's address, for its host name."""

    def __init__(self, endpoint: Endpoint, seconds: float) -> None:
        super().__init__(endpoint.name, endpoint.declared_port, timeout=seconds)
        self.endpoint = endpoint
        self.default_port = 443 if endpoint.trust else 80

    def connect(self) -> None:
        """Connect, with a TLS handshake for HTTPS. Raises Unreachable before there is a connection."""
        endpoint = self.endpoint
        try:
            found = socket.getaddrinfo(endpoint.address, endpoint.port, type=socket.SOCK_STREAM)
            patience = CONNECT_SECONDS / len(found)
            self.sock = socket.create_connection((endpoint.address, endpoint.port), patience)
        except OSError as problem:
            raise Unreachable(problem.strerror or str(problem)) from problem
        self.sock.settimeout(self.timeout)
        if endpoint.trust is None:
            return
        try:
            self.sock = endpoint.trust.wrap_socket(self.sock, server_hostname=endpoint.name)
        except ssl.SSLCertVerificationError as problem:
            if problem.verify_code in UNKNOWN_ISSUER:
                raise Unreachable(problem.verify_message) from problem
            raise
