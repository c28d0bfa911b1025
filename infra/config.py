"""Reads the configuration that the engine passes into Settings."""

from __future__ import annotations

import pulumi
from pulumi.runtime.config import CONFIG, is_config_secret

from stack import sizes
from stack.file import StackError, StackFile
from stack.settings import Settings


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
