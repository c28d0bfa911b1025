"""The deploy role may do what a deploy does, by the calls of a stack's whole life, of a project of another name."""

import json
from dataclasses import dataclass, field, replace

import pytest
from botocore.client import BaseClient

from tests.support.delivery import Delivery, iam
from tests.support.every_setting import ON
from tests.support.iam_policies import Call, allowed, calls_of, permits
from tests.support.local_stack import local_stack

ZONE = "Z0123456789ABC"
EVERYTHING = ON | {"domainName": "app.example.com", "hostedZoneId": ZONE}
"""Everything on: a right that another setting needs is missed here."""
CHANGED = {
    "taskCpu": "512",
    "taskMemory": "1024",
    "healthMatcher": "200-399",
    "databaseBackupDays": "2",
    "logRetentionDays": "90",
    "maxCount": "0",
    "schedule": "",
    "alarmEmail": "",
    "bastionEnabled": "false",
    "domainName": "",
    "hostedZoneId": "",
}
CLOUDFRONT = "com.amazonaws.global.cloudfront.origin-facing"
OURS = ("acme", "prod")
OTHERS = [("careapp", "poc"), ("careapp", "prod"), ("acme", "poc"), ("acme-shop", "prod")]


@dataclass
class Life:
    """Every question to IAM in a stack's life, and the policies that its roles had."""

    delivery: Delivery
    calls: list[Call] = field(default_factory=list)
    documents: list[tuple[str, dict]] = field(default_factory=list)


def live(folder, delivery):
    """Deploy the stack with everything on, change it, refresh and destroy it, by its deploy role."""
    life, original = Life(delivery), BaseClient._make_api_call
    role = iam(f"role/{delivery.project}-delivery-{delivery.stack}")

    def recorded(client, operation, params):
        service = client.meta.service_model.service_name
        life.calls.extend(calls_of(service, operation, params, role))
        if operation == "PutRolePolicy":
            life.documents.append((params["RoleName"], json.loads(params["PolicyDocument"])))
        return original(client, operation, params)

    bound = delivery.resources["Boundary"]
    with (
        pytest.MonkeyPatch.context() as patch,
        local_stack(folder, delivery.stack, project=delivery.project) as stack,
    ):
        name, document = bound["ManagedPolicyName"], json.dumps(bound["PolicyDocument"])
        stack.calls("iam", "create_policy", {"PolicyName": name, "PolicyDocument": document})
        patch.setattr(BaseClient, "_make_api_call", recorded)
        stack.up(permissionsBoundary=name, protect="false", ecsEnabled="true", **EVERYTHING)
        filters = [{"Name": "prefix-list-name", "Values": [CLOUDFRONT]}]
        found = stack.calls("ec2", "describe_managed_prefix_lists", {"Filters": filters})
        stack.up(**CHANGED, allowedCidrs=found["PrefixLists"][0]["PrefixListId"])
        stack.up(ecsEnabled="false", deployStrategy="canary", rolloutTimeoutMinutes="25")
        stack.up(ecsEnabled="true")
        stack.pulumi.run("refresh", "--stack", stack.name, "--yes")
        stack.destroy()
    return life


def delivery_of(project, stack):
    return Delivery.of(stack, Project=project, HostedZone=ZONE)


@pytest.fixture(scope="module")
def life(tmp_path_factory):
    return live(tmp_path_factory.mktemp("rights"), delivery_of(*OURS))


def short(calls):
    return sorted({(call.action, call.resource) for call in calls})


def test_a_deploy_may_do_all_that_it_does(life):
    asked = {call.action for call in life.calls}
    assert len(asked) > 120
    assert "ec2:GetManagedPrefixListEntries" in asked
    assert short(call for call in life.calls if not allowed(life.delivery.deploy, call)) == []


def test_a_drift_check_may_look_at_all_of_it_and_change_none_of_it(life):
    drift = life.delivery.documents(f"{life.delivery.project}-delivery-{life.delivery.stack}-drift")
    # Only a destroy lists the versions of a bucket's objects, to delete them.
    looks = [call for call in life.calls if call.reads and call.action != "s3:ListBucketVersions"]
    assert short(call for call in looks if not allowed(drift, call)) == []
    changes = [replace(call, granted=()) for call in life.calls if not call.reads]
    assert len(changes) > 100
    assert short(call for call in changes if allowed(drift, call)) == []


@pytest.mark.parametrize("other", OTHERS, ids="-".join)
def test_the_role_of_another_stack_or_project_may_change_none_of_it(life, other):
    """By its names, by its tags, or, for its key, by the key's own policy."""
    ours = {"aws:ResourceTag/project": OURS[0], "aws:ResourceTag/stack": OURS[1]}
    changes = [
        Call(call.action, call.resource, {**call.context, **ours})
        for call in life.calls
        if not call.reads and call.resource != "*"
    ]
    assert len({call.action for call in changes}) > 80
    shared = {f"arn:aws:route53:::hostedzone/{ZONE}", iam("role/aws-service-role/*")}
    through = [call for call in changes if call.resource not in shared]
    deploy = delivery_of(*other).deploy
    assert short(call for call in through if allowed(deploy, call)) == []


def test_the_bound_lets_the_stacks_roles_do_what_their_policies_say(life):
    """The parts of an ARN that a policy leaves open do not matter to the bound, nor does a secret's tag."""
    bound, wrong = [life.delivery.boundary], []
    for name, document in life.documents:
        for statement in document["Statement"]:
            resources = statement["Resource"]
            for resource in resources if isinstance(resources, list) else [resources]:
                wrong += [
                    (name, action, resource)
                    for action in statement["Action"]
                    if not permits(bound, action, resource)
                ]
    assert len(life.documents) >= 4
    assert wrong == []
