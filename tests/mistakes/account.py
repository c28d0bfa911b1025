"""Changes that a colleague makes in the account: calls that botocore's models have for the stack's own resources."""

import json
from collections.abc import Iterator, Mapping, Sequence
from random import Random
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from botocore.model import ListShape, OperationModel, Shape, StructureShape
from botocore import xform_name

from local_cloud.calls import Calls
from local_cloud.providers.aws import KINDS
from local_cloud.providers.kind import Subject

VERBS = ("Batch", "Delete", "Deregister", "Detach", "Disable", "Disassociate", "Modify", "Put", "Reboot", "Release", "Remove", "Replace", "Revoke", "Set", "Stop", "Update")  # fmt: skip
FORCED = ("force", "skip")
"""The beginnings of the members without which AWS refuses to delete what is in use."""
Act = tuple[str, str, dict[str, Any]]


def acts(
    random: Random, resources: Sequence[Mapping[str, Any]], calls: Calls
) -> tuple[str, str, tuple[Act, ...]]:
    """Return a resource's type, its name and changes of it by chance, in the order in which they are tried."""
    things: dict[str, list[Thing]] = {}
    for each in (*declared(resources, calls), *undeclared(resources, calls)):
        things.setdefault(each.kind, []).append(each)
    while True:
        thing = random.choice(things[random.choice(sorted(things))])
        tried = [made for name in thing.operations(calls) if (made := thing.call(random, name, calls, resources))]  # fmt: skip
        if tried:
            return thing.kind, thing.name, tuple(random.sample(tried, len(tried)))


