"""The alarms, their SNS topic and the dashboard, as the arguments of their resources."""

import json

import pulumi
import pytest
from moto.events.models import EventPattern

from infra import dashboard
from infra.monitoring import Monitoring, MonitoringArgs, ServiceMonitoring, ServiceMonitoringArgs
from tests.unit.conftest import TAGS

ALARM = "aws:cloudwatch/metricAlarm:MetricAlarm"
RULE, TARGET = "aws:cloudwatch/eventRule:EventRule", "aws:cloudwatch/eventTarget:EventTarget"
DECLARED = json.dumps({"report": {"command": "flask report", "schedule": "cron(0 3 * * ? *)"}})
WITH_A_JOB = {"ecsEnabled": "true", "jobs": DECLARED}
DASHBOARD = "aws:cloudwatch/dashboard:Dashboard"
ALB = {"LoadBalancer": "app/careapp-poc-alb/1"}
TARGETS = {**ALB, "TargetGroup": "targetgroup/careapp-poc-tg/2"}
ECS = {"ClusterName": "careapp-poc-cluster", "ServiceName": "careapp-poc-service"}
RDS = {"DBInstanceIdentifier": "careapp-poc"}
SERVICE_ARN = (
    "arn:aws:ecs:ap-northeast-1:123456789012:service/careapp-poc-cluster/careapp-poc-service"
)


class Watched:
    """The outputs of a load balancer and a service that monitoring uses."""

    def __init__(self):
        self.arn_suffix = pulumi.Output.from_input("app/careapp-poc-alb/1")
        self.group_suffixes = [pulumi.Output.from_input("targetgroup/careapp-poc-tg/2")]
        self.arn = pulumi.Output.from_input(SERVICE_ARN)
        self.service = self


@pytest.fixture
def build(engine, configured):
    def monitoring(**changes):
        settings = configured(**changes)

        def declare():
            watched = Watched()
            made = Monitoring("careapp-poc", MonitoringArgs(settings=settings, balancer=watched))
            if settings.ecs_enabled and made.topic_arn:
                args = ServiceMonitoringArgs(
                    settings=settings, topic_arn="topic", balancer=watched, service=watched
                )
                ServiceMonitoring("careapp-poc", args)
            return made

        return engine.run(declare)

    return monitoring


def alarms(engine):
    """Return each alarm's inputs by the end of its name, without those that a test of their own checks."""
    actions = {"alarmActions", "okActions", "insufficientDataActions"}
    left_out = actions | {"name", "tags", "alarmDescription"}
    return {
        name.removeprefix("careapp-poc-"): {
            key: value for key, value in inputs.items() if key not in left_out
        }
        for name, inputs in engine.inputs(ALARM).items()
    }


def single(source, name, statistic, side, threshold, periods, missing="missing"):
    namespace, dimensions = source
    how = "extendedStatistic" if statistic.startswith("p") else "statistic"
    return {
        "namespace": namespace,
        "metricName": name,
        "dimensions": dimensions,
        how: statistic,
        "comparisonOperator": side,
        "threshold": threshold,
        "period": 60,
        "evaluationPeriods": periods,
        "datapointsToAlarm": periods,
        "treatMissingData": missing,
    }


ABOVE, BELOW = "GreaterThanThreshold", "LessThanThreshold"


def test_stage_one_has_the_alarms_of_the_database(engine, build):
    build()
    rds = ("AWS/RDS", RDS)
    assert alarms(engine) == {
        "database-cpu": single(rds, "CPUUtilization", "Average", ABOVE, 90, 15),
        "database-memory": single(rds, "FreeableMemory", "Average", BELOW, 64 * 1024**2, 15),
        "database-storage": single(rds, "FreeStorageSpace", "Minimum", BELOW, 4 * 1024**3, 5),
        "database-connections": single(rds, "DatabaseConnections", "Maximum", ABOVE, 67, 5),
    }


