"""Stage 2: the ECS service, its task definition and its container."""

from __future__ import annotations

import json
import re
from functools import partial
from typing import Any

import pytest

from infra.container import USER
from stack.container import RESERVED
from stack.settings import KEYS
from tests.unit.conftest import DIGEST, NEEDS, SECRET_ARN, TAGS, service
from tools.local_cloud.paths import ROOT

SERVICE = "aws:ecs/service:Service"
DEFINITION = "aws:ecs/taskDefinition:TaskDefinition"
CLUSTER = "aws:ecs/cluster:Cluster"
LOGS = "aws:cloudwatch/logGroup:LogGroup"
ALARM = "aws:cloudwatch/metricAlarm:MetricAlarm"
ELSEWHERE = ("zones", "certificateArn", "deployStrategy", "appFolder", "appDockerfile", "appTarget")
"""Settings whose other value is one for other settings, or for sources, than the rest here."""
WATCHED = ("careapp-poc-deployment-errors", "careapp-poc-deployment-latency")


@pytest.fixture
def build(declare):
    return partial(declare, service)


def test_the_alarms_of_a_deployment_notify_nobody_and_never_fire_on_missing_data(engine, build):
    build(deployErrorPercent="25", deployLatencySeconds="2")
    made = engine.inputs(ALARM)
    assert set(made) == set(WATCHED)
    for name, expression, limit in zip(
        WATCHED,
        (
            "IF(requests >= 20, 100 * FILL(errors, 0) / requests, 0)",
            "IF(requests >= 20, latency, 0)",
        ),
        (25, 2),
        strict=True,
    ):
        alarm = made[name]
        *metrics, result = alarm["metricQueries"]
        assert (result["expression"], alarm["threshold"]) == (expression, limit)
        assert {each["metric"]["period"] for each in metrics} == {60}
        assert (alarm["evaluationPeriods"], alarm["datapointsToAlarm"]) == (2, 2)
        assert (alarm["treatMissingData"], alarm["comparisonOperator"]) == (
            "notBreaching",
            "GreaterThanThreshold",
        )
        assert (alarm["alarmActions"], alarm["okActions"]) == ([], [])


@pytest.mark.parametrize(
    "off", [{"alarmsEnabled": "false"}, {"deployErrorPercent": "0", "deployLatencySeconds": "0"}]
)
def test_without_deployment_alarms_a_service_says_so_and_does_not_wait(engine, build, off):
    build(**off)
    service = engine.inputs(SERVICE)["careapp-poc-service"]
    assert engine.inputs(ALARM) == {}
    # An empty list is dropped by the provider (expandAlarms) and then refused by the SDK.
    assert service["alarms"] == {"alarmNames": [WATCHED[0]], "enable": False, "rollback": False}
    assert service["deploymentConfiguration"] == {"strategy": "ROLLING", "bakeTimeInMinutes": "0"}


def test_one_limit_alone_makes_one_alarm(engine, build):
    build(deployLatencySeconds="0")
    assert tuple(engine.inputs(ALARM)) == WATCHED[:1]


def test_the_whole_service(engine, build):
    build()
    assert engine.inputs(SERVICE) == {
        "careapp-poc-service": {
            "name": "careapp-poc-service",
            "cluster": "arn:Cluster/careapp-poc-cluster",
            "taskDefinition": "arn:TaskDefinition/careapp-poc-app",
            "capacityProviderStrategies": [{"capacityProvider": "FARGATE", "base": 0, "weight": 1}],
            "forceNewDeployment": True,
            "platformVersion": "LATEST",
            "desiredCount": 1,
            "networkConfiguration": {
                "subnets": ["private-1", "private-2"],
                "securityGroups": ["SecurityGroup/careapp-poc-app"],
                "assignPublicIp": False,
            },
            "loadBalancers": [
                {
                    "targetGroupArn": "arn:TargetGroup/careapp-poc-tg",
                    "containerName": "app",
                    "containerPort": 3000,
                }
            ],
            "deploymentCircuitBreaker": {"enable": True, "rollback": True},
            "alarms": {"alarmNames": list(WATCHED), "enable": True, "rollback": True},
            "deploymentConfiguration": {"strategy": "ROLLING", "bakeTimeInMinutes": "5"},
            "deploymentMinimumHealthyPercent": 100,
            "deploymentMaximumPercent": 200,
            "healthCheckGracePeriodSeconds": 60,
            "availabilityZoneRebalancing": "ENABLED",
            "waitForSteadyState": False,
            "enableExecuteCommand": False,
            "enableEcsManagedTags": True,
            "propagateTags": "SERVICE",
            "tags": TAGS,
        }
    }


