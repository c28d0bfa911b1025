"""The workflows' steps beside Pulumi: what they write for people, and how they end."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner
from moto import mock_aws

from delivery import cli as delivery
from tests.support.delivery import REGION
from tools import command_line
from tools.cli import main

BUCKET = "careapp-state-poc"
UP = {"deployment": {"resources": [{"type": "pulumi:pulumi:Stack"}, {"type": "a"}]}}
DOWN = {"deployment": {"resources": [{"type": "pulumi:pulumi:Stack"}]}}


def s3():
    return delivery.boto3.client("s3")


def make_bucket():
    s3().create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})


@pytest.fixture
def job(monkeypatch, tmp_path):
    """A runner: `on_path` puts a program there, `run` takes a step."""

    class Job:
        summary, output = tmp_path / "summary", tmp_path / "output"

        def on_path(self, name, script):
            program = tmp_path / "bin" / name
            program.parent.mkdir(exist_ok=True)
            program.write_text(f"#!/bin/sh\n{script}\n")
            program.chmod(0o755)

        def pulumi(self, state, rest):
            (tmp_path / "state.json").write_text(json.dumps(state))
            export = f'"stack export") cat {tmp_path}/state.json ;;'
            self.on_path("pulumi", f'case "$1 $2" in {export} *) {rest} ;; esac')

        def deployed(self):
            make_bucket()
            s3().put_object(Bucket=BUCKET, Key=".pulumi/stacks/careapp/poc.json", Body=b"{}")

        def run(self, *words):
            return CliRunner().invoke(main, ["delivery", *words])

    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, "/dev/null")
    monkeypatch.setenv("PULUMI_BACKEND_URL", f"s3://{BUCKET}?region={REGION}")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(Job.summary))
    monkeypatch.setenv("GITHUB_OUTPUT", str(Job.output))
    with mock_aws():
        yield Job()


def test_docker_is_logged_in_by_standard_input_and_never_by_an_argument(job, tmp_path):
    job.on_path("docker", f'echo "$@" > {tmp_path}/words; cat > {tmp_path}/given')
    assert job.run("login").exit_code == 0
    host = f"123456789012.dkr.ecr.{REGION}.amazonaws.com"
    words = (tmp_path / "words").read_text()
    assert words == f"login --username AWS --password-stdin {host}\n"
    assert (tmp_path / "given").read_text() == "123456789012-auth-token"


def test_a_machine_without_docker_is_told_so(job, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    done = job.run("login")
    assert (done.exit_code, done.output.startswith("Error: docker is not on PATH")) == (1, True)


@pytest.mark.parametrize("region", [None, ""])
def test_a_login_without_a_region_says_how_to_give_one(job, monkeypatch, region):
    job.on_path("docker", "exit 9")
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    if region is not None:
        monkeypatch.setenv("AWS_DEFAULT_REGION", region)
    done = job.run("login")
    told = "Error: No region: pass --region, or set AWS_DEFAULT_REGION.\n"
    assert (done.exit_code, done.output) == (1, told)


def test_a_login_without_credentials_is_one_line(job, monkeypatch):
    job.on_path("docker", "exit 9")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    done = job.run("login")
    told = "Error: ECR returned no token: Unable to locate credentials\n"
    assert (done.exit_code, done.output) == (1, told)


def test_a_login_that_docker_refuses_is_red(job):
    job.on_path("docker", "exit 3")
    assert job.run("login").exit_code == 3


def test_a_stack_that_was_never_deployed_is_not_asked_of_pulumi(job):
    """Pulumi would write into the empty bucket, which a preview's role may not."""
    job.on_path("pulumi", "echo asked; exit 9")
    make_bucket()
    done = job.run("preview", "--stack", "poc")
    assert (done.exit_code, done.output) == (0, "")
    assert "not deployed yet" in job.summary.read_text()
    assert job.run("drift", "--stack", "poc").exit_code == 0
    assert "poc is not deployed: there is no drift" in job.summary.read_text()


def test_a_stack_that_was_destroyed_cannot_drift(job):
    job.deployed()
    job.pulumi(DOWN, "exit 9")
    assert job.run("drift", "--stack", "poc").exit_code == 0
    assert job.summary.read_text() == "### poc is not deployed: there is no drift\n"


def test_a_check_that_could_not_be_made_is_red_and_is_not_called_drift(job):
    job.deployed()
    job.pulumi(UP, "echo no credentials; exit 4")
    done = job.run("drift", "--stack", "poc")
    assert (done.exit_code, done.output) == (4, "no credentials\n")
    summary = job.summary.read_text()
    assert summary.startswith("### poc: the drift check failed\n")
    assert "no credentials" in summary


