"""Schedules of EventBridge Scheduler: their times, AWS's rules about them, and what they do when they are due."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from threading import Event
from types import SimpleNamespace

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from tools.local_cloud.aws import hooks
from tools.local_cloud.aws.scheduler.expressions import times
from tools.local_cloud.aws.scheduler.invocations import Invocations
from tools.local_cloud.aws.scheduler.rules import NOT_ASSUMED
from tools.local_cloud.clock import Clock
from tools.local_cloud.providers import lifecycle
from tools.local_cloud.providers.aws import KINDS
from tools.shared.schedule_expressions import next_time
from tools.tests.local_cloud.providers.conftest import counter, definition, refused

SCHEDULE = KINDS["aws:scheduler/schedule:Schedule"]
GROUP = KINDS["aws:scheduler/scheduleGroup:ScheduleGroup"]
QUEUE = "arn:aws:sqs:eu-west-1:123456789012:dead"
ANCHOR = datetime(2026, 11, 28, 12, 0, 30, tzinfo=UTC)  # a Saturday


def following(expression, since, count, zone="UTC"):
    """The first times of an expression, as text."""
    found, times_ = next_time(expression, zone, ANCHOR), []
    since = datetime.fromisoformat(since).replace(tzinfo=UTC)
    while len(times_) < count and (moment := found(since)) is not None:
        times_.append(f"{moment:%Y-%m-%d %H:%M:%S}")
        since = moment + timedelta(microseconds=1)
    return times_


@pytest.mark.parametrize(
    ("expression", "expected"),
    [  # The first two, and the wildcards, are the user guide's examples.
        ("cron(15 10 ? * 6L 2022-2023)", ["2022-01-28 10:15:00", "2022-02-25 10:15:00"]),
        ("cron(15 12 * * ? *)", ["2022-01-01 12:15:00", "2022-01-02 12:15:00"]),
        ("cron(0 8 1 * ? *)", ["2022-01-01 08:00:00", "2022-02-01 08:00:00"]),
        ("cron(0/10 * ? * MON-FRI *)", ["2022-01-03 00:00:00", "2022-01-03 00:10:00"]),
        ("cron(0 18 L * ? *)", ["2022-01-31 18:00:00", "2022-02-28 18:00:00"]),
        ("cron(0 9 3W * ? *)", ["2022-01-03 09:00:00", "2022-02-03 09:00:00"]),
        ("cron(0 9 1W * ? *)", ["2022-01-03 09:00:00", "2022-02-01 09:00:00"]),
        ("cron(0 9 ? * 3#2 *)", ["2022-01-11 09:00:00", "2022-02-08 09:00:00"]),
        ("cron(0 9 ? * L *)", ["2022-01-01 09:00:00", "2022-01-08 09:00:00"]),
        ("cron(0 0 29 2 ? *)", ["2024-02-29 00:00:00", "2028-02-29 00:00:00"]),
        ("cron(0 9 ? * SUN 2021)", []),
        ("at(2022-11-20T13:00:00)", ["2022-11-20 13:00:00"]),
        ("at(2021-11-20T13:00:00)", []),
        ("rate(5 minutes)", ["2026-11-28 12:00:30", "2026-11-28 12:05:30"]),
    ],
)
def test_an_expression_has_the_times_of_the_user_guide(expression, expected):
    assert following(expression, "2022-01-01", 2) == expected


def test_a_time_that_is_due_now_is_the_next_one():
    assert following("cron(30 8 * * ? *)", "2022-01-01 08:30", 1) == ["2022-01-01 08:30:00"]
    assert following("cron(* * * * ? *)", "2022-01-01 08:30:01", 1) == ["2022-01-01 08:31:00"]
    assert following("rate(1 hour)", "2026-11-28 13:00:30", 1) == ["2026-11-28 13:00:30"]
    assert following("rate(2 days)", "2026-11-28 12:00:31", 1) == ["2026-11-30 12:00:30"]


def test_a_zones_clock_is_followed_through_its_changes():
    """Skipped times are skipped, repeated ones run once (user guide, "Daylight savings time")."""
    new_york = "America/New_York"
    assert following("cron(30 8 * * ? *)", "2026-03-07", 2, new_york) == [
        "2026-03-07 13:30:00",
        "2026-03-08 12:30:00",
    ]
    assert following("cron(30 2 * * ? *)", "2026-03-07", 2, new_york) == [
        "2026-03-07 07:30:00",
        "2026-03-09 06:30:00",
    ]
    assert following("cron(30 1 * * ? *)", "2026-11-01", 2, new_york) == [
        "2026-11-01 05:30:00",
        "2026-11-02 06:30:00",
    ]
    assert following("cron(0/30 * * * ? *)", "2026-11-01 05:20", 3, new_york) == [
        "2026-11-01 05:30:00",
        "2026-11-01 07:00:00",
        "2026-11-01 07:30:00",
    ]
    assert following("at(2026-12-01T09:00:00)", "2026-11-01", 2, "Asia/Tokyo") == [
        "2026-12-01 00:00:00"
    ]


@given(
    minute=st.integers(0, 59),
    step=st.integers(1, 59),
    hours=st.sets(st.integers(0, 23), min_size=1),
    days=st.sets(st.integers(1, 7), min_size=1),
    since=st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1)),
)
def test_the_next_time_is_the_first_that_its_fields_name(minute, step, hours, days, since):
    since = since.replace(tzinfo=UTC)
    text = f"cron({minute}/{step} {','.join(map(str, hours))} ? * {','.join(map(str, days))} *)"
    found = next_time(text, "UTC", ANCHOR)(since)
    begin = since.replace(second=0, microsecond=0)
    each = begin if begin == since else begin + timedelta(minutes=1)
    minutes = range(minute, 60, step)
    while (each.minute not in minutes) or (each.hour not in hours) or not _on(each, days):
        each += timedelta(minutes=1 if each.hour in hours and _on(each, days) else 60 - each.minute)
    assert found == each


def _on(moment, days):
    return moment.isoweekday() % 7 + 1 in days


def record(expression, **change):
    """moto's record of a schedule that was changed at ANCHOR."""
    same = {"schedule_expression_timezone": "UTC", "start_date": None, "end_date": None}
    same |= {"schedule_expression": expression, "last_modified_date": ANCHOR.timestamp()}
    return SimpleNamespace(**same | change)


