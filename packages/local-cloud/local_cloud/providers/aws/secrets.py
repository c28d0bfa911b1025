"""Secrets of Secrets Manager and their values."""

import base64
import json

from local_cloud.calls import Calls
from local_cloud.providers.kind import Kind, Setting, Subject, Values, leave, on_change, regular

LONGEST = 30
"""The provider's days before Secrets Manager deletes a secret (pulumi_aws, Secret, recovery_window_in_days)."""


def _look(subject: Subject) -> Values | None:
    """Return the secret, or None when it is scheduled for deletion, as the provider does."""
    found = subject.call("describe_secret")
    return None if found.get("DeletedDate") else found


def _describe(subject: Subject) -> None:
    inputs = subject.inputs
    key = {"KmsKeyId": inputs["kmsKeyId"]} if inputs.get("kmsKeyId") else {}
    subject.call("update_secret", Description=inputs.get("description") or "", **key)


def _allow(subject: Subject) -> None:
    """Put the secret's own policy. "{}" is none, as in the provider (secretsmanager/secret.go)."""
    policy = subject.inputs.get("policy")
    if policy and json.loads(policy):
        subject.call("put_resource_policy", ResourcePolicy=policy)
    elif subject.before:
        subject.call("delete_resource_policy")


def _remove(subject: Subject) -> None:
    """Schedule the deletion, or with ``recoveryWindowInDays`` 0 delete the secret at once."""
    days = subject.inputs.get("recoveryWindowInDays")
    days = LONGEST if days is None else int(days)
    when = {"RecoveryWindowInDays": days} if days else {"ForceDeleteWithoutRecovery": True}
    subject.call("delete_secret", **when)


SECRET = regular(
    "aws:secretsmanager/secret:Secret",
    "SecretId",
    identity_from="ARN",
    look=_look,
    on_delete=_remove,
    ignored={"recoveryWindowInDays": "sent on deletion"},
    settings=(
        on_change(_describe, "description", "kmsKeyId"),
        Setting(inputs=("policy",), apply=_allow),
    ),
    also=("get_resource_policy",),
    reads={"policy": "ResourcePolicy"},
    autoname="name",
    outputs={"arn": "ARN", "name": "Name"},
)


def _put(calls: Calls, _: Kind, inputs: Values) -> str:
    params: Values = {"SecretId": inputs["secretId"]}
    if inputs.get("secretBinary"):
        params["SecretBinary"] = base64.b64decode(inputs["secretBinary"], validate=True)
    if inputs.get("secretString"):
        params["SecretString"] = inputs["secretString"]
    made = calls("secretsmanager", "put_secret_value", params)
    return f"{inputs['secretId']}|{made['VersionId']}"


def _look_version(subject: Subject) -> Values:
    secret, _, version = subject.identity.partition("|")
    asked = {"SecretId": secret, "VersionId": version}
    return subject.calls("secretsmanager", "get_secret_value", asked)


VERSION = regular(
    "aws:secretsmanager/secretVersion:SecretVersion",
    "SecretId",
    create="put_secret_value",
    on_create=_put,
    look=_look_version,
    on_delete=leave,  # AWSCURRENT cannot be taken from a version (secret_version.go).
    replaces="secretId secretString secretBinary",
    ignored={"secretId": "sent by _put"},
    outputs={"arn": "ARN", "versionId": "VersionId", "versionStages": "VersionStages"},
    unread=dict.fromkeys(("secretBinary", "secretString"), "a version never changes"),
    absent=("InvalidRequestException",),
)

KINDS = (SECRET, VERSION)
