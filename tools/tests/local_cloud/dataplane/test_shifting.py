"""Canary, linear and blue/green: the tasks of both versions, the weights, and the shares of the requests."""

from __future__ import annotations

import time
import urllib.request
from collections import Counter

import pytest
from botocore.exceptions import ClientError

from infra.shifting import shifting_policy
from tools.tests.local_cloud.dataplane.declarations import DEPLOYMENT
from tools.tests.local_cloud.dataplane.stack import Load, until

CANARY = {
    "strategy": "CANARY",
    "bakeTimeInMinutes": 1,
    "canaryConfiguration": {"canaryPercent": 10.0, "canaryBakeTimeInMinutes": 1},
}
LONG = {
    **CANARY,
    "canaryConfiguration": {"canaryPercent": 10.0, "canaryBakeTimeInMinutes": 1440},
}
LINEAR = {
    "strategy": "LINEAR",
    "bakeTimeInMinutes": 1,
    "linearConfiguration": {"stepPercent": 40.0, "stepBakeTimeInMinutes": 1},
}
BLUE_GREEN = {"strategy": "BLUE_GREEN", "bakeTimeInMinutes": 1}


def declare(cloud, strategy, allowed=shifting_policy):
    cloud.everything()
    cloud.elb.delete_rule(RuleArn=cloud.ids["rule"])
    cloud.shifting_service(strategy, 2, allowed)


@pytest.fixture
def shifting(cloud, request):
    declare(cloud, getattr(request, "param", CANARY))
    cloud.rolled_out()
    return cloud


PAUSE = {
    "targetType": "PAUSE",
    "lifecycleStages": ["POST_TEST_TRAFFIC_SHIFT"],
    "timeoutConfiguration": {"timeoutInMinutes": 10, "action": "ROLLBACK"},
}
PAUSED = {**CANARY, "lifecycleHooks": [PAUSE]}
SHORT = {**PAUSED, "lifecycleHooks": [{**PAUSE, "timeoutConfiguration": {"timeoutInMinutes": 1}}]}


def release(cloud, version: str) -> str:
    definition = str(cloud.task_definition(version))
    cloud.ecs.update_service(cluster="main", service="web", taskDefinition=definition)
    return definition


def release_unhealthy(cloud, version: str):
    """Release a version whose health check fails, and let the check count from a task's start on."""
    definition = cloud.task_definition(version, environment={"HEALTHY_PATH": "/other"})
    cloud.ecs.update_service(
        cluster="main", service="web", taskDefinition=definition, healthCheckGracePeriodSeconds=0
    )


def weights(cloud, rule: str = "rule") -> tuple[int, int]:
    """Return the weights of the first and the second target group."""
    [rule] = cloud.elb.describe_rules(RuleArns=[cloud.ids[rule]])["Rules"]
    found = {
        each["TargetGroupArn"]: each["Weight"]
        for each in rule["Actions"][0]["ForwardConfig"]["TargetGroups"]
    }
    return found[cloud.ids["tg"]], found[cloud.ids["tg2"]]


def by_test_rule(cloud) -> str:
    """Return the version that answers a request to the test rule."""
    asked = urllib.request.Request(cloud.url(), headers={"X-Test": "me"})
    with urllib.request.urlopen(asked, timeout=10) as answer:
        return answer.read().decode().split()[0]


def hook(cloud) -> dict:
    """Wait for the pause hook of the newest deployment, and return it."""

    def ask():
        [*found] = cloud.deployment()["lifecycleHookDetails"]
        return found and found[0]["status"] == "AWAITING_ACTION" and found[0]

    return until(ask, 30, "the hook")


def answer(cloud, action: str) -> None:
    cloud.ecs.continue_service_deployment(
        serviceDeploymentArn=cloud.deployment()["serviceDeploymentArn"],
        hookId=hook(cloud)["hookId"],
        action=action,
    )


def shares(cloud, count: int) -> Counter[str]:
    """Return how many of some requests each version answered."""
    return Counter(cloud.page().split()[0] for _ in range(count))


def running(cloud) -> Counter[str]:
    return Counter(task["taskDefinitionArn"] for task in cloud.tasks())


