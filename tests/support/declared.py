"""The resources that the program declares with one stack's settings, as a policy pack is passed them.

The program runs in stage 2 with `Pulumi.STACK.yaml` and the settings, against Pulumi's mocks. A process for
each, as Pulumi's runtime is global, forked from one that has imported Pulumi's packages.
"""

from __future__ import annotations

import asyncio
import os
import runpy
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import pulumi
from pulumi.runtime import MockResourceArgs
from pulumi_policy import PolicyCustomTimeouts, PolicyResource, PolicyResourceOptions

from stack.file import read
from tests.unit.conftest import Engine
from tools.local_cloud.engine.program import FORKS, PRELOADED
from tools.local_cloud.providers.awsx import Builder, Child
from tools.rollout import health_change, paused_schedules, update

ROOT = Path(__file__).parents[2]
VPC = "awsx:ec2:Vpc"
NAMES = ("arn", "name", "bucket")
"""Outputs by which other resources point at one."""


@cache
def _processes() -> ProcessPoolExecutor:
    FORKS.set_forkserver_preload([PRELOADED, __name__])
    return ProcessPoolExecutor(os.cpu_count(), mp_context=FORKS, max_tasks_per_child=1)


@cache
def resources_of(stack: str, *settings: str) -> list[PolicyResource]:
    """Run the program and return what it declares. Raises what the program raises."""
    declared = _processes().submit(run, stack, *settings).result()
    made = [resource(one["kind"], one["name"], stack, **one["inputs"]) for one in declared]
    names = [set(one["known_as"]) for one in declared]
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


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _strings(item)


def settings_of(stack: str, *changes: str) -> dict[str, str]:
    """Return a stack file's settings, with stage 2 turned on, as it has every resource, and `changes`."""
    ours = dict(change.split("=", 1) for change in ("ecsEnabled=true", *changes))
    return {**read(stack, ROOT).values, **{f"careapp:{key}": value for key, value in ours.items()}}


class Recorder(Engine):
    """The unit tests' mock engine, which keeps each resource. awsx's VPC is built by the rehearsal's
    stand-in, whose children the folder `providers` compares with recordings of the real one."""

    def __init__(self) -> None:
        super().__init__()
        self.declared: list[dict[str, Any]] = []
        self.lookups["aws:ssm/getParameter:getParameter"] = {"insecureValue": "ami-1"}

    def new_resource(self, args: MockResourceArgs) -> tuple[str, dict[str, Any]]:
        identity, state = super().new_resource(args)
        known_as = [identity, *(state[key] for key in NAMES if key in state)]
        self.declared.append(
            {"kind": args.typ, "name": args.name, "inputs": args.inputs, "known_as": known_as}
        )
        if args.typ == VPC:
            built = Builder(Children(self, args.transforms), args.name, args.inputs, "").build()
            # The others are the children themselves, which Pulumi's mocks would have to know.
            state |= {key: value for key, value in built.items() if key.endswith(("Id", "Ids"))}
        return identity, state


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


def run(stack: str, *settings: str) -> list[dict[str, Any]]:
    """Return a stack's resources as plain data, from a run in this process."""
    asyncio.set_event_loop(asyncio.new_event_loop())
    recorder = Recorder()
    pulumi.runtime.set_mocks(
        recorder,
        project="careapp",
        stack=stack,
        preview=False,
        monitor=recorder.monitor,
        organization="organization",
    )
    pulumi.runtime.set_all_config(settings_of(stack, *settings))
    update.watch = lambda *_: None  # the recorder knows no transforms
    paused_schedules.watch = lambda _: None
    update.Update.wait_for = lambda *_: None  # nothing rolls out here
    health_change.refuse_outage = lambda *_: None  # nor has anything before
    recorder.run(lambda: runpy.run_path(str(ROOT / "__main__.py"), run_name="__main__"))
    return recorder.declared
