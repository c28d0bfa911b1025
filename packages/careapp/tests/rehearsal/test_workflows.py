"""Every step of every workflow, run as GitHub would.

Roles are not taken: the local cloud does not ask who calls (tests/engine/test_delivery_rights.py does).
"""

import re
from typing import Any

import pytest

from tests.rehearsal.conftest import Careapp
from tests.support.delivery import Delivery
from tests.support.workflows import BOUND, Runner, steps

BOTH = [Delivery.of("poc"), Delivery.of("prod")]
SET_UP = """
from tests.support.delivery import Delivery, deploy_to
from local_cloud.access import Access
from local_cloud.calls import Calls
import os
key = ("AWS_ENDPOINT_URL", "AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
calls = Calls(Access(*map(os.environ.get, key)))
for stack in ("poc", "prod"):
    deploy_to(calls, Delivery.of(stack))
"""
SPOIL = """
import boto3
boto3.client("cloudwatch").delete_alarms(AlarmNames=["careapp-poc-database-cpu"])
"""


class Told(dict[str, Any]):
    """What each job of the story has said. One that ends otherwise than it must is red where it is read."""

    def __init__(self, runner: Runner) -> None:
        self.runner = runner

    def job(self, name: str, workflow: str, job: str, fails: str = "") -> None:
        try:
            self[name] = self.runner.job(workflow, job, fails=fails)
        except AssertionError as problem:
            self[name] = problem

    def __getitem__(self, name: str) -> Any:
        found = super().__getitem__(name)
        if isinstance(found, AssertionError):
            raise found
        return found


@pytest.fixture(scope="module")
def story(tmp_path_factory):
    """The whole life of a delivery, and what was said in it."""
    folder = tmp_path_factory.mktemp("workflows")
    careapp = Careapp(folder)
    runner = Runner(careapp.shell, careapp.home.project, folder)
    told = Told(runner)
    try:
        set_up(runner, careapp)
        told.job("preview of nothing", "preview", "preview")
        told.job("drift of nothing", "drift", "prod")
        runner.commit('ecsEnabled: "false"', 'ecsEnabled: "true"')
        told.job("deploy", "deploy", "poc")
        careapp.python(SPOIL)
        told.job("drift", "drift", "poc", fails="Compare")
        # A new revision, too: the target of a running one takes its time to turn unhealthy.
        bound = BOUND.format("careapp-delivery-poc-boundary")
        broken = "appVariables: {DB_SSLMODE: nowhere}"
        runner.commit(bound, f"{bound}\n  {broken}\n  taskMemory: '1024'")
        told.job("preview", "preview", "preview")
        comment(runner, told, "first comment")
        comment(runner, told, "second comment")
        told.job("failed roll-out", "deploy", "poc", fails="Deploy")
        told.job("prod", "deploy", "prod")
        runner.step(next(step for step in steps() if step.key[1:] == ("prod", "Why it failed")))
        told.job("destroy", "destroy", "poc")
        told.job("drift of what is destroyed", "drift", "poc")
        yield runner, told
    finally:
        careapp.run("cloud", "stop")


def set_up(runner, careapp):
    """What a person does once, by docs/delivery.md."""
    careapp.python(SET_UP)
    runner.set_up(*BOTH, endpoint=careapp.facts()["endpoint"])


def comment(runner, told, name):
    """Comment by comment.yml; there is a comment already unless it is the first one."""
    text = told["preview"]["Preview"].outputs["text"]
    runner.needs = {"inputs.number": "7", "inputs.topic": "preview", "inputs.text": text}
    runner.on_path("gh", "" if name == "first comment" else "id=123\n")
    told.job(name, "comment", "comment")
    told[name]["words"] = runner.told("gh")[0]


def test_push_deploys_both_stages(story):
    """In one update; that stage 2 only adds: test_rehearse.py."""
    _, told = story
    deployed = told["deploy"]["Deploy"]
    assert count("created", deployed) > 80
    assert re.search(r"\d (updated|deleted|replaced)", deployed.said) is None


def count(what, ran):
    """How many resources the engine's summary, the last it says, counts."""
    return int(re.findall(rf"(\d+) {what}$", ran.said, re.MULTILINE)[-1])


def test_preview_is_one_comment_that_is_rewritten(story):
    _, told = story
    assert "not deployed yet" in told["preview of nothing"]["Preview"].summary
    preview = told["preview"]["Preview"]
    head, *_ = preview.summary.splitlines()
    assert re.fullmatch(r"### Preview of poc: .*\+- 1 to replace.*", head)
    assert preview.outputs["text"] == preview.summary.rstrip("\n")
    assert "aws:ecs/taskDefinition:TaskDefinition" in preview.summary
    mark, first, second = "<!-- careapp preview -->", told["first comment"], told["second comment"]
    assert ([*first][:2], [*second][:2]) == (["Find", "Write"], ["Find", "Rewrite"])
    assert first["words"][:6] == ["pr", "comment", "7", "--body", mark, head]
    patch = ["api", "--method", "PATCH", "repos/octo-org/careapp/issues/comments/123"]
    assert second["words"][:7] == [*patch, "--raw-field", f"body={mark}", head]


def test_drift_is_red_with_what_drifted_and_green_without_a_stack(story):
    """Of a stack as it was deployed: tests/engine/test_delivery_looks.py."""
    _, told = story
    assert "prod is not deployed" in told["drift of nothing"]["Compare"].summary
    drifted = told["drift"]["Compare"]
    assert drifted.summary.startswith("### poc has drifted\n")
    assert "careapp-poc-database-cpu" in drifted.summary
    assert "poc is not deployed" in told["drift of what is destroyed"]["Compare"].summary


def test_a_failed_roll_out_is_red_with_the_doctors_first_finding(story):
    _, told = story
    failed = told["failed roll-out"]
    assert failed["Deploy"].code != 0
    assert "The app refuses a setting: DB_SSLMODE" in failed["Why it failed"].summary
    assert "1. [cause]" in failed["Why it failed"].summary
    assert failed["Why it failed"].summary.count("[cause]") == 1


def test_nothing_is_left_after_a_destroy(story):
    _, told = story
    created = count("created", told["deploy"]["Deploy"])
    assert count("deleted", told["destroy"]["Destroy"]) == created


OTHERS = ("ci", "mistakes", "project", "release")
ELSEWHERE = [step for step in steps() if step.workflow in OTHERS]
"""They run tests, a rehearsal and the build of what is released: tests/tooling/ has what is to be said of them."""


def test_no_step_is_left_out(story):
    runner, _ = story
    assert runner.ran | {step.key for step in ELSEWHERE} == {step.key for step in steps()}
