"""Preflight: the checks of an empty account before stage 1, and of stage 1 before ECS."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import Mock

import pytest
from docker.errors import DockerException

from stack.settings import Settings
from tools.preflight import checklist as preflight_screen
from tools.preflight.checklist import BAD, GOOD, LATER, UNKNOWN, WARNED, tick
from tools.snapshot import Inquiry, gather
from tools.snapshot.cloudwatch import Quota
from tools.snapshot.task_logs import Logs
from tools.tests import stacks as a
from tools.tests.conftest import NAMES, client
from tools.tests.doctor import job_runs

NO_LOG = (
    "careapp: There is no log group /ecs/careapp-poc: ECS is off, or the log group was deleted. "
    "See `./careapp status` and `./careapp doctor`.\n"
)
EMPTY = "careapp-poc · nothing is there · ap-northeast-1\n  Create it: pulumi up -s poc\n"


@pytest.mark.usefixtures("account")
def test_without_a_stack_each_command_says_what_that_means(run):
    code, shown, _ = run("doctor")
    assert (code, "There is no stack careapp-poc in ap-northeast-1" in shown) == (1, True)
    assert run("status")[:2] == (1, EMPTY)
    assert run("logs")[::2] == (2, NO_LOG)


@pytest.mark.usefixtures("folder")
def test_an_empty_account_has_no_problems(session):
    now = gather(Inquiry(Settings.read("poc", Path()), session))
    assert set(now.problems()) == {"quota"}
    parts = (now.service, now.balancer, now.group, now.database, now.network)
    assert all(each.absent for each in parts)


@pytest.fixture
def tools(tmp_path, monkeypatch):
    """Pulumi is on PATH, and a Docker daemon answers."""
    program = tmp_path / "pulumi"
    program.write_text("#!/bin/sh\necho v999.0.0\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("docker.from_env", lambda **_: SimpleNamespace(ping=lambda: True))
    return program


@pytest.fixture
def quotas(calls):
    """Service Quotas' answers by code; moto knows neither Fargate's nor EC2's."""
    values = {"L-F678F1CE": 5.0, "L-0263D0A3": 5.0, "L-FE5A380F": 5.0, "L-3032A538": 6.0}
    values["L-1B52E74A"] = 20.0
    for each in ("get_service_quota", "get_aws_default_service_quota"):
        calls.answers[each] = lambda asked: {"Quota": {"Value": values[asked["QuotaCode"]]}}
    return values


@pytest.fixture
def service_roles(account):
    iam = client("iam")
    for service in ("rds", "ecs"):
        iam.create_service_linked_role(AWSServiceName=f"{service}.amazonaws.com")
    yield
    for service in ("rds", "ecs"):
        iam.delete_service_linked_role(RoleName=f"AWSServiceRoleFor{service}")


def marks(shown):
    return [line.strip()[0] for line in shown.splitlines()[1:10]]


@pytest.fixture
def ready(account, tools, quotas, service_roles, folder):
    """An account that is ready for stage 1; it adds lines to the stack file."""
    file = folder / "Pulumi.poc.yaml"
    return lambda *lines: file.write_text("\n  ".join([file.read_text().rstrip(), *lines]))


@pytest.mark.usefixtures("ready")
def test_preflight_before_stage_1_says_that_the_account_is_ready(run):
    code, shown, _ = run("preflight")
    assert (code, marks(shown)) == (0, ["✓"] * 9)
    assert "Ready for stage 1: `pulumi up -s poc`." in shown


@pytest.mark.usefixtures("ready")
def test_missing_tools_are_named(run, tools, monkeypatch):
    tools.unlink()
    monkeypatch.setattr("docker.from_env", Mock(side_effect=DockerException("refused")))
    code, shown, _ = run("preflight")
    assert (code, marks(shown)[1:3]) == (1, ["✗", "✗"])


@pytest.mark.usefixtures("account", "tools", "quotas")
def test_a_new_account_lacks_the_role_that_the_databases_subnet_group_needs(run):
    code, shown, _ = run("preflight")
    assert (code, marks(shown)[4]) == (1, "✗")
    assert "create-service-linked-role" in shown
    assert "--aws-service-name rds.amazonaws.com" in shown


def test_a_quota_that_is_used_up_is_named_with_the_request_for_more(run, ready, quotas):
    used_up = ("L-F678F1CE", "L-0263D0A3", "L-FE5A380F", "L-1B52E74A")
    quotas["L-1B52E74A"] = 0.0
    assert run("preflight")[0] == 0, "without uploadsEnabled there is no gateway endpoint"
    ready("careapp:uploadsEnabled: true")
    quotas.update(dict.fromkeys(used_up, 0.0))
    ended, shown, _ = run("preflight")
    assert (ended, marks(shown)[5]) == (1, "✗")
    assert [f"--quota-code {code} --desired-value" in shown for code in used_up] == [True] * 4


