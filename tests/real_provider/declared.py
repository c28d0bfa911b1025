"""What Pulumi declares of each stack, in a process of its own, and what it did when all settings changed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local_cloud.identity_provider import IdentityProvider
from stack.settings import KEYS
from tests.support.every_setting import allow_boundary, changes, values
from tests.support.identity import identity_provider, login_settings
from tests.support.local_stack import LocalStack, local_stack
from tools.rehearsal import careapp

Json = dict[str, Any]

HTTPS = {"domainName": "app.example.com", "hostedZoneId": "Z0123456789ABC"}


@dataclass(frozen=True)
class Declared:
    """A stack's states before and after a change, and Pulumi's steps between them."""

    stack: str
    first: Json
    second: Json
    steps: tuple[str, ...]


def poc(stack: LocalStack, _: IdentityProvider) -> Declared:
    """Declare both stages as they stand in the file, but with requests that are shifted; then all that may change."""
    on = {"ecsEnabled": "true", "deployStrategy": "canary"}
    # These two change in prod, or are there from the first: a service that shifts refuses them.
    apart = {"certificateArn", "scaleRequestsPerTarget"}
    other = {key: text for key, text in changes("poc").items() if key not in apart}
    return declare(stack, on, other | {"rolloutTimeoutMinutes": "60"})


def prod(stack: LocalStack, provider: IdentityProvider) -> Declared:
    """Declare all that can be turned on: what ``true`` does, workers, jobs, scaling, HTTPS, and a login."""
    had = values("prod")
    another = {key.name: key.another(had[key.name]) for key in KEYS}
    on = {key: text for key, text in another.items() if text == "true"}
    on |= {"ecsEnabled": "true", "protect": "false"}  # or it could not be destroyed
    on |= {key: another[key] for key in ("workers", "jobs", "schedule", "alarmEmail")}
    on |= {"maxCount": "4", **HTTPS}
    on |= login_settings(stack.calls, provider, f"https://{HTTPS['domainName']}", "secret-of-may")
    other = {key: text for key, text in changes("prod").items() if key not in on}
    other.pop("certificateArn")  # The domain name has its own.
    return declare(stack, on, other)


def declare(stack: LocalStack, on: dict[str, str], other: dict[str, str]) -> Declared:
    """Return a stack's states with the first settings, and after every setting that may change has changed."""
    allow_boundary(stack)
    stack.up(**on)
    first = exported(stack)
    done = stack.up(**other)
    return Declared(stack.name, first, exported(stack), done.steps)


def exported(stack: LocalStack) -> Json:
    """Return the stack's state with its secrets."""
    options = ("--show-secrets", "--stack", stack.name)
    return dict(json.loads(stack.pulumi.run("stack", "export", *options)))


STACKS = {"poc": poc, "prod": prod}


def declared(name: str, folder: Path) -> Declared:
    """Declare a stack in a local cloud without tasks."""
    careapp.use()
    folder.mkdir()
    with identity_provider(folder) as provider, local_stack(folder / name, name) as stack:
        return STACKS[name](stack, provider)
