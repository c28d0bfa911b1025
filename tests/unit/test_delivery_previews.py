"""The role of pull requests' stacks can change these, and nothing of another stack or of nobody's."""

from __future__ import annotations

import pytest

from stack.names import StackNames
from stack.statements import permits
from tests.support.delivery import REGION, Delivery, arn, iam

ROLE = Delivery.of("pr").deploy
BOUNDARY = [Delivery.of("pr").boundary]
HERE = {"aws:RequestedRegion": REGION}
BOUND = {"iam:PermissionsBoundary": iam("policy/careapp-delivery-pr-boundary")}
PRIMARY = "aws:ResourceTag/aws:rds:primaryDBInstanceArn"
SECRET = arn("secretsmanager", "secret:rds!db-0-AbCdEf")
KINDS = (
    "vpc",
    "subnet",
    "internet-gateway",
    "route-table",
    "security-group",
    "security-group-rule",
)


def tagged(stack):
    """The condition keys of a resource with a stack's tags; None: of one without tags."""
    return {**HERE, "aws:ResourceTag/stack": stack} if stack else HERE


def asking(stack, action=""):
    """The condition keys of a call that gives a new resource a stack's tags."""
    created = {"ec2:CreateAction": action} if action else {}
    return {**HERE, "aws:RequestTag/stack": stack, "aws:RequestTag/project": "careapp", **created}


def by_name(stack):
    """A change of each kind of resource that a stack names."""
    names = StackNames.of(stack)
    where = {"ecs:cluster": arn("ecs", f"cluster/{names.cluster}")}
    return [
        ("rds:DeleteDBInstance", arn("rds", f"db:{names.database}"), HERE),
        ("rds:ModifyDBParameterGroup", arn("rds", f"pg:{names.prefix}-postgres17"), HERE),
        ("rds:DeleteDBSubnetGroup", arn("rds", f"subgrp:{names.prefix}-database"), HERE),
        ("ecr:PutImage", arn("ecr", f"repository/{names.repository}"), HERE),
        ("ecr:DeleteRepository", arn("ecr", f"repository/{names.repository}"), HERE),
        ("ecs:DeleteCluster", arn("ecs", f"cluster/{names.cluster}"), HERE),
        ("ecs:UpdateService", arn("ecs", f"service/{names.cluster}/{names.service}"), HERE),
        ("ecs:RegisterTaskDefinition", arn("ecs", f"task-definition/{names.family}:*"), HERE),
        ("ecs:RunTask", arn("ecs", f"task-definition/{names.family}:1"), HERE | where),
        ("ecs:StopTask", arn("ecs", f"task/{names.cluster}/0a"), HERE),
        ("logs:DeleteLogGroup", arn("logs", f"log-group:{names.log_group}"), HERE),
        ("logs:GetLogEvents", arn("logs", f"log-group:{names.log_group}:log-stream:a"), HERE),
        (
            "elasticloadbalancing:DeleteLoadBalancer",
            arn("elasticloadbalancing", f"loadbalancer/app/{names.balancer}/0a"),
            HERE,
        ),
        (
            "elasticloadbalancing:ModifyListener",
            arn("elasticloadbalancing", f"listener/app/{names.balancer}/0a/1b"),
            HERE,
        ),
        (
            "elasticloadbalancing:DeleteTargetGroup",
            arn("elasticloadbalancing", f"targetgroup/{names.target_group}/0a"),
            HERE,
        ),
        ("iam:CreateRole", iam(f"role/{names.prefix}-task"), BOUND),
        ("iam:PutRolePolicy", iam(f"role/{names.prefix}-task"), BOUND),
        ("iam:UpdateAssumeRolePolicy", iam(f"role/{names.prefix}-task"), {}),
        (
            "iam:PassRole",
            iam(f"role/{names.prefix}-task"),
            {"iam:PassedToService": "ecs-tasks.amazonaws.com"},
        ),
    ]