def first(schedule):
    """Its first times from ANCHOR, at most five."""
    return list(islice(times(schedule, ANCHOR), 5))


def test_a_schedule_begins_at_its_start_date_and_ends_at_its_end_date():
    start, end = ANCHOR + timedelta(hours=1), ANCHOR + timedelta(hours=3)
    dates = {"start_date": start.timestamp(), "end_date": end.timestamp()}
    assert first(record("rate(1 hour)", **dates)) == [start, start + timedelta(hours=1), end]
    assert [each.hour for each in first(record("cron(0 * * * ? *)", **dates))] == [14, 15]
    assert first(record("rate(1 hour)"))[0] == ANCHOR
    once = record("at(2027-01-01T00:00:00)", **dates)
    assert first(once) == [datetime(2027, 1, 1, tzinfo=UTC)]


def trust(**condition):
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "scheduler.amazonaws.com"},
        "Action": "sts:AssumeRole",
        **({"Condition": condition} if condition else {}),
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


@pytest.fixture
def cluster(calls):
    """A cluster and a task definition with both roles; its name."""
    name = f"jobs{next(counter)}"
    calls("ecs", "create_cluster", {"clusterName": name})
    roles = {"executionRoleArn": _arn("role/execution"), "taskRoleArn": _arn("role/task")}
    tags = [{"key": "team", "value": "red"}]
    calls("ecs", "register_task_definition", definition(family=name, **roles, tags=tags))
    return name


def _arn(rest):
    return f"arn:aws:iam::{hooks.ACCOUNT}:{rest}"


def ecs(rest):
    return f"arn:aws:ecs:ap-northeast-1:{hooks.ACCOUNT}:{rest}"


