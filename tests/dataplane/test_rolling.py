"""Deployments of a running service, and its scheduled scaling."""

from __future__ import annotations

import threading
import time
import urllib.error
import urllib.request
from datetime import timedelta
from typing import Any
from unittest.mock import ANY

import pytest
from botocore.exceptions import ClientError

from tests.dataplane.stack import until

TASK_SECONDS = 40


def fetch(url: str, timeout: float = 10) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=timeout) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


class Load:
    """Requests the page in a loop and records every response other than 200."""

    def __init__(self, url: str) -> None:
        self.url, self.failed, self.versions = url, [], set()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._over.is_set():
            try:
                status, body = fetch(self.url)
            except OSError as error:
                status, body = 0, str(error)
            if status == 200:
                self.versions.add(body.split()[0])
            else:
                self.failed.append((status, body))
            time.sleep(0.02)

    def stop(self) -> None:
        self._over.set()
        self._thread.join(10)


def words(cloud: Any) -> list[str]:
    """Return the service's events without ids and ARNs."""
    known = {cloud.ids["tg"]: "TG"}
    for task in cloud.tasks() + cloud.stopped():
        known[task["taskArn"].rsplit("/", 1)[1]] = "TASK"
    for each in cloud.ecs.list_service_deployments(cluster="main", service="web")[
        "serviceDeployments"
    ]:
        known["ecs-svc/" + each["serviceDeploymentArn"].rsplit("/", 1)[1]] = "DEPLOYMENT"
    found = []
    for message in cloud.messages():
        for key, word in known.items():
            message = message.replace(key, word)
        found.append(message.removeprefix("(service web) "))
    return found


