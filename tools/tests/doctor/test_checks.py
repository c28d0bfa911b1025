"""Every finding: the situation that it names comes first; quotas, and versions that were rolled back."""

from dataclasses import replace
from pathlib import Path

import pytest

from stack import sizes
from stack.settings import Settings
from tools.doctor.diagnose import PARTS, judge
from tools.snapshot import cloudwatch
from tools.snapshot.cloudwatch import Quota
from tools.snapshot.rds import RESUME_FIRST, Pause
from tools.snapshot.records import Alarmed, Part
from tools.tests import stacks as a
from tools.tests.conftest import NAMES
from tools.tests.doctor.situations import (
    AMONG,
    CRASHED,
    KINDS,
    SITUATIONS,
    findings,
    kinds,
    rules,
    trace,
)


def test_a_healthy_stack_has_no_findings_and_all_of_it_was_checked():
    diagnosis = judge(a.stack())
    assert (diagnosis.findings, diagnosis.unread, diagnosis.healthy) == ((), (), True)
    unchecked = {name for name, part in PARTS.items() if part not in diagnosis.checked}
    assert unchecked == {
        *("rollback_reason", "was_deployed", "command_tasks", "ended_by", "jobs", "login"),
        *("uploads", "remains"),
    }


@pytest.mark.parametrize("name", SITUATIONS)
def test_the_first_finding_is_the_root_cause(name):
    found = findings(SITUATIONS[name])
    if name in AMONG:
        assert name in [each.id for each in found]
    else:
        assert (found[0].id, found[0].kind) == (name, KINDS.get(name, "cause"))


@pytest.mark.parametrize("name", SITUATIONS)
def test_a_finding_says_what_was_seen_and_how_to_mend_it(name):
    finding = next(each for each in findings(SITUATIONS[name]) if each.id == name)
    assert finding.seen or finding.evidence or name in {"stack-missing", "ecs-off"} | {
        "target-group-missing", "health-check-off", "balancer-not-active",
    }  # fmt: skip
    assert finding.fixes or name in {"targets-unhealthy", "cannot-place-tasks"}


def test_a_database_that_aws_started_again_on_a_paused_stack_is_told():
    [found] = findings(
        a.stack(service=a.service(desired=0, running=0), database=a.database(pause=Pause(a.NOW)))
    )
    assert found.id == "stack-paused"
    assert "AWS starts a stopped database automatically after seven days." in map(str, found.seen)
    assert [each.commands for each in found.fixes][1] == ("./careapp pause -s poc",)


def test_doctor_says_that_a_paused_stack_with_a_final_snapshot_cannot_be_destroyed():
    paused = {"service": a.service(desired=0, running=0)}
    paused["database"] = a.database(status="stopped", pause=Pause(a.NOW))
    for kept, told in (("", False), ("final", True)):
        [found] = findings(a.stack(**paused, settings=a.choices(databaseFinalSnapshot=kept)))
        assert any(str(each) == str(RESUME_FIRST) for each in found.seen) is told


def test_a_stack_whose_tasks_run_again_is_not_paused_whatever_the_tags_say():
    found = findings(a.stack(database=a.database(status="stopped", pause=Pause(a.NOW))))
    assert [each.id for each in found] == ["database-away"]


def test_a_paused_stack_s_other_causes_are_still_told():
    database = a.database(status="failed", pause=Pause(a.NOW))
    found = findings(a.stack(service=a.service(desired=0, running=0), database=database))
    assert found[0].id == "database-away"


def test_what_could_not_be_looked_at_forbids_to_say_healthy():
    diagnosis = judge(a.stack(execution=a.DENIED))
    assert (diagnosis.findings, diagnosis.healthy, diagnosis.exit_code) == ((), False, 2)
    assert [str(each.part) for each in diagnosis.unread] == ["the execution role"]


