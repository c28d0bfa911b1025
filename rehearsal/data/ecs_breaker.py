"""The deployment circuit breaker: when a deployment has failed, and the way back from it."""

from __future__ import annotations

from rehearsal.data.ecs_state import Deployment, Service
from rehearsal.data.ecs_tasks import Turn, healthy


def notice_health(turn: Turn) -> None:
    """Note the tasks that became healthy; each ends the deployment's run of failures."""
    service = turn.service
    for task in service.alive():
        if not task.was_healthy and healthy(turn, task):
            task.was_healthy = True
            if service.settings.breaker.reset_on_healthy:
                for deployment in service.deployments:
                    if deployment.id == task.deployment and deployment.rollout == "IN_PROGRESS":
                        deployment.failed_tasks = 0


def judge(turn: Turn) -> None:
    """Trip the circuit breaker where it is due."""
    service, primary = turn.service, turn.service.primary
    breaker = service.settings.breaker
    if primary.rollout != "IN_PROGRESS" or not breaker.enable or service.status != "ACTIVE":
        return
    if primary.failed_tasks < breaker.threshold(service.settings.desired):
        return
    primary.rollout, primary.finished_at, primary.updated_at = "FAILED", turn.now, turn.now
    primary.reason = "ECS deployment circuit breaker: tasks failed to start."
    service.say(turn.now, f"(deployment {primary.id}) deployment failed: tasks failed to start.")
    service.start_failures, service.not_before = 0, 0.0
    if primary.rolling_back is not None:
        primary.rolling_back.rollback, primary.rolling_back = "FAILED", None
    elif breaker.rollback and (goal := _candidate(service)) is not None:
        _roll_back(turn, primary, goal)
    elif breaker.rollback:
        primary.rollback = "NO_CANDIDATE"


def _candidate(service: Service) -> Deployment | None:
    """The last completed deployment; one that a rollback is still on its way to is none until it
    is completed (ECS developer guide, "How the Amazon ECS deployment circuit breaker detects failures").
    """
    goal = service.completed
    return goal if goal not in (None, service.primary) and goal.rollout == "COMPLETED" else None


def _roll_back(turn: Turn, failed: Deployment, goal: Deployment) -> None:
    """Make the last completed deployment the primary one again: same id, and the tasks it still has stay."""
    service = turn.service
    service.deployments = [each for each in service.deployments if each is not goal]
    for other in service.deployments:
        other.status, other.desired = "ACTIVE", 0
    goal.status, goal.rollout, goal.failed_tasks = "PRIMARY", "IN_PROGRESS", 0
    goal.desired, goal.updated_at, goal.rolling_back = service.settings.desired, turn.now, failed
    goal.reason = f"ECS deployment circuit breaker: rolling back to deploymentId {goal.id}."
    failed.rollback = "IN_PROGRESS"
    service.say(turn.now, f"rolling back to deployment {goal.id}.")
    service.deployments.insert(0, goal)
