"""Create, read, change, tag and delete a resource by its ``Kind``."""

import re
import time
from collections.abc import Callable, Iterator, Mapping
from threading import Event
from typing import Any

from botocore.exceptions import ClientError, ParamValidationError
from botocore.model import OperationModel

from local_cloud.calls import Calls, UnknownInput, to_parameters, to_shape
from local_cloud.providers.kind import CHOSEN, NEVER, Kind, Subject, Values, clean, path, value_of
from local_cloud.providers.reading import complete, current, target, told
from local_cloud.providers.servicer import Incomplete


def tagging(calls: Calls, kind: Kind) -> tuple[str, str] | None:
    """Return the operations that add and remove tags of a type, or None where its service has none.

    They are called `AddTags…`, `CreateTags`, `TagResource` or, in IAM and SQS, `Tag` and the noun of the creation.
    """
    known = calls.client(kind.service).meta.method_to_api_mapping
    usual = (operation for operation in known if operation.startswith(("add_tags", "create_tags")))
    for add in (*usual, "tag_resource", f"tag_{kind.create.partition('_')[2]}"):
        remove = add.replace("add_tags_to", "remove_tags_from").replace("add_", "remove_")
        remove = re.sub("^tag", "untag", remove.replace("create_", "delete_"))
        if add in known and remove in known:
            return add, remove
    return None


def retag(subject: Subject, arn: str, old: Mapping[str, str], new: Mapping[str, str]) -> None:
    """Change a resource's tags from ``old`` to ``new``. botocore's models have the form of each operation."""
    kind, removed = subject.kind, sorted(set(old) - set(new))
    operations = tagging(subject.calls, kind)
    if operations is None:
        raise UnknownInput(f"{kind.token}: {kind.service} has no operation that tags it")
    value: Any
    for operation, value in zip(reversed(operations), (removed, new), strict=True):
        shapes = _model(subject.calls, kind, operation).input_shape.members
        *_, tags = (name for name in shapes if name != "DryRun")
        if value and value is removed and shapes[tags].member.type_name == "structure":
            value = [{"key": name} for name in removed]
        if value:
            params = {**target(subject, operation, arn), tags: to_shape(shapes[tags], value)}
            subject.calls(kind.service, operation, params)


