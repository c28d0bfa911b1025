"""What a refresh sees when a colleague changes each argument of a stack by AWS's API, and what it then restores.

The colleague sends what the stand-in sends for another value; a call that no stand-in makes is written out.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from pulumi.runtime.proto import provider_pb2 as pb

from local_cloud.calls import Calls
from local_cloud.providers import lifecycle
from local_cloud.providers.aws import KINDS
from local_cloud.providers.aws.provider import AwsServicer
from local_cloud.providers.servicer import struct, values
from tests.real_provider.translate import plain

Json = dict[str, Any]

WORDS = {
    **{"defensive": "strictest", "append": "preserve", "p95": "p90", "Average": "Maximum"},
    **{"Maximum": "Minimum", "Minimum": "Maximum", "Sum": "Average", "notBreaching": "breaching"},
    **{"GreaterThanThreshold": "LessThanThreshold", "LessThanThreshold": "GreaterThanThreshold"},
    **{"GreaterThanOrEqualToThreshold": "LessThanThreshold", "missing": "breaching"},
    **{"IMMUTABLE": "MUTABLE", "ENABLED": "DISABLED", "disabled": "enabled", "SERVICE": "NONE"},
    **{"db.t4g.medium": "db.t4g.large", "gp3": "gp2", "Enabled": "Disabled", "tcp": "udp"},
    **{"FARGATE_SPOT": "FARGATE", "LATEST": "1.4.0", "Asia/Tokyo": "UTC", "200": "201"},
    **{"AES256": "aws:kms", "BucketOwnerEnforced": "BucketOwnerPreferred", "Suspended": "Enabled"},
    "ECSServiceAverageCPUUtilization": "ECSServiceAverageMemoryUtilization",
    "ELBSecurityPolicy-TLS13-1-2-Res-2021-06": "ELBSecurityPolicy-2016-08",
}
"""Another one of the values that AWS takes."""
OPEN: Json = {"protocol": "tcp", "fromPort": 1, "toPort": 1, "cidrBlocks": ["10.0.0.0/8"]}
OTHERS: Mapping[str, Callable[[Any], Any]] = {
    "appautoscaling/target.minCapacity": lambda value: value - 1,
    "cloudwatch/logGroup.retentionInDays": lambda _: 5,
    "cloudwatch/metricAlarm.insufficientDataActions": lambda _: ["arn:aws:sns:x:1:other"],
    "cloudwatch/metricAlarm.period": lambda value: value * 2,
    "cloudwatch/metricAlarm.datapointsToAlarm": lambda value: value - 1,
    "ec2/defaultSecurityGroup.egress": lambda _: [OPEN],
    "ec2/defaultSecurityGroup.ingress": lambda _: [OPEN],
    "ecs/cluster.settings": lambda _: [{"name": "containerInsights", "value": "enabled"}],
    "ecs/service.deploymentMinimumHealthyPercent": lambda _: 50,
    "ecs/service.loadBalancers": lambda _: [],
    "lb/targetGroup.healthCheck": lambda value: {**value, "path": "/another"},
    "lb/targetGroup.slowStart": lambda _: 30,
    "lb/loadBalancer.accessLogs": lambda value: {**value, "enabled": False},
    "rds/instance.allocatedStorage": lambda value: value * 2,
    "rds/instance.monitoringInterval": lambda _: 30,
    "rds/instance.performanceInsightsRetentionPeriod": lambda _: 31,
    "rds/parameterGroup.parameters": lambda value: [{**value[0], "value": "0"}, *value[1:]],
    "scheduler/schedule.scheduleExpression": lambda _: "rate(3 hours)",
    "vpc/securityGroupEgressRule.fromPort": lambda value: value - 1,
    "vpc/securityGroupIngressRule.fromPort": lambda value: value - 1,
    "appautoscaling/scheduledAction.schedule": lambda _: "cron(1 1 ? * MON *)",
}
FIXED = {
    "appautoscaling/policy.policyType": "another type has another configuration",
    "ec2/internetGateway.vpcId": "EC2 does not detach it while public addresses are mapped",
    "ec2/route.gatewayId": "a VPC has one internet gateway",
    "ec2/subnet.assignIpv6AddressOnCreation": "EC2 takes it of subnets with an IPv6 CIDR block alone",
    "lb/listener.protocol": "HTTPS needs a certificate, and HTTP takes none",
    "lb/loadBalancer.ipAddressType": "dualstack needs subnets with IPv6",
    "lb/loadBalancer.subnets": "the stack has no third zone",
    "rds/instance.dbSubnetGroupName": "it is another VPC's",
    "rds/instance.engineVersion": "RDS takes no upgrade back",
    "rds/instance.parameterGroupName": "the local cloud has no groups but the stacks' own",
    "rds/instance.port": "the local cloud's database keeps its port",
    "rds/subnetGroup.subnetIds": "RDS keeps the subnets that an instance is in",
    "scheduler/schedule.flexibleTimeWindow": "the local cloud takes OFF alone",
    "route53/record.type": "a record of another type is another record",
    "ec2/instance.instanceType": "EC2 changes it of a stopped instance",
}
"""Arguments that nobody can change in the stacks."""
Call = Callable[[Calls, "Held", Any], object]
CALLS: Mapping[str, Call] = {
    "ec2/instance.iamInstanceProfile": lambda calls, *_: take_profile(calls),
    "ec2/instance.metadataOptions": lambda calls, held, _: calls(
        "ec2",
        "modify_instance_metadata_options",
        {"InstanceId": held.id, "HttpPutResponseHopLimit": 2},
    ),
    "ec2/instance.vpcSecurityGroupIds": lambda calls, held, value: calls(
        "ec2", "modify_instance_attribute", {"InstanceId": held.id, "Groups": value}
    ),
    "rds/instance.manageMasterUserPassword": lambda calls, held, value: calls(
        "rds",
        "modify_db_instance",
        {
            "DBInstanceIdentifier": held.outputs["identifier"],
            "ManageMasterUserPassword": value,
            "MasterUserPassword": "theirs-of-may",
        },
    ),
}
"""What the stand-ins never change as a colleague does, and so cannot restore."""
ONE_WAY = {"rds/instance.allocatedStorage": "RDS does not take storage back"}


def take_profile(calls: Calls) -> None:
    """Take the role of the account's only instance."""
    found = calls("ec2", "describe_iam_instance_profile_associations", {})
    [held] = found["IamInstanceProfileAssociations"]
    calls("ec2", "disassociate_iam_instance_profile", {"AssociationId": held["AssociationId"]})


