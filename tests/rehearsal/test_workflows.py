"""Every step of every workflow, run as GitHub would: by bash, with the variables of the template.

What is the runner's own is stood in for: the files of a step, Docker, the command gh. Roles are
not taken: the local cloud does not ask who calls (tests/engine/test_delivery_rights.py does).
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field

import pytest

from rehearsal.paths import ROOT
from tests.rehearsal.conftest import Careapp
from tests.support.delivery import Delivery, iam
from tests.support.iam_policies import Call, allowed
from tests.support.workflows import steps

BOTH = [Delivery.of("poc"), Delivery.of("prod")]
BOUND = "careapp:permissionsBoundary: {}"
SET_UP = """
from tests.support.delivery import Delivery, deploy_to
from rehearsal.calls import Calls
import os
calls = Calls(os.environ["AWS_ENDPOINT_URL"], "ap-northeast-1")
for stack in ("poc", "prod"):
    deploy_to(calls, Delivery.of(stack))
"""
COMMAND = """#!/bin/sh
printf '%s\\n' "$@" > "$0.words"
[ -t 0 ] || cat > "$0.given"
"""
"""A program of the runner's: it keeps its words and what it is given."""
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


@dataclass
class Ran:
    """How a step ended, and what it left for GitHub."""

    code: int
    said: str
    summary: str
    outputs: dict[str, str]


@dataclass
class Runner:
    """A runner of GitHub's: each job begins with the stack files as they are committed."""

    careapp: Careapp
    folder: object
    variables: dict[str, str] = field(default_factory=dict)
    committed: dict[str, str] = field(default_factory=dict)
    needs: dict[str, str] = field(default_factory=dict)
    ran: set[tuple[str, str, str]] = field(default_factory=set)

    def job(self, workflow: str, name: str, *, fails: str = "") -> dict[str, Ran]:
        """Run a job's steps in their order; after one that fails only those `if: failure()`."""
        for file, text in self.committed.items():
            (self.careapp.home.project / file).write_text(text)
        done: dict[str, Ran] = {}
        for step in (each for each in steps() if each.key[:2] == (workflow, name)):
            failed = any(each.code for each in done.values())
            if failed != (step.name == "Why it failed"):
                continue
            done[step.name] = self.step(step)
        assert [each for each, ran in done.items() if ran.code] == ([fails] if fails else []), (
            "\n".join(ran.said for ran in done.values())
        )
        return done

    def step(self, step) -> Ran:
        context = {f"vars.{key}": value for key, value in self.variables.items()}
        context |= {"github.token": "the-jobs-token", "github.repository": "octo-org/careapp"}
        context |= {"github.event.pull_request.number": "7", **self.needs}
        environment = {**step.resolved(context), **self.github()}
        words = [f"{key}={value}" for key, value in environment.items()]
        script = self.folder / "script.sh"
        script.write_text(step.script)
        # The local cloud's shell has a state of its own; a job has the bucket's.
        prepend = ("bash", "-c", 'PATH="$0:$PATH" exec "$@"', str(self.folder / "bin"))
        bash = ("bash", "--noprofile", "--norc", "-eo", "pipefail", str(script))
        done = self.careapp.shell(
            "env", "-u", "PULUMI_CONFIG_PASSPHRASE_FILE", *words, *prepend, *bash
        )
        self.ran.add(step.key)
        return Ran(done.returncode, done.stdout + done.stderr, self.read("summary"), self.outputs())

    def github(self) -> dict[str, str]:
        for name in ("summary", "output"):
            (self.folder / name).write_text("")
        return {
            "GITHUB_STEP_SUMMARY": str(self.folder / "summary"),
            "GITHUB_OUTPUT": str(self.folder / "output"),
            # As aws-actions/configure-aws-credentials sets it.
            "AWS_DEFAULT_REGION": "ap-northeast-1",
        }

    def read(self, name: str) -> str:
        return (self.folder / name).read_text()

    def outputs(self) -> dict[str, str]:
        """As GitHub reads them: NAME<<END, the lines, END."""
        found = re.findall(r"^(\w+)<<(\w+)\n(.*?)\n\2$", self.read("output"), re.M | re.S)
        return {name: text for name, _, text in found}

    def on_path(self, name: str) -> None:
        program = self.folder / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(COMMAND)
        program.chmod(0o755)

    def told(self, name: str) -> tuple[list[str], str]:
        """The words of the last call of a program, and what it was given."""
        program = self.folder / "bin" / name
        given = program.with_suffix(".given")
        words = program.with_suffix(".words").read_text().splitlines()
        return words, given.read_text() if given.exists() else ""

    def set_up(self) -> None:
        """What a person does once, by docs/delivery.md."""
        done = self.careapp.shell("python", "-c", SET_UP)
        assert done.returncode == 0, done.stdout + done.stderr
        endpoint = self.careapp.facts()["endpoint"]
        for delivery in BOTH:
            stack, bound = delivery.stack, BOUND.format(delivery.outputs["BoundaryName"])
            self.variables |= delivery.variables
            state = f"CAREAPP_{stack.upper()}_STATE"
            self.variables[state] += f"&endpoint={endpoint}&s3ForcePathStyle=true"
            text = (ROOT / f"Pulumi.{stack}.yaml").read_text()
            self.committed[f"Pulumi.{stack}.yaml"] = f"{text}  {bound}\n"
        for program in ("docker", "gh"):
            self.on_path(program)

    def commit(self, old: str, new: str) -> None:
        """Change poc's file, as a commit would."""
        text = self.committed["Pulumi.poc.yaml"]
        assert text.count(old) == 1
        self.committed["Pulumi.poc.yaml"] = text.replace(old, new)


