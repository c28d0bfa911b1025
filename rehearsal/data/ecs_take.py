"""What happened to a task, noted in the scheduler's state."""

from __future__ import annotations

from rehearsal.data.ecs_happenings import (
    ContainerChecked,
    Deregister,
    Drained,
    Ended,
    Exited,
    FailedToStart,
    Launched,
    Register,
    StopAsked,
    TargetChanged,
)
from rehearsal.data.ecs_state import Task
from rehearsal.data.ecs_tasks import Turn, condemn, end_containers, enter, listed

TaskHappening = (
    Launched
    | FailedToStart
    | Exited
    | TargetChanged
    | ContainerChecked
    | StopAsked
    | Drained
    | Ended
)


def take(turn: Turn, happening: TaskHappening) -> None:
    """Note what happened to a task; one that is forgotten is ignored."""
    task = turn.service.task(happening.task)
    if task is None or task.status == "STOPPED":
        return
    match happening:
        case Launched():
            _launched(turn, task)
        case FailedToStart(reason=reason):
            _failed_to_start(turn, task, reason)
        case TargetChanged(target_group=group, state=state, words=words):
            _target_changed(turn, task, group, state, words)
        case ContainerChecked(health=health):
            _checked(turn, task, health)
        case _:
            _take_ending(turn, task, happening)


def _take_ending(turn: Turn, task: Task, happening: Exited | StopAsked | Drained | Ended) -> None:
    match happening:
        case Exited():
            _exited(turn, task)
        case StopAsked(reason=reason) if task.desired == "RUNNING":
            condemn(turn, [task], "UserInitiated", reason)
        case Drained() if task.status == "DEACTIVATING":
            turn.service.say(turn.now, f"has stopped 1 running tasks: {listed([task])}.")
            end_containers(turn, task)
        case Ended():
            task.ended = True
            if task.status == "STOPPING":
                enter(turn, task, "DEPROVISIONING")


def _launched(turn: Turn, task: Task) -> None:
    if task.status != "PENDING":
        return
    enter(turn, task, "RUNNING")
    task.started_at = turn.now
    turn.service.start_failures = 0
    groups = task.revision.ports
    if groups:
        turn.actions.append(Register(task.id))
    for group in groups:
        turn.service.say(turn.now, f"registered 1 targets in (target-group {group})")


def _failed_to_start(turn: Turn, task: Task, reason: str) -> None:
    if task.desired == "RUNNING":
        task.failed = True
        task.desired, task.stop_code, task.stopped_reason = "STOPPED", "TaskFailedToStart", reason
        task.stopping_at = turn.now
        turn.service.start_failures += 1
        turn.service.say(turn.now, f"was unable to place a task. Reason: {reason}.")
    task.ended = True
    enter(turn, task, "DEPROVISIONING")


def _exited(turn: Turn, task: Task) -> None:
    if task.desired == "STOPPED":
        return
    task.failed = not task.was_healthy
    task.desired, task.stop_code = "STOPPED", "EssentialContainerExited"
    task.stopped_reason, task.stopping_at = "Essential container in task exited", turn.now
    if task.revision.ports and task.started_at is not None:
        turn.actions.append(Deregister(task.id))
        for group in task.revision.ports:
            turn.service.say(turn.now, f"deregistered 1 targets in (target-group {group})")
    end_containers(turn, task)


def _target_changed(turn: Turn, task: Task, group: str, state: str, words: str) -> None:
    before = task.targets.get(group, ("", ""))[0]
    task.targets[group] = (state, words)
    if state == "unhealthy" and before != "unhealthy" and task.desired == "RUNNING":
        why = f"is unhealthy in (target-group {group}) due to (reason {words})."
        turn.service.say(turn.now, f"(task {task.id}) {why}")


def _checked(turn: Turn, task: Task, health: str) -> None:
    if health == "UNHEALTHY" != task.container_health and task.desired == "RUNNING":
        turn.service.say(turn.now, f"(task {task.id}) failed container health checks.")
    task.container_health = health