@pytest.mark.parametrize(
    ("changes", "inputs"),
    [
        (
            {"fargateSpot": "true"},
            {
                "capacityProviderStrategies": [
                    {"capacityProvider": "FARGATE_SPOT", "base": 0, "weight": 1}
                ]
            },
        ),
        (
            {"natStrategy": "none"},
            {
                "networkConfiguration": {
                    "subnets": ["public-1", "public-2"],
                    "securityGroups": ["SecurityGroup/careapp-poc-app"],
                    "assignPublicIp": True,
                }
            },
        ),
        (
            {"desiredCount": "3", "healthGracePeriod": "90", "execEnabled": "true"},
            {"desiredCount": 3, "healthCheckGracePeriodSeconds": 90, "enableExecuteCommand": True},
        ),
    ],
    ids=["on Spot", "without a NAT gateway", "count, grace period and shell"],
)
def test_a_setting_changes_the_service(engine, build, changes, inputs):
    build(**changes)
    made = engine.inputs(SERVICE)["careapp-poc-service"]
    assert {key: made[key] for key in inputs} == inputs


def tasks(engine):
    """What ECS makes tasks of; it replaces them when one of these changes (API reference, UpdateService)."""
    service = engine.inputs(SERVICE)["careapp-poc-service"]
    keys = ("networkConfiguration", "capacityProviderStrategies", "loadBalancers")
    return [engine.inputs(DEFINITION)["careapp-poc-app"], *(service[key] for key in keys)]


BEFORE: dict[tuple[str, ...], Any] = {}
"""The tasks before the change, by the settings that stay."""


@pytest.mark.parametrize(
    "keys",
    [[key] for key in KEYS if key.change.new_tasks and key.name not in ELSEWHERE]
    + [[key for key in KEYS if not key.change.new_tasks and key.name not in ELSEWHERE]],
    ids=lambda keys: keys[0].name if len(keys) == 1 else "all others",
)
def test_the_tasks_are_replaced_by_the_settings_that_say_so(engine, build, keys):
    needs = {key: value for each in keys for key, value in NEEDS.get(each.name, {}).items()}
    if (before := BEFORE.get(tuple(needs))) is None:
        build(**needs)
        before = BEFORE[tuple(needs)] = tasks(engine)
        engine.made.clear()
    build(**needs | {key.name: key.another(key.default) for key in keys})
    assert (tasks(engine) != before) == keys[0].change.new_tasks


def test_the_cluster_may_use_both_kinds_before_the_service_names_one(engine, build):
    build()
    kind = "aws:ecs/clusterCapacityProviders:ClusterCapacityProviders"
    assert engine.inputs(kind) == {
        "careapp-poc-cluster": {
            "clusterName": "careapp-poc-cluster",
            "capacityProviders": ["FARGATE", "FARGATE_SPOT"],
        }
    }
    urns = engine.request(SERVICE, "careapp-poc-service").dependencies
    assert f"{kind}::careapp-poc-cluster" in {urn.rpartition("$")[2] for urn in urns}


def test_it_starts_when_its_target_group_is_in_use_its_roles_may_act_and_its_ways_are_open(
    engine, build
):
    build()
    urns = engine.request(SERVICE, "careapp-poc-service").dependencies
    depended = {tuple(urn.rpartition("$")[2].split("::")) for urn in urns}
    assert depended >= {
        ("aws:lb/listenerRule:ListenerRule", "careapp-poc-app"),
        ("aws:iam/rolePolicy:RolePolicy", "careapp-poc-execution"),
        ("aws:iam/rolePolicy:RolePolicy", "careapp-poc-task"),
        ("aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule", "careapp-poc-alb-to-app-3000"),
        (
            "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",
            "careapp-poc-app-from-alb-3000",
        ),
        (
            "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule",
            "careapp-poc-app-to-internet-443",
        ),
        (
            "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",
            "careapp-poc-database-from-app-5432",
        ),
        ("awsx:ec2:Vpc", "careapp-poc"),
    }


def test_everything_that_asks_for_the_page_goes_to_the_tasks(engine, build):
    build()
    assert engine.inputs("aws:lb/listenerRule:ListenerRule") == {
        "careapp-poc-app": {
            "listenerArn": "arn:Listener/careapp-poc-http",
            "priority": 100,
            "conditions": [{"pathPattern": {"values": ["/*"]}}],
            "actions": [{"type": "forward", "targetGroupArn": "arn:TargetGroup/careapp-poc-tg"}],
            "tags": TAGS,
        }
    }
    egress = engine.inputs("aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule")
    to_tasks = egress["careapp-poc-alb-to-app-3000"]
    assert to_tasks["securityGroupId"] == "SecurityGroup/careapp-poc-alb"
    assert to_tasks["referencedSecurityGroupId"] == "SecurityGroup/careapp-poc-app"


