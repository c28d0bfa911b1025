"""What each of the delivery's roles may do, and what code with one of them could try to get further."""

from pathlib import Path

import pytest
import yaml

from careapp.settings.names import StackNames
from tests.support.delivery import REGION, Delivery, arn, iam
from tests.support.iam_policies import permits

POC, PROD = BOTH = [Delivery.of(stack) for stack in ("poc", "prod")]
HERE = {"aws:RequestedRegion": REGION}
TASKS, SCHEDULER = (
    {"iam:PassedToService": f"{one}.amazonaws.com"} for one in ("ecs-tasks", "scheduler")
)
NEW = {**HERE, "aws:RequestTag/stack": "poc", "aws:RequestTag/project": "careapp"}
KEY_TAGS = {**NEW, "aws:TagKeys": ["stack", "project"]}
OURS = {**HERE, "aws:ResourceTag/stack": "poc", "aws:ResourceTag/project": "careapp"}
PRODS = {**OURS, "aws:ResourceTag/stack": "prod"}


def database(stack):
    return {"aws:ResourceTag/aws:rds:primaryDBInstanceArn": arn("rds", f"db:careapp-{stack}")}


def bound(stack):
    return {"iam:PermissionsBoundary": iam(f"policy/careapp-delivery-{stack}-boundary")}


def within(stack):
    return {"ecs:cluster": arn("ecs", f"cluster/careapp-{stack}-cluster")}


def tagged(stack):
    """The condition keys of a resource with a stack's tags; None: of one without tags."""
    return {**HERE, "aws:ResourceTag/stack": stack} if stack else HERE


def asking(stack, action=""):
    """The condition keys of a call that gives a new resource a stack's tags."""
    created = {"ec2:CreateAction": action} if action else {}
    return {**HERE, "aws:RequestTag/stack": stack, "aws:RequestTag/project": "careapp", **created}


SAID = yaml.safe_load(Path(__file__).with_name("attacks.yaml").read_text())
ATTACKS, NEEDED = SAID["attacks"], SAID["needed"]
KEYS = {
    "another-region": {"aws:RequestedRegion": "us-east-1"},
    "another-tag": {**NEW, "aws:TagKeys": ["stack", "project", "team"]},
    "by-rds": {**NEW, "aws:ViaAWSService": "true"},
    "directly": {**NEW, "aws:ViaAWSService": "false"},
    "key-tags": KEY_TAGS,
    "key-tags-on-prods": KEY_TAGS | PRODS,
    "key-tags-on-states": KEY_TAGS | {"aws:ResourceTag/project": "careapp-delivery"},
    "lambda": {"iam:PassedToService": "lambda.amazonaws.com"},
    "new": NEW,
    "others": {"aws:ResourceAccount": "999999999999"},
    "ours": OURS,
    "own": {"aws:ResourceAccount": "123456789012"},
    "prods": PRODS,
    "run-task": {"ecs:CreateAction": "RunTask"},
    "scheduler": SCHEDULER,
    "tasks": TASKS,
    "with-instance": {**NEW, "ec2:CreateAction": "RunInstances"},
    **{f"bound-{stack}": bound(stack) for stack in ("poc", "prod")},
    **{f"database-{stack}": database(stack) for stack in ("poc", "prod")},
    **{f"within-{stack}": within(stack) for stack in ("poc", "prod")},
}
"""Condition keys of a call in the stack's region, by name. Buckets of other accounts may have any free name."""


def call(text):
    """Return the action, the ARN and the condition keys of a line of attacks.yaml."""
    action, resource, *named = text.split()
    service = action.partition(":")[0]
    if resource.startswith("state-of-"):
        delivery = {"state-of-poc": POC, "state-of-prod": PROD}[resource]
        resource = f"{delivery.bucket}/.pulumi/stacks/careapp/{delivery.stack}.json"
    if resource != "*":
        of_all_regions = {each: f"arn:aws:{each}:::{resource}" for each in ("s3", "route53")}
        of_all_regions |= dict.fromkeys(("iam", "sts"), iam(resource))
        resource = of_all_regions.get(service, arn(service, resource))
    return action, resource, {**HERE, **(KEYS[named[0]] if named else {})}


DOCUMENTS = {
    "a preview": POC.documents("careapp-delivery-preview"),
    "a drift check": POC.documents("careapp-delivery-poc-drift"),
    "a role of the stack": [POC.boundary],
    "a deploy": POC.deploy,
}