def statements(name):
    """What a schedule's role needs, one statement for each action."""
    into = {"ArnEquals": {"ecs:cluster": ecs(f"cluster/{name}")}}
    to_tasks = {"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}}
    passed = [_arn("role/execution"), _arn("role/task")]
    definitions = ecs(f"task-definition/{name}:*")
    return {
        "run": {"Action": "ecs:RunTask", "Resource": definitions, "Condition": into},
        "pass": {"Action": "iam:PassRole", "Resource": passed, "Condition": to_tasks},
    }


@pytest.fixture
def role(calls, cluster):
    """A function that makes a schedule's role with these statements; it returns the ARN."""

    def make(*allowed, document=None):
        name = f"scheduler{next(counter)}"
        text = document or trust()
        made = calls("iam", "create_role", {"RoleName": name, "AssumeRolePolicyDocument": text})
        if allowed:
            own = [{"Effect": "Allow", **each} for each in allowed]
            policy = json.dumps({"Version": "2012-10-17", "Statement": own})
            put = {"RoleName": name, "PolicyName": "own", "PolicyDocument": policy}
            calls("iam", "put_role_policy", put)
        return made["Role"]["Arn"]

    return make


def inputs(cluster, role, expression="rate(1 hour)", **change):
    """A schedule's inputs, as a Pulumi program declares them."""
    parameters = {
        "taskDefinitionArn": ecs(f"task-definition/{cluster}:1"),
        "launchType": "FARGATE",
        "networkConfiguration": {"subnets": ["subnet-1"], "securityGroups": ["sg-1"]},
        **change.pop("ecsParameters", {}),
    }
    target = {
        "arn": ecs(f"cluster/{cluster}"),
        "roleArn": role,
        "ecsParameters": parameters,
        **change.pop("target", {}),
    }
    return {
        "name": f"nightly{next(counter)}",
        "scheduleExpression": expression,
        "flexibleTimeWindow": {"mode": "OFF"},
        "target": target,
        **change,
    }


def created(calls, inputs):
    """Create a schedule by its stand-in; return its id."""
    return lifecycle.create(calls, SCHEDULE, inputs, Event())[0]


def shown(calls, identity):
    group, _, name = identity.partition("/")
    return calls("scheduler", "get_schedule", {"GroupName": group, "Name": name})


def test_a_schedule_is_created_changed_and_deleted_in_its_group(calls, cluster, role):
    group = {"name": f"group{next(counter)}", "tags": {"a": "b"}}
    identity, made = lifecycle.create(calls, GROUP, group, Event())
    assert (identity, made["state"]) == (group["name"], "ACTIVE")
    before = inputs(cluster, role(), groupName=identity, description="first")
    name = created(calls, before)
    assert name == f"{identity}/{before['name']}"

    tags, retry = {"k": "v"}, {"maximumRetryAttempts": 3}
    changed = {"ecsParameters": {"tags": tags}, "target": {"retryPolicy": retry}}
    after = inputs(cluster, before["target"]["roleArn"], groupName=identity, **changed)
    after |= {"name": before["name"], "actionAfterCompletion": "DELETE", "state": "DISABLED"}
    after |= {"startDate": "2030-01-01T00:00:00Z", "endDate": "2030-01-01T01:00:00Z"}
    lifecycle.update(calls, SCHEDULE, name, before, after)
    now = shown(calls, name)
    assert (now["State"], now["ActionAfterCompletion"]) == ("DISABLED", "DELETE")
    assert "Description" not in now
    kept = hooks.backend("scheduler").get_schedule(identity, before["name"])
    begin = datetime(2030, 1, 1, tzinfo=UTC)
    assert first(kept) == [begin, begin + timedelta(hours=1)]
    target = now["Target"]
    assert target["RetryPolicy"] == {"MaximumEventAgeInSeconds": 86400, "MaximumRetryAttempts": 3}
    assert target["EcsParameters"] == {
        "TaskDefinitionArn": ecs(f"task-definition/{cluster}:1"),
        "TaskCount": 1,
        "LaunchType": "FARGATE",
        "Tags": [{"key": "k", "value": "v"}],
        "NetworkConfiguration": {
            "awsvpcConfiguration": {
                "Subnets": ["subnet-1"],
                "SecurityGroups": ["sg-1"],
                "AssignPublicIp": "DISABLED",
            }
        },
    }
    lifecycle.update(calls, GROUP, identity, group, {**group, "tags": {"c": "d"}})
    listed = calls("scheduler", "list_tags_for_resource", {"ResourceArn": made["arn"]})
    assert listed["Tags"] == [{"Key": "c", "Value": "d"}]
    lifecycle.delete(calls, SCHEDULE, name, after)
    assert lifecycle.read(calls, SCHEDULE, name, after) is None
    lifecycle.delete(calls, GROUP, identity, group)
    assert lifecycle.read(calls, GROUP, identity, group) is None


EVENTS = json.loads(trust())["Statement"][0] | {"Principal": {"Service": "events.amazonaws.com"}}
SOURCE = f"arn:aws:scheduler:ap-northeast-1:{hooks.ACCOUNT}:schedule"


@pytest.mark.parametrize(
    "document",
    [
        json.dumps({"Version": "2012-10-17", "Statement": [EVENTS]}),
        trust(StringEquals={"aws:SourceAccount": "210987654321"}),
        trust(ArnLike={"aws:SourceArn": f"{SOURCE}/default/*"}),
    ],
    ids=["another service", "another account", "the schedule in place of its group"],
)
def test_a_role_that_the_service_may_not_assume_is_refused_in_aws_words(
    calls, cluster, role, document
):
    with pytest.raises(lifecycle.ClientError, match=f"ValidationException.*{NOT_ASSUMED}"):
        created(calls, inputs(cluster, role(document=document)))


def test_a_role_for_the_group_is_assumed(calls, cluster, role):
    account = {"StringEquals": {"aws:SourceAccount": hooks.ACCOUNT}}
    own = trust(**account, ArnEquals={"aws:SourceArn": f"{SOURCE}-group/default"})
    assert created(calls, inputs(cluster, role(document=own)))
    with pytest.raises(ClientError, match=NOT_ASSUMED):
        created(calls, inputs(cluster, _arn("role/none")))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"scheduleExpression": "cron(0 9 * * * *)"}, r"Invalid Schedule Expression cron\(0 9"),
        ({"scheduleExpression": "cron(0 9 * *)"}, r"Invalid Schedule Expression cron\(0 9"),
        ({"scheduleExpression": "cron(0 9 LW * ? *)"}, r"Invalid Schedule Expression cron\(0 9"),
        ({"scheduleExpression": "rate(0 minutes)"}, r"Invalid Schedule Expression rate\(0"),
        ({"scheduleExpression": "rate(5 weeks)"}, r"Invalid Schedule Expression rate\(5"),
        ({"scheduleExpression": "rate(99999999999 days)"}, "Invalid Schedule Expression"),
        ({"scheduleExpression": "at(2026-13-01T00:00:00)"}, "Invalid Schedule Expression"),
        ({"scheduleExpression": "at(2026-11-01)"}, "Invalid Schedule Expression"),
        ({"scheduleExpression": "0 9 * * ? *"}, "Invalid Schedule Expression 0 9"),
        ({"scheduleExpressionTimezone": "Mars/Olympus"}, "time zone Mars/Olympus is not one"),
        ({"groupName": "none"}, "ResourceNotFoundException.*Schedule group none does not exist"),
        ({"flexibleTimeWindow": {"mode": "FLEXIBLE"}}, "window with the mode FLEXIBLE, only OFF"),
        ({"target": {"retryPolicy": {"maximumRetryAttempts": 186}}}, "less than or equal to 185"),
        ({"name": "x" * 65}, "'name' failed to satisfy constraint: Member must have length"),
        ({"name": "a b"}, "'name' failed to satisfy constraint: Member must satisfy regular"),
        (
            {"startDate": "2026-12-02T00:00:00Z", "endDate": "2026-12-01T00:00:00Z"},
            "The StartDate must come before the EndDate",
        ),
        ({"target": {"deadLetterConfig": {"arn": QUEUE}}}, f"queue {QUEUE}: it has"),
        ({"target": {"arn": "arn:aws:lambda:x"}}, "target arn:aws:lambda:x: it starts only ECS"),
        ({"target": {"ecsParameters": None}}, "it starts only ECS tasks, with EcsParameters"),
    ],
)
def test_a_schedule_is_refused(calls, cluster, role, change, words):
    with pytest.raises(ClientError, match=words):
        created(calls, inputs(cluster, role(), **change))


