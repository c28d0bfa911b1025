"""Deployments of a running service, and its scheduled scaling."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any
from unittest.mock import ANY

import pytest
from botocore.exceptions import ClientError

from tools.tests.local_cloud.dataplane.stack import Load, fetch, until

TASK_SECONDS = 40


def words(cloud) -> list[str]:
    """Return the service's events without ids and ARNs."""
    known = {cloud.ids["tg"]: "TG"}
    for task in cloud.tasks() + cloud.stopped():
        known[task["taskArn"].rsplit("/", 1)[1]] = "TASK"
    for each in cloud.deployments():
        known["ecs-svc/" + each["serviceDeploymentArn"].rsplit("/", 1)[1]] = "DEPLOYMENT"
    found = []
    for message in cloud.messages():
        for key, word in known.items():
            message = message.replace(key, word)
        found.append(message.removeprefix("(service web) "))
    return found


def test_a_wrong_health_path_trips_the_breaker_in_aws_own_words(cloud):
    cloud.everything(HealthCheckPath="/helth", UnhealthyThresholdCount=2)
    cloud.service(cloud.task_definition(), desired=2, healthCheckGracePeriodSeconds=0)

    failed = cloud.rolled_out("FAILED", TASK_SECONDS)

    assert failed["rolloutStateReason"] == (
        "ECS deployment circuit breaker: tasks failed to start."
    )
    assert failed["failedTasks"] >= 3
    sick = "is unhealthy in (target-group TG) due to (reason Health checks failed with these codes"
    assert f"(task TASK) {sick}: [404])." in words(cloud)
    assert "(deployment DEPLOYMENT) deployment failed: tasks failed to start." in words(cloud)
    task = cloud.stopped()[0]
    arn = cloud.ids["tg"]
    assert task["stopCode"] == "ServiceSchedulerInitiated"
    assert task["stoppedReason"] == f"Task failed ELB health checks in (target-group {arn})"
    (deployment,) = cloud.deployments()
    assert (deployment["status"], deployment["statusReason"]) == (
        "ROLLBACK_FAILED",
        "No rollback candidate was found to run the rollback.",
    )


def test_a_first_roll_out_completes_and_the_page_answers_through_the_load_balancer(running):
    done = running.primary()
    assert running.page().startswith("v1 10.0.")
    assert words(running) == [
        "has started 1 tasks: (task TASK).",
        "registered 1 targets in (target-group TG)",
        "(deployment DEPLOYMENT) deployment completed.",
        "has reached a steady state.",
    ]
    assert {
        key: done[key] for key in ("status", "runningCount", "pendingCount", "failedTasks")
    } == {
        "status": "PRIMARY",
        "runningCount": 1,
        "pendingCount": 0,
        "failedTasks": 0,
    }
    assert done["rolloutStateReason"] == f"ECS deployment {done['id']} completed."
    (row,) = running.targets()
    address = running.tasks()[0]["containers"][0]["networkInterfaces"][0]["privateIpv4Address"]
    assert row == {
        "Target": {"Id": address, "Port": 3000},
        "HealthCheckPort": "3000",
        "TargetHealth": {"State": "healthy"},
    }


def test_a_deployment_that_has_ended_or_does_not_exist_is_not_stopped(running):
    arn = running.deployments()[0]["serviceDeploymentArn"]
    for code, asked in (
        ("ConflictException", {"serviceDeploymentArn": arn}),
        ("InvalidParameterException", {"serviceDeploymentArn": arn, "stopType": "ABORT"}),
        ("ServiceDeploymentNotFoundException", {"serviceDeploymentArn": f"{arn}x"}),
    ):
        with pytest.raises(ClientError) as refused:
            running.ecs.stop_service_deployment(**asked)
        assert refused.value.response["Error"]["Code"] == code
    assert running.deployments()[0]["status"] == "SUCCESSFUL"


def release(cloud, version: str, **environment: str) -> str:
    """Deploy a version and return its task definition."""
    definition = str(cloud.task_definition(version, environment=environment))
    cloud.ecs.update_service(cluster="main", service="web", taskDefinition=definition)
    return definition


def until_rolled_back(cloud, before: str):
    """Wait until the deployment with this id is the completed one again, and only its tasks are left."""

    def back() -> bool:
        now = cloud.primary()
        return bool(now["id"] == before and now["rolloutState"] == "COMPLETED")

    cloud.until(back, TASK_SECONDS, "the rollback")
    cloud.whole()


