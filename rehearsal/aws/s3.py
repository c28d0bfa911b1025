"""S3 bucket policies that ask for TLS, of which moto believes that nothing meets them.

moto knows no condition key of a request, so a statement that denies what comes without TLS denies
everything. In the local cloud loopback stands for TLS.
"""

from __future__ import annotations

import json
from typing import Any

from moto.iam.access_control import IAMPolicy
from moto.s3.models import FakeBucket

WITHOUT_TLS = {"Bool": {"aws:SecureTransport": "false"}}


def install() -> None:
    """Let moto judge the statements that are about a request with TLS."""
    FakeBucket.get_permission = get_permission  # type: ignore[method-assign,assignment]


def get_permission(bucket: FakeBucket, action: str, resource: str) -> Any:
    """moto's `PermissionResult` of the bucket's policy for a request that came by TLS."""
    policy = json.loads(bucket.policy) if bucket.policy else {"Statement": []}
    listed = policy["Statement"]
    statements = listed if isinstance(listed, list) else [listed]
    apply = [each for each in statements if each.get("Condition") != WITHOUT_TLS]
    return IAMPolicy(json.dumps({"Statement": apply})).is_action_permitted(action, resource)
