"""Stage 2: the ECS service, its task definition and its container."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from infra.container import ContainerInputs, container_definition, environment
from infra.database import Database, DatabaseArgs
from infra.registry import AppImage, AppImageArgs
from infra.service import Service, ServiceArgs
from tests.unit.parts import NAME, TAGS, balancer

SERVICE = "aws:ecs/service:Service"
DEFINITION = "aws:ecs/taskDefinition:TaskDefinition"
CLUSTER = "aws:ecs/cluster:Cluster"
LOGS = "aws:cloudwatch/logGroup:LogGroup"
ALARM = "aws:cloudwatch/metricAlarm:MetricAlarm"
WATCHED = ("careapp-poc-deployment-errors", "careapp-poc-deployment-latency")


def declare(settings):
    """A service with real neighbours, as __main__ puts them together."""
    entrance = balancer(settings)
    network = entrance.args.network
    args = ServiceArgs(
        settings=settings,
        network=network,
        database=Database(NAME, DatabaseArgs(settings=settings, network=network)),
        image=AppImage(NAME, AppImageArgs(settings=settings)),
        balancer=entrance,
    )
    return Service(NAME, args)


@pytest.fixture
def build(engine, configured, checkout):
    assert (checkout / "webapp").is_dir()

    def service(**changes):
        settings = configured(**changes)
        return engine.run(lambda: declare(settings))

    return service


def test_the_alarms_of_a_deployment_notify_nobody_and_never_fire_on_missing_data(engine, build):
    build(deployErrorPercent="25", deployLatencySeconds="2")
    made = engine.inputs(ALARM)
    assert tuple(made) == WATCHED
    for alarm, expression, limit in zip(
        made.values(),
        (
            "IF(requests >= 20, 100 * FILL(errors, 0) / requests, 0)",
            "IF(requests >= 20, latency, 0)",
        ),
        (25, 2),
        strict=True,
    ):
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
    [service] = engine.inputs(SERVICE).values()
    assert engine.inputs(ALARM) == {}
    assert service["alarms"] == {"alarmNames": [], "enable": False, "rollback": False}
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


def test_on_spot_every_task_is_the_cheap_kind(engine, build):
    build(fargateSpot="true")
    assert engine.only(SERVICE)["capacityProviderStrategies"] == [
        {"capacityProvider": "FARGATE_SPOT", "base": 0, "weight": 1}
    ]


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


def test_without_a_nat_gateway_tasks_get_public_addresses_in_public_subnets(engine, build):
    build(natStrategy="none")
    assert engine.only(SERVICE)["networkConfiguration"] == {
        "subnets": ["public-1", "public-2"],
        "securityGroups": ["SecurityGroup/careapp-poc-app"],
        "assignPublicIp": True,
    }


def test_count_grace_port_and_shell_are_the_settings(engine, build):
    build(desiredCount="3", healthGracePeriod="90", containerPort="8080", execEnabled="true")
    made = engine.only(SERVICE)
    assert made["desiredCount"] == 3
    assert made["healthCheckGracePeriodSeconds"] == 90
    assert made["loadBalancers"][0]["containerPort"] == 8080
    assert made["enableExecuteCommand"] is True


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


def test_the_whole_task_definition(engine, build, configured):
    service = build()
    made = engine.only(DEFINITION)
    [container] = json.loads(made.pop("containerDefinitions"))
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
    around = ContainerInputs(
        image="123456789012.dkr.example/careapp/hello-ecs@sha256:0123",
        version=service.args.image.tag,
        db_host="careapp-poc.rds.example",
        db_port=5432,
        db_name="careapp",
        db_user="postgres",
        db_secret_arn=engine.known(service.args.database.secret_arn),
        log_group="/ecs/careapp-poc",
        region="ap-northeast-1",
    )
    assert container == container_definition(around, configured().service)


def test_the_architecture_of_image_and_task_is_one_setting(engine, build):
    build(cpuArchitecture="ARM64", taskCpu="512", taskMemory="1024")
    made = engine.only(DEFINITION)
    assert made["runtimePlatform"]["cpuArchitecture"] == "ARM64"
    assert engine.only("docker:index/image:Image")["build"]["platform"] == "linux/arm64"
    assert (made["cpu"], made["memory"]) == ("512", "1024")


def test_the_log_has_the_note_s_name_and_does_not_grow_for_ever(engine, build):
    build(logRetentionDays="90")
    assert engine.inputs(LOGS) == {
        "careapp-poc-app": {"name": "/ecs/careapp-poc", "retentionInDays": 90, "tags": TAGS}
    }


@pytest.mark.parametrize(("setting", "value"), [("false", "disabled"), ("true", "enabled")])
def test_the_cluster_has_the_note_s_name_and_insights_by_choice(engine, build, setting, value):
    build(containerInsights=setting)
    assert engine.inputs(CLUSTER) == {
        "careapp-poc-cluster": {
            "name": "careapp-poc-cluster",
            "settings": [{"name": "containerInsights", "value": value}],
            "tags": TAGS,
        }
    }


@pytest.mark.parametrize(
    ("kind", "name"),
    [(SERVICE, "careapp-poc-service"), (CLUSTER, "careapp-poc-cluster"), (LOGS, "careapp-poc-app")],
)
def test_fixed_names_are_free_before_a_replacement_takes_them(engine, build, kind, name):
    build()
    assert engine.request(kind, name).deleteBeforeReplace is True


def test_protection_stops_at_the_service_so_that_releases_can_replace_the_rest(engine, build):
    build(protect="true")
    protected = {key for key, request in engine.monitor.requests.items() if request.protect}
    assert (SERVICE, "careapp-poc-service") in protected
    assert (DEFINITION, "careapp-poc-app") not in protected


def test_an_unprotected_service_can_go(engine, build):
    build(protect="false")
    assert engine.request(SERVICE, "careapp-poc-service").protect is False


def test_a_new_revision_stands_before_the_old_one_goes(engine, build):
    build()
    assert engine.request(DEFINITION, "careapp-poc-app").deleteBeforeReplace is False


def test_it_tells_the_names_that_the_note_s_commands_use(engine, build):
    service = build()
    assert engine.known(service.cluster_name) == "careapp-poc-cluster"
    assert engine.known(service.service_name) == "careapp-poc-service"
    assert engine.known(service.log_group_name) == "/ecs/careapp-poc"
    assert engine.known(service.task_definition_arn) == "arn:TaskDefinition/careapp-poc-app"


ROOT = Path(__file__).parents[2]
AROUND = ContainerInputs(
    image="repository@sha256:0123",
    version="abc",
    db_host="db.example",
    db_port=5432,
    db_name="careapp",
    db_user="postgres",
    db_secret_arn="arn:secret",
    log_group="/ecs/careapp-poc",
    region="ap-northeast-1",
)


def test_the_whole_definition(configured):
    assert container_definition(AROUND, configured().service) == {
        "name": "app",
        "image": "repository@sha256:0123",
        "essential": True,
        "user": "10001:10001",
        "readonlyRootFilesystem": True,
        "portMappings": [{"containerPort": 3000, "hostPort": 3000, "protocol": "tcp"}],
        "mountPoints": [{"sourceVolume": "tmp", "containerPath": "/tmp", "readOnly": False}],  # noqa: S108
        "environment": [
            {"name": "APP_VERSION", "value": "abc"},
            {"name": "DB_HOST", "value": "db.example"},
            {"name": "DB_NAME", "value": "careapp"},
            {"name": "DB_POOL_SIZE", "value": "4"},
            {"name": "DB_PORT", "value": "5432"},
            {"name": "DB_SECRET_ARN", "value": "arn:secret"},
            {"name": "DB_USER", "value": "postgres"},
            {"name": "PORT", "value": "3000"},
            {"name": "WEB_CONCURRENCY", "value": "1"},
        ],
        "secrets": [{"name": "DB_PASSWORD", "valueFrom": "arn:secret:password::"}],
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


def test_the_port_is_told_to_the_app_and_to_ecs_alike(configured):
    made = container_definition(AROUND, configured(containerPort="8080").service)
    assert made["portMappings"] == [{"containerPort": 8080, "hostPort": 8080, "protocol": "tcp"}]
    assert {"name": "PORT", "value": "8080"} in made["environment"]


def test_a_shell_needs_a_root_file_system_that_can_be_written(configured):
    made = container_definition(AROUND, configured(execEnabled="true").service)
    assert made["readonlyRootFilesystem"] is False


@pytest.mark.parametrize(
    ("cpu", "memory", "workers"),
    [("256", "512", "1"), ("1024", "2048", "1"), ("2048", "4096", "2"), ("4096", "8192", "4")],
)
def test_there_is_a_worker_for_each_virtual_cpu_and_at_least_one(configured, cpu, memory, workers):
    settings = configured(taskCpu=cpu, taskMemory=memory).service
    assert environment(AROUND, settings)["WEB_CONCURRENCY"] == workers


def test_user_and_group_are_those_of_the_image_and_neither_is_root(configured):
    dockerfile = (ROOT / "webapp" / "Dockerfile").read_text()
    [user] = re.findall(r"^USER (\S+)$", dockerfile, re.MULTILINE)
    assert container_definition(AROUND, configured().service)["user"] == user
    assert "0" not in user.split(":")
    assert len(user.split(":")) == 2


def test_where_the_container_may_write_the_image_declares_a_volume(configured):
    """On Fargate a bind mount belongs to root, mode 0755, unless the image says VOLUME.

    Then it takes the folder's own mode (ECS Developer Guide, "Use bind mounts with Amazon ECS").
    """
    mounts = container_definition(AROUND, configured().service)["mountPoints"]
    dockerfile = (ROOT / "webapp" / "Dockerfile").read_text()
    declared = re.findall(r'^VOLUME \["([^"]+)"\]', dockerfile, re.MULTILINE)
    assert declared == [mount["containerPath"] for mount in mounts]
