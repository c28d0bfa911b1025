"""Schedules of EventBridge Scheduler: their times, AWS's rules about them, and what they do when they are due."""

import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from types import SimpleNamespace

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from local_cloud.aws import hooks
from local_cloud.aws.schedule_expressions import next_time
from local_cloud.aws.scheduler.invocations import Invocations, times
from tests.providers.conftest import (
    ACCOUNT,
    REGION,
    allow,
    definition,
    document,
    recorded,
    unique,
)

TABLES = recorded("schedules")
ANCHOR = datetime(2026, 11, 28, 12, 0, 30, tzinfo=UTC)  # a Saturday
HOUR = timedelta(hours=1)


@pytest.mark.parametrize(("expression", "since", "zone", "expected"), TABLES["times"])
def test_an_expression_has_its_times(expression, since, zone, expected):
    found, times_ = next_time(expression, zone, ANCHOR), []
    since = datetime.fromisoformat(str(since)).replace(tzinfo=UTC)
    while len(times_) < max(len(expected), 1) and (moment := found(since)) is not None:
        times_.append(f"{moment:%Y-%m-%d %H:%M:%S}".removesuffix(":00"))
        since = moment + timedelta(microseconds=1)
    assert times_ == expected


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

    def in_hours():
        return each.hour in hours and each.isoweekday() % 7 + 1 in days

    while each.minute not in minutes or not in_hours():
        each += timedelta(minutes=1 if in_hours() else 60 - each.minute)
    assert found == each


def first(schedule):
    """A schedule's first times from ANCHOR, at most five."""
    return list(islice(times(schedule, ANCHOR), 5))


def test_a_schedule_begins_at_its_start_and_ends_at_its_end_date():
    start, end = ANCHOR + HOUR, ANCHOR + 3 * HOUR

    def times_of(expression, start=start, end=end):
        """Those of moto's record of a schedule that was changed at ANCHOR."""
        dates = {"start_date": start and start.timestamp(), "end_date": end and end.timestamp()}
        same = {"schedule_expression_timezone": "UTC", "last_modified_date": ANCHOR.timestamp()}
        return first(SimpleNamespace(schedule_expression=expression, **same, **dates))

    assert times_of("rate(1 hour)") == [start, start + HOUR, end]
    assert [time.hour for time in times_of("cron(0 * * * ? *)")] == [14, 15]
    assert times_of("rate(1 hour)", start=None, end=None)[0] == ANCHOR
    assert times_of("at(2027-01-01T00:00:00)") == [datetime(2027, 1, 1, tzinfo=UTC)]


def iam(rest):
    return f"arn:aws:iam::{ACCOUNT}:{rest}"


def ecs(rest):
    return f"arn:aws:ecs:{REGION}:{ACCOUNT}:{rest}"


def trust(service="scheduler"):
    trusted = {"Principal": {"Service": f"{service}.amazonaws.com"}}
    return document({"Effect": "Allow", "Action": "sts:AssumeRole", **trusted})


class Jobs:
    """A cluster and a task definition with both roles, of one name; and the schedules that start it."""

    def __init__(self, aws, make, subnets, groups):
        self.aws, self.make, self.name = aws, make, unique("jobs")
        self.network = {"subnets": subnets[:1], "securityGroups": groups[:1]}
        aws.ecs.create_cluster(clusterName=self.name)
        roles = {"executionRoleArn": iam("role/execution"), "taskRoleArn": iam("role/task")}
        tags = [{"key": "team", "value": "red"}]
        aws.ecs.register_task_definition(**definition(family=self.name, **roles, tags=tags))
        self.definition = ecs(f"task-definition/{self.name}:1")
        self.cluster = ecs(f"cluster/{self.name}")

    def rights(self):
        """What a schedule's role needs, one statement for each action."""
        into = {"ArnEquals": {"ecs:cluster": self.cluster}}
        to_tasks = {"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}}
        passed = [iam("role/execution"), iam("role/task")]
        definitions = ecs(f"task-definition/{self.name}:*")
        return [
            allow("ecs:RunTask", definitions, Condition=into),
            allow("iam:PassRole", passed, Condition=to_tasks),
        ]

    def role(self, *allowed):
        """Make a schedule's role with these statements; return the ARN."""
        name = unique("scheduler")
        made = self.aws.iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust())
        if allowed:
            policy = {"PolicyName": "own", "PolicyDocument": document(*allowed)}
            self.aws.iam.put_role_policy(RoleName=name, **policy)
        return made["Arn"]

    def schedule(self, role, expression="rate(1 hour)", **change):
        parameters = {"taskDefinitionArn": self.definition, "launchType": "FARGATE"}
        parameters |= {"networkConfiguration": self.network, **change.pop("ecsParameters", {})}
        target = {"arn": self.cluster, "roleArn": role, "ecsParameters": parameters}
        inputs = {
            "name": unique("nightly"),
            "scheduleExpression": expression,
            "flexibleTimeWindow": {"mode": "OFF"},
            "target": target | change.pop("target", {}),
        }
        return self.make("scheduler/schedule", **{**inputs, **change})


