"""The resource graph of one stack: every resource that the program declares, and its inputs.

`python -m tests.controls.graph STACK [KEY=VALUE…]` runs the program in stage 2 with
`Pulumi.STACK.yaml` and the settings given, against Pulumi's mocks, and writes the graph as JSON.
A process for each: Pulumi's runtime is global.
"""

from __future__ import annotations

import asyncio
import json
import runpy
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
VPC = "awsx:ec2:Vpc"


@dataclass(frozen=True)
class Resource:
    """One resource: its Pulumi type, logical name, what the program says about it, and by which
    names others point at it: its id, its ARN and the like."""

    kind: str
    name: str
    inputs: dict[str, Any] = field(default_factory=dict)
    known_as: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.kind.rpartition(':')[2]} {self.name}"


@dataclass(frozen=True)
class Graph:
    """All resources of a stack."""

    resources: tuple[Resource, ...]

    def of(self, *kinds: str) -> list[Resource]:
        return [resource for resource in self.resources if resource.kind in kinds]

    def pointing_at(self, target: Resource, kind: str, key: str) -> Iterator[Resource]:
        """Resources of one kind whose input `key` is one of the names of the target."""
        return (one for one in self.of(kind) if one.inputs.get(key) in target.known_as)


@cache
def graph_of(stack: str, *settings: str) -> Graph:
    """Run the program and read what it declared. RuntimeError with its words when it fails."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.controls.graph", stack, *settings],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(
            f"the program fails with Pulumi.{stack}.yaml {settings}:\n{done.stderr[-2000:]}"
        )
    return Graph(tuple(Resource(**one) for one in json.loads(done.stdout)))


def declared(stack: str, *settings: str) -> list[dict[str, Any]]:
    """The graph of a stack, as plain data, from a run in this process."""
    import pulumi

    from ops import rollout, rollout_changes
    from tests.controls.recorder import Recorder, settings_of

    asyncio.set_event_loop(asyncio.new_event_loop())
    recorder = Recorder()
    pulumi.runtime.set_mocks(
        recorder, project="careapp", stack=stack, preview=False, monitor=recorder.monitor
    )
    pulumi.runtime.set_all_config(settings_of(stack, *settings))
    rollout_changes.watch = lambda: None  # the recorder knows no transforms
    rollout.gate = lambda *_: None  # nothing rolls out here
    recorder.run(lambda: runpy.run_path(str(ROOT / "__main__.py"), run_name="__main__"))
    return recorder.graph


if __name__ == "__main__":
    json.dump(declared(*sys.argv[1:]), sys.stdout)
