"""The engine checks the policy pack before it makes anything."""

from __future__ import annotations

import re

import pytest

from tests.support.local_stack import local_stack
from tools.local_cloud.engine.pulumi import PulumiFailed

EDITS = (
    ("infra/database.py", "publicly_accessible=False", "publicly_accessible=True"),
    ("infra/registry.py", "aws.ecr.LifecyclePolicy(", "(lambda *_, **__: None)("),
)
UP = ("up", "--yes", "--stack", "poc", "--policy-pack", "policy")


class Story:
    """An `up` of a program that violates two controls, then a preview of the program as it is.

    That one violates ECS.2 by a setting that leaves it out, and RDS.5, which `poc` leaves out.
    """

    def __init__(self, stack):
        for edit in EDITS:
            stack.edit(*edit)
        with pytest.raises(PulumiFailed) as failed:
            stack.pulumi.run(*UP)
        self.said = failed.value.output
        self.made = stack.calls("ec2", "describe_vpcs", {})["Vpcs"]
        self.held = stack.resources()
        for file, old, new in EDITS:
            stack.edit(file, new, old)
        stack.pulumi.run("config", "set", "ecsEnabled", "true", "--stack", "poc")
        stack.pulumi.run("config", "set", "natStrategy", "none", "--stack", "poc")
        self.fine = stack.pulumi.run("preview", "--stack", "poc", "--policy-pack", "policy")


@pytest.fixture(scope="module")
def story(tmp_path_factory):
    with local_stack(tmp_path_factory.mktemp("pack")) as stack:
        yield Story(stack)


def violations(said):
    return re.findall(r"\[mandatory\]  (\S+)  \(\S+: (\S+)\)", said)


def test_a_violation_of_one_resource_and_one_of_two_end_the_up(story):
    assert violations(story.said) == [
        ("ECR.3", "careapp-poc-app"),
        ("RDS.2", "careapp-poc-database"),
    ]


def test_nothing_is_made_then(story):
    assert [one for one in story.made if not one["IsDefault"]] == []
    assert story.held == []


def test_a_violation_says_the_way_out(story):
    assert "leave it out for this stack in policy/left_out.yaml, with the reason" in story.said


def test_what_the_stack_or_a_setting_leaves_out_is_no_violation(story):
    assert "RDS.5" not in story.said
    assert "✅ careapp@v1.0.0" in story.fine
