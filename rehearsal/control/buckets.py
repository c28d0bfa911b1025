"""Bucket policies that refuse what comes without TLS: loopback stands for TLS, so they do not apply."""

from __future__ import annotations

import json
from typing import Any

from moto.iam.access_control import IAMPolicy, PermissionResult
from moto.s3.models import FakeBucket

PLAIN = {"Bool": {"aws:SecureTransport": "false"}}


def install() -> None:
    """Moto takes a Deny whose condition it cannot judge for a Deny of everything."""
    FakeBucket.get_permission = _get_permission  # type: ignore[method-assign]


def _get_permission(bucket: FakeBucket, action: str, resource: str) -> Any:
    if bucket.policy is None:
        return PermissionResult.NEUTRAL
    policy = json.loads(bucket.policy)
    left = [each for each in _list(policy["Statement"]) if each.get("Condition") != PLAIN]
    return IAMPolicy(json.dumps({**policy, "Statement": left})).is_action_permitted(action, resource)


def _list(statements: Any) -> list[Any]:
    return statements if isinstance(statements, list) else [statements]