def test_a_bad_version_over_a_good_one_rolls_back_and_the_page_never_fails(running):
    first, before = running.describe()["taskDefinition"], running.primary()["id"]
    load = Load(running.url())
    crashing = release(running, "v2", CRASH="1")
    until_rolled_back(running, before)
    load.stop()

    assert load.failed == []
    assert load.versions == {"v1"}
    assert running.describe()["taskDefinition"] == first
    crashed = [task for task in running.stopped() if task["taskDefinitionArn"] == crashing]
    assert {(t["stopCode"], t["stoppedReason"]) for t in crashed[:3]} == {
        ("EssentialContainerExited", "Essential container in task exited")
    }
    assert crashed[0]["containers"][0]["exitCode"] == 3


def test_a_stopped_deployment_rolls_back_and_the_page_never_fails(running):
    before = running.primary()["id"]
    load = Load(running.url())
    release(running, "v2", HEALTHY_PATH="/other")
    arn = running.deployments()[0]["serviceDeploymentArn"]

    assert running.ecs.stop_service_deployment(serviceDeploymentArn=arn, stopType="ROLLBACK") == {
        "serviceDeploymentArn": arn,
        "ResponseMetadata": ANY,
    }
    states = [running.deployments()[0]["status"]]
    running.until(
        lambda: states.append(running.deployments()[0]["status"]) or "SUCCESSFUL" in states[-1],
        TASK_SECONDS,
        "the end of the rollback",
    )
    load.stop()

    assert load.failed == []
    assert set(states) <= {"ROLLBACK_REQUESTED", "ROLLBACK_IN_PROGRESS", "ROLLBACK_SUCCESSFUL"}
    assert states[-1] == "ROLLBACK_SUCCESSFUL"
    assert (running.primary()["id"], running.primary()["rolloutState"]) == (before, "COMPLETED")
    assert "rolling back to deployment DEPLOYMENT." in words(running)
    shown = running.deployment()
    [source] = [each["arn"] for each in shown["sourceServiceRevisions"]]
    assert source == running.deployments()[-1]["targetServiceRevisionArn"]
    assert shown["deploymentCircuitBreaker"]["status"] == "MONITORING_COMPLETE"
    running.whole()


def test_a_good_version_over_a_good_one_rolls_without_one_failed_request(running):
    running.ecs.update_service(cluster="main", service="web", desiredCount=2)
    running.whole(2)
    old = {task["taskArn"] for task in running.tasks()}
    load = Load(running.url())
    second = release(running, "v2")
    done = running.rolled_out()
    time.sleep(0.5)
    load.stop()

    assert load.failed == []
    assert load.versions == {"v1", "v2"}
    assert done["taskDefinition"] == second
    assert len(running.describe()["deployments"]) == 1
    assert [task["taskDefinitionArn"] for task in running.tasks()] == [second, second]
    reasons = {(t["stopCode"], t["stoppedReason"]) for t in map(running.task, old)}
    scaled = f"Scaling activity initiated by (deployment {done['id']})"
    assert reasons == {("ServiceSchedulerInitiated", scaled)}
    running.ecs.update_service(cluster="main", service="web", desiredCount=1)
    running.whole()


ALARM = {
    "AlarmName": "deployment-errors",
    "Namespace": "AWS/ApplicationELB",
    "MetricName": "HTTPCode_Target_5XX_Count",
    "Statistic": "Sum",
    "Period": 60,
    "EvaluationPeriods": 2,
    "DatapointsToAlarm": 2,
    "Threshold": 5,
    "ComparisonOperator": "GreaterThanThreshold",
    "TreatMissingData": "notBreaching",
}


def watch(cloud, bake: int):
    """Create an alarm on the target group's errors, and let it watch the service's deployments."""
    suffixes = {
        "LoadBalancer": cloud.ids["alb"].partition(":loadbalancer/")[2],
        "TargetGroup": cloud.ids["tg"].rpartition(":")[2],
    }
    dimensions = [{"Name": name, "Value": value} for name, value in suffixes.items()]
    cloud.client("cloudwatch").put_metric_alarm(**ALARM, Dimensions=dimensions)
    alarms = {"alarmNames": [ALARM["AlarmName"]], "enable": True, "rollback": True}
    configuration = {"alarms": alarms, "bakeTimeInMinutes": bake}
    cloud.ecs.update_service(cluster="main", service="web", deploymentConfiguration=configuration)