def test_a_group_is_unique_and_the_default_one_is_kept(calls):
    name = {"Name": f"group{next(counter)}"}
    calls("scheduler", "create_schedule_group", name)
    for operation, params, words in (
        ("create_schedule_group", name, "ConflictException"),
        ("delete_schedule_group", {"Name": "default"}, "default schedule group cannot be deleted"),
        ("delete_schedule_group", {"Name": "none"}, "ResourceNotFoundException"),
    ):
        with pytest.raises(ClientError, match=words):
            calls("scheduler", operation, params)


class Cloud:
    """The invocations of one schedule, without a data plane: RunTask's requests are kept in ``asked``."""

    def __init__(self, identity):
        group, _, name = identity.partition("/")
        self.schedule = hooks.backend("scheduler").get_schedule(group, name)
        self.invocations, self.asked = Invocations(Clock()), []
        self.begin = self.now = datetime.fromtimestamp(self.schedule.last_modified_date, UTC)
        self.refusal = None

    def run(self, params):
        """Answer RunTask."""
        if self.refusal is not None:
            raise self.refusal
        self.asked.append(params)
        return {"tasks": [], "failures": []}

    def pass_time(self, **duration):
        until = self.now + timedelta(**duration)
        self.invocations.advance(self.now, until)
        self.now = until

    def counts(self):
        """The metrics since the last call."""
        data = self.invocations.take(0)
        return Counter({each.metric.name: int(each.values.sum) for each in data})


