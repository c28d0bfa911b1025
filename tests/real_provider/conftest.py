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

import jmespath
import pytest

from local_cloud.calls import Calls
from local_cloud.paths import ROOT, Home
from local_cloud.providers.aws import KINDS
from local_cloud.providers.aws.provider import AwsServicer
from local_cloud.run import client
from local_cloud.run.project import local_cloud_environment
from tests.real_provider.declared import STACKS, declare
from tests.real_provider.drift import ONE_WAY, Colleague, Held, arguments
from tests.real_provider.terraform import Terraform, TerraformFailed, TerraformMissing
from tests.real_provider.translate import (
    Missing,
    Resource,
    chosen_by_aws,
    merged,
    resources,
    translate,
)
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
    drifted: dict[str, tuple[bool, bool]]
    """Of each argument that a colleague changed, whether a refresh sees it: of our stand-in, and of the provider."""
    unseen: Json
    """What was wrong with drifts of Pulumi's own stacks: not seen, or not restored."""
    again: dict[str, list[str]]
    """What differs, by address, after all that may change was applied."""
    after: set[str]
    remains: list[str]
    """What AWS still has after the destroy."""
    missing: list[Missing]


@contextmanager
def local_cloud(folder: Path) -> Iterator[tuple[dict[str, str], Calls]]:
    """A local cloud of its own; yields the variables that lead clients to it, and its API."""
    home = Home(folder)
    cloud = [sys.executable, "-m", "tools.cli", "cloud"]
    environment = {**os.environ, CAREAPP.home_variable: str(folder)}
    options = ("--region", REGION, "--port", "0", "--speed", "50")
    subprocess.run([*cloud, "start", *options], cwd=ROOT, env=environment, check=True)
    try:
        access = client.require(home).access
        yield local_cloud_environment(access, home.facts), Calls(access)
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
        environment, calls = ends.enter_context(local_cloud(folder / "home"))
        return live(ends.enter_context(installed.serve(environment)), calls, stacks)


def declared(name: str, folder: Path) -> Connection:
    """Return the results of a process that declares a stack, which takes most of a processor for half a minute."""
    context = get_context("spawn")
    results, sent = context.Pipe(duplex=False)
    context.Process(target=declare, args=(name, folder, sent)).start()
    sent.close()  # Without the process there are no results, but an EOFError.
    return results


def live(terraform: Terraform, calls: Calls, stacks: list[Connection]) -> Life:
    """Create, plan, plan changes, let a colleague change all, apply the changes, destroy, in one configuration for all.

    Most of a creation is waiting for RDS. Meanwhile Pulumi changes its own stacks, and other values are looked for;
    then changes are planned from the state before.
    """
    schemas, states = terraform.schemas, [each.recv() for each in stacks]
    made = [one for state in states for one in resources(state, schemas)]
    missing = terraform.configure(*(translate(state, schemas) for state in states))
    other = terraform.copy("other")
    with ThreadPoolExecutor() as pool:
        applied = pool.submit(terraform.apply)
        plain = merged(*(translate(state, schemas, refer=False) for state in states))
        varied = vary(other, plain)
        changes = [each.recv() for each in stacks]
        applied.result()
        held, left = terraform.held(), terraform.plan()
        shutil.copy(terraform.state, other.state)
        drifted = pool.submit(drift, terraform, calls, made, schemas)
        changed = [translate(state, schemas) for _, state in changes]
        missing += other.configure(*changed)
        planned = other.plan("-refresh=false")
        other.configure((varied, []))
        replaced = other.replacing()
        drifted.result()
    terraform.configure(*changed)
    try:
        terraform.apply()
        again = terraform.differences()
    except TerraformFailed as failed:
        again = {"the changes": [str(failed)]}
    later = [one for _, state in changes for one in resources(state, schemas)]
    there = as_pulumi_has(terraform, later, schemas)
    terraform.destroy()
    servicer = AwsServicer(calls)
    return Life(
        declared={each.address for each in made},
        held={*held},
        left=left,
        previewed=previewed(states, changes, schemas),
        planned=planned,
        replaced=judged(made, replaced, schemas),
        drifted=drifted.result(),
        unseen={name: words for each in stacks for name, words in each.recv().items()},
        again=again,
        after={*terraform.held()},
        remains=[each.urn for each in there if each.exists(servicer)],
        missing=missing,
    )


def drift(
    terraform: Terraform, calls: Calls, made: list[Resource], schemas: Json
) -> dict[str, tuple[bool, bool]]:
    """Change each argument; return whether our stand-in, and the provider, see the change."""
    every = as_pulumi_has(terraform, made, schemas)
    servicer, colleague = AwsServicer(calls), Colleague(calls, every)
    seen = {
        f"without a change, {each.argument(name)} of {each.urn}": (True, False)
        for each in every
        for name in each.refreshed(servicer)[0]
    }
    changed = [pair for pair in arguments(every) if pair[0].argument(pair[1]) not in ONE_WAY]
    for held, name in changed:
        try:
            colleague.change(held, name)
        except Exception as problem:
            seen[f"{held.argument(name)} cannot be changed: {problem}"] = (True, False)
    differing = terraform.differences()
    resource = {each.urn: each for each in made}
    for held, name in changed:
        terraform_s = resource[held.urn]
        block = schemas[terraform_s.type]["block"]
        names = terraform_s.names({**block["attributes"], **block.get("block_types", {})})
        found = {names.get(key) for key in differing.get(terraform_s.address, ())}
        seen[held.argument(name)] = (name in held.refreshed(servicer)[0], name in found)
    return seen


def expressed(resource: Resource, schemas: Json) -> Json:
    """Return the inputs that the provider's schema can express: no strategies, hooks and test rules of ECS."""
    block = schemas[resource.type]["block"]
    names = resource.names({**block["attributes"], **block.get("block_types", {})}).values()
    given = {name: value for name, value in resource.inputs.items() if name in names}
    if "loadBalancers" in given:
        given["loadBalancers"] = [
            {name: value for name, value in each.items() if name != "advancedConfiguration"}
            for each in given["loadBalancers"]
        ]
    return given


def as_pulumi_has(terraform: Terraform, made: list[Resource], schemas: Json) -> list[Held]:
    """Return Terraform's resources as Pulumi's state has them, with what AWS chose for Terraform."""
    attributes, chosen = terraform.held(), {}
    for each in made:
        for text, source in chosen_by_aws(each, schemas[each.type]["block"]):
            if each.type != "aws_iam_role_policy_attachment":  # Its id had another form in 5.100.
                where = source.removeprefix(f"{each.address}.")
                chosen[text] = str(jmespath.search(where, attributes[each.address]))
    texts = re.compile("|".join(map(re.escape, sorted(chosen, key=len, reverse=True))))

    def exchanged(value: Any) -> Any:
        match value:
            case str():
                return texts.sub(lambda found: chosen[found[0]], value)
            case list():
                return [exchanged(each) for each in value]
            case dict():
                return {name: exchanged(each) for name, each in value.items()}
        return value

    return [
        Held(
            *(each.token, each.urn, exchanged(each.outputs["id"])),
            *(exchanged(expressed(each, schemas)), exchanged(each.outputs)),
        )
        for each in made
    ]


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
