"""The one place that touches pulumi.Config."""

from __future__ import annotations

import pulumi
from pulumi.runtime.config import CONFIG, is_config_secret

from i18n import shown
from stack.file import StackError, StackFile
from stack.settings import Settings


def load() -> Settings:
    """Read the stack's configuration. RunError names all that is wrong with it.

    A RunError, because Pulumi prints its text without a traceback and fails the command.
    """
    # pulumi.Config cannot list its keys; this is the map that it looks them up in.
    values = CONFIG.get()
    given = StackFile(
        stack=pulumi.get_stack(),
        project=pulumi.get_project(),
        values=values,
        encrypted={key for key in values if is_config_secret(key)},
    )
    try:
        return Settings.of(given, sources=True)
    except StackError as problem:
        raise pulumi.RunError(shown(problem.text)) from problem
