"""All stacks' declarations by HashiCorp's own provider, once in a local cloud of its own."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest

from local_cloud.paths import ROOT, Home
from local_cloud.providers.aws import KINDS
from local_cloud.run import client
from local_cloud.run.project import local_cloud_environment
from tests.real_provider.declared import STACKS, declare
from tests.real_provider.terraform import Terraform, TerraformMissing
from tests.real_provider.translate import Missing, Resource, merged, resources, translate
from tests.real_provider.vary import vary
from tests.support.local_stack import REGION
from tools.rehearsal.careapp import CAREAPP

Json = dict[str, Any]


@dataclass(frozen=True)
class Life:
    """What the stacks declared, and what the provider made of it: created, changed in plans, destroyed."""

    declared: set[str]
    held: set[str]
    left: dict[str, str]
    previewed: dict[str, str]
    planned: dict[str, str]
    replaced: dict[str, tuple[bool, bool]]
    """Of each argument, whether another value replaces the resource: by our stand-in, and by the provider."""
    after: set[str]
    missing: list[Missing]


@contextmanager
def local_cloud(folder: Path) -> Iterator[dict[str, str]]:
    """A local cloud of its own; yields the variables that lead clients to it."""
    home = Home(folder)
    cloud = [sys.executable, "-m", "tools.cli", "cloud"]
    environment = {**os.environ, CAREAPP.home_variable: str(folder)}
    options = ("--region", REGION, "--port", "0", "--speed", "50")
    subprocess.run([*cloud, "start", *options], cwd=ROOT, env=environment, check=True)
    try:
        yield local_cloud_environment(client.require(home).access, home.facts)
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
    with ExitStack() as ends:
        stacks = [ends.enter_context(declared(name, folder / name)) for name in STACKS]
        environment = ends.enter_context(local_cloud(folder / "home"))
        return live(ends.enter_context(installed.serve(environment)), stacks)


def declared(name: str, folder: Path) -> Connection:
    """Return the results of a process that declares a stack, which takes most of a processor for half a minute."""
    context = get_context("spawn")
    results, sent = context.Pipe(duplex=False)
    context.Process(target=declare, args=(name, folder, sent)).start()
    sent.close()  # Without the process there are no results, but an EOFError.
    return results


def live(terraform: Terraform, stacks: list[Connection]) -> Life:
    """Create, plan, plan changes, destroy, in one configuration for all.

    Most of a creation and of a destroy is waiting for RDS. Meanwhile Pulumi changes its own stacks, and other values
    are looked for; then changes are planned from the state before.
    """
    schemas, states = terraform.schemas, [each.recv() for each in stacks]
    made = [one for state in states for one in resources(state, schemas)]
    first = [translate(state, schemas) for state in states]
    missing = terraform.configure(*first)
    other = terraform.copy("other")
    with ThreadPoolExecutor() as pool:
        applied = pool.submit(terraform.apply)
        plain = merged(*(translate(state, schemas, refer=False) for state in states))
        varied = vary(other, plain)
        changes = [each.recv() for each in stacks]
        applied.result()
        held, left = terraform.held(), terraform.plan()
        shutil.copy(terraform.state, other.state)
        destroyed = pool.submit(terraform.destroy)
        missing += other.configure(*(translate(state, schemas) for _, state in changes))
        planned = other.plan("-refresh=false")
        other.configure((varied, []))
        replaced = other.replacing()
        destroyed.result()
    return Life(
        declared={each.address for each in made},
        held=held,
        left=left,
        previewed=previewed(states, changes, schemas),
        planned=planned,
        replaced=judged(made, replaced, schemas),
        after=terraform.held(),
        missing=missing,
    )


def judged(
    made: list[Resource], replaced: dict[tuple[str, str], bool], schemas: Json
) -> dict[str, tuple[bool, bool]]:
    """Return what our stand-in and the provider say of each argument that was changed."""
    return {
        f"{each.type}.{name}": (key in KINDS[each.token].replaces, replaced[each.address, name])
        for each in made
        for name, key in each.arguments(schemas[each.type]["block"]).items()
        if (each.address, name) in replaced
    }


def previewed(
    states: list[Json], changes: list[tuple[list[str], Json]], schemas: Json
) -> dict[str, str]:
    """Return Pulumi's steps by Terraform's addresses and words."""
    found = {}
    for before, (steps, after) in zip(states, changes, strict=True):
        every = {
            (each.token, each.urn.rsplit("::", 1)[1]): each.address
            for state in (before, after)
            for each in resources(state, schemas)
        }
        for step in steps:
            op, kind, name = step.split(" ", 2)
            if (kind, name) in every:
                found[every[kind, name]] = "replace" if "replac" in op else op
    return found
