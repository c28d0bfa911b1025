"""The commands as a person gives them."""

import fcntl
import json
import time
from datetime import UTC, datetime, timedelta

import boto3
import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError
from click.testing import CliRunner
from moto.logs.exceptions import InvalidParameterException
from moto.logs.models import LogsBackend

from cli import main
from ops.aws.session import Session
from ops.watch.logs import LogLine, LogScreen, Wanted

LOG = "/ecs/careapp-poc"


@pytest.mark.usefixtures("stack")
def test_doctor_finds_the_first_cause_of_a_stack_without_rules(run):
    code, shown, _ = run("doctor", "--json")
    found = json.loads(shown)
    assert (code, found["exitCode"], found["healthy"]) == (1, 1, False)
    assert found["findings"][0]["id"] == "balancer-cannot-reach-task"


@pytest.mark.usefixtures("stack")
def test_doctor_speaks_japanese(run):
    _, shown, _ = run("doctor", "--lang", "ja")
    assert "[原因] ロードバランサーがポート 3000 でタスクに接続できません" in shown


@pytest.mark.parametrize("command", ["doctor", "status", "logs", "events", "preflight"])
def test_a_stack_without_a_file_is_one_sentence_and_exit_code_2(run, command):
    code, shown, complaint = run(command, "-s", "nope")
    assert (code, shown) == (2, "")
    assert complaint == (
        'careapp: There is no stack "nope": Pulumi.nope.yaml does not exist. '
        "Existing stacks: poc. Choose one with --stack.\n"
    )


@pytest.mark.parametrize("command", ["doctor", "preflight", "status"])
def test_without_permissions_nothing_is_called_healthy(run, monkeypatch, command):
    def refuse(_self, operation, _params):
        raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, operation)

    monkeypatch.setattr(BaseClient, "_make_api_call", refuse)
    code, shown, _ = run(command)
    assert (code, "Healthy" in shown, "Ready" in shown) == (2, False, False)
    assert "Your AWS identity may not ecs:DescribeServices on *." in shown


@pytest.fixture
def no_credentials(monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, "/dev/null")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.mark.usefixtures("no_credentials")
def test_without_credentials_the_way_out_is_told(run, monkeypatch, tmp_path):
    monkeypatch.setenv("CAREAPP_HOME", str(tmp_path))
    code, _, complaint = run("logs")
    assert (code, complaint) == (
        2,
        "careapp: There are no usable AWS credentials. Log in again (`aws sso login`), or name a "
        "profile: aws:profile in the stack file, or AWS_PROFILE.\n",
    )


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
        monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
        assert told not in run("doctor", "-s", "poc")[2], "one that is talked to already"


def test_an_unknown_profile_is_told(run, folder):
    (folder / "Pulumi.poc.yaml").write_text("config: {aws:region: x-1, aws:profile: nobody}\n")
    code, _, complaint = run("logs")
    assert code == 2
    assert "The config profile (nobody) could not be found." in complaint


@pytest.mark.parametrize("command", ["status", "doctor", "preflight", "pause", "retry"])
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


