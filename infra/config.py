"""What the engine passes to the program: the configuration, and the state from before this update."""

from typing import Any

import pulumi
from pulumi.runtime.config import CONFIG, is_config_secret

from careapp.settings import sizes
from careapp.settings.file import StackError, StackFile
from careapp.settings.settings import Settings


def load() -> Settings:
    """Return the stack's settings, and log what is near a limit. Raises RunError that names every problem.

    Pulumi prints a RunError without a traceback and fails the command.
    """
    # pulumi.Config cannot list its keys; CONFIG is the map behind it.
    values = CONFIG.get()
    given = StackFile(
        stack=pulumi.get_stack(),
        project=pulumi.get_project(),
        values=values,
        encrypted={key for key in values if is_config_secret(key)},
    )
    try:
        settings = Settings.of(given, sources=True)
    except StackError as problem:
        raise pulumi.RunError(str(problem.text)) from problem
    for warning in sizes.warnings(settings.sizes):
        pulumi.log.warn(str(warning))
    return settings


def outputs() -> dict[str, Any]:
    """Return the outputs of the stack's last update; empty for a new stack."""
    return _read("readStackOutputs", "name")


def resources() -> dict[str, dict[str, Any]]:
    """Return `type` and `outputs` of each resource, by URN, without those that are replaced and not deleted yet."""
    return _read("readStackResourceOutputs", "stackName")


def _read(function: str, argument: str) -> dict[str, Any]:
    """Call a function of the engine about this stack (pulumi/pkg/resource/deploy/builtins.go).

    A pulumi.StackReference would be a resource of the stack, and its outputs are not known synchronously.
    """
    stack = "/".join((pulumi.get_organization(), pulumi.get_project(), pulumi.get_stack()))
    answer = pulumi.runtime.invoke(f"pulumi:pulumi:{function}", {argument: stack})
    outputs: dict[str, Any] = answer.value["outputs"]
    return outputs
