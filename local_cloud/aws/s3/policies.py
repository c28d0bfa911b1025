"""S3's rules for the names and policies of buckets, which moto lacks."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from ipaddress import ip_network
from typing import Any

from local_cloud.aws.hooks import Refused, backend
from local_cloud.aws.policy_evaluation import listed

NAME = re.compile(
    r"(?!.*\.\.)(?!(\d+\.){3}\d+$)(?!xn--|sthree-|amzn-s3-demo-)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]"
)
SUFFIXES = ("-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3")
"""S3 User Guide, "General purpose bucket naming rules"."""
REQUIRED = (
    *(("Effect",), ("Principal", "NotPrincipal")),
    *(("Action", "NotAction"), ("Resource", "NotResource")),
)
FIXED = frozenset(
    {
        *("aws:principalaccount", "aws:principalarn", "aws:principalorgid"),
        *("aws:principalorgpaths", "aws:sourceaccount", "aws:sourcearn", "aws:sourceorgid"),
        *("aws:sourceorgpaths", "aws:sourceip", "aws:sourceowner", "aws:sourcevpc"),
        *("aws:sourcevpce", "aws:userid", "aws:username", "s3:dataaccesspointaccount"),
        *("s3:dataaccesspointarn", "s3:x-amz-server-side-encryption-aws-kms-key-id"),
    }
)
"""Condition keys that make a statement not public if their values are fixed (S3 User Guide, "Blocking public access
to your Amazon S3 storage", "The meaning of public")."""


def check_name(bucket: str) -> None:
    if not NAME.fullmatch(bucket) or bucket.endswith(SUFFIXES):
        raise Refused("InvalidBucketName", "The specified bucket is not valid.")


def check(bucket: str, body: bytes) -> None:
    """Refuse a policy that is none, or one that makes public what the bucket's owner keeps private.

    The message of the second: aws/aws-cdk issue 3102.
    """
    try:
        policy = json.loads(body)
    except ValueError:
        policy = None
    if not isinstance(policy, dict):
        words = "Policies must be valid JSON and the first byte must be '{'"
        raise Refused("MalformedPolicy", words)
    if problem := next(_problems(bucket, policy), None):
        raise Refused("MalformedPolicy", problem)
    found = backend("s3").buckets.get(bucket)
    block = found.public_access_block if found is not None else None
    blocked = block is not None and str(block.block_public_policy).lower() == "true"
    if blocked and any(map(_is_public, listed(policy["Statement"]))):
        raise Refused("AccessDenied", "Access Denied")


def _problems(bucket: str, policy: Mapping[str, Any]) -> Iterator[str]:
    if not policy.get("Statement"):
        yield "Missing required field Statement"
        return
    own = (f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/")
    for each in listed(policy["Statement"]):
        for names in REQUIRED:
            if not any(name in each for name in names):
                yield f"Missing required field {names[0]}"
        for resource in listed(each.get("Resource", each.get("NotResource", ()))):
            if resource != own[0] and not str(resource).startswith(own[1]):
                yield "Policy has invalid resource"
        for conditions in (each.get("Condition") or {}).values():
            for key, value in conditions.items():
                if key.lower() == "aws:sourceip" and not all(map(_is_network, listed(value))):
                    yield "Invalid IP address in Conditions"


def _is_network(value: Any) -> bool:
    try:
        ip_network(str(value), strict=False)
    except ValueError:
        return False
    return True


def _is_public(statement: Mapping[str, Any]) -> bool:
    """Return whether a statement allows anybody something."""
    principal = statement.get("Principal")
    named = listed(principal.get("AWS", ()) if isinstance(principal, dict) else principal)
    anybody = "*" in named or "NotPrincipal" in statement
    if statement["Effect"] != "Allow" or not anybody:
        return False
    return not any(_is_fixed(*each) for each in (statement.get("Condition") or {}).items())


def _is_fixed(operator: str, conditions: Mapping[str, Any]) -> bool:
    if "Not" in operator or operator.startswith("ForAllValues") or operator.endswith("IfExists"):
        return False
    return any(
        key.lower() in FIXED and all(_is_narrow(key.lower(), str(one)) for one in listed(value))
        for key, value in conditions.items()
    )


def _is_narrow(key: str, value: str) -> bool:
    """Return whether a value is fixed: no wildcard but in an ARN with an account, no network wider than /8 or /32."""
    if key != "aws:sourceip":
        parts = value.split(":")
        return "*" not in value or (len(parts) > 5 and parts[4] not in ("", "*"))
    network = ip_network(value, strict=False)
    return network.prefixlen >= (8 if network.version == 4 else 32)