@pytest.mark.parametrize("unseen", ["tasks", "targets", "group"])
def test_what_could_not_be_looked_at_is_no_cause_either(unseen):
    """Too few healthy tasks were not seen: a quota of days ago and a death before the deployment stay the past."""
    past = a.event("has reached the limit on the number of vCPUs", seconds=-3 * 24 * 3600)
    died = replace(a.ended(CRASHED, code=1), stopping=a.at(-700), stopped=a.at(-690))
    known = a.stack(service=a.service(events=(past,)), tasks=(a.task(), died))
    diagnosis = judge(replace(known, **{unseen: Part(problem=a.DENIED)}))
    assert ([each.id for each in diagnosis.causes], diagnosis.exit_code) == ([], 2)


def test_alarms_and_quota_are_listed_but_do_not_decide():
    diagnosis = judge(a.stack(quota=a.DENIED, alarms=a.DENIED))
    assert (diagnosis.healthy, diagnosis.exit_code, len(diagnosis.unread)) == (True, 0, 2)


def test_a_cause_decides_the_exit_code_even_where_something_was_not_seen():
    assert judge(a.stack(execution=a.DENIED, network=rules(app_in=()))).exit_code == 1


@pytest.mark.parametrize(
    ("quota", "service", "kind"),
    [
        (Quota(limit=1.0), {"desired": 2, "running": 2}, None),
        (Quota(limit=0.99), {"desired": 2, "running": 2}, "warning"),
        (Quota(limit=0.99), {"desired": 2, "running": 2, "maximum": 150}, None),
        (Quota(limit=0.49), {"desired": 2, "running": 2, "maximum": 150}, "cause"),
        (Quota(limit=6, elsewhere=5.5), {}, None),
        (Quota(limit=6, elsewhere=5.6), {}, "warning"),
        (Quota(limit=6, elsewhere=5.8), {}, "cause"),
    ],
)
def test_a_roll_out_must_fit_beside_what_else_the_account_runs(quota, service, kind):
    situation = a.stack(quota=quota, service=a.service(**service))
    assert dict(kinds(situation)).get("fargate-quota-small") == kind


@pytest.mark.parametrize(
    ("limit", "most", "kind"), [(6, "6", None), (6, "7", "warning"), (5.9, "6", "warning")]
)
def test_with_scaling_the_roll_out_of_the_most_tasks_must_fit(limit, most, kind):
    settings = a.choices(
        taskCpu="512", taskMemory="1024", minCount="2", maxCount=most, scaleCpuTarget="60"
    )
    situation = a.stack(
        settings,
        quota=Quota(limit=limit),
        main=a.definition(cpu=512, memory=1024),
        service=a.service(desired=2, running=2),
    )
    assert dict(kinds(situation)).get("fargate-quota-small") == kind


@pytest.mark.parametrize("name", ["poc", "prod"])
def test_the_stack_files_fit_into_a_new_account(name):
    settings = Settings.read(name, Path(__file__).parents[3])
    quota = Quota(limit=sizes.NEW_ACCOUNT_VCPUS)
    found = dict(kinds(a.stage1(settings, quota=quota)))
    assert found.keys() & {"fargate-quota-small", "sizes-near"} == set()


def test_the_fix_of_a_small_quota_asks_for_enough_of_the_right_kind():
    quota = Quota(limit=6, elsewhere=5.6, code="L-36FBB829")
    (found,) = [each for each in judge(a.stack(quota=quota)).findings if "quota" in each.id]
    assert [str(each) for each in found.seen] == [
        "Up to 6.1 vCPU are needed during a roll-out of 1; 6 are allowed in ap-northeast-1.",
        "Other tasks of the account have 5.6 of them.",
    ]
    assert found.fixes[0].commands == (
        "aws service-quotas request-service-quota-increase --region ap-northeast-1 --service-code fargate "
        "--quota-code L-36FBB829 --desired-value 7",
    )


LARGE_WORKER = {"workers": '{"mail": {"command": "sh", "cpu": 4096, "memory": 8192}}'}


