"""The service scheduler: one step of one service, and when a deployment has completed."""

from __future__ import annotations

from collections.abc import Sequence

from rehearsal.data.ecs_breaker import judge, notice_health
from rehearsal.data.ecs_happenings import Action, Deleted, Happening, Updated
from rehearsal.data.ecs_schedule import schedule
from rehearsal.data.ecs_state import Deployment, Revision, Service, Task
from rehearsal.data.ecs_take import take
from rehearsal.data.ecs_tasks import Turn, advance, condemn, healthy


def step(service: Service, now: float, happenings: Sequence[Happening] = ()) -> list[Action]:
    """Let ``happenings`` and time act on ``service``; returns what the driver must do, in order."""
    turn = Turn(service, now)
    for happening in happenings:
        match happening:
            case Updated():
                _update(turn, happening)
            case Deleted():
                _delete(turn)
            case _:
                take(turn, happening)
    advance(turn)
    if service.deployments:
        notice_health(turn)
        judge(turn)
        schedule(turn)
        _settle(turn)
    return turn.actions


def _update(turn: Turn, update: Updated) -> None:
    service = turn.service
    service.settings = update.settings
    service.steady, service.blocked = False, False
    service.not_before, service.start_failures = 0.0, 0
    if update.revision is not None:
        for deployment in service.deployments:
            if deployment.rollout == "IN_PROGRESS":
                deployment.superseded, deployment.finished_at = True, turn.now
                deployment.rolling_back = None
        _deploy(turn, update.revision)
    for deployment in service.deployments:
        deployment.desired = update.settings.desired if deployment.status == "PRIMARY" else 0
        deployment.updated_at = turn.now


def _deploy(turn: Turn, revision: Revision) -> None:
    service = turn.service
    number = f"ecs-svc/{int(service.new_id(), 16) % 10**19:019d}"
    made = Deployment(
        id=number,
        revision=revision,
        created_at=turn.now,
        updated_at=turn.now,
        desired=service.settings.desired,
        reason=f"ECS deployment {number} in progress.",
    )
    for older in service.deployments:
        older.status, older.desired = "ACTIVE", 0
    service.deployments.insert(0, made)
    service.history.insert(0, made)


def _delete(turn: Turn) -> None:
    service = turn.service
    service.status = "DRAINING"
    for deployment in service.deployments:
        deployment.desired = 0
    condemn(turn, service.alive(), "ServiceSchedulerInitiated")


def _settle(turn: Turn) -> None:
    service, primary = turn.service, turn.service.primary
    unfinished = {task.deployment for task in service.tasks if task.alive or _draining(task)}
    service.deployments = [
        each for each in service.deployments if each is primary or each.id in unfinished
    ]
    if service.status == "DRAINING":
        if all(task.status == "STOPPED" for task in service.tasks):
            service.status, service.deployments = "INACTIVE", []
        return
    mine = [task for task in service.alive() if task.deployment == primary.id]
    whole = len(mine) == service.settings.desired and all(healthy(turn, task) for task in mine)
    if not whole or unfinished - {primary.id} or any(_draining(task) for task in service.tasks):
        return
    if primary.rollout == "IN_PROGRESS":
        _complete(turn, primary)
    if not service.steady and primary.rollout == "COMPLETED":
        service.steady = True
        service.say(turn.now, "has reached a steady state.")


def _draining(task: Task) -> bool:
    return task.status == "DEACTIVATING"


def _complete(turn: Turn, primary: Deployment) -> None:
    service = turn.service
    primary.rollout, primary.finished_at, primary.updated_at = "COMPLETED", turn.now, turn.now
    primary.reason = f"ECS deployment {primary.id} completed."
    service.completed = primary
    if primary.rolling_back is not None:
        primary.rolling_back.rollback, primary.rolling_back = "SUCCESSFUL", None
    service.say(turn.now, f"(deployment {primary.id}) deployment completed.")
