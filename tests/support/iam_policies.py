"""What a policy allows, by IAM's evaluation and AWS's service authorization reference."""

from __future__ import annotations

import fnmatch
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from moto.backends import get_backend
from policy_sentry.querying.actions import get_action_data
from policy_sentry.querying.all import get_all_actions

from tests.support.delivery import ACCOUNT, REGION, arn, iam
from tools.aws.errors import IAM_PREFIX
from tools.shared.policy_evaluation import permits

NEWER = {"ecs:ContinueServiceDeployment": "ecs:StopServiceDeployment"}
"""Actions that the reference does not have yet (botocore has their operations), each with one that takes the same."""
ACTIONS = frozenset(get_all_actions()) | NEWER.keys()


def spelled_out(pattern: str) -> Iterator[str]:
    """The actions that a pattern means. One that AWS has not is an error."""
    found = [pattern] if pattern in ACTIONS else fnmatch.filter(ACTIONS, pattern)
    assert found, f"AWS has no action {pattern}"
    yield from found


@cache
def rows(action: str) -> list[dict[str, Any]]:
    """What the reference says of an action: one row for each resource type, and one for none."""
    service, name = NEWER.get(action, action).split(":")
    found = get_action_data(service, name)
    assert found, f"AWS has no action {action}"
    held: list[dict[str, Any]] = found[service]
    return held


def forms(action: str) -> list[str]:
    """The ARNs' forms of the resources that an action knows; `*` is none of them."""
    found = [str(row["resource_arn_format"]) for row in rows(action)]
    return [form for form in found if form != "*"]


@cache
def fits(resource: str, form: str) -> bool:
    """Whether some ARN of the form is one that the policy's pattern means, part by part."""
    parts = re.sub(r"\$\{\w+\}", "*", form).split(":", 5)
    return all(overlap(*both) for both in zip(resource.split(":", 5), parts, strict=True))


@cache
def overlap(first: str, second: str) -> bool:
    """Whether some text fits both patterns, in which `*` stands for any text."""
    if first.startswith("*") or second.startswith("*"):
        if not first.startswith("*"):
            first, second = second, first
        return overlap(first[1:], second) or (second != "" and overlap(first, second[1:]))
    same = first[:1] == second[:1]
    return same and (first == second == "" or overlap(first[1:], second[1:]))


