"""Every step of every workflow, run as GitHub would: by bash, with the variables that `setup` prints.

What is GitHub's own is stood in for: the files of a step, the event, the API of comments. Roles
are not taken: the local cloud does not ask who calls (tests/engine/test_delivery_rights.py does).
"""

from __future__ import annotations

import http.server
import json
import os
import re
import shlex
import subprocess
import threading
from dataclasses import dataclass, field
from typing import ClassVar

import pytest

from ops.delivery import deploying
from ops.delivery.names import Account
from rehearsal.paths import ROOT
from tests.rehearsal.conftest import Careapp
from tests.support.iam_policies import Call, allowed
from tests.support.workflows import steps
from tests.tiers import docker_missing

REPOSITORY = "octo-org/careapp"
ACCOUNT = Account(number="123456789012", region="ap-northeast-1")
BOUND = "careapp:permissionsBoundary: careapp-delivery-boundary"
QUICK = (
    *("test_imports", "test_locks", "test_texts", "test_what_a_task_must_be_told", "test_shapes"),
    *("test_target_state", "test_every_policy_fits", "test_the_table_in_the_docs", "test_hadolint"),
)
"""A quick test of each tier: the steps that run all tests are run, and not the tests again."""
SPOIL = """
import boto3
boto3.client("cloudwatch").delete_alarms(AlarmNames=["careapp-poc-database-cpu"])
"""
HELD = """
import boto3, json
iam = boto3.client("iam")
bucket = boto3.client("s3").list_objects_v2(Bucket="careapp-state-123456789012-ap-northeast-1")
names = [role["RoleName"] for role in iam.list_roles()["Roles"]]
roles = {name: iam.get_role(RoleName=name)["Role"].get("PermissionsBoundary") for name in names}
print(json.dumps({"keys": [each["Key"] for each in bucket["Contents"]], "roles": roles}))
"""


class Comments(http.server.BaseHTTPRequestHandler):
    """GitHub's comments of one pull request."""

    held: ClassVar[list[dict]] = []
    refused: ClassVar[list[str]] = []

    def do_GET(self):
        self.answer(self.held if self.path.endswith("page=1") else [])

    def do_POST(self):
        made = {"id": len(self.held) + 1, "user": {"login": "github-actions[bot]"}, "html_url": "u"}
        self.held.append({**made, **self.body()})
        self.answer(self.held[-1])

    def do_PATCH(self):
        [found] = [each for each in self.held if self.path.endswith(f"/comments/{each['id']}")]
        found.update(self.body())
        self.answer(found)

    def body(self):
        return json.loads(self.rfile.read(int(self.headers["Content-Length"])))

    def answer(self, content):
        good = self.path.startswith(f"/repos/{REPOSITORY}/issues/") and (
            self.headers["Authorization"] == "Bearer the-jobs-token"
        )
        if not good:
            self.refused.append(self.path)
        self.send_response(200 if good else 403)
        self.end_headers()
        self.wfile.write(json.dumps(content).encode())

    def log_message(self, *_):
        """Nothing on the screen."""