def test_a_healthy_version_with_errors_is_rolled_back_by_its_alarm_in_the_bake_time(running):
    watch(running, 5)
    running.whole()
    before = running.primary()["id"]
    load = Load(running.url())
    release(running, "v3", PAGE_STATUS="500")

    until_rolled_back(running, before)
    load.stop()

    shown = running.deployment()
    assert fetch(running.url())[0] == 200
    assert "(deployment DEPLOYMENT) deployment failed: alarm detected." in words(running)
    assert (shown["status"], shown["statusReason"]) == (
        "ROLLBACK_SUCCESSFUL",
        "Service deployment rolled back because of one or more active alarms.",
    )
    assert shown["alarms"] == {
        "status": "TRIGGERED",
        "alarmNames": ["deployment-errors"],
        "triggeredAlarmNames": ["deployment-errors"],
    }
    assert {status for status, _ in load.failed} == {500}


def test_a_rollback_comes_back_to_the_network_and_the_port_of_its_revision(running):
    """The task definition does not change: the service's own configuration fails."""
    before, good, bad = running.primary()["id"], running.describe(), [running.ids["db-sg"]]
    (balanced,) = good["loadBalancers"]
    closed = good["networkConfiguration"]["awsvpcConfiguration"] | {"securityGroups": bad}
    running.ecs.update_service(
        cluster="main",
        service="web",
        healthCheckGracePeriodSeconds=0,
        networkConfiguration={"awsvpcConfiguration": closed},
        loadBalancers=[balanced | {"containerPort": 3999}],
    )
    until_rolled_back(running, before)
    (task,) = running.tasks()
    running.ecs.stop_task(cluster="main", task=task["taskArn"])
    running.until(lambda: task["taskArn"] not in map(arn_of, running.tasks()), what="its end")
    running.whole()

    (new,) = running.tasks()
    details = {each["name"]: each["value"] for each in new["attachments"][0]["details"]}
    (interface,) = running.ec2.describe_network_interfaces(
        NetworkInterfaceIds=[details["networkInterfaceId"]]
    )["NetworkInterfaces"]
    assert [each["GroupId"] for each in interface["Groups"]] == [running.ids["task-sg"]]
    assert [each["Target"]["Port"] for each in running.targets()] == [3000]
    assert fetch(running.url())[0] == 200
    assert running.primary()["networkConfiguration"] == good["networkConfiguration"]
    mark = before.removeprefix("ecs-svc/")
    rows = [each for each in running.deployments() if each["serviceDeploymentArn"].endswith(mark)]
    rows.append(running.deployments()[0])
    old, failed = (
        each["networkConfiguration"]
        for each in running.ecs.describe_service_revisions(
            serviceRevisionArns=[each["targetServiceRevisionArn"] for each in rows]
        )["serviceRevisions"]
    )
    assert old == good["networkConfiguration"]
    assert failed["awsvpcConfiguration"]["securityGroups"] == bad


def arn_of(task: dict[str, Any]) -> str:
    return str(task["taskArn"])


PLACE = {
    "ServiceNamespace": "ecs",
    "ScalableDimension": "ecs:service:DesiredCount",
    "ResourceId": "service/main/web",
}


def test_tasks_stop_and_start_at_their_hours(running):
    client = running.client("application-autoscaling")
    client.register_scalable_target(**PLACE, MinCapacity=1, MaxCapacity=1)
    for name, minutes, count in (("stop", 2, 0), ("start", 5, 1)):
        at = running.clock.now() + timedelta(minutes=minutes)
        client.put_scheduled_action(
            **PLACE,
            ScheduledActionName=name,
            Schedule=f"cron({at.minute} {at.hour} ? * SUN-SAT *)",
            Timezone="UTC",
            ScalableTargetAction={"MinCapacity": count, "MaxCapacity": count},
        )
    assert running.describe()["runningCount"] == 1
    until(lambda: running.describe()["runningCount"] == 0, what="the stop")
    assert running.describe()["desiredCount"] == 0
    until(lambda: running.describe()["runningCount"] == 1, what="the start")
