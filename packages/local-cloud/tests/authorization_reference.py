"""AWS's service authorization reference: the actions, and the ARNs' forms of the resources that they know."""

import fnmatch
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from policy_sentry.querying.actions import get_action_data
from policy_sentry.querying.all import get_all_actions

NEWER = {"ecs:ContinueServiceDeployment": "ecs:StopServiceDeployment"}
"""Actions that the reference does not have yet (botocore has their operations), each with one that takes the same."""
ACTIONS = frozenset(get_all_actions()) | NEWER.keys()


def spelled_out(pattern: str) -> Iterator[str]:
    """The actions that a pattern means. One that AWS has not is an error."""
    found = [pattern] if pattern in ACTIONS else fnmatch.filter(ACTIONS, pattern)
    assert found, f"AWS has no action {pattern}"
    yield from found


@cache
def rows(action: str) -> list[dict[str, Any]]:
    """What the reference says of an action: one row for each resource type, and one for none."""
    service, name = NEWER.get(action, action).split(":")
    found = get_action_data(service, name)
    assert found, f"AWS has no action {action}"
    held: list[dict[str, Any]] = found[service]
    return held


def forms(action: str) -> list[str]:
    """The ARNs' forms of the resources that an action knows; `*` is none of them."""
    found = [str(row["resource_arn_format"]) for row in rows(action)]
    return [form for form in found if form != "*"]


@cache
def fits(resource: str, form: str) -> bool:
    """Whether some ARN of the form is one that the policy's pattern means, part by part."""
    parts = re.sub(r"\$\{\w+\}", "*", form).split(":", 5)
    return all(overlap(*both) for both in zip(resource.split(":", 5), parts, strict=True))


@cache
def overlap(first: str, second: str) -> bool:
    """Whether some text fits both patterns, in which `*` stands for any text."""
    if first.startswith("*") or second.startswith("*"):
        if not first.startswith("*"):
            first, second = second, first
        return overlap(first[1:], second) or (second != "" and overlap(first, second[1:]))
    same = first[:1] == second[:1]
    return same and (first == second == "" or overlap(first[1:], second[1:]))
