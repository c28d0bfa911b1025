"""Checks parameters by botocore's models: patterns, lengths, ranges and enumerations.

botocore's client checks none of the patterns and enumerations, and moto few of them. ``NOT_ENFORCED`` has the rules
that AWS does not keep to.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from botocore.model import Shape
from moto.core.utils import get_service_model

OWN_CODE = "S3 refuses it by a code of its own"
NOT_ENFORCED: Mapping[str, str] = {
    "ec2 InstanceType": "EC2 has new types before botocore's model has them; moto refuses what it lacks",
    **dict.fromkeys(("s3 BucketLocationConstraint", "s3 StorageClass"), OWN_CODE),
}
"""Rules of the models that AWS does not enforce, by service and shape, each with the reason."""
CODES = {
    **dict.fromkeys(("cloudwatch", "elbv2", "iam", "rds", "sts"), "ValidationError"),
    **dict.fromkeys(("ecr", "ecs", "logs"), "InvalidParameterException"),
    **{
        "s3": "MalformedXML",
        "ec2": "InvalidParameterValue",
        "route53": "InvalidInput",
        "sns": "InvalidParameter",
        "s3 CreateBucket": "InvalidArgument",
        **dict.fromkeys(("s3 PutBucketTagging", "s3 PutObjectTagging"), "InvalidTag"),
    },
}
"""The services' error codes for a parameter that breaks its model, where not ValidationException; or an operation's."""
JAVA = {
    r"\p{L}\p{M}\p{N}\p{P}\p{S}\p{Zs}": r"\x20-\U0010FFFF",
    r"\p{L}\p{Z}\p{N}\p{P}\p{M}": r"\x20-\U0010FFFF",
    r"\p{L}\p{Z}\p{N}": r"\w\s\x80-\U0010FFFF",
    r"\p{Print}+": r"[\x20-\x7e]+",
    r"\p{ASCII}+": r"[\x00-\x7f]+",
    r"\p{Alnum}": "a-zA-Z0-9",
    r"\uD800\uDC00-\uDBFF\uDFFF": r"\U00010000-\U0010FFFF",
    r"[\w-": r"[\w\-",
}
"""What the models' patterns, which are Java's, have and Python's `re` has not, with what stands for it here."""


def code(service: str, operation: str) -> str:
    """Return the error code for a parameter of an operation that breaks its model."""
    return CODES.get(f"{service} {operation}") or CODES.get(service, "ValidationException")


@dataclass(frozen=True)
class Constraint:
    """A rule of a shape: what AWS says of it, and whether a value keeps to it."""

    words: str
    holds: Callable[[Any], bool]


def problem(service: str, operation: str, params: Mapping[str, Any]) -> str | None:
    """Return AWS's message for parameters that break the model of their operation, or None.

    Its form: hashicorp/terraform-provider-aws issue 36076, aws/serverless-application-model issue 182.
    """
    shape = input_shape(service, operation)
    found = list(_problems(service, shape, params, "")) if shape is not None else []
    plural = "s" if len(found) > 1 else ""
    return f"{len(found)} validation error{plural} detected: {'; '.join(found)}" if found else None


@cache
def input_shape(service: str, operation: str) -> Shape | None:
    """Return the shape of an operation's parameters, or None if it has none."""
    model = get_service_model(service)
    known = operation in model.operation_names
    return model.operation_model(operation).input_shape if known else None


def _problems(service: str, shape: Shape, value: Any, path: str) -> Iterator[str]:
    """Yield the problems of a value: those of its own shape, then those of its parts."""
    for rule in _constraints(service, shape.name):
        if not rule.holds(value):
            yield f"{_value(value)}at '{path}' failed to satisfy constraint: {rule.words}"
    if shape.type_name == "structure" and isinstance(value, Mapping):
        for name in shape.required_members:
            if value.get(name) is None:
                yield f"Value null at '{_joined(path, name)}' failed to satisfy constraint: Member must not be null"
        for name, member in value.items():
            if member is not None and name in shape.members:
                yield from _problems(service, shape.members[name], member, _joined(path, name))
    elif shape.type_name == "list" and isinstance(value, list):
        yield from _of_items(service, shape.member, value, path, "Member")
    elif shape.type_name == "map" and isinstance(value, Mapping):
        yield from _of_items(service, shape.key, list(value), path, "Map keys")
        yield from _of_items(service, shape.value, list(value.values()), path, "Map value")


def _of_items(service: str, shape: Shape, items: list[Any], path: str, what: str) -> Iterator[str]:
    """Yield the problems of structures by their numbers; those of other items are one for all of them."""
    if shape.type_name == "structure":
        for number, member in enumerate(items, 1):
            yield from _problems(service, shape, member, f"{path}.{number}.member")
        return
    rules = _constraints(service, shape.name)
    if not all(rule.holds(item) for rule in rules for item in items):
        words = ", ".join(rule.words for rule in rules)
        shown = f"Value '[{', '.join(map(str, items))}]' "
        yield f"{shown}at '{path}' failed to satisfy constraint: {what} must satisfy constraint: [{words}]"


def _joined(path: str, name: str) -> str:
    member = name[:1].lower() + name[1:]
    return f"{path}.{member}" if path else member


def _value(value: Any) -> str:
    return "Value " if isinstance(value, list | Mapping | bytes) else f"Value '{value}' "


@cache
def _constraints(service: str, name: str) -> tuple[Constraint, ...]:
    if f"{service} {name}" in NOT_ENFORCED:
        return ()
    return tuple(_made(get_service_model(service).shape_for(name)))


def _made(shape: Shape) -> Iterator[Constraint]:
    rules, sized = shape.metadata, shape.type_name in ("string", "list", "map", "blob")
    measure: Callable[[Any], float] = len if sized else float
    verb = "have length" if sized else "have value"
    if (most := rules.get("max")) is not None:
        words = f"Member must {verb} less than or equal to {most}"
        yield Constraint(words, lambda value: measure(value) <= most)
    if (least := rules.get("min")) is not None:
        words = f"Member must {verb} greater than or equal to {least}"
        yield Constraint(words, lambda value: measure(value) >= least)
    if values := rules.get("enum"):
        words = f"Member must satisfy enum value set: [{', '.join(values)}]"
        yield Constraint(words, lambda value: str(value) in values)
    if pattern := rules.get("pattern"):
        compiled = compiled_pattern(pattern)
        words = f"Member must satisfy regular expression pattern: {pattern}"
        yield Constraint(words, lambda value: compiled.fullmatch(str(value)) is not None)


def compiled_pattern(pattern: str) -> re.Pattern[str]:
    for java, python in JAVA.items():
        pattern = pattern.replace(java, python)
    return re.compile(pattern, re.DOTALL | re.ASCII)
