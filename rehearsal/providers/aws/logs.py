"""Log groups."""

from __future__ import annotations

from rehearsal.providers.kind import Kind, Setting, Subject, Values


def _group(inputs: Values) -> Values:
    rest = {name: value for name, value in inputs.items() if name != "name"}
    return {**rest, "logGroupName": inputs["name"]}


def _look(subject: Subject) -> Values | None:
    answer = subject.calls("logs", "describe_log_groups", {"logGroupNamePrefix": subject.identity})
    groups = [group for group in answer["logGroups"] if group["logGroupName"] == subject.identity]
    return dict(groups[0]) if groups else None


def _keep(subject: Subject) -> None:
    days = int(subject.inputs.get("retentionInDays") or 0)
    if days:
        subject.call("put_retention_policy", retentionInDays=days)
    else:
        subject.call("delete_retention_policy")


LOG_GROUP = Kind(
    token="aws:cloudwatch/logGroup:LogGroup",
    service="logs",
    identity="logGroupName",
    create="create_log_group",
    identity_from="inputs.name",
    look=_look,
    delete="delete_log_group",
    replaces=frozenset({"name", "namePrefix", "logGroupClass"}),
    prepare=_group,
    ignored={"skipDestroy": "keeps it when the provider is to delete it"},
    settings=(Setting(inputs=("retentionInDays",), apply=_keep),),
    autoname="name",
    fixed_name="name",
    outputs={
        "arn": lambda _, found: str(found["arn"]).removesuffix(":*"),
        "name": "logGroupName",
    },
)

KINDS = (LOG_GROUP,)
