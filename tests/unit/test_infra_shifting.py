"""Canary, linear and blue/green: what a strategy adds to the service, its rule, its role and its alarms."""

from __future__ import annotations

import json
import re
from functools import partial

import pytest

from infra.monitoring import ServiceMonitoring, ServiceMonitoringArgs
from stack.names import TEST_HEADER
from tests.unit.conftest import NAME, TAGS, service
from tests.unit.test_infra_service import SERVICE

GROUP, RULE = "aws:lb/targetGroup:TargetGroup", "aws:lb/listenerRule:ListenerRule"
ROLE, POLICY = "aws:iam/role:Role", "aws:iam/rolePolicy:RolePolicy"
ALARM = "aws:cloudwatch/metricAlarm:MetricAlarm"
SIGNATURE, SECRET = "4dabf18193072939515e22adb298388d", "1b47061264138c4ac30d75fd1eb44270"
"""How a secret goes to the engine (pulumi/sdk/go/common/resource/sig)."""
FIRST, SECOND = "arn:TargetGroup/careapp-poc-tg", "arn:TargetGroup/careapp-poc-tg2"
RULE_ARN, TEST_RULE_ARN = (f"arn:ListenerRule/careapp-poc-{each}" for each in ("app", "test"))


def watched_service(settings):
    made = service(settings)
    args = ServiceMonitoringArgs(
        settings=settings, topic_arn="topic", balancer=made.args.balancer, service=made
    )
    ServiceMonitoring(NAME, args)
    return made


@pytest.fixture
def build(declare):
    return partial(declare, watched_service, rolloutTimeoutMinutes="120")


@pytest.mark.parametrize(
    ("changes", "configuration"),
    [
        (
            {"deployStrategy": "canary", "bakeMinutes": "3"},
            {
                "strategy": "CANARY",
                "bakeTimeInMinutes": "3",
                "canaryConfiguration": {"canaryPercent": 10.0, "canaryBakeTimeInMinutes": "3"},
            },
        ),
        (
            {"deployStrategy": "linear", "bakeMinutes": "0"},
            {
                "strategy": "LINEAR",
                "bakeTimeInMinutes": "0",
                "linearConfiguration": {"stepPercent": 10.0, "stepBakeTimeInMinutes": "0"},
            },
        ),
        ({"deployStrategy": "blueGreen"}, {"strategy": "BLUE_GREEN", "bakeTimeInMinutes": "5"}),
    ],
)
def test_a_strategy_is_passed_to_ecs_with_both_target_groups(engine, build, changes, configuration):
    build(**changes)
    service = engine.inputs(SERVICE)["careapp-poc-service"]
    hook = {
        "targetType": "PAUSE",
        "lifecycleStages": ["POST_TEST_TRAFFIC_SHIFT"],
        "timeoutConfiguration": {"action": "ROLLBACK", "timeoutInMinutes": "120"},
    }
    assert service["deploymentConfiguration"] == {**configuration, "lifecycleHooks": [hook]}
    assert service["loadBalancers"] == [
        {
            "targetGroupArn": FIRST,
            "containerName": "app",
            "containerPort": 3000,
            "advancedConfiguration": {
                "alternateTargetGroupArn": SECOND,
                "productionListenerRule": RULE_ARN,
                "testListenerRule": TEST_RULE_ARN,
                "roleArn": "arn:Role/careapp-poc-shifting",
            },
        }
    ]


def test_both_target_groups_have_the_same_health_check(engine, build):
    build(deployStrategy="canary", healthPath="/live")
    groups = engine.inputs(GROUP)
    first, second = groups["careapp-poc-tg"], groups["careapp-poc-tg2"]
    assert second.pop("name") == "careapp-poc-tg2"
    assert {**first, "name": None} == {**second, "name": None}
    assert first["healthCheck"]["path"] == "/live"


