"""Preflight: the checks of an empty account before stage 1; those of stage 1 before ECS are in watch/screens.txt."""

from types import SimpleNamespace
from unittest.mock import Mock

import pytest
from docker.errors import DockerException

from tests.conftest import NAMES, client

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
    for operation in ("get_service_quota", "get_aws_default_service_quota"):
        calls.answers[operation] = lambda asked: {"Quota": {"Value": values[asked["QuotaCode"]]}}
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
def test_the_command_for_stage_1_names_the_stack_of_a_project_with_a_hyphen(run, folder):
    for file in folder.glob("Pulumi*.yaml"):
        file.write_text(file.read_text().replace("careapp", "my-app"))
    code, shown, _ = run("preflight")
    assert (code, "Ready for stage 1: `pulumi up -s poc`." in shown) == (0, True)


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


@pytest.mark.usefixtures("ready")
def test_a_quota_that_is_used_up_is_named_with_the_request_for_more(run, quotas):
    used_up = ("L-F678F1CE", "L-0263D0A3", "L-FE5A380F")
    quotas.update(dict.fromkeys(used_up, 0.0))
    ended, shown, _ = run("preflight")
    assert (ended, marks(shown)[5]) == (1, "✗")
    assert [f"--quota-code {code} --desired-value" in shown for code in used_up] == [True] * 3


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
