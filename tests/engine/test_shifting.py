"""Strategies that shift requests, by the real engine: what they add, drift of the weights, what is refused."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from local_cloud.engine.pulumi import Changes, PulumiFailed
from stack.names import RULE_PRIORITY, TEST_RULE_PRIORITY
from tests.support import steps
from tests.support.local_stack import LocalStack, local_stack

DRIFT = ("preview", "--refresh", "--expect-no-changes", "--diff")


@dataclass
class Story:
    """What each step did, or was refused with, by its name; and the weights after it."""

    stack: LocalStack
    did: dict[str, Changes] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    weights: dict[str, list[int]] = field(default_factory=dict)
    values: list[str] = field(default_factory=list)
    exported: str = ""

    def up(self, name: str, **config: str) -> None:
        try:
            self.did[name] = self.stack.up(**config)
        except PulumiFailed as failed:
            self.refused[name] = failed.output
        with contextlib.suppress(LookupError):
            self.weights[name] = [each["Weight"] for each in self.groups()]

    def rule(self) -> dict[str, Any]:
        return self.stack.rules()[str(RULE_PRIORITY)]

    def groups(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.rule()["Actions"][0]["ForwardConfig"]["TargetGroups"]
        return found

    def shift(self) -> None:
        """Give the second target group all requests, as ECS does in a deployment."""
        first, second = (each["TargetGroupArn"] for each in self.groups())
        groups = [{"TargetGroupArn": first, "Weight": 0}, {"TargetGroupArn": second, "Weight": 100}]
        action = {"Type": "forward", "ForwardConfig": {"TargetGroups": groups}}
        rule = {"RuleArn": self.rule()["RuleArn"]}
        self.stack.calls("elbv2", "modify_rule", {**rule, "Actions": [action]})

    def test_value(self) -> str:
        """Return what a request to the test rule has to name."""
        [condition] = self.stack.rules()[str(TEST_RULE_PRIORITY)]["Conditions"]
        [value] = condition["HttpHeaderConfig"]["Values"]
        return str(value)

    def drift(self) -> str:
        return self.stack.pulumi.run(*DRIFT, "--stack", self.stack.name)


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    with local_stack(tmp_path_factory.mktemp("shifting")) as stack:
        story = Story(stack)
        story.up("rolling", ecsEnabled="true", protect="false", rolloutTimeoutMinutes="20")
        story.up("canary while it runs", deployStrategy="canary")
        story.up("stage 1 with canary", ecsEnabled="false")
        story.up("canary", ecsEnabled="true")
        story.values.append(story.test_value())
        story.exported = stack.pulumi.run("stack", "export", "--stack", stack.name)
        story.shift()
        story.up("after a deployment")
        story.drift()
        story.up("linear", deployStrategy="linear", bakeMinutes="1")
        story.values.append(story.test_value())
        story.up("rolling while it runs", deployStrategy="rolling")
        story.up("https", deployStrategy="linear", domainName="a.example.com", hostedZoneId="Z1")
        story.up("back to stage 1", domainName="", hostedZoneId="", ecsEnabled="false")
        stack.destroy()
        yield story


def test_each_step_does_what_is_recorded(story: Story) -> None:
    """In stage 1 a strategy adds a target group, in stage 2 a rule and a role; another one changes in place."""
    steps.check("shifting", story.did)


def test_the_test_rule_s_value_is_drawn_once_and_encrypted_in_the_state(story: Story) -> None:
    first, later = story.values
    assert first == later
    assert len(first) == 64
    assert "ListenerRule::careapp-poc-test" in story.exported
    assert first not in story.exported


def test_updates_and_the_drift_check_leave_the_weights_to_ecs(story: Story) -> None:
    assert story.did["after a deployment"].steps == ()
    assert story.weights["canary"] == [100, 0]
    assert story.weights["after a deployment"] == [0, 100]
    assert story.weights["linear"] == [0, 100]


@pytest.mark.parametrize(
    ("step", "says"),
    [
        ("canary while it runs", "deployStrategy: canary is refused while the service runs with"),
        ("rolling while it runs", "deployStrategy: rolling is refused while the service runs with"),
        ("https", "HTTPS cannot be turned on or off while a service with deployStrategy linear"),
    ],
)
def test_what_would_lead_requests_to_no_task_is_refused_before_anything_is_made(
    story: Story, step: str, says: str
) -> None:
    said = " ".join(story.refused[step].split())
    assert says in said
    assert "Nothing was changed." in said
    assert "pulumi config set ecsEnabled false" in said
