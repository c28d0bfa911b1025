"""Every policy document in a graph, and what none of them may say."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.controls.graph import Graph, Resource

UNSCOPED = {
    "ecr:GetAuthorizationToken": "a token is for the account's whole registry",
    "ssmmessages:CreateControlChannel": "Session Manager's channels are no resources",
    "ssmmessages:CreateDataChannel": "Session Manager's channels are no resources",
    "ssmmessages:OpenControlChannel": "Session Manager's channels are no resources",
    "ssmmessages:OpenDataChannel": "Session Manager's channels are no resources",
    "logs:DescribeLogGroups": "a list of the account's groups; a role of flow logs must have it",
    "ssm:UpdateInstanceInformation": "every policy that AWS gives for Session Manager says so",
}
"""Actions that know no resource, so that AWS takes only "*" (Service Authorization Reference), or that
AWS's documentation has with "*" alone."""
PATTERNS = {
    "kms:GenerateDataKey*": "SNS asks for GenerateDataKey and for GenerateDataKeyWithoutPlaintext",
}
"""Actions with a "*" in them that say no more than what is needed."""
OWN = {"aws:kms/key:Key": 'in a key\'s own policy "*" is that key (KMS Developer Guide)'}
"""Policies of a resource itself, in which "*" means that resource."""
MANAGED = {
    "arn:aws:iam::aws:policy/service-role/AmazonRDSEnhancedMonitoringRole": (
        "RDS takes this one; it writes to the log groups RDSOSMetrics only"
    ),
}
"""AWS's own policies that a role may bear."""


@dataclass(frozen=True)
class Statement:
    """One statement of a policy, and the resource in whose inputs it stands."""

    of: Resource
    said: dict[str, Any]

    @property
    def allows(self) -> bool:
        return bool(self.said["Effect"] == "Allow")

    @property
    def actions(self) -> list[str]:
        return several(self.said.get("Action"))

    @property
    def resources(self) -> list[str]:
        return several(self.said.get("Resource"))

    @property
    def principals(self) -> list[str]:
        given = self.said.get("Principal")
        return several([*given.values()] if isinstance(given, dict) else given)

    @property
    def conditions(self) -> dict[str, Any]:
        return dict(self.said.get("Condition", {}))


def several(value: Any) -> list[str]:
    """One or many, as policies write it, and lists within lists."""
    if isinstance(value, list):
        return [one for item in value for one in several(item)]
    return [] if value is None else [str(value)]


def statements(resource: Resource) -> list[Statement]:
    """All statements in a resource's inputs, wherever they stand."""
    documents = [json.loads(text) for text in _texts(resource.inputs) if '"Statement"' in text]
    found = [one for document in documents for one in _listed(document["Statement"])]
    return [Statement(resource, one) for one in found]


def all_statements(graph: Graph) -> list[Statement]:
    return [one for resource in graph.resources for one in statements(resource)]


def too_wide(statement: Statement) -> list[str]:
    """What a statement allows beyond need, each as a sentence; nothing for a Deny."""
    if not statement.allows:
        return []
    open_actions = [one for one in statement.actions if "*" in one and one not in PATTERNS]
    found = [f"{statement.of} allows {one}" for one in open_actions]
    if "NotAction" in statement.said or "NotResource" in statement.said:
        found.append(f"{statement.of} allows all but what it names")
    if statement.of.kind not in OWN and any(one.strip("*:") == "" for one in statement.resources):
        scoped = [one for one in statement.actions if one not in UNSCOPED]
        found += [f"{statement.of} allows {one} on every resource" for one in scoped]
    if open_to_all(statement):
        found.append(f"{statement.of} lets anybody in")
    return found


def open_to_all(statement: Statement) -> bool:
    """Anybody, and no condition narrows it down."""
    return statement.allows and "*" in statement.principals and not statement.conditions


def borrowed(graph: Graph) -> list[tuple[Resource, str]]:
    """AWS's own policies in use, and by whom."""
    attached = graph.of("aws:iam/rolePolicyAttachment:RolePolicyAttachment")
    by_role = [(one, str(one.inputs["policyArn"])) for one in attached]
    return by_role + [
        (role, arn)
        for role in graph.of("aws:iam/role:Role")
        for arn in role.inputs.get("managedPolicyArns", [])
    ]


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _texts(item)


def _listed(value: Any) -> list[dict[str, Any]]:
    return value if isinstance(value, list) else [value]
