"""What the delivery consists of in the account, each thing with the state that it should be in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from ops.delivery import boundary, deploying, looking, state, trust
from ops.delivery.names import (
    ALIAS,
    BOUNDARY,
    DEPLOY_SECONDS,
    LOOK_SECONDS,
    PREVIEW,
    Account,
    Repository,
    checked_stack,
    deploy_role,
)

Spec: TypeAlias = Mapping[str, Any]
NEW_KEY = "key/made-by-this-command"


@dataclass(frozen=True)
class Item:
    """One thing of the account: its kind, its name there, and what it should be like."""

    kind: str
    name: str
    spec: Spec = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """Who delivers which stacks into which account; ``zones`` are the Route 53 zones of the stacks."""

    account: Account
    repository: Repository
    stacks: tuple[str, ...]
    zones: Mapping[str, str] = field(default_factory=dict)

    def items(self, key_arn: str = "") -> list[Item]:
        """All of it, in the order in which one needs the other. Raises Refused for a stack's name.

        The key's ARN is AWS's choice; while there is no key, a stand-in shows where it will be.
        """
        key = key_arn or self.account.arn("kms", NEW_KEY)
        found = [
            Item("provider", trust.provider_arn(self.account), {"audiences": [trust.AUDIENCE]}),
            Item("key", ALIAS, {"policy": state.key_policy(self.account), "rotation": True}),
            Item("bucket", self.account.bucket, self._bucket(key)),
            self._policy(BOUNDARY, boundary.document(self.account)),
            self._policy(PREVIEW, looking.document(self.account, key)),
            self._role(
                PREVIEW, trust.of_preview(self.account, self.repository), [PREVIEW], LOOK_SECONDS
            ),
        ]
        for stack in self.stacks:
            found += self._deploy(checked_stack(stack).stack, key)
        return found

    def _deploy(self, stack: str, key: str) -> list[Item]:
        role = deploy_role(stack)
        parts = deploying.documents(self.account, key, stack, self.zones.get(stack, ""))
        named = {f"{role}-{part}": document for part, document in parts.items()}
        allowed = trust.of_deploy(self.account, self.repository, stack)
        policies = [self._policy(name, document) for name, document in named.items()]
        return [*policies, self._role(role, allowed, list(named), DEPLOY_SECONDS)]

    def _bucket(self, key: str) -> Spec:
        return {
            "policy": state.bucket_policy(self.account),
            "versioning": True,
            "key": key,
            "closed": True,
            "kept_days": state.KEPT_DAYS,
        }

    def _policy(self, name: str, document: Spec) -> Item:
        return Item("policy", self.account.iam(f"policy/{name}"), {"document": document})

    def _role(self, name: str, trusted: Spec, policies: list[str], seconds: int) -> Item:
        arns = [self.account.iam(f"policy/{policy}") for policy in policies]
        return Item("role", name, {"trust": trusted, "policies": arns, "seconds": seconds})