def test_the_rule_begins_with_the_first_target_group_and_is_then_ecs_s(engine, build):
    build(deployStrategy="canary")
    weights = [{"arn": FIRST, "weight": 100}, {"arn": SECOND, "weight": 0}]
    rules = engine.inputs(RULE)
    for each in rules.values():
        assert each["actions"] == [{"type": "forward", "forward": {"targetGroups": weights}}]
    assert list(engine.request(RULE, "careapp-poc-app").ignoreChanges) == ["actions"]
    assert list(engine.request(RULE, "careapp-poc-test").ignoreChanges) == ["actions", "conditions"]


def test_the_test_rule_is_asked_first_and_only_who_knows_its_value_gets_through(engine, build):
    build(deployStrategy="canary")
    rules = engine.inputs(RULE)
    users, test = rules["careapp-poc-app"], rules["careapp-poc-test"]
    assert int(test["priority"]) < int(users["priority"])
    assert test["listenerArn"] == users["listenerArn"]
    assert test["conditions"].pop(SIGNATURE) == SECRET
    [condition] = test["conditions"]["value"]
    [value] = condition["httpHeader"]["values"]
    assert condition["httpHeader"]["httpHeaderName"] == TEST_HEADER
    assert re.fullmatch(r"[0-9a-f]{64}", value)


def test_ecs_may_change_these_rules_and_these_two_target_groups_only(engine, build):
    build(deployStrategy="canary")
    role = engine.inputs(ROLE)["careapp-poc-shifting"]
    [trusted] = json.loads(role["assumeRolePolicy"])["Statement"]
    assert trusted["Principal"] == {"Service": "ecs.amazonaws.com"}
    assert role["tags"] == TAGS
    [read, targets, rule] = json.loads(engine.inputs(POLICY)["careapp-poc-shifting"]["policy"])[
        "Statement"
    ]
    assert all(action.startswith("elasticloadbalancing:Describe") for action in read["Action"])
    assert targets["Resource"] == [FIRST, SECOND]
    assert rule["Resource"] == [RULE_ARN, TEST_RULE_ARN]
    assert rule["Action"] == ["elasticloadbalancing:ModifyRule"]


def test_alarms_do_not_depend_on_which_target_group_has_the_requests(engine, build):
    build(deployStrategy="canary")
    alarms = engine.inputs(ALARM)
    running = alarms["careapp-poc-service-running"]
    assert (running["metricName"], running["statistic"]) == ("CPUUtilization", "SampleCount")
    assert "TargetGroup" not in running["dimensions"]
    unhealthy = alarms["careapp-poc-targets-unhealthy"]["metricQueries"]
    assert [each["metric"]["metricName"] for each in unhealthy[:-1]] == ["UnHealthyHostCount"] * 2
    assert unhealthy[-1]["expression"] == "FILL(one, 0) + FILL(other, 0)"
    errors = alarms["careapp-poc-app-errors"]["metricQueries"]
    assert all("TargetGroup" not in each["metric"]["dimensions"] for each in errors[:-1])


def test_ecs_watches_the_errors_of_each_target_group_so_that_the_old_version_hides_none(
    engine, build
):
    build(deployStrategy="canary")
    names = ("deployment-errors", "deployment-latency")
    both = [f"careapp-poc-{name}{ending}" for ending in ("", "-2") for name in names]
    assert engine.inputs(SERVICE)["careapp-poc-service"]["alarms"]["alarmNames"] == both
    assert set(both) <= set(engine.inputs(ALARM))


def test_rolling_has_none_of_it(engine, build):
    build()
    assert "careapp-poc-tg2" not in engine.inputs(GROUP)
    assert "careapp-poc-test" not in engine.inputs(RULE)
    assert "careapp-poc-shifting" not in engine.inputs(ROLE)
    assert (
        engine.inputs(SERVICE)["careapp-poc-service"]["deploymentConfiguration"]["strategy"]
        == "ROLLING"
    )
    assert "careapp-poc-deployment-errors-2" not in engine.inputs(ALARM)
    assert "ignoreChanges" not in {
        field.name for field, _ in engine.request(RULE, "careapp-poc-app").ListFields()
    }
