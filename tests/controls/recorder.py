"""The unit tests' mock engine, with a VPC that has its children."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pulumi
import yaml
from pulumi.runtime import MockResourceArgs

from rehearsal.providers.awsx import Builder, Child
from tests.controls.graph import ROOT, VPC
from tests.unit.conftest import Engine


def settings_of(stack: str, *changes: str) -> dict[str, str]:
    """A stack file's settings, with stage 2 turned on, as it has every resource, and `changes`."""
    written = yaml.safe_load((ROOT / f"Pulumi.{stack}.yaml").read_text())["config"]
    ours = dict(change.split("=", 1) for change in ("ecsEnabled=true", *changes))
    given = {key: str(value) for key, value in written.items()}
    return {**given, **{f"careapp:{key}": value for key, value in ours.items()}}


NAMES = ("arn", "name", "bucket")
"""Outputs by which other resources point at one."""


class Recorder(Engine):
    """Keeps each resource. awsx's VPC is built by the rehearsal's stand-in, whose children the tier
    `providers` holds against recordings of the real one."""

    def __init__(self) -> None:
        super().__init__()
        self.graph: list[dict[str, Any]] = []
        self.lookups["aws:ssm/getParameter:getParameter"] = {"insecureValue": "ami-1"}

    def new_resource(self, args: MockResourceArgs) -> tuple[str, dict[str, Any]]:
        identity, state = super().new_resource(args)
        known_as = [identity, *(state[key] for key in NAMES if key in state)]
        self.graph.append(
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
