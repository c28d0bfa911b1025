"""Settings, and the target group's port, changed and put back on a running poc stack: what the real engine does."""

from __future__ import annotations

import pytest

from tests.support.local_stack import local_stack

SAFETY = {
    "flowLogs": ("false", "true"),
    "accessLogs": ("false", "true"),
    "databaseMonitoringInterval": ("0", "60"),
    "databaseInsights": ("false", "true"),
    "databaseIamAuth": ("false", "true"),
    "databaseLogs": ("false", "true"),
    "databaseMultiAz": ("false", "true"),
    "databaseFinalSnapshot": ("", "final"),
}
SAFETY_ADDS = [
    "aws:cloudwatch/logGroup:LogGroup careapp-poc-database-postgresql",
    "aws:cloudwatch/logGroup:LogGroup careapp-poc-database-upgrade",
    "aws:cloudwatch/logGroup:LogGroup careapp-poc-flow",
    "aws:ec2/flowLog:FlowLog careapp-poc-flow",
    "aws:iam/role:Role careapp-poc-database-monitoring",
    "aws:iam/role:Role careapp-poc-flow",
    "aws:iam/rolePolicy:RolePolicy careapp-poc-flow",
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment careapp-poc-database-monitoring",
    "aws:s3/bucket:Bucket careapp-poc-access-logs",
    "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration careapp-poc-access-logs",
    "aws:s3/bucketPolicy:BucketPolicy careapp-poc-access-logs",
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock careapp-poc-access-logs",
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration "
    "careapp-poc-access-logs",
    "careapp:infra:AccessLogs careapp-poc",
    "careapp:infra:FlowLogs careapp-poc",
]
SAFETY_UPDATES = [
    "aws:lb/loadBalancer:LoadBalancer careapp-poc-alb",
    "aws:rds/instance:Instance careapp-poc-database",
]
NAMES_ALARMS = "aws:ecs/service:Service careapp-poc-service"
"""The service names the alarms of its deployments."""
WATCH = {"alarmsEnabled": ("false", "true")}
GO = {
    "dashboardEnabled": ("true", "false"),
    "bastionEnabled": ("true", "false"),
}
BASTION = [
    "aws:ec2/instance:Instance careapp-poc-bastion",
    "aws:ec2/securityGroup:SecurityGroup careapp-poc-bastion",
    "aws:iam/instanceProfile:InstanceProfile careapp-poc-bastion",
    "aws:iam/role:Role careapp-poc-bastion",
    "aws:iam/rolePolicy:RolePolicy careapp-poc-bastion",
    "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule careapp-poc-bastion-to-database-5432",
    "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule careapp-poc-bastion-to-internet-443",
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule "
    "careapp-poc-database-from-bastion-5432",
    "careapp:infra:Bastion careapp-poc",
]
DASHBOARD = "aws:cloudwatch/dashboard:Dashboard careapp-poc"
ALARMS = [
    *(
        f"aws:cloudwatch/metricAlarm:MetricAlarm careapp-poc-{name}"
        for name in (
            *("database-cpu", "database-memory", "database-storage", "database-connections"),
            *("page-errors", "page-latency", "app-errors", "targets-unhealthy"),
            *("service-cpu", "service-memory", "service-running"),
            *("deployment-errors", "deployment-latency"),
        )
    ),
    "aws:cloudwatch/eventRule:EventRule careapp-poc-rollout-failed",
    "aws:cloudwatch/eventTarget:EventTarget careapp-poc-rollout-failed",
    "aws:kms/key:Key careapp-poc-alarms",
    "aws:sns/topic:Topic careapp-poc-alarms",
    "aws:sns/topicPolicy:TopicPolicy careapp-poc-alarms",
    "careapp:infra:Notices careapp-poc",
    "careapp:infra:ServiceMonitoring careapp-poc",
]


def turned(settings, on):
    return {name: values[on] for name, values in settings.items()}