def test_a_preview_passes_the_policy_pack(job):
    job.deployed()
    job.pulumi(UP, 'echo "$@"')
    assert "--policy-pack policy" in job.run("preview", "--stack", "poc").output


def test_a_preview_that_fails_is_red_and_says_so(job):
    job.deployed()
    job.pulumi(UP, "echo broken >&2; exit 3")
    assert job.run("preview", "--stack", "poc").exit_code == 3
    assert job.summary.read_text().startswith("### Preview of poc: failed\n")


@pytest.mark.parametrize(("doctors", "code"), [(0, 0), (1, 0), (2, 2)])
def test_the_doctors_words_are_in_the_summary(job, monkeypatch, doctors, code):
    monkeypatch.setattr(delivery.sys, "executable", "doctor")
    job.on_path("doctor", f'echo "1. [cause] $*"; exit {doctors}')
    assert job.run("why", "--stack", "poc").exit_code == code
    words = "1. [cause] -m tools.cli doctor --stack poc"
    assert job.summary.read_text() == f"### Why poc failed\n\n```\n{words}\n```\n"


@pytest.mark.parametrize("step", ["why", "preview"])
def test_neither_summary_nor_output_nor_the_jobs_log_has_a_secret(job, monkeypatch, step):
    job.deployed()
    said = "echo redis://app:p9w@h/0; echo -----BEGIN RSA PRIVATE KEY-----; echo bm9uZQ=="
    job.pulumi(UP, said)
    monkeypatch.setattr(delivery.sys, "executable", "doctor")
    job.on_path("doctor", said)
    done = job.run(step, "--stack", "poc")
    for text in (done.output, job.summary.read_text(), job.output.read_text()):
        assert "redis://app:***@h/0" in text
        assert "p9w" not in text
        assert "bm9uZQ==" not in text


def test_no_output_of_pulumi_ends_the_fence_around_it():
    first, *_, last = delivery.fenced("a\n````\n@everyone\n```\nb").splitlines()
    assert first == last == "`````"


def test_a_long_preview_keeps_its_end_and_fits_into_comment_and_variable(job):
    job.deployed()
    job.pulumi(UP, 'seq -f "%g あ" 20000; echo "    + 3 to create"')
    assert job.run("preview", "--stack", "poc").exit_code == 0
    text = job.summary.read_text()
    assert len(text.encode()) < 65_000
    assert text.startswith("### Preview of poc: + 3 to create\n")
    assert "The beginning is left out" in text
    assert text.rstrip().endswith("</details>")
    assert "    + 3 to create\n" in text
    name, _, end = job.output.read_text().partition("\n")[0].partition("<<")
    assert (name, job.output.read_text().splitlines()[-1]) == ("text", end)


def history(hours, kind="update"):
    """What `pulumi stack history --json` says of an update that began hours ago."""
    began = datetime.now(UTC) - timedelta(hours=hours)
    return [{"kind": kind, "startTime": began.strftime("%Y-%m-%dT%H:%M:%S.000Z")}]


@pytest.fixture
def standing(job, monkeypatch, tmp_path):
    """Put stacks of pull requests into the bucket, each with its history; destroys run `script`."""
    (tmp_path / "Pulumi.yaml").write_text("name: careapp\n")
    (tmp_path / "Pulumi.poc.yaml").write_text(
        "config: {aws:region: ap-northeast-1, careapp:previewHours: 3}"
    )
    monkeypatch.chdir(tmp_path)

    def standing(histories, script='echo "$@" >> words'):
        job.deployed()
        for stack, held in histories.items():
            for name in (f"{stack}.json", f"{stack}.json.bak"):
                key = f".pulumi/stacks/careapp/{name}"
                s3().put_object(Bucket=BUCKET, Key=key, Body=b"{}")
            (tmp_path / f"{stack}.history").write_text(json.dumps(held))
        told = '"stack history") cat "$4.history" ;;'
        job.on_path("pulumi", f'case "$1 $2" in {told} "destroy "*) {script} ;; *) exit 9 ;; esac')

    return standing


def outputs(job):
    found = re.findall(r"^(\w+)<<(\w+)\n(.*?)\n\2$", job.output.read_text(), re.M | re.S)
    return {name: text for name, _, text in found}


def test_the_sweep_destroys_what_is_closed_or_over_its_time_and_nothing_else(
    job, standing, tmp_path
):
    stacks = {"pr-7": history(1), "pr-8": history(3), "pr-9": history(2), "pr-10": history(1, "x")}
    standing({**stacks, "prod": history(99), "pr-x": history(99)})
    assert job.run("sweep", "--labelled", "[8, 9, 10, 11]").exit_code == 0
    destroyed = [line.split()[2] for line in (tmp_path / "words").read_text().splitlines()]
    assert destroyed == ["pr-7", "pr-8", "pr-10"]
    assert {each["number"]: each["text"].partition(": ")[2] for each in told(job)} == {
        7: "its pull request is closed or has no label `preview`.",
        8: "its 3 hours after the last update are over.",
        10: "it was never deployed whole.",
    }


