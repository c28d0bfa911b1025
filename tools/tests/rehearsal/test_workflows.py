"""Every step of every workflow, run as GitHub would.

Roles are not taken: the local cloud does not ask who calls (tests/engine/test_delivery_rights.py does).
"""

from __future__ import annotations

import json
import re

import pytest

from tests.support.delivery import Delivery, iam
from tests.support.iam_policies import Call, allowed
from tests.support.workflows import BOUND, Ran, Runner, steps
from tools.tests.rehearsal.conftest import Careapp

BOTH = [Delivery.of("poc"), Delivery.of("prod")]
SET_UP = """
from tests.support.delivery import Delivery, deploy_to
from tools.local_cloud.calls import Calls
import os
calls = Calls(os.environ["AWS_ENDPOINT_URL"], "ap-northeast-1")
for stack in ("poc", "prod"):
    deploy_to(calls, Delivery.of(stack))
"""
SPOIL = """
import boto3
boto3.client("cloudwatch").delete_alarms(AlarmNames=["careapp-poc-database-cpu"])
"""
HELD = """
import boto3, json
iam = boto3.client("iam")
state = "careapp-state-{}-123456789012-ap-northeast-1"
objects = {
    stack: [each["Key"] for each in boto3.client("s3").list_objects_v2(Bucket=state.format(stack))["Contents"]]
    for stack in ("poc", "prod")
}
names = [role["RoleName"] for role in iam.list_roles()["Roles"]]
roles = {name: iam.get_role(RoleName=name)["Role"].get("PermissionsBoundary") for name in names}
print(json.dumps({"keys": objects, "roles": roles}))
"""


@pytest.fixture(scope="module")
def story(tmp_path_factory):
    """The whole life of a delivery; each step's end is kept by what was going on."""
    folder = tmp_path_factory.mktemp("workflows")
    careapp = Careapp(folder)
    runner = Runner(careapp.shell, careapp.home.project, folder)
    told: dict[str, dict[str, Ran]] = {}
    try:
        set_up(runner, careapp)
        told["preview of nothing"] = runner.job("preview", "preview")
        told["drift of nothing"] = runner.job("drift", "prod")
        told["stage 1"] = runner.job("deploy", "poc")
        runner.commit('ecsEnabled: "false"', 'ecsEnabled: "true"')
        told["preview of stage 2"] = runner.job("preview", "preview")
        comment(runner, told["preview of stage 2"], told, "first comment")
        told["stage 2"] = runner.job("deploy", "poc")
        comment(runner, told["preview of stage 2"], told, "second comment")
        assert careapp.shell("python", "-c", SPOIL).returncode == 0
        told["drift"] = runner.job("drift", "poc", fails="Compare")
        # A new revision, too: the target of a running one takes its time to turn unhealthy.
        bound = BOUND.format("careapp-delivery-poc-boundary")
        runner.commit(
            bound, f"{bound}\n  appVariables: {{DB_SSLMODE: nowhere}}\n  taskMemory: '1024'"
        )
        told["failed roll-out"] = runner.job("deploy", "poc", fails="Deploy")
        told["prod"] = runner.job("deploy", "prod")
        runner.step(next(each for each in steps() if each.key[1:] == ("prod", "Why it failed")))
        held = careapp.shell("python", "-c", HELD)
        told["destroy"] = runner.job("destroy", "poc")
        told["drift of what is destroyed"] = runner.job("drift", "poc")
        yield runner, told, json.loads(held.stdout.splitlines()[-1])
    finally:
        careapp.run("cloud", "stop")


def set_up(runner, careapp):
    """What a person does once, by docs/delivery.md."""
    done = careapp.shell("python", "-c", SET_UP)
    assert done.returncode == 0, done.stdout + done.stderr
    runner.set_up(*BOTH, endpoint=careapp.facts()["endpoint"])


def comment(runner, previewed, told, name):
    """Comment by comment.yml; there is a comment already unless it is the first one."""
    text = previewed["Preview"].outputs["text"]
    runner.needs = {"inputs.number": "7", "inputs.topic": "preview", "inputs.text": text}
    runner.on_path("gh", "" if name == "first comment" else "id=123\n")
    told[name] = runner.job("comment", "comment")
    told[name]["words"] = runner.told("gh")[0]


def test_a_push_deploys_both_stages_and_the_second_only_adds(story):
    _, told, _ = story
    created = count("created", told["stage 1"]["Deploy"])
    assert created > 50
    second = told["stage 2"]["Deploy"]
    assert (count("created", second), count("unchanged", second)) == (32, created)
    assert re.search(r"\d (updated|deleted|replaced)", second.said) is None


