"""What the rehearsal relies on inside moto: checked at every start, so that another version fails loudly."""

from __future__ import annotations

import importlib
from importlib import metadata

from i18n import t

VERSION = "5.2.5"
"""The version of moto whose inside was read."""

RELIED_ON = (
    ("moto.core.responses", "BaseResponse.call_action"),
    ("moto.core.responses", "BaseResponse.parse_parameters"),
    ("moto.core.responses", "BaseResponse.serialized"),
    ("moto.core.responses", "ActionResult"),
    ("moto.core.exceptions", "ServiceException"),
    ("moto.backends", "get_backend"),
    ("moto.elbv2.models", "FakeTargetGroup.health_for"),
    ("moto.elbv2.models", "FakeHealthStatus"),
    ("moto.ec2.models.security_groups", "SecurityGroup.get_rule"),
    ("moto.ec2.models.instance_types", "INSTANCE_TYPE_OFFERINGS"),
    ("moto.logs.models", "LogGroup.filter_log_events"),
    ("moto.iam.access_control", "IAMPolicy.is_action_permitted"),
    ("moto.s3.models", "FakeBucket.get_permission"),
    ("moto.rds.models", "DBInstance.save_automated_backup"),
    ("moto.rds.models", "RDSBackend.modify_db_subnet_group"),
    ("moto.servicequotas.resources.default_quotas.vpc", "VPC_DEFAULT_QUOTAS"),
    ("moto.ecs.models", "EC2ContainerServiceBackend.describe_task_definition"),
    ("moto.events.models", "EventPattern.matches_event"),
    ("moto.rds.models", "MasterUserSecret._generate_secret_string"),
)


class WrongMoto(Exception):
    """The installed moto is not the one that the rehearsal was written for."""


def check() -> None:
    """Raise ``WrongMoto`` when a part of moto that the rehearsal uses is missing."""
    installed = metadata.version("moto")
    missing = [f"{module}.{name}" for module, name in RELIED_ON if not _there(module, name)]
    if installed != VERSION or missing:
        raise WrongMoto(
            t(
                "moto {installed} is installed, the rehearsal needs {version}; missing: {missing}. Any "
                "command of careapp installs the locked versions",
                installed=installed,
                version=VERSION,
                missing=", ".join(missing) or "-",
            )
        )


def _there(module: str, name: str) -> bool:
    found: object = importlib.import_module(module)
    for part in name.split("."):
        if not hasattr(found, part):
            return False
        found = getattr(found, part)
    return True