class Context:
    """The end of a call for a servicer."""

    def peer(self) -> str:
        return "test"

    def abort(self, _code: Any, words: str) -> None:
        raise RuntimeError(words)


@dataclass(frozen=True)
class Held:
    """A resource as the state has it."""

    token: str
    urn: str
    id: str
    inputs: Json
    outputs: Json

    def argument(self, name: str) -> str:
        return f"{self.token.split(':')[1]}.{name}"

    def refreshed(self, servicer: AwsServicer) -> tuple[list[str], Json]:
        """Return which inputs differ from AWS's after a refresh, and the inputs that it read."""
        known = {"inputs": struct(self.inputs), "properties": struct(self.outputs)}
        found = servicer.Read(pb.ReadRequest(id=self.id, urn=self.urn, **known), Context())
        if not found.id:
            return ["it is gone"], {}
        asked = {"olds": found.properties, "old_inputs": found.inputs, "news": known["inputs"]}
        diff = servicer.Diff(pb.DiffRequest(id=self.id, urn=self.urn, **asked), Context())
        return list(diff.diffs), values(found.inputs)


def held(state: Json) -> list[Held]:
    """Return the AWS resources of a Pulumi state, always in the same order: theirs is that of an update's threads."""
    return [
        Held(each["type"], each["urn"], each["id"], plain(each["inputs"]), plain(each["outputs"]))
        for each in sorted(state["deployment"]["resources"], key=itemgetter("urn"))
        if each["type"].startswith("aws:")
    ]


