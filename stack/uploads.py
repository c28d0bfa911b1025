"""The S3 bucket for the app's files: its key, and the variable with which the app finds it."""

from ecs_gate.text import t
from stack import rules
from stack.rules import Change, Key

VARIABLE = "UPLOADS_BUCKET"
"""The variable of every task that has the bucket's name."""

KEPT_FILES = Change(
    "`true` adds the bucket, and the service replaces its tasks. `false` is refused with `protect`; without it the "
    "bucket **and all files in it** are deleted: [copy them first](operate.md#the-apps-files)",
    new_tasks=True,
    loses=t("the bucket with all the app's files"),
)
UPLOADS_ENABLED = Key(
    "uploadsEnabled",
    "false",
    rules.boolean,
    "an S3 bucket for the app's files, which its tasks find in `UPLOADS_BUCKET` (docs/your-app.md)",
    change=KEPT_FILES,
    variable=VARIABLE,
)