def test_a_canary_s_requests_move_step_by_step_without_a_failure_and_the_next_release_s_back(
    shifting,
):
    assert weights(shifting) == (100, 0)
    load = Load(shifting.url())
    release(shifting, "v2")
    until(lambda: weights(shifting) == (90, 10), 20, "the canary's share")
    assert len(shifting.tasks()) == 4
    until(lambda: weights(shifting) == (0, 100), 20, "all requests")
    assert shifting.deployment()["lifecycleStage"] == "BAKE_TIME"
    assert len(shifting.tasks()) == 4
    shifting.rolled_out()
    assert len(shifting.tasks()) == 2
    assert len(shifting.describe()["deployments"]) == 1

    release(shifting, "v3")
    until(lambda: weights(shifting) == (10, 90), 20, "the canary's share")
    shifting.rolled_out()
    load.stop()
    assert load.failed == []
    assert weights(shifting) == (100, 0)
    assert shares(shifting, 10) == {"v3": 10}


@pytest.mark.parametrize("shifting", [LONG], indirect=True)
def test_while_a_canary_bakes_it_gets_a_tenth_of_the_requests_and_old_tasks_are_replaced(shifting):
    old = shifting.describe()["taskDefinition"]
    before = {task["taskArn"] for task in shifting.tasks()}
    release(shifting, "v2")
    until(lambda: weights(shifting) == (90, 10), 20, "the canary's share")
    assert shares(shifting, 300) == {"v1": 270, "v2": 30}

    row = shifting.deployment()
    assert (row["status"], row["lifecycleStage"]) == ("IN_PROGRESS", "PRODUCTION_TRAFFIC_SHIFT")
    assert row["targetServiceRevision"]["requestedProductionTrafficWeight"] == 10.0
    [source] = row["sourceServiceRevisions"]
    assert source["requestedProductionTrafficWeight"] == 90.0
    found = shifting.ecs.describe_service_revisions(
        serviceRevisionArns=[row["targetServiceRevision"]["arn"], source["arn"]]
    )["serviceRevisions"]
    groups = [each["resolvedConfiguration"]["loadBalancers"][0]["targetGroupArn"] for each in found]
    assert groups == [shifting.ids["tg2"], shifting.ids["tg"]]

    shifting.ecs.stop_task(cluster="main", task=min(before))

    def replaced() -> bool:
        mine = [task for task in shifting.tasks() if task["taskDefinitionArn"] == old]
        return any(task["taskArn"] not in before for task in mine)

    until(replaced, 20, "the replacement")

    arn = shifting.deployment()["serviceDeploymentArn"]
    shifting.ecs.stop_service_deployment(serviceDeploymentArn=arn, stopType="ROLLBACK")
    until(lambda: shifting.deployment()["status"] == "ROLLBACK_SUCCESSFUL", 40, "the rollback")
    assert weights(shifting) == (100, 0)
    assert running(shifting) == {old: 2}


@pytest.mark.parametrize("shifting", [LINEAR], indirect=True)
def test_a_linear_deployment_takes_equal_steps(shifting):
    seen: list[int] = []
    release(shifting, "v2")

    def done() -> bool:
        now = weights(shifting)[1]
        if not seen or seen[-1] != now:
            seen.append(now)
        return now == 100

    until(done, 30, "all requests")
    assert seen == [0, 40, 80, 100]


@pytest.mark.parametrize("shifting", [BLUE_GREEN], indirect=True)
def test_blue_green_moves_all_requests_at_once_and_keeps_the_old_tasks(shifting):
    """The API reference has the circuit breaker for rolling deployments only: a bad version is stopped by hand."""
    old = shifting.describe()["taskDefinition"]
    good = release(shifting, "v2")
    until(lambda: weights(shifting) == (0, 100), 20, "all requests")
    shifted = time.monotonic()
    assert running(shifting)[old] == 2
    shifting.rolled_out()
    assert time.monotonic() - shifted >= 60 / 20

    load = Load(shifting.url())
    release_unhealthy(shifting, "v3")
    until(lambda: len(shifting.stopped()) >= 4, 60, "failed tasks")
    deployment = shifting.deployment()
    assert deployment["status"] == "IN_PROGRESS"
    shifting.ecs.stop_service_deployment(
        serviceDeploymentArn=deployment["serviceDeploymentArn"], stopType="ROLLBACK"
    )
    until(lambda: shifting.describe()["taskDefinition"] == good, 60, "the rollback")
    load.stop()
    assert (load.failed, load.versions) == ([], {"v2"})
    assert weights(shifting) == (0, 100)


def test_a_canary_that_does_not_start_gets_no_request_and_goes_on_until_the_next_release(shifting):
    """The API reference has the circuit breaker for rolling deployments only."""
    old = shifting.describe()["taskDefinition"]
    release_unhealthy(shifting, "v2")

    def failed() -> bool:
        return sum(task["lastStatus"] == "STOPPED" for task in shifting.stopped()) >= 4

    until(failed, 60, "failed tasks")
    assert weights(shifting) == (100, 0)
    assert running(shifting)[old] == 2
    assert shifting.deployment()["status"] == "IN_PROGRESS"

    good = release(shifting, "v3")
    shifting.rolled_out(seconds=60)
    assert running(shifting) == {good: 2}
    assert shares(shifting, 10) == {"v3": 10}