@pytest.mark.parametrize(
    ("situation", "kind"),
    [
        (lambda settings, quota: a.stage1(settings, quota=quota), "warning"),
        (lambda settings, quota: a.stack(settings, quota=quota), None),
        (lambda settings, quota: a.stack(settings, quota=replace(quota, elsewhere=4)), "warning"),
    ],
    ids=["before it is deployed", "when it does not run", "when it runs"],
)
def test_a_worker_s_new_and_old_task_must_fit_beside_the_web_s(situation, kind):
    """Of one that runs, AWS counts the old task among the account's tasks."""
    found = kinds(situation(a.choices(**LARGE_WORKER), Quota(limit=8)))
    assert dict(found).get("fargate-quota-small") == kind


def test_before_ecs_is_on_the_declared_size_must_fit():
    declared = a.choices(ecsEnabled="false", taskCpu="1024", taskMemory="2048", desiredCount="3")
    found = kinds(a.stage1(declared, quota=Quota(limit=5)))
    assert [each for each in found if "quota" in each[0]] == [("fargate-quota-small", "warning")]


STOPPED = "(deployment ecs-svc/2) deployment failed: stopped by StopServiceDeployment."
ALARMED = "(deployment ecs-svc/2) deployment failed: alarm detected."
TRIPPED = "(deployment ecs-svc/2) deployment failed: tasks failed to start."


def rolled_back(*messages, **changes):
    """The finding about a version whose task was healthy, with these events, the newest first."""
    ended = a.ended("Scaling activity initiated by (deployment ecs-svc/3)", code=0)
    undone = a.failing(ended, rolled_back=True)
    events = tuple(a.event(each) for each in messages)
    service = a.service(
        deployments=undone.service.value.deployments, definition=a.OLD, events=events
    )
    logs = a.logs(b=[a.LISTENS, *trace("AttributeError: no visit")])
    stack = a.failing(ended, rolled_back=True, **{"service": service, "logs": logs, **changes})
    return next(each for each in judge(stack).findings if each.id == "rolled-back")


def test_the_alarm_that_ended_the_deployment_is_named_with_the_app_s_own_error():
    found = rolled_back(ALARMED, TRIPPED, ended_by=Alarmed(("careapp-poc-deployment-errors",)))
    assert "set the alarm careapp-poc-deployment-errors to ALARM" in str(found.why)
    assert "AttributeError" in str(found.seen[1])
    assert found.fixes[0].commands == ("pulumi up -s poc",)
    assert any(ALARMED in each for each in found.evidence)


def test_a_stopped_deployment_says_who_may_have_stopped_it():
    found = rolled_back(STOPPED)
    assert "The deployment was stopped: by the end of `pulumi up`" in str(found.why)
    assert [each.commands for each in found.fixes] == [
        ("pulumi up -s poc",),
        ("./careapp retry -s poc", "pulumi up -s poc"),
    ]


def test_of_a_right_that_failed_the_page_the_grant_is_named_and_another_try():
    raises = trace("psycopg.errors.InsufficientPrivilege: permission denied for table visits")
    granted, again = rolled_back(STOPPED, logs=a.logs(b=[a.LISTENS, *raises])).fixes
    assert granted.commands[-1].endswith('ON TABLE visits TO postgres"')
    assert (again.then, again.commands[0]) == (True, "./careapp retry -s poc")


@pytest.mark.parametrize("messages", [(TRIPPED, ALARMED), ()])
def test_failed_tasks_are_the_circuit_breaker_s_and_are_tried_again(messages):
    found = rolled_back(*messages)
    assert "The deployment circuit breaker ends a roll-out" in str(found.why)
    assert found.fixes[0].commands == ("./careapp retry -s poc",)