@pytest.fixture
def fires(calls, cluster, role):
    """A function that declares a schedule and returns its Cloud. Those of other tests are deleted."""
    hooking, clouds = hooks.Hooking(), []
    for group in hooks.backend("scheduler").schedule_groups.values():
        group.schedules.clear()

    def make(expression="rate(1 hour)", allowed=None, **change):
        allowed = statements(cluster).values() if allowed is None else allowed
        declared = inputs(cluster, role(*allowed), expression, **change)
        clouds.append(Cloud(created(calls, declared)))
        return clouds[-1]

    hooking.instead("ecs", "RunTask", lambda params: clouds[-1].run(params))
    yield make
    hooking.remove()


def test_a_due_schedule_calls_run_task_with_its_parameters(fires, cluster):
    command = [{"name": "app", "command": ["report", "<aws.scheduler.attempt-number>"]}]
    tags = {"ecsParameters": {"group": "jobs", "taskCount": 2, "platformVersion": "1.4.0"}}
    text = {"input": json.dumps({"containerOverrides": command})}
    cloud = fires(name=f"a-long-name-of-a-schedule-{cluster}", **tags, target=text)
    cloud.pass_time(minutes=59)
    network = {"subnets": ["subnet-1"], "securityGroups": ["sg-1"], "assignPublicIp": "DISABLED"}
    assert cloud.asked == [
        {
            "cluster": ecs(f"cluster/{cluster}"),
            "taskDefinition": ecs(f"task-definition/{cluster}:1"),
            "count": 2,
            "group": "jobs",
            "launchType": "FARGATE",
            "platformVersion": "1.4.0",
            "networkConfiguration": {"awsvpcConfiguration": network},
            "overrides": {"containerOverrides": [{"name": "app", "command": ["report", "1"]}]},
            "startedBy": "chronos-schedule/a-long-name-of-a-sc",
        }
    ]
    cloud.pass_time(hours=3)
    assert len(cloud.asked) == 4
    assert cloud.counts() == {"InvocationAttemptCount": 4}
    assert cloud.counts() == {}


