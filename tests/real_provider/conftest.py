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

from stack.settings import KEYS
from tests.real_provider.terraform import Terraform, TerraformMissing
from tests.real_provider.translate import resources, translate
from tests.support.every_setting import allow_boundary, changes, values
from tests.support.local_stack import REGION, LocalStack, local_stack
from tools.local_cloud.paths import ROOT, Home
from tools.local_cloud.run import client
from tools.local_cloud.run.project import local_cloud_environment
from tools.rehearsal.careapp import CAREAPP

Json = dict[str, Any]

LEFT_OUT = {"aws_ecs_service": {"deploymentConfiguration"}}
"""What 5.100 cannot express: deployment strategies, their hooks and test rules."""
STACKS = ("poc", "prod") if os.environ.get("CAREAPP_REAL_PROVIDER") == "all" else ("poc",)
"""prod takes five minutes, and one of its first creations failed for a reason that is not found yet."""


def everything(stack: str) -> dict[str, str]:
    """Return the settings that turn on what the stack's file leaves off."""
    had = values(stack)
    another = {key.name: key.another(had[key.name]) for key in KEYS}
    on = {key: text for key, text in another.items() if text == "true"}
    on |= {"ecsEnabled": "true", "protect": "false"}  # or it could not be destroyed
    on |= {key: another[key] for key in ("workers", "jobs")}
    return on | {
        "maxCount": "4",
        "schedule": another["schedule"],
        "alarmEmail": another["alarmEmail"],
    }


@dataclass(frozen=True)
class Life:
    """What a stack declared, and what the provider made of it: created, changed in one plan, destroyed."""

    stack: str
    declared: set[str]
    held: set[str]
    left: dict[str, str]
    previewed: dict[str, str]
    planned: dict[str, str]
    after: set[str]


@dataclass(frozen=True)
class Declared:
    """The states before and after a change, and Pulumi's steps between them."""

    stack: str
    first: Json
    second: Json
    steps: tuple[str, ...]


def declare(stack: LocalStack) -> Declared:
    """Return a whole stack's states with everything on, and after every setting that may change has changed."""
    allow_boundary(stack)
    on = everything(stack.name) if stack.name == "prod" else {"ecsEnabled": "true"}
    stack.up(**on)
    first = json.loads(stack.state())
    other = {key: text for key, text in changes(stack.name).items() if key not in on}
    done = stack.up(**other)
    return Declared(stack.name, first, json.loads(stack.state()), done.steps)


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


@pytest.fixture(scope="module", params=STACKS)
def life(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Life:
    folder: Path = tmp_path_factory.mktemp("real")
    installed = Terraform(folder / "terraform", {**os.environ}, REGION)
    try:
        installed.start()
    except TerraformMissing as missing:
        pytest.skip(str(missing))
    with local_stack(folder / "stack", request.param) as stack:
        declared = declare(stack)
    with local_cloud(folder / "home") as environment:
        return live(replace(installed, environment=environment), declared)


def live(terraform: Terraform, declared: Declared) -> Life:
    """Create, plan, plan the change, destroy."""
    schemas = terraform.schemas
    terraform.configure(translate(declared.first, schemas, LEFT_OUT))
    terraform.apply()
    held, left = set(terraform.held()), terraform.plan()
    terraform.configure(translate(declared.second, schemas, LEFT_OUT))
    planned = terraform.plan()
    terraform.destroy()
    return Life(
        stack=declared.stack,
        declared={each.address for each in resources(declared.first, schemas)},
        held=held,
        left=left,
        previewed=previewed(declared, schemas),
        planned=planned,
        after=set(terraform.held()),
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
