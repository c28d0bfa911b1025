"""What a policy allows, by IAM's evaluation and AWS's service authorization reference."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product
from string import Template
from typing import Any

from moto.backends import get_backend

from ecs_gate.aws.errors import IAM_PREFIX
from local_cloud.aws.policy_evaluation import ALLOWED, Context, Document, decide
from local_cloud.aws.s3.requests import ACTION_OF
from tests.authorization_reference import fits, forms, rows
from tests.support.delivery import ACCOUNT, REGION, arn, iam

READS = ("Describe", "Get", "List", "BatchGet", "BatchCheck", "Head", "Filter")
OTHERWISE = {
    **dict.fromkeys(("family", "taskDefinition"), "TaskDefinitionFamilyName"),
    "FinalDBSnapshotIdentifier": "SnapshotName",
    "HostedZoneId": "Id",
    "Key": "ObjectName",
}
"""Parameters that name a resource, and are called otherwise in the form of its ARN."""
IDS = {
    "vpc": "vpc",
    "subnet": "subnet",
    "igw": "internet-gateway",
    "nat": "natgateway",
    "eipalloc": "elastic-ip",
    "rtb": "route-table",
    "sg": "security-group",
    "i": "instance",
    "vpce": "vpc-endpoint",
    "sgr": "security-group-rule",
    "fl": "vpc-flow-log",
    "ami": "image",
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


def permits(
    policies: Iterable[Document], action: str, resource: str, context: Context | None = None
) -> bool:
    """Return whether policies allow an action, as the local cloud's evaluation decides without a boundary."""
    return decide(policies, action, resource, context) == ALLOWED


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
    name = ACTION_OF.get(operation, operation) if service == "s3" else operation
    return f"{IAM_PREFIX.get(service, service)}:{name}"


def calls_of(service: str, operation: str, params: Mapping[str, Any], role: str) -> Iterator[Call]:
    """All that IAM is asked when `role` makes a call, by what AWS holds at that moment.

    The reference says which of the resources that the call names the action knows. An action that
    knows resources, of which the call names none, is an error.
    """
    asked = action(service, operation)
    if asked == "sts:GetCallerIdentity":  # no policy is asked (STS API)
        return
    everything = {*_named(service, asked, params), *_made(asked, params)}
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
    for balancer in params.get("loadBalancers") or ():
        given = balancer.get("advancedConfiguration") or {}
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
    assert found, f"no resource of {asked} is known; OTHERWISE says which parameter names it"
    return found


def _named(service: str, asked: str, params: Mapping[str, Any]) -> Iterator[str]:
    """The ARNs of all that the parameters name."""
    for text in _texts(params):
        if text.startswith("arn:"):
            yield text
        elif service == "ec2":
            yield from _by_id(text)
    yield from _by_name(asked, params)


def _by_id(text: str) -> Iterator[str]:
    """The ARN of what EC2 calls by an id; an association's resource is its route table."""
    kind = IDS.get(text.partition("-")[0])
    if kind and re.fullmatch(
        r"[a-z]+-[0-9a-f]+", text
    ):  # not a resource type, such as vpc-flow-log
        yield arn("ec2", f"{kind}/{text}").replace(f":{ACCOUNT}:image", "::image")
    tables: Any = get_backend("ec2")[ACCOUNT][REGION].route_tables.values()
    yield from (
        arn("ec2", f"route-table/{table.id}") for table in tables if text in table._associations
    )


def _by_name(asked: str, params: Mapping[str, Any]) -> Iterator[str]:
    """The ARNs that the reference's forms make of the names among the parameters."""
    if asked == "ssm:GetParameter":  # AWS's own parameters are in no account
        yield f"arn:aws:ssm:{REGION}::parameter{params['Name']}"
        return
    names = {
        _noun(OTHERWISE.get(key, key)): [each for each in listed(value) if isinstance(each, str)]
        for key, value in params.items()
        if value != "default"  # the bus that a rule's ARN does not name
    }
    for form in forms(asked):
        # The stack has Application Load Balancers only.
        if "/gwy/" in form or "/net/" in form:
            continue
        text = Template(form).safe_substitute(Partition="aws", Region=REGION, Account=ACCOUNT)
        holes = re.findall(r"\$\{(\w+)\}", text)
        for values in product(*(_fill(hole, holes, names) for hole in holes)):
            parts = [value.rpartition(":cluster/")[2] for value in values]
            if parts and not any(part.startswith("arn:") for part in parts):
                yield Template(text).substitute(dict(zip(holes, parts, strict=True)))


def _fill(hole: str, holes: list[str], names: Mapping[str, list[Any]]) -> list[str]:
    """The values of a part of an ARN's form; `*` for what AWS makes up: a number, an id beside a name, a target's."""
    noun, others = _noun(hole), [_noun(each) for each in holes if each != hole]
    if hole == "ResourceId" or hole.endswith("Number") or (hole.endswith("Id") and noun in others):
        return ["*"]
    last = [each for each in holes if "Name" in each][-1:] == [hole]
    return names.get(noun) or (names.get("", []) if last else [])


def _noun(name: str) -> str:
    """What a parameter or a part of an ARN's form names: `DBInstanceIdentifier` and `DbInstanceName` an instance."""
    kind = re.sub(r"(WithPath|WithoutLeadingSlash)$", "", name).removesuffix("s")
    return re.sub(r"^db(?=.)", "", re.sub(r"(Name|Identifier|Id)$", "", kind).lower())


def _made(asked: str, params: Mapping[str, Any]) -> Iterator[str]:
    """The ARNs of what an EC2 call makes, which has no id yet."""
    for kind in (*NEW.get(asked, ()), *(spec["ResourceType"] for spec in _specifications(params))):
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
        specified = [arn("ec2", f"{spec['ResourceType']}/*") for spec in _specifications(params)]
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
    lists = [found, *(specification["Tags"] for specification in _specifications(params))]
    lower = [
        {key.lower().removeprefix("tag"): tag[key] for key in tag} for tags in lists for tag in tags
    ]
    return {f"aws:RequestTag/{tag['key']}": tag["value"] for tag in lower}


def _context(asked: str, resource: str) -> dict[str, Any]:
    """The condition keys that come from the request's place and from the resource as it is."""
    context: dict[str, Any] = {"aws:RequestedRegion": REGION}
    if resource.startswith(iam("role/")) and asked != "iam:CreateRole":
        roles = get_backend("iam")[ACCOUNT]["aws"].roles.values()
        [bound] = [role.permissions_boundary_arn for role in roles if role.arn == resource] or [
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
    return listed(statement["Principal"].get("AWS", []))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for member in value.values():
            yield from _texts(member)
    elif isinstance(value, list | tuple):
        for member in value:
            yield from _texts(member)


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
