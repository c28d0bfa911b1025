"""Workers and jobs in a pause, over an account of moto."""

import json

import boto3
import pytest

from tools.aws.errors import AwsProblem
from tools.i18n import t
from tools.pause import processes
from tools.tests import stacks as a
from tools.tests.conftest import NAMES
from tools.tests.pause.simulated_stack import SINCE, Simulated, pause, resume

CHOICES = {
    "workers": json.dumps(
        {"mail": {"command": "sh", "count": 2}, "new": {"command": "sh"}, "off": {"command": "sh", "count": 0}}
    ),
    "jobs": json.dumps(
        {
            "report": {"command": "sh", "schedule": "rate(1 day)", "timeoutMinutes": 5},
            "off": {"command": "sh", "schedule": "rate(1 day)", "enabled": False},
        }
    ),
}  # fmt: skip
OFFICE = {"schedule": "sun 08:00-20:00", "scheduleTimeZone": "UTC"}
INSIDE, OUTSIDE = a.at(0).replace(day=29, hour=9), a.at(0).replace(day=29, hour=22)
TARGET = {
    "RoleArn": "arn:aws:iam::123456789012:role/careapp-poc-jobs",
    "Arn": "arn:aws:ecs:ap-northeast-1:123456789012:cluster/careapp-poc-cluster",
    "EcsParameters": {"TaskDefinitionArn": "arn:aws:ecs:x:1:task-definition/careapp-poc-job-report:1"},
    "RetryPolicy": {"MaximumRetryAttempts": 3, "MaximumEventAgeInSeconds": 600},
}  # fmt: skip


@pytest.fixture
def deployed(stack):
    """Two workers and three schedules, of which the stack file has no more one of each."""
    ecs, scheduler = (boto3.client(each, region_name=a.REGION) for each in ("ecs", "scheduler"))
    web = ecs.describe_services(cluster=NAMES.cluster, services=[NAMES.service])["services"][0]
    for name in ("mail", "old", "off"):
        ecs.create_service(
            cluster=NAMES.cluster,
            serviceName=NAMES.worker(name),
            taskDefinition=web["taskDefinition"],
            desiredCount=0 if name == "off" else 2,
        )
    scheduler.create_schedule_group(Name=NAMES.prefix)
    for name in ("report", "off", "old"):
        scheduler.create_schedule(
            Name=name, GroupName=NAMES.prefix, ScheduleExpression="rate(1 day)",
            State="DISABLED" if name == "off" else "ENABLED",
            ScheduleExpressionTimezone="Asia/Tokyo", FlexibleTimeWindow={"Mode": "OFF"}, Target=TARGET,
        )  # fmt: skip
    yield stack.session
    scheduler.delete_schedule_group(Name=NAMES.prefix)
    for name in ("mail", "old", "off"):
        ecs.delete_service(cluster=NAMES.cluster, service=NAMES.worker(name), force=True)


def counts():
    names = [NAMES.service, *(NAMES.worker(each) for each in ("mail", "old", "off"))]
    found = boto3.client("ecs", region_name=a.REGION).describe_services(
        cluster=NAMES.cluster, services=names
    )["services"]
    return {
        each["serviceName"].removeprefix("careapp-poc-"): each["desiredCount"] for each in found
    }


def states():
    scheduler = boto3.client("scheduler", region_name=a.REGION)
    found = scheduler.list_schedules(GroupName=NAMES.prefix)["Schedules"]
    return {each["Name"]: each["State"] for each in found}


def test_a_pause_stops_workers_and_schedules_and_a_resume_starts_those_of_the_stack_file(deployed):
    settings, web = a.choices(**CHOICES), counts()["service"]
    processes.stop(deployed, settings)
    assert counts() == {"service": web, "worker-mail": 0, "worker-old": 0, "worker-off": 0}
    assert states() == {"report": "DISABLED", "off": "DISABLED", "old": "DISABLED"}
    processes.start(deployed, settings, INSIDE)
    assert counts() == {"service": web, "worker-mail": 2, "worker-old": 0, "worker-off": 0}
    assert states() == {"report": "ENABLED", "off": "DISABLED", "old": "DISABLED"}