def tag_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Return ``tags`` as the list of pairs that most services take."""
    return [{"Key": name, "Value": text} for name, text in sorted(tags.items())]


def tag_specifications(kind: Kind, inputs: Values) -> Values:
    """Return the parameter with the tags of a new resource, which EC2 takes in a form of its own."""
    if not (kind.tag_type and inputs.get("tags")):
        return {}
    return {
        "TagSpecifications": [{"ResourceType": kind.tag_type, "Tags": tag_list(inputs["tags"])}]
    }


WAIT = 300.0
"""Wall-clock seconds after which a resource that is not ready is an error."""
PAUSE = 0.1
"""Wall-clock seconds between two looks at a resource."""


class NotReady(Exception):
    """A resource was created but did not reach the state that makes it usable."""


def unknown_inputs(calls: Calls, kind: Kind, inputs: Values) -> list[str]:
    """Return the names of ``inputs`` that no operation takes and that are not ignored."""
    known = set(kind.ignored) | {name for setting in kind.settings for name in setting.inputs}
    if kind.tag_type or tagging(calls, kind):
        known.add("tags")
    if kind.autoname:
        known.add(kind.autoname)
    prepared = kind.prepared(inputs)
    for operation in (kind.create, kind.update):
        if operation:
            known |= to_parameters(_model(calls, kind, operation), prepared)[1]
    return sorted(set(prepared) - known)


def create(calls: Calls, kind: Kind, inputs: Values, cancel: Event) -> tuple[str, Values]:
    """Create the resource and return its id and outputs. Raises ``Incomplete`` when only its settings fail."""
    prepared = kind.prepared(inputs)
    _, taken = to_parameters(_model(calls, kind, kind.create), prepared)
    chosen = {name for name in inputs.get(CHOSEN, ()) if name in kind.defaults}
    given = {name: value for name, value in prepared.items() if name not in chosen}
    known = ""
    if kind.on_create:
        identity = kind.on_create(calls, kind, prepared)
    else:
        params, answer = call_create(calls, kind, prepared)
        answer = {**answer, "inputs": inputs}
        identity = _identity(kind, answer, params)
        if kind.named_by:
            known = str(path(f"{kind.found}.{kind.outputs[kind.named_by]}", answer))
    named: Values = {"identity": identity, "known": known, "inputs": prepared}
    subject = Subject(kind=kind, calls=calls, cancel=cancel, **named)
    try:
        wait(subject)
        for setting in kind.settings:
            left = {name for name in setting.inputs if given.get(name) is not None} - taken
            if setting.on_create and left:
                setting.apply(subject)
        if kind.follow:
            kind.follow(subject, None)
        return identity, outputs(subject, inputs)
    except Exception as problem:
        raise Incomplete(identity, problem) from problem


def call_create(calls: Calls, kind: Kind, prepared: Values) -> tuple[Values, Values]:
    """Call the operation that creates the resource, with its tags. Return the parameters and the answer."""
    params, _ = to_parameters(_model(calls, kind, kind.create), prepared)
    params |= tag_specifications(kind, prepared)
    return params, calls(kind.service, kind.create, params)


def existing(
    calls: Calls, kind: Kind, identity: str, inputs: Values, state: Values | None, **more: Any
) -> Subject:
    """Return the resource of an id. ``state`` has its outputs, which may name it in AWS."""
    known = str({**inputs, **(state or {})}.get(kind.named_by, ""))
    prepared = kind.prepared(inputs) if inputs else clean(state or {})
    named: Values = {"identity": identity, "known": known, "inputs": prepared}
    return Subject(kind=kind, calls=calls, **named, **more)


def read(
    calls: Calls, kind: Kind, identity: str, inputs: Values, state: Values | None = None
) -> tuple[Values, Values] | None:
    """Return the resource's inputs and outputs as they are in AWS, or None when it does not exist.

    Without ``inputs`` it is what a program only reads (``Vpc.get``): ``state`` has what the program says of it besides
    its id. Raises ``UnknownInput`` where the stand-in needs more.
    """
    try:
        subject = existing(calls, kind, identity, inputs, state)
        described = describe(subject)
        return None if described is None else _refreshed(subject, described, inputs)
    except (KeyError, TypeError, ParamValidationError) as lacking:
        if inputs:
            raise
        message = f"the stand-in for {kind.token} finds none by its id {identity} alone"
        raise UnknownInput(message) from lacking


def _refreshed(subject: Subject, described: Values, inputs: Values) -> tuple[Values, Values]:
    made, found = _made(subject, described), complete(subject, described)
    arn, kind = str(made.get("arn", "")), subject.kind
    # Without inputs a program reads what another one made.
    tagged = not inputs and (kind.tag_type or (arn and tagging(subject.calls, kind)))
    now = current(subject, found, {"tags": {}} if tagged else inputs, arn)
    inputs = {name: value for name, value in now.items() if value or not tagged}
    given = clean(inputs)
    return inputs, {**told(subject, found, given), **given, **made}


def describe(subject: Subject) -> Values | None:
    """Return AWS's description of the resource, or None when it does not exist."""
    kind = subject.kind
    try:
        if kind.look:
            return kind.look(subject)
        model = _model(subject.calls, kind, kind.read)
        # ECS leaves out settings and tags that are not asked for.
        more = getattr(model.input_shape, "members", {}).get("include")
        answer = subject.call(kind.read, **({"include": more.member.enum} if more else {}))
        described: Values | None = path(kind.found or _found(model), answer)
    except ClientError as problem:
        if absent(kind, problem):
            return None
        raise
    return described or None


def update(
    calls: Calls,
    kind: Kind,
    identity: str,
    olds: Values,
    news: Values,
    state: Values | None = None,
    cancel: Event = NEVER,
) -> Values:
    """Change the inputs that differ in place and return the outputs, with the inputs as AWS then has them.

    Raises ``Incomplete`` when everything was sent, but AWS has not carried it out.
    """
    before = kind.prepared(olds)
    subject = existing(calls, kind, identity, news, state, before=before, cancel=cancel)
    past = describe(subject) if kind.follow else None
    done = _send_changes(subject)
    results = outputs(subject, news)
    changed = subject.changed
    if "tags" in changed - done:
        retag(subject, str(results.get("arn", "")), olds.get("tags") or {}, news.get("tags") or {})
        done.add("tags")
    if changed - done:
        raise UnknownInput(f"{kind.token}: {', '.join(sorted(changed - done))} cannot be changed")
    try:
        if kind.follow:
            kind.follow(subject, past)
    except Exception as problem:
        raise Incomplete(identity, problem, results) from problem
    return _refreshed(subject, describe(subject) or {}, news)[1]


def _send_changes(subject: Subject) -> set[str]:
    """Send the changed inputs and return the names of those that need nothing more."""
    calls, kind, after, changed = subject.calls, subject.kind, subject.inputs, subject.changed
    done = set(kind.ignored)
    if kind.update:
        # The resource is still to be named as it was.
        chosen = {name: after[name] for name in changed & set(after) - {"tags", kind.identity}}
        params, taken = to_parameters(_model(calls, kind, kind.update), chosen)
        if taken:
            again = {name: after[name] for name in kind.repeated & set(after)}
            more, _ = to_parameters(_model(calls, kind, kind.update), again)
            subject.call(kind.update, **{**more, **params})
        done |= taken
    for setting in kind.settings:
        if changed & set(setting.inputs) - done:
            setting.apply(subject)
            done |= set(setting.inputs)
    return done


