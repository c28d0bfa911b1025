"""The deploy role may do what a deploy does, by the calls of a whole life of a stack with everything on."""

from __future__ import annotations

import json

import pytest
from botocore.client import BaseClient

from ops.delivery import boundary, deploying, looking
from ops.delivery.names import Account
from tests.support.iam_policies import UNKNOWN, Call, action, allowed
from tests.support.local_stack import local_stack

ACCOUNT = Account(number="123456789012", region="ap-northeast-1")
KEY = ACCOUNT.arn("kms", "key/state")
ZONE = "Z0123456789ABC"
EVERYTHING = {
    "permissionsBoundary": "careapp-delivery-boundary",
    "bastionEnabled": "true",
    "flowLogs": "true",
    "accessLogs": "true",
    "databaseMonitoringInterval": "60",
    "databaseLogs": "true",
    "maxCount": "3",
    "schedule": "mon-fri 08:00-20:00",
    "alarmEmail": "team@example.com",
    "domainName": "app.example.com",
    "hostedZoneId": ZONE,
}
CHANGED = {
    "taskCpu": "512",
    "taskMemory": "1024",
    "deregistrationDelay": "20",
    "databaseBackupDays": "2",
    "maxCount": "0",
    "schedule": "",
    "alarmEmail": "",
}
PASSING = {
    "executionRoleArn": "ecs-tasks.amazonaws.com",
    "taskRoleArn": "ecs-tasks.amazonaws.com",
    "DeliverLogsPermissionArn": "vpc-flow-logs.amazonaws.com",
    "MonitoringRoleArn": "monitoring.rds.amazonaws.com",
}
"""Parameters by which a role is handed to a service."""


def arn_of(service, params):
    """The ARN of what a call is about, where its parameters name it; else UNKNOWN."""
    named = {
        "logs": ("logGroupName", "log-group:{}"),
        "ecr": ("repositoryName", "repository/{}"),
        "rds": ("DBInstanceIdentifier", "db:{}"),
        "events": ("Name", "rule/{}"),
    }
    iam = {"RoleName": "role/{}", "InstanceProfileName": "instance-profile/{}"}
    if service == "iam":
        kind = "InstanceProfileName" if "InstanceProfileName" in params else "RoleName"
        return ACCOUNT.iam(iam[kind].format(params[kind])) if kind in params else UNKNOWN
    if service == "s3":
        key = f"/{params['Key']}" if "Key" in params else ""
        return f"arn:aws:s3:::{params['Bucket']}{key}" if "Bucket" in params else UNKNOWN
    if service == "route53" and "HostedZoneId" in params:
        return f"arn:aws:route53:::hostedzone/{params['HostedZoneId'].rpartition('/')[2]}"
    for key in (
        "TopicArn",
        "LoadBalancerArn",
        "TargetGroupArn",
        "ListenerArn",
        "RuleArn",
        "ResourceArn",
    ):
        if str(params.get(key, "")).startswith("arn:"):
            return params[key]
    parameter, template = named.get(service, ("", ""))
    return (
        ACCOUNT.arn(service, template.format(params[parameter]))
        if params.get(parameter)
        else UNKNOWN
    )


def tags_of(params):
    found = params.get("Tags") or params.get("tags") or []
    pairs = (
        found.items()
        if isinstance(found, dict)
        else (
            (
                tag.get("Key") or tag.get("TagKey") or tag.get("key"),
                tag.get("Value") or tag.get("TagValue") or tag.get("value"),
            )
            for tag in found
        )
    )
    return {f"aws:RequestTag/{key}": value for key, value in pairs}