@pytest.fixture(scope="module")
def story(tmp_path_factory):
    """The whole life of a delivery; each step's end is kept by what was going on."""
    folder = tmp_path_factory.mktemp("workflows")
    careapp = Careapp(folder)
    runner = Runner(careapp, folder)
    told: dict[str, dict[str, Ran]] = {}
    try:
        runner.set_up()
        told["preview of nothing"] = runner.job("preview", "preview")
        told["drift of nothing"] = runner.job("drift", "prod")
        told["stage 1"] = runner.job("deploy", "poc")
        runner.commit('careapp:ecsEnabled: "false"', 'careapp:ecsEnabled: "true"')
        told["preview of stage 2"] = runner.job("preview", "preview")
        comment(runner, told["preview of stage 2"], told, "first comment")
        told["stage 2"] = runner.job("deploy", "poc")
        told["preview of no change"] = runner.job("preview", "preview")
        comment(runner, told["preview of no change"], told, "second comment")
        told["no drift"] = runner.job("drift", "poc")
        assert careapp.shell("python", "-c", SPOIL).returncode == 0
        told["drift"] = runner.job("drift", "poc", fails="Compare")
        # A new revision, too: the target of a running one takes its time to turn unhealthy.
        bound = BOUND.format("careapp-delivery-poc-boundary")
        runner.commit(
            bound, f"{bound}\n  careapp:healthPath: /nowhere\n  careapp:taskMemory: '1024'"
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


def comment(runner, previewed, told, name):
    runner.needs = {"needs.preview.outputs.text": previewed["Preview"].outputs["text"]}
    told[name] = runner.job("preview", "comment")


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
    runner, told, _ = story
    assert "not deployed yet" in told["preview of nothing"]["Preview"].summary
    first = told["preview of stage 2"]["Preview"]
    assert first.summary.startswith("### Preview of poc: + 32 to create\n")
    assert first.outputs["text"] == first.summary.rstrip("\n")
    assert "aws:ecs/service:Service" in first.summary
    words, _ = runner.told("gh")
    assert words[:5] == ["pr", "comment", "7", "--edit-last", "--create-if-none"]
    assert words[5:7] == ["--body", "### Preview of poc: no changes"]


def test_docker_is_logged_in_to_the_accounts_registry_by_standard_input(story):
    runner, _, _ = story
    words, given = runner.told("docker")
    assert words[:4] == ["login", "--username", "AWS", "--password-stdin"]
    assert words[4].startswith("123456789012.dkr.ecr.ap-northeast-1.")
    assert given not in ("", *words)


def test_drift_is_red_with_what_drifted_and_green_otherwise(story):
    _, told, _ = story
    assert "prod is not deployed" in told["drift of nothing"]["Compare"].summary
    assert told["no drift"]["Compare"].summary == "### poc: no drift\n"
    drifted = told["drift"]["Compare"]
    assert drifted.summary.startswith("### poc has drifted\n")
    assert "careapp-poc-database-cpu" in drifted.summary
    assert "poc is not deployed" in told["drift of what is destroyed"]["Compare"].summary


def test_a_failed_roll_out_is_red_with_the_doctors_first_finding(story):
    _, told, _ = story
    failed = told["failed roll-out"]
    assert failed["Deploy"].code != 0
    assert "/nowhere" in failed["Why it failed"].summary
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


CI = [step for step in steps() if step.workflow == "ci"]
"""Calls of `./careapp test` and `rehearse`, which run as they are: tests/tooling/test_workflows.py."""


def test_no_step_is_left_out(story):
    runner, _, _ = story
    assert runner.ran | {step.key for step in CI} == {step.key for step in steps()}
