"""The stacks of pull requests: their names, their settings, and when their time is over."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from stack import rules
from stack.container import APP_SECRETS, PASSWORD
from stack.file import StackFile, read
from stack.rules import Key
from tools.i18n import t

PREVIEW_HOURS = Key(
    "previewHours",
    "8",
    rules.integer(1, 168, t(" hours")),
    "hours that a pull request's stack stands after its last update; only `poc`'s file counts",
)
PREFIX = "pr-"
"""How the name of a pull request's stack begins."""
MODEL = "poc"
"""The stack whose settings are copied."""
CHEAPEST: Mapping[str, str] = {
    "ecsEnabled": "true",
    "protect": "false",
    "natStrategy": "none",
    "databaseInstanceClass": "db.t4g.micro",
    "databaseStorageGb": "20",
    "databaseMultiAz": "false",
    "databaseBackupDays": "1",
    "databaseFinalSnapshot": "",
    "databaseMonitoringInterval": "0",
    "databaseInsights": "false",
    "databaseLogs": "false",
    "desiredCount": "1",
    "fargateSpot": "true",
    "containerInsights": "false",
    "flowLogs": "false",
    "accessLogs": "false",
    "alarmsEnabled": "false",
    "dashboardEnabled": "false",
    "bastionEnabled": "false",
}
"""What a pull request's stack has whatever the model has: stage 2, and the least that is billed."""
LEFT_OUT = (
    # The domain is the model's, and the role may change no record and no certificate.
    *("certificateArn", "domainName", "hostedZoneId"),
    *("alarmEmail", "schedule", "minCount", "maxCount"),
)
"""Settings of the model that a pull request's stack has with their defaults."""


def role(project: str) -> str:
    """Return the role that may change these stacks, and only these (delivery/pull_requests.yaml)."""
    return f"{project}-delivery-pr"


def name_of(number: int) -> str:
    """Return the stack's name, e.g. ``pr-7``."""
    return f"{PREFIX}{number}"


def number_of(stack: str) -> int | None:
    """Return the pull request's number, or None for another stack."""
    found = re.fullmatch(re.escape(PREFIX) + r"([1-9][0-9]*)", stack)
    return int(found[1]) if found else None


def settings_of(number: int, folder: Path) -> StackFile:
    """Return the settings of a pull request's stack: the model's, in its cheapest form.

    Encrypted values are left out: they are encrypted for the model's stack. Raises StackError.
    """
    model = read(MODEL, folder)
    left_out = {f"{model.project}:{name}" for name in LEFT_OUT}
    kept = {key: text for key, text in model.values.items() if key not in left_out}
    cheapest = {**CHEAPEST, "permissionsBoundary": f"{role(model.project)}-boundary"}
    changed = {f"{model.project}:{name}": text for name, text in cheapest.items()}
    secrets = f"{model.project}:{APP_SECRETS.name}"
    if secrets in kept:
        kept[secrets] = _own_secrets(kept[secrets])
    return replace(model, stack=name_of(number), values=kept | changed, encrypted=frozenset())


def _own_secrets(text: str) -> str:
    """Return the map of `appSecrets` with the password of the stack's own database alone.

    The boundary allows no secret of another stack: the code is not reviewed yet.
    """
    try:
        found = json.loads(text).items()
    except (ValueError, AttributeError):
        return text  # The stack's settings refuse it.
    return json.dumps({name: value for name, value in found if value == PASSWORD})


def write(number: int, folder: Path) -> Path:
    """Write the stack file of a pull request's stack and return its path. Raises StackError."""
    import yaml

    found = settings_of(number, folder)
    file = folder / f"Pulumi.{found.stack}.yaml"
    head = f"# Written from Pulumi.{MODEL}.yaml for pull request {number} (docs/delivery.md).\n"
    file.write_text(head + yaml.safe_dump({"config": found.config}, sort_keys=False))
    return file


def is_over(updated: datetime, hours: int, now: datetime) -> bool:
    """Return whether the hours have passed since the stack's last update."""
    return now - updated >= timedelta(hours=hours)
