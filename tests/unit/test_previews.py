"""The stacks of pull requests: names, settings and time."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import yaml

from policy.controls import left_out
from stack import previews
from stack.file import StackError, read
from stack.settings import Settings
from tests.unit.conftest import network
from tools.local_cloud.paths import ROOT
from tools.snapshot.rds import keeps_snapshot

PROUD = """\
config:
  aws:region: ap-northeast-1
  careapp:ecsEnabled: "false"
  careapp:natStrategy: onePerAz
  careapp:databaseInstanceClass: db.m7g.large
  careapp:databaseMultiAz: "true"
  careapp:desiredCount: "4"
  careapp:maxCount: "9"
  careapp:bastionEnabled: "true"
  careapp:permissionsBoundary: careapp-delivery-poc-boundary
  careapp:domainName: app.example.com
  careapp:hostedZoneId: Z0123456789ABC
  careapp:loginIssuer: https://login.example.com
  careapp:loginClientId: careapp
  careapp:loginSecretArn: "arn:aws:secretsmanager:ap-northeast-1:123456789012:secret:careapp-poc/login-AbCdEf"
  careapp:taskCpu: "512"
  careapp:taskMemory: "1024"
  careapp:healthPath: /live
  careapp:appVariables: {MODE: trial, KEY: {secure: AAAB}}
  careapp:appSecrets:
    TOKEN: "arn:aws:secretsmanager:ap-northeast-1:123456789012:secret:careapp-poc/t-AbCdEf"
    PGPASSWORD: ${DB_PASSWORD}
  careapp:workers: {mail: {command: sleep infinity, count: 2}}
  careapp:jobs:
    report: {command: "true", schedule: rate(1 day), enabled: true}
    sweep: {command: "true", schedule: rate(1 day)}
"""
"""A model that has all that costs, a domain, secrets, and what its app needs."""


@pytest.fixture
def model(tmp_path):
    """A project's folder whose poc is that one."""
    (tmp_path / "Pulumi.yaml").write_text("name: careapp\n")
    (tmp_path / "Pulumi.poc.yaml").write_text(PROUD)
    return tmp_path


def written(folder, number=7):
    return Settings.of(read(previews.name_of(number), previews.write(number, folder).parent))


@pytest.mark.parametrize(
    ("stack", "number"),
    [
        *(("pr-7", 7), ("pr-12345", 12345), ("poc", None), ("prod", None), ("pr-", None)),
        *(("pr-0", None), ("pr-07", None), ("pr-7a", None), ("pr-7\n", None), ("apr-7", None)),
    ],
)
def test_only_a_number_after_pr_is_a_pull_request_s_stack(stack, number):
    assert previews.number_of(stack) == number
    assert number is None or previews.name_of(number) == stack


def test_a_preview_has_what_the_app_needs_and_the_least_that_is_billed(model):
    made = written(model)
    assert (made.stack, made.ecs_enabled, made.protect) == ("pr-7", True, False)
    assert (made.service.cpu, made.service.memory, made.health.path) == (512, 1024, "/live")
    assert (made.network.nat, made.service.desired_count) == ("none", 1)
    assert (made.database.instance_class, made.database.multi_az) == ("db.t4g.micro", False)
    assert (made.database.final_snapshot, made.service.scaling.enabled) == ("", False)
    billed = (made.bastion_enabled, made.monitoring.alarms, made.monitoring.dashboard)
    assert not any(billed)


def test_a_preview_has_the_bound_of_its_role_and_nothing_that_is_poc_s_alone(model):
    made = written(model)
    assert made.boundary == "careapp-delivery-pr-boundary"
    assert not made.https.enabled
    assert made.names.repository == "careapp-pr-7/hello-ecs"
    config = yaml.safe_load((model / "Pulumi.pr-7.yaml").read_text())["config"]
    assert config["careapp:appVariables"] == {"MODE": "trial"}  # the other is encrypted
    assert config["careapp:appSecrets"] == {"PGPASSWORD": "${DB_PASSWORD}"}  # its own database's


def test_a_preview_runs_the_model_s_workers_and_none_of_its_jobs(model):
    made = written(model)
    assert [(each.name, each.count) for each in made.workers] == [("mail", 2)]
    assert [(each.name, each.enabled) for each in made.jobs] == [
        ("report", False),
        ("sweep", False),
    ]


@pytest.mark.parametrize("jobs", ["5", "[a]", "{report: 5}"])
def test_jobs_that_are_no_map_are_refused_as_those_of_a_preview(model, jobs):
    file = model / "Pulumi.poc.yaml"
    head, _, _ = PROUD.partition("  careapp:jobs:")
    file.write_text(f"{head}  careapp:jobs: {jobs}\n")
    with pytest.raises(StackError, match=r"stack pr-7 .*\n  jobs: "):
        written(model)


def test_a_preview_of_the_committed_poc_can_be_deployed():
    Settings.of(previews.settings_of(7, ROOT), sources=True)


def test_a_model_that_is_missing_is_one_sentence(tmp_path):
    with pytest.raises(StackError, match=r"Pulumi\.poc\.yaml"):
        previews.write(7, tmp_path)


def test_a_paused_one_can_be_destroyed_for_it_keeps_no_final_snapshot(tmp_path):
    (tmp_path / "Pulumi.yaml").write_text("name: careapp\n")
    (tmp_path / "Pulumi.poc.yaml").write_text(
        "config: {aws:region: ap-northeast-1, careapp:databaseFinalSnapshot: last-words}"
    )
    assert not keeps_snapshot(Settings.of(previews.settings_of(7, tmp_path)))


def test_its_time_is_over_when_the_hours_have_passed_since_its_last_update():
    now = datetime(2026, 11, 27, 12, tzinfo=UTC)
    ages = {hours: previews.is_over(now - timedelta(hours=hours), 8, now) for hours in (0, 7.99, 8)}
    assert ages == {0: False, 7.99: False, 8: True}


@pytest.mark.parametrize(("stack", "closed"), [("poc", 1), ("prod", 1), ("pr-7", 0)])
def test_only_a_preview_leaves_the_default_group_as_aws_made_it(engine, stack, closed):
    values = read("poc", ROOT)
    settings = Settings.of(replace(values, stack=stack))
    engine.run(lambda: network(settings))
    assert [made.typ for made in engine.made].count(
        "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup"
    ) == closed


def test_a_preview_leaves_out_the_controls_of_poc_and_that_one():
    assert left_out("pr-7").keys() - left_out("poc").keys() == {"EC2.2"}
    assert left_out("pr-x") == left_out("prod")


def test_it_runs_without_the_login_whose_secret_it_may_not_read(model):
    assert "careapp:loginIssuer" in read("poc", model).values
    assert not written(model).login.enabled
