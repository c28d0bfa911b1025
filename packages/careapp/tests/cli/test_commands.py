"""The commands as a person gives them: language, help, output, and the exit code of whatever ends one."""

import fcntl
import json
import os
import subprocess
import sys

import click
import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError
from click.shell_completion import ShellComplete

from careapp import command_line
from careapp.cli import main
from careapp.settings.file import StackError
from ecs_gate.aws.session import Session
from ecs_gate.text import Refused, t
from tests.conftest import client


class Broken(Refused):
    """What the command below can fail with."""


ENDS = {
    "well": (None, 0, ""),
    "broken": (Broken(t("cause")), 1, "careapp: cause\n"),
    "click": (click.ClickException("cause"), 1, "careapp: cause\n"),
    "stack": (StackError(t("cause")), 2, "careapp: cause\n"),
    "ctrl-c": (KeyboardInterrupt(), 130, ""),
    "own": (SystemExit(7), 7, ""),
}


@click.group(cls=command_line.Program)
def program():
    """Show it."""


@program.command()
@click.argument("how", type=click.Choice(sorted(ENDS)))
@click.option("--json", help="Print JSON.")
def end(how, json):
    """End somehow."""
    if ENDS[how][0] is not None:
        raise ENDS[how][0]


@pytest.fixture
def ran(monkeypatch, capsys):
    for name in ("CAREAPP_LANG", "LANGUAGE", "LC_ALL"):
        monkeypatch.setenv(name, "C")

    def ran(*words):
        monkeypatch.setattr("sys.argv", ["./careapp", *words])
        with pytest.raises(SystemExit) as ended:
            command_line.run(program)
        return ended.value.code, *capsys.readouterr()

    yield ran
    command_line.set_language("en")
    command_line.translate_help(program)


@pytest.mark.parametrize("how", ENDS)
def test_every_error_has_its_exit_code(ran, how):
    _, code, complaint = ENDS[how]
    assert ran("end", how) == (code, "", complaint)


PRINTS = """
import sys, click
from careapp import command_line
from careapp.command_line import print_json
from ecs_gate.screen import Line, display
show = {"screen": lambda: display([Line("a"), Line("b")]), "json": lambda: print_json({"a": 1})}
@click.group(cls=command_line.Program)
def program():
    pass
@program.command()
@click.argument("how")
def end(how):
    show[how]()
command_line.run(program)
"""


@pytest.mark.parametrize("how", ["screen", "json", "--help"])
def test_output_that_is_not_read_is_exit_code_141(how, monkeypatch):
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    reading, writing = os.pipe()
    os.close(reading)
    words = [sys.executable, "-c", PRINTS, "end", how]
    done = subprocess.run(words, stdout=writing, stderr=subprocess.PIPE, check=False)
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.parametrize(
    "words", [["--lang", "ja", "end", "--help"], ["end", "--lang=ja", "--help"]]
)
def test_lang_is_accepted_before_and_after_the_command(ran, words):
    code, shown, _ = ran(*words)
    assert code == 0
    assert "使い方: ./careapp end" in shown
    assert "--json TEXT     JSON で出力します。" in shown
    assert os.environ["CAREAPP_LANG"] == "ja", "processes that it starts speak it, too"


def test_processes_that_it_starts_follow_the_locale_too(ran, monkeypatch):
    monkeypatch.delenv("CAREAPP_LANG")
    monkeypatch.setenv("LC_ALL", "ja_JP.UTF-8")
    assert "使い方: ./careapp end" in ran("end", "--help")[1]
    assert "CAREAPP_LANG" not in os.environ


@pytest.mark.parametrize(
    ("words", "lang"),
    [
        ([], ""),
        (["status", "--lang", "ja"], "ja"),
        (["--lang=en", "status"], "en"),
        (["shell", "--", "x", "--lang", "ja"], ""),
        (["status", "--lang"], ""),
        (["status", "--lang", "fr"], ""),
    ],
)
def test_lang_counts_only_before_a_double_dash(words, lang):
    assert command_line.chosen_language(words) == lang


