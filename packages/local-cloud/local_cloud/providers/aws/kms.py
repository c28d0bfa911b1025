"""Encryption keys."""

from typing import Any

from local_cloud.providers.kind import Setting, Subject, Values, modify, on_change, regular

LONGEST = 30
"""KMS's default number of days before it deletes a key; the minimum is 7."""


def _look(subject: Subject) -> Values | None:
    """Return the key, or None when it is pending deletion, as the provider does."""
    found: Values = subject.call("describe_key")["KeyMetadata"]
    return None if found["KeyState"] == "PendingDeletion" else found


def _policy(subject: Subject, _: Values) -> Any:
    return subject.call("get_key_policy", PolicyName="default")["Policy"]


def _rewrite(subject: Subject) -> None:
    subject.call("put_key_policy", PolicyName="default", Policy=subject.inputs["policy"])


def _rotate(subject: Subject) -> None:
    wanted = bool(subject.inputs.get("enableKeyRotation"))
    subject.call("enable_key_rotation" if wanted else "disable_key_rotation")


def _schedule_deletion(subject: Subject) -> None:
    days = int(subject.inputs.get("deletionWindowInDays") or LONGEST)
    subject.call("schedule_key_deletion", PendingWindowInDays=days)


KEY = regular(
    "aws:kms/key:Key",
    "KeyId",
    look=_look,
    on_delete=_schedule_deletion,
    replaces="customerMasterKeySpec keyUsage",
    ignored={"deletionWindowInDays": "sent on deletion"},
    settings=(
        modify("update_key_description", "description"),
        on_change(_rewrite, "policy"),
        Setting(inputs=("enableKeyRotation",), apply=_rotate),
    ),
    also=("get_key_rotation_status",),
    reads={"enableKeyRotation": "KeyRotationEnabled", "policy": _policy},
    unread={"bypassPolicyLockoutSafetyCheck": "it only asks KMS to take a policy"},
    defaults={
        **{"bypassPolicyLockoutSafetyCheck": False, "enableKeyRotation": False},
        **{"customerMasterKeySpec": "SYMMETRIC_DEFAULT", "keyUsage": "ENCRYPT_DECRYPT"},
    },
    outputs={"arn": "Arn", "keyId": "KeyId"},
)

KINDS = (KEY,)
