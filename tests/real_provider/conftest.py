"""Each stack's declarations by HashiCorp's own provider, once in a local cloud of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from local_cloud.identity_provider import IdentityProvider
from local_cloud.paths import ROOT, Home
from local_cloud.run import client
from local_cloud.run.project import local_cloud_environment
from stack.settings import KEYS
from tests.real_provider.terraform import Terraform, TerraformMissing
from tests.real_provider.translate import Missing, resources, translate
from tests.support.every_setting import allow_boundary, changes, values
from tests.support.identity import identity_provider, login_settings
from tests.support.local_stack import REGION, LocalStack, local_stack
from tools.rehearsal.careapp import CAREAPP

Json = dict[str, Any]

WHOLE = "CAREAPP_REAL_PROVIDER"
"""The variable that is ``all`` where `prod` is made, too: of ten runs one ended with a request that was sent twice."""
HTTPS = {"domainName": "app.example.com", "hostedZoneId": "Z0123456789ABC"}


@dataclass(frozen=True)
class Declared:
    """A stack's states before and after a change, and Pulumi's steps between them."""

    stack: str
    first: Json
    second: Json
    steps: tuple[str, ...]


@dataclass(frozen=True)
class Life:
    """What both stacks declared, and what the provider made of it: created, changed in one plan, destroyed."""

    declared: set[str]
    held: set[str]
    left: dict[str, str]
    previewed: dict[str, str]
    planned: dict[str, str]
    after: set[str]
    missing: list[Missing]


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


@contextmanager
def local_cloud(folder: Path) -> Iterator[dict[str, str]]:
    """A local cloud of its own; yields the variables that lead clients to it."""
    home = Home(folder)
    cloud = [sys.executable, "-m", "tools.cli", "cloud"]
    environment = {**os.environ, CAREAPP.home_variable: str(folder)}
    options = ("--region", REGION, "--port", "0", "--speed", "50")
    subprocess.run([*cloud, "start", *options], cwd=ROOT, env=environment, check=True)
    try:
        yield local_cloud_environment(client.require(home).endpoint, REGION, home.facts)
    finally:
        subprocess.run([*cloud, "stop"], cwd=ROOT, env=environment, check=True)


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory) -> Life:
    folder: Path = tmp_path_factory.mktemp("real")
    installed = Terraform(folder / "terraform", {**os.environ}, REGION)
    try:
        installed.start()
    except TerraformMissing as missing:
        pytest.skip(str(missing))
    declared = []
    with identity_provider(folder) as provider:
        for make in (poc, prod)[: 2 if os.environ.get(WHOLE) == "all" else 1]:
            with local_stack(folder / make.__name__, make.__name__) as stack:
                declared.append(make(stack, provider))
    with local_cloud(folder / "home") as environment:
        return live(replace(installed, environment=environment), declared)


def live(terraform: Terraform, declared: list[Declared]) -> Life:
    """Create, plan, plan the change, destroy, in one configuration for all."""
    schemas = terraform.schemas
    first = [translate(each.first, schemas) for each in declared]
    missing = terraform.configure(*first)
    terraform.apply()
    held, left = set(terraform.held()), terraform.plan()
    missing += terraform.configure(*(translate(each.second, schemas) for each in declared))
    planned = terraform.plan("-refresh=false")
    # The order of the second one may be another, in a circle with this one's.
    terraform.configure(*first)
    terraform.destroy()
    return Life(
        declared={one.address for each in declared for one in resources(each.first, schemas)},
        held=held,
        left=left,
        previewed={
            address: step for each in declared for address, step in previewed(each, schemas).items()
        },
        planned=planned,
        after=set(terraform.held()),
        missing=missing,
    )


def previewed(declared: Declared, schemas: Json) -> dict[str, str]:
    """Return Pulumi's steps by Terraform's addresses and words."""
    every = {
        (each.urn.rsplit("::", 2)[-2].rsplit("$", 1)[-1], each.urn.rsplit("::", 1)[1]): each.address
        for state in (declared.first, declared.second)
        for each in resources(state, schemas)
    }
    found = {}
    for step in declared.steps:
        op, kind, name = step.split(" ", 2)
        if (kind, name) in every:
            found[every[kind, name]] = "replace" if "replac" in op else op
    return found
