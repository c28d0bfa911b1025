"""What the stack's state has from before this update, read by the engine's own functions.

A pulumi.StackReference would be a resource of the stack, and its outputs are not known synchronously.
"""

from __future__ import annotations

from typing import Any

import pulumi


def outputs() -> dict[str, Any]:
    """Return the outputs of the stack's last update; empty for a new stack."""
    return _read("readStackOutputs", "name")


def resources() -> dict[str, dict[str, Any]]:
    """Return `type` and `outputs` of each resource, by URN, without those that are replaced and not deleted yet."""
    return _read("readStackResourceOutputs", "stackName")


def _read(function: str, argument: str) -> dict[str, Any]:
    """Call a function of the engine about this stack (pulumi/pkg/resource/deploy/builtins.go)."""
    stack = "/".join((pulumi.get_organization(), pulumi.get_project(), pulumi.get_stack()))
    answer = pulumi.runtime.invoke(f"pulumi:pulumi:{function}", {argument: stack})
    found: dict[str, Any] = answer.value["outputs"]
    return found
