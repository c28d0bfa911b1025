"""The settings that add a resource for the app, which every task finds in the key's `variable`."""

from __future__ import annotations

from stack import rules
from stack.rules import Change, Key
from stack.uploads import UPLOADS_ENABLED
from tools.i18n import t

QUEUE_ENABLED = Key(
    "queueEnabled",
    "false",
    rules.boolean,
    "an SQS queue for the app's messages, which its tasks find in `QUEUE_URL` (docs/your-app.md)",
    change=Change(
        "`true` adds the queue, and the service replaces its tasks. `false` is refused with `protect`; without it the "
        "queue **and all messages in it** are deleted",
        new_tasks=True,
        loses=t("the queue with the app's messages"),
    ),
    variable="QUEUE_URL",
)
APP_RESOURCES: tuple[Key[bool], ...] = (UPLOADS_ENABLED, QUEUE_ENABLED)
"""Their components are in the list of the same name in `__main__`."""
