"""What code with one of the delivery's roles could try to get further than its stack."""

from __future__ import annotations

import pytest

from stack.statements import permits
from tests.support.delivery import REGION, Delivery, arn, iam

POC, PROD = Delivery.of("poc"), Delivery.of("prod")
HERE = {"aws:RequestedRegion": REGION}
NEW = {**HERE, "aws:RequestTag/stack": "poc", "aws:RequestTag/project": "careapp"}
OURS = {**HERE, "aws:ResourceTag/stack": "poc", "aws:ResourceTag/project": "careapp"}
PRODS = {**HERE, "aws:ResourceTag/stack": "prod", "aws:ResourceTag/project": "careapp"}
BUCKET = {
    each.stack: f"arn:aws:s3:::{each.resources['StateBucket']['BucketName']}"
    for each in (POC, PROD)
}
KEY, INSTANCE = arn("kms", "key/another"), arn("ec2", "instance/i-0123")
PRIMARY = "aws:ResourceTag/aws:rds:primaryDBInstanceArn"
SECRET = arn("secretsmanager", "secret:rds!db-0-AbCdEf")
PREVIEW, DRIFT = "careapp-delivery-preview", "careapp-delivery-poc-drift"
BOUND = {"iam:PermissionsBoundary": iam("policy/careapp-delivery-poc-boundary")}


def get_through(documents, *calls):
    """Whether every call of the attack is allowed."""
    return all(permits(documents, *call) for call in calls)


