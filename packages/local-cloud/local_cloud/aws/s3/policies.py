"""S3's rules for the names and policies of buckets, which moto lacks."""

import re
from collections.abc import Iterator, Mapping
from ipaddress import ip_network
from typing import Any

from local_cloud.aws.hooks import Refused, backend
from local_cloud.aws.policies import is_public, malformed
from local_cloud.aws.policy_evaluation import listed, read

NAME = re.compile(
    r"(?!.*\.\.)(?!(\d+\.){3}\d+$)(?!xn--|sthree-|amzn-s3-demo-)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]"
)
SUFFIXES = ("-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3")
"""S3 User Guide, "General purpose bucket naming rules"."""


def check_name(bucket: str) -> None:
    if not NAME.fullmatch(bucket) or bucket.endswith(SUFFIXES):
        raise Refused("InvalidBucketName", "The specified bucket is not valid.")


def check(bucket: str, body: bytes) -> None:
    """Refuse a policy that is none, or one that makes public what the bucket's owner keeps private.

    The message of the second: aws/aws-cdk issue 3102.
    """
    policy = read(body)
    if policy is None:
        words = "Policies must be valid JSON and the first byte must be '{'"
        raise Refused("MalformedPolicy", words)
    needs = ("Effect", "Principal", "Action", "Resource")
    if problem := malformed(body, needs) or next(_problems(bucket, policy), None):
        raise Refused("MalformedPolicy", problem)
    found = backend("s3").buckets.get(bucket)
    block = found.public_access_block if found is not None else None
    blocked = block is not None and str(block.block_public_policy).lower() == "true"
    if blocked and any(map(is_public, listed(policy["Statement"]))):
        raise Refused("AccessDenied", "Access Denied")


OF_OBJECTS = re.compile(
    "(?i)s3:((Get|Put|Delete|Restore|Update)Object.*|AbortMultipartUpload|ListMultipartUploadParts|Replicate.+"
    "|BypassGovernanceRetention|ObjectOwnerOverrideToBucketOwner)"
)
"""The actions on objects; the other ones are on buckets (Service Authorization Reference, Amazon S3)."""


ACTION = re.compile(r"(?i)s3:.+|\*")


def _without_resource(statement: Mapping[str, Any]) -> bool:
    """Return whether an action has no resource of its kind (ministryofjustice/modernisation-platform pull 10762)."""
    resources = [str(name) for name in listed(statement.get("Resource", "*"))]
    kinds = {"/" in name for name in resources if "*" not in name.partition("/")[0]}
    if len(kinds) != 1 or any("*" in name.partition("/")[0] for name in resources):
        return False
    named = [
        str(name) for name in listed(statement.get("Action", ())) if not {*"*?"} & {*str(name)}
    ]
    return any(bool(OF_OBJECTS.fullmatch(action)) not in kinds for action in named)


def _problems(bucket: str, policy: Mapping[str, Any]) -> Iterator[str]:
    own = re.compile(rf"arn:aws:s3:::{re.escape(bucket)}(/.*)?", re.DOTALL)
    for statement in listed(policy["Statement"]):
        resources = listed(statement.get("Resource", statement.get("NotResource", ())))
        addresses = [
            address
            for conditions in (statement.get("Condition") or {}).values()
            for key, value in conditions.items()
            if key.lower() == "aws:sourceip"
            for address in listed(value)
        ]
        broken = {
            "Policy has invalid resource": not all(own.fullmatch(str(name)) for name in resources),
            "Policy has invalid action": not all(
                ACTION.fullmatch(str(name)) for name in listed(statement.get("Action", "*"))
            ),
            "Action does not apply to any resource(s) in statement": _without_resource(statement),
            "Invalid IP address in Conditions": not all(map(_is_network, addresses)),
        }
        yield from (words for words, found in broken.items() if found)


def _is_network(value: Any) -> bool:
    try:
        ip_network(str(value), strict=False)
    except ValueError:
        return False
    return True