def test_a_zone_that_the_account_does_not_have_is_named(run, ready):
    ready("careapp:zones: ap-northeast-1a,ap-northeast-1x")
    code, shown, _ = run("preflight")
    assert (code, marks(shown)[3]) == (1, "✗")
    assert "the account has no availability zone ap-northeast-1x in ap-northeast-1" in shown
    assert "pulumi config set zones ap-northeast-1a,ap-northeast-1c" in shown


def test_names_in_use_and_settings_near_a_limit_are_marked_before_stage_1(run, ready):
    client("logs").create_log_group(logGroupName=NAMES.log_group)
    ready("careapp:desiredCount: 8")
    code, shown, _ = run("preflight")
    client("logs").delete_log_group(logGroupName=NAMES.log_group)
    assert (code, marks(shown)[7:9]) == (0, ["!", "!"])
    assert f"Names of the stack are taken: {NAMES.log_group}" in shown
    assert "desiredCount 8: up to 16 tasks during a roll-out can open 98 connections." in shown


def test_a_quota_that_a_roll_out_of_the_most_tasks_exceeds_is_a_warning(run, ready, quotas):
    ready("careapp:maxCount: 4")
    for quota, mark in ((1.99, "!"), (2.0, "✓")):
        quotas["L-3032A538"] = quota
        code, shown, _ = run("preflight")
        assert (code, marks(shown)[6]) == (0, mark)
        warned = "Up to 2 vCPU are needed during a roll-out of 4; 1.99 are allowed" in shown
        assert warned is (mark == "!")


@pytest.mark.parametrize(("found", "on"), [(a.stage1, "false"), (a.stack, "true")])
def test_settings_near_a_limit_are_marked_before_and_in_stage_2(found, on):
    room = "The database and the load balancer have room for a roll-out"
    for count, state in (("6", GOOD), ("7", WARNED)):
        listed = tick(found(a.choices(ecsEnabled=on, desiredCount=count)))
        assert [each.state for each in listed.items if str(each.text) == room] == [state]
        assert listed.exit_code == 0
    assert "sizes-near" in [each.id for each in listed.diagnosis.findings]


def test_a_preflight_before_stage_2_leaves_for_later_what_stage_2_makes():
    found = tick(a.stage1())
    states = [each.state for each in found.items]
    assert states == sorted(states, key=[GOOD, LATER].index)
    assert (set(states), found.exit_code) == ({GOOD, LATER}, 0)
    assert "Ready: `pulumi config set ecsEnabled true`, then `pulumi up`." in text(found)


def text(found):
    return "\n".join(each.text for each in preflight_screen.lines(found))


NO_IMAGE = replace(a.HEALTHY["image"], present=False)
CUT_OFF = a.network(a.subnet("private-1", "10.0.16.0/20"))
TLS = replace(a.target_group(), protocol="HTTPS")
NO_LOGS = Logs(group="/ecs/careapp-poc", exists=False)
IMAGE = "The image is in ECR, for the task's processor"
SECRETS = "The secrets of the database and of the app are there"
ROUTES = "The tasks' subnets lead to ECR, Secrets Manager and CloudWatch Logs"


@pytest.mark.parametrize(
    ("now", "first", "lines"),
    [
        (a.stage1(group=TLS), "target-protocol", ["The target group speaks the app's protocol"]),
        (a.stage1(image=NO_IMAGE, network=CUT_OFF), "task-cannot-reach-aws", [IMAGE, ROUTES]),
        (a.stage1(secrets={a.SECRET: None}), "secret-missing", [SECRETS]),
        (a.stack(logs=NO_LOGS), "log-group-missing", ["The log group is there"]),
    ],
    ids=["a protocol", "image and route", "a secret", "the log group"],
)
def test_preflight_names_what_is_missing(now, first, lines):
    found = tick(now)
    bad = [str(each.text) for each in found.items if each.state == BAD]
    assert (found.exit_code, found.diagnosis.first.id, bad) == (1, first, lines)


def test_a_preflight_in_public_subnets_needs_no_nat_gateway():
    settings = a.choices(ecsEnabled="false", natStrategy="none")
    assert tick(a.stage1(settings, network=CUT_OFF)).exit_code == 0


def test_a_warning_does_not_make_a_preflight_unready():
    settings = a.choices(ecsEnabled="false", taskCpu="1024", taskMemory="2048", desiredCount="3")
    found = tick(a.stage1(settings, quota=Quota(limit=5)))
    assert ([each.state for each in found.items].count(WARNED), found.exit_code) == (1, 0)
    for words in ("\n  ! ", "\nReady: ", "Fargate's quota is too small for a roll-out"):
        assert words in text(found)


def test_job_that_failed_does_not_make_a_preflight_unready():
    found = tick(job_runs.SITUATIONS["job-failed"])
    assert found.exit_code == 0
    assert "ECS is already on, and serves; a job needs attention." in text(found)
    assert "1. [cause] The last run of the job report failed" in text(found)


def test_a_preflight_that_cannot_read_a_part_is_not_ready():
    found = tick(a.stage1(image=a.DENIED))
    assert (found.items[1].state, found.exit_code) == (UNKNOWN, 2)
