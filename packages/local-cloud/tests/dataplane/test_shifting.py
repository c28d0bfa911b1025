"""Canary, linear and blue/green: the tasks of both versions, the weights, and the shares of the requests.

One service for all tests: each begins with all requests at the service's version, under either target group.
"""

import time
import urllib.request
from collections import Counter

import pytest

from local_cloud.aws.ecs.shifting import PROPAGATION, steps_of
from local_cloud.aws.ecs.state import Step
from tests.dataplane.conftest import at_speed
from tests.dataplane.declarations import DEPLOYMENT
from tests.dataplane.stack import loaded, refusal, until

pytestmark = pytest.mark.slow

SPEED = 20.0


def canary(minutes: int, **more):
    steps = {"canaryPercent": 10.0, "canaryBakeTimeInMinutes": minutes}
    return {"strategy": "CANARY", "bakeTimeInMinutes": 1, "canaryConfiguration": steps, **more}


def paused(minutes: int, **change):
    """Return a canary whose hook shows the new version to the test rule only, and waits for an action."""
    timeout = {"timeoutInMinutes": minutes, "action": "ROLLBACK"}
    stages = ["POST_TEST_TRAFFIC_SHIFT"]
    hook = {"targetType": "PAUSE", "lifecycleStages": stages, "timeoutConfiguration": timeout}
    return canary(1, lifecycleHooks=[{**hook, **change}])


CANARY, LONG, PAUSED = canary(1), canary(1440), paused(10)
LINEAR = {
    **{"strategy": "LINEAR", "bakeTimeInMinutes": 1},
    "linearConfiguration": {"stepPercent": 40.0, "stepBakeTimeInMinutes": 1},
}
BLUE_GREEN = {"strategy": "BLUE_GREEN", "bakeTimeInMinutes": 1}


class Shifting:
    """The service of a stack whose new versions get their requests step by step."""

    def __init__(self, stack):
        self.stack = stack

    def __getattr__(self, name):
        return getattr(self.stack, name)

    def begin(self, strategy, version: str) -> str:
        """Let the service shift by a strategy, and release a version."""
        self.update(deploymentConfiguration={"lifecycleHooks": [], **DEPLOYMENT, **strategy})
        return self.release(version)

    def weights(self, name: str = "rule") -> tuple[int, int]:
        """Return the weights of a rule's first and second target group."""
        [rule] = self.elb.describe_rules(RuleArns=[self.ids[name]])["Rules"]
        groups = rule["Actions"][0]["ForwardConfig"]["TargetGroups"]
        found = {group["TargetGroupArn"]: group["Weight"] for group in groups}
        return found[self.ids["tg"]], found[self.ids["tg2"]]

    def share(self, name: str = "rule") -> int:
        """Return the percent of a rule's requests for the target group that was empty at the test's begin."""
        return self.weights(name)[self.idle]

    def until_share(self, percent: int) -> None:
        until(lambda: self.share() == percent, what=f"a share of {percent} %")

    def until_rolled_back(self) -> None:
        until(lambda: self.deployment()["status"] == "ROLLBACK_SUCCESSFUL", what="the rollback")

    def by_test_rule(self) -> str:
        """Return the version that answers a request to the test rule."""
        asked = urllib.request.Request(self.url(), headers={"X-Test": "me"})
        with urllib.request.urlopen(asked, timeout=10) as answer:
            return answer.read().decode().split()[0]

    def hook(self) -> dict:
        """Wait for the pause hook of the newest deployment, and return it."""

        def ask():
            found = self.deployment()["lifecycleHookDetails"]
            return found and found[0]["status"] == "AWAITING_ACTION" and found[0]

        return until(ask, what="the hook")

    def answer(self, action: str) -> None:
        arn, hook = self.deployment()["serviceDeploymentArn"], self.hook()["hookId"]
        self.ecs.continue_service_deployment(serviceDeploymentArn=arn, hookId=hook, action=action)

    def shares(self, count: int) -> Counter[str]:
        """Return how many of some requests each version answered."""
        return Counter(self.page().split()[0] for _ in range(count))

    def running(self) -> Counter[str]:
        return Counter(task["taskDefinitionArn"] for task in self.tasks())

    def release_unhealthy(self, version: str) -> None:
        """Release a version whose health check fails and counts from a task's start on; wait for four failed tasks."""
        definition = self.task_definition(version, environment={"HEALTHY_PATH": "/other"})
        self.update(taskDefinition=definition, healthCheckGracePeriodSeconds=0)

        def failed() -> bool:
            mine = [t for t in self.stopped() if t["taskDefinitionArn"] == definition]
            return sum(task["lastStatus"] == "STOPPED" for task in mine) >= 4

        until(failed, what="failed tasks, more than a circuit breaker would let pass")