@pytest.mark.parametrize(
    ("launch", "words"),
    [
        ({"launchType": "FARGATE"}, "both a launch type and capacity provider strategy"),
        ({}, "The specified capacity provider FARGATE_SPOT was not found"),
    ],
)
def test_run_task_takes_a_launch_type_or_providers_of_the_cluster(calls, cluster, launch, words):
    strategy = [{"capacityProvider": "FARGATE_SPOT"}]
    asked = {"cluster": cluster, "taskDefinition": cluster, "capacityProviderStrategy": strategy}
    assert words in refused(calls, "ecs", "run_task", {**asked, **launch})["Message"]


def test_a_disabled_schedule_runs_nothing_also_later(calls, fires):
    cloud = fires("cron(0 * * * ? *)", state="DISABLED")
    cloud.pass_time(hours=2)
    cloud.schedule.state = "ENABLED"
    assert cloud.asked == []
    cloud.pass_time(hours=1)
    assert len(cloud.asked) == 1


@pytest.mark.parametrize(("action", "left"), [("DELETE", False), ("NONE", True)])
def test_a_completed_schedule_is_deleted_if_it_asks_for_it(calls, fires, action, left):
    moment = datetime.now(UTC) + timedelta(hours=1)
    cloud = fires(f"at({moment:%Y-%m-%dT%H:%M:%S})", actionAfterCompletion=action)
    identity = f"default/{cloud.schedule.name}"
    cloud.pass_time(minutes=50)
    assert (cloud.asked, bool(shown(calls, identity))) == ([], True)
    cloud.pass_time(minutes=20)
    assert len(cloud.asked) == 1
    assert (lifecycle.read(calls, SCHEDULE, identity, {}) is not None) == left


LACKING = {
    "no right to run": ("run", {"Action": "ecs:StopTask"}),
    "another cluster": ("run", {"Condition": {"ArnLike": {"ecs:cluster": ecs("cluster/other*")}}}),
    "another task definition": ("run", {"Resource": ecs("task-definition/other:*")}),
    "no right to pass": ("pass", {"Action": "iam:GetRole"}),
    "only one role to pass": ("pass", {"Resource": _arn("role/task")}),
}


@pytest.mark.parametrize("lacking", LACKING)
def test_a_role_without_a_right_starts_no_task(fires, cluster, lacking, caplog):
    name, change = LACKING[lacking]
    allowed = statements(cluster)
    allowed[name] |= change
    cloud = fires(allowed=allowed.values(), target={"retryPolicy": {"maximumRetryAttempts": 0}})
    cloud.pass_time(minutes=1)
    action = "ecs:RunTask" if name == "run" else "iam:PassRole"
    assert f"is not authorized to perform: {action} on resource" in caplog.text
    assert cloud.asked == []
    assert cloud.counts() == {
        "InvocationAttemptCount": 1,
        "TargetErrorCount": 1,
        "InvocationDroppedCount": 1,
    }


def test_a_definition_without_roles_needs_no_right_to_pass_and_an_override_does(
    calls, fires, cluster, caplog
):
    calls("ecs", "register_task_definition", definition(family=cluster))
    bare = {"taskDefinitionArn": ecs(f"task-definition/{cluster}:2")}
    run = [statements(cluster)["run"]]
    cloud = fires(allowed=run, ecsParameters=bare)
    cloud.pass_time(minutes=1)
    assert len(cloud.asked) == 1
    cloud.schedule.state = "DISABLED"
    override = {"input": json.dumps({"taskRoleArn": _arn("role/admin")})}
    other = fires(allowed=run, ecsParameters=bare, target=override)
    other.pass_time(minutes=1)
    assert other.asked == []
    assert f"iam:PassRole on resource: {_arn('role/admin')}" in caplog.text


