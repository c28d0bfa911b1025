"""Changes that a colleague makes in the account: calls that botocore's models have for the stack's own resources."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from botocore import xform_name
from botocore.exceptions import BotoCoreError, ClientError
from botocore.model import ListShape, Shape, StructureShape

from local_cloud.calls import Calls
from local_cloud.providers.aws import KINDS
from local_cloud.providers.kind import Subject

CHANGES = ("Disable", "Modify", "Put", "Set", "Update")
TAKES_AWAY = (
    *("BatchDelete", "Delete", "Deregister", "Detach", "Disassociate"),
    *("Reboot", "Release", "Remove", "Replace", "Revoke", "Stop"),
)
"""The verbs of operations that change a resource, or end it."""
FORCED = ("force", "skip")
"""The beginnings of the members without which AWS refuses to delete what is in use."""
NAMED_BY = re.compile(r"(Ids?|Arns?|Names?|Identifiers?|Groups?|s)$")
"""The ends of members that name a resource; what is before them is its type."""
WEIGHTS = {
    **{"aws:ecs/": 6, "aws:lb/": 6, "aws:iam/": 4, "aws:rds/": 4, "aws:vpc/": 3, "aws:ec2/": 2},
    **{"task": 6, "target": 6, "image": 4, "secret": 6},
}
"""How often a type is drawn whose mistakes show more often than those of the others, by its beginning."""
Act = tuple[str, str, Mapping[str, Any]]
Resources = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Thing:
    """A resource in the account: its service, what names it in calls, and the values that it has."""

    kind: str
    name: str
    service: str
    named: Mapping[str, Any]
    has: Mapping[str, Any] = field(default_factory=dict)

    def acts(self, random: Random, resources: Resources, calls: Calls) -> list[Act]:
        """Return a call of each operation that changes such a resource and whose members are known."""
        model = calls.client(self.service).meta.service_model
        made = []
        for name in sorted(model.operation_names):
            shape = model.operation_model(name).input_shape
            if name.startswith((*CHANGES, *TAKES_AWAY)) and shape is not None:
                params = self._params(random, name, shape, resources)
                made += [(self.service, xform_name(name), params)] if params else []
        return made

    def _params(
        self, random: Random, operation: str, shape: StructureShape, resources: Resources
    ) -> dict[str, Any] | None:
        """Return the parameters of a call; None where the operation is not about it, or needs what is not known."""
        several = {f"{key}s": [value] for key, value in self.named.items()}
        named = {key: value for key, value in {**several, **self.named}.items() if key in shape.members}  # fmt: skip
        values = {
            member: value
            for member, inner in sorted(shape.members.items())
            if member not in (*named, "DryRun")
            and (value := self._value(random, member, inner, resources)) is not None
        }
        required = {*shape.required_members} - {*named}
        if not named or not required <= {*values}:
            return None
        forced = {name: True for name in values if name.lower().startswith(FORCED)}
        optional = sorted({*values} - required - {*forced})
        if operation.startswith(CHANGES):
            if not (required or optional):
                return None
            required |= {random.choice(optional)} if optional else set()
        return {**named, **{name: values[name] for name in sorted(required)}, **forced}

    def _value(self, random: Random, member: str, shape: Shape, resources: Resources) -> Any:
        """Return a value that a member may have, other than the resource's where that is a number."""
        held = next((value for key, value in self.has.items() if key.lower() == member.lower()), None)  # fmt: skip
        if enum := getattr(shape, "enum", ()):
            return random.choice(enum)
        names = named_by(member, resources)
        match shape.type_name:
            case "boolean":
                return random.choice((True, False))
            case "integer" | "long":
                known = isinstance(held, int) and not isinstance(held, bool)
                return random.choice((held * 2, held // 2, 0) if known else (0, 1, 60))
            case "string" if names:
                return random.choice(names)
            case "string":
                other = {"Path": "/nowhere", "Port": "9999"}.get(member[-4:])
                return other or (held if isinstance(held, str) else None)
        if isinstance(shape, ListShape) and shape.member.type_name == "string" and names:
            return random.sample(names, random.randint(1, len(names)))
        return None


def named_by(member: str, resources: Resources) -> list[str]:
    """Return the ids or ARNs of the resources that a member with such a name may name."""
    noun = NAMED_BY.sub("", member).lower()
    found = [resource for resource in resources if noun and resource["type"].lower().endswith(noun)]
    arns = "arn" in member.lower()
    return sorted(str(each["outputs"].get("arn") if arns else each["id"]) for each in found)


def declared(resources: Resources, calls: Calls) -> Iterator[Thing]:
    """Yield the resources of the state, as the local cloud's stand-in names them in calls."""
    for each in resources:
        kind, inputs = KINDS[each["type"]], dict(each["inputs"])
        subject = Subject(kind=kind, calls=calls, identity=each["id"], inputs=inputs)
        scope = {key: inputs[name] for key, name in kind.scope.items() if name in inputs}
        named = {kind.identity: subject.name, **scope}
        yield Thing(each["type"], each["urn"].rpartition("::")[2], kind.service, named, inputs)


def undeclared(resources: Resources, calls: Calls) -> Iterator[Thing]:
    """Yield what AWS itself has made for the stack: tasks, targets, images and the database's secret."""
    for resource in resources:
        match resource["type"].rpartition(":")[2]:
            case "Service":
                which = {"cluster": resource["inputs"]["cluster"]}
                wanted = {**which, "serviceName": resource["inputs"]["name"]}
                for task in calls("ecs", "list_tasks", wanted)["taskArns"]:
                    yield Thing("task", "task", "ecs", {"task": task, **which})
            case "TargetGroup":
                arn = {"TargetGroupArn": resource["id"]}
                found = calls("elbv2", "describe_target_health", arn)["TargetHealthDescriptions"]
                for target in found:
                    named = {"Target": {"Id": target["Target"]["Id"]}, **arn}
                    yield Thing("target", resource["inputs"]["name"], "elbv2", named)
            case "Repository":
                repository = {"repositoryName": resource["id"]}
                for image in calls("ecr", "list_images", repository)["imageIds"]:
                    yield Thing("image", "image", "ecr", {"imageId": image, **repository})
            case "Instance":
                has = {"SecretString": json.dumps({"username": "postgres", "password": "another"})}
                for secret in resource["outputs"].get("masterUserSecrets") or []:
                    named = {"SecretId": secret["secretArn"]}
                    yield Thing("secret", "secret", "secretsmanager", named, has)


def acts(random: Random, resources: Resources, calls: Calls) -> tuple[Thing, list[Act]]:
    """Return a resource by chance, and changes of it in the order in which they are tried."""
    ours = [resource for resource in resources if resource["type"] in KINDS]
    ours.sort(key=lambda resource: (resource["type"], resource["urn"]))
    things: dict[str, list[Thing]] = {}
    for each in (*declared(ours, calls), *undeclared(ours, calls)):
        things.setdefault(each.kind, []).append(each)
    while True:
        thing = random.choice(
            things[chosen(random, {kind: weight(kind) for kind in sorted(things)})]
        )
        if tried := thing.acts(random, ours, calls):
            return thing, random.sample(tried, len(tried))


def make(calls: Calls, tried: Sequence[Act]) -> str:
    """Make the first call that AWS does not refuse, and return it as text; "" if it refuses all."""
    for service, operation, params in tried:
        try:
            calls(service, operation, params)
        except (ClientError, BotoCoreError):
            continue
        return f"aws {service} {operation} {json.dumps(params, default=str)[:200]}"
    return ""


def chosen(random: Random, weights: Mapping[str, int]) -> str:
    return random.choices([*weights], [*weights.values()])[0]


def weight(kind: str) -> int:
    return next((number for start, number in WEIGHTS.items() if kind.startswith(start)), 1)