def delete(
    calls: Calls,
    kind: Kind,
    identity: str,
    inputs: Values,
    state: Values | None = None,
    cancel: Event = NEVER,
) -> None:
    """Delete the resource, if it exists. ``skipDestroy`` keeps it."""
    if inputs.get("skipDestroy"):
        return
    subject = existing(calls, kind, identity, inputs, state, cancel=cancel)
    try:
        if kind.on_delete:
            kind.on_delete(subject)
        else:
            subject.call(kind.delete)
    except ClientError as problem:
        if not absent(kind, problem):
            raise


def outputs(subject: Subject, inputs: Values) -> Values:
    """Return the resource's outputs: its inputs and the values from AWS."""
    described = describe(subject)
    if described is None:
        raise NotReady(f"{subject.identity} does not exist after it was created or changed")
    given, found = clean(inputs), complete(subject, described)
    return {**told(subject, found, given), **given, **_made(subject, described)}


def _made(subject: Subject, described: Values) -> Values:
    """Return the region, which pulumi_aws tells of each resource, and what the kind's ``outputs`` take from AWS."""
    return {"region": subject.calls.region} | {
        name: value_of(source, subject, described) for name, source in subject.kind.outputs.items()
    }


def wait_while(subject: Subject, seconds: float, state: Callable[[], str]) -> None:
    """Wait while ``state`` returns how the resource still is: "" for as it should be.

    Raises ``NotReady`` after wall-clock seconds, and when it is cancelled.
    """
    deadline = time.monotonic() + seconds
    while still := state():
        if subject.cancel.wait(PAUSE):
            raise NotReady(f"cancelled while {subject.identity} was {still}")
        if time.monotonic() > deadline:
            raise NotReady(f"{subject.identity} is {still} after {seconds:.0f} s")


def wait(subject: Subject) -> None:
    """Wait until the resource has the state of its kind's ``ready``."""
    if subject.kind.ready is None:
        return
    expression, target = subject.kind.ready

    def state() -> str:
        described = describe(subject) or {}
        if (found := path(expression, described)) == target:
            return ""
        still = f"{found!r}, not {target!r}"
        if found == "failed":
            raise NotReady(f"{subject.identity} is {still}: {': '.join(reasons(described))}")
        return still

    wait_while(subject, WAIT, state)


def until_gone(subject: Subject, seconds: float) -> None:
    """Wait until AWS no longer describes the resource."""
    wait_while(subject, seconds, lambda: "still there" if describe(subject) is not None else "")


def retry(subject: Subject, seconds: float, words: str, operation: str, **params: Any) -> None:
    """Call an operation again while AWS refuses it with these words or this code. The last try raises the error."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            subject.call(operation, **params)
            return
        except ClientError as refused:
            if words not in str(refused) or time.monotonic() > deadline:
                raise
        if subject.cancel.wait(PAUSE):
            raise NotReady(f"cancelled while {subject.identity} was deleted")


def reasons(described: Mapping[str, Any]) -> Iterator[str]:
    """Yield why a resource failed: a NAT gateway's code and message, a DB instance's status infos."""
    for key in ("FailureCode", "FailureMessage"):
        if key in described:
            yield str(described[key])
    for info in described.get("StatusInfos") or ():
        yield str(info.get("Message"))


def absent(kind: Kind, problem: ClientError) -> bool:
    """Return whether the error says that the resource does not exist."""
    code = str(problem.response["Error"]["Code"])
    return code in kind.absent or "NotFound" in code or code == "NoSuchEntity"


def _identity(kind: Kind, answer: Values, params: Values) -> str:
    """Return the id of a new resource from the answer to its creation, or else from the parameters."""
    source = kind.identity_from
    if callable(source):
        return source(answer)
    of_a_part = f"[[@], *[]][].{kind.identity} | [0]"
    return str(path(source or of_a_part, answer) or params[kind.identity])


def _found(operation: OperationModel) -> str:
    """Return the path of the resource in an operation's answer."""
    members = operation.output_shape.members
    held = [name for name in members if not name.lower().endswith(("token", "marker"))]
    form = members[held[0]].type_name if len(held) == 1 else ""
    if form == "list":
        return f"{held[0]}[0]"
    return str(held[0]) if form in ("structure", "map") else "@"


def _model(calls: Calls, kind: Kind, operation: str) -> OperationModel:
    return calls.model(kind.service, operation)