def by_tag(stack):
    """A change of each kind of resource of EC2 that the stack uses, whose names AWS gives."""
    held = tagged(stack)
    return [
        ("ec2:DeleteVpc", arn("ec2", "vpc/vpc-1"), held),
        ("ec2:ModifyVpcAttribute", arn("ec2", "vpc/vpc-1"), held),
        ("ec2:DeleteSubnet", arn("ec2", "subnet/subnet-1"), held),
        ("ec2:DetachInternetGateway", arn("ec2", "internet-gateway/igw-1"), held),
        ("ec2:CreateRoute", arn("ec2", "route-table/rtb-1"), held),
        ("ec2:DeleteRouteTable", arn("ec2", "route-table/rtb-1"), held),
        ("ec2:AuthorizeSecurityGroupIngress", arn("ec2", "security-group/sg-1"), held),
        ("ec2:RevokeSecurityGroupEgress", arn("ec2", "security-group/sg-1"), held),
        ("ec2:DeleteSecurityGroup", arn("ec2", "security-group/sg-1"), held),
        ("ec2:ModifySecurityGroupRules", arn("ec2", "security-group-rule/sgr-1"), held),
        # What is new in these calls is named by its own ARN; the VPC is there already.
        ("ec2:CreateSecurityGroup", arn("ec2", "vpc/vpc-1"), held),
        ("ec2:CreateSubnet", arn("ec2", "vpc/vpc-1"), held),
        ("ec2:CreateRouteTable", arn("ec2", "vpc/vpc-1"), held),
    ]


def allowed(calls):
    return [
        (action, resource)
        for action, resource, keys in calls
        if permits(ROLE, action, resource, keys)
    ]


@pytest.mark.parametrize("stack", ["pr-7", "pr-12345"])
def test_it_can_change_a_pull_request_s_stack(stack):
    calls = [*by_name(stack), *by_tag(stack)]
    assert allowed(calls) == [call[:2] for call in calls]


@pytest.mark.parametrize("stack", ["poc", "prod", "prx-7", "prod-pr-7"])
def test_it_can_change_nothing_of_another_stack(stack):
    assert allowed([*by_name(stack), *by_tag(stack)]) == []


def test_another_stack_s_tag_denies_what_the_name_allows():
    calls = [(action, resource, tagged("poc")) for action, resource, _ in by_name("pr-7")]
    assert allowed(calls) == []


def test_it_can_change_nothing_of_ec2_without_the_stack_s_tag():
    """AWS makes a default group, a main route table and a default network without tags."""
    assert allowed(by_tag(None)) == []


@pytest.mark.parametrize("stack", ["poc", None])
def test_a_tag_on_the_new_rule_opens_no_group_of_another_s_and_no_untagged_one(stack):
    """RequestTag is in the context of every resource of the call, the group that is there included."""
    keys = {**asking("pr-7"), **tagged(stack)}
    calls = [
        ("ec2:AuthorizeSecurityGroupIngress", arn("ec2", "security-group/sg-1"), keys),
        ("ec2:AuthorizeSecurityGroupEgress", arn("ec2", "security-group/sg-1"), keys),
        ("ec2:CreateSecurityGroup", arn("ec2", "vpc/vpc-1"), keys),
        ("ec2:CreateSubnet", arn("ec2", "vpc/vpc-1"), keys),
        ("ec2:CreateRouteTable", arn("ec2", "vpc/vpc-1"), keys),
    ]
    assert allowed(calls) == []


@pytest.mark.parametrize("kind", KINDS)
def test_ec2_is_tagged_only_by_the_call_that_creates_it(kind):
    creating = {
        "security-group-rule": "AuthorizeSecurityGroupIngress",
        **{
            each: "Create" + "".join(word.title() for word in each.split("-")) for each in KINDS[:5]
        },
    }[kind]
    new, there = arn("ec2", f"{kind}/*"), arn("ec2", f"{kind}/x-1")
    assert permits(ROLE, "ec2:CreateTags", new, asking("pr-7", creating))
    assert not permits(ROLE, "ec2:CreateTags", new, asking("poc", creating))
    for stack in ("pr-7", "poc", None):
        for action in ("ec2:CreateTags", "ec2:DeleteTags"):
            assert not permits(ROLE, action, there, asking("pr-7") | tagged(stack))
    assert permits(ROLE, f"ec2:{creating}", new, asking("pr-7"))
    assert not permits(ROLE, f"ec2:{creating}", new, asking("prod"))
    assert not permits(ROLE, f"ec2:{creating}", new, HERE)


