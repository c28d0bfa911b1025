"""Parameters of Systems Manager."""

from local_cloud.providers.kind import Subject, Values, on_change, path, regular

SENT = ("allowedPattern", "dataType", "description", "keyId", "tier", "type", "value")


def _put_again(subject: Subject) -> None:
    """Put another version. ``overwrite`` false makes SSM refuse it (terraform-provider-aws, shouldUpdateParameter)."""
    sent = {name: subject.inputs[name] for name in SENT if subject.inputs.get(name) is not None}
    sent["overwrite"] = subject.inputs.get("overwrite", True)
    subject.send("put_parameter", sent)


def _look(subject: Subject) -> Values | None:
    found = subject.call("get_parameter", WithDecryption=True)["Parameter"]
    only = [{"Key": "Name", "Option": "Equals", "Values": [subject.identity]}]
    described = subject.calls("ssm", "describe_parameters", {"ParameterFilters": only})
    return {**(path("Parameters[0]", described) or {}), **found}


PARAMETER = regular(
    "aws:ssm/parameter:Parameter",
    "Name",
    create="put_parameter",
    look=_look,
    replaces="dataType",
    ignored={"overwrite": "sent with every change"},
    settings=(on_change(_put_again, *SENT),),
    autoname="name",
    outputs={"arn": "ARN", "name": "Name", "type": "Type", "version": "Version"},
)

KINDS = (PARAMETER,)
