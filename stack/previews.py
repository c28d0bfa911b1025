"""The stacks of pull requests: their names, their settings, and when their time is over."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from stack.container import APP_SECRETS, PASSWORD
from stack.file import StackFile, full_key, read
from stack.jobs import JOBS
from stack.settings import KEYS, PERMISSIONS_BOUNDARY

PREFIX = "pr-"
"""How the name of a pull request's stack begins."""
MODEL = "poc"
"""The stack whose settings are copied."""


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
    cheapest = {key.name: key.preview for key in KEYS if key.preview is not None}
    cheapest[PERMISSIONS_BOUNDARY.name] = f"{role(model.project)}-boundary"
    values = {**model.values, **{full_key(model.project, key): cheapest[key] for key in cheapest}}
    for key, change in ((APP_SECRETS, _own_secrets), (JOBS, _disabled)):
        if (full := full_key(model.project, key.name)) in values:
            values[full] = change(values[full])
    return replace(model, stack=name_of(number), values=values, encrypted=frozenset())


def _own_secrets(text: str) -> str:
    """Return the map of `appSecrets` with the password of the stack's own database alone.

    The boundary allows no secret of another stack: the code is not reviewed yet.
    """
    try:
        found = json.loads(text).items()
    except (ValueError, AttributeError):
        return text  # The stack's settings refuse it.
    return json.dumps({name: value for name, value in found if value == PASSWORD})


def _disabled(text: str) -> str:
    """Return the map of `jobs` with every job off: many previews would run each, and send its e-mails."""
    try:
        found = json.loads(text).items()
        return json.dumps({name: {**each, "enabled": False} for name, each in found})
    except (ValueError, AttributeError, TypeError):
        return text  # The stack's settings refuse it.


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
