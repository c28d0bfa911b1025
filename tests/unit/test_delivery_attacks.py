"""What each of the delivery's roles may do, and what code with one of them could try to get further."""

from __future__ import annotations

import pytest

from stack.names import StackNames
from tests.support.delivery import REGION, Delivery, arn, iam
from tools.shared.policy_evaluation import permits

POC, PROD = BOTH = [Delivery.of(stack) for stack in ("poc", "prod")]
HERE = {"aws:RequestedRegion": REGION}
NEW = {**HERE, "aws:RequestTag/stack": "poc", "aws:RequestTag/project": "careapp"}
KEY_TAGS = {**NEW, "aws:TagKeys": ["stack", "project"]}
OURS = {**HERE, "aws:ResourceTag/stack": "poc", "aws:ResourceTag/project": "careapp"}
STATE_KEY = {"aws:ResourceTag/project": "careapp-delivery"}
DIRECTLY = {**NEW, "aws:ViaAWSService": "false"}
PRODS = {**OURS, "aws:ResourceTag/stack": "prod"}
KEY, INSTANCE, VPC = (
    arn("kms", "key/another"),
    arn("ec2", "instance/i-0123"),
    arn("ec2", "vpc/vpc-1"),
)
SECRET = arn("secretsmanager", "secret:rds!db-0-AbCdEf")
READ_SECRET = "secretsmanager:GetSecretValue"
LAMBDA, TASKS, SCHEDULER = (
    {"iam:PassedToService": f"{one}.amazonaws.com"} for one in ("lambda", "ecs-tasks", "scheduler")
)
RUN_TASK = {"ecs:CreateAction": "RunTask"}


def state(stack):
    return f"arn:aws:s3:::careapp-state-{stack}-123456789012-{REGION}/.pulumi/stacks/careapp/{stack}.json"


def database(stack):
    """The condition keys of the secret of a stack's database."""
    return {"aws:ResourceTag/aws:rds:primaryDBInstanceArn": arn("rds", f"db:careapp-{stack}")}


def bound(stack):
    """The condition keys of a role with a stack's boundary."""
    return {"iam:PermissionsBoundary": iam(f"policy/careapp-delivery-{stack}-boundary")}


def within(stack):
    """The condition keys of a task in a stack's cluster."""
    return {**HERE, "ecs:cluster": arn("ecs", f"cluster/careapp-{stack}-cluster")}


def app_secret(stack):
    return arn("secretsmanager", f"secret:careapp-{stack}/k-AbCdEf")


def login_secret(stack):
    return arn("secretsmanager", f"secret:careapp-{stack}/login-AbCdEf")


def files(stack, key="/invoice.pdf"):
    return f"arn:aws:s3:::careapp-{stack}-uploads-1{key}"


OWN, OTHERS = ({"aws:ResourceAccount": each} for each in ("123456789012", "999999999999"))
"""Buckets of this account and of another one, which may have any name that is free."""


def log(stack):
    return arn("logs", f"log-group:/ecs/careapp-{stack}:log-stream:a")


def tagged(stack):
    """The condition keys of a resource with a stack's tags; None: of one without tags."""
    return {**HERE, "aws:ResourceTag/stack": stack} if stack else HERE


def asking(stack, action=""):
    """The condition keys of a call that gives a new resource a stack's tags."""
    created = {"ec2:CreateAction": action} if action else {}
    return {**HERE, "aws:RequestTag/stack": stack, "aws:RequestTag/project": "careapp", **created}


