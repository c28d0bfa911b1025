"""What ELB tries before it takes a bucket for its access logs."""

from __future__ import annotations

import json
from typing import Any

from rehearsal.control.hooks import ACCOUNT, Params, Refused, backend, before

DELIVERY = "logdelivery.elasticloadbalancing.amazonaws.com"


def install() -> None:
    """The rule hooks itself in as this module is imported; the call makes that visible."""


@before("elbv2", "ModifyLoadBalancerAttributes")
def bucket_takes_logs(params: Params) -> None:
    """ELB writes a test file, so a bucket that does not let it is refused at once."""
    wanted = {item["Key"]: item["Value"] for item in params.get("Attributes") or []}
    if str(wanted.get("access_logs.s3.enabled")).lower() != "true":
        return
    name = str(wanted.get("access_logs.s3.bucket"))
    if not any(_lets_it_write(statement, name) for statement in _policy(name)):
        words = f"Access Denied for bucket: {name}. Please check S3bucket permission"
        raise Refused("InvalidConfigurationRequest", words)


def _policy(name: str) -> list[dict[str, Any]]:
    buckets = backend("s3").buckets
    policy = buckets[name].policy if name in buckets else None
    found: list[dict[str, Any]] = json.loads(policy)["Statement"] if policy else []
    return found


def _lets_it_write(statement: dict[str, Any], bucket: str) -> bool:
    who = statement.get("Principal")
    return (
        statement["Effect"] == "Allow"
        and isinstance(who, dict)
        and who.get("Service") == DELIVERY
        and statement["Action"] == "s3:PutObject"
        and statement["Resource"] == f"arn:aws:s3:::{bucket}/AWSLogs/{ACCOUNT}/*"
    )