def paused(cloud, strategy) -> str:
    """Roll the first version out, whose hook waits, too; release another one up to its hook; return the first."""
    declare(cloud, strategy)
    assert hook(cloud)["timeoutAction"] == "ROLLBACK"
    assert (
        "sourceServiceRevisions" not in cloud.deployment()
        or not cloud.deployment()["sourceServiceRevisions"]
    )
    answer(cloud, "CONTINUE")
    cloud.rolled_out()
    old = cloud.describe()["taskDefinition"]
    release(cloud, "v2")
    hook(cloud)
    return old


def test_a_pause_hook_shows_the_new_version_to_the_test_rule_alone_until_it_is_answered(cloud):
    paused(cloud, PAUSED)
    assert (weights(cloud), weights(cloud, "test-rule")) == ((100, 0), (0, 100))
    assert (shares(cloud, 20), by_test_rule(cloud)) == ({"v1": 20}, "v2")
    row = cloud.deployment()
    assert (row["status"], row["lifecycleStage"]) == ("IN_PROGRESS", "POST_TEST_TRAFFIC_SHIFT")
    arn = row["serviceDeploymentArn"]
    with pytest.raises(ClientError, match="does not await an action"):
        cloud.ecs.continue_service_deployment(serviceDeploymentArn=arn, hookId="another")
    answer(cloud, "CONTINUE")
    cloud.rolled_out()
    assert (weights(cloud), weights(cloud, "test-rule")) == ((0, 100), (0, 100))


def test_a_hook_that_is_answered_with_rollback_or_by_nobody_costs_users_nothing(cloud):
    old = paused(cloud, PAUSED)
    load = Load(cloud.url())
    answer(cloud, "ROLLBACK")
    until(lambda: cloud.deployment()["status"] == "ROLLBACK_SUCCESSFUL", 40, "the rollback")
    assert running(cloud) == {old: 2}
    cloud.ecs.update_service(
        cluster="main", service="web", deploymentConfiguration={**DEPLOYMENT, **SHORT}
    )
    release(cloud, "v3")
    assert 0 < (hook(cloud)["expiresAt"] - cloud.deployment()["createdAt"]).total_seconds() < 180
    until(lambda: cloud.deployment()["status"] == "ROLLBACK_SUCCESSFUL", 40, "the rollback")
    load.stop()
    assert (load.failed, load.versions) == ([], {"v1"})
    assert weights(cloud, "test-rule") == (100, 0)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"lifecycleStages": ["PRODUCTION_TRAFFIC_SHIFT"]}, "not supported at the lifecycle stage"),
        ({"lifecycleStages": ["RECONCILE_SERVICE"]}, "has no pause at the lifecycle stage RECONC"),
        ({"targetType": "AWS_LAMBDA"}, "none of AWS_LAMBDA"),
        ({"timeoutConfiguration": {"timeoutInMinutes": 20161}}, "less than or equal to 20160"),
    ],
)
def test_a_hook_that_ecs_or_the_local_one_does_not_take_is_refused(cloud, change, says):
    with pytest.raises(ClientError, match=says):
        declare(cloud, {**CANARY, "lifecycleHooks": [{**PAUSE, **change}]})


def test_a_role_that_may_not_change_the_rule_is_refused(cloud):
    def another(groups, rules):
        return shifting_policy(groups, [rules[0], f"{rules[1]}x"])

    with pytest.raises(ClientError, match="not authorized to perform: elasticloadbalancing:Modify"):
        declare(cloud, CANARY, another)


def test_a_strategy_without_a_second_target_group_is_refused(cloud):
    cloud.everything()
    with pytest.raises(ClientError, match="advancedConfiguration is required"):
        cloud.service(cloud.task_definition(), deploymentConfiguration=BLUE_GREEN)


def test_a_role_that_is_seconds_old_is_not_known_to_ecs_yet(cloud):
    cloud.everything()
    cloud.elb.delete_rule(RuleArn=cloud.ids["rule"])
    words = "ECS was unable to manage the ELB resources due to missing permissions on ECS Infrastructure Role"
    with pytest.raises(
        ClientError, match=f"InvalidParameterException.*{words} 'arn:aws:iam::.*:role/shifting'"
    ):
        cloud.shifting_service(CANARY, 1, wait=False)
