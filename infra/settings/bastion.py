"""The key of the way in for people."""

from __future__ import annotations

from infra.settings import rules
from infra.settings.key import Key

BASTION_ENABLED = Key(
    "bastionEnabled", "false", rules.boolean, "an instance to reach the database through, by SSM"
)
