"""The workflows' steps beside Pulumi: what they write for people, and how they end."""

import json

import boto3
import pytest
from click.testing import CliRunner
from moto import mock_aws

from careapp import command_line
from careapp.cli import main
from careapp.delivery import cli as delivery
from tests.support.delivery import REGION

BUCKET = "careapp-state-poc"
UP = {"deployment": {"resources": [{"type": "pulumi:pulumi:Stack"}, {"type": "a"}]}}
DOWN = {"deployment": {"resources": [{"type": "pulumi:pulumi:Stack"}]}}


def s3():
    return boto3.client("s3")


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


def typed(monkeypatch, capsys, words):
    """Exit code and standard error of `./careapp delivery WORDS`."""
    monkeypatch.setattr(command_line.sys, "argv", ["./careapp", "delivery", *words])
    with pytest.raises(SystemExit) as ended:
        command_line.run(main)
    return ended.value.code, capsys.readouterr().err


def test_docker_is_logged_in_by_standard_input_and_never_by_an_argument(job, tmp_path):
    job.on_path("docker", f'echo "$@" > {tmp_path}/words; cat > {tmp_path}/given')
    assert job.run("login").exit_code == 0
    host = f"123456789012.dkr.ecr.{REGION}.amazonaws.com"
    words = (tmp_path / "words").read_text()
    assert words == f"login --username AWS --password-stdin {host}\n"
    assert (tmp_path / "given").read_text() == "123456789012-auth-token"


NO_REGION = "careapp: No AWS region. Set it: "


@pytest.mark.parametrize(
    ("variables", "code", "said"),
    [
        ({"PATH": ""}, 1, "careapp: docker is not on PATH"),
        ({"AWS_DEFAULT_REGION": None}, 2, NO_REGION),
        ({"AWS_DEFAULT_REGION": ""}, 2, NO_REGION),
        (
            {"AWS_ACCESS_KEY_ID": None, "AWS_EC2_METADATA_DISABLED": "true"},
            2,
            "careapp: There are no usable AWS credentials.",
        ),
        ({}, 3, ""),  # Docker itself refuses it.
    ],
)
def test_a_login_that_fails_is_red_and_one_line(job, monkeypatch, capsys, variables, code, said):
    job.on_path("docker", "exit 3")
    for name, value in variables.items():
        if value is None:
            monkeypatch.delenv(name)
        else:
            monkeypatch.setenv(name, value)
    ended, shown = typed(monkeypatch, capsys, ["login"])
    assert (ended, shown.startswith(said), shown.count("\n")) == (code, True, int(bool(said)))


@pytest.mark.parametrize("step", ["drift", "preview"])
@pytest.mark.parametrize(
    ("backend", "code", "said"),
    [
        ("s3://careapp-nowhere", 2, "careapp: s3 ListObjectsV2: The specified bucket does not exist"),
        (f"s3://{BUCKET}", 1, "careapp: `pulumi stack export --stack poc --non-interactive` failed: no key"),
        ("file:///x", 1, "careapp: `pulumi stack ls --json --non-interactive` failed: no key"),
    ],
)  # fmt: skip
def test_a_state_that_cannot_be_read_is_red_and_one_line(
    job, monkeypatch, capsys, step, backend, code, said
):
    job.deployed()
    job.on_path("pulumi", "echo no key >&2; exit 5")
    monkeypatch.setenv("PULUMI_BACKEND_URL", backend)
    ended, shown = typed(monkeypatch, capsys, [step, "--stack", "poc"])
    assert (ended, shown.startswith(said), shown.count("\n")) == (code, True, 1)


def test_a_stack_that_was_never_deployed_is_not_asked_of_pulumi(job):
    """Pulumi would write into the empty bucket, which a preview's role may not."""
    job.on_path("pulumi", "echo asked; exit 9")
    make_bucket()
    done = job.run("preview", "--stack", "poc")
    assert (done.exit_code, done.output) == (0, "")
    assert "not deployed yet" in job.summary.read_text()
    assert job.run("drift", "--stack", "poc").exit_code == 0
    assert "poc is not deployed: there is no drift" in job.summary.read_text()


@pytest.mark.parametrize(
    ("step", "state", "pulumi", "code", "begins", "has"),
    [
        ("drift", DOWN, "exit 9", 0, "poc is not deployed: there is no drift\n", ""),
        ("drift", UP, "echo no credentials; exit 4", 4, "poc: the drift check failed\n", "no credentials"),
        ("preview", UP, "echo broken >&2; exit 3", 3, "Preview of poc: failed\n", "broken"),
        ("preview", UP, 'echo "$@"', 0, "Preview of poc", "--policy-pack policy"),
    ],
)  # fmt: skip
def test_a_look_ends_as_pulumi_does_and_says_so(job, step, state, pulumi, code, begins, has):
    """A check that could not be made is not called drift; a preview passes the policy pack."""
    job.deployed()
    job.pulumi(state, pulumi)
    assert job.run(step, "--stack", "poc").exit_code == code
    assert job.summary.read_text().startswith(f"### {begins}")
    assert has in job.summary.read_text()


