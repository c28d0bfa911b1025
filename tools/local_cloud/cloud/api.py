"""The AWS API of the local cloud: moto's server in this process, and the parts of moto that the rehearsal uses."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Iterable
from importlib import metadata
from typing import Any

from tools.i18n import t
from tools.local_cloud.aws import absent, hooks

VERSION = "5.2.5"
"""The version of moto that the rehearsal was written for."""

RELIED_ON = (
    ("moto.core.responses", "BaseResponse.call_action"),
    ("moto.core.responses", "BaseResponse.parse_parameters"),
    ("moto.core.responses", "BaseResponse.serialized"),
    ("moto.core.responses", "ActionResult"),
    ("moto.core.exceptions", "ServiceException"),
    ("moto.backends", "get_backend"),
    ("moto.elbv2.models", "FakeTargetGroup.health_for"),
    ("moto.elbv2.models", "ELBv2Backend.create_rule"),
    ("moto.elbv2.models", "ELBv2Backend.modify_rule"),
    ("moto.elbv2.models", "FakeHealthStatus"),
    ("moto.acm.models", "CertBundle.describe"),
    ("moto.route53.models", "ChangeList.has_insert_or_update"),
    ("moto.route53.models", "create_route53_zone_id"),
    ("moto.secretsmanager.models", "SecretsManagerBackend.rotate_secret"),
    ("moto.ec2.models", "EC2Backend.create_default_vpc"),
    ("moto.ec2.models", "EC2Backend.create_nat_gateway"),
    ("moto.ec2.models", "EC2Backend.create_vpc_endpoint"),
    ("moto.ec2.models.elastic_network_interfaces", "NetworkInterface.association"),
    ("moto.ec2.models.instances", "Instance.prep_nics"),
    ("moto.ec2.models.security_groups", "SecurityGroup.get_rule"),
    ("moto.ec2.models.security_groups", "SecurityGroupRule.description"),
    ("moto.ec2.models.instance_types", "INSTANCE_TYPE_OFFERINGS"),
    ("moto.logs.models", "LogGroup.filter_log_events"),
    ("moto.iam.access_control", "IAMPolicy.is_action_permitted"),
    ("moto.s3.models", "FakeBucket.get_permission"),
    ("moto.s3.models", "FakeBucket.__init__"),
    ("moto.s3.models", "FakeBucket.is_versioned"),
    ("moto.s3.responses", "S3Response._bucket_response"),
    ("moto.s3.responses", "S3Response._key_response"),
    ("moto.s3.responses", "S3Response.parse_key_name"),
    ("moto.rds.models", "DBInstance.save_automated_backup"),
    ("moto.rds.models", "RDSBackend.modify_db_subnet_group"),
    ("moto.servicequotas.resources.default_quotas.vpc", "VPC_DEFAULT_QUOTAS"),
    ("moto.ecs.models", "EC2ContainerServiceBackend.describe_task_definition"),
    ("moto.ecs.models", "EC2ContainerServiceBackend.list_services"),
    ("moto.applicationautoscaling.responses", "_build_policy"),
    ("moto.applicationautoscaling.models", "FakeApplicationAutoscalingPolicy.create_alarms"),
    ("moto.cloudwatch.models", "Dimension"),
    ("moto.events.models", "EventPattern.matches_event"),
    ("moto.rds.models", "MasterUserSecret._generate_secret_string"),
    ("moto.scheduler.models", "EventBridgeSchedulerBackend.get_schedule"),
)


class WrongMoto(Exception):
    """The installed moto is not the version that the rehearsal was written for."""


def check_moto() -> None:
    """Raise ``WrongMoto`` if a part of moto that the rehearsal uses is missing."""
    installed = metadata.version("moto")
    missing = [f"{module}.{name}" for module, name in RELIED_ON if not _exists(module, name)]
    if installed != VERSION or missing:
        raise WrongMoto(
            t(
                "moto {installed} is installed, the local cloud needs {version}; missing: {missing}. "
                "Install the versions of its lock file again",
                installed=installed,
                version=VERSION,
                missing=", ".join(missing) or "-",
            )
        )


def _exists(module: str, name: str) -> bool:
    found: object = importlib.import_module(module)
    for part in name.split("."):
        if not hasattr(found, part):
            return False
        found = getattr(found, part)
    return True


SETTINGS = {
    "MOTO_IAM_LOAD_MANAGED_POLICIES": "true",
    "MOTO_ACM_VALIDATION_WAIT": "1",
    "MOTO_ACCOUNT_ID": hooks.ACCOUNT,
    # moto itself calls boto3 in places, which must not use the user's real credentials.
    "AWS_ACCESS_KEY_ID": "rehearsal",
    "AWS_SECRET_ACCESS_KEY": "rehearsal",
    "AWS_EC2_METADATA_DISABLED": "true",
}
PARTS = (
    *(
        "boundaries",
        "ec2.endpoints",
        "ec2.interfaces",
        "ec2.patches",
        "ec2.prefix_lists",
        "ec2.rules",
        "ecs.rules",
        "elb.rules",
        "rds.offers",
        "rds.rules",
        "s3.rules",
    ),
    *("acm", "ecr", "policies", "quotas", "route53", "secrets"),
    *("kms", "sns"),
    *("scaling.rules", "scaling.schedule", "scheduler.rules"),
    *("cloudwatch.alarms", "cloudwatch.logs", "cloudwatch.queries"),
)
"""Modules that register hooks when they are imported; ``install`` also replaces parts of moto."""
NEVER = ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE")


PUBLIC_KEYS = "/public-keys.auth.elb/"
"""The path below which the public key of a load balancer's signature is, by its id."""


