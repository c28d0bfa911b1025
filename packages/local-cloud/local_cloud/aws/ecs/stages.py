"""The lifecycle stages of a deployment that shifts requests, and the pause hooks that hold it in one of them.

Sources: ECS developer guide, "Lifecycle hooks for Amazon ECS service deployments", "Pause hooks for Amazon ECS
service deployments", "Continuing service deployments"; botocore, DeploymentLifecycleHook.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from local_cloud.aws import hooks
from local_cloud.aws.ecs.state import PAUSE, Deployment, Hook, Pause
from local_cloud.aws.ecs.tasks import Tick

MINUTE = 60.0
SCALE_UP, SHIFT, BAKE, CLEAN_UP = "SCALE_UP", "PRODUCTION_TRAFFIC_SHIFT", "BAKE_TIME", "CLEAN_UP"
TEST = "TEST_TRAFFIC_SHIFT"
STAGES = (
    "PRE_SCALE_UP",
    SCALE_UP,
    "POST_SCALE_UP",
    TEST,
    "POST_TEST_TRAFFIC_SHIFT",
    SHIFT,
    "POST_PRODUCTION_TRAFFIC_SHIFT",
    BAKE,
    CLEAN_UP,
)
"""The stages in their order (botocore, ServiceDeploymentLifecycleStage), without RECONCILE_SERVICE."""
PAUSES = frozenset({stage for stage in STAGES if stage.startswith(("PRE_", "POST_"))})
"""The stages at which a pause hook holds a deployment here."""


def pauses_of(declared: Mapping[str, Any]) -> tuple[Pause, ...]:
    """Return the pause hooks of a deployment configuration in the API's form; a rolling deployment has no stages."""
    if declared.get("strategy", "ROLLING") == "ROLLING":
        return ()
    return tuple(map(_pause, declared.get("lifecycleHooks") or ()))


def _pause(given: Mapping[str, Any]) -> Pause:
    limit = given.get("timeoutConfiguration") or {}
    return Pause(
        stages=frozenset(given["lifecycleStages"]),
        wait=MINUTE * int(limit.get("timeoutInMinutes", 1440)),
        action=str(limit.get("action", "ROLLBACK")),
    )


def check(configuration: Mapping[str, Any]) -> None:
    """Refuse hooks that ECS refuses, and those that do not run here."""
    for hook in configuration.get("lifecycleHooks") or ():
        if hook.get("targetType", "AWS_LAMBDA") != "PAUSE":
            words = (
                "The local ECS runs lifecycle hooks of target type PAUSE, and none of AWS_LAMBDA."
            )
            raise hooks.Refused("UnsupportedFeatureException", words)
        for stage in hook["lifecycleStages"]:
            _check_stage(str(stage))


def _check_stage(stage: str) -> None:
    if stage in (TEST, SHIFT):
        words = f"A PAUSE hook is not supported at the lifecycle stage {stage}."
        raise hooks.Refused("InvalidParameterException", words)
    if stage not in PAUSES:
        words = f"The local ECS has no pause at the lifecycle stage {stage}."
        raise hooks.Refused("UnsupportedFeatureException", words)


def has_come_to(deployment: Deployment, stage: str) -> bool:
    return bool(deployment.stage) and STAGES.index(deployment.stage) >= STAGES.index(stage)


def advance(tick: Tick, ready: Callable[[], bool], *, steps: bool) -> None:
    """Let the primary deployment enter the next stages for as long as nothing holds it.

    ``ready`` is whether its tasks are healthy. Without ``steps`` it takes all requests and bakes for no time: a
    first deployment has no other version.
    """
    primary = tick.service.primary
    if not primary.stage:
        _enter(tick, STAGES[0])
    while primary.stage != CLEAN_UP and _is_over(tick, ready, steps):
        _enter(tick, STAGES[STAGES.index(primary.stage) + 1])


def _enter(tick: Tick, stage: str) -> None:
    service, primary = tick.service, tick.service.primary
    primary.stage, primary.stage_at, primary.updated_at = stage, tick.now, tick.now
    if stage == SHIFT:
        primary.step, primary.step_at = 0, tick.now
    primary.hooks = [
        Hook(id=f"ecs-pause-{service.new_id()}", expires=tick.now + pause.wait, action=pause.action)
        for pause in service.settings.pauses
        if stage in pause.stages
    ]


def _is_over(tick: Tick, ready: Callable[[], bool], steps: bool) -> bool:
    primary, plan = tick.service.primary, tick.service.settings.steps
    if not _passed(tick):
        return False
    match primary.stage:
        case "SCALE_UP":
            return ready()
        case "PRODUCTION_TRAFFIC_SHIFT":
            last = len(plan) - 1
            while primary.step < last:
                if steps and tick.now - primary.step_at < plan[primary.step].wait:
                    return False
                primary.step, primary.step_at = primary.step + 1, tick.now
                primary.updated_at = tick.now
            return True
        case "BAKE_TIME":
            return not steps or tick.now - primary.stage_at >= plan[-1].wait
    return True


def _passed(tick: Tick) -> bool:
    """Return whether no hook holds the deployment: each one is answered, or its time is over."""
    primary = tick.service.primary
    for hook in awaiting(primary):
        if tick.now < hook.expires:
            return False
        hook.status = "TIMED_OUT"
        if hook.action == "ROLLBACK":
            roll_back(tick)
    return primary.rollback is None


def awaiting(deployment: Deployment) -> Iterator[Hook]:
    return (hook for hook in deployment.hooks if hook.status == "AWAITING_ACTION")


def answer(tick: Tick, hook_id: str, action: str) -> None:
    for hook in awaiting(tick.service.primary):
        if hook.id == hook_id:
            hook.status = "SUCCEEDED" if action == "CONTINUE" else "FAILED"
            if action == "ROLLBACK":
                roll_back(tick)


def roll_back(tick: Tick) -> None:
    """Ask for the rollback, with which the next step begins."""
    primary = tick.service.primary
    primary.rollback, primary.asked, primary.updated_at = "REQUESTED", PAUSE, tick.now
