"""Groups of resources by their tags."""

from __future__ import annotations

from tools.local_cloud.calls import Calls
from tools.local_cloud.providers.kind import Kind, Setting, Subject, Values

SERVICE = "resource-groups"


def _query(inputs: Values) -> Values:
    """Return the query as Resource Groups has it; the provider's default type is that of tags."""
    query = inputs["resourceQuery"]
    return {"Type": query.get("type") or "TAG_FILTERS_1_0", "Query": query["query"]}


def _make(calls: Calls, _: Kind, inputs: Values) -> str:
    params = {"Name": inputs["name"], "ResourceQuery": _query(inputs)}
    params["Description"] = inputs.get("description") or ""
    calls(SERVICE, "create_group", {**params, "Tags": inputs.get("tags") or {}})
    return str(inputs["name"])


def _describe(subject: Subject) -> None:
    subject.call("update_group", Description=subject.inputs.get("description") or "")


def _query_again(subject: Subject) -> None:
    subject.call("update_group_query", ResourceQuery=_query(subject.inputs))


def _tag(subject: Subject) -> None:
    new, old = subject.inputs.get("tags") or {}, subject.before.get("tags") or {}
    arn = {"Arn": subject.call("get_group")["Group"]["GroupArn"]}
    if gone := sorted(set(old) - set(new)):
        subject.calls(SERVICE, "untag", {**arn, "Keys": gone})
    if new:
        subject.calls(SERVICE, "tag", {**arn, "Tags": new})


GROUP = Kind(
    token="aws:resourcegroups/group:Group",
    service=SERVICE,
    identity="GroupName",
    create="create_group",
    on_create=_make,
    read="get_group",
    found="Group",
    delete="delete_group",
    replaces=frozenset({"name"}),
    settings=(
        Setting(inputs=("description",), apply=_describe, on_create=False),
        Setting(inputs=("resourceQuery",), apply=_query_again, on_create=False),
        Setting(inputs=("tags",), apply=_tag, on_create=False),
    ),
    autoname="name",
    fixed_name="name",
    outputs={"arn": "GroupArn"},
)

KINDS = (GROUP,)