def with_public_keys(moto: Any) -> Callable[..., Iterable[bytes]]:
    """Return the application that answers for `public-keys.auth.elb.REGION.amazonaws.com`, and else as moto."""
    from tools.local_cloud.aws.elb.login import SIGNER

    def answer(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        path = str(environ.get("PATH_INFO", ""))
        if not path.startswith(PUBLIC_KEYS):
            answered: Iterable[bytes] = moto(environ, start)
            return answered
        known = path == PUBLIC_KEYS + SIGNER.kid
        body = SIGNER.public_key if known else b""
        length = ("Content-Length", str(len(body)))
        start("200 OK" if known else "404 Not Found", [("Content-Type", "text/plain"), length])
        return [body]

    return answer


class Api:
    """moto with the rehearsal's hooks, on one loopback port."""

    def __init__(self, region: str) -> None:
        hooks.registry.region = region
        self._region = region
        self.endpoint = ""

    def start(self, port: int = 0) -> None:
        """Start answering at ``endpoint``. Port 0 uses any free port."""
        for name in NEVER:
            os.environ.pop(name, None)
        os.environ.update(SETTINGS | {"AWS_DEFAULT_REGION": self._region})
        from moto.server import ThreadedMotoServer

        check_moto()
        absent.install()
        _forget_other_regions(self._region)
        hooks.install()
        for name in PARTS:
            part = importlib.import_module(f"tools.local_cloud.aws.{name}")
            if hasattr(part, "install"):
                part.install()
        self._server = ThreadedMotoServer(ip_address="127.0.0.1", port=port, verbose=False)
        self._server.start()
        server: Any = self._server._server
        server.app = with_public_keys(server.app)
        host, bound = self._server.get_host_and_port()
        self.endpoint = f"http://{host}:{bound}"

    def stop(self) -> None:
        """Close the port."""
        self._server.stop()


def _forget_other_regions(region: str) -> None:
    """Delete moto's lists of EC2 instance types for other regions, a third of its memory."""
    from moto.ec2.models.instance_types import INSTANCE_TYPE_OFFERINGS

    for offerings in INSTANCE_TYPE_OFFERINGS.values():
        for other in set(offerings) - {region}:
            del offerings[other]
