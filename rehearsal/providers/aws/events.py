"""EventBridge's rules, and whom they tell."""

from __future__ import annotations

from rehearsal.providers.calls import Calls
from rehearsal.providers.kind import Kind, Setting, Subject, Values


def _put(calls: Calls, kind: Kind, inputs: Values) -> str:
    calls(kind.service, kind.create, calls.convert(kind.service, kind.create, inputs))
    return str(inputs["name"])


def _put_again(subject: Subject) -> None:
    untagged = {name: value for name, value in subject.inputs.items() if name != "tags"}
    _put(subject.calls, subject.kind, untagged)


RULE = Kind(
    token="aws:cloudwatch/eventRule:EventRule",
    service="events",
    identity="Name",
    create="put_rule",
    on_create=_put,
    read="describe_rule",
    found="@",
    delete="delete_rule",
    replaces=frozenset({"name", "namePrefix", "eventBusName"}),
    settings=(
        Setting(
            inputs=("description", "eventPattern", "scheduleExpression", "state"),
            apply=_put_again,
            on_create=False,
        ),
    ),
    autoname="name",
    fixed_name="name",
    outputs={"arn": "Arn", "name": "Name"},
)


def _target(inputs: Values) -> Values:
    """What EventBridge calls a target: the rule is told apart, the transformer has other names."""
    target: Values = {"Id": inputs["targetId"], "Arn": inputs["arn"]}
    transformer = inputs.get("inputTransformer")
    if transformer:
        target["InputTransformer"] = {
            "InputPathsMap": transformer.get("inputPaths") or {},
            "InputTemplate": transformer["inputTemplate"],
        }
    return target


def _aim(calls: Calls, _: Kind, inputs: Values) -> str:
    targets = {"Rule": inputs["rule"], "Targets": [_target(inputs)]}
    failed = calls("events", "put_targets", targets)["FailedEntries"]
    if failed:
        raise ValueError(f"{inputs['rule']}: {failed[0]['ErrorMessage']}")
    return f"{inputs['rule']}-{inputs['targetId']}"


def _aim_again(subject: Subject) -> None:
    _aim(subject.calls, subject.kind, subject.inputs)


def _look(subject: Subject) -> Values | None:
    listed = subject.calls("events", "list_targets_by_rule", {"Rule": subject.inputs["rule"]})
    wanted = [each for each in listed["Targets"] if each["Id"] == subject.inputs["targetId"]]
    return dict(wanted[0]) if wanted else None


def _remove(subject: Subject) -> None:
    where = {"Rule": subject.inputs["rule"], "Ids": [subject.inputs["targetId"]]}
    subject.calls("events", "remove_targets", where)


TARGET = Kind(
    token="aws:cloudwatch/eventTarget:EventTarget",
    service="events",
    identity="TargetId",
    create="put_targets",
    on_create=_aim,
    look=_look,
    on_delete=_remove,
    replaces=frozenset({"rule", "targetId", "eventBusName"}),
    ignored={"rule": "sent by _aim"},
    settings=(Setting(inputs=("arn", "inputTransformer"), apply=_aim_again, on_create=False),),
    autoname="targetId",
)

KINDS = (RULE, TARGET)