@pytest.fixture
def jobs(aws, make, subnets, groups):
    return Jobs(aws, make, subnets, groups)


@pytest.mark.parametrize(("change", "words"), TABLES["refused"])
def test_a_schedule_is_refused(jobs, change, words):
    with pytest.raises(ClientError) as problem:
        jobs.schedule(jobs.role(), **change)
    error = problem.value.response["Error"]
    assert words in error["Message"]
    assert (error["Code"] == "ResourceNotFoundException") is ("groupName" in change)


class Cloud:
    """The invocations of one schedule, without a data plane: RunTask's requests are kept in ``asked``."""

    def __init__(self, made):
        self.made = made
        group, _, name = made.id.partition("/")
        self.schedule = hooks.backend("scheduler").get_schedule(group, name)
        self.invocations, self.asked = Invocations(), []
        self.now = datetime.fromtimestamp(self.schedule.last_modified_date, UTC)
        self.refusal = None

    def refuse(self, code, words):
        self.refusal = hooks.Refused(code, words)

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
        """The metrics since the last call, without their common end."""
        data = self.invocations.take(0)
        counted = {datum.metric.name: int(datum.values.sum) for datum in data}
        return Counter({name.removesuffix("Count"): count for name, count in counted.items()})


DROPPED = {"InvocationAttempt": 1, "TargetError": 1, "InvocationDropped": 1}


@pytest.fixture
def fires(jobs):
    """A function that declares a schedule and returns its Cloud. The others are deleted or disabled."""
    hooking, clouds = hooks.Hooking(), []
    for group in hooks.backend("scheduler").schedule_groups.values():
        group.schedules.clear()

    def make(expression="rate(1 hour)", allowed=None, retry=None, **change):
        for cloud in clouds:
            cloud.schedule.state = "DISABLED"
        if retry is not None:
            change["target"] = change.get("target", {}) | {"retryPolicy": retry}
        role = jobs.role(*(jobs.rights() if allowed is None else allowed))
        clouds.append(Cloud(jobs.schedule(role, expression, **change)))
        return clouds[-1]

    hooking.instead("ecs", "RunTask", lambda params: clouds[-1].run(params))
    yield make
    hooking.remove()


ONCE = {"maximumRetryAttempts": 0}