def test_the_whole_task_definition(engine, build):
    build()
    made = engine.inputs(DEFINITION)["careapp-poc-app"]
    made.pop("containerDefinitions")
    assert made == {
        "family": "careapp-poc",
        "requiresCompatibilities": ["FARGATE"],
        "networkMode": "awsvpc",
        "cpu": "256",
        "memory": "512",
        "runtimePlatform": {"operatingSystemFamily": "LINUX", "cpuArchitecture": "X86_64"},
        "executionRoleArn": "arn:Role/careapp-poc-execution",
        "taskRoleArn": "arn:Role/careapp-poc-task",
        "volumes": [{"name": "tmp"}],
        "skipDestroy": True,
        "tags": TAGS,
    }


def test_the_architecture_of_image_and_task_is_one_setting(engine, build):
    build(cpuArchitecture="ARM64", taskCpu="512", taskMemory="1024")
    made = engine.inputs(DEFINITION)["careapp-poc-app"]
    assert made["runtimePlatform"]["cpuArchitecture"] == "ARM64"
    assert (
        engine.inputs("docker:index/image:Image")["careapp-poc-app"]["build"]["platform"]
        == "linux/arm64"
    )
    assert (made["cpu"], made["memory"]) == ("512", "1024")


def test_the_log_has_the_note_s_name_and_does_not_grow_for_ever(engine, build):
    build(logRetentionDays="90")
    assert engine.inputs(LOGS)["careapp-poc-app"] == {
        "name": "/ecs/careapp-poc",
        "retentionInDays": 90,
        "tags": TAGS,
    }


def test_the_cluster_has_the_note_s_name_and_no_insights(engine, build):
    build()
    assert engine.inputs(CLUSTER) == {
        "careapp-poc-cluster": {
            "name": "careapp-poc-cluster",
            "settings": [{"name": "containerInsights", "value": "disabled"}],
            "tags": TAGS,
        }
    }


@pytest.mark.parametrize(
    ("kind", "name", "before"),
    [
        (SERVICE, "careapp-poc-service", True),
        (CLUSTER, "careapp-poc-cluster", True),
        (LOGS, "careapp-poc-app", True),
        (DEFINITION, "careapp-poc-app", False),
    ],
)
def test_fixed_names_are_free_before_a_replacement_and_a_revision_stays_until_the_next_stands(
    engine, build, kind, name, before
):
    build()
    assert engine.request(kind, name).deleteBeforeReplace is before


DOCKERFILE = (ROOT / "webapp" / "Dockerfile").read_text()
APP_SECRET = "arn:aws:secretsmanager:ap-northeast-1:123456789012:secret:careapp-poc/key-AbCdEf"


def container(engine):
    [made] = json.loads(engine.inputs(DEFINITION)["careapp-poc-app"]["containerDefinitions"])
    return made


def test_the_whole_container(engine, build):
    made = build()
    assert container(engine) == {
        "name": "app",
        "image": DIGEST,
        "essential": True,
        "user": "10001:10001",
        "readonlyRootFilesystem": True,
        "portMappings": [{"containerPort": 3000, "hostPort": 3000, "protocol": "tcp"}],
        "mountPoints": [{"sourceVolume": "tmp", "containerPath": "/tmp", "readOnly": False}],  # noqa: S108
        "environment": [
            {"name": "APP_VERSION", "value": made.args.image.tag},
            {"name": "DB_HOST", "value": "careapp-poc.rds.example"},
            {"name": "DB_NAME", "value": "careapp"},
            {"name": "DB_POOL_SIZE", "value": "4"},
            {"name": "DB_PORT", "value": "5432"},
            {"name": "DB_SECRET_ARN", "value": SECRET_ARN},
            {"name": "DB_USER", "value": "postgres"},
            {"name": "KEEP_ALIVE_SECONDS", "value": "75"},
            {"name": "LOAD_BALANCER_ARN", "value": "arn:LoadBalancer/careapp-poc-alb"},
            {"name": "PORT", "value": "3000"},
            {"name": "WEB_CONCURRENCY", "value": "1"},
        ],
        "secrets": [{"name": "DB_PASSWORD", "valueFrom": f"{SECRET_ARN}:password::"}],
        "stopTimeout": 30,
        "linuxParameters": {"initProcessEnabled": True},
        "logConfiguration": {
            "logDriver": "awslogs",
            "options": {
                "awslogs-group": "/ecs/careapp-poc",
                "awslogs-region": "ap-northeast-1",
                "awslogs-stream-prefix": "app",
                "mode": "non-blocking",
                "max-buffer-size": "25m",
            },
        },
    }