PREFIXES = {
    **IAM_PREFIX,
    "application-autoscaling": "application-autoscaling",
    "elbv2": "elasticloadbalancing",
    "events": "events",
    "cloudwatch": "cloudwatch",
}
RENAMED = {
    "s3:HeadBucket": "s3:ListBucket",
    "s3:ListBuckets": "s3:ListAllMyBuckets",
    "s3:ListObjectsV2": "s3:ListBucket",
    "s3:ListObjectVersions": "s3:ListBucketVersions",
    "s3:HeadObject": "s3:GetObject",
    "s3:DeleteObjects": "s3:DeleteObject",
    "s3:PutPublicAccessBlock": "s3:PutBucketPublicAccessBlock",
    "s3:GetPublicAccessBlock": "s3:GetBucketPublicAccessBlock",
    "s3:DeleteBucketEncryption": "s3:PutEncryptionConfiguration",
    "s3:DeleteBucketOwnershipControls": "s3:PutBucketOwnershipControls",
    "s3:DeleteBucketLifecycle": "s3:PutLifecycleConfiguration",
    "s3:DeletePublicAccessBlock": "s3:PutBucketPublicAccessBlock",
    "s3:PutBucketEncryption": "s3:PutEncryptionConfiguration",
    "s3:GetBucketEncryption": "s3:GetEncryptionConfiguration",
    "s3:PutBucketLifecycleConfiguration": "s3:PutLifecycleConfiguration",
    "s3:GetBucketLifecycleConfiguration": "s3:GetLifecycleConfiguration",
}
"""S3's operations whose action has another name (Service Authorization Reference, Amazon S3)."""
READS = ("Describe", "Get", "List", "BatchGet", "BatchCheck", "Head", "Filter")
NAMED = {
    "application-autoscaling": {"ResourceId": ["scalable-target/*"]},
    "cloudwatch": {"AlarmName": ["alarm:{}"]},
    "ecr": {"repositoryName": ["repository/{}"]},
    "ecs": {
        "cluster": ["cluster/{}"],
        "clusterName": ["cluster/{}"],
        "service": ["service/{cluster}/{}"],
        "serviceName": ["service/{cluster}/{}"],
        "taskDefinition": ["task-definition/{}"],
        "family": ["task-definition/{}:*"],
    },
    "elbv2": {"Name": ["loadbalancer/app/{}/*", "targetgroup/{}/*"]},
    "events": {"Name": ["rule/{}"], "Rule": ["rule/{}"]},
    "kms": {"KeyId": ["key/{}"]},
    "logs": {"logGroupName": ["log-group:{}"]},
    "rds": {
        "DBInstanceIdentifier": ["db:{}"],
        "DBSubnetGroupName": ["subgrp:{}"],
        "DBParameterGroupName": ["pg:{}"],
        "FinalDBSnapshotIdentifier": ["snapshot:{}"],
    },
    "secretsmanager": {"SecretId": ["secret:{}"]},
    "scheduler": {"ScheduleGroup": ["schedule-group/{}"]},
    "sns": {"Name": ["{}"]},
}
"""Parameters that name a resource, and the end of its ARN; with an `s` they are lists."""
IDS = {
    **{"vpc": "vpc", "subnet": "subnet", "igw": "internet-gateway", "nat": "natgateway"},
    **{"eipalloc": "elastic-ip", "rtb": "route-table", "sg": "security-group", "i": "instance"},
    **{"vpce": "vpc-endpoint", "sgr": "security-group-rule", "fl": "vpc-flow-log", "ami": "image"},
    "pl": "prefix-list",
}
"""What EC2's ids begin with, and the resource type in their ARN."""
NEW = {
    "ec2:CreateSecurityGroup": ["security-group/*"],
    "ec2:RunInstances": ["instance/*", "network-interface/*", "volume/*"],
}
"""What EC2 makes in a call, beside what the call itself lists as tagged."""
PASSING = {
    "executionRoleArn": "ecs-tasks.amazonaws.com",
    "taskRoleArn": "ecs-tasks.amazonaws.com",
    "DeliverLogsPermissionArn": "vpc-flow-logs.amazonaws.com",
    "MonitoringRoleArn": "monitoring.rds.amazonaws.com",
}
"""Parameters by which a role is handed to a service."""


@dataclass(frozen=True)
class Call:
    """One question to IAM. `granted` is what the resource's own policy allows the caller."""

    action: str
    resource: str
    context: Mapping[str, Any] = field(default_factory=dict, compare=False)
    granted: tuple[Any, ...] = field(default=(), compare=False)

    @property
    def reads(self) -> bool:
        """Whether it only looks."""
        return self.action.partition(":")[2].startswith(READS)


def allowed(documents: Iterable[Mapping[str, Any]], call: Call) -> bool:
    """Whether the policies allow it, or the resource's own policy does."""
    return permits([*documents, *call.granted], call.action, call.resource, call.context)


def action(service: str, operation: str) -> str:
    """The IAM action of an operation, both by botocore's names."""
    name = f"{PREFIXES.get(service, service)}:{operation}"
    return RENAMED.get(name, name)


def calls_of(service: str, operation: str, params: Mapping[str, Any], role: str) -> Iterator[Call]:
    """All that IAM is asked when `role` makes a call, by what AWS holds at that moment.

    The reference says which of the resources that the call names the action knows. An action that
    knows resources, of which the call names none, is an error.
    """
    asked = action(service, operation)
    if asked == "sts:GetCallerIdentity":  # no policy is asked (STS API)
        return
    everything = {*_named(service, params), *_made(asked, params)}
    concerned = _known(asked, everything)
    for resource in concerned:
        context = {**_context(asked, resource), **_tags(params), **_given(asked, params)}
        yield Call(asked, resource, context, _granted(resource, role))
    yield from _tagging(asked, concerned, params)
    yield from _passing(params)
    if asked == "iam:AddRoleToInstanceProfile":
        passed = {"iam:PassedToService": "ec2.amazonaws.com"}
        yield Call("iam:PassRole", iam(f"role/{params['RoleName']}"), passed)
    if params.get("ManageMasterUserPassword"):  # RDS makes the secret in the caller's name
        for name in ("CreateSecret", "TagResource"):
            secret = arn("secretsmanager", "secret:rds!db-1-AbCdEf")
            by_rds = {**_context("", secret), "aws:ViaAWSService": "true"}
            yield Call(f"secretsmanager:{name}", secret, by_rds)


