"""Workers: an ECS service for each, of the web service's image, roles and network."""

from __future__ import annotations

import json
from functools import partial

import pytest

from infra.workers import Workers, WorkersArgs
from tests.unit.conftest import NAME, TAGS, service

SERVICE = "aws:ecs/service:Service"
DEFINITION = "aws:ecs/taskDefinition:TaskDefinition"
MAIL = "careapp-poc-worker-mail"
COMMAND = {"command": "celery -A app worker"}
OFFICE = "mon-fri 08:00-20:30"


def stage(settings):
    return Workers(NAME, WorkersArgs(settings=settings, service=service(settings)))


@pytest.fixture
def build(declare):
    """Declares the worker `mail` with these fields, and what else the stack file says."""

    def build(fields=None, **changes):
        return declare(stage, workers=json.dumps({"mail": COMMAND | (fields or {})}), **changes)

    return build


def container(engine, name):
    [made] = json.loads(engine.inputs(DEFINITION)[name]["containerDefinitions"])
    return made


def test_the_whole_service_of_a_worker(engine, build):
    build({"count": 2})
    assert engine.inputs(SERVICE)[MAIL] == {
        "name": MAIL,
        "cluster": "arn:Cluster/careapp-poc-cluster",
        "taskDefinition": f"arn:TaskDefinition/{MAIL}",
        "capacityProviderStrategies": [{"capacityProvider": "FARGATE", "base": 0, "weight": 1}],
        "forceNewDeployment": True,
        "platformVersion": "LATEST",
        "desiredCount": 2,
        "networkConfiguration": {
            "subnets": ["private-1", "private-2"],
            "securityGroups": ["SecurityGroup/careapp-poc-app"],
            "assignPublicIp": False,
        },
        "deploymentCircuitBreaker": {"enable": True, "rollback": True},
        "deploymentMinimumHealthyPercent": 100,
        "deploymentMaximumPercent": 200,
        "availabilityZoneRebalancing": "ENABLED",
        "waitForSteadyState": False,
        "enableExecuteCommand": False,
        "enableEcsManagedTags": True,
        "propagateTags": "SERVICE",
        "tags": TAGS,
    }
    request = engine.request(SERVICE, MAIL)
    assert (request.protect, request.deleteBeforeReplace, list(request.ignoreChanges)) == (
        False,
        True,
        [],
    )


def test_a_worker_changes_after_the_web_service_and_so_after_the_deploy_command(engine, build):
    build()
    urns = engine.request(SERVICE, MAIL).dependencies
    assert f"{SERVICE}::careapp-poc-service" in {urn.rpartition("$")[2] for urn in urns}


@pytest.mark.parametrize("changes", [{}, {"execEnabled": "true"}])
def test_a_worker_s_container_differs_from_the_web_s_in_its_command_and_stream_only(
    engine, build, changes
):
    build({"stopSeconds": 90}, **changes)
    ours, web = container(engine, MAIL), container(engine, "careapp-poc-app")
    assert ours["command"] == ["celery", "-A", "app", "worker"]
    assert (ours["stopTimeout"], web["stopTimeout"]) == (90, 30)
    assert ours["portMappings"] == []
    assert ours["logConfiguration"]["options"].pop("awslogs-stream-prefix") == "worker-mail"
    assert web["logConfiguration"]["options"].pop("awslogs-stream-prefix") == "app"
    for own in ("command", "stopTimeout", "portMappings"):
        ours.pop(own, None)
        web.pop(own, None)
    assert ours == web  # The image's digest, variables, secrets, user, file system and log group.


def test_a_worker_has_its_own_family_and_size_and_the_web_s_roles(engine, build):
    build({"cpu": 1024, "memory": 2048}, cpuArchitecture="ARM64")
    made = engine.inputs(DEFINITION)
    ours, web = made[MAIL], made["careapp-poc-app"]
    assert (ours["family"], ours["cpu"], ours["memory"]) == (MAIL, "1024", "2048")
    same = ("executionRoleArn", "taskRoleArn", "runtimePlatform", "volumes", "skipDestroy", "tags")
    assert {key: ours[key] for key in same} == {key: web[key] for key in same}
    variables = {each["name"]: each["value"] for each in container(engine, MAIL)["environment"]}
    assert variables["WEB_CONCURRENCY"] == "1"  # That of its own size.


def test_a_large_worker_s_pool_is_that_of_its_own_processors(engine, build):
    build({"cpu": 2048, "memory": 4096})
    of = partial(container, engine)
    told = [
        each["value"]
        for name in (MAIL, "careapp-poc-app")
        for each in of(name)["environment"]
        if each["name"] == "WEB_CONCURRENCY"
    ]
    assert told == ["2", "1"]


@pytest.mark.parametrize(
    ("changes", "key", "value"),
    [
        ({"fargateSpot": "true"}, "capacityProviderStrategies",
         [{"capacityProvider": "FARGATE_SPOT", "base": 0, "weight": 1}]),
        ({"execEnabled": "true"}, "enableExecuteCommand", True),
        ({"natStrategy": "none"}, "networkConfiguration",
         {"subnets": ["public-1", "public-2"], "securityGroups": ["SecurityGroup/careapp-poc-app"],
          "assignPublicIp": True}),
    ],
)  # fmt: skip
def test_a_setting_of_the_web_service_changes_the_workers_too(engine, build, changes, key, value):
    build(**changes)
    assert engine.inputs(SERVICE)[MAIL][key] == value


TARGET = "aws:appautoscaling/target:Target"
ACTION = "aws:appautoscaling/scheduledAction:ScheduledAction"


def test_a_worker_keeps_the_hours_of_the_schedule(engine, build):
    build({"count": 3}, schedule=OFFICE)
    target = engine.inputs(TARGET)[f"{MAIL}-service"]
    assert (target["resourceId"], target["minCapacity"], target["maxCapacity"]) == (
        f"service/careapp-poc-cluster/{MAIL}",
        3,
        3,
    )
    made = engine.inputs(ACTION)
    assert {name: made[name]["scalableTargetAction"] for name in made if MAIL in name} == {
        f"{MAIL}-start": {"minCapacity": 3, "maxCapacity": 3},
        f"{MAIL}-stop": {"minCapacity": 0, "maxCapacity": 0},
    }
    web = made["careapp-poc-start"]
    assert [made[f"{MAIL}-start"][key] for key in ("schedule", "timezone")] == [
        web["schedule"],
        web["timezone"],
    ]
    assert list(engine.request(SERVICE, MAIL).ignoreChanges) == ["desiredCount"]


def test_neither_the_web_s_range_nor_hours_without_a_task_scale_a_worker(engine, build):
    build(maxCount="4")
    build({"count": 0}, schedule=OFFICE)
    assert [name for name in engine.inputs(TARGET) if MAIL in name] == []
    assert list(engine.request(SERVICE, MAIL).ignoreChanges) == []