def test_a_schedule_is_otherwise_as_it_was(deployed):
    """UpdateSchedule replaces what it is not given by defaults (API reference)."""
    scheduler = boto3.client("scheduler", region_name=a.REGION)
    whole = {"GroupName": NAMES.prefix, "Name": "report"}
    changing = {"State", "LastModificationDate", "ResponseMetadata"}
    before = scheduler.get_schedule(**whole)
    processes.stop(deployed, a.choices(**CHOICES))
    after = scheduler.get_schedule(**whole)
    assert {key: after[key] for key in after.keys() - changing} == {
        key: before[key] for key in before.keys() - changing
    }


@pytest.mark.parametrize(("at", "count"), [(INSIDE, 2), (OUTSIDE, 0)])
def test_workers_that_keep_hours_start_within_them_and_no_hour_starts_them_in_a_pause(
    deployed, at, count
):
    settings = a.choices(**CHOICES, **OFFICE)
    scaling = boto3.client("application-autoscaling", region_name=a.REGION)

    def target():
        where = f"service/{NAMES.cluster}/{NAMES.worker('mail')}"
        found = scaling.describe_scalable_targets(ServiceNamespace="ecs", ResourceIds=[where])
        [target] = found["ScalableTargets"]
        suspended = set(target["SuspendedState"].values())
        return target["MinCapacity"], target["MaxCapacity"], suspended

    processes.stop(deployed, settings)
    assert (target(), counts()["worker-mail"]) == ((0, 0, {True}), 0)
    processes.start(deployed, settings, at)
    assert (target(), counts()["worker-mail"]) == ((count, count, {False}), count)


class Denied:
    """A session whose caller may not list schedules."""

    def all(self, *_, **__):
        raise AwsProblem("denied", t("no permission"), t("ask for it"))


def test_a_stack_without_jobs_has_no_group_of_schedules(stack):
    processes.switch_schedules(stack.session, NAMES, ())
    with pytest.raises(AwsProblem, match="no permission"):
        processes.switch_schedules(Denied(), NAMES, ())


def test_the_tasks_of_workers_and_jobs_are_waited_for_and_the_web_s_are_counted_once(
    stack, monkeypatch
):
    tasks = [
        {"taskArn": "t/web", "lastStatus": "RUNNING", "group": f"service:{NAMES.service}"},
        {"taskArn": "t/mail", "lastStatus": "DEACTIVATING", "group": f"service:{NAMES.worker('mail')}"},
        {"taskArn": "t/report", "lastStatus": "RUNNING", "group": "family:careapp-poc-job-report"},
        {"taskArn": "t/done", "lastStatus": "STOPPED", "group": "family:careapp-poc-job-report"},
    ]  # fmt: skip
    monkeypatch.setattr(processes, "described", lambda *_: tasks)
    assert list(processes.left(stack.session, NAMES)) == ["mail", "report"]


def test_workers_stop_before_the_database_and_start_after_it(wait):
    pausable = Simulated(workers=CHOICES["workers"])
    pause(pausable, wait)
    assert pausable.changes()[2:] == [
        ("stop others",), ("alarm actions", False), ("count", 0), ("stop_db_instance",),
    ]  # fmt: skip
    pausable.calls.clear()
    resume(pausable, wait)
    assert pausable.changes() == [
        ("start_db_instance",), ("count", 3), ("register", (False, False, True), 1, 4), ("start others", SINCE),
        ("alarm actions", True), ("untag",),
    ]  # fmt: skip


def test_a_pause_says_beforehand_which_it_stops():
    assert list(map(str, processes.planned_changes(a.choices(**CHOICES)))) == [
        "the workers stop: mail, new, off",
        "the schedules of the jobs are disabled: off, report; a run that has begun is waited for",
    ]
    assert list(processes.planned_changes(a.choices())) == []
