"""Read a resource's inputs back: the way from what AWS describes to what a program declares."""

import contextlib
import json
from collections.abc import Container, Iterable, Mapping
from datetime import datetime
from typing import Any

from local_cloud.calls import PAIR, SCALARS, member_name, nested_name
from local_cloud.providers.kind import Subject, Values, camel, value_of

AROUND = frozenset({"ResponseMetadata", "NextToken", "nextToken", "Marker"})
"""The members of an answer that are about the answer."""
ON = {"true": True, "enabled": True, "1": True, "false": False, "disabled": False, "0": False}
"""How AWS's texts say whether something is on."""
LISTS_TAGS = {
    **{"acm": "list_tags_for_certificate", "elbv2": "describe_tags", "kms": "list_resource_tags"},
    **dict.fromkeys(("ec2", "iam", "secretsmanager"), ""),
}
"""The operation that lists a resource's tags, unless it is ``list_tags_for_resource``; "": the description has them."""


def target(subject: Subject, operation: str, arn: str) -> Values:
    """Return the parameter of a tagging operation that names the resource: the first, as a value or a list of one.

    Before it may be the resource's type, which Systems Manager calls as Pulumi does.
    """
    shape = subject.calls.model(subject.kind.service, operation).input_shape
    first = next(name for name in shape.members if name not in ("DryRun", "ResourceType"))
    # EC2 and Systems Manager name any resource by its id.
    by_id = first in (subject.kind.identity, "Resources", "ResourceId")
    named = subject.identity if by_id else arn
    kind = {"ResourceType": subject.kind.token.rpartition(":")[2]}
    params: Values = kind if "ResourceType" in shape.members else {}
    return params | {first: [named] if shape.members[first].type_name == "list" else named}


def complete(subject: Subject, described: Values) -> Values:
    """Return a resource's description with the answers of the operations that the kind names besides."""
    found = {**described}
    for operation in subject.kind.also:
        answer = subject.call(operation)
        found |= {name: value for name, value in answer.items() if name not in AROUND}
    return found


def current(subject: Subject, found: Values, inputs: Values, arn: str) -> Values:
    """Return ``inputs`` as AWS has them: the program's own value where AWS's is the same, none where AWS has none.

    The provider compares all that it reads with the program (pulumi-terraform-bridge, Diff). Not read are inputs that
    the kind's ``ignored`` and ``unread`` name with a reason.
    """
    kind = subject.kind
    result, apart = {}, {*kind.ignored, *kind.unread, kind.prefix}
    for name, declared in inputs.items():
        kept = name.startswith("__") or {name, kind.names.get(name)} & apart
        value = declared if kept else _input(subject, found, name, declared, arn)
        if value is not None:
            result[name] = value
    return result


def told(subject: Subject, found: Values, given: Container[str]) -> Values:
    """Return what AWS tells of the inputs that are not ``given``: values, lists of values, and policies."""
    kind = subject.kind
    names = {name: name for setting in kind.settings for name in setting.inputs}
    for operation in filter(None, (kind.create, kind.update)):
        shape = subject.calls.model(kind.service, operation).input_shape
        names |= {camel(member): member for member in shape.members} if shape else {}
    names |= kind.names
    result = {}
    for name in {*names, *kind.reads} - {*kind.ignored, *kind.unread, "tags"}:
        if name in given:
            continue
        if name in kind.reads:
            value = value_of(kind.reads[name], subject, found)
        else:
            value = found.get(member_name(found, names[name]) or "")
        if (plain := _plain(name, value)) is not None:
            result[name] = plain
    return result


def _plain(name: str, value: Any) -> Any:
    """Return a value, a policy as its text, or a list of values, whose name has a plural; None for any other.

    An empty list may be of structures, of which Pulumi has one or none.
    """
    if isinstance(value, Mapping) and name.lower().endswith("policy"):
        return json.dumps(value)
    values = value if isinstance(value, list) and name.endswith("s") else [value]
    return value if values and all(isinstance(one, str | int | float) for one in values) else None


