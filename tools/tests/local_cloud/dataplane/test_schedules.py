"""A schedule of EventBridge Scheduler starts a task, whose end an EventBridge rule sees."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from tools.local_cloud.aws import hooks
from tools.tests.local_cloud.dataplane.stack import Stack

REPORT = "import os; print('report of', os.environ['DAY']); raise SystemExit(3)"
SCHEDULER = {"Service": "scheduler.amazonaws.com"}
ECS = f"arn:aws:ecs:ap-northeast-1:{hooks.ACCOUNT}"


def policy(*statements: dict[str, Any]) -> str:
    allowed = [{"Effect": "Allow", **each} for each in statements]
    return json.dumps({"Version": "2012-10-17", "Statement": allowed})


def declare_role(stack: Stack) -> str:
    """Create the role of the schedules, with what it needs and no more, and return its ARN."""
    trust = policy({"Principal": SCHEDULER, "Action": "sts:AssumeRole"})
    made = stack.iam.create_role(RoleName="schedules", AssumeRolePolicyDocument=trust)
    cluster = {"ArnEquals": {"ecs:cluster": f"{ECS}:cluster/main"}}
    passed = {"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}}
    roles = [stack.ids["execution-role"], stack.ids["task-role"]]
    definitions = f"{ECS}:task-definition/app:*"
    document = policy(
        {"Action": "ecs:RunTask", "Resource": definitions, "Condition": cluster},
        {"Action": "iam:PassRole", "Resource": roles, "Condition": passed},
        {"Action": "ecs:TagResource", "Resource": f"{ECS}:task/main/*"},
    )
    stack.iam.put_role_policy(RoleName="schedules", PolicyName="run", PolicyDocument=document)
    return str(made["Role"]["Arn"])


def schedule(stack: Stack, name: str, definition: str, role: str) -> None:
    """Declare a schedule that runs the report once, in ten of AWS's seconds, and is then deleted."""
    environment = [{"name": "DAY", "value": "<aws.scheduler.schedule-arn>"}]
    override = {"name": "app", "command": ["python3", "-c", REPORT], "environment": environment}
    network = {"Subnets": stack.ids["private"], "SecurityGroups": [stack.ids["task-sg"]]}
    stack.client("scheduler").create_schedule(
        Name=name,
        ScheduleExpression=f"at({stack.clock.now() + timedelta(seconds=10):%Y-%m-%dT%H:%M:%S})",
        FlexibleTimeWindow={"Mode": "OFF"},
        ActionAfterCompletion="DELETE",
        Target={
            "Arn": f"{ECS}:cluster/main",
            "RoleArn": role,
            "Input": json.dumps({"containerOverrides": [override]}),
            "RetryPolicy": {"MaximumRetryAttempts": 0},
            "EcsParameters": {
                "TaskDefinitionArn": definition,
                "CapacityProviderStrategy": [{"capacityProvider": "FARGATE_SPOT"}],
                "NetworkConfiguration": {"awsvpcConfiguration": network},
                "PropagateTags": "TASK_DEFINITION",
                "Tags": [{"key": "job", "value": "report"}],
                "Group": "reports",
            },
        },
    )


def stopped_by(stack: Stack, name: str) -> dict[str, Any]:
    """Wait until a task that the schedule started has stopped, and return it."""

    def ask() -> Any:
        by = {"cluster": "main", "startedBy": f"chronos-schedule/{name}"}
        arns = stack.ecs.list_tasks(**by, desiredStatus="STOPPED")["taskArns"]
        found = (
            stack.ecs.describe_tasks(cluster="main", tasks=arns, include=["TAGS"]) if arns else {}
        )
        return [each for each in found.get("tasks", []) if each["lastStatus"] == "STOPPED"]

    [task] = stack.until(ask, 30, f"a task of the schedule {name}")
    return dict(task)


def sums(stack: Stack) -> dict[tuple[str, str], float]:
    """Return the sums of the metrics of schedules and rules in CloudWatch, by name and dimension."""
    cloudwatch, found = stack.client("cloudwatch"), {}
    end = stack.clock.now() + timedelta(hours=1)
    span = {"StartTime": end - timedelta(hours=3), "EndTime": end, "Period": 3 * 3600}
    for namespace in ("AWS/Scheduler", "AWS/Events"):
        for metric in cloudwatch.list_metrics(Namespace=namespace)["Metrics"]:
            data = cloudwatch.get_metric_statistics(**metric, **span, Statistics=["Sum"])
            total = sum(each["Sum"] for each in data["Datapoints"])
            found[metric["MetricName"], metric["Dimensions"][0]["Value"]] = total
    return found


@pytest.mark.slow
def test_a_schedule_runs_its_task_whose_failure_a_rule_sees(cloud):
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
    role = declare_role(cloud)
    schedule(cloud, "report", definition, role)
    schedule(cloud, "refused", cloud.task_definition(whole={"family": "other"}), role)

    task = stopped_by(cloud, "report")
    assert (task["group"], task["startedBy"]) == ("reports", "chronos-schedule/report")
    assert (task["taskDefinitionArn"], task["capacityProviderName"]) == (definition, "FARGATE_SPOT")
    assert (task["stopCode"], [each["exitCode"] for each in task["containers"]]) == (
        "EssentialContainerExited",
        [3],
    )
    assert {each["key"]: each["value"] for each in task["tags"]} == {"team": "red", "job": "report"}
    arn = f"arn:aws:scheduler:ap-northeast-1:{hooks.ACCOUNT}:schedule/default/report"
    assert cloud.lines(task["taskArn"]) == [f"report of {arn}"]
    assert cloud.client("scheduler").list_schedules()["Schedules"] == []

    expected = {
        ("InvocationAttemptCount", "default"): 2,
        ("TargetErrorCount", "default"): 1,
        ("InvocationDroppedCount", "default"): 1,
        ("TriggeredRules", "failed"): 1,
        ("TriggeredRules", "stopped"): 1,
    }
    cloud.until(lambda: sums(cloud) == expected, 20, f"the metrics {expected}")