@pytest.mark.parametrize(
    ("role", "attack"), [(role, each) for role, attacks in ATTACKS.items() for each in attacks]
)
def test_it_does_not_get_through(role, attack):
    calls = ATTACKS[role][attack]
    calls = [calls] if isinstance(calls, str) else calls
    assert not all(permits(DOCUMENTS[role], *call(each)) for each in calls)


@pytest.mark.parametrize("role", NEEDED)
def test_what_the_stack_needs_does(role):
    refused = [each for each in NEEDED[role] if not permits(DOCUMENTS[role], *call(each))]
    assert refused == []


def by_name(stack, project="careapp"):
    """A change of each kind of resource that a stack names."""
    names = StackNames(stack, project)
    role = iam(f"role/{names.prefix}-task")
    named = [
        call(line.format(names=names, job=names.job("a"), worker=names.worker("a")))
        for line in SAID["by name"]
    ]
    return [
        *named,
        ("ecs:RunTask", arn("ecs", f"task-definition/{names.family}:1"), HERE | within(stack)),
        ("iam:CreateRole", role, bound(stack)),
        ("iam:PutRolePolicy", role, bound(stack)),
        ("iam:UpdateAssumeRolePolicy", role, {}),
        ("iam:PassRole", role, TASKS),
        ("iam:PassRole", role, SCHEDULER),
    ]


def of_ec2(table, keys):
    """The calls of a table of attacks.yaml, each of EC2's actions on a resource that is there."""
    return [
        (f"ec2:{action}", arn("ec2", f"{kind}/x-1"), keys)
        for kind, actions in SAID[table].items()
        for action in actions.split()
    ]


def by_tag(stack):
    """A change of each kind of resource of EC2 that the stack uses, whose names AWS gives."""
    return of_ec2("by tag", tagged(stack))


def allowed(calls, documents):
    return [
        (action, resource)
        for action, resource, keys in calls
        if permits(documents, action, resource, keys)
    ]


@pytest.mark.parametrize("delivery", BOTH, ids=lambda role: role.stack)
def test_a_deploy_can_change_its_own_stack(delivery):
    calls = [*by_name(delivery.stack), *by_tag(delivery.stack)]
    assert allowed(calls, delivery.deploy) == [call[:2] for call in calls]


@pytest.mark.parametrize("stack", ["prod", "pocx", "try", "prod-poc"])
def test_a_deploy_can_change_nothing_of_another_stack(stack):
    assert allowed([*by_name(stack), *by_tag(stack)], POC.deploy) == []


@pytest.mark.parametrize("delivery", BOTH, ids=lambda role: role.stack)
def test_no_deploy_can_change_anything_of_ec2_without_the_stack_s_tag(delivery):
    """AWS makes a default group, a main route table and a default network without tags."""
    assert allowed([*by_tag(None), *by_tag("network-team")], delivery.deploy) == []


@pytest.mark.parametrize("delivery", BOTH, ids=lambda role: role.stack)
def test_no_deploy_can_change_anything_of_another_project(delivery):
    """By its names; where AWS gives them, by its tags, though the stack's name is the same."""
    stack = delivery.stack
    acmes = {"aws:ResourceTag/project": "acme"}
    tagged_so = [(action, resource, {**keys, **acmes}) for action, resource, keys in by_tag(stack)]
    assert allowed([*by_name(stack, "acme"), *tagged_so], delivery.deploy) == []


@pytest.mark.parametrize("tag", ["network-team", None])
@pytest.mark.parametrize("delivery", BOTH, ids=lambda role: role.stack)
def test_a_tag_on_what_is_new_opens_nothing_of_another_s_and_nothing_untagged(delivery, tag):
    """RequestTag is in the context of every resource of the call, the group that is there included."""
    stack = delivery.stack
    calls = of_ec2("beside what is new", asking(stack) | tagged(tag))
    assert allowed(calls, delivery.deploy) == []


@pytest.mark.parametrize(("kind", "creating"), SAID["created by"].items())
def test_ec2_is_tagged_as_the_stack_s_own_by_the_call_that_creates_it(kind, creating):
    new, there = arn("ec2", f"{kind}/*"), arn("ec2", f"{kind}/x-1")
    assert permits(POC.deploy, "ec2:CreateTags", new, asking("poc", creating))
    assert not permits(POC.deploy, "ec2:CreateTags", new, asking("prod", creating))
    for action in ("ec2:CreateTags", "ec2:DeleteTags"):
        assert not permits(POC.deploy, action, there, asking("poc") | tagged("prod"))
    assert permits(POC.deploy, f"ec2:{creating}", new, asking("poc"))
    assert not permits(POC.deploy, f"ec2:{creating}", new, asking("prod"))
    assert not permits(POC.deploy, f"ec2:{creating}", new, HERE)
