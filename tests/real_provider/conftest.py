"""All stacks' declarations by HashiCorp's own provider, once in a local cloud of its own."""

import os
import re
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

from careapp import ROOT
from careapp.rehearsal.careapp import CAREAPP
from local_cloud.paths import Home
from local_cloud.providers.aws import KINDS
from local_cloud.run import client
from local_cloud.run.project import local_cloud_environment
from tests.mistakes.judge import Judge
from tests.real_provider.declared import STACKS, declare
from tests.real_provider.terraform import Terraform, TerraformMissing
from tests.real_provider.translate import Missing, Resource, chosen, merged, resources, translate
from tests.real_provider.vary import vary
from tests.support.local_stack import REGION

collect_ignore = [] if os.environ.get("TF_MODULES_DIR") else ["test_service.py"]
"""Terraform's modules are in no registry of packages: whoever has them names their folder."""

Json = dict[str, Any]


@dataclass(frozen=True)
class Life:
    """What the stacks declared, and what the provider made of it: created, changed, destroyed."""

    declared: set[str]
    held: set[str]
    defaults: dict[str, str]
    """What AWS has chosen for arguments that are not given."""
    differing: dict[str, str]
    """What a second plan changes."""
    previewed: dict[str, str]
    changed: dict[str, str]
    replaced: dict[str, tuple[bool, bool]]
    """Of each argument, whether another value replaces the resource: by our stand-in, and by the provider."""
    differing_after: dict[str, str]
    """What a plan changes after the changes."""
    remains: list[str]
    """What the cloud has after the destroy."""
    missing: list[Missing]


@contextmanager
def local_cloud(folder: Path) -> Iterator[dict[str, str]]:
    """A local cloud of its own; yields the variables that lead clients to it."""
    home = Home(folder)
    cloud = [sys.executable, "-m", "careapp.cli", "cloud"]
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
    """Create, plan, change, plan and destroy, in one configuration for all.

    Most of a creation and of a change is waiting for RDS. Meanwhile Pulumi changes its own stacks, and other values
    are looked for and planned.
    """
    schemas, states = terraform.schemas, [stack.recv() for stack in stacks]
    made = [one for state in states for one in resources(state, schemas)]
    first = [translate(state, schemas) for state in states]
    missing = terraform.configure(*first)
    other = terraform.copy("other")
    with ThreadPoolExecutor() as pool:
        created = pool.submit(terraform.apply)
        plain = merged(*(translate(state, schemas, refer=False) for state in states))
        varied = vary(other, plain)
        changes = [stack.recv() for stack in stacks]
        created.result()
        held, differing = terraform.held(), terraform.differences()
        shutil.copy(terraform.state, other.state)
        missing += terraform.configure(*(translate(state, schemas) for _, state in changes))
        changed = pool.submit(terraform.apply)
        other.configure((varied, []))
        replaced = other.replacing()
        changed.result()
    differing_after = terraform.differences()
    judge = Judge(Path(), terraform.environment, tuple)
    delete_databases(judge.client("rds"))
    terraform.destroy()
    return Life(
        declared={resource.address for resource in made},
        held={*held},
        defaults=defaults(held, merged(*first), schemas),
        differing=differing,
        previewed=previewed(states, changes, schemas),
        changed=changed.result(),
        replaced=judged(made, replaced, schemas),
        differing_after=differing_after,
        remains=judge.left(),
        missing=missing,
    )


def delete_databases(rds: Any) -> None:
    """Delete the databases, which the provider then finds deleted: it would wait a minute more for them."""
    names = [each["DBInstanceIdentifier"] for each in rds.describe_db_instances()["DBInstances"]]
    for name in names:
        rds.delete_db_instance(DBInstanceIdentifier=name, SkipFinalSnapshot=True)
    for name in names:
        waiter = rds.get_waiter("db_instance_deleted")
        waiter.wait(DBInstanceIdentifier=name, WaiterConfig={"Delay": 1, "MaxAttempts": 300})


OWN = re.compile(r"[.]id |tags_all |careapp|arn:|-[0-9a-f]{8}|\d+[.]\d+[.]\d+[.]\d+")
"""What each run has otherwise, and what a configuration says."""


def defaults(held: dict[str, Json], given: Json, schemas: Json) -> dict[str, str]:
    """Return what AWS has chosen for arguments that a configuration does not give, by their types."""
    found: dict[str, set[str]] = {}
    for address, attributes in held.items():
        kind, name = address.split(".")
        for path, value in chosen(attributes, given[kind][name], schemas[kind]["block"]):
            if value and not OWN.search(f"{path} {value}"):
                found.setdefault(f"{kind}{path}", set()).add(repr(value))
    return {path: ", ".join(sorted(values)) for path, values in sorted(found.items())}


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
            (resource.token, resource.urn.rsplit("::", 1)[1]): resource.address
            for state in (before, after)
            for resource in resources(state, schemas)
        }
        for step in steps:
            op, kind, name = step.split(" ", 2)
            if (kind, name) in every:
                found[every[kind, name]] = "replace" if "replac" in op else op
    return found