ATTACKS = {
    "a preview": {
        "reads the state of prod": [("s3:GetObject", state("prod"), HERE)],
        "decrypts what is secret in prod's state": [("kms:Decrypt", PROD.key_arn, HERE)],
        "gets a token of the registry": [("ecr:GetAuthorizationToken", "*", HERE)],
        "writes the state": [("s3:PutObject", state("poc"), HERE)],
        "reads the database's secret": [(READ_SECRET, SECRET, HERE | database("poc"))],
        "reads the login's secret": [(READ_SECRET, login_secret("poc"), HERE)],
        "reads a file of the app's": [("s3:GetObject", files("poc"), HERE | OWN)],
        "lists the files of the app": [("s3:ListBucket", files("poc", ""), HERE | OWN)],
    },
    "a drift check": {
        "reads a file of the app's": [("s3:GetObject", files("poc"), HERE | OWN)],
        "reads the state of prod": [("s3:GetObject", state("prod"), HERE)],
        "reads the login's secret": [(READ_SECRET, login_secret("poc"), HERE)],
    },
    "a role of the stack": {
        "reads the secret of prod's database": [(READ_SECRET, SECRET, HERE | database("prod"))],
        "reads a secret that is no database's": [
            (READ_SECRET, arn("secretsmanager", "secret:other-AbCdEf"), HERE)
        ],
        "reads a secret of prod's app": [(READ_SECRET, app_secret("prod"), HERE)],
        "reads a file of prod's app": [("s3:GetObject", files("prod"), HERE | OWN)],
        "lists the files of prod's app": [("s3:ListBucket", files("prod", ""), HERE | OWN)],
        "takes files to a bucket of another account": [
            ("s3:PutObject", files("poc"), HERE | OTHERS)
        ],
        "deletes the bucket": [("s3:DeleteBucket", files("poc", ""), HERE | OWN)],
        "reads the access logs": [
            ("s3:GetObject", "arn:aws:s3:::careapp-poc-access-logs-1/a", HERE | OWN)
        ],
        "reads prod's log": [("logs:GetLogEvents", log("prod"), HERE)],
        "writes into prod's log": [("logs:PutLogEvents", log("prod"), HERE)],
        "pulls prod's image": [
            ("ecr:BatchGetImage", arn("ecr", "repository/careapp-prod/hello-ecs"), HERE)
        ],
        "runs a job of prod's": [
            ("ecs:RunTask", arn("ecs", "task-definition/careapp-prod-job-a:1"), within("poc"))
        ],
        "runs a job in prod's cluster": [
            ("ecs:RunTask", arn("ecs", "task-definition/careapp-poc-job-a:1"), within("prod"))
        ],
        "runs the web service's task": [
            ("ecs:RunTask", arn("ecs", "task-definition/careapp-poc:1"), within("poc"))
        ],
        "hands a job a role of prod's": [("iam:PassRole", iam("role/careapp-prod-task"), TASKS)],
        "hands a role to the scheduler": [("iam:PassRole", iam("role/careapp-poc-x"), SCHEDULER)],
    },
    "a deploy": {
        "reads the state of prod": [("s3:GetObject", state("prod"), HERE)],
        "writes the state of prod": [("s3:PutObject", state("prod"), HERE)],
        "gives a role prod's boundary, which is wider for prod": [
            ("iam:CreateRole", iam("role/careapp-poc-x"), bound("prod"))
        ],
        "runs a task in prod's cluster": [
            ("ecs:RunTask", arn("ecs", "task-definition/careapp-poc:1"), within("prod"))
        ],
        "runs a task like prod's": [
            ("ecs:RunTask", arn("ecs", "task-definition/careapp-prod:1"), within("poc"))
        ],
        "changes a schedule of prod's": [
            ("scheduler:UpdateSchedule", arn("scheduler", "schedule/careapp-prod/a"), HERE)
        ],
        "makes a schedule outside the stack's group": [
            ("scheduler:CreateSchedule", arn("scheduler", "schedule/default/a"), HERE)
        ],
        "hands the scheduler a role outside the stack": [
            ("iam:PassRole", iam("role/admin"), SCHEDULER)
        ],
        "stops a task of prod's": [
            ("ecs:StopTask", arn("ecs", "task/careapp-prod-cluster/0a"), HERE)
        ],
        "tags a task that runs": [
            ("ecs:TagResource", arn("ecs", "task/careapp-poc-cluster/0a"), HERE)
        ],
        "tags a key and takes it by its tag": [
            ("kms:TagResource", KEY, KEY_TAGS),
            ("kms:PutKeyPolicy", KEY, OURS),
        ],
        "tags a key and deletes it": [
            ("kms:TagResource", KEY, KEY_TAGS),
            ("kms:ScheduleKeyDeletion", KEY, OURS),
        ],
        "gives a key a tag that somebody else's policies trust": [
            ("kms:TagResource", KEY, {**NEW, "aws:TagKeys": ["stack", "project", "team"]})
        ],
        "tags prod's key as poc's": [("kms:TagResource", KEY, KEY_TAGS | PRODS)],
        "tags the key of prod's state, which locks prod out of it": [
            ("kms:TagResource", PROD.key_arn, KEY_TAGS | STATE_KEY)
        ],
        "tags the secret of a database": [("secretsmanager:TagResource", SECRET, DIRECTLY)],
        "tags an option group that every database has": [
            ("rds:AddTagsToResource", arn("rds", "og:default:postgres-17"), NEW)
        ],
        "takes the state's key": [("kms:PutKeyPolicy", POC.key_arn, HERE)],
        "stops an instance and starts it with other user data": [
            ("ec2:StopInstances", INSTANCE, HERE),
            ("ec2:ModifyInstanceAttribute", INSTANCE, HERE),
            ("ec2:StartInstances", INSTANCE, HERE),
        ],
        "terminates an instance": [("ec2:TerminateInstances", INSTANCE, HERE)],
        "tags an instance and takes it by its tag": [
            ("ec2:CreateTags", INSTANCE, NEW),
            ("ec2:ModifyInstanceAttribute", INSTANCE, OURS),
        ],
        "takes prod's bastion": [("ec2:ModifyInstanceAttribute", INSTANCE, PRODS)],
        "takes the tag from prod's network": [("ec2:DeleteTags", VPC, PRODS)],
        "deletes prod's network": [("ec2:DeleteVpc", VPC, PRODS)],
        "starts an instance without the stack's tag": [
            ("ec2:RunInstances", arn("ec2", "instance/*"), HERE)
        ],
        "makes a VPC in another region": [
            ("ec2:CreateVpc", "*", {"aws:RequestedRegion": "us-east-1"})
        ],
        "makes a role outside the stack": [("iam:CreateRole", iam("role/admin"), bound("poc"))],
        "makes a role without the boundary": [("iam:CreateRole", iam("role/careapp-poc-x"), {})],
        "takes the boundary from a role of the stack": [
            ("iam:DeleteRolePermissionsBoundary", iam("role/careapp-poc-x"), bound("poc"))
        ],
        "makes the boundary wider": [
            ("iam:CreatePolicyVersion", iam("policy/careapp-delivery-poc-boundary"), {})
        ],
        "makes prod's deploy role trust somebody else": [
            ("iam:UpdateAssumeRolePolicy", iam("role/careapp-delivery-prod"), {})
        ],
        "makes its own role trust somebody else": [
            ("iam:UpdateAssumeRolePolicy", iam("role/careapp-delivery-poc"), {})
        ],
        "rewrites a role of prod's": [
            ("iam:PutRolePolicy", iam("role/careapp-prod-task"), bound("poc"))
        ],
        "hands a role of the stack to a service that the stack does not use": [
            ("iam:PassRole", iam("role/careapp-poc-x"), LAMBDA)
        ],
        "hands a role outside the stack to a task": [("iam:PassRole", iam("role/admin"), TASKS)],
        "takes another role": [("sts:AssumeRole", iam("role/admin"), {})],
        "opens the state's bucket": [("s3:PutBucketPolicy", f"arn:aws:s3:::{POC.bucket}", HERE)],
        "deletes the state's bucket": [("s3:DeleteBucket", f"arn:aws:s3:::{POC.bucket}", HERE)],
        "reads a file of the app's": [("s3:GetObject", files("poc"), HERE | OWN)],
        "deletes a file of prod's": [("s3:DeleteObject", files("prod"), HERE | OWN)],
        "puts an endpoint into prod's network": [
            ("ec2:CreateVpcEndpoint", arn("ec2", "vpc-endpoint/*"), NEW),
            ("ec2:CreateVpcEndpoint", VPC, PRODS),
        ],
        "reads prod's access logs": [
            ("s3:GetObject", "arn:aws:s3:::careapp-prod-access-logs-1/one.log.gz", HERE)
        ],
        "reads the database's secret": [(READ_SECRET, SECRET, HERE | database("poc"))],
        "reads a secret of the app": [(READ_SECRET, app_secret("poc"), HERE)],
        "reads the secret of prod's login": [(READ_SECRET, login_secret("prod"), HERE)],
        "reads a secret whose name begins as the login's": [
            (READ_SECRET, login_secret("poc").replace("login", "login-of-others"), HERE)
        ],
        "deletes a database whose name begins alike": [
            ("rds:DeleteDBInstance", arn("rds", "db:careapp-poc2"), HERE)
        ],
        "changes prod's scaling": [
            (
                "application-autoscaling:RegisterScalableTarget",
                arn("application-autoscaling", "scalable-target/1"),
                PRODS,
            )
        ],
        "changes a record of a zone that the stack file does not name": [
            ("route53:ChangeResourceRecordSets", "arn:aws:route53:::hostedzone/ZOTHER", {})
        ],
    },
}
NEEDED = {
    "a preview": [("kms:Decrypt", POC.key_arn, HERE)],
    "a role of the stack": [
        ("s3:PutObject", files("poc"), HERE | OWN),
        ("s3:ListBucket", files("poc", ""), HERE | OWN),
        (READ_SECRET, SECRET, database("poc")),
        (READ_SECRET, app_secret("poc"), {}),
        ("ecs:RunTask", arn("ecs", "task-definition/careapp-poc-job-a:1"), within("poc")),
        ("ecs:TagResource", arn("ecs", "task/careapp-poc-cluster/0a"), RUN_TASK),
        ("iam:PassRole", iam("role/careapp-poc-task"), TASKS),
    ],
    "a deploy": [
        ("sns:Unsubscribe", "*", HERE),
        ("sns:SetSubscriptionAttributes", "*", HERE),
        ("kms:CreateKey", "*", NEW),
        ("kms:TagResource", KEY, KEY_TAGS),
        ("secretsmanager:TagResource", SECRET, {**NEW, "aws:ViaAWSService": "true"}),
        ("rds:CreateDBInstance", arn("rds", "og:default:postgres-17"), NEW),
        *(
            (f"s3:{action}", "arn:aws:s3:::careapp-poc-access-logs-1", HERE)
            for action in ("ListTagsForResource", "TagResource", "UntagResource")
        ),
        ("ec2:StopInstances", INSTANCE, OURS),
        ("ec2:CreateTags", INSTANCE, {**NEW, "ec2:CreateAction": "RunInstances"}),
        ("iam:CreateRole", iam("role/careapp-poc-x"), bound("poc")),
        ("iam:PassRole", iam("role/careapp-poc-x"), SCHEDULER),
        ("scheduler:UpdateSchedule", arn("scheduler", "schedule/careapp-poc/a"), HERE),
        (READ_SECRET, login_secret("poc"), HERE),
    ],
}
DOCUMENTS = {
    "a preview": POC.documents("careapp-delivery-preview"),
    "a drift check": POC.documents("careapp-delivery-poc-drift"),
    "a role of the stack": [POC.boundary],
    "a deploy": POC.deploy,
}


