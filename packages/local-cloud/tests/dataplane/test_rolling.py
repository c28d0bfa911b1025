"""Deployments of a running service, and its scheduled scaling."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from unittest.mock import ANY

from tests.dataplane.stack import Load, fetch, loaded, refusal, until


def words(cloud) -> list[str]:
    """Return the service's events without ids and ARNs."""
    known = {cloud.ids["tg"]: "TG"}
    for task in cloud.tasks() + cloud.stopped():
        known[task["taskArn"].rsplit("/", 1)[1]] = "TASK"
    for deployment in cloud.deployments():
        known["ecs-svc/" + deployment["serviceDeploymentArn"].rsplit("/", 1)[1]] = "DEPLOYMENT"
    found = []
    for message in cloud.messages():
        for key, word in known.items():
            message = message.replace(key, word)
        found.append(message.removeprefix("(service web) "))
    return found


def test_health_path_that_is_wrong_trips_the_breaker_in_aws_own_words(cloud):
    cloud.everything(HealthCheckPath="/helth", UnhealthyThresholdCount=2)
    cloud.service(cloud.task_definition(), desired=2, healthCheckGracePeriodSeconds=0)
    failed = cloud.rolled_out("FAILED")
    assert failed["rolloutStateReason"] == "ECS deployment circuit breaker: tasks failed to start."
    assert failed["failedTasks"] >= 3
    sick = "is unhealthy in (target-group TG) due to (reason Health checks failed with these codes"
    assert f"(task TASK) {sick}: [404])." in words(cloud)
    assert "(deployment DEPLOYMENT) deployment failed: tasks failed to start." in words(cloud)
    task, reason = cloud.stopped()[0], "Task failed ELB health checks in (target-group "
    assert task["stopCode"] == "ServiceSchedulerInitiated"
    assert task["stoppedReason"] == f"{reason}{cloud.ids['tg']})"
    (deployment,) = cloud.deployments()
    assert deployment["status"] == "ROLLBACK_FAILED"
    reason = "No rollback candidate was found to run the rollback."
    assert deployment["statusReason"] == reason


def test_target_in_a_zone_that_the_load_balancer_does_not_have_is_never_used(cloud):
    cloud.everything()
    subnet, groups = cloud._subnet(4, NatGatewayId=cloud.ids["nat"]), [cloud.ids["task-sg"]]
    places = {"awsvpcConfiguration": {"subnets": [subnet], "securityGroups": groups}}
    changes = {"networkConfiguration": places, "healthCheckGracePeriodSeconds": 0}
    cloud.service(cloud.task_definition(), **changes)
    why = "Target is in an Availability Zone that is not enabled for the load balancer"
    unused = {"State": "unused", "Reason": "Target.NotInUse", "Description": why}
    until(lambda: unused in [target["TargetHealth"] for target in cloud.targets()])
    assert fetch(cloud.url())[0] == 503
    cloud.rolled_out("FAILED")
    assert f"(task TASK) is unhealthy in (target-group TG) due to (reason {why})." in words(cloud)


def test_first_roll_out_completes_and_the_page_answers(running):
    done = running.primary()
    assert running.page().startswith("v1 10.0.")
    assert words(running) == [
        "has started 1 tasks: (task TASK).",
        "registered 1 targets in (target-group TG)",
        "(deployment DEPLOYMENT) deployment completed.",
        "has reached a steady state.",
    ]
    counts = {"runningCount": 1, "pendingCount": 0, "failedTasks": 0}
    assert done == done | counts | {"status": "PRIMARY"}
    assert done["rolloutStateReason"] == f"ECS deployment {done['id']} completed."
    (row,) = running.targets()
    address = running.tasks()[0]["containers"][0]["networkInterfaces"][0]["privateIpv4Address"]
    assert row == {
        "Target": {"Id": address, "Port": 3000},
        "HealthCheckPort": "3000",
        "TargetHealth": {"State": "healthy"},
    }


