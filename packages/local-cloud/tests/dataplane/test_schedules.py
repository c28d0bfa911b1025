"""A schedule of EventBridge Scheduler starts a task, whose end an EventBridge rule sees."""

import json
from datetime import timedelta
from typing import Any

import pytest

from local_cloud.aws import hooks
from local_cloud.aws.cloudwatch.store import STORE
from tests.dataplane.declarations import policy, statement, trust
from tests.dataplane.stack import Stack

REPORT = "import os; print('report of', os.environ['DAY']); raise SystemExit(3)"
ECS = f"arn:aws:ecs:ap-northeast-1:{hooks.ACCOUNT}"
ARN = f"arn:aws:scheduler:ap-northeast-1:{hooks.ACCOUNT}:schedule/default/report"
PASSED = {"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}}
CLUSTER = {"ArnEquals": {"ecs:cluster": f"{ECS}:cluster/main"}}


def schedule(stack: Stack, definition: str) -> None:
    """Declare a schedule that runs the report once, in a minute of AWS's, and is then deleted.

    Its role has what it needs and no more.
    """
    document = trust("scheduler.amazonaws.com")
    role = stack.iam.create_role(RoleName="schedules", AssumeRolePolicyDocument=document)["Role"]
    roles = [stack.ids["execution-role"], stack.ids["task-role"]]
    document = policy(
        statement("ecs:RunTask", f"{ECS}:task-definition/app:*", Condition=CLUSTER),
        statement("iam:PassRole", roles, Condition=PASSED),
        statement("ecs:TagResource", f"{ECS}:task/main/*"),
    )
    stack.grant("schedules", document)
    environment = [{"name": "DAY", "value": "<aws.scheduler.schedule-arn>"}]
    override = {"name": "app", "command": ["python3", "-c", REPORT], "environment": environment}
    network = {"Subnets": stack.ids["private"], "SecurityGroups": [stack.ids["task-sg"]]}
    run = {
        **{"TaskDefinitionArn": definition, "PropagateTags": "TASK_DEFINITION", "Group": "reports"},
        **{"NetworkConfiguration": {"awsvpcConfiguration": network}},
        **{"CapacityProviderStrategy": [{"capacityProvider": "FARGATE_SPOT"}]},
        **{"Tags": [{"key": "job", "value": "report"}]},
    }
    stack.client("scheduler").create_schedule(
        Name="report",
        ScheduleExpression=f"at({stack.clock.now() + timedelta(minutes=1):%Y-%m-%dT%H:%M:%S})",
        FlexibleTimeWindow={"Mode": "OFF"},
        ActionAfterCompletion="DELETE",
        Target={
            **{"Arn": f"{ECS}:cluster/main", "RoleArn": role["Arn"], "EcsParameters": run},
            **{"Input": json.dumps({"containerOverrides": [override]})},
            **{"RetryPolicy": {"MaximumRetryAttempts": 0}},
        },
    )


def stopped(stack: Stack) -> dict[str, Any]:
    """Wait until the task that the schedule started has stopped, and return it."""
    by = {"cluster": "main", "startedBy": "chronos-schedule/report", "desiredStatus": "STOPPED"}

    def ask() -> Any:
        arns = stack.ecs.list_tasks(**by)["taskArns"]
        asked = {"cluster": "main", "tasks": arns, "include": ["TAGS"]}
        found = stack.ecs.describe_tasks(**asked)["tasks"] if arns else []
        return [each for each in found if each["lastStatus"] == "STOPPED"]

    [task] = stack.until(ask, what="a task of the schedule")
    return dict(task)


def sums(stack: Stack) -> dict[tuple[str, str], float]:
    """Return the sums of the metrics of schedules and rules in CloudWatch, by name and dimension."""
    found = {}
    for namespace, name, dimensions in list(STORE.metrics()):
        if namespace in ("AWS/Scheduler", "AWS/Events"):
            [(_, value)] = dimensions
            found[name, value] = sum(stack.series(namespace, name, "Sum", **dict(dimensions)))
    return found


@pytest.mark.slow
def test_schedule_runs_its_task_whose_failure_a_rule_sees(cloud):
    cloud.network()
    cloud.roles()
    cloud.ecs.create_cluster(clusterName="main", capacityProviders=["FARGATE_SPOT"])
    cloud.logs.create_log_group(logGroupName="/ecs/app")
    tags = [{"key": "team", "value": "red"}, {"key": "job", "value": "none"}]
    definition = cloud.task_definition(whole={"tags": tags})
    failed = {"containers": {"exitCode": [{"anything-but": 0}]}, "group": ["reports"]}
    for name, detail in {
        "failed": failed,
        "stopped": {"lastStatus": ["STOPPED"], "stopCode": ["EssentialContainerExited"]},
        "killed": {"containers": {"exitCode": [137]}},
        "other": {**failed, "group": ["others"]},
    }.items():
        pattern = {"source": ["aws.ecs"], "detail-type": ["ECS Task State Change"]}
        whole = json.dumps({**pattern, "detail": detail})
        cloud.client("events").put_rule(Name=name, EventPattern=whole)
    schedule(cloud, definition)

    task = stopped(cloud)
    assert (task["group"], task["startedBy"]) == ("reports", "chronos-schedule/report")
    assert (task["taskDefinitionArn"], task["capacityProviderName"]) == (definition, "FARGATE_SPOT")
    assert task["stopCode"] == "EssentialContainerExited"
    assert [container["exitCode"] for container in task["containers"]] == [3]
    assert {tag["key"]: tag["value"] for tag in task["tags"]} == {"team": "red", "job": "report"}
    assert cloud.lines(task["taskArn"]) == [f"report of {ARN}"]
    assert cloud.client("scheduler").list_schedules()["Schedules"] == []

    expected = {
        ("InvocationAttemptCount", "default"): 1,
        **{("TriggeredRules", "failed"): 1, ("TriggeredRules", "stopped"): 1},
    }
    cloud.until(lambda: sums(cloud) == expected, what=f"the metrics {expected}")