def count(what, ran):
    """How many resources the engine's summary, the last it says, counts."""
    return int(re.findall(rf"(\d+) {what}$", ran.said, re.MULTILINE)[-1])


def test_a_preview_is_one_comment_that_is_rewritten(story):
    _, told, _ = story
    assert "not deployed yet" in told["preview of nothing"]["Preview"].summary
    first = told["preview of stage 2"]["Preview"]
    assert first.summary.startswith("### Preview of poc: + 32 to create\n")
    assert first.outputs["text"] == first.summary.rstrip("\n")
    assert "aws:ecs/service:Service" in first.summary
    mark = "<!-- careapp preview -->"
    assert [*told["first comment"]][:2] == ["Find", "Write"]
    words = told["first comment"]["words"]
    assert words[:6] == ["pr", "comment", "7", "--body", mark, "### Preview of poc: + 32 to create"]
    assert [*told["second comment"]][:2] == ["Find", "Rewrite"]
    words = told["second comment"]["words"]
    assert words[:4] == ["api", "--method", "PATCH", "repos/octo-org/careapp/issues/comments/123"]
    assert words[4:7] == [*("--raw-field", f"body={mark}", "### Preview of poc: + 32 to create")]


def test_docker_is_logged_in_to_the_accounts_registry_by_standard_input(story):
    runner, _, _ = story
    words, given = runner.told("docker")
    assert words[:4] == ["login", "--username", "AWS", "--password-stdin"]
    assert words[4].startswith("123456789012.dkr.ecr.ap-northeast-1.")
    assert given not in ("", *words)


def test_drift_is_red_with_what_drifted_and_green_without_a_stack(story):
    """Of a stack as it was deployed: tests/engine/test_delivery_looks.py."""
    _, told, _ = story
    assert "prod is not deployed" in told["drift of nothing"]["Compare"].summary
    drifted = told["drift"]["Compare"]
    assert drifted.summary.startswith("### poc has drifted\n")
    assert "careapp-poc-database-cpu" in drifted.summary
    assert "poc is not deployed" in told["drift of what is destroyed"]["Compare"].summary


def test_a_failed_roll_out_is_red_with_the_doctors_first_finding(story):
    _, told, _ = story
    failed = told["failed roll-out"]
    assert failed["Deploy"].code != 0
    assert "nowhere" in failed["Why it failed"].summary
    assert "1. [cause]" in failed["Why it failed"].summary
    assert failed["Why it failed"].summary.count("[cause]") == 1


def test_every_role_of_the_stacks_is_bounded(story):
    _, _, held = story
    stacks = {
        name: bound
        for name, bound in held["roles"].items()
        if name.startswith("careapp-") and "-delivery-" not in name
    }
    assert len([name for name in stacks if name.startswith("careapp-poc-")]) == 2
    assert len([name for name in stacks if name.startswith("careapp-prod-")]) == 2
    bounds = {name: bound["PermissionsBoundaryArn"] for name, bound in stacks.items()}
    for name, bound in bounds.items():
        assert bound == iam(f"policy/careapp-delivery-{name.split('-')[1]}-boundary")


@pytest.mark.parametrize("delivery", BOTH, ids=lambda delivery: delivery.stack)
def test_what_pulumi_writes_is_what_the_stacks_role_may_write(story, delivery):
    _, _, held = story
    written = held["keys"][delivery.stack]
    assert len(written) > 3
    for each in written:
        call = Call("s3:PutObject", f"arn:aws:s3:::{delivery.bucket}/{each}")
        assert allowed(delivery.deploy, call), each
    other = "prod" if delivery.stack == "poc" else "poc"
    assert [each for each in written if f"/{other}" in each] == []


def test_nothing_is_left_after_a_destroy(story):
    _, told, _ = story
    created = [count("created", told[stage]["Deploy"]) for stage in ("stage 1", "stage 2")]
    assert count("deleted", told["destroy"]["Destroy"]) == sum(created)


ELSEWHERE = [step for step in steps() if step.workflow == "ci"]
"""CI's are calls of `./careapp test` and `rehearse`, which run as they are: tests/tooling/test_workflows.py."""


def test_no_step_is_left_out(story):
    runner, _, _ = story
    assert runner.ran | {step.key for step in ELSEWHERE} == {step.key for step in steps()}
