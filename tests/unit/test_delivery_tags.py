"""The tags that the delivery's policies decide by: no role can set or remove them on what is not its own."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pytest
from policy_sentry.querying.actions import get_actions_with_access_level

from tests.authorization_reference import fits, forms, rows, spelled_out
from tests.support.delivery import ACCOUNT, REGION, Delivery, arn
from tests.support.iam_policies import listed, permits

DELIVERIES = {stack: Delivery.of(stack, HostedZone="Z1") for stack in ("poc", "prod")}
OTHER = {"poc": "prod", "prod": "poc"}
"""The stack that a role of this one must not change, or lock its role out of."""


def foreign(stack: str) -> dict[str, dict[str, str]]:
    """The tags that a resource which is not the stack's can have before the attack."""
    return {
        "without tags": {},
        "another team's": {"project": "other", "Name": "other"},
        "the key of a state": {"project": "careapp-delivery"},
        "another stack's": {"project": "careapp", "stack": OTHER[stack]},
    }


def requests(stack: str) -> list[dict[str, str]]:
    """The tags of a request: to own the resource by them, or to make another role's Deny match."""
    own, others = {"stack": stack}, {"stack": OTHER[stack]}
    return [{"project": "careapp", **own}, own, {"project": "careapp", **others}]


@dataclass(frozen=True)
class Role:
    """One role of the templates, with all of its policies."""

    name: str
    stack: str

    @property
    def documents(self) -> list[dict]:
        delivery = DELIVERIES[self.stack]
        if self.name == "boundary":
            return [delivery.boundary]
        return delivery.documents(self.name)

    @property
    def statements(self) -> list[dict]:
        return [statement for one in self.documents for statement in one["Statement"]]

    def owns(self, resource: str) -> bool:
        """Whether the resource is the stack's by its name."""
        names = [f"careapp-{self.stack}", DELIVERIES[self.stack].bucket]
        if self.stack == "poc":
            names.append("repository/careapp/hello-ecs")
        return any(name in resource for name in names)


ROLES = [
    Role(properties["RoleName"], stack)
    for stack, delivery in DELIVERIES.items()
    for properties in delivery.resources.values()
    if "RoleName" in properties
] + [Role("boundary", stack) for stack in DELIVERIES]


def patterns() -> set[str]:
    """Every resource that a statement of any role names."""
    return {
        resource
        for role in ROLES
        for statement in role.statements
        for resource in listed(statement["Resource"])
        if resource != "*"
    }


def services(role: Role) -> set[str]:
    """The services of which the role may do anything at all."""
    actions = [
        action
        for statement in role.statements
        if statement["Effect"] == "Allow"
        for action in listed(statement["Action"])
    ]
    return {action.partition(":")[0] for action in actions}


def resources(action: str) -> set[str]:
    """An ARN for each form that the action knows, and for each pattern of the policies that fits one."""
    known = forms(action)
    made = {
        form.replace("${Partition}", "aws")
        .replace("${Region}", REGION)
        .replace("${Account}", ACCOUNT)
        for form in known
    }
    filled = {re.sub(r"\$\{\w+\}", "another", pattern) for pattern in made}
    # The keys of the states are like any other key, with the tags of `foreign`.
    named = {pattern for pattern in patterns() if any(fits(pattern, form) for form in known)}
    ready = {each.replace("*", "another") for each in named if not each.endswith((":*", "-key"))}
    return filled | ready


def context(action: str, resource: str, tags: Mapping[str, str], asked: Mapping[str, str]):
    """The condition keys that AWS sends with the request, by its reference."""
    known = {
        key
        for row in rows(action)
        if row["resource_arn_format"] == "*" or fits(resource, row["resource_arn_format"])
        for key in row["condition_keys"]
    }
    keys = {f"aws:ResourceTag/{key}": value for key, value in tags.items()}
    keys |= {f"aws:RequestTag/{key}": value for key, value in asked.items()}
    sent = {
        key: value
        for key, value in keys.items()
        if re.sub(r"/.*", "/${TagKey}", key) in known or not key.startswith("aws:RequestTag")
    }
    if "aws:TagKeys" in known:
        sent["aws:TagKeys"] = sorted(asked)
    return {**sent, "aws:RequestedRegion": REGION, "aws:ViaAWSService": "false"}


