"""What a role lacks, and the commands that give it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from i18n import t
from ops.findings import Fix
from ops.permits import NOT_ALLOWED, NOT_IN_BOUNDARY


@dataclass(frozen=True)
class Need:
    """An action that a role must have, and what it is for: pull, log or secret."""

    action: str
    resource: str
    purpose: str


@dataclass(frozen=True)
class Lack:
    """A need that the role does not meet, and IAM's verdict."""

    need: Need
    verdict: str

    @property
    def resource(self) -> str:
        """What a policy names: of a log all streams, for they have a name only when they are there."""
        group, streams, _ = self.need.resource.partition(":log-stream:")
        return f"{group}:*" if streams else group


def given(role: str, lacks: Sequence[Lack]) -> tuple[Fix, ...]:
    """All that is lacking in one policy; a refusal or a boundary no policy can make up for."""
    grant, *others = [*_policy(role, lacks), *_in_the_way(role, lacks)]
    return (grant, *(Fix(each.text, each.commands, then=True) for each in others))


def _policy(role: str, lacks: Sequence[Lack]) -> Iterator[Fix]:
    actions: dict[str, list[str]] = {}
    for each in lacks:
        if each.verdict == NOT_ALLOWED:
            actions.setdefault(each.resource, []).append(each.need.action)
    statements = [
        {"Effect": "Allow", "Action": each, "Resource": resource}
        for resource, each in actions.items()
    ]
    if statements:
        document = {"Version": "2012-10-17", "Statement": statements}
        text = json.dumps(document, separators=(",", ":"))
        # Of the same name, what is given now would take the place of what was given before.
        name = f"allow-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
        command = f"aws iam put-role-policy --role-name {role} --policy-name {name}"
        yield Fix(t("Allow it:"), (f"{command} --policy-document '{text}'",))


def _in_the_way(role: str, lacks: Sequence[Lack]) -> Iterator[Fix]:
    for each in lacks:
        action = each.need.action
        if each.verdict == NOT_IN_BOUNDARY:
            text = t("Add {action} to the role's permissions boundary.", action=action)
            yield Fix(text, (f"aws iam get-role --role-name {role}",))
        elif each.verdict != NOT_ALLOWED:
            text = t("Take the refusal of {action} out of the role's policies.", action=action)
            yield Fix(text, (f"aws iam list-role-policies --role-name {role}",))