def test_a_local_cloud_that_is_gone_is_told(run, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    code, _, complaint = run("logs")
    assert code == 2
    assert "The local cloud does not answer at http://127.0.0.1:1" in complaint
    assert "./careapp cloud start" in complaint


@pytest.mark.usefixtures("stack")
def test_status_shows_what_there_is(run):
    code, shown, _ = run("status")
    assert code == 1
    assert "careapp-poc · stage 2: the app on ECS · ap-northeast-1" in shown
    assert "Service: ACTIVE, " in shown
    assert "Database: available, PostgreSQL 17, db.t4g.micro" in shown


@pytest.mark.usefixtures("stack")
def test_status_is_data_for_scripts(run):
    found = json.loads(run("status", "--json")[1])
    assert (found["stage"], found["steady"], found["problems"]) == ("stage2", False, {})
    assert found["service"]["deployments"][0]["status"] == "PRIMARY"


@pytest.mark.usefixtures("stack")
def test_preflight_ticks_off_what_doctor_checks(run):
    code, shown, _ = run("preflight")
    assert code == 1
    assert "✓ The image is in ECR, for the task's processor" in shown
    assert "✗ Security groups: load balancer to task, task to database" in shown
    assert "? Fargate's quota has room for a roll-out" in shown


@pytest.fixture
def put(stack):
    """Write lines into a task's stream, each so many minutes after an hour ago."""
    client = boto3.client("logs", region_name="ap-northeast-1")
    client.delete_log_group(logGroupName=stack.log_group)
    client.create_log_group(logGroupName=stack.log_group)
    return lambda stream, *lines: _put(client, stream, lines)


def _put(logs, stream, lines):
    logs.create_log_stream(logGroupName=LOG, logStreamName=f"app/app/{stream}")
    begun = time.time() - 3600
    events = [{"timestamp": int((begun + at * 60) * 1000), "message": text} for at, text in lines]
    logs.put_log_events(logGroupName=LOG, logStreamName=f"app/app/{stream}", logEvents=events)


def test_logs_of_all_tasks_are_in_one_order(run, put):
    put("a" * 32, (1, "one"), (3, "three"))
    put("b" * 32, (2, "two"))
    code, shown, _ = run("logs")
    assert code == 0
    assert [line.split(" ", 2)[2] for line in shown.splitlines()] == [
        "aaaaaaaa one",
        "bbbbbbbb two",
        "aaaaaaaa three",
    ]


def test_logs_are_an_object_a_line_for_scripts(run, put):
    put("a" * 32, (1, "one"), (3, "three"))
    code, shown, _ = run("logs", "--json")
    found = [json.loads(line) for line in shown.splitlines()]
    assert code == 0
    assert [list(each) for each in found] == [["time", "task", "message"]] * len(found)
    assert [each["message"] for each in found] == ["one", "three"]


def test_a_log_line_that_is_json_is_an_object_itself():
    each = LogLine(datetime(2026, 1, 2, tzinfo=UTC), "b" * 32, '{"level": "info"}\n')
    assert json.loads(LogScreen(as_json=True).line(each).text) == {
        "time": "2026-01-02T00:00:00+00:00",
        "task": "b" * 32,
        "message": {"level": "info"},
    }


def test_watching_and_data_exclude_each_other():
    done = CliRunner().invoke(main, ["status", "--watch", "--json"], prog_name="./careapp")
    assert done.exit_code == 2
    assert "--json answers once: leave --watch out." in done.output


def test_logs_are_limited_filtered_and_chosen(run, put):
    put("a" * 32, (1, "one"), (2, "two"))
    put("b" * 32, (3, "two again"))
    assert run("logs", "-n", "1")[1].endswith("bbbbbbbb two again\n")
    assert run("logs", "--task", "aa", "-n", "1")[1].endswith("aaaaaaaa two\n")
    assert len(run("logs", "--filter", "two")[1].splitlines()) == 2
    assert len(run("logs", "--since", "58m")[1].splitlines()) == 1
    assert len(run("logs", "--since", "2h")[1].splitlines()) == 3


def test_a_bad_filter_is_one_sentence_with_aws_s_words_and_a_way_out(run, put, monkeypatch):
    put("a" * 32, (1, "one"))
    asked = []

    def refuse(self, *given):
        asked.extend(given)
        raise InvalidParameterException(msg="Invalid character(s) in term ':'")

    monkeypatch.setattr(LogsBackend, "filter_log_events", refuse)
    code, shown, complaint = run("logs", "--filter", "level:ERROR")
    assert "level:ERROR" in asked
    assert (code, shown) == (2, "")
    assert complaint == (
        "careapp: --filter level:ERROR is no filter pattern of CloudWatch Logs (Invalid character(s) "
        "in term ':'). Put what has other characters than letters, digits and _ into double quotes, "
        """as in '"went away" -retry', or ask for fields: '{ $.level = "error" }'.\n"""
    )


def test_following_shows_each_line_once(put, session):
    from ops.watch import logs
    from stack.names import StackNames

    put("a" * 32, (58, "one"), (59, "two"))
    slept = []

    def sleep(seconds):
        slept.append(seconds)
        if len(slept) == 1:
            put("b" * 32, (58.9, "late"))
        if len(slept) == 3:
            raise KeyboardInterrupt

    seen, wanted = [], Wanted(since=timedelta(minutes=5))
    found = logs.follow(session, StackNames.of("poc"), wanted, sleep)
    with pytest.raises(KeyboardInterrupt):
        seen.extend(line.text for line in found)
    assert seen == ["one", "two", "late"]


def test_a_time_that_is_none_is_refused(run):
    code, _, complaint = run("logs", "--since", "yesterday")
    assert code == 2
    assert "'yesterday' is not a time like 90s, 10m, 2h or 1d" in complaint


def test_previous_goes_with_nothing_that_asks_for_more(run):
    code, _, complaint = run("logs", "--previous", "--follow")
    assert (code, "--previous goes with --task and --lines only" in complaint) == (2, True)


@pytest.mark.usefixtures("stack")
def test_events_are_one_timeline(run):
    code, shown, _ = run("events")
    assert code == 0
    assert "deploy" in shown
    assert "deployment of careapp-poc:1 begins" in shown


@pytest.mark.usefixtures("account")
def test_pages_are_all_read(session):
    logs = boto3.client("logs", region_name="ap-northeast-1")
    for index in range(60):
        logs.create_log_group(logGroupName=f"group-{index}")
    assert (
        len(session.all("logs", "describe_log_groups", "logGroups", logGroupNamePrefix="group-"))
        == 60
    )


def test_a_session_takes_the_environment_s_region_where_the_stack_file_has_none(monkeypatch):
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    assert (Session(None).region, Session("us-east-1").region) == ("eu-west-1", "us-east-1")
