"""Parameters of Systems Manager."""

from __future__ import annotations

from local_cloud.calls import Calls
from local_cloud.providers.kind import Kind, Subject, Values, on_change, path
from local_cloud.providers.lifecycle import tag_list

OTHERS = ("allowedPattern", "dataType", "description", "tier", "type")
"""The inputs that PutParameter takes under their own names."""


def _params(calls: Calls, inputs: Values) -> Values:
    """Return PutParameter's parameters. Raises ``ValueError`` for more or less than one value, as the provider does.

    Source: terraform-provider-aws, ssm/parameter.go. A key is only sent for a SecureString.
    """
    held = [inputs[name] for name in ("value", "insecureValue") if inputs.get(name) is not None]
    if len(held) != 1:
        raise ValueError("one of value and insecureValue must be given")
    secure = inputs["type"] == "SecureString"
    if secure and inputs.get("insecureValue") is not None:
        raise ValueError("invalid configuration, cannot set type = SecureString and insecureValue")
    sent = {name: inputs[name] for name in OTHERS if inputs.get(name) is not None}
    sent |= {"keyId": inputs["keyId"]} if secure and inputs.get("keyId") else {}
    return {**calls.convert("ssm", "put_parameter", sent), "Name": inputs["name"], "Value": held[0]}


def _put(calls: Calls, kind: Kind, inputs: Values) -> str:
    """Create the parameter. SSM takes no tags together with Overwrite."""
    params = _params(calls, inputs) | {"Overwrite": bool(inputs.get("overwrite"))}
    if inputs.get("tags") and not params["Overwrite"]:
        params["Tags"] = tag_list(inputs["tags"])
    calls("ssm", "put_parameter", params)
    name = str(inputs["name"])
    if params["Overwrite"]:
        _tag(Subject(kind=kind, calls=calls, identity=name, inputs=inputs))
    return name


def _put_again(subject: Subject) -> None:
    """Put another version. ``overwrite`` false makes SSM refuse it (shouldUpdateParameter)."""
    overwrite = subject.inputs.get("overwrite", True)
    params = _params(subject.calls, subject.inputs) | {"Overwrite": bool(overwrite)}
    subject.call("put_parameter", **params)


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


PARAMETER = Kind(
    token="aws:ssm/parameter:Parameter",
    service="ssm",
    identity="Name",
    create="put_parameter",
    on_create=_put,
    look=_look,
    delete="delete_parameter",
    replaces=frozenset({"name", "dataType"}),
    ignored={"overwrite": "sent with every put"},
    settings=(
        on_change(
            _put_again,
            *("allowedPattern", "dataType", "description", "insecureValue", "keyId"),
            *("tier", "type", "value"),
        ),
        on_change(_tag, "tags"),
    ),
    autoname="name",
    outputs={"arn": "ARN", "name": "Name", "type": "Type", "version": "Version"},
)

KINDS = (PARAMETER,)