def arguments(every: Iterable[Held]) -> Iterable[tuple[Held, str]]:
    """Yield one resource for each argument that can be changed in place."""
    done: set[str] = set()
    for held in every:
        kind = KINDS[held.token]
        fixed = {part.partition(".")[0] for part in kind.replaces} | kind.one_of
        apart = {*fixed, *kind.ignored, *kind.unread}
        for name, value in held.inputs.items():
            argument = held.argument(name)
            internal = name.startswith("__") or value is None
            if internal or argument in {*done, *FIXED} or {name, kind.names.get(name)} & apart:
                continue
            done.add(argument)
            yield held, name


class Colleague:
    """Changes a stack's resources by AWS's API."""

    def __init__(self, calls: Calls, every: list[Held]) -> None:
        self.calls, self.every = calls, every
        self.same: dict[str, list[str]] = {}
        """What else may stand for an id, ARN or name: those of the other resources of its type."""
        for held in every:
            for key in ("id", "arn", "name", "family"):
                named = [
                    {"id": resource.id, **resource.outputs}.get(key)
                    for resource in every
                    if resource.token == held.token
                ]
                own = {"id": held.id, **held.outputs}.get(key)
                self.same.setdefault(
                    str(own), [str(value) for value in named if value not in (None, own)]
                )

    def change(self, held: Held, name: str) -> None:
        """Give one argument another value."""
        argument, value = held.argument(name), held.inputs[name]
        other = OTHERS[argument](value) if argument in OTHERS else self.another(value)
        assert other != value, f"{argument} has no other value than {value}"
        if argument in CALLS:
            CALLS[argument](self.calls, held, other)
        else:
            self.update(held, held.inputs, {**held.inputs, name: other})

    def update(self, held: Held, olds: Json, news: Json) -> None:
        lifecycle.update(self.calls, KINDS[held.token], held.id, olds, news, held.outputs)

    def another(self, value: Any) -> Any:
        """Return another value of the same form, of a structure with one other member."""
        match value:
            case bool():
                return not value
            case int() | float():
                return value + 1
            case str():
                return self._text(value)
            case [first, *rest]:
                return rest if rest and isinstance(first, str) else [self.another(first), *rest]
            case dict():
                others = {name: self.another(member) for name, member in value.items()}
                differing = (name for name, member in others.items() if member != value[name])
                chosen = next(differing, None)
                return {**value, chosen: others[chosen]} if chosen else value
        return value

    def _text(self, text: str) -> str:
        if text[:1] in ("{", "["):
            document = json.loads(text)
            for number, statement in enumerate(document.get("Statement") or ()):
                statement["Sid"] = f"Another{number}"
            if "Statement" not in document:
                document["another"] = ["value"]
            return json.dumps(document)
        others = self.same.get(text)
        return WORDS.get(text) or (others or [text[:-1] + ("1" if text[-1:] != "1" else "2")])[0]


def drifts(calls: Calls, every: list[Held]) -> Json:
    """Change each argument; return those that a refresh did not see, and what a later update did not restore."""
    servicer, colleague = AwsServicer(calls), Colleague(calls, every)
    wrong: Json = {}
    for held in every:
        if differing := held.refreshed(servicer)[0]:
            wrong[held.urn] = {"differs without a change": differing}
    for held, name in arguments(every):
        argument, before = held.argument(name), held.refreshed(servicer)[0]
        try:
            colleague.change(held, name)
            seen, now = held.refreshed(servicer)
            if name not in seen:
                wrong[argument] = "is not seen"
            elif argument not in {*ONE_WAY, *CALLS}:
                news = {**held.inputs, **{one: now.get(one) for one in before}}
                colleague.update(held, now, news)
                if left := {*held.refreshed(servicer)[0]} - {*before}:
                    wrong[argument] = f"is not restored: {left}"
        except Exception as problem:
            wrong[argument] = str(problem)
    return wrong