def test_a_due_schedule_calls_run_task_with_its_parameters(fires, jobs):
    command = [{"name": "app", "command": ["report", "<aws.scheduler.attempt-number>"]}]
    more = {"ecsParameters": {"group": "jobs", "taskCount": 2, "platformVersion": "1.4.0"}}
    text = {"input": json.dumps({"containerOverrides": command})}
    cloud = fires(name=f"a-long-name-of-a-schedule-{jobs.name}", **more, target=text)
    cloud.pass_time(minutes=59)
    network = jobs.network | {"assignPublicIp": "DISABLED"}
    assert cloud.asked == [
        {
            "cluster": jobs.cluster,
            "taskDefinition": jobs.definition,
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
    assert cloud.counts() == {"InvocationAttempt": 4}
    assert cloud.counts() == {}


def test_a_disabled_schedule_runs_nothing_also_later(fires):
    cloud = fires("cron(0 * * * ? *)", state="DISABLED")
    cloud.pass_time(hours=2)
    cloud.schedule.state = "ENABLED"
    assert cloud.asked == []
    cloud.pass_time(hours=1)
    assert len(cloud.asked) == 1


@pytest.mark.parametrize(("action", "left"), [("DELETE", False), ("NONE", True)])
def test_a_completed_schedule_is_deleted_if_it_asks_for_it(fires, action, left):
    moment = datetime.now(UTC) + HOUR
    cloud = fires(f"at({moment:%Y-%m-%dT%H:%M:%S})", actionAfterCompletion=action)
    cloud.pass_time(minutes=50)
    assert (cloud.asked, cloud.made.read() is None) == ([], False)
    cloud.pass_time(minutes=20)
    assert (len(cloud.asked), cloud.made.read() is not None) == (1, left)


@pytest.mark.parametrize(("action", "change"), TABLES["lacks"])
def test_a_role_without_a_right_starts_no_task(fires, jobs, action, change, caplog):
    allowed = [right | (change if right["Action"] == action else {}) for right in jobs.rights()]
    cloud = fires(allowed=allowed, retry=ONCE)
    cloud.pass_time(minutes=1)
    assert f"is not authorized to perform: {action} on resource" in caplog.text
    assert (cloud.asked, cloud.counts()) == ([], DROPPED)


def test_a_definition_without_roles_needs_no_right_to_pass(aws, fires, jobs, caplog):
    """An override with a role does."""
    aws.ecs.register_task_definition(**definition(family=jobs.name))
    bare = {"taskDefinitionArn": ecs(f"task-definition/{jobs.name}:2")}
    override = {"input": json.dumps({"taskRoleArn": iam("role/admin")})}
    for target, started in (({}, 1), (override, 0)):
        cloud = fires(allowed=jobs.rights()[:1], ecsParameters=bare, target=target)
        cloud.pass_time(minutes=1)
        assert len(cloud.asked) == started
    assert f"iam:PassRole on resource: {iam('role/admin')}" in caplog.text


@pytest.mark.parametrize(
    "parameters",
    [{"tags": {"a": "b"}}, {"propagateTags": "TASK_DEFINITION"}, {"enableEcsManagedTags": True}],
)
def test_a_tagged_task_needs_the_right_to_tag(fires, jobs, parameters):
    of_run_task = {"StringEquals": {"ecs:CreateAction": "RunTask"}}
    tag = allow("ecs:TagResource", ecs(f"task/{jobs.name}/*"), Condition=of_run_task)
    for more, started in (([], 0), ([tag], 1)):
        cloud = fires(allowed=[*jobs.rights(), *more], ecsParameters=parameters, retry=ONCE)
        cloud.pass_time(minutes=1)
        assert len(cloud.asked) == started
        assert cloud.counts()["InvocationDropped"] == 1 - started


def test_a_role_that_is_no_longer_trusted_starts_no_task(aws, fires):
    cloud = fires()
    name = cloud.schedule.target["RoleArn"].rpartition("/")[2]
    aws.iam.update_assume_role_policy(RoleName=name, PolicyDocument=trust("events"))
    cloud.pass_time(minutes=1)
    assert cloud.asked == []
    assert cloud.counts() == {"InvocationAttempt": 1, "TargetError": 1}


@pytest.mark.parametrize("text", ["report all", '{"containerOverride": []}', "[]"])
def test_an_input_that_is_not_overrides_starts_no_task(fires, text):
    cloud = fires(target={"input": text}, retry=ONCE)
    cloud.pass_time(minutes=1)
    assert (cloud.asked, cloud.counts()["InvocationDropped"]) == ([], 1)


def test_a_failed_invocation_is_repeated_with_longer_waits(fires):
    cloud = fires("rate(7 days)", retry={"maximumRetryAttempts": 3})
    cloud.refuse("ThrottlingException", "Rate exceeded")
    seen = []
    for second in range(12):
        cloud.pass_time(seconds=1)
        seen += [second] * cloud.counts()["InvocationAttempt"]
    # The waits are 1, 2 and 4 s from one check to the next.
    assert [later - earlier for earlier, later in pairwise(seen)] == [2, 3, 5]
    cloud.pass_time(days=1)
    assert cloud.counts() == {}


def test_a_repeated_invocation_that_succeeds_is_not_dropped(fires):
    cloud = fires("rate(7 days)")
    cloud.refuse("ThrottlingException", "Rate exceeded")
    cloud.pass_time(seconds=1)
    cloud.refusal = None
    for _ in range(2):
        cloud.pass_time(minutes=1)
    assert len(cloud.asked) == 1
    throttled = {"InvocationAttempt": 2, "TargetError": 1, "TargetErrorThrottled": 1}
    assert cloud.counts() == throttled


@pytest.mark.parametrize(
    ("retry", "seconds", "least", "most"),
    [
        ({"maximumEventAgeInSeconds": 60}, 1, 6, 6),  # its greatest age
        (None, 10, 180, 186),  # the default policy ends by its attempts within its day
    ],
)
def test_an_invocation_is_dropped_in_the_end(fires, retry, seconds, least, most):
    cloud = fires("rate(7 days)", retry=retry)
    cloud.refuse("ClusterNotFoundException", "Cluster not found.")
    for _ in range(90 if retry else 24 * 60 * 6):
        cloud.pass_time(seconds=seconds)
    counts = cloud.counts()
    assert counts["InvocationDropped"] == 1
    assert least <= counts["InvocationAttempt"] <= most