class Thing:
    """A resource in the account: its service, what names it in calls, and other values that calls may take."""

    def __init__(
        self, kind: str, name: str, service: str, named: Mapping[str, Any], pool: Mapping[str, Any]
    ) -> None:
        self.kind, self.name, self.service, self.named, self.pool = kind, name, service, named, pool

    def operations(self, calls: Calls) -> Iterator[str]:
        """Yield the operations that change something and that name such a resource."""
        client = calls.client(self.service)
        for operation in sorted(client.meta.service_model.operation_names):
            shape = client.meta.service_model.operation_model(operation).input_shape
            members = shape.members if shape else {}
            first = next(iter(self.named), "")
            if operation.startswith(VERBS) and {first, f"{first}s"} & {*members}:
                yield operation

    def call(
        self, random: Random, operation: str, calls: Calls, resources: Sequence[Mapping[str, Any]]
    ) -> Act | None:
        """Return a call of the operation on this resource; None where it needs what is not known."""
        model: OperationModel = calls.client(self.service).meta.service_model.operation_model(
            operation
        )
        shape = model.input_shape
        assert isinstance(shape, StructureShape)
        params = {key: value for key, value in self.named.items() if key in shape.members}
        params |= {
            f"{key}s": [value]
            for key, value in self.named.items()
            if f"{key}s" in shape.members and key not in shape.members
        }
        changes = {
            member: value
            for member, inner in sorted(shape.members.items())
            if member not in params
            and (value := self._value(random, member, inner, resources)) is not None
        }
        if not {*shape.required_members} <= {*params, *changes}:
            return None
        optional = sorted({*changes} - {*shape.required_members} - {"DryRun"})
        forced = {each: True for each in optional if each.lower().startswith(FORCED)}
        optional = [each for each in optional if each not in forced]
        gone = operation.startswith(("Batch", "De", "Di", "Re", "St"))
        chosen = [] if gone or not optional else [random.choice(optional)]
        needed = {key: changes[key] for key in (*shape.required_members, *chosen) if key in changes}
        if not (gone or needed):
            return None
        return self.service, xform_name(operation), {**needed, **params, **forced}

    def _value(
        self, random: Random, member: str, shape: Shape, resources: Sequence[Mapping[str, Any]]
    ) -> Any:
        """Return a value that a member may have."""
        if (name := member_of(self.pool, member)) and random.random() < 0.3:
            return self.pool[name] if isinstance(self.pool[name], str) else None
        if getattr(shape, "enum", ()):
            return random.choice(shape.enum)
        match shape.type_name:
            case "boolean":
                return random.choice((True, False))
            case "integer" | "long":
                held = self.pool.get(member_of(self.pool, member) or "")
                return random.choice((held * 2, held // 2, 0)) if isinstance(held, int) else random.choice((0, 1, 60))  # fmt: skip
            case "string" if member.endswith("Path"):
                return "/nowhere"
            case "string" if member.endswith("Port"):
                return "9999"
        if isinstance(shape, ListShape) and shape.member.type_name == "string":
            ids = sorted(
                str(each["id"])
                for each in resources
                if member.rstrip("s").lower().endswith(each["type"].rpartition(":")[2].lower())
            )
            return random.sample(ids, random.randint(1, len(ids))) if ids else None
        return None


def member_of(pool: Mapping[str, Any], member: str) -> str | None:
    return next((key for key in pool if key.lower() == member.lower()), None)


def declared(resources: Sequence[Mapping[str, Any]], calls: Calls) -> Iterator[Thing]:
    """Yield the resources of the state, as the local cloud's stand-in names them in calls."""
    for each in sorted(resources, key=lambda each: (each["type"], each["urn"])):
        if each["type"] not in KINDS:
            continue
        kind, inputs = KINDS[each["type"]], dict(each["inputs"])
        subject = Subject(kind=kind, calls=calls, identity=each["id"], inputs=inputs)
        scope = {key: inputs[name] for key, name in kind.scope.items() if name in inputs}
        try:
            named = {kind.identity: subject.name, **scope}
        except (ClientError, LookupError):
            continue
        yield Thing(each["type"], each["urn"].rpartition("::")[2], kind.service, named, inputs)


def undeclared(resources: Sequence[Mapping[str, Any]], calls: Calls) -> Iterator[Thing]:
    """Yield what AWS itself has made for the stack: tasks, targets, images and the database's secret."""
    for each in resources:
        if each["type"] == "aws:ecs/service:Service":
            which = {"cluster": each["inputs"]["cluster"], "serviceName": each["inputs"]["name"]}
            for task in sorted(calls("ecs", "list_tasks", which)["taskArns"]):
                yield Thing("ecs:task", "task", "ecs", {"task": task, "cluster": which["cluster"]}, {})  # fmt: skip
        elif each["type"] == "aws:lb/targetGroup:TargetGroup":
            arn = {"TargetGroupArn": each["id"]}
            found = calls("elbv2", "describe_target_health", arn)["TargetHealthDescriptions"]
            for target in found:
                yield Thing("elbv2:target", each["inputs"]["name"], "elbv2", {"Target": {"Id": target["Target"]["Id"]}, **arn}, {})  # fmt: skip
        elif each["type"] == "aws:ecr/repository:Repository":
            repository = {"repositoryName": each["id"]}
            for image in calls("ecr", "list_images", repository)["imageIds"]:
                yield Thing("ecr:image", "image", "ecr", {"imageId": image, **repository}, {})
        elif each["type"] == "aws:rds/instance:Instance":
            for secret in each["outputs"].get("masterUserSecrets") or []:
                text = json.dumps({"username": "postgres", "password": "of-another"})
                yield Thing("secretsmanager:secret", "the database's secret", "secretsmanager", {"SecretId": secret["secretArn"]}, {"SecretString": text})  # fmt: skip


def make(calls: Calls, tried: Sequence[Act]) -> str:
    """Make the first call that AWS does not refuse, and return it as text; "" if it refuses all."""
    for service, operation, params in tried:
        try:
            calls(service, operation, params)
        except (ClientError, BotoCoreError):
            continue
        return f"aws {service} {operation} {json.dumps(params, default=str)[:200]}"
    return ""