def test_a_first_roll_out_completes_and_the_page_answers_through_the_load_balancer(
    cloud: Any,
) -> None:
    cloud.everything()
    cloud.service(cloud.task_definition())

    done = cloud.rolled_out()

    assert fetch(cloud.url())[1].startswith("v1 10.0.")
    assert words(cloud) == [
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
    (row,) = cloud.targets()
    address = cloud.tasks()[0]["containers"][0]["networkInterfaces"][0]["privateIpv4Address"]
    assert row == {
        "Target": {"Id": address, "Port": 3000},
        "HealthCheckPort": "3000",
        "TargetHealth": {"State": "healthy"},
    }


def test_a_good_version_over_a_good_one_rolls_without_one_failed_request(cloud: Any) -> None:
    cloud.everything()
    cloud.service(cloud.task_definition("v1"), desired=2)
    cloud.rolled_out()
    load = Load(cloud.url())

    second = cloud.task_definition("v2")
    cloud.ecs.update_service(cluster="main", service="web", taskDefinition=second)
    done = cloud.rolled_out()
    time.sleep(0.5)
    load.stop()

    assert load.failed == []
    assert load.versions == {"v1", "v2"}
    assert done["taskDefinition"] == second
    assert len(cloud.describe()["deployments"]) == 1
    assert [task["taskDefinitionArn"] for task in cloud.tasks()] == [second, second]
    reasons = {(t["stopCode"], t["stoppedReason"]) for t in cloud.stopped()}
    scaled = f"Scaling activity initiated by (deployment {done['id']})"
    assert reasons == {("ServiceSchedulerInitiated", scaled)}


def test_a_wrong_health_path_trips_the_breaker_in_aws_own_words(cloud: Any) -> None:
    cloud.everything(HealthCheckPath="/helth")
    cloud.service(cloud.task_definition(), desired=2)

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
    (deployment,) = cloud.ecs.list_service_deployments(cluster="main", service="web")[
        "serviceDeployments"
    ]
    assert (deployment["status"], deployment["statusReason"]) == (
        "ROLLBACK_FAILED",
        "No rollback candidate was found to run the rollback.",
    )


def test_a_bad_version_over_a_good_one_rolls_back_and_the_page_never_fails(cloud: Any) -> None:
    cloud.everything()
    first = cloud.task_definition("v1")
    cloud.service(first)
    before = cloud.rolled_out()["id"]
    load = Load(cloud.url())

    crashing = cloud.task_definition("v2", environment={"CRASH": "1"})
    cloud.ecs.update_service(cluster="main", service="web", taskDefinition=crashing)

    def back() -> bool:
        now = cloud.primary()
        return bool(now["id"] == before and now["rolloutState"] == "COMPLETED")

    cloud.until(back, TASK_SECONDS, "the way back")
    load.stop()

    assert load.failed == []
    assert load.versions == {"v1"}
    assert cloud.describe()["taskDefinition"] == first
    crashed = [task for task in cloud.stopped() if task["taskDefinitionArn"] == crashing]
    assert {(t["stopCode"], t["stoppedReason"]) for t in crashed[:3]} == {
        ("EssentialContainerExited", "Essential container in task exited")
    }
    assert crashed[0]["containers"][0]["exitCode"] == 3


def test_a_stopped_deployment_rolls_back_and_the_page_never_fails(cloud: Any) -> None:
    cloud.everything()
    cloud.service(cloud.task_definition("v1"))
    before = cloud.rolled_out()["id"]
    load = Load(cloud.url())
    second = cloud.task_definition("v2", environment={"HEALTHY_PATH": "/other"})
    cloud.ecs.update_service(cluster="main", service="web", taskDefinition=second)
    arn = deployments(cloud)[0]["serviceDeploymentArn"]

    assert cloud.ecs.stop_service_deployment(serviceDeploymentArn=arn, stopType="ROLLBACK") == {
        "serviceDeploymentArn": arn,
        "ResponseMetadata": ANY,
    }
    states = [deployments(cloud)[0]["status"]]
    cloud.until(
        lambda: states.append(deployments(cloud)[0]["status"]) or "SUCCESSFUL" in states[-1],
        TASK_SECONDS,
        "the end of the rollback",
    )
    load.stop()

    assert load.failed == []
    assert set(states) <= {"ROLLBACK_REQUESTED", "ROLLBACK_IN_PROGRESS", "ROLLBACK_SUCCESSFUL"}
    assert states[-1] == "ROLLBACK_SUCCESSFUL"
    assert (cloud.primary()["id"], cloud.primary()["rolloutState"]) == (before, "COMPLETED")
    assert "rolling back to deployment DEPLOYMENT." in words(cloud)
    (shown,) = cloud.ecs.describe_service_deployments(serviceDeploymentArns=[arn])[
        "serviceDeployments"
    ]
    assert [each["arn"] for each in shown["sourceServiceRevisions"]] == [
        deployments(cloud)[1]["targetServiceRevisionArn"]
    ]
    assert shown["deploymentCircuitBreaker"]["status"] == "MONITORING_COMPLETE"


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


def watched(cloud: Any, bake: int) -> dict[str, Any]:
    """Create an alarm on the target group's errors; return the parameters of a service that it watches."""
    suffixes = {
        "LoadBalancer": cloud.ids["alb"].partition(":loadbalancer/")[2],
        "TargetGroup": cloud.ids["tg"].rpartition(":")[2],
    }
    dimensions = [{"Name": name, "Value": value} for name, value in suffixes.items()]
    cloud.client("cloudwatch").put_metric_alarm(**ALARM, Dimensions=dimensions)
    alarms = {"alarmNames": [ALARM["AlarmName"]], "enable": True, "rollback": True}
    return {"deploymentConfiguration": {"alarms": alarms, "bakeTimeInMinutes": bake}}


def test_a_healthy_version_with_errors_is_rolled_back_by_its_alarm_in_the_bake_time(
    cloud: Any,
) -> None:
    cloud.everything()
    cloud.service(cloud.task_definition("v1"), **watched(cloud, 5))
    before = cloud.rolled_out()["id"]
    load = Load(cloud.url())
    bad = cloud.task_definition("v2", environment={"PAGE_STATUS": "500"})
    cloud.ecs.update_service(cluster="main", service="web", taskDefinition=bad)

    cloud.until(lambda: cloud.primary()["id"] == before, TASK_SECONDS, "the rollback")
    done = cloud.rolled_out()
    load.stop()

    arn = deployments(cloud)[0]["serviceDeploymentArn"]
    (shown,) = cloud.ecs.describe_service_deployments(serviceDeploymentArns=[arn])[
        "serviceDeployments"
    ]
    assert (done["id"], fetch(cloud.url())[0]) == (before, 200)
    assert "(deployment DEPLOYMENT) deployment failed: alarm detected." in words(cloud)
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


def deployments(cloud: Any) -> list[dict[str, Any]]:
    found = cloud.ecs.list_service_deployments(cluster="main", service="web")
    return list(found["serviceDeployments"])


def test_a_rollback_comes_back_to_the_network_and_the_port_of_its_revision(cloud: Any) -> None:
    """The task definition does not change: the service's own configuration fails."""
    cloud.everything()
    cloud.service(cloud.task_definition(), healthCheckGracePeriodSeconds=0)
    before = cloud.rolled_out()["id"]
    good, bad = cloud.describe(), [cloud.ids["db-sg"]]
    (balanced,) = good["loadBalancers"]
    closed = good["networkConfiguration"]["awsvpcConfiguration"] | {"securityGroups": bad}
    cloud.ecs.update_service(
        cluster="main",
        service="web",
        networkConfiguration={"awsvpcConfiguration": closed},
        loadBalancers=[balanced | {"containerPort": 3999}],
    )
    cloud.until(lambda: cloud.primary()["id"] == before, TASK_SECONDS, "the way back")
    (task,) = (each for each in cloud.tasks() if each["startedBy"] == before)
    cloud.ecs.stop_task(cluster="main", task=task["taskArn"])
    cloud.until(lambda: whole_again(cloud, task), TASK_SECONDS, "a task in its place")

    (new,) = cloud.tasks()
    details = {each["name"]: each["value"] for each in new["attachments"][0]["details"]}
    (interface,) = cloud.ec2.describe_network_interfaces(
        NetworkInterfaceIds=[details["networkInterfaceId"]]
    )["NetworkInterfaces"]
    assert [each["GroupId"] for each in interface["Groups"]] == [cloud.ids["task-sg"]]
    healthy = [each for each in cloud.targets() if each["TargetHealth"]["State"] == "healthy"]
    assert [each["Target"]["Port"] for each in healthy] == [3000]
    assert fetch(cloud.url())[0] == 200
    assert cloud.primary()["networkConfiguration"] == good["networkConfiguration"]
    old, failed = (each["networkConfiguration"] for each in revisions(cloud))
    assert old == good["networkConfiguration"]
    assert failed["awsvpcConfiguration"]["securityGroups"] == bad


def whole_again(cloud: Any, gone: dict[str, Any]) -> bool:
    primary, tasks = cloud.primary(), cloud.tasks()
    arns = [each["taskArn"] for each in tasks]
    return bool(
        primary["rolloutState"] == "COMPLETED"
        and len(cloud.describe()["deployments"]) == 1
        and len(arns) == 1
        and gone["taskArn"] not in arns
        and any(each["TargetHealth"]["State"] == "healthy" for each in cloud.targets())
    )


def revisions(cloud: Any) -> list[dict[str, Any]]:
    """Return the service's revisions, the oldest first."""
    rows = cloud.ecs.list_service_deployments(cluster="main", service="web")["serviceDeployments"]
    arns = [each["targetServiceRevisionArn"] for each in reversed(rows)]
    found = cloud.ecs.describe_service_revisions(serviceRevisionArns=arns)["serviceRevisions"]
    return list(found)


def test_an_app_on_another_port_than_the_declared_one_is_stopped(cloud: Any) -> None:
    cloud.everything()
    cloud.service(cloud.task_definition(environment={"LISTEN": "3999"}))

    def ask() -> Any:
        states = [each["TargetHealth"] for each in cloud.targets()]
        return [state for state in states if state["State"] == "unhealthy"]

    assert cloud.until(ask, 20)[0] == {
        "State": "unhealthy",
        "Reason": "Target.FailedHealthChecks",
        "Description": "Health checks failed",
    }


def test_a_deployment_that_has_ended_or_does_not_exist_is_not_stopped(running: Any) -> None:
    arn = deployments(running)[0]["serviceDeploymentArn"]
    stop = running.ecs.stop_service_deployment
    for code, asked in (
        ("ConflictException", {"serviceDeploymentArn": arn}),
        ("InvalidParameterException", {"serviceDeploymentArn": arn, "stopType": "ABORT"}),
        ("ServiceDeploymentNotFoundException", {"serviceDeploymentArn": f"{arn}x"}),
    ):
        with pytest.raises(ClientError) as refused:
            stop(**asked)
        assert refused.value.response["Error"]["Code"] == code
    assert deployments(running)[0]["status"] == "SUCCESSFUL"


PLACE = {"ServiceNamespace": "ecs", "ScalableDimension": "ecs:service:DesiredCount"}


def test_tasks_stop_and_start_at_their_hours(running: Any) -> None:
    client = running.client("application-autoscaling")
    service = running.describe()
    cluster = service["clusterArn"].rpartition("/")[2]
    place = {**PLACE, "ResourceId": f"service/{cluster}/{service['serviceName']}"}
    client.register_scalable_target(**place, MinCapacity=1, MaxCapacity=1)
    for name, minutes, count in (("stop", 2, 0), ("start", 6, 1)):
        at = running.clock.now() + timedelta(minutes=minutes)
        client.put_scheduled_action(
            **place,
            ScheduledActionName=name,
            Schedule=f"cron({at.minute} {at.hour} ? * SUN-SAT *)",
            Timezone="UTC",
            ScalableTargetAction={"MinCapacity": count, "MaxCapacity": count},
        )
    assert running.describe()["runningCount"] == 1
    until(lambda: running.describe()["runningCount"] == 0, what="the stop")
    assert running.describe()["desiredCount"] == 0
    until(lambda: running.describe()["runningCount"] == 1, what="the start")
