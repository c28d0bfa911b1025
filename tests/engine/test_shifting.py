"""Strategies that shift requests, by the real engine: what they add, drift of the weights, what is refused."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from careapp.settings.names import RULE_PRIORITY, TEST_RULE_PRIORITY
from tests.support.local_stack import LocalStack, local_stack
from tests.support.steps import Story

DRIFT = ("preview", "--refresh", "--expect-no-changes", "--diff")


def groups(stack: LocalStack) -> list[dict[str, Any]]:
    rule = stack.rules()[str(RULE_PRIORITY)]
    found: list[dict[str, Any]] = rule["Actions"][0]["ForwardConfig"]["TargetGroups"]
    return found


def weights(stack: LocalStack) -> list[int] | None:
    """Return the weights of the rule to the tasks; None in stage 1."""
    try:
        return [group["Weight"] for group in groups(stack)]
    except LookupError:
        return None


def shift(stack: LocalStack) -> None:
    """Give the second target group all requests, as ECS does in a deployment."""
    first, second = (group["TargetGroupArn"] for group in groups(stack))
    both = [{"TargetGroupArn": first, "Weight": 0}, {"TargetGroupArn": second, "Weight": 100}]
    action = {"Type": "forward", "ForwardConfig": {"TargetGroups": both}}
    rule = {"RuleArn": stack.rules()[str(RULE_PRIORITY)]["RuleArn"]}
    stack.calls("elbv2", "modify_rule", {**rule, "Actions": [action]})


def drawn_value(stack: LocalStack) -> str:
    """Return what a request to the test rule has to name."""
    [condition] = stack.rules()[str(TEST_RULE_PRIORITY)]["Conditions"]
    [value] = condition["HttpHeaderConfig"]["Values"]
    return str(value)


@dataclass
class Shifting(Story):
    """What each step did, and the weights after it."""

    values: list[str] = field(default_factory=list)
    exported: str = ""


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shifting]:
    with local_stack(tmp_path_factory.mktemp("shifting")) as stack:
        story = Shifting(stack, weights)
        story.up("rolling", ecsEnabled="true", protect="false", rolloutTimeoutMinutes="20")
        story.refuse("canary while it runs", deployStrategy="canary")
        story.up("stage 1 with canary", ecsEnabled="false")
        story.up("canary", ecsEnabled="true")
        story.values.append(drawn_value(stack))
        story.exported = stack.pulumi.run("stack", "export", "--stack", stack.name)
        shift(stack)
        story.up("after a deployment")
        stack.pulumi.run(*DRIFT, "--stack", stack.name)
        story.up("linear", deployStrategy="linear", bakeMinutes="1")
        story.values.append(drawn_value(stack))
        story.refuse("rolling while it runs", deployStrategy="rolling")
        story.refuse(
            "https", deployStrategy="linear", domainName="a.example.com", hostedZoneId="Z1"
        )
        story.up("back to stage 1", domainName="", hostedZoneId="", ecsEnabled="false")
        stack.destroy()
        yield story


def test_each_step_does_what_is_recorded(story: Shifting) -> None:
    """In stage 1 a strategy adds a target group, in stage 2 a rule and a role; another one changes in place."""
    story.check("shifting")


def test_the_test_rule_s_value_is_drawn_once_and_encrypted_in_the_state(story: Shifting) -> None:
    first, later = story.values
    assert first == later
    assert len(first) == 64
    assert "ListenerRule::careapp-poc-test" in story.exported
    assert first not in story.exported


def test_updates_and_the_drift_check_leave_the_weights_to_ecs(story: Shifting) -> None:
    assert story.seen["canary"] == [100, 0]
    assert story.seen["after a deployment"] == [0, 100]
    assert story.seen["linear"] == [0, 100]


@pytest.mark.parametrize(
    ("step", "says"),
    [
        ("canary while it runs", "deployStrategy: canary is refused while the service runs with"),
        ("rolling while it runs", "deployStrategy: rolling is refused while the service runs with"),
        ("https", "HTTPS cannot be turned on or off while a service with deployStrategy linear"),
    ],
)
def test_what_would_lead_requests_to_no_task_is_refused_before_anything_is_made(
    story: Shifting, step: str, says: str
) -> None:
    said = " ".join(story.refused[step].split())
    assert says in said
    assert "Nothing was changed." in said
    assert "pulumi config set ecsEnabled false" in said
