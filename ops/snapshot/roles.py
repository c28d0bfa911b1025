"""Asks IAM for a role and its policies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ops.aws import Session
from ops.snapshot.surroundings import Role


def role(session: Session, arn: str) -> Role | None:
    """The role of that ARN with all its identity policies. Raises AwsProblem."""
    if not arn:
        return None
    name = arn.rpartition("/")[2]
    raw = session.call("iam", "get_role", RoleName=name)["Role"]
    inline = session.all("iam", "list_role_policies", "PolicyNames", RoleName=name)
    attached = session.all("iam", "list_attached_role_policies", "AttachedPolicies", RoleName=name)
    policies: list[Mapping[str, Any]] = [
        session.call("iam", "get_role_policy", RoleName=name, PolicyName=each)["PolicyDocument"]
        for each in inline
    ]
    policies += [_managed(session, each["PolicyArn"]) for each in attached]
    boundary = (raw.get("PermissionsBoundary") or {}).get("PermissionsBoundaryArn")
    return Role(
        arn=raw["Arn"],
        trust=raw["AssumeRolePolicyDocument"],
        policies=tuple(policies),
        boundary=_managed(session, boundary) if boundary else None,
    )


def _managed(session: Session, arn: str) -> Mapping[str, Any]:
    version = session.call("iam", "get_policy", PolicyArn=arn)["Policy"]["DefaultVersionId"]
    answer = session.call("iam", "get_policy_version", PolicyArn=arn, VersionId=version)
    document: Mapping[str, Any] = answer["PolicyVersion"]["Document"]
    return document
