"""What Pulumi declares of each stack, in a process of its own, and what it does when all settings change."""

import json
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from careapp.rehearsal import careapp
from careapp.settings.settings import KEYS
from local_cloud.identity_provider import IdentityProvider
from tests.support.every_setting import allow_boundary, changes, values
from tests.support.identity import identity_provider, login_settings
from tests.support.local_stack import LocalStack, local_stack

Json = dict[str, Any]

HTTPS = {"domainName": "app.example.com", "hostedZoneId": "Z0123456789ABC"}


Settings = dict[str, str]


def poc(_: LocalStack, __: IdentityProvider) -> tuple[Settings, Settings]:
    """Return both stages as they stand in the file, but with requests that are shifted; then all that may change."""
    on = {"ecsEnabled": "true", "deployStrategy": "canary"}
    # These two change in prod, or are there from the first: a service that shifts refuses them.
    apart = {"certificateArn", "scaleRequestsPerTarget"}
    other = {key: text for key, text in changes("poc").items() if key not in apart}
    return on, other | {"rolloutTimeoutMinutes": "60"}


def prod(stack: LocalStack, provider: IdentityProvider) -> tuple[Settings, Settings]:
    """Return all that can be turned on: what ``true`` does, workers, jobs, scaling, HTTPS, and a login."""
    had = values("prod")
    another = {key.name: key.another(had[key.name]) for key in KEYS}
    on = {key: text for key, text in another.items() if text == "true"}
    on |= {"ecsEnabled": "true", "protect": "false"}  # or it could not be destroyed
    on |= {key: another[key] for key in ("workers", "jobs", "schedule", "alarmEmail")}
    on |= {"maxCount": "4", **HTTPS}
    on |= login_settings(stack.calls, provider, f"https://{HTTPS['domainName']}", "secret-of-may")
    other = {key: text for key, text in changes("prod").items() if key not in on}
    other.pop("certificateArn")  # The domain name has its own.
    return on, other


STACKS = {"poc": poc, "prod": prod}


def declare(name: str, folder: Path, results: Connection) -> None:
    """Send a stack's state with the first settings, then Pulumi's steps to all that may change, and the state then."""
    careapp.use()
    folder.mkdir()
    with identity_provider(folder) as provider, local_stack(folder / name, name) as stack:
        on, other = STACKS[name](stack, provider)
        allow_boundary(stack)
        stack.up(**on)
        results.send(exported(stack))
        done = stack.up(**other)
        results.send((done.steps, exported(stack)))


def exported(stack: LocalStack) -> Json:
    """Return the stack's state with its secrets."""
    options = ("--show-secrets", "--stack", stack.name)
    return dict(json.loads(stack.pulumi.run("stack", "export", *options)))