@pytest.mark.parametrize(
    ("parameters", "action"),
    [
        ({"tags": {"a": "b"}}, "ecs:TagResource"),
        ({"propagateTags": "TASK_DEFINITION"}, "ecs:TagResource"),
        ({"enableEcsManagedTags": True}, "ecs:TagResource"),
    ],
)
def test_a_tagged_task_needs_the_right_to_tag(fires, cluster, parameters, action):
    once = {"retryPolicy": {"maximumRetryAttempts": 0}}
    without = fires(ecsParameters=parameters, target=once)
    without.pass_time(minutes=1)
    assert without.counts()["InvocationDroppedCount"] == 1
    of_run_task = {"StringEquals": {"ecs:CreateAction": "RunTask"}}
    tag = {"Action": action, "Resource": ecs(f"task/{cluster}/*"), "Condition": of_run_task}
    without.schedule.state = "DISABLED"
    with_right = fires(allowed=[*statements(cluster).values(), tag], ecsParameters=parameters)
    with_right.pass_time(minutes=1)
    assert len(with_right.asked) == 1


def test_a_role_that_is_no_longer_trusted_starts_no_task(calls, fires):
    cloud = fires()
    name = cloud.schedule.target["RoleArn"].rpartition("/")[2]
    document = json.dumps({"Version": "2012-10-17", "Statement": [EVENTS]})
    calls("iam", "update_assume_role_policy", {"RoleName": name, "PolicyDocument": document})
    cloud.pass_time(minutes=1)
    assert cloud.asked == []
    assert cloud.counts() == {"InvocationAttemptCount": 1, "TargetErrorCount": 1}


@pytest.mark.parametrize("text", ["report all", '{"containerOverride": []}', "[]"])
def test_an_input_that_is_not_overrides_starts_no_task(fires, text):
    cloud = fires(target={"input": text, "retryPolicy": {"maximumRetryAttempts": 0}})
    cloud.pass_time(minutes=1)
    assert (cloud.asked, cloud.counts()["InvocationDroppedCount"]) == ([], 1)


def test_a_failed_invocation_is_repeated_with_longer_and_longer_waits(fires):
    cloud = fires("rate(7 days)", target={"retryPolicy": {"maximumRetryAttempts": 3}})
    cloud.refusal = hooks.Refused("ThrottlingException", "Rate exceeded")
    seen = []
    for second in range(12):
        cloud.pass_time(seconds=1)
        seen += [second] * cloud.counts()["InvocationAttemptCount"]
    # The waits are 1, 2 and 4 s from one check to the next.
    assert [later - earlier for earlier, later in pairwise(seen)] == [2, 3, 5]
    cloud.pass_time(days=1)
    assert cloud.counts() == {}


def test_a_repeated_invocation_can_succeed_and_then_counts_no_drop(fires):
    cloud = fires("rate(7 days)")
    cloud.refusal = hooks.Refused("ThrottlingException", "Rate exceeded")
    cloud.pass_time(seconds=1)
    cloud.refusal = None
    cloud.pass_time(minutes=1)
    cloud.pass_time(minutes=1)
    assert len(cloud.asked) == 1
    assert cloud.counts() == {
        "InvocationAttemptCount": 2,
        "TargetErrorCount": 1,
        "TargetErrorThrottledCount": 1,
    }


def test_an_invocation_is_dropped_at_its_greatest_age(fires):
    cloud = fires("rate(7 days)", target={"retryPolicy": {"maximumEventAgeInSeconds": 60}})
    cloud.refusal = hooks.Refused("ClusterNotFoundException", "Cluster not found.")
    for _ in range(90):
        cloud.pass_time(seconds=1)
    counts = cloud.counts()
    assert (counts["InvocationDroppedCount"], counts["InvocationAttemptCount"]) == (1, 6)


def test_the_default_policy_ends_by_its_attempts_within_its_day(fires):
    cloud = fires("rate(7 days)")
    cloud.refusal = hooks.Refused("ClusterNotFoundException", "Cluster not found.")
    for _ in range(24 * 60 * 6):
        cloud.pass_time(seconds=10)
    counts = cloud.counts()
    assert counts["InvocationDroppedCount"] == 1
    assert 180 <= counts["InvocationAttemptCount"] <= 186