@pytest.fixture(scope="module")
def api():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Comments)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


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
    api: str
    variables: dict[str, str] = field(default_factory=dict)
    committed: dict[str, str] = field(default_factory=dict)
    needs: dict[str, str] = field(default_factory=dict)
    ran: set[tuple[str, str, str]] = field(default_factory=set)

    def job(self, workflow: str, name: str, *, fails: str = "", matrix: str = "") -> dict[str, Ran]:
        """Run a job's steps in their order; after one that fails only those `if: failure()`."""
        for file, text in self.committed.items():
            (self.careapp.home.project / file).write_text(text)
        done: dict[str, Ran] = {}
        for step in (each for each in steps() if each.key[:2] == (workflow, name)):
            failed = any(each.code for each in done.values())
            if failed != (step.name == "Why it failed"):
                continue
            done[step.name] = self.step(step, matrix)
        assert [each for each, ran in done.items() if ran.code] == ([fails] if fails else []), (
            "\n".join(ran.said for ran in done.values())
        )
        return done

    def step(self, step, matrix: str) -> Ran:
        context = {f"vars.{key}": value for key, value in self.variables.items()}
        context |= {"matrix.stack": matrix, "github.token": "the-jobs-token", **self.needs}
        environment = {**step.resolved(context), **self.github()}
        words = [f"{key}={value}" for key, value in environment.items()]
        script = self.folder / "script.sh"
        script.write_text(step.script)
        # The local cloud's shell has a state of its own; a job has the bucket's.
        bash = ("bash", "--noprofile", "--norc", "-eo", "pipefail", str(script))
        done = self.careapp.shell("env", "-u", "PULUMI_CONFIG_PASSPHRASE_FILE", *words, *bash)
        self.ran.add(step.key)
        return Ran(done.returncode, done.stdout + done.stderr, self.read("summary"), self.outputs())

    def github(self) -> dict[str, str]:
        for name in ("summary", "output"):
            (self.folder / name).write_text("")
        event = self.folder / "event.json"
        event.write_text(json.dumps({"pull_request": {"number": 7}}))
        return {
            "GITHUB_STEP_SUMMARY": str(self.folder / "summary"),
            "GITHUB_OUTPUT": str(self.folder / "output"),
            "GITHUB_EVENT_PATH": str(event),
            "GITHUB_REPOSITORY": REPOSITORY,
            "GITHUB_API_URL": self.api,
        }

    def read(self, name: str) -> str:
        return (self.folder / name).read_text()

    def outputs(self) -> dict[str, str]:
        """As GitHub reads them: NAME<<END, the lines, END."""
        found = re.findall(r"^(\w+)<<(\w+)\n(.*?)\n\2$", self.read("output"), re.M | re.S)
        return {name: text for name, _, text in found}

    def set_up(self) -> str:
        """What a person does once, by the very commands that are printed."""
        done = self.careapp.shell("./careapp", "delivery", "setup", REPOSITORY, "--yes")
        assert done.returncode == 0, done.stdout + done.stderr
        for line in done.stdout.splitlines():
            if line.startswith("  gh variable set "):
                _, _, _, name, _, value, *_ = shlex.split(line)
                self.variables[name] = value
        endpoint = self.careapp.facts()["endpoint"]
        self.variables["CAREAPP_STATE"] += f"&endpoint={endpoint}&s3ForcePathStyle=true"
        for stack in ("poc", "prod"):
            assert f"Pulumi.{stack}.yaml, config: {BOUND}" in done.stdout
            text = (ROOT / f"Pulumi.{stack}.yaml").read_text()
            self.committed[f"Pulumi.{stack}.yaml"] = f"{text}  {BOUND}\n"
        return done.stdout

    def commit(self, old: str, new: str) -> None:
        """Change poc's file, as a commit would."""
        text = self.committed["Pulumi.poc.yaml"]
        assert text.count(old) == 1
        self.committed["Pulumi.poc.yaml"] = text.replace(old, new)


@pytest.fixture(scope="module")
def story(tmp_path_factory, api):
    """The whole life of a delivery; each step's end is kept by what was going on."""
    folder = tmp_path_factory.mktemp("workflows")
    careapp = Careapp(folder)
    runner = Runner(careapp, folder, api)
    told: dict[str, dict[str, Ran]] = {}
    try:
        runner.set_up()
        told["preview of nothing"] = runner.job("preview", "preview")
        told["drift of nothing"] = runner.job("drift", "drift", matrix="prod")
        told["stage 1"] = runner.job("deploy", "poc")
        runner.commit('careapp:ecsEnabled: "false"', 'careapp:ecsEnabled: "true"')
        told["preview of stage 2"] = runner.job("preview", "preview")
        comment(runner, told["preview of stage 2"], told, "first comment")
        told["stage 2"] = runner.job("deploy", "poc")
        told["preview of no change"] = runner.job("preview", "preview")
        comment(runner, told["preview of no change"], told, "second comment")
        told["no drift"] = runner.job("drift", "drift", matrix="poc")
        assert careapp.shell("python", "-c", SPOIL).returncode == 0
        told["drift"] = runner.job("drift", "drift", matrix="poc", fails="Compare")
        # A new revision, too: the target of a running one takes its time to turn unhealthy.
        runner.commit(
            BOUND, f"{BOUND}\n  careapp:healthPath: /nowhere\n  careapp:taskMemory: '1024'"
        )
        told["failed roll-out"] = runner.job("deploy", "poc", fails="Deploy")
        told["prod"] = runner.job("deploy", "prod")
        runner.step(next(each for each in steps() if each.key[1:] == ("prod", "Why it failed")), "")
        held = careapp.shell("python", "-c", HELD)
        told["destroy"] = runner.job("destroy", "poc")
        told["drift of what is destroyed"] = runner.job("drift", "drift", matrix="poc")
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
    assert (count("created", second), count("unchanged", second)) == (30, created)
    assert re.search(r"\d (updated|deleted|replaced)", second.said) is None