def _input(subject: Subject, found: Values, name: str, declared: Any, arn: str) -> Any:
    kind, own = subject.kind, subject.kind.names.get(name, name)
    if name in kind.reads:
        value = value_of(kind.reads[name], subject, found)
    elif name == "tags":
        value = _tags(subject, found, arn)
    else:
        value = found.get(member_name(found, name) or member_name(found, own) or "")
        # AWS has no operation that takes away what it does not even change.
        if value is None and name in {*kind.replaces, *kind.one_of}:
            return declared
    if name == "tags":
        # A map of the program's own names: another one is a difference.
        value = value if isinstance(value, Mapping) else mapping(value)
        return {key: text for key, text in value.items() if not key.startswith("aws:")}
    if value is None and declared == kind.defaults.get(name):
        return declared
    return seen(declared, value, kind.unread)


def _tags(subject: Subject, found: Values, arn: str) -> Any:
    """Return the resource's tags: the description's, or those of the operation that lists them."""
    operation = LISTS_TAGS.get(subject.kind.service, "list_tags_for_resource")
    held = next((found[name] for name in ("Tags", "tags", "TagList") if name in found), None)
    if held is None and operation:
        answer = subject.calls(subject.kind.service, operation, target(subject, operation, arn))
        held = next((value for name, value in answer.items() if name not in AROUND), [])
        held = held[0]["Tags"] if operation == "describe_tags" else held
    return held or []


def mapping(pairs: Iterable[Mapping[str, Any]]) -> Values:
    """Return AWS's list of pairs as the map that Pulumi has; nothing, if it is another list."""
    found = {}
    for pair in pairs:
        low = {name.lower(): value for name, value in pair.items()}
        names = next((names for names in PAIR if set(names) == set(low)), None)
        if names is None:
            return {}
        found[low[names[0]]] = low[names[1]]
    return found


def nothing(value: Any) -> bool:
    """Return whether a declared value is the same as none: AWS leaves out what is off or empty."""
    if isinstance(value, Mapping):
        return all(map(nothing, value.values()))
    return value in (None, False, 0, "", [], "{}")


def seen(declared: Any, found: Any, unread: Container[str] = ()) -> Any:
    """Return ``found`` in the form of ``declared``, which is returned itself where AWS has the same.

    Members that the program does not give are AWS's to choose, and so left out; ``unread`` ones are not returned by it.
    """
    if found is None:
        return declared if nothing(declared) else None
    match declared:
        case dict():
            return _mapping(declared, found, unread)
        case list():
            return _list(declared, found if isinstance(found, list) else [found], unread)
        case str() if declared[:1] in ("{", "["):
            return _document(declared, found)
    return _scalar(declared, found)


def _mapping(declared: Values, found: Any, unread: Container[str]) -> Any:
    if isinstance(found, list):
        if pairs := mapping(found):
            return declared if pairs == declared else pairs
        found = found[0] if found else {}
    if not isinstance(found, Mapping):
        return found
    if len(found) == 1 and all(_nested(found, name) is None for name in declared):
        # ECS's awsvpcConfiguration, for example, which Pulumi does without.
        [found] = found.values()
        return _mapping(declared, found, unread)
    result = {}
    for name, value in declared.items():
        kept = value is None or name in unread
        one = value if kept else seen(value, _nested(found, name), unread)
        if kept or one is not None:
            result[name] = one
    return result


def _nested(found: Mapping[str, Any], name: str) -> Any:
    return found.get(nested_name(found, name) or "")


def _list(declared: list[Any], found: list[Any], unread: Container[str]) -> list[Any]:
    """Return the items found, each in the form of the declared one at its place; an order is no difference."""
    left = list(found)
    for item in declared:
        same = next((one for one in left if seen(item, one, unread) == item), None)
        if same is None:
            break
        left.remove(same)
    else:
        if not left:
            return declared
    forms = [*declared, *declared[-1:] * len(found)] or found
    return [seen(form, one, unread) for form, one in zip(forms, found, strict=False)]


def _document(declared: str, found: Any) -> Any:
    """Return the JSON document found: a policy, which is compared whole, or ECS's containers, with their defaults."""
    try:
        own = json.loads(declared)
        now = json.loads(found) if isinstance(found, str) else found
    except ValueError:
        return found
    same = seen(own, now) == own if isinstance(own, list) else own == now
    return declared if same else json.dumps(now)


def _scalar(declared: Any, found: Any) -> Any:
    if isinstance(declared, bool):
        return ON.get(str(found).lower(), found)
    if isinstance(declared, int | float):
        with contextlib.suppress(ValueError, TypeError):
            number = float(found)
            return declared if number == declared else number
        return found
    if isinstance(found, datetime):
        return declared if datetime.fromisoformat(declared) == found else found.isoformat()
    return SCALARS["string"](found)
