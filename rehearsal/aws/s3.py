"""S3 bucket policies that require TLS, which moto evaluates wrongly.

moto evaluates no condition keys, so that a Deny for requests without TLS would deny every request.
In the local cloud every request counts as one with TLS.
"""

from __future__ import annotations

import json
from typing import Any

from moto.iam.access_control import IAMPolicy
from moto.s3.models import FakeBucket

WITHOUT_TLS = {"Bool": {"aws:SecureTransport": "false"}}


def install() -> None:
    """Replace moto's evaluation of bucket policies."""
    FakeBucket.get_permission = get_permission  # type: ignore[method-assign,assignment]


def get_permission(bucket: FakeBucket, action: str, resource: str) -> Any:
    """Return moto's `PermissionResult` of the bucket's policy for a request with TLS."""
    policy = json.loads(bucket.policy) if bucket.policy else {"Statement": []}
    listed = policy["Statement"]
    statements = listed if isinstance(listed, list) else [listed]
    apply = [each for each in statements if each.get("Condition") != WITHOUT_TLS]
    return IAMPolicy(json.dumps({"Statement": apply})).is_action_permitted(action, resource)
