"""The keys that belong to no single part."""

from __future__ import annotations

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
