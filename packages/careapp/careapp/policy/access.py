"""Controls of IAM, KMS and SNS, which check policy documents."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from careapp.policy.controls import Check, Checked, table

ROLE_POLICIES = ("aws:iam/rolePolicy:RolePolicy", "aws:iam/role:Role")
IAM_POLICIES = ("aws:iam/policy:Policy", *ROLE_POLICIES)
TOPIC = ("aws:sns/topic:Topic", "aws:sns/topicPolicy:TopicPolicy")
DECRYPTING = {"*", "kms:*", "kms:decrypt", "kms:reencryptfrom", "kms:reencrypt*"}


@dataclass(frozen=True)
class Statement:
    """One statement of a policy document."""

    document: dict[str, Any]

    @property
    def allows(self) -> bool:
        return bool(self.document["Effect"] == "Allow")

    @property
    def actions(self) -> list[str]:
        return several(self.document.get("Action"))

    @property
    def resources(self) -> list[str]:
        return several(self.document.get("Resource"))

    @property
    def principals(self) -> list[str]:
        given = self.document.get("Principal")
        return several([*given.values()] if isinstance(given, dict) else given)

    @property
    def conditions(self) -> dict[str, Any]:
        return dict(self.document.get("Condition", {}))

    @property
    def open_to_all(self) -> bool:
        """Whether it allows every principal without a condition."""
        return self.allows and "*" in self.principals and not self.conditions


def several(value: Any) -> list[str]:
    """Return a value of a policy document, which is one text or a list, as a flat list."""
    if isinstance(value, list):
        return [one for item in value for one in several(item)]
    return [] if value is None else [str(value)]


def statements(resource: Checked) -> list[Statement]:
    """Return the statements of a resource's policy and, for a role, of its trust and inline policies."""
    # ECR's lifecycle policy is a policy without statements.
    documents = [json.loads(text).get("Statement", []) for text in _documents(resource)]
    return [
        Statement(one) for each in documents for one in (each if isinstance(each, list) else [each])
    ]


def _documents(resource: Checked) -> Iterator[str]:
    props = resource.props
    inline = [one.get("policy") for one in props.get("inlinePolicies", [])]
    yield from filter(None, [props.get("policy"), props.get("assumeRolePolicy"), *inline])


def any_statement(bad: Callable[[Statement], bool]) -> Check:
    return lambda resource: any(bad(one) for one in statements(resource))


def decrypts_with_all(statement: Statement) -> bool:
    every = any(one == "*" or one.endswith(":key/*") for one in statement.resources)
    return (
        statement.allows and every and bool({one.lower() for one in statement.actions} & DECRYPTING)
    )


def allows_whole_service(statement: Statement) -> bool:
    return statement.allows and any(
        action == "*" or action.endswith(":*") for action in statement.actions
    )


allows_everything = any_statement(lambda one: one.allows and "*" in one.actions)
allows_a_service = any_statement(allows_whole_service)
decrypts_all = any_statement(decrypts_with_all)
open_to_all = any_statement(lambda one: one.open_to_all)

CONTROLS = (
    # Security Hub checks customer managed policies; the stacks' policies are inline and checked, too.
    *table(
        IAM_POLICIES,
        ("IAM.1", "No policy allows all actions", allows_everything),
        ("IAM.21", "No policy allows all actions of a service", allows_a_service),
    ),
    *table(
        ROLE_POLICIES,
        ("KMS.2", "Inline policies do not allow decryption with all keys", decrypts_all),
    ),
    *table("aws:kms/key:Key", ("KMS.5", "Keys are not publicly accessible", open_to_all)),
    *table(TOPIC, ("SNS.4", "Topics are not open to the public", open_to_all)),
)