def test_every_variable_that_the_stack_sets_is_one_that_a_stack_file_may_not(engine, build):
    build(uploadsEnabled="true")
    made = container(engine)
    assert {each["name"] for each in (*made["environment"], *made["secrets"])} == RESERVED, (
        "RESERVED of stack/container.py has the variables of infra/container.py"
    )


def test_the_port_is_told_to_the_app_to_ecs_and_to_the_load_balancer(engine, build):
    build(containerPort="8080")
    made = container(engine)
    assert made["portMappings"] == [{"containerPort": 8080, "hostPort": 8080, "protocol": "tcp"}]
    assert {"name": "PORT", "value": "8080"} in made["environment"]
    assert (
        engine.inputs(SERVICE)["careapp-poc-service"]["loadBalancers"][0]["containerPort"] == 8080
    )


def test_a_shell_needs_a_root_file_system_that_can_be_written(engine, build):
    build(execEnabled="true")
    assert container(engine)["readonlyRootFilesystem"] is False


@pytest.mark.parametrize(
    ("cpu", "memory", "workers"),
    [("256", "512", "1"), ("1024", "2048", "1"), ("2048", "4096", "2"), ("4096", "8192", "4")],
)
def test_there_is_a_worker_for_each_virtual_cpu_and_at_least_one(
    engine, build, cpu, memory, workers
):
    build(taskCpu=cpu, taskMemory=memory)
    assert {"name": "WEB_CONCURRENCY", "value": workers} in container(engine)["environment"]


def test_the_app_s_variables_and_secrets_are_beside_the_stack_s(engine, build):
    build(
        appVariables='{"GREETING": "hello", "DEBUG": false, "SIZE": 3}',
        appSecrets=json.dumps({"API_KEY": APP_SECRET, "SALT": f"{APP_SECRET}:salt::"}),
    )
    made = container(engine)
    variables = {each["name"]: each["value"] for each in made["environment"]}
    assert variables.items() >= {"GREETING": "hello", "DEBUG": "false", "SIZE": "3"}.items()
    assert variables["PORT"] == "3000"
    assert made["secrets"] == [
        {"name": "API_KEY", "valueFrom": APP_SECRET},
        {"name": "DB_PASSWORD", "valueFrom": f"{SECRET_ARN}:password::"},
        {"name": "SALT", "valueFrom": f"{APP_SECRET}:salt::"},
    ]


def test_the_app_s_variables_name_the_database_s_values_and_a_secret_its_password(engine, build):
    build(
        appVariables=json.dumps(
            {
                "DATABASE_URL": "postgresql://${DB_USER}@${DB_HOST}:${DB_PORT}/${DB_NAME}?sslmode=require",
                "FORMAT": "$${DB_HOST} $DB_HOST ${",
            }
        ),
        appSecrets='{"PGPASSWORD": "${DB_PASSWORD}"}',
    )
    made = container(engine)
    variables = {each["name"]: each["value"] for each in made["environment"]}
    where = "careapp-poc.rds.example:5432/careapp?sslmode=require"
    assert variables["DATABASE_URL"] == f"postgresql://postgres@{where}"
    assert variables["FORMAT"] == "${DB_HOST} $DB_HOST ${"
    assert made["secrets"] == [
        {"name": name, "valueFrom": f"{SECRET_ARN}:password::"}
        for name in ("DB_PASSWORD", "PGPASSWORD")
    ]


def test_user_and_group_are_those_of_the_image_and_neither_is_root():
    [user] = re.findall(r"^USER (\S+)$", DOCKERFILE, re.MULTILINE)
    assert user == USER
    assert "0" not in user.split(":")
    assert len(user.split(":")) == 2


def test_where_the_container_may_write_the_image_declares_a_volume(engine, build):
    """On Fargate a bind mount belongs to root, mode 0755, unless the image says VOLUME.

    Then it takes the folder's own mode (ECS Developer Guide, "Use bind mounts with Amazon ECS").
    """
    build()
    declared = re.findall(r'^VOLUME \["([^"]+)"\]', DOCKERFILE, re.MULTILINE)
    assert declared == [mount["containerPath"] for mount in container(engine)["mountPoints"]]