def test_creation_sent_twice_makes_one_service(running):
    """A client token makes it the same request; another one, or another count, is not."""
    values = {"serviceName": "twice", "desiredCount": 0, "clientToken": "one"}
    asked = running.declared("service", taskDefinition=running.task_definition(), **values)
    with ThreadPoolExecutor() as pool:
        sent = [pool.submit(running.ecs.create_service, **asked) for _ in range(4)]
        made = [future.result()["service"] for future in sent]
    assert len({(service["serviceArn"], service["createdAt"]) for service in made}) == 1
    for change in ({"clientToken": "other"}, {"desiredCount": 1}):
        found = refusal(running.ecs.create_service, **{**asked, **change})
        assert found.message == "Creation of service was not idempotent."
    running.ecs.delete_service(cluster="main", service="twice")


def test_creation_that_fails_leaves_no_service_that_a_second_request_would_get(
    running, monkeypatch
):
    monkeypatch.setattr("local_cloud.aws.ecs.scheduler.settings_of", lambda _: 1 / 0)
    values = {"serviceName": "none", "desiredCount": 0, "clientToken": "none"}
    asked = running.declared("service", taskDefinition=running.task_definition(), **values)
    for _ in range(2):
        assert refusal(running.ecs.create_service, **asked).code == "InternalFailure"
    assert running.ecs.describe_services(cluster="main", services=["none"])["services"] == []


def test_deployment_that_has_ended_or_does_not_exist_is_not_stopped(running):
    arn = running.deployments()[0]["serviceDeploymentArn"]
    for code, asked in (
        ("ConflictException", {"serviceDeploymentArn": arn}),
        ("InvalidParameterException", {"serviceDeploymentArn": arn, "stopType": "ABORT"}),
        ("ServiceDeploymentNotFoundException", {"serviceDeploymentArn": f"{arn}x"}),
    ):
        assert refusal(running.ecs.stop_service_deployment, **asked).code == code
    assert running.deployments()[0]["status"] == "SUCCESSFUL"


def until_rolled_back(cloud, before: str):
    """Wait until the deployment with this id is the completed one again, and only its tasks are left."""

    def back() -> bool:
        now = cloud.primary()
        return bool(now["id"] == before and now["rolloutState"] == "COMPLETED")

    cloud.until(back, what="the rollback")
    cloud.whole()


def test_bad_version_over_a_good_one_rolls_back_and_no_request_fails(running):
    first, before = running.describe()["taskDefinition"], running.primary()["id"]
    with loaded(running.url(), "v1"):
        crashing = running.release("v2", CRASH="1")
        until_rolled_back(running, before)
    assert running.describe()["taskDefinition"] == first
    crashed = [task for task in running.stopped() if task["taskDefinitionArn"] == crashing]
    reasons = {(t["stopCode"], t["stoppedReason"]) for t in crashed[:3]}
    assert reasons == {("EssentialContainerExited", "Essential container in task exited")}
    assert crashed[0]["containers"][0]["exitCode"] == 3


def test_stopped_deployment_rolls_back_and_no_request_fails(running):
    before, states = running.primary()["id"], []
    with loaded(running.url(), "v1"):
        running.release("v2", HEALTHY_PATH="/other")
        arn = running.deployments()[0]["serviceDeploymentArn"]
        assert running.roll_back() == {"serviceDeploymentArn": arn, "ResponseMetadata": ANY}

        def ended() -> bool:
            states.append(running.deployments()[0]["status"])
            return "SUCCESSFUL" in states[-1]

        running.until(ended, what="the end of the rollback")
    assert set(states) <= {"ROLLBACK_REQUESTED", "ROLLBACK_IN_PROGRESS", "ROLLBACK_SUCCESSFUL"}
    assert states[-1] == "ROLLBACK_SUCCESSFUL"
    assert (running.primary()["id"], running.primary()["rolloutState"]) == (before, "COMPLETED")
    assert "rolling back to deployment DEPLOYMENT." in words(running)
    shown = running.deployment()
    [source] = [revision["arn"] for revision in shown["sourceServiceRevisions"]]
    assert source == running.deployments()[-1]["targetServiceRevisionArn"]
    assert shown["deploymentCircuitBreaker"]["status"] == "MONITORING_COMPLETE"
    running.whole()