@pytest.mark.parametrize(("doctors", "code"), [(0, 0), (1, 0), (2, 2)])
def test_the_doctors_words_are_in_the_summary(job, monkeypatch, doctors, code):
    monkeypatch.setattr(delivery.sys, "executable", "doctor")
    job.on_path("doctor", f'echo "1. [cause] $*"; exit {doctors}')
    assert job.run("why", "--stack", "poc").exit_code == code
    words = "1. [cause] -m careapp.cli doctor --stack poc"
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


@pytest.fixture
def folder(monkeypatch, tmp_path):
    """The folder of a project."""
    (tmp_path / "Pulumi.yaml").write_text("name: careapp\n")
    (tmp_path / "Pulumi.poc.yaml").write_text("config: {aws:region: ap-northeast-1}")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("folder")
def test_a_stack_that_was_removed_has_no_state(job):
    """Removing a stack leaves `.json.bak`."""
    job.deployed()
    for name in ("old.json.bak", "prod.json"):
        s3().put_object(Bucket=BUCKET, Key=f".pulumi/stacks/careapp/{name}", Body=b"{}")
    s3().put_object(Bucket=BUCKET, Key=".pulumi/stacks/acme/other.json", Body=b"{}")
    assert list(delivery.stacks()) == ["poc", "prod"]


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("step", ["drift", "preview"])
def test_a_step_without_its_variable_says_who_sets_it(job, monkeypatch, capsys, step):
    """An expression of a variable that does not exist is empty text (GitHub Docs, "Variables")."""
    job.deployed()
    monkeypatch.setenv("PULUMI_BACKEND_URL", "")
    assert typed(monkeypatch, capsys, [step, "--stack", "poc"]) == (
        2,
        "careapp: PULUMI_BACKEND_URL is not set. The workflow sets it from the repository's variable CAREAPP_…_STATE, "
        "whose value the CloudFormation stack puts out (docs/delivery.md, step 2); export it to run this step "
        "yourself. ./careapp shell sets it for the local cloud.\n",
    )


WHY = (
    "The database careapp-poc is stopped, and RDS takes no final snapshot of it (databaseFinalSnapshot): a destroy "
    "would delete the service and the load balancer, then fail. Start it first: ./careapp resume -s poc"
)


@pytest.mark.parametrize(
    ("snapshot", "status", "code", "said"),
    [
        ("last-words", "stopped", 1, f"careapp: {WHY}\n"),
        ("", "stopped", 0, ""),
        ("last-words", "running", 0, ""),
        ("last-words", "gone", 0, ""),
        ("last-words", "unknown", 2, "careapp: There are no usable AWS credentials."),
    ],
)
def test_a_paused_stack_that_keeps_a_snapshot_is_not_destroyed(
    job, folder, monkeypatch, capsys, snapshot, status, code, said
):
    """One whose database could not be read is not called running."""
    job.deployed()
    keys = "aws:region: ap-northeast-1, careapp:protect: 'false'"
    text = f"config: {{{keys}, careapp:databaseFinalSnapshot: {snapshot!r}}}"
    (folder / "Pulumi.poc.yaml").write_text(text)
    rds, name = boto3.client("rds"), {"DBInstanceIdentifier": "careapp-poc"}
    if status != "gone":
        login = {"MasterUsername": "postgres", "MasterUserPassword": "long-enough-1"}
        kind = {"DBInstanceClass": "db.t4g.micro", "Engine": "postgres", "AllocatedStorage": 20}
        rds.create_db_instance(**name, **kind, **login)
    if status == "stopped":
        rds.stop_db_instance(**name)
    if status == "unknown":
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    ended = typed(monkeypatch, capsys, ["destroyable", "--stack", "poc"])
    assert (ended[0], ended[1].startswith(said)) == (code, True)
    if code == 1:
        assert job.summary.read_text() == f"### poc is paused\n\n{WHY}\n"


def test_the_stacks_of_another_backend_are_those_that_pulumi_lists(job, monkeypatch):
    monkeypatch.setenv("PULUMI_BACKEND_URL", "file:///somewhere")
    job.on_path("pulumi", """echo '[{"name": "poc"}, {"name": "try"}]'""")
    assert list(delivery.stacks()) == ["poc", "try"]
