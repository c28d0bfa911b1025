"""What was read and checked, when a stack is healthy, what fits into the quota, and whose alarm ended a roll-out."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from careapp import ROOT
from careapp.additions.checks import stages
from careapp.settings.file import StackError
from careapp.settings.settings import Settings
from ecs_gate import checks
from ecs_gate.diagnosis.case import Case
from ecs_gate.doctor import judge
from ecs_gate.parts import cloudwatch
from ecs_gate.parts.cloudwatch import Quota
from ecs_gate.parts.gather import Snapshot
from ecs_gate.parts.of_service import PARTS
from ecs_gate.parts.records import Alarmed, Part
from tests import stacks as a
from tests.conftest import NAMES, Answering
from tests.doctor.situations import CRASHED, findings
from tests.doctor.variants.stack import FIVE


def test_a_healthy_stack_has_no_findings_and_all_of_it_was_checked():
    diagnosis = judge(a.stack())
    assert (diagnosis.findings, diagnosis.unread, diagnosis.healthy) == ((), (), True)
    unchecked = {part.name for part in PARTS if part.what not in diagnosis.checked}
    assert unchecked == {
        *("rollback_reason", "was_deployed", "command_tasks", "ended_by", "login"),
        *("verdict", "tried"),
    }


def test_a_clock_that_runs_ahead_tells_the_time():
    stopped = a.event("has reached a steady state.", seconds=2 * 3600)
    quiet = a.service(desired=0, running=0, events=(stopped,))
    early, late = (
        Case.of(a.stack(a.choices(schedule=hours), service=quiet))
        for hours in ("mon-fri 08:00-22:00", "mon-fri 22:30-23:30")
    )
    assert early.now.at == datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
    assert (stages.in_hours(early), stages.in_hours(late)) == (False, True)


@pytest.mark.parametrize("unseen", ["tasks", "targets", "group"])
def test_what_could_not_be_looked_at_is_no_cause_either(unseen):
    """Too few healthy tasks were not seen: a quota of days ago and a death before the deployment stay the past."""
    past = a.event("has reached the limit on the number of vCPUs", seconds=-3 * 24 * 3600)
    died = replace(a.ended(CRASHED, code=1), stopping=a.at(-700), stopped=a.at(-690))
    known = a.stack(service=a.service(events=(past,)), tasks=(a.task(), died))
    diagnosis = judge(known.having(getattr(Snapshot, unseen), Part(problem=a.DENIED)))
    assert ([cause.id for cause in diagnosis.causes], diagnosis.exit_code) == ([], 2)


@pytest.mark.parametrize("name", ["poc", "prod"])
def test_the_stack_files_fit_into_a_new_account(name):
    settings = Settings.read(name, ROOT)
    # Fargate On-Demand in a region (AWS General Reference, "Amazon ECS endpoints and quotas").
    quota = Quota(limit=6)
    found = {finding.id for finding in findings(a.stage1(settings, quota=quota))}
    assert not found & {"fargate-quota-small", "sizes-near"}


def asked(*watched, mine):
    """A session that answers about deployments, the newest of which alarms ended that watch these target groups."""
    rows = [
        {"serviceDeploymentArn": f"arn:{day}", "createdAt": day, "targetServiceRevisionArn": f"arn:r{day}"}
        for day in (1, 3, 2)
    ]  # fmt: skip
    balancers = [{"targetGroupArn": f"arn:aws:x:targetgroup/{mine}"}] if mine else []
    ended = {"alarms": {"triggeredAlarmNames": ["one", "two"]}}
    revision = {"resolvedConfiguration": {"loadBalancers": balancers}}
    return Answering(
        list_service_deployments={"serviceDeployments": rows},
        describe_service_deployments={"serviceDeployments": [ended]},
        describe_service_revisions={"serviceRevisions": [revision]},
        describe_alarms={"MetricAlarms": [*map(watching, watched)]},
    )


def watching(group):
    """An alarm on an expression of a target group's metric; "" for one that watches none."""
    dimensions = [{"Name": "LoadBalancer", "Value": "app/alb/1"}]
    dimensions += [{"Name": "TargetGroup", "Value": f"targetgroup/{group}"}] if group else []
    metric = {"MetricStat": {"Metric": {"Dimensions": dimensions}}}
    return {"Metrics": [{"Expression": "errors / requests"}, metric]}


BLAMED = {
    "the old version's": (("tg-1/a",), "tg-2/b", True),
    "its own": (("tg-2/b",), "tg-2/b", False),
    "both": (("tg-1/a", "tg-2/b"), "tg-2/b", False),
    "one of none": (("tg-1/a", ""), "tg-2/b", False),
    "no group is known": (("tg-1/a",), "", False),
    "alarms are gone": ((), "tg-2/b", False),
}


@pytest.mark.parametrize(("watched", "mine", "blameless"), BLAMED.values(), ids=BLAMED)
def test_alarms_of_a_deployment_blame_the_version_they_measure(watched, mine, blameless):
    session = asked(*watched, mine=mine)
    assert cloudwatch.alarms_that_ended(session, NAMES) == Alarmed(("one", "two"), blameless)
    assert [params for _, params in session.calls] == [
        {"cluster": NAMES.cluster, "service": NAMES.service},
        {"serviceDeploymentArns": ["arn:3"]},
        {"serviceRevisionArns": ["arn:r3"]},
        {"AlarmNames": ["one", "two"], "AlarmTypes": ["MetricAlarm", "CompositeAlarm"]},
    ]


@pytest.mark.parametrize(
    "wrong", [{"desiredCount": "five"}, {"desiredCuont": "5"}, {"healthPath": "nowhere"}]
)
def test_defaults_of_a_wrong_stack_file_are_not_called_declared(wrong):
    with pytest.raises(StackError) as error:
        a.choices(**wrong)
    checked = a.target_group(path="/nowhere")
    five = a.service(desired=5, running=5)
    assert findings(a.stack(error.value.usable, service=five, group=checked, **FIVE)) == ()
    off = a.stack(error.value.usable, group=a.target_group(enabled=False))
    assert [finding.id for finding in findings(off)] == ["health-check-drifted"]


def test_a_check_that_fails_is_one_check_and_named_as_careapp_s_own_mistake(monkeypatch):
    def broken(_):
        raise KeyError("x")

    monkeypatch.setattr(checks, "CHECKS", (broken, *checks.CHECKS))
    diagnosis = judge(a.stack(database=None))
    assert [cause.id for cause in diagnosis.causes] == ["database-missing"]
    [failed] = diagnosis.unread
    assert (str(failed.part), failed.problem.kind) == ("the check broken", "own")
    told = failed.problem.as_text()
    assert told.startswith("careapp itself failed here (KeyError: 'x'; test_checks.py:")
    assert told.endswith("That is a defect of careapp, not of what it reads: please report it.")