@pytest.fixture(scope="module")
def did(tmp_path_factory):
    """What each step did, and how the database and the load balancer looked with all turned on."""
    with local_stack(tmp_path_factory.mktemp("toggles")) as stack:
        steps = {"up": stack.up(ecsEnabled="true", **turned(WATCH, 0), **turned(GO, 0)).steps}
        steps["safe"] = stack.up(**turned(SAFETY, 1), **turned(WATCH, 1), **turned(GO, 1)).steps
        [seen] = stack.calls("rds", "describe_db_instances", DATABASE)["DBInstances"]
        [alb] = stack.calls("elbv2", "describe_load_balancers", BALANCER)["LoadBalancers"]
        asked = {"LoadBalancerArn": alb["LoadBalancerArn"]}
        attributes = stack.calls("elbv2", "describe_load_balancer_attributes", asked)["Attributes"]
        steps["back"] = stack.up(**turned(SAFETY, 0), **turned(WATCH, 0), **turned(GO, 0)).steps
        led = {}
        for name, old, new in (("changed", PORT, ANOTHER), ("undone", ANOTHER, PORT)):
            stack.edit("infra/load_balancer.py", old, new)
            steps[name], led[name] = stack.up().steps, leads(stack.calls)
        steps["again"] = stack.up().steps
        stack.destroy()
        pairs = {pair["Key"]: pair["Value"] for pair in attributes}
        yield steps, seen, pairs, stack.resources(), led


DATABASE = {"DBInstanceIdentifier": "careapp-poc"}
BALANCER, GROUP = {"Names": ["careapp-poc-alb"]}, {"Names": ["careapp-poc-tg"]}
PORT, ANOTHER = "            port=TARGET_PORT,", "            port=TARGET_PORT + 1,"


def leads(calls):
    """The target group's port, and whether the rule and the service lead to it."""
    [group] = calls("elbv2", "describe_target_groups", GROUP)["TargetGroups"]
    arn, balancer = group["TargetGroupArn"], {"LoadBalancerArn": group["LoadBalancerArns"][0]}
    [listener] = calls("elbv2", "describe_listeners", balancer)["Listeners"]
    rules = calls("elbv2", "describe_rules", {"ListenerArn": listener["ListenerArn"]})["Rules"]
    rule = next(each for each in rules if each["Priority"] == "100")
    where = {"cluster": "careapp-poc-cluster", "services": ["careapp-poc-service"]}
    [service] = calls("ecs", "describe_services", where)["services"]
    return (
        group["Port"],
        rule["Actions"][0]["TargetGroupArn"] == arn,
        [each["targetGroupArn"] for each in service["loadBalancers"]] == [arn],
    )


def by_operation(steps):
    found = {}
    for step in steps:
        operation, what = step.split(" ", 1)
        found.setdefault(operation, []).append(what)
    return {operation: sorted(whats) for operation, whats in found.items()}


def test_a_service_is_created_without_alarms(did):
    created = by_operation(did[0]["up"])["create"]
    assert NAMES_ALARMS in created
    assert not [each for each in created if "MetricAlarm" in each]


def test_precautions_and_alarms_come_and_dashboard_and_bastion_go_without_touching_anything_else(
    did,
):
    assert by_operation(did[0]["safe"]) == {
        "create": sorted([*SAFETY_ADDS, *ALARMS]),
        "update": sorted([*SAFETY_UPDATES, NAMES_ALARMS]),
        "delete": sorted([DASHBOARD, *BASTION]),
    }


def test_and_the_other_way_round(did):
    assert by_operation(did[0]["back"]) == {
        "create": sorted([DASHBOARD, *BASTION]),
        "update": sorted([*SAFETY_UPDATES, NAMES_ALARMS]),
        "delete": sorted([*SAFETY_ADDS, *ALARMS]),
    }


def test_the_database_and_the_load_balancer_are_what_the_settings_say(did):
    _, database, attributes, *_ = did
    assert database["MonitoringInterval"] == 60
    assert database["MultiAZ"] is True
    assert database["IAMDatabaseAuthenticationEnabled"] is True
    assert database["PerformanceInsightsEnabled"] is True
    assert sorted(database["EnabledCloudwatchLogsExports"]) == ["postgresql", "upgrade"]
    assert attributes["access_logs.s3.enabled"] == "true"
    assert attributes["access_logs.s3.bucket"].startswith("careapp-poc-access-logs-")


def test_the_rule_goes_before_the_target_group_that_elb_would_not_delete_under_it(did):
    gone = [each.split(" ", 1)[1] for each in did[0]["changed"] if each.startswith("delete")]
    ends = [each.rsplit(" ", 1)[1] for each in gone]
    assert ends.index("careapp-poc-app") < ends.index("careapp-poc-tg")


@pytest.mark.parametrize(("update", "port"), [("changed", 81), ("undone", 80)])
def test_another_target_group_and_its_undoing_succeed_and_all_lead_to_the_new_one(
    did, update, port
):
    assert did[4][update] == (port, True, True)


def test_the_next_update_finds_nothing_to_do(did):
    assert did[0]["again"] == ()


def test_nothing_is_left(did):
    assert did[3] == []