def test_stage_two_adds_the_alarms_of_the_page_and_the_tasks(engine, build):
    build(ecsEnabled="true")
    alb, targets = ("AWS/ApplicationELB", ALB), ("AWS/ApplicationELB", TARGETS)
    ecs, ok = ("AWS/ECS", ECS), "notBreaching"
    made = alarms(engine)
    added = {name: made[name] for name in made if not name.startswith("database")}
    assert added.pop("app-errors") == {
        "comparisonOperator": ABOVE,
        "threshold": 5,
        "evaluationPeriods": 1,
        "datapointsToAlarm": 1,
        "treatMissingData": ok,
        "metricQueries": [
            query("errors", "AWS/ApplicationELB", "HTTPCode_Target_5XX_Count", "Sum", TARGETS, 300),
            query("requests", "AWS/ApplicationELB", "RequestCount", "Sum", TARGETS, 300),
            {
                "id": "result",
                "expression": "IF(requests >= 20, 100 * FILL(errors, 0) / requests, 0)",
                "label": "app-errors",
                "returnData": True,
            },
        ],
    }
    assert added == {
        "page-errors": single(alb, "HTTPCode_ELB_5XX_Count", "Sum", ABOVE, 5, 2, ok),
        "page-latency": single(alb, "TargetResponseTime", "p95", ABOVE, 1, 5, ok),
        "targets-unhealthy": single(targets, "UnHealthyHostCount", "Maximum", ABOVE, 0, 5, ok),
        "service-cpu": single(ecs, "CPUUtilization", "Average", ABOVE, 85, 10, ok),
        "service-memory": single(ecs, "MemoryUtilization", "Maximum", ABOVE, 87, 5, ok),
        "service-running": single(targets, "HealthyHostCount", "Minimum", BELOW, 1, 10),
    }


def query(name, namespace, metric, stat, dimensions, period):
    named = {"namespace": namespace, "metricName": metric, "dimensions": dimensions}
    return {"id": name, "metric": {**named, "stat": stat, "period": period}}


@pytest.mark.parametrize(
    ("settings", "desired", "actions"),
    [
        ({"desiredCount": "4"}, 4, ["topic"]),
        ({"desiredCount": "0"}, 0, []),
        ({"desiredCount": "4", "minCount": "2", "maxCount": "6"}, 2, ["topic"]),
        ({"desiredCount": "4", "schedule": "mon-fri 08:00-20:00"}, 4, []),
        ({"minCount": "2", "maxCount": "6", "schedule": "sat 08:00-20:00"}, 2, []),
    ],
)
def test_missing_data_is_notified_unless_no_task_is_desired(
    engine, build, settings, desired, actions
):
    """By the transition to INSUFFICIENT_DATA. A new alarm starts there, so it does not notify."""
    build(ecsEnabled="true", **settings)
    made = alarms(engine)["service-running"]
    assert made["treatMissingData"] == "missing"
    assert (made["metricName"], made["threshold"]) == ("HealthyHostCount", desired)
    every = engine.inputs(ALARM)
    assert every.pop("careapp-poc-service-running")["insufficientDataActions"] == actions
    assert all(inputs["insufficientDataActions"] == [] for inputs in every.values())


def test_every_alarm_notifies_the_topic_of_alarm_and_ok(engine, build):
    build(ecsEnabled="true")
    actions = {
        name: (inputs["name"], inputs["alarmActions"], inputs["okActions"])
        for name, inputs in engine.inputs(ALARM).items()
    }
    stage_one = {name for name in actions if "-database-" in name}
    assert stage_one < actions.keys()
    for name, seen in actions.items():
        topic = "arn:Topic/careapp-poc-alarms" if name in stage_one else "topic"
        assert seen == (name, [topic], [topic])


def test_every_alarm_has_a_description_of_its_own(engine, build):
    build(ecsEnabled="true")
    descriptions = [inputs["alarmDescription"] for inputs in engine.inputs(ALARM).values()]
    assert len(set(descriptions)) == len(descriptions) > 0


def test_the_topic_is_encrypted_with_a_key_that_the_two_services_may_use(engine, build):
    build()
    assert engine.inputs("aws:sns/topic:Topic")["careapp-poc-alarms"]["kmsMasterKeyId"] == "key-1"
    key = engine.inputs("aws:kms/key:Key")["careapp-poc-alarms"]
    administration, use = json.loads(key.pop("policy"))["Statement"]
    assert key == {
        "description": "What the alarms of careapp-poc say",
        "enableKeyRotation": True,
        "deletionWindowInDays": 7,
        "tags": TAGS,
    }
    assert use == {
        "Effect": "Allow",
        "Principal": {"Service": ["cloudwatch.amazonaws.com", "events.amazonaws.com"]},
        "Action": ["kms:Decrypt", "kms:GenerateDataKey*"],
        "Resource": "*",
    }
    assert administration["Principal"] == {"AWS": "arn:aws:iam::123456789012:root"}
    assert not {"kms:*", "kms:Decrypt", "kms:Encrypt"} & set(administration["Action"])
    assert "kms:PutKeyPolicy" in administration["Action"], "KMS refuses a policy that locks all out"