def test_the_states_are_in_the_buckets_of_the_templates():
    for each in (POC, PROD):
        assert state(each.stack).startswith(f"arn:aws:s3:::{each.bucket}/.pulumi/")


@pytest.mark.parametrize(
    ("role", "attack"), [(role, each) for role, attacks in ATTACKS.items() for each in attacks]
)
def test_it_does_not_get_through(role, attack):
    assert not all(permits(DOCUMENTS[role], *call) for call in ATTACKS[role][attack])


@pytest.mark.parametrize(
    ("role", "call"),
    [(role, call) for role, calls in NEEDED.items() for call in calls],
    ids=lambda each: each if isinstance(each, str) else each[0],
)
def test_what_the_stack_needs_does(role, call):
    assert permits(DOCUMENTS[role], *call)


CREATED_BY = {
    "vpc": "CreateVpc",
    "subnet": "CreateSubnet",
    "internet-gateway": "CreateInternetGateway",
    "route-table": "CreateRouteTable",
    "security-group": "CreateSecurityGroup",
    "vpc-endpoint": "CreateVpcEndpoint",
    "security-group-rule": "AuthorizeSecurityGroupIngress",
}
CHANGED_BY = {
    # What is new in the last three of a VPC is named by its own ARN; the VPC is there already.
    "vpc": (
        "DeleteVpc ModifyVpcAttribute CreateSecurityGroup CreateSubnet CreateRouteTable "
        "CreateVpcEndpoint"
    ),
    "vpc-endpoint": "DeleteVpcEndpoints ModifyVpcEndpoint",
    "subnet": "DeleteSubnet",
    "internet-gateway": "DetachInternetGateway",
    "route-table": "CreateRoute CreateVpcEndpoint DeleteRouteTable ModifyVpcEndpoint",
    "security-group": (
        "AuthorizeSecurityGroupIngress RevokeSecurityGroupEgress DeleteSecurityGroup"
    ),
    "security-group-rule": "ModifySecurityGroupRules",
}


