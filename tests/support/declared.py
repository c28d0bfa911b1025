"""What the program declares with a stack's settings in stage 2, run against Pulumi's mocks.

A process for each run, as Pulumi's runtime is global, forked from one that has imported Pulumi's packages.
"""

import asyncio
import gc
import json
import os
import re
import runpy
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pulumi
from pulumi.runtime import MockResourceArgs
from pulumi_policy import PolicyCustomTimeouts, PolicyResource, PolicyResourceOptions

from careapp.settings.file import StackError, read
from careapp.settings.settings import KEYS, Settings
from careapp.update import health_change, paused_schedules
from careapp.update import hooks as update
from infra import image_tag, login
from local_cloud.engine.program import FORKS, PRELOADED, checked
from local_cloud.providers.aws import KINDS, OUTPUTS
from local_cloud.providers.awsx import Child, VpcChildren
from tests.unit import conftest
from tests.unit.conftest import ENDPOINTS, Engine, OneMoment

ROOT = Path(__file__).parents[2]
VPC = "awsx:ec2:Vpc"
NAMES = ("arn", "name", "bucket")
"""Outputs by which other resources point at one."""
STAGE_2 = "ecsEnabled=true"
PROJECT = "careapp"


@cache
def _processes() -> ProcessPoolExecutor:
    program = (f"infra.{file.stem}" for file in (ROOT / "infra").glob("*.py"))
    FORKS.set_forkserver_preload([PRELOADED, __name__, *program])
    return ProcessPoolExecutor(os.cpu_count(), mp_context=FORKS, max_tasks_per_child=1)


@cache
def begun(stack: str, *settings: str, project: str = PROJECT) -> Future[dict[str, Any]]:
    """Start a run of the program with a stack file and settings like ``key=value``."""
    return _processes().submit(run, project, stack, *settings)


def declared(stack: str, *settings: str) -> dict[str, Any]:
    """Return the run's resources, outputs and components. Raises what the program raises."""
    return begun(stack, *settings).result()


@cache
def variants(stack: str) -> dict[str, tuple[str, ...]]:
    """Return for each key the settings that give it another value than a stack file.

    A key is left out where the refusal of its value names no other key, as that of a missing file.
    """
    file = read(stack, ROOT)
    had = dict(Settings.read(stack, ROOT).texts) | {"ecsEnabled": "true"}

    def check(values: Mapping[str, str]) -> object:
        ours = {f"{PROJECT}:{key}": value for key, value in values.items()}
        return Settings.of(replace(file, values={**file.values, **ours}), sources=True)

    found = {key.name: with_another(key.name, had, check) for key in KEYS}
    return {
        name: tuple(f"{key}={row[key]}" for key in sorted(row))
        for name, row in found.items()
        if row
    }


def with_another(
    key: str, had: Mapping[str, str], check: Callable[[Mapping[str, str]], object]
) -> dict[str, str]:
    """Return another value of a key, and of the keys that it needs: those that the refusal names; {} without any."""
    examples = {each.name: each.another(had.get(each.name, each.default)) for each in KEYS}
    given = {key: examples[key]}
    while True:
        try:
            check(given)
        except StackError as refused:
            words = re.findall(r"\w+", str(refused).splitlines()[1])
            needed = [name for name in words if name in examples.keys() - given]
            if not needed:
                return {}
            given[needed[0]] = examples[needed[0]]
        else:
            return given


@cache
def resources_of(stack: str, *settings: str) -> list[PolicyResource]:
    """Return what the program declares, as a policy pack is passed it."""
    found = declared(stack, *settings)["resources"]
    made = [resource(one["kind"], one["name"], stack, **one["inputs"]) for one in found]
    names = [set(one["known_as"]) for one in found]
    for each in made:
        each.property_dependencies = {
            key: [other for other, known_as in zip(made, names, strict=True) if known_as & said]
            for key, value in each.props.items()
            if (said := {*_strings(value)})
        }
    return made


def resource(kind: str, name: str = "it", stack: str = "prod", /, **props: Any) -> PolicyResource:
    """Return a resource as the engine describes it to a policy."""
    options = PolicyResourceOptions(False, [], None, [], PolicyCustomTimeouts(0, 0, 0), [])
    urn = f"urn:pulumi:{stack}::careapp::{kind}::{name}"
    return PolicyResource(kind, props, urn, name, options, None, None, [], {})


def document(*allowed: str, resource: str = "arn:aws:s3:::it/*", **more: Any) -> str:
    """Return a policy of one statement that allows the actions, with `more` in the statement."""
    statement = {"Effect": "Allow", "Action": [*allowed], "Resource": resource, **more}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _strings(item)