ATTACKS = {
    "a preview reads the state of prod": (
        POC.documents(PREVIEW),
        ("s3:GetObject", f"{BUCKET['prod']}/.pulumi/stacks/careapp/prod.json", HERE),
    ),
    "a preview decrypts what is secret in prod's state": (
        POC.documents(PREVIEW),
        ("kms:Decrypt", PROD.key_arn, HERE),
    ),
    "a preview gets a token of the registry": (
        POC.documents(PREVIEW),
        ("ecr:GetAuthorizationToken", "*", HERE),
    ),
    "a preview writes the state": (
        POC.documents(PREVIEW),
        ("s3:PutObject", f"{BUCKET['poc']}/.pulumi/stacks/careapp/poc.json", HERE),
    ),
    "a preview reads the database's secret": (
        POC.documents(PREVIEW),
        ("secretsmanager:GetSecretValue", SECRET, {**HERE, PRIMARY: arn("rds", "db:careapp-poc")}),
    ),
    "a drift check of poc reads the state of prod": (
        POC.documents(DRIFT),
        ("s3:GetObject", f"{BUCKET['prod']}/.pulumi/stacks/careapp/prod.json", HERE),
    ),
    "a deploy of poc reads the state of prod": (
        POC.deploy,
        ("s3:GetObject", f"{BUCKET['prod']}/.pulumi/stacks/careapp/prod.json", HERE),
    ),
    "a deploy of poc writes the state of prod": (
        POC.deploy,
        ("s3:PutObject", f"{BUCKET['prod']}/.pulumi/stacks/careapp/prod.json", HERE),
    ),
    "a role of poc reads the secret of prod's database": (
        [POC.boundary],
        ("secretsmanager:GetSecretValue", SECRET, {**HERE, PRIMARY: arn("rds", "db:careapp-prod")}),
    ),
    "a role of poc reads a secret that is no database's": (
        [POC.boundary],
        ("secretsmanager:GetSecretValue", arn("secretsmanager", "secret:other-AbCdEf"), HERE),
    ),
    "a role of poc reads a secret of prod's app": (
        [POC.boundary],
        (
            "secretsmanager:GetSecretValue",
            arn("secretsmanager", "secret:careapp-prod/k-AbCdEf"),
            HERE,
        ),
    ),
    "a role of poc reads prod's log": (
        [POC.boundary],
        ("logs:GetLogEvents", arn("logs", "log-group:/ecs/careapp-prod:log-stream:a"), HERE),
    ),
    "a role of poc writes into prod's log": (
        [POC.boundary],
        ("logs:PutLogEvents", arn("logs", "log-group:/ecs/careapp-prod:log-stream:a"), HERE),
    ),
    "a role of poc pulls prod's image": (
        [POC.boundary],
        ("ecr:BatchGetImage", arn("ecr", "repository/careapp-prod/hello-ecs"), HERE),
    ),
    "a role of poc gets prod's boundary, which is wider for prod": (
        POC.deploy,
        (
            "iam:CreateRole",
            iam("role/careapp-poc-x"),
            {"iam:PermissionsBoundary": iam("policy/careapp-delivery-prod-boundary")},
        ),
    ),
    "a deploy of poc runs a task in prod's cluster": (
        POC.deploy,
        (
            "ecs:RunTask",
            arn("ecs", "task-definition/careapp-poc:1"),
            {**HERE, "ecs:cluster": arn("ecs", "cluster/careapp-prod-cluster")},
        ),
    ),
    "a deploy of poc runs a task like prod's": (
        POC.deploy,
        (
            "ecs:RunTask",
            arn("ecs", "task-definition/careapp-prod:1"),
            {**HERE, "ecs:cluster": arn("ecs", "cluster/careapp-poc-cluster")},
        ),
    ),
    "a deploy of poc stops a task of prod's": (
        POC.deploy,
        ("ecs:StopTask", arn("ecs", "task/careapp-prod-cluster/0a"), HERE),
    ),
    "a deploy of poc tags a task that runs": (
        POC.deploy,
        ("ecs:TagResource", arn("ecs", "task/careapp-poc-cluster/0a"), HERE),
    ),
    "a key is tagged and then taken by its tag": (
        POC.deploy,
        ("kms:TagResource", KEY, {**NEW, "aws:TagKeys": ["stack", "project"]}),
        ("kms:PutKeyPolicy", KEY, OURS),
    ),
    "a key is tagged and then deleted": (
        POC.deploy,
        ("kms:TagResource", KEY, {**NEW, "aws:TagKeys": ["stack", "project"]}),
        ("kms:ScheduleKeyDeletion", KEY, OURS),
    ),
    "a key gets a tag that somebody else's policies trust": (
        POC.deploy,
        ("kms:TagResource", KEY, {**NEW, "aws:TagKeys": ["stack", "project", "team"]}),
    ),
    "prod's key is tagged as poc's": (
        POC.deploy,
        ("kms:TagResource", KEY, {**NEW, **PRODS, "aws:TagKeys": ["stack", "project"]}),
    ),
    "the state's key is taken": (POC.deploy, ("kms:PutKeyPolicy", POC.key_arn, HERE)),
    "an instance is stopped and started with other user data": (
        POC.deploy,
        ("ec2:StopInstances", INSTANCE, HERE),
        ("ec2:ModifyInstanceAttribute", INSTANCE, HERE),
        ("ec2:StartInstances", INSTANCE, HERE),
    ),
    "an instance is terminated": (POC.deploy, ("ec2:TerminateInstances", INSTANCE, HERE)),
    "an instance is tagged and then taken by its tag": (
        POC.deploy,
        ("ec2:CreateTags", INSTANCE, NEW),
        ("ec2:ModifyInstanceAttribute", INSTANCE, OURS),
    ),
    "prod's bastion is taken": (POC.deploy, ("ec2:ModifyInstanceAttribute", INSTANCE, PRODS)),
    "prod's network loses its tag": (
        POC.deploy,
        ("ec2:DeleteTags", arn("ec2", "vpc/vpc-1"), PRODS),
    ),
    "prod's network is deleted": (POC.deploy, ("ec2:DeleteVpc", arn("ec2", "vpc/vpc-1"), PRODS)),
    "an instance without the stack's tag is started": (
        POC.deploy,
        ("ec2:RunInstances", arn("ec2", "instance/*"), HERE),
    ),
    "a VPC is made in another region": (
        POC.deploy,
        ("ec2:CreateVpc", "*", {"aws:RequestedRegion": "us-east-1"}),
    ),
    "a role outside the stack is made": (
        POC.deploy,
        ("iam:CreateRole", iam("role/admin"), BOUND),
    ),
    "a role without the boundary is made": (
        POC.deploy,
        ("iam:CreateRole", iam("role/careapp-poc-x"), {}),
    ),
    "a role of the stack loses its boundary": (
        POC.deploy,
        ("iam:DeleteRolePermissionsBoundary", iam("role/careapp-poc-x"), BOUND),
    ),
    "the boundary is made wider": (
        POC.deploy,
        ("iam:CreatePolicyVersion", iam("policy/careapp-delivery-poc-boundary"), {}),
    ),
    "prod's deploy role trusts somebody else": (
        POC.deploy,
        ("iam:UpdateAssumeRolePolicy", iam("role/careapp-delivery-prod"), {}),
    ),
    "its own role trusts somebody else": (
        POC.deploy,
        ("iam:UpdateAssumeRolePolicy", iam("role/careapp-delivery-poc"), {}),
    ),
    "a role of prod's is rewritten": (
        POC.deploy,
        ("iam:PutRolePolicy", iam("role/careapp-prod-task"), BOUND),
    ),
    "a role of the stack is handed to a service that the stack does not use": (
        POC.deploy,
        (
            "iam:PassRole",
            iam("role/careapp-poc-x"),
            {"iam:PassedToService": "lambda.amazonaws.com"},
        ),
    ),
    "a role outside the stack is handed to a task": (
        POC.deploy,
        ("iam:PassRole", iam("role/admin"), {"iam:PassedToService": "ecs-tasks.amazonaws.com"}),
    ),
    "another role is taken": (POC.deploy, ("sts:AssumeRole", iam("role/admin"), {})),
    "the state's bucket is opened": (POC.deploy, ("s3:PutBucketPolicy", BUCKET["poc"], HERE)),
    "the state's bucket is deleted": (POC.deploy, ("s3:DeleteBucket", BUCKET["poc"], HERE)),
    "prod's access logs are read": (
        POC.deploy,
        ("s3:GetObject", "arn:aws:s3:::careapp-prod-access-logs-1/one.log.gz", HERE),
    ),
    "the database's secret is read by the deploy": (
        POC.deploy,
        ("secretsmanager:GetSecretValue", SECRET, {**HERE, PRIMARY: arn("rds", "db:careapp-poc")}),
    ),
    "a database whose name begins alike is deleted": (
        POC.deploy,
        ("rds:DeleteDBInstance", arn("rds", "db:careapp-poc2"), HERE),
    ),
    "prod's scaling is changed": (
        POC.deploy,
        (
            "application-autoscaling:RegisterScalableTarget",
            arn("application-autoscaling", "scalable-target/1"),
            PRODS,
        ),
    ),
    "a record of a zone is changed that the stack file does not name": (
        POC.deploy,
        ("route53:ChangeResourceRecordSets", "arn:aws:route53:::hostedzone/ZOTHER", {}),
    ),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_it_does_not_get_through(attack):
    documents, *calls = ATTACKS[attack]
    assert not get_through(documents, *calls)


@pytest.mark.parametrize(
    ("documents", "call"),
    [
        (POC.deploy, ("sns:Unsubscribe", "*", HERE)),
        (POC.deploy, ("sns:SetSubscriptionAttributes", "*", HERE)),
        (POC.deploy, ("kms:CreateKey", "*", NEW)),
        (POC.deploy, ("kms:TagResource", KEY, {**NEW, "aws:TagKeys": ["stack", "project"]})),
        (POC.deploy, ("ec2:StopInstances", INSTANCE, OURS)),
        (POC.deploy, ("ec2:CreateTags", INSTANCE, {**NEW, "ec2:CreateAction": "RunInstances"})),
        (POC.deploy, ("iam:CreateRole", iam("role/careapp-poc-x"), BOUND)),
        (POC.documents(PREVIEW), ("kms:Decrypt", POC.key_arn, HERE)),
        (
            [POC.boundary],
            ("secretsmanager:GetSecretValue", SECRET, {PRIMARY: arn("rds", "db:careapp-poc")}),
        ),
        (
            [POC.boundary],
            (
                "secretsmanager:GetSecretValue",
                arn("secretsmanager", "secret:careapp-poc/k-AbCdEf"),
                {},
            ),
        ),
    ],
    ids=lambda each: each[0] if isinstance(each, tuple) else "",
)
def test_what_the_stack_needs_does(documents, call):
    assert get_through(documents, call)