def by_name(stack, project="careapp"):
    """A change of each kind of resource that a stack names."""
    names = StackNames(stack, project)
    role, balancer = iam(f"role/{names.prefix}-task"), f"app/{names.balancer}/0a"
    here = [
        ("rds:DeleteDBInstance", f"db:{names.database}"),
        ("rds:ModifyDBParameterGroup", f"pg:{names.prefix}-postgres17"),
        ("rds:DeleteDBSubnetGroup", f"subgrp:{names.prefix}-database"),
        ("ecr:PutImage", f"repository/{names.repository}"),
        ("ecr:DeleteRepository", f"repository/{names.repository}"),
        ("ecs:DeleteCluster", f"cluster/{names.cluster}"),
        ("ecs:UpdateService", f"service/{names.cluster}/{names.service}"),
        ("ecs:RegisterTaskDefinition", f"task-definition/{names.family}:*"),
        ("ecs:UpdateService", f"service/{names.cluster}/{names.worker('a')}"),
        ("ecs:RegisterTaskDefinition", f"task-definition/{names.worker('a')}:*"),
        ("ecs:RegisterTaskDefinition", f"task-definition/{names.job('a')}:*"),
        ("scheduler:CreateScheduleGroup", f"schedule-group/{names.prefix}"),
        ("scheduler:CreateSchedule", f"schedule/{names.prefix}/a"),
        ("ecs:StopTask", f"task/{names.cluster}/0a"),
        ("logs:DeleteLogGroup", f"log-group:{names.log_group}"),
        ("logs:GetLogEvents", f"log-group:{names.log_group}:log-stream:a"),
        ("elasticloadbalancing:DeleteLoadBalancer", f"loadbalancer/{balancer}"),
        ("elasticloadbalancing:ModifyListener", f"listener/{balancer}/1b"),
        ("elasticloadbalancing:DeleteTargetGroup", f"targetgroup/{names.target_group}/0a"),
    ]
    return [
        *((action, arn(action.split(":")[0], resource), HERE) for action, resource in here),
        ("ecs:RunTask", arn("ecs", f"task-definition/{names.family}:1"), within(stack)),
        ("iam:CreateRole", role, bound(stack)),
        ("iam:PutRolePolicy", role, bound(stack)),
        ("iam:UpdateAssumeRolePolicy", role, {}),
        ("iam:PassRole", role, TASKS),
        ("iam:PassRole", role, SCHEDULER),
    ]