def test_the_key_names_the_role_that_deploys_a_stack_with_that_roles_boundary(engine, build):
    build(permissionsBoundary="careapp-delivery-poc-boundary")
    administration, _ = json.loads(
        engine.inputs("aws:kms/key:Key")["careapp-poc-alarms"]["policy"]
    )["Statement"]
    root, role = "arn:aws:iam::123456789012:root", "role/careapp-delivery-poc"
    assert administration["Principal"] == {"AWS": [root, root.replace("root", role)]}


def test_only_this_stack_s_alarms_and_eventbridge_may_publish_and_only_over_tls(engine, build):
    build()
    policy = json.loads(
        engine.inputs("aws:sns/topicPolicy:TopicPolicy")["careapp-poc-alarms"]["policy"]
    )
    topic = "arn:Topic/careapp-poc-alarms"
    alarms = "arn:aws:cloudwatch:ap-northeast-1:123456789012:alarm:careapp-poc-*"
    publish = {"Action": "sns:Publish", "Resource": topic}
    assert policy["Statement"] == [
        {
            "Effect": "Allow",
            "Principal": {"Service": "cloudwatch.amazonaws.com"},
            **publish,
            "Condition": {
                "StringEquals": {"aws:SourceAccount": "123456789012"},
                "ArnLike": {"aws:SourceArn": alarms},
            },
        },
        {"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, **publish},
        {
            "Effect": "Deny",
            "Principal": "*",
            **publish,
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        },
    ]


SUBSCRIPTION = "aws:sns/topicSubscription:TopicSubscription"


def test_without_an_address_the_topic_has_no_subscriber(engine, build):
    build()
    assert engine.inputs(SUBSCRIPTION) == {}


def test_the_address_is_subscribed(engine, build):
    build(alarmEmail="team@example.com")
    assert engine.inputs(SUBSCRIPTION)["careapp-poc-alarms"] == {
        "topic": "arn:Topic/careapp-poc-alarms",
        "protocol": "email",
        "endpoint": "team@example.com",
    }


def test_a_failed_deployment_of_this_service_is_notified(engine, build):
    build(ecsEnabled="true")
    rule = engine.inputs("aws:cloudwatch/eventRule:EventRule")["careapp-poc-rollout-failed"]
    assert rule["name"] == "careapp-poc-rollout-failed"
    assert json.loads(rule["eventPattern"]) == {
        "source": ["aws.ecs"],
        "detail-type": ["ECS Deployment State Change"],
        "resources": [SERVICE_ARN],
        "detail": {"eventName": ["SERVICE_DEPLOYMENT_FAILED"]},
    }
    target = engine.inputs("aws:cloudwatch/eventTarget:EventTarget")["careapp-poc-rollout-failed"]
    transformer = target.pop("inputTransformer")
    assert target == {"rule": "careapp-poc-rollout-failed", "targetId": "topic", "arn": "topic"}
    assert transformer["inputPaths"] == {"at": "$.time", "reason": "$.detail.reason"}
    assert json.loads(transformer["inputTemplate"]) == (
        "A deployment of careapp-poc failed at <at>: <reason> ECS rolls back to the last "
        "completed deployment, unless this was the first one. "
        "./careapp doctor --stack poc names the cause."
    )


def test_alarms_can_be_turned_off_with_the_dashboard(engine, build):
    made = build(alarmsEnabled="false", ecsEnabled="true")
    assert made.topic_arn is None
    assert [each.name for each in engine.made if each.custom] == []


def widgets(engine):
    return json.loads(engine.inputs(DASHBOARD)["careapp-poc"]["dashboardBody"])["widgets"]


def test_the_graphs_lead_from_the_page_down_to_the_database(engine, build):
    build()
    made = engine.inputs(DASHBOARD)["careapp-poc"]
    assert made["dashboardName"] == "careapp-poc"
    note, *graphs = widgets(engine)
    assert "./careapp doctor --stack poc" in note["properties"]["markdown"]
    assert [graph["properties"]["title"] for graph in graphs] == [
        "Page: errors",
        "Page: response time",
        "Page: requests",
        "Targets",
        "Tasks: CPU and memory",
        "Running tasks",
        "Failed deployments",
        "Database: CPU",
        "Database: connections",
        "Database: free memory",
        "Database: free storage",
    ]


def test_the_graphs_fill_each_row_without_overlap(engine, build):
    build()
    cells = [
        (x, y)
        for each in widgets(engine)
        for x in range(each["x"], each["x"] + each["width"])
        for y in range(each["y"], each["y"] + each["height"])
    ]
    height = max(y for _, y in cells) + 1
    assert len(cells) == len(set(cells)) == dashboard.WIDTH * height


def test_a_graph_has_a_line_at_the_limit_of_its_alarm(engine, build):
    build(databaseStorageGb="100")
    limits = {
        each["properties"]["title"]: each["properties"]["annotations"]["horizontal"]
        for each in widgets(engine)
        if "annotations" in each["properties"]
    }
    assert limits["Database: free storage"] == [
        {"label": "database-storage", "value": 20 * 1024**3}
    ]
    assert set(limits) == {
        "Page: errors",
        "Page: response time",
        "Targets",
        "Tasks: CPU and memory",
        "Database: CPU",
        "Database: connections",
        "Database: free memory",
        "Database: free storage",
    }
    assert limits["Targets"] == [
        {"label": "targets-unhealthy", "value": 0},
        {"label": "service-running", "value": 1},
    ]


def test_a_graph_names_namespace_metric_and_dimensions(engine, build):
    build()
    [shown] = [
        each["properties"]
        for each in widgets(engine)
        if each["properties"].get("title") == "Failed deployments"
    ]
    [failed] = shown["metrics"]
    assert failed == [
        "AWS/Events",
        "TriggeredRules",
        "RuleName",
        "careapp-poc-rollout-failed",
        {"stat": "Sum", "label": "failed"},
    ]


def test_the_dashboard_is_the_same_in_both_stages(engine, build):
    build(ecsEnabled="false")
    before = engine.inputs(DASHBOARD)["careapp-poc"]
    engine.made.clear()
    build(ecsEnabled="true")
    assert engine.inputs(DASHBOARD)["careapp-poc"] == before


def stopped(code, **changes):
    """An event of a task with one container, as ECS sends it; the code of one that did not start is None."""
    detail = {
        "lastStatus": "STOPPED",
        "group": "family:careapp-poc-job-report",
        # moto compares with one object of a list, as the local cloud gives it.
        "containers": {"name": "app"} | ({} if code is None else {"exitCode": code}),
        **changes,
    }
    return {"source": "aws.ecs", "detail-type": "ECS Task State Change", "detail": detail}


@pytest.mark.parametrize(
    ("event", "heard"),
    [
        (stopped(0), False),
        (stopped(1), True),
        (stopped(124), True),
        (stopped(None), True),
        (stopped(None, lastStatus="RUNNING"), False),
        (stopped(1, group="service:careapp-poc-service"), False),
        (stopped(1, containers={"name": "aws-guardduty-agent-1a", "exitCode": 137}), False),
        (stopped(1, group="family:careapp-prod-job-report"), False),
        (stopped(1) | {"detail-type": "ECS Service Action"}, False),
    ],
)
def test_a_run_that_ends_otherwise_than_with_0_is_sent_to_the_topic(engine, build, event, heard):
    build(**WITH_A_JOB)
    rule = engine.inputs(RULE)["careapp-poc-job-failed"]
    assert EventPattern.load(rule["eventPattern"]).matches_event(event) is heard
    assert rule["tags"] == TAGS
    target = engine.inputs(TARGET)["careapp-poc-job-failed"]
    assert (target["arn"], target["rule"]) == ("topic", "careapp-poc-job-failed")


def test_the_message_names_the_exit_code_and_the_command_that_shows_the_log(engine, build):
    build(**WITH_A_JOB)
    target = engine.inputs(TARGET)["careapp-poc-job-failed"]
    text, paths = (
        target["inputTransformer"]["inputTemplate"],
        target["inputTransformer"]["inputPaths"],
    )
    assert json.loads(text) == (
        "A job failed at <at>: <group>, exit code <code> (none: it did not start). <reason> "
        "./careapp jobs logs NAME --stack poc shows its log: NAME is what follows careapp-poc-job-. "
        "./careapp doctor --stack poc names the cause."
    )
    assert paths == {
        "at": "$.time",
        "group": "$.detail.group",
        "code": "$.detail.containers[0].exitCode",
        "reason": "$.detail.stoppedReason",
    }


def test_a_run_that_eventbridge_scheduler_gives_up_is_an_alarm(engine, build):
    build(**WITH_A_JOB)
    group = ("AWS/Scheduler", {"ScheduleGroup": "careapp-poc"})
    assert alarms(engine)["jobs-missed"] == single(
        group, "InvocationDroppedCount", "Sum", ABOVE, 0, 1, "notBreaching"
    )


@pytest.mark.parametrize(
    "changes",
    [{"ecsEnabled": "true"}, {"jobs": DECLARED}, {**WITH_A_JOB, "alarmsEnabled": "false"}],
)
def test_without_a_job_without_stage_two_or_without_alarms_there_is_neither(engine, build, changes):
    build(**changes)
    assert "careapp-poc-job-failed" not in engine.inputs(RULE)
    assert "jobs-missed" not in alarms(engine)