def calls_of(service, operation, params):
    """What IAM is asked: the call itself, and the role that it hands on."""
    context = {
        "aws:RequestedRegion": ACCOUNT.region,
        "aws:ResourceTag/project": "careapp",
        "aws:ResourceTag/stack": "poc",
        **tags_of(params),
    }
    # A role that has a bound keeps it: only its making has to name it.
    bound = params.get("PermissionsBoundary") if operation == "CreateRole" else ACCOUNT.boundary_arn
    if bound:
        context["iam:PermissionsBoundary"] = bound
    yield Call(action(service, operation), arn_of(service, params), context)
    for parameter, to in PASSING.items():
        if params.get(parameter):
            yield Call("iam:PassRole", params[parameter], {"iam:PassedToService": to})


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Every call of the life of a stack."""
    calls = []
    original = BaseClient._make_api_call

    def recorded(client, operation, params):
        calls.extend(calls_of(client.meta.service_model.service_name, operation, params))
        return original(client, operation, params)

    with (
        pytest.MonkeyPatch.context() as patch,
        local_stack(tmp_path_factory.mktemp("rights")) as stack,
    ):
        bound = {
            "PolicyName": EVERYTHING["permissionsBoundary"],
            "PolicyDocument": json.dumps(boundary.document(ACCOUNT)),
        }
        stack.calls("iam", "create_policy", bound)
        patch.setattr(BaseClient, "_make_api_call", recorded)
        stack.up(**EVERYTHING)
        stack.up(ecsEnabled="true")
        stack.up(**CHANGED)
        stack.pulumi.run("refresh", "--stack", stack.name, "--yes")
        stack.destroy()
    return calls


def deploy(stack="poc"):
    return list(deploying.documents(ACCOUNT, KEY, stack, ZONE).values())


def short(calls):
    return sorted({(call.action, call.resource) for call in calls})


def test_a_deploy_may_do_all_that_it_does(made):
    assert len({call.action for call in made}) > 100
    assert short(call for call in made if not allowed(deploy(), call)) == []


def test_a_preview_may_look_at_all_of_it_and_change_none_of_it(made):
    preview = [looking.document(ACCOUNT, KEY)]
    looks = [call for call in made if call.reads]
    assert short(call for call in looks if not allowed(preview, call)) == []
    changes = [call for call in made if not call.reads]
    assert len(changes) > 100
    assert short(call for call in changes if allowed(preview, call)) == []


def test_another_stacks_things_are_refused_by_name_and_by_tag(made):
    by_name = [
        Call(call.action, call.resource.replace("careapp-poc", "careapp-prod"), call.context)
        for call in made
        if "careapp-poc" in call.resource and not call.reads
    ]
    assert len({call.action for call in by_name}) > 30
    assert short(call for call in by_name if allowed(deploy(), call)) == []
    prods = {"aws:ResourceTag/project": "careapp", "aws:ResourceTag/stack": "prod"}
    by_tag = [Call(call.action, call.resource, {**call.context, **prods}) for call in made]
    assert short(call for call in by_tag if allowed(deploy(), call)) == []


def test_a_role_without_the_bound_cannot_be_made(made):
    [*roles] = [call for call in made if call.action == "iam:CreateRole"]
    assert len(roles) == 5
    for call in roles:
        assert allowed(deploy(), call)
        without = {key: value for key, value in call.context.items() if "Boundary" not in key}
        assert not allowed(deploy(), Call(call.action, call.resource, without))
        other = {**call.context, "iam:PermissionsBoundary": ACCOUNT.iam("policy/another")}
        assert not allowed(deploy(), Call(call.action, call.resource, other))


@pytest.mark.parametrize(
    "call",
    [
        Call(
            "iam:CreateRole",
            ACCOUNT.iam("role/admin"),
            {"iam:PermissionsBoundary": ACCOUNT.boundary_arn},
        ),
        Call("iam:UpdateAssumeRolePolicy", ACCOUNT.iam("role/careapp-delivery-prod")),
        Call("iam:UpdateAssumeRolePolicy", ACCOUNT.iam("role/careapp-delivery-poc")),
        Call("iam:CreatePolicyVersion", ACCOUNT.boundary_arn),
        Call("iam:DeleteRolePermissionsBoundary", ACCOUNT.iam("role/careapp-poc-task-1")),
        Call(
            "iam:PassRole",
            ACCOUNT.iam("role/careapp-poc-task-1"),
            {"iam:PassedToService": "lambda.amazonaws.com"},
        ),
        Call(
            "iam:PassRole",
            ACCOUNT.iam("role/admin"),
            {"iam:PassedToService": "ecs-tasks.amazonaws.com"},
        ),
        Call("kms:ScheduleKeyDeletion", KEY, {"aws:ResourceTag/stack": "poc"}),
        Call("kms:PutKeyPolicy", KEY, {"aws:ResourceTag/stack": "poc"}),
        Call("s3:DeleteBucket", f"arn:aws:s3:::{ACCOUNT.bucket}"),
        Call("s3:PutBucketPolicy", f"arn:aws:s3:::{ACCOUNT.bucket}"),
        Call("s3:PutObject", f"arn:aws:s3:::{ACCOUNT.bucket}/.pulumi/stacks/careapp/prod.json"),
        Call("s3:PutObject", f"arn:aws:s3:::{ACCOUNT.bucket}/.pulumi/meta.yaml"),
        Call(
            "s3:DeleteObject",
            f"arn:aws:s3:::{ACCOUNT.bucket}/.pulumi/locks/organization/careapp/prod/1.json",
        ),
        Call("s3:GetObject", "arn:aws:s3:::careapp-prod-access-logs-1/AWSLogs/one.log.gz"),
        Call("secretsmanager:GetSecretValue", ACCOUNT.arn("secretsmanager", "secret:rds!db-1")),
        Call("ec2:CreateVpc", "*", {"aws:RequestedRegion": "us-east-1"}),
        Call("route53:ChangeResourceRecordSets", "arn:aws:route53:::hostedzone/ZOTHER"),
        Call("sts:AssumeRole", ACCOUNT.iam("role/admin")),
    ],
    ids=lambda call: f"{call.action} {call.resource.rpartition(':')[2]}",
)
def test_what_would_lead_further_is_refused(call):
    assert not allowed(deploy(), call)


def test_without_a_zone_in_the_stack_file_no_record_can_be_changed():
    documents = deploying.documents(ACCOUNT, KEY, "poc").values()
    call = Call("route53:ChangeResourceRecordSets", f"arn:aws:route53:::hostedzone/{ZONE}")
    assert not allowed(documents, call)
    assert allowed(deploy(), call)


def test_the_bound_lets_the_stacks_roles_do_what_their_policies_say_and_nothing_of_iam(made):
    bound = [boundary.document(ACCOUNT)]
    secret = Call("secretsmanager:GetSecretValue", ACCOUNT.arn("secretsmanager", "secret:rds!db-1"))
    log = Call("logs:PutLogEvents", ACCOUNT.arn("logs", "log-group:/ecs/careapp-poc:log-stream:a"))
    assert allowed(bound, secret)
    assert allowed(bound, log)
    assert short(call for call in made if not call.reads and allowed(bound, call)) <= [
        ("logs:CreateLogGroup", ACCOUNT.arn("logs", "log-group:/ecs/careapp-poc")),
    ]


def test_every_policy_fits_into_iams_limit():
    import json

    every = [*deploying.documents(ACCOUNT, KEY, "a-name-of-20-letters", ZONE).values()]
    every += [looking.document(ACCOUNT, KEY), boundary.document(ACCOUNT)]
    sizes = [len(json.dumps(each, separators=(",", ":"))) for each in every]
    assert max(sizes) <= deploying.LIMIT
