"""The aws provider's functions that the program calls."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from rehearsal.providers.calls import Calls
from rehearsal.providers.kind import Values

Function = Callable[[Calls, Values], Mapping[str, Any]]


def caller_identity(calls: Calls, _: Values) -> Values:
    """``aws.get_caller_identity``."""
    found = calls("sts", "get_caller_identity", {})
    account = found["Account"]
    return {"accountId": account, "id": account, "arn": found["Arn"], "userId": found["UserId"]}


def region(calls: Calls, _: Values) -> Values:
    """``aws.get_region``."""
    return {"id": calls.region, "name": calls.region, "region": calls.region}


def partition(_calls: Calls, _: Values) -> Values:
    """``aws.get_partition``."""
    return {"id": "aws", "partition": "aws", "dnsSuffix": "amazonaws.com"}


def parameter(calls: Calls, asked: Values) -> Values:
    """``aws.ssm.get_parameter``; what is not a secret comes as ``insecureValue``, too."""
    found = calls("ssm", "get_parameter", {"Name": asked["name"], "WithDecryption": True})
    held = found["Parameter"]
    return {
        "id": held["Name"],
        "name": held["Name"],
        "arn": held["ARN"],
        "type": held["Type"],
        "value": held["Value"],
        "insecureValue": held["Value"] if held["Type"] != "SecureString" else "",
        "version": held["Version"],
    }


FUNCTIONS: Mapping[str, Function] = {
    "aws:index/getCallerIdentity:getCallerIdentity": caller_identity,
    "aws:index/getPartition:getPartition": partition,
    "aws:index/getRegion:getRegion": region,
    "aws:ssm/getParameter:getParameter": parameter,
}
"""Every function that the stand-in can answer, by its token."""