@pytest.fixture(scope="module")
def module():
    """A stack with two target groups, as the program declares it; its first version was paused, and was let go on."""
    for stack in at_speed(SPEED):
        stack.everything()
        ids = stack.ids
        stack.elb.delete_rule(RuleArn=ids["rule"])
        ids["tg2"] = stack.target_group("tg2")
        both, header = [stack.declared("two_groups")], stack.declared("test_conditions")
        ids["rule"] = stack.rule(Actions=both)
        ids["test-rule"] = stack.rule(Priority=5, Conditions=header, Actions=both)
        ids["shifting-role"] = stack.shifting_role("shifting", ids["rule"], ids["test-rule"])
        time.sleep(stack.clock.wall(PROPAGATION) + 0.1)
        balanced, strategy = stack.shifting(), {**DEPLOYMENT, **PAUSED}
        definition = stack.task_definition("v1")
        stack.service(definition, 2, loadBalancers=balanced, deploymentConfiguration=strategy)
        shifting = Shifting(stack)
        assert shifting.hook()["timeoutAction"] == "ROLLBACK"
        assert not stack.deployment().get("sourceServiceRevisions")
        shifting.answer("CONTINUE")
        stack.rolled_out()
        assert shifting.weights() == (100, 0)
        yield shifting


@pytest.fixture
def shifting(module):
    """The service with its version rolled out in one of the target groups; ``idle`` is the index of the other."""
    module.rolled_out()
    until(lambda: len(module.tasks()) == 2, what="the tasks of one version")
    module.idle = module.weights().index(0)
    module.now = module.page().split()[0]
    module.old = module.describe()["taskDefinition"]
    yield module
    module.update(healthCheckGracePeriodSeconds=60)
    if module.primary()["rolloutState"] != "COMPLETED":
        module.roll_back()


def test_canary_moves_the_requests_step_by_step(shifting):
    with loaded(shifting.url(), shifting.now, "v2"):
        shifting.begin(CANARY, "v2")
        shifting.until_share(10)
        assert len(shifting.tasks()) == 4
        shifting.until_share(100)
        assert shifting.deployment()["lifecycleStage"] == "BAKE_TIME"
        assert len(shifting.tasks()) == 4
        shifting.rolled_out()
        assert len(shifting.tasks()) == 2
        assert len(shifting.describe()["deployments"]) == 1
    assert shifting.shares(10) == {"v2": 10}


def test_canary_that_bakes_gets_a_tenth_and_old_tasks_are_replaced(shifting):
    before = {task["taskArn"] for task in shifting.tasks()}
    shifting.begin(LONG, "v4")
    shifting.until_share(10)
    assert shifting.shares(300) == {shifting.now: 270, "v4": 30}

    row = shifting.deployment()
    assert (row["status"], row["lifecycleStage"]) == ("IN_PROGRESS", "PRODUCTION_TRAFFIC_SHIFT")
    assert row["targetServiceRevision"]["requestedProductionTrafficWeight"] == 10.0
    [source] = row["sourceServiceRevisions"]
    assert source["requestedProductionTrafficWeight"] == 90.0
    arns = [row["targetServiceRevision"]["arn"], source["arn"]]
    found = shifting.ecs.describe_service_revisions(serviceRevisionArns=arns)["serviceRevisions"]
    groups = [each["resolvedConfiguration"]["loadBalancers"][0]["targetGroupArn"] for each in found]
    both = [shifting.ids["tg"], shifting.ids["tg2"]]
    assert groups == [both[shifting.idle], both[1 - shifting.idle]]
    refused = refusal(shifting.ecs.delete_service, cluster="main", service="web", force=True)
    words = "The service cannot be stopped while deployments are active."
    assert (refused.code, refused.message) == ("InvalidParameterException", words)

    shifting.stop_task(min(before))

    def replaced() -> bool:
        mine = [t for t in shifting.tasks() if t["taskDefinitionArn"] == shifting.old]
        return any(task["taskArn"] not in before for task in mine)

    until(replaced, what="the replacement")
    shifting.roll_back()
    shifting.until_rolled_back()
    assert shifting.share() == 0
    assert shifting.running() == {shifting.old: 2}


def test_canary_that_does_not_start_gets_no_request_until_the_next(shifting):
    """The API reference has the circuit breaker for rolling deployments only."""
    shifting.update(deploymentConfiguration={**DEPLOYMENT, **CANARY})
    shifting.release_unhealthy("v8")
    assert shifting.share() == 0
    assert shifting.running()[shifting.old] == 2
    assert shifting.deployment()["status"] == "IN_PROGRESS"

    good = shifting.release("v9")
    shifting.rolled_out()
    assert shifting.running() == {good: 2}
    assert shifting.shares(10) == {"v9": 10}