def told(job):
    return json.loads(outputs(job)["comments"])


def test_the_sweep_of_another_project_leaves_these_alone(job, standing, tmp_path):
    standing({"pr-7": history(9)})
    (tmp_path / "Pulumi.yaml").write_text("name: acme\n")
    (tmp_path / "Pulumi.poc.yaml").write_text("config: {aws:region: ap-northeast-1}")
    assert job.run("sweep", "--labelled", "[]").exit_code == 0
    assert told(job) == []
    assert list(delivery.stacks("pr-7")) == []


def test_a_stack_that_is_being_worked_on_is_left_to_the_next_sweep(job, standing):
    standing({"pr-7": history(9)}, "echo error: the stack is currently locked by 1 lock; exit 255")
    assert job.run("sweep", "--labelled", "[]").exit_code == 0
    assert told(job) == []
    assert job.summary.read_text().startswith("### pr-7 is busy\n")


def test_a_destroy_that_fails_is_red_and_stops_no_other(job, standing):
    standing({"pr-7": history(9), "pr-8": history(9)}, '[ "$3" = pr-8 ] || { echo no; exit 4; }')
    assert job.run("sweep", "--labelled", "[]").exit_code == 1
    first, second = (each["text"].splitlines()[0] for each in told(job))
    assert (first, second) == ("### pr-7 could not be destroyed", "### pr-8 is destroyed")
    assert job.run("destroy", "--pull-request", "7").exit_code == 4


def test_a_stack_that_was_removed_is_not_asked_of_pulumi(job, standing):
    """Removing a stack leaves `.json.bak`, which is no state."""
    standing({})
    key = ".pulumi/stacks/careapp/pr-7.json.bak"
    s3().put_object(Bucket=BUCKET, Key=key, Body=b"{}")
    assert list(delivery.stacks("pr-7")) == []
    assert job.run("destroy", "--pull-request", "7").exit_code == 0
    assert outputs(job)["text"] == "### pr-7 does not stand"
    assert job.run("sweep", "--labelled", "[]").exit_code == 0


def test_a_preview_that_fails_is_red_and_says_that_what_was_made_is_billed(
    job, standing, monkeypatch
):
    standing({})
    monkeypatch.setenv("CAREAPP_KEY", "awskms://alias/careapp-delivery-pr")
    job.on_path("pulumi", '[ "$1" = stack ] || { echo broken; exit 3; }')
    assert job.run("up", "--pull-request", "7").exit_code == 3
    text = outputs(job)["text"]
    assert text.startswith("### pr-7 could not be deployed\n")
    assert "broken" in text
    assert "What was made of it is billed. It is destroyed 3 hours after its last update" in text


def test_a_poc_without_a_file_is_one_sentence(job, standing, monkeypatch, tmp_path):
    standing({})
    monkeypatch.setenv("CAREAPP_KEY", "awskms://alias/careapp-delivery-pr")
    (tmp_path / "Pulumi.poc.yaml").unlink()
    done = job.run("up", "--pull-request", "7")
    assert (done.exit_code, done.output.count("\n")) == (1, 1)
    assert done.output.startswith("Error: ")


BACKEND = "PULUMI_BACKEND_URL (CAREAPP_…_STATE)"
MISSING = {
    "preview --stack poc": BACKEND,
    "drift --stack poc": BACKEND,
    "up --pull-request 7": f"{BACKEND}, CAREAPP_KEY (CAREAPP_…_KEY)",
    "destroy --pull-request 7": BACKEND,
    "sweep --labelled []": BACKEND,
}
"""The steps that need the workflow's variables, and those that a shell without any lacks."""
OF_NONE = {"destroyable", "login", "why"}


def test_every_step_is_one_that_needs_variables_or_one_that_needs_none():
    assert {each.split()[0] for each in MISSING} | OF_NONE == set(delivery.delivery.commands)


def typed(monkeypatch, capsys, words):
    """Exit code and standard error of `./careapp delivery WORDS`."""
    monkeypatch.setattr(command_line.sys, "argv", ["./careapp", "delivery", *words])
    with pytest.raises(SystemExit) as ended:
        command_line.run(main)
    return ended.value.code, capsys.readouterr().err