@pytest.mark.slow
@pytest.mark.usefixtures("stack")
def test_doctor_finds_the_first_cause_and_speaks_japanese(run):
    code, shown, _ = run("doctor", "--json")
    found = json.loads(shown)
    assert (code, found["exitCode"], found["healthy"]) == (1, 1, False)
    assert found["findings"][0]["id"] == "balancer-cannot-reach-task"
    assert found["findings"][0]["fixes"][0]["commands"] == ["pulumi up --refresh -s poc"]
    _, shown, _ = run("doctor", "--lang", "ja")
    assert "[原因] ロードバランサーがポート 3000 でタスクに接続できません" in shown


@pytest.mark.parametrize("command", ["doctor", "preflight", "status"])
def test_without_permissions_nothing_is_called_healthy(run, monkeypatch, command):
    def refuse(_self, operation, _params):
        raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, operation)

    monkeypatch.setattr(BaseClient, "_make_api_call", refuse)
    code, shown, _ = run(command)
    assert (code, "Healthy" in shown, "Ready" in shown) == (2, False, False)
    assert "Your AWS identity has no permission for ecs:DescribeServices on *." in shown


@pytest.fixture
def no_credentials(monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, "/dev/null")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.mark.slow
@pytest.mark.usefixtures("no_credentials")
def test_without_credentials_a_local_cloud_that_runs_is_named(run, monkeypatch, tmp_path):
    monkeypatch.setenv("CAREAPP_HOME", str(tmp_path))
    monkeypatch.setattr("sys.argv", ["careapp", "doctor", "-s", "poc"])
    told = "  A local cloud runs here: ./careapp shell ./careapp doctor -s poc\n"
    lock = tmp_path / "cloud.lock"
    assert told not in run("doctor", "-s", "poc")[2]
    lock.touch()
    assert told not in run("doctor", "-s", "poc")[2], "one that has ended"
    with lock.open("r+") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        code, _, complaint = run("doctor", "-s", "poc")
        assert (code, complaint.endswith(told)) == (2, True)
        monkeypatch.setenv("LOCAL_CLOUD_FACTS", "cloud.json")
        assert told not in run("doctor", "-s", "poc")[2], "one that is talked to already"


@pytest.mark.parametrize("command", ["status", "doctor", "preflight", "pause", "retry", "rollback"])
def test_credentials_that_only_the_provider_would_use_are_refused(run, folder, command):
    (folder / "Pulumi.poc.yaml").write_text(
        "config:\n  aws:region: x-1\n  aws:assumeRoles:\n    - roleArn: arn:aws:iam::1:role/deploy\n"
    )
    code, shown, complaint = run(command)
    assert (code, shown) == (2, "")
    assert complaint.startswith("careapp: the settings of stack poc are invalid (1 problem):")
    assert "aws:assumeRoles: gives credentials to the provider only" in complaint
    assert "`pulumi config rm aws:assumeRoles`" in complaint
    assert "roleArn" not in complaint


@pytest.mark.usefixtures("account")
def test_pages_are_all_read(session):
    for index in range(60):
        client("logs").create_log_group(logGroupName=f"group-{index}")
    found = session.all("logs", "describe_log_groups", "logGroups", logGroupNamePrefix="group-")
    assert len(found) == 60


def test_a_session_takes_the_environment_s_region_where_the_stack_file_has_none(monkeypatch):
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    assert (Session(None).region, Session("us-east-1").region) == ("eu-west-1", "us-east-1")


@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("status -s ", ["poc", "prod"]),
        ("logs -s pr", ["prod"]),
        ("jobs run -s poc n", ["nightly"]),
        ("jobs logs ", ["nightly", "weekly"]),
        ("retry --worker ", ["mail"]),
        ("logs -s prod --worker ", []),
        ("logs -s none --worker ", []),
    ],
)
def test_completion_knows_stacks_jobs_and_workers(typed, completed, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "Pulumi.yaml").write_text("name: site\n")
    (tmp_path / "Pulumi.prod.yaml").write_text("config: {}\n")
    maps = {"jobs": {"nightly": {}, "weekly": {}}, "site:workers": {"mail": {"command": "x"}}}
    (tmp_path / "Pulumi.poc.yaml").write_text(json.dumps({"config": maps}))
    words = typed.split(" ")
    asked = ShellComplete(main, {}, "./careapp", "_").get_completions(words[:-1], words[-1])
    assert [completion.value for completion in asked] == completed