def _passing(params: Mapping[str, Any]) -> Iterator[Call]:
    """Every role that the call passes to a service."""
    passed = [(params.get(parameter), to) for parameter, to in PASSING.items()]
    for each in params.get("loadBalancers") or ():
        given = each.get("advancedConfiguration") or {}
        passed.append((given.get("roleArn"), "ecs.amazonaws.com"))
    if "RoleArn" in (params.get("Target") or {}):
        passed.append((params["Target"]["RoleArn"], "scheduler.amazonaws.com"))
    for role, to in passed:
        if role:
            yield Call("iam:PassRole", role, {"iam:PassedToService": to})


def _given(asked: str, params: Mapping[str, Any]) -> dict[str, Any]:
    """The condition keys that come from the call's own parameters."""
    if asked == "iam:CreateRole":
        return {"iam:PermissionsBoundary": params.get("PermissionsBoundary")}
    return {"ecs:cluster": params["cluster"]} if asked == "ecs:RunTask" else {}


def _known(asked: str, resources: Iterable[str]) -> list[str]:
    known = forms(asked)
    if not known:
        return ["*"]
    found = sorted(each for each in resources if any(fits(each, form) for form in known))
    if not found and asked.partition(":")[2].startswith(("Describe", "List")):
        return ["*"]  # all that there is
    assert found, f"no resource of {asked} is known; NAMED says which parameter names it"
    return found


def _named(service: str, params: Mapping[str, Any]) -> Iterator[str]:
    """The ARNs of all that the parameters name."""
    for text in _texts(params):
        if text.startswith("arn:"):
            yield text
        elif service == "ec2":
            yield from _by_id(text)
    yield from _by_service(service, params)
    yield from _by_name(service, params)


def _by_service(service: str, params: Mapping[str, Any]) -> Iterator[str]:
    """The ARNs whose form is the service's own."""
    if service == "scheduler" and "Name" in params:  # a schedule's, or a group's
        group = params.get("GroupName")
        name = params["Name"]
        yield arn(service, f"schedule/{group}/{name}" if group else f"schedule-group/{name}")
    elif service == "iam":
        kinds = {"RoleName": "role", "InstanceProfileName": "instance-profile"}
        yield from (iam(f"{kinds[key]}/{params[key]}") for key in kinds.keys() & params.keys())
    elif service == "s3" and "Bucket" in params:
        yield f"arn:aws:s3:::{params['Bucket']}{'/' * ('Key' in params)}{params.get('Key', '')}"
    elif service == "route53":
        yield f"arn:aws:route53:::hostedzone/{params['HostedZoneId'].rpartition('/')[2]}"
    elif service == "service-quotas":
        yield arn("servicequotas", f"{params['ServiceCode']}/{params['QuotaCode']}")
    elif service == "ssm":
        yield f"arn:aws:ssm:{REGION}::parameter{params['Name']}"
    for key in ("DashboardName", "DashboardNames"):
        for name in _list(params.get(key, [])):
            yield f"arn:aws:cloudwatch::{ACCOUNT}:dashboard/{name}"


def _by_id(text: str) -> Iterator[str]:
    """The ARN of what EC2 calls by an id; an association's resource is its route table."""
    kind = IDS.get(text.partition("-")[0])
    if kind and re.fullmatch(
        r"[a-z]+-[0-9a-f]+", text
    ):  # not a resource type, such as vpc-flow-log
        yield arn("ec2", f"{kind}/{text}").replace(f":{ACCOUNT}:image", "::image")
    tables: Any = get_backend("ec2")[ACCOUNT][REGION].route_tables.values()
    yield from (
        arn("ec2", f"route-table/{each.id}") for each in tables if text in each._associations
    )


def _by_name(service: str, params: Mapping[str, Any]) -> Iterator[str]:
    cluster = str(params.get("cluster", "")).rpartition("/")[2]
    for key, ends in NAMED.get(service, {}).items():
        for name in (*_list(params.get(key, [])), *_list(params.get(f"{key}s", []))):
            if isinstance(name, str) and not name.startswith("arn:"):
                prefix = PREFIXES.get(service, service)
                yield from (arn(prefix, end.format(name, cluster=cluster)) for end in ends)