STATE = "arn:aws:s3:::careapp-state-{}-123456789012-ap-northeast-1/.pulumi/stacks/careapp/x.json"
FORBIDDEN = {
    "reads the state of poc": ("s3:GetObject", STATE.format("poc"), HERE),
    "writes the state of prod": ("s3:PutObject", STATE.format("prod"), HERE),
    "decrypts the state of poc": ("kms:Decrypt", arn("kms", "key/poc-key"), HERE),
    "makes a key": ("kms:CreateKey", "*", asking("pr-7")),
    "tags a key": ("kms:TagResource", arn("kms", "key/x"), asking("pr-7")),
    "starts an instance": ("ec2:RunInstances", arn("ec2", "instance/*"), asking("pr-7")),
    "makes a NAT gateway": ("ec2:CreateNatGateway", arn("ec2", "natgateway/*"), asking("pr-7")),
    "takes an address": ("ec2:AllocateAddress", arn("ec2", "elastic-ip/*"), asking("pr-7")),
    "ends a subscription": ("sns:Unsubscribe", "*", HERE),
    "changes a record": ("route53:ChangeResourceRecordSets", "arn:aws:route53:::hostedzone/Z1", {}),
    "makes a role of its own kind": ("iam:CreateRole", iam("role/careapp-delivery-pr2"), BOUND),
    "makes a role without the bound": ("iam:CreateRole", iam("role/careapp-pr-7-task"), {}),
    "makes a role with poc's bound": (
        "iam:CreateRole",
        iam("role/careapp-pr-7-task"),
        {"iam:PermissionsBoundary": iam("policy/careapp-delivery-poc-boundary")},
    ),
    "takes the bound from a role": (
        "iam:DeleteRolePermissionsBoundary",
        iam("role/careapp-pr-7-task"),
        BOUND,
    ),
    "widens the bound": (
        "iam:CreatePolicyVersion",
        iam("policy/careapp-delivery-pr-boundary"),
        {},
    ),
    "makes itself trust others": (
        "iam:UpdateAssumeRolePolicy",
        iam("role/careapp-delivery-pr"),
        {},
    ),
    "takes another role": ("sts:AssumeRole", iam("role/careapp-delivery-prod"), {}),
    "hands a role to Lambda": (
        "iam:PassRole",
        iam("role/careapp-pr-7-task"),
        {"iam:PassedToService": "lambda.amazonaws.com"},
    ),
    "runs its task in poc's cluster": (
        "ecs:RunTask",
        arn("ecs", "task-definition/careapp-pr-7:1"),
        {**HERE, "ecs:cluster": arn("ecs", "cluster/careapp-poc-cluster")},
    ),
    "tags a task that runs": ("ecs:TagResource", arn("ecs", "task/careapp-pr-7-cluster/0a"), HERE),
    "reads a database's password": (
        "secretsmanager:GetSecretValue",
        SECRET,
        {PRIMARY: arn("rds", "db:careapp-pr-7")},
    ),
    "restores prod's snapshot": (
        "rds:RestoreDBInstanceFromDBSnapshot",
        arn("rds", "snapshot:careapp-prod-final"),
        HERE,
    ),
}


@pytest.mark.parametrize("attack", FORBIDDEN)
def test_it_does_not_get_further(attack):
    assert not permits(ROLE, *FORBIDDEN[attack])


@pytest.mark.parametrize(
    ("action", "resource", "keys", "may"),
    [
        ("secretsmanager:GetSecretValue", SECRET, {PRIMARY: arn("rds", "db:careapp-pr-7")}, True),
        ("secretsmanager:GetSecretValue", SECRET, {PRIMARY: arn("rds", "db:careapp-poc")}, False),
        (
            "secretsmanager:GetSecretValue",
            arn("secretsmanager", "secret:careapp-poc/key-AbCdEf"),
            {},
            False,
        ),
        ("ecr:BatchGetImage", arn("ecr", "repository/careapp-pr-7/hello-ecs"), {}, True),
        ("ecr:BatchGetImage", arn("ecr", "repository/careapp/hello-ecs"), {}, False),
        ("logs:PutLogEvents", arn("logs", "log-group:/ecs/careapp-pr-7:log-stream:a"), {}, True),
        ("logs:PutLogEvents", arn("logs", "log-group:/ecs/careapp-prod:log-stream:a"), {}, False),
    ],
)
def test_a_role_of_such_a_stack_is_bound_to_these(action, resource, keys, may):
    assert permits(BOUNDARY, action, resource, keys) is may