@pytest.mark.parametrize("step", MISSING)
def test_a_step_without_its_variables_says_which_and_who_sets_them(
    job, standing, monkeypatch, capsys, step
):
    standing({})
    for name in ("PULUMI_BACKEND_URL", "CAREAPP_KEY"):
        monkeypatch.delenv(name, raising=False)
    code, said = typed(monkeypatch, capsys, step.split())
    assert code == 2
    assert said == (
        f"careapp: Not set: {MISSING[step]}. The workflow sets each from the repository's variable in brackets, "
        "whose value the CloudFormation stack puts out (docs/delivery.md, step 2); export it to run this step "
        "yourself. ./careapp shell sets both for the local cloud.\n"
    )


def test_a_variable_that_github_leaves_empty_is_missing(job, standing, monkeypatch, capsys):
    """An expression of a variable that does not exist is empty text (GitHub Docs, "Variables")."""
    standing({})
    monkeypatch.setenv("CAREAPP_KEY", "")
    code, said = typed(monkeypatch, capsys, ["up", "--pull-request", "7"])
    assert (code, said.partition(". ")[0]) == (2, "careapp: Not set: CAREAPP_KEY (CAREAPP_…_KEY)")


@pytest.mark.parametrize("text", ["", "7,8", '{"a": 1}', '["7"]'])
def test_a_list_of_pull_requests_that_is_none_is_refused(job, standing, monkeypatch, capsys, text):
    standing({"pr-7": history(9)})
    code, said = typed(monkeypatch, capsys, ["sweep", "--labelled", text])
    assert code == 2
    assert f"{text!r} is not a JSON list of numbers, such as [7, 12]" in said


@pytest.fixture
def paused(standing, tmp_path):
    """Put a database that is stopped into AWS, and its settings into poc's file."""

    def paused(snapshot, stop=True):
        standing({})
        keys = "aws:region: ap-northeast-1, careapp:protect: 'false'"
        text = f"config: {{{keys}, careapp:databaseFinalSnapshot: {snapshot!r}}}"
        (tmp_path / "Pulumi.yaml").write_text("name: careapp\n")
        (tmp_path / "Pulumi.poc.yaml").write_text(text)
        rds = delivery.boto3.client("rds")
        name = {"DBInstanceIdentifier": "careapp-poc"}
        login = {"MasterUsername": "postgres", "MasterUserPassword": "long-enough-1"}
        kind = {"DBInstanceClass": "db.t4g.micro", "Engine": "postgres", "AllocatedStorage": 20}
        rds.create_db_instance(**name, **kind, **login)
        if stop:
            rds.stop_db_instance(**name)

    return paused


def test_a_paused_stack_that_keeps_a_snapshot_is_not_destroyed(job, paused, monkeypatch, capsys):
    paused("last-words")
    code, said = typed(monkeypatch, capsys, ["destroyable", "--stack", "poc"])
    why = (
        "The database careapp-poc is stopped, and RDS takes no final snapshot of it (databaseFinalSnapshot): a "
        "destroy would delete the service and the load balancer, then fail. Start it first: ./careapp resume -s poc"
    )
    assert (code, said) == (1, f"careapp: {why}\n")
    assert job.summary.read_text() == f"### poc is paused\n\n{why}\n"


@pytest.mark.parametrize(("snapshot", "stop"), [("", True), ("last-words", False)])
def test_a_running_one_and_one_that_keeps_no_snapshot_are(job, paused, snapshot, stop):
    paused(snapshot, stop)
    done = job.run("destroyable", "--stack", "poc")
    assert (done.exit_code, done.output) == (0, "")


def test_a_database_that_could_not_be_read_is_not_called_running(job, paused, monkeypatch, capsys):
    paused("last-words")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    code, said = typed(monkeypatch, capsys, ["destroyable", "--stack", "poc"])
    assert (code, said.count("Traceback")) == (2, 0)


def test_a_stack_that_is_gone_can_be_destroyed_again(job, standing):
    standing({})
    assert job.run("destroyable", "--stack", "poc").exit_code == 0


def test_without_a_job_the_result_is_printed(job, standing, monkeypatch):
    standing({})
    monkeypatch.delenv("GITHUB_STEP_SUMMARY")
    assert job.run("destroy", "--pull-request", "7").output == "### pr-7 does not stand\n"


def test_the_stacks_of_another_backend_are_those_that_pulumi_lists(job, monkeypatch):
    monkeypatch.setenv("PULUMI_BACKEND_URL", "file:///somewhere")
    job.on_path("pulumi", """echo '[{"name": "poc"}, {"name": "pr-7"}, {"name": "pr-71"}]'""")
    assert list(delivery.stacks("pr-7.json")) == ["pr-7"]
    assert list(delivery.stacks("pr-")) == ["pr-7", "pr-71"]
