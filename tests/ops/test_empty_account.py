"""An account in which there is nothing."""

from pathlib import Path
from types import SimpleNamespace

import boto3
import pytest
from docker.errors import DockerException

from ops.aws.session import Session
from ops.snapshot import gather
from stack import network
from stack.names import StackNames
from stack.settings import Settings

NAMES = StackNames.of("poc")


@pytest.mark.usefixtures("account")
def test_doctor_without_a_stack_says_so(run):
    code, shown, _ = run("doctor")
    assert code == 1
    assert "There is no stack careapp-poc in ap-northeast-1" in shown


@pytest.mark.usefixtures("account")
def test_status_of_nothing_says_how_to_make_it(run):
    code, shown, _ = run("status")
    assert (code, shown) == (
        1,
        "careapp-poc · nothing is there · ap-northeast-1\n  Create it: pulumi up -s poc\n",
    )


@pytest.mark.usefixtures("account")
def test_logs_without_a_log_group_say_what_that_means(run):
    code, _, complaint = run("logs")
    assert (code, complaint) == (
        2,
        "careapp: There is no log group /ecs/careapp-poc: ECS is off, or somebody deleted it. "
        "See `./careapp status` and `./careapp doctor`.\n",
    )


@pytest.mark.usefixtures("folder")
def test_an_empty_account_has_nothing_and_that_is_an_answer(session):
    now = gather(NAMES, session, Settings.read("poc", Path()))
    assert set(now.problems()) == {"quota"}
    assert [each.absent for each in (now.service, now.balancer, now.group, now.database)] == [
        True
    ] * 4
    assert now.network.absent


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
def quotas(monkeypatch):
    """Service Quotas' answers by code; moto knows neither Fargate's nor EC2's."""
    values = {"L-F678F1CE": 5.0, "L-0263D0A3": 5.0, "L-FE5A380F": 5.0, "L-3032A538": 6.0}
    call = Session.call

    def answered(self, service, operation, /, **params):
        if service == "service-quotas":
            return {"Quota": {"Value": values[params["QuotaCode"]]}}
        return call(self, service, operation, **params)

    monkeypatch.setattr(Session, "call", answered)
    return values


@pytest.fixture
def service_roles(account):
    iam = boto3.client("iam", region_name=account)
    for service in ("rds", "ecs"):
        iam.create_service_linked_role(AWSServiceName=f"{service}.amazonaws.com")
    yield
    for service in ("rds", "ecs"):
        iam.delete_service_linked_role(RoleName=f"AWSServiceRoleFor{service}")


def marks(shown):
    return [line.strip()[0] for line in shown.splitlines()[1:9]]


@pytest.mark.usefixtures("account", "tools", "quotas", "service_roles")
def test_preflight_before_stage_1_says_that_the_account_is_ready(run):
    code, shown, _ = run("preflight")
    assert (code, marks(shown)) == (0, ["✓"] * 8)
    assert "Ready for stage 1: `pulumi up -s poc`." in shown


@pytest.mark.usefixtures("account", "tools", "quotas")
def test_a_new_account_lacks_the_role_that_the_databases_subnet_group_needs(run):
    code, shown, _ = run("preflight")
    assert (code, marks(shown)[4]) == (1, "✗")
    assert "create-service-linked-role" in shown
    assert "--aws-service-name rds.amazonaws.com" in shown


@pytest.mark.usefixtures("account", "tools", "service_roles")
@pytest.mark.parametrize("code", ["L-F678F1CE", "L-0263D0A3", "L-FE5A380F"])
def test_a_quota_that_is_used_up_is_named_with_the_way_to_more(run, quotas, code):
    quotas[code] = 0.0
    ended, shown, _ = run("preflight")
    assert (ended, marks(shown)[5]) == (1, "✗")
    assert f"--quota-code {code} --desired-value" in shown


@pytest.mark.usefixtures("account", "quotas", "service_roles")
def test_preflight_misses_the_tools_of_this_machine(run, tools, monkeypatch):
    def no_daemon(**_):
        raise DockerException("connection refused")

    tools.unlink()
    monkeypatch.setattr("docker.from_env", no_daemon)
    code, shown, _ = run("preflight")
    assert (code, marks(shown)[1:3]) == (1, ["✗", "✗"])


@pytest.mark.usefixtures("account", "tools", "quotas", "service_roles")
def test_a_zone_that_the_account_does_not_have_is_named(run, folder, monkeypatch):
    monkeypatch.setattr(network, "ZONE_LETTERS", {"ap-northeast-1": "acx"})
    file = folder / "Pulumi.poc.yaml"
    file.write_text(file.read_text() + "  careapp:zones: ap-northeast-1a,ap-northeast-1x\n")
    code, shown, _ = run("preflight")
    assert (code, marks(shown)[3]) == (1, "✗")
    assert "The account has no zone ap-northeast-1x" in shown


@pytest.mark.usefixtures("tools", "quotas", "service_roles")
def test_a_name_that_is_taken_is_said_before_aws_refuses_it(run, account):
    logs = boto3.client("logs", region_name=account)
    logs.create_log_group(logGroupName=NAMES.log_group)
    code, shown, _ = run("preflight")
    logs.delete_log_group(logGroupName=NAMES.log_group)
    assert (code, marks(shown)[7]) == (0, "!")
    assert f"Names of the stack are taken: {NAMES.log_group}" in shown