def test_good_version_over_a_good_one_rolls_and_no_request_fails(running):
    running.update(desiredCount=2)
    old = [task["taskArn"] for task in running.whole(2)]
    with loaded(running.url(), "v1", "v2"):
        second = running.release("v2")
        done = running.rolled_out()
        running.until(lambda: "v2" in running.page(), what="the new version")
    assert done["taskDefinition"] == second
    assert len(running.describe()["deployments"]) == 1
    assert [task["taskDefinitionArn"] for task in running.tasks()] == [second, second]
    reasons = {(t["stopCode"], t["stoppedReason"]) for t in map(running.task, old)}
    scaled = f"Scaling activity initiated by (deployment {done['id']})"
    assert reasons == {("ServiceSchedulerInitiated", scaled)}
    running.update(desiredCount=1)
    running.whole()


ALARM = {
    **{"AlarmName": "deployment-errors", "Namespace": "AWS/ApplicationELB"},
    **{"MetricName": "HTTPCode_Target_5XX_Count", "Statistic": "Sum", "Period": 60},
    **{"EvaluationPeriods": 2, "DatapointsToAlarm": 2, "Threshold": 5},
    **{"ComparisonOperator": "GreaterThanThreshold", "TreatMissingData": "notBreaching"},
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
    cloud.update(deploymentConfiguration={"alarms": alarms, "bakeTimeInMinutes": bake})


def test_alarm_in_the_bake_time_rolls_a_healthy_version_back(running):
    watch(running, 5)
    running.whole()
    before = running.primary()["id"]
    load = Load(running.url())
    running.release("v3", PAGE_STATUS="500")
    until_rolled_back(running, before)
    load.stop()
    assert {status for status, _ in load.failed} == {500}

    shown, name = running.deployment(), "deployment-errors"
    assert fetch(running.url())[0] == 200
    assert "(deployment DEPLOYMENT) deployment failed: alarm detected." in words(running)
    reason = "Service deployment rolled back because of one or more active alarms."
    assert (shown["status"], shown["statusReason"]) == ("ROLLBACK_SUCCESSFUL", reason)
    names = {"alarmNames": [name], "triggeredAlarmNames": [name]}
    assert shown["alarms"] == {"status": "TRIGGERED", **names}


def test_rollback_comes_back_to_the_network_and_port_of_its_revision(running):
    """The task definition does not change: the service's own configuration fails."""
    before, good, bad = running.primary()["id"], running.describe(), [running.ids["db-sg"]]
    (balanced,) = good["loadBalancers"]
    closed = good["networkConfiguration"]["awsvpcConfiguration"] | {"securityGroups": bad}
    running.update(
        healthCheckGracePeriodSeconds=0,
        networkConfiguration={"awsvpcConfiguration": closed},
        loadBalancers=[balanced],
    )
    until_rolled_back(running, before)
    old = running.only_task()["taskArn"]
    running.stop_task(old)
    running.until(lambda: old not in [t["taskArn"] for t in running.tasks()], what="its end")

    details = running.only_task()["attachments"][0]["details"]
    interface = {detail["name"]: detail["value"] for detail in details}["networkInterfaceId"]
    found = running.ec2.describe_network_interfaces(NetworkInterfaceIds=[interface])
    (group,) = found["NetworkInterfaces"][0]["Groups"]
    assert group["GroupId"] == running.ids["task-sg"]
    assert [target["Target"]["Port"] for target in running.targets()] == [3000]
    assert fetch(running.url())[0] == 200
    assert running.primary()["networkConfiguration"] == good["networkConfiguration"]
    mark, rows = before.removeprefix("ecs-svc/"), running.deployments()
    both = [*(row for row in rows if row["serviceDeploymentArn"].endswith(mark)), rows[0]]
    old, failed = running.ecs.describe_service_revisions(
        serviceRevisionArns=[row["targetServiceRevisionArn"] for row in both]
    )["serviceRevisions"]
    assert old["networkConfiguration"] == good["networkConfiguration"]
    assert failed["networkConfiguration"]["awsvpcConfiguration"]["securityGroups"] == bad


PLACE = {
    "ServiceNamespace": "ecs",
    "ScalableDimension": "ecs:service:DesiredCount",
    "ResourceId": "service/main/web",
}


def test_tasks_stop_and_start_at_their_hours(running):
    client = running.client("application-autoscaling")
    client.register_scalable_target(**PLACE, MinCapacity=1, MaxCapacity=1)
    for name, minutes, count in (("stop", 2, 0), ("start", 4, 1)):
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