def by_tag(stack):
    """A change of each kind of resource of EC2 that the stack uses, whose names AWS gives."""
    return [
        (f"ec2:{action}", arn("ec2", f"{kind}/x-1"), tagged(stack))
        for kind, actions in CHANGED_BY.items()
        for action in actions.split()
    ]


def allowed(calls, documents):
    return [
        (action, resource)
        for action, resource, keys in calls
        if permits(documents, action, resource, keys)
    ]


@pytest.mark.parametrize("delivery", BOTH, ids=lambda each: each.stack)
def test_a_deploy_can_change_its_own_stack(delivery):
    calls = [*by_name(delivery.stack), *by_tag(delivery.stack)]
    assert allowed(calls, delivery.deploy) == [call[:2] for call in calls]


@pytest.mark.parametrize("stack", ["prod", "pocx", "try", "prod-poc"])
def test_a_deploy_can_change_nothing_of_another_stack(stack):
    assert allowed([*by_name(stack), *by_tag(stack)], POC.deploy) == []


@pytest.mark.parametrize("delivery", BOTH, ids=lambda each: each.stack)
def test_no_deploy_can_change_anything_of_ec2_without_the_stack_s_tag(delivery):
    """AWS makes a default group, a main route table and a default network without tags."""
    assert allowed([*by_tag(None), *by_tag("network-team")], delivery.deploy) == []


