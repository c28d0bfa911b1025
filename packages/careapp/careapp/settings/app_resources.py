"""The settings that add a resource for the app, which every task finds in the key's `variable`."""

from careapp.settings import rules
from careapp.settings.rules import Change, Key
from ecs_gate.text import t

UPLOADS_ENABLED = Key(
    "uploadsEnabled",
    "false",
    rules.boolean,
    "an S3 bucket for the app's files, which its tasks find in `UPLOADS_BUCKET` (docs/your-app.md)",
    change=Change(
        "`true` adds the bucket, and the service replaces its tasks. `false` is refused with `protect`; without it the "
        "bucket **and all files in it** are deleted: [copy them first](operate.md#the-apps-files)",
        new_tasks=True,
        loses=t("the bucket with all the app's files"),
    ),
    variable="UPLOADS_BUCKET",
)

APP_RESOURCES: tuple[Key[bool], ...] = (UPLOADS_ENABLED,)
"""Their components are in the list of the same name in `__main__`."""