def test_hook_shows_the_new_version_to_the_test_rule_until_answered(shifting):
    shifting.begin(PAUSED, "v10")
    shifting.hook()
    assert (shifting.share(), shifting.share("test-rule")) == (0, 100)
    assert (shifting.shares(20), shifting.by_test_rule()) == ({shifting.now: 20}, "v10")
    row = shifting.deployment()
    assert (row["status"], row["lifecycleStage"]) == ("IN_PROGRESS", "POST_TEST_TRAFFIC_SHIFT")
    other = {"serviceDeploymentArn": row["serviceDeploymentArn"], "hookId": "another"}
    refused = refusal(shifting.ecs.continue_service_deployment, **other)
    assert "does not await an action" in refused.message
    shifting.answer("CONTINUE")
    shifting.rolled_out()
    assert (shifting.share(), shifting.share("test-rule")) == (100, 100)


def test_hook_that_ends_in_a_rollback_costs_users_nothing(shifting):
    with loaded(shifting.url(), shifting.now):
        shifting.begin(PAUSED, "v11")
        shifting.answer("ROLLBACK")
        shifting.until_rolled_back()
        assert shifting.running() == {shifting.old: 2}
        shifting.begin(paused(1), "v12")
        waits = shifting.hook()["expiresAt"] - shifting.deployment()["createdAt"]
        assert 0 < waits.total_seconds() < 180
        shifting.until_rolled_back()
    assert shifting.share("test-rule") == 0


def refused(shifting, strategy, balanced):
    """Return ECS's refusal of another service with a strategy."""
    place = {"serviceName": "another", "loadBalancers": balanced}
    return refusal(
        lambda: shifting.service(
            shifting.old, **place, deploymentConfiguration={**DEPLOYMENT, **strategy}
        )
    )


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"lifecycleStages": ["PRODUCTION_TRAFFIC_SHIFT"]}, "not supported at the lifecycle stage"),
        ({"lifecycleStages": ["RECONCILE_SERVICE"]}, "has no pause at the lifecycle stage RECONC"),
        ({"targetType": "AWS_LAMBDA"}, "none of AWS_LAMBDA"),
        ({"timeoutConfiguration": {"timeoutInMinutes": 20161}}, "less than or equal to 20160"),
    ],
)
def test_hook_that_ecs_or_the_local_one_does_not_take_is_refused(shifting, change, says):
    assert says in refused(shifting, paused(10, **change), shifting.shifting()).message


def test_role_that_is_new_or_may_not_change_the_rule_is_refused(shifting):
    ids = shifting.ids
    new = shifting.shifting_role("new", ids["rule"], ids["test-rule"])
    problem = refused(shifting, CANARY, shifting.shifting(roleArn=new))
    assert problem.code == "InvalidParameterException"
    words = (
        "due to missing permissions on ECS Infrastructure Role 'arn:aws:iam::123456789012:role/new'"
    )
    assert f"ECS was unable to manage the ELB resources {words}" in problem.message
    narrow = shifting.shifting_role("narrow", ids["rule"], f"{ids['test-rule']}x")
    problem = refused(shifting, CANARY, shifting.shifting(roleArn=narrow))
    assert "not authorized to perform: elasticloadbalancing:Modify" in problem.message


@pytest.mark.parametrize("strategy", [CANARY, LINEAR])
def test_strategy_without_its_own_configuration_is_refused(shifting, strategy):
    bare = {name: value for name, value in strategy.items() if not name.endswith("Configuration")}
    problem = refused(shifting, bare, shifting.shifting())
    assert (problem.code, "Configuration is required" in problem.message) == (
        "InvalidParameterException",
        True,
    )


@pytest.mark.parametrize(
    ("strategy", "steps"),
    [
        ({"strategy": "CANARY", "canaryConfiguration": {"canaryPercent": 20.0}}, ((20, 600), (100, 0))),
        ({"strategy": "LINEAR", "linearConfiguration": {"stepPercent": 50.0}}, ((50, 360), (100, 0))),
        (LINEAR, ((40, 60), (80, 60), (100, 60))),
        (BLUE_GREEN, ((100, 60),)),
    ],
)  # fmt: skip
def test_steps_are_those_of_the_strategy_with_the_api_reference_s_defaults(strategy, steps):
    assert steps_of(strategy) == tuple(Step(*step) for step in steps)


def test_strategy_without_a_second_target_group_is_refused(shifting):
    plain = shifting.declared("service")["loadBalancers"]
    assert "advancedConfiguration is required" in refused(shifting, BLUE_GREEN, plain).message