def count(what, ran):
    """How many resources the engine's summary, the last it says, counts."""
    return int(re.findall(rf"(\d+) {what}$", ran.said, re.MULTILINE)[-1])


def test_a_preview_is_one_comment_that_is_rewritten(story):
    _, told, _ = story
    assert "not deployed yet" in told["preview of nothing"]["Preview"].summary
    first = told["preview of stage 2"]["Preview"]
    assert first.summary.startswith("### Preview of poc: + 30 to create\n")
    assert first.outputs["text"] == first.summary.rstrip("\n")
    assert "aws:ecs/service:Service" in first.summary
    [held] = Comments.held
    assert held["body"].startswith(
        "<!-- careapp preview of poc -->\n### Preview of poc: no changes"
    )
    assert Comments.refused == []


def test_drift_is_red_with_what_drifted_and_green_otherwise(story):
    _, told, _ = story
    assert "prod is not up" in told["drift of nothing"]["Compare"].summary
    assert told["no drift"]["Compare"].summary == "### poc: no drift\n"
    drifted = told["drift"]["Compare"]
    assert drifted.summary.startswith("### poc has drifted\n")
    assert "careapp-poc-database-cpu" in drifted.summary
    assert "poc is not up" in told["drift of what is destroyed"]["Compare"].summary


def test_a_failed_roll_out_is_red_with_the_doctors_first_finding(story):
    _, told, _ = story
    failed = told["failed roll-out"]
    assert failed["Deploy"].code != 0
    assert "/nowhere" in failed["Why it failed"].summary
    assert "1. [cause]" in failed["Why it failed"].summary
    assert failed["Why it failed"].summary.count("[cause]") == 1


def test_every_role_of_the_stacks_is_bounded(story):
    _, _, held = story
    stacks = {name: bound for name, bound in held["roles"].items() if "-delivery-" not in name}
    assert len([name for name in stacks if name.startswith("careapp-poc-")]) == 2
    assert len([name for name in stacks if name.startswith("careapp-prod-")]) == 2
    assert {bound["PermissionsBoundaryArn"] for bound in stacks.values()} == {ACCOUNT.boundary_arn}


def test_what_pulumi_writes_is_what_the_stacks_role_may_write(story):
    _, _, held = story
    keys = held["keys"]
    key = ACCOUNT.arn("kms", "key/state")
    for stack in ("poc", "prod"):
        documents = list(deploying.documents(ACCOUNT, key, stack).values())
        written = [each for each in keys if f"/{stack}" in each]
        assert len(written) > 3
        for each in written:
            call = Call("s3:PutObject", f"arn:aws:s3:::{ACCOUNT.bucket}/{each}")
            assert allowed(documents, call), each
    assert all("/poc" in each or "/prod" in each or each.endswith("meta.yaml") for each in keys)


def test_nothing_is_left_after_a_destroy(story):
    _, told, _ = story
    created = [count("created", told[stage]["Deploy"]) for stage in ("stage 1", "stage 2")]
    assert count("deleted", told["destroy"]["Destroy"]) == sum(created)


CI = [step for step in steps() if step.workflow == "ci"]


@pytest.mark.parametrize("step", CI, ids=lambda step: step.name)
def test_a_step_of_ci_runs(step, tmp_path):
    if "image" in step.script and (reason := docker_missing()):
        pytest.skip(reason)
    script = tmp_path / "script.sh"
    script.write_text(step.script)
    environment = {
        **os.environ,
        "CAREAPP_HOME": str(tmp_path / "home"),
        "PYTEST_ADDOPTS": f"-k '{' or '.join(QUICK)}'",
    }
    bash = ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(script)]
    done = subprocess.run(
        bash, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_step_is_left_out(story):
    runner, _, _ = story
    assert runner.ran | {step.key for step in CI} == {step.key for step in steps()}