class Asked:
    """Answers about service deployments, of which the newest was ended by alarms that watch these target groups."""

    def __init__(self, *watched, mine="tg-2/b"):
        self.watched, self.mine = watched, mine

    def call(self, _service, operation, **params):
        if operation == "list_service_deployments":
            assert params == {"cluster": NAMES.cluster, "service": NAMES.service}
            rows = [
                {
                    "serviceDeploymentArn": f"arn:{day}",
                    "createdAt": day,
                    "targetServiceRevisionArn": f"arn:r{day}",
                }
                for day in (1, 3, 2)
            ]
            return {"serviceDeployments": rows}
        if operation == "describe_service_revisions":
            assert params == {"serviceRevisionArns": ["arn:r3"]}
            balancers = (
                [{"targetGroupArn": f"arn:aws:x:targetgroup/{self.mine}"}] if self.mine else []
            )
            return {"serviceRevisions": [{"resolvedConfiguration": {"loadBalancers": balancers}}]}
        if operation == "describe_alarms":
            assert params == {"AlarmNames": ["one", "two"]}
            return {"MetricAlarms": [*map(watching, self.watched)]}
        assert (operation, params) == (
            "describe_service_deployments",
            {"serviceDeploymentArns": ["arn:3"]},
        )
        return {"serviceDeployments": [{"alarms": {"triggeredAlarmNames": ["one", "two"]}}]}


def watching(group):
    """An alarm on an expression of a target group's metric; "" for one that watches none."""
    dimensions = [{"Name": "LoadBalancer", "Value": "app/alb/1"}]
    dimensions += [{"Name": "TargetGroup", "Value": f"targetgroup/{group}"}] if group else []
    metric = {"MetricStat": {"Metric": {"Dimensions": dimensions}}}
    return {"Metrics": [{"Expression": "errors / requests"}, metric]}


@pytest.mark.parametrize(
    ("watched", "mine", "blameless"),
    [
        (("tg-1/a",), "tg-2/b", True),
        (("tg-2/b",), "tg-2/b", False),
        (("tg-1/a", "tg-2/b"), "tg-2/b", False),
        (("tg-1/a", ""), "tg-2/b", False),
        (("tg-1/a",), "", False),
        ((), "tg-2/b", False),
    ],
    ids=[
        "the old version's",
        "its own",
        "both",
        "one of none",
        "no group is known",
        "alarms are gone",
    ],
)
def test_the_alarms_of_the_newest_deployment_blame_the_version_they_measure(
    watched, mine, blameless
):
    found = cloudwatch.alarms_that_ended(Asked(*watched, mine=mine), NAMES)
    assert found == Alarmed(("one", "two"), blameless)


def test_an_alarm_of_the_old_version_s_targets_blames_no_release():
    found = rolled_back(ALARMED, ended_by=Alarmed(("careapp-poc-deployment-errors",), True))
    assert str(found.why).endswith("this release was not at fault.")
    assert [each.commands for each in found.fixes] == [
        ("./careapp retry -s poc", "pulumi up -s poc")
    ]


@pytest.mark.parametrize(
    ("older", "command"), [(True, "./careapp rollback -s poc"), (False, "pulumi up -s poc")]
)
def test_a_canary_whose_tasks_fail_is_ended_by_the_first_command(older, command):
    deployments = (
        a.deployment(rollout="IN_PROGRESS", failed=9),
        a.deployment(definition=a.OLD, status="ACTIVE"),
    )
    going = a.service(deployments=deployments[: 1 + older], strategy="CANARY")
    found = next(
        each for each in judge(a.stack(service=going)).findings if each.id == "roll-out-going-on"
    )
    assert found.fixes[0].commands == (command,)


def test_a_part_of_the_snapshot_without_an_alarm_is_empty():
    assert a.stack().ended_by == Part()


def test_a_load_balancer_without_a_listener_gets_it_back_from_pulumi():
    gone = replace(a.balancer(), listeners=())
    found = next(e for e in judge(a.stack(balancer=gone)).findings if e.id == "no-listener")
    assert found.fixes[0].commands == ("pulumi up --refresh -s poc",)