def _made(asked: str, params: Mapping[str, Any]) -> Iterator[str]:
    """The ARNs of what an EC2 call makes, which has no id yet."""
    for kind in (*NEW.get(asked, ()), *(each["ResourceType"] for each in _specifications(params))):
        yield arn("ec2", kind if "/" in kind else f"{kind}/*")


def _tagging(asked: str, resources: Iterable[str], params: Mapping[str, Any]) -> Iterator[Call]:
    """The right to tag what a call makes: a right of its own, as the reference says."""
    tags = _tags(params)
    if asked == "ecs:RunTask" and params.get("propagateTags"):
        task = arn("ecs", f"task/{params['cluster'].rpartition('/')[2]}/*")
        yield Call("ecs:TagResource", task, {"ecs:CreateAction": "RunTask"})
    if not tags:
        return
    dependent = {name for row in rows(asked) for name in row["dependent_actions"]}
    prefix = asked.partition(":")[0]
    for name in sorted(dependent):
        if not name.startswith(prefix) or "Tag" not in name:
            continue
        new = {"kms": arn("kms", "key/*"), "acm": arn("acm", "certificate/*")}.get(prefix)
        specified = [arn("ec2", f"{each['ResourceType']}/*") for each in _specifications(params)]
        for resource in specified or _known(name, [new] if new else resources):
            keys = [key.partition("/")[2] for key in tags]
            context = {"aws:RequestedRegion": REGION, **tags, "aws:TagKeys": keys}
            yield Call(name, resource, {**context, "ec2:CreateAction": asked.partition(":")[2]})


def _specifications(params: Mapping[str, Any]) -> list[Any]:
    return list(params.get("TagSpecifications", []))


def _tags(params: Mapping[str, Any]) -> dict[str, str]:
    found = params.get("Tags") or params.get("tags") or []
    if isinstance(found, dict):
        found = [{"Key": key, "Value": value} for key, value in found.items()]
    lists = [found, *(each["Tags"] for each in _specifications(params))]
    lower = [
        {key.lower().removeprefix("tag"): each[key] for key in each}
        for tags in lists
        for each in tags
    ]
    return {f"aws:RequestTag/{each['key']}": each["value"] for each in lower}


def _context(asked: str, resource: str) -> dict[str, Any]:
    """The condition keys that come from the request's place and from the resource as it is."""
    context: dict[str, Any] = {"aws:RequestedRegion": REGION}
    if resource.startswith(iam("role/")) and asked != "iam:CreateRole":
        roles = get_backend("iam")[ACCOUNT]["aws"].roles.values()
        [bound] = [each.permissions_boundary_arn for each in roles if each.arn == resource] or [
            None
        ]
        context["iam:PermissionsBoundary"] = bound
    return {
        **context,
        **{f"aws:ResourceTag/{key}": value for key, value in _held(resource).items()},
    }


def _held(resource: str) -> dict[str, str]:
    """The tags that EC2, ACM and KMS hold for a resource."""
    if resource.startswith("arn:aws:ec2:"):
        tags: Any = get_backend("ec2")[ACCOUNT][REGION].tags
        return dict(tags.get(resource.rpartition("/")[2], {}))
    if resource.startswith("arn:aws:acm:"):
        certificate: Any = get_backend("acm")[ACCOUNT][REGION]._certificates.get(resource)
        return dict(certificate.tags) if certificate else {}
    if resource.startswith("arn:aws:kms:"):
        tagger: Any = get_backend("kms")[ACCOUNT][REGION].tagger
        return dict(tagger.get_tag_dict_for_resource(resource.rpartition("/")[2]))
    return {}


def _granted(resource: str, role: str) -> tuple[Any, ...]:
    """What a key's own policy allows the role, where it names the role."""
    key: Any = get_backend("kms")[ACCOUNT][REGION].keys.get(resource.rpartition("/")[2])
    if not resource.startswith("arn:aws:kms:") or key is None:
        return ()
    statements = json.loads(key.policy)["Statement"]
    return ({"Statement": [each for each in statements if role in _principals(each)]},)


def _principals(statement: Mapping[str, Any]) -> list[Any]:
    return _list(statement["Principal"].get("AWS", []))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from _texts(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _texts(each)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