@pytest.mark.parametrize("delivery", BOTH, ids=lambda each: each.stack)
def test_no_deploy_can_change_anything_of_another_project(delivery):
    """By its names; where AWS gives them, by its tags, though the stack's name is the same."""
    stack = delivery.stack
    acmes = {"aws:ResourceTag/project": "acme"}
    tagged_so = [(action, resource, {**keys, **acmes}) for action, resource, keys in by_tag(stack)]
    assert allowed([*by_name(stack, "acme"), *tagged_so], delivery.deploy) == []


@pytest.mark.parametrize("tag", ["network-team", None])
@pytest.mark.parametrize("delivery", BOTH, ids=lambda each: each.stack)
def test_a_tag_on_what_is_new_opens_nothing_of_another_s_and_nothing_untagged(delivery, tag):
    """RequestTag is in the context of every resource of the call, the group that is there included."""
    stack = delivery.stack
    keys = asking(stack) | tagged(tag)
    calls = {
        "security-group": "AuthorizeSecurityGroupIngress AuthorizeSecurityGroupEgress RunInstances",
        "vpc": (
            "CreateSecurityGroup CreateSubnet CreateRouteTable CreateFlowLogs CreateVpcEndpoint"
        ),
        "route-table": "CreateVpcEndpoint ModifyVpcEndpoint",
        "subnet": "CreateNatGateway CreateFlowLogs RunInstances",
        "natgateway": "CreateFlowLogs",
        "elastic-ip": "CreateNatGateway ReleaseAddress DisassociateAddress",
    }
    assert (
        allowed(
            [
                (f"ec2:{action}", arn("ec2", f"{kind}/x-1"), keys)
                for kind, actions in calls.items()
                for action in actions.split()
            ],
            delivery.deploy,
        )
        == []
    )


@pytest.mark.parametrize(("kind", "creating"), CREATED_BY.items())
def test_ec2_is_tagged_as_the_stack_s_own_by_the_call_that_creates_it(kind, creating):
    new, there = arn("ec2", f"{kind}/*"), arn("ec2", f"{kind}/x-1")
    assert permits(POC.deploy, "ec2:CreateTags", new, asking("poc", creating))
    assert not permits(POC.deploy, "ec2:CreateTags", new, asking("prod", creating))
    for action in ("ec2:CreateTags", "ec2:DeleteTags"):
        assert not permits(POC.deploy, action, there, asking("poc") | tagged("prod"))
    assert permits(POC.deploy, f"ec2:{creating}", new, asking("poc"))
    assert not permits(POC.deploy, f"ec2:{creating}", new, asking("prod"))
    assert not permits(POC.deploy, f"ec2:{creating}", new, HERE)