class Recorder(Engine):
    """The unit tests' mock engine, which keeps each resource. awsx's VPC is built by the rehearsal's
    stand-in, whose children the folder `providers` compares with recordings of the real one."""

    kinds = KINDS

    def __init__(self) -> None:
        super().__init__()
        self.declared: list[dict[str, Any]] = []
        self.lookups |= {
            "aws:ssm/getParameter:getParameter": {"insecureValue": "ami-1"},
            "aws:ec2/getManagedPrefixList:getManagedPrefixList": {
                "addressFamily": "IPv4",
                "maxEntries": 5,
                "name": "office",
            },
        }

    def new_resource(self, args: MockResourceArgs) -> tuple[str, dict[str, Any]]:
        identity, state = super().new_resource(args)
        known_as = [identity, *(state[key] for key in NAMES if key in state)]
        self.declared.append(
            {"kind": args.typ, "name": args.name, "inputs": args.inputs, "known_as": known_as}
        )
        if args.typ == VPC:
            built = VpcChildren(Children(self, args.transforms), args.name, args.inputs, "").build()
            # The others are the children themselves, which Pulumi's mocks would have to know.
            state |= {key: value for key, value in built.items() if key.endswith(("Id", "Ids"))}
        return identity, state

    def resources(self) -> list[dict[str, Any]]:
        """Return the resources with their options; the children of the VPC have none."""
        return [each | self._options(each["kind"], each["name"]) for each in self.declared]

    def _options(self, kind: str, name: str) -> dict[str, Any]:
        request = self.monitor.requests.get((kind, name))
        if request is None:
            return {"parent": VPC, "options": {}, "needs": []}
        by_inputs = {urn for urns in request.propertyDependencies.values() for urn in urns.urns}
        options = {
            "protect": request.protect,
            "deleteBeforeReplace": request.deleteBeforeReplace,
            "ignoreChanges": list(request.ignoreChanges),
            "hooks": [*request.hooks.before_create, *request.hooks.before_update],
            "after": sorted(_short(urn) for urn in {*request.dependencies} - by_inputs),
        }
        return {
            "parent": request.parent.split("::")[2].rpartition("$")[2].rpartition(":")[2],
            "options": {key: value for key, value in options.items() if value},
            "needs": sorted(map(_short, request.dependencies)),
        }


def _short(urn: str) -> str:
    """Return type and name of a resource, without module and parents."""
    _, _, kind, name = urn.split("::")
    return f"{kind.rpartition(':')[2]} {name}"


class Children:
    """What the stand-in registers its children with: here, the recorder itself."""

    component_urn = ""

    def __init__(self, recorder: Recorder, transforms: list[Any]) -> None:
        self._recorder, self._transforms = recorder, transforms

    def add(
        self, kind: str, name: str, inputs: dict[str, Any], parent: str, links: Mapping[str, Child]
    ) -> Child:
        del parent
        props = inputs | {key: child.identity for key, child in links.items()}
        for transform in self._transforms:  # as the engine does with each child of a component
            changed = transform(
                pulumi.ResourceTransformArgs(
                    custom=True, type_=kind, name=name, props=props, opts=pulumi.ResourceOptions()
                )
            )
            props = changed.props if changed else props
        made = MockResourceArgs(
            typ=kind, name=name, inputs=props, provider="", resource_id="", custom=True
        )
        identity, state = self._recorder.new_resource(made)
        return Child(urn=identity, identity=identity, outputs=state)


def run(project: str, stack: str, *settings: str) -> dict[str, Any]:
    """Return what a stack declares as plain data, from a run in this process."""
    gc.freeze()  # A million objects of Pulumi's packages live until the end; to scan them takes 0.2 s.
    asyncio.set_event_loop(asyncio.new_event_loop())
    recorder = Recorder()
    pulumi.runtime.set_mocks(
        recorder,
        project=project,
        stack=stack,
        preview=False,
        monitor=recorder.monitor,
        organization="organization",
    )
    ours = dict(setting.split("=", 1) for setting in (STAGE_2, *settings))
    values = {**read(stack, ROOT).values, **{f"{PROJECT}:{key}": ours[key] for key in ours}}
    pulumi.runtime.set_all_config(json.loads(json.dumps(values).replace(PROJECT, project)))
    conftest.ANSWERS = json.loads(json.dumps(conftest.ANSWERS).replace(PROJECT, project))
    outputs: dict[str, Any] = {}
    pulumi.export = outputs.__setitem__
    image_tag.datetime = OneMoment
    pulumi.get = checked(pulumi.get, OUTPUTS)
    login.discover = lambda settings, _: ENDPOINTS if settings.login.enabled else None
    update.watch = lambda *_: None  # the recorder knows no transforms
    paused_schedules.watch = lambda _: None
    update.Update.wait_for = lambda *_: None  # nothing rolls out here
    health_change.refuse_outage = lambda *_: None  # nor has anything before
    recorder.run(lambda: runpy.run_path(str(ROOT / "__main__.py"), run_name="__main__"))
    return {
        "resources": recorder.resources(),
        "outputs": recorder.known(pulumi.Output.all(**outputs)),
        "loose": [*recorder.orphans(), *recorder.unfinished()],
    }
