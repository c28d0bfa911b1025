"""The delivery's things in IAM: how each is looked at, put in place and taken away."""

from __future__ import annotations

import json
from typing import Any

from ops.aws import AwsProblem, Session
from ops.delivery.items import Item, Spec
from ops.delivery.names import TAGS
from ops.delivery.trust import ISSUER

VERSIONS = 5
"""Versions of a managed policy that IAM keeps (IAM quotas)."""
OURS = [{"Key": key, "Value": value} for key, value in TAGS.items()]


def asked(session: Session, service: str, operation: str, **params: Any) -> dict[str, Any] | None:
    """An answer, or None where AWS says that there is no such thing. Raises AwsProblem."""
    try:
        return session.call(service, operation, **params)
    except AwsProblem as problem:
        if problem.kind == "missing":
            return None
        raise


class Provider:
    """GitHub as an identity provider; an account has one for all repositories."""

    def look(self, session: Session, item: Item) -> Spec | None:
        found = asked(
            session, "iam", "get_open_id_connect_provider", OpenIDConnectProviderArn=item.name
        )
        if found is None:
            return None
        ours = {tag["Key"]: tag["Value"] for tag in found.get("Tags", [])}
        wanted = [each for each in found["ClientIDList"] if each in item.spec["audiences"]]
        return {"audiences": wanted, "ours": ours.get("managed-by") == TAGS["managed-by"]}

    def create(self, session: Session, item: Item) -> None:
        """Without a thumbprint: IAM trusts GitHub's certificate by its own list of authorities."""
        session.call(
            "iam", "create_open_id_connect_provider", Url=f"https://{ISSUER}",
            ClientIDList=item.spec["audiences"], Tags=OURS,
        )  # fmt: skip

    def change(self, session: Session, item: Item) -> None:
        for audience in item.spec["audiences"]:
            session.call(
                "iam", "add_client_id_to_open_id_connect_provider",
                OpenIDConnectProviderArn=item.name, ClientID=audience,
            )  # fmt: skip

    def remove(self, session: Session, item: Item) -> None:
        session.call("iam", "delete_open_id_connect_provider", OpenIDConnectProviderArn=item.name)


class ManagedPolicy:
    """A policy of the account."""

    def look(self, session: Session, item: Item) -> Spec | None:
        found = asked(session, "iam", "get_policy", PolicyArn=item.name)
        if found is None:
            return None
        version = found["Policy"]["DefaultVersionId"]
        held = session.call("iam", "get_policy_version", PolicyArn=item.name, VersionId=version)
        bounds = found["Policy"].get("PermissionsBoundaryUsageCount", 0)
        return {"document": held["PolicyVersion"]["Document"], "bounds": bounds}

    def create(self, session: Session, item: Item) -> None:
        session.call(
            "iam", "create_policy", PolicyName=item.name.rpartition("/")[2],
            PolicyDocument=json.dumps(item.spec["document"]), Tags=OURS,
        )  # fmt: skip

    def change(self, session: Session, item: Item) -> None:
        """A new version; where IAM keeps no more of them, the oldest one goes."""
        old = self._versions(session, item)
        if len(old) + 1 >= VERSIONS:
            self._forget(session, item, old[0])
        session.call(
            "iam", "create_policy_version", PolicyArn=item.name,
            PolicyDocument=json.dumps(item.spec["document"]), SetAsDefault=True,
        )  # fmt: skip

    def remove(self, session: Session, item: Item) -> None:
        for version in self._versions(session, item):
            self._forget(session, item, version)
        session.call("iam", "delete_policy", PolicyArn=item.name)

    def _versions(self, session: Session, item: Item) -> list[str]:
        """The versions that are not in force, oldest first."""
        found = session.call("iam", "list_policy_versions", PolicyArn=item.name)["Versions"]
        known = [each["VersionId"] for each in found if not each["IsDefaultVersion"]]
        return sorted(known, key=lambda version: int(version[1:]))

    def _forget(self, session: Session, item: Item, version: str) -> None:
        session.call("iam", "delete_policy_version", PolicyArn=item.name, VersionId=version)


class Role:
    """A role that workflows take, with policies of the account."""

    def look(self, session: Session, item: Item) -> Spec | None:
        found = asked(session, "iam", "get_role", RoleName=item.name)
        if found is None:
            return None
        return {
            "trust": found["Role"]["AssumeRolePolicyDocument"],
            "policies": self._attached(session, item),
            "seconds": found["Role"]["MaxSessionDuration"],
        }

    def create(self, session: Session, item: Item) -> None:
        session.call(
            "iam", "create_role", RoleName=item.name, Tags=OURS,
            AssumeRolePolicyDocument=json.dumps(item.spec["trust"]),
            MaxSessionDuration=item.spec["seconds"],
        )  # fmt: skip
        self._attach(session, item)

    def change(self, session: Session, item: Item) -> None:
        session.call(
            "iam", "update_assume_role_policy", RoleName=item.name,
            PolicyDocument=json.dumps(item.spec["trust"]),
        )  # fmt: skip
        session.call(
            "iam", "update_role", RoleName=item.name, MaxSessionDuration=item.spec["seconds"]
        )
        self._attach(session, item)

    def remove(self, session: Session, item: Item) -> None:
        for arn in self._attached(session, item):
            session.call("iam", "detach_role_policy", RoleName=item.name, PolicyArn=arn)
        session.call("iam", "delete_role", RoleName=item.name)

    def _attach(self, session: Session, item: Item) -> None:
        there, wanted = self._attached(session, item), item.spec["policies"]
        for arn in wanted:
            session.call("iam", "attach_role_policy", RoleName=item.name, PolicyArn=arn)
        for arn in there:
            if arn not in wanted:
                session.call("iam", "detach_role_policy", RoleName=item.name, PolicyArn=arn)

    def _attached(self, session: Session, item: Item) -> list[str]:
        answer = session.call("iam", "list_attached_role_policies", RoleName=item.name)
        return [each["PolicyArn"] for each in answer["AttachedPolicies"]]