def tagged(role: Role) -> Iterator[tuple[str, str, str]]:
    """Every tagging action on every foreign resource that the role may do: action, type and tags before."""
    for service in sorted(services(role)):
        for action in get_actions_with_access_level(service, "Tagging"):
            for resource in resources(action):
                for name, tags in foreign(role.stack).items():
                    calls = (
                        context(action, resource, tags, asked) for asked in requests(role.stack)
                    )
                    if not role.owns(resource) and any(
                        permits(role.documents, action, resource, call) for call in calls
                    ):
                        yield action, resource, name


KEY, GROUP = arn("kms", "key/another"), arn("ec2", "security-group/another")
CERTIFICATE = arn("acm", "certificate/another")
TARGET = arn("application-autoscaling", "scalable-target/another")
UNTAGGED = {
    ("kms:TagResource", KEY, "without tags"),
    ("ec2:CreateTags", GROUP, "without tags"),
    ("acm:AddTagsToCertificate", CERTIFICATE, "without tags"),
    ("application-autoscaling:TagResource", TARGET, "without tags"),
    ("application-autoscaling:UntagResource", TARGET, "without tags"),
}
"""What a deploy of poc or prod can tag although it is not its own, as docs/delivery.md says.

AWS makes a default group without tags, and the other services ask for the right to tag a new resource before they have
given it a name. All that the stacks themselves have, and the keys of their states, have tags from the start.
"""
GAINED = {
    GROUP: {
        *("AuthorizeSecurityGroupEgress", "AuthorizeSecurityGroupIngress", "DeleteSecurityGroup"),
        *("DeleteTags", "ModifyInstanceAttribute", "ModifySecurityGroupRules", "RunInstances"),
        *("RevokeSecurityGroupEgress", "RevokeSecurityGroupIngress"),
        "UpdateSecurityGroupRuleDescriptionsEgress",
        "UpdateSecurityGroupRuleDescriptionsIngress",
    },
    CERTIFICATE: {"DeleteCertificate", "RemoveTagsFromCertificate"},
    KEY: set(),
    TARGET: set(),
}
"""What the tag then allows of it that was not allowed before."""


@pytest.mark.slow
@pytest.mark.parametrize("role", ROLES, ids=lambda each: f"{each.stack}-{each.name}")
def test_no_role_tags_or_untags_what_is_not_its_own(role):
    deploys = role.name in ("careapp-delivery-poc", "careapp-delivery-prod")
    assert set(tagged(role)) == (UNTAGGED if deploys else set())


def conditions():
    """Every statement with a resource's tag in its condition: role, and the keys that it trusts."""
    for role in ROLES:
        for statement in role.statements:
            keys = [key for each in statement.get("Condition", {}).values() for key in each]
            trusted = [key for key in keys if key.startswith("aws:ResourceTag/")]
            if trusted:
                yield role, statement, trusted


def test_the_tags_that_the_policies_decide_by_are_the_ones_that_were_tried():
    """Only AWS can write a tag that begins with `aws:` (AWS General Reference, "Tag naming limits")."""
    trusted = {key.partition("/")[2] for _, _, keys in conditions() for key in keys}
    tried = {key for tags in (*foreign("poc").values(), *requests("poc")) for key in tags}
    assert {key for key in trusted if not key.startswith("aws:")} == tried
    assert len(list(conditions())) > 10


@pytest.mark.parametrize("resource", GAINED, ids=lambda each: each.rpartition(":")[2])
@pytest.mark.parametrize("stack", ["poc", "prod"])
def test_a_tag_on_what_had_none_allows_only_what_the_documents_say(stack, resource):
    role = Role(f"careapp-delivery-{stack}", stack)
    allowing = [statement for statement in role.statements if statement["Effect"] == "Allow"]
    actions = {
        action
        for statement in allowing
        for pattern in listed(statement["Action"])
        for action in spelled_out(pattern)
        if any(fits(resource, form) for form in forms(action))
    }
    own = {"project": "careapp", "stack": stack}

    def permitted(action, tags):
        return permits(role.documents, action, resource, context(action, resource, tags, {}))

    gained = {each for each in actions if permitted(each, own) and not permitted(each, {})}
    names = {each.partition(":")[2] for each in gained}
    assert names - {"CreateSecurityGroup", "CreateTags"} == GAINED[resource]  # one makes, one tags
