"""Parameters of Systems Manager."""

from typing import Any

from local_cloud.providers.kind import Subject, Values, on_change, path, regular
from local_cloud.providers.lifecycle import tag_list

SENT = ("allowedPattern", "dataType", "description", "keyId", "tier", "type", "value")


def _put_again(subject: Subject) -> None:
    """Put another version. ``overwrite`` false makes SSM refuse it (terraform-provider-aws, shouldUpdateParameter)."""
    sent = {name: subject.inputs[name] for name in SENT if subject.inputs.get(name) is not None}
    sent["overwrite"] = subject.inputs.get("overwrite", True)
    subject.call("put_parameter", **subject.calls.convert("ssm", "put_parameter", sent))


def _tag(subject: Subject) -> None:
    new, old = subject.inputs.get("tags") or {}, subject.before.get("tags") or {}
    named = {"ResourceType": "Parameter", "ResourceId": subject.identity}
    if gone := sorted(set(old) - set(new)):
        subject.calls("ssm", "remove_tags_from_resource", {**named, "TagKeys": gone})
    if new:
        subject.calls("ssm", "add_tags_to_resource", {**named, "Tags": tag_list(new)})


def _look(subject: Subject) -> Values | None:
    found = subject.call("get_parameter", WithDecryption=True)["Parameter"]
    only = [{"Key": "Name", "Option": "Equals", "Values": [subject.identity]}]
    described = subject.calls("ssm", "describe_parameters", {"ParameterFilters": only})
    return {**(path("Parameters[0]", described) or {}), **found}


def _tags(subject: Subject, _: Values) -> Any:
    named = {"ResourceType": "Parameter", "ResourceId": subject.identity}
    return subject.calls("ssm", "list_tags_for_resource", named)["TagList"]


PARAMETER = regular(
    "aws:ssm/parameter:Parameter",
    "Name",
    create="put_parameter",
    look=_look,
    replaces=frozenset({"name", "dataType"}),
    ignored={"overwrite": "sent with every change"},
    reads={"tags": _tags},
    settings=(on_change(_put_again, *SENT), on_change(_tag, "tags")),
    autoname="name",
    outputs={"arn": "ARN", "name": "Name", "type": "Type", "version": "Version"},
)

KINDS = (PARAMETER,)
