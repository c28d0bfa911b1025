"""The keys that belong to no single part."""

from __future__ import annotations

from i18n import t
from infra.settings import rules
from infra.settings.key import Key

ECS_ENABLED = Key(
    "ecsEnabled", "false", rules.boolean, "stage 2: run the app on ECS; false removes ECS again"
)
PROTECT = Key(
    "protect",
    "true",
    rules.boolean,
    "refuse to delete anything of value, and keep images",
)
PERMISSIONS_BOUNDARY = Key(
    "permissionsBoundary",
    "",
    rules.optional(rules.pattern(r"[A-Za-z0-9+=,.@_-]{1,128}", t("the name of an IAM policy"))),
    "IAM policy of the account that bounds every role of the stack; empty: none",
)
