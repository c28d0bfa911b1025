"""The life cycle of a task: how it starts, becomes unhealthy, and stops, with ECS's messages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from tools.local_cloud.aws.ecs.state import (
    DEPROVISIONING_SECONDS,
    PENDING_SECONDS,
    PROVISIONING_SECONDS,
    UNCHECKED_SECONDS,
    Action,
    Attach,
    ContainerChecked,
    Deployment,
    Deregister,
    Detach,
    Drained,
    Ended,
    Exited,
    FailedToStart,
    Kill,
    Launch,
    Launched,
    Register,
    Revision,
    Service,
    StopAsked,
    TargetChanged,
    Task,
)

KEPT_SECONDS = 3600.0
"""ECS lists a stopped task for an hour."""


@dataclass
class Turn:
    """One step of one service: the time, and the actions to carry out."""

    service: Service
    now: float
    actions: list[Action] = field(default_factory=list)


def listed(tasks: Sequence[Task]) -> str:
    """Return tasks as ECS's events list them."""
    return " ".join(f"(task {task.id})" for task in tasks)


def begin(
    service: Service, revision: Revision, now: float, count: int, started_by: str
) -> list[Task]:
    """Add ``count`` new tasks, which are not attached yet."""
    made = [
        Task(
            id=service.new_id(),
            deployment=started_by,
            revision=revision,
            created_at=now,
            since=now,
        )
        for _ in range(count)
    ]
    service.tasks.extend(made)
    return made


def start(turn: Turn, deployment: Deployment, count: int) -> list[Task]:
    """Start ``count`` tasks of a deployment, or as many as Fargate's launch rate allows now."""
    count = turn.service.launches.take(turn.now, count)
    made = begin(turn.service, deployment.revision, turn.now, count, deployment.id)
    turn.actions.extend(Attach(task.id) for task in made)
    return made


def healthy(turn: Turn, task: Task) -> bool:
    """Return whether the task counts towards the minimum healthy percent (API reference, DeploymentConfiguration)."""
    if not (task.alive and task.status == "RUNNING" and task.started_at is not None):
        return False
    groups, checks = task.revision.ports, task.revision.checks_health
    if checks and task.container_health != "HEALTHY":
        return False
    if groups:
        return all(task.targets.get(group, ("", ""))[0] == "healthy" for group in groups)
    return checks or turn.now - task.started_at >= UNCHECKED_SECONDS


def unhealthy_reason(turn: Turn, task: Task) -> str | None:
    """Return the stopped reason of a running task whose health check failed after the grace period, or None."""
    if not (task.alive and task.started_at is not None):
        return None
    if turn.now - task.started_at < turn.service.settings.grace:
        return None
    if task.container_health == "UNHEALTHY":
        return "Task failed container health checks"
    for group in task.revision.ports:
        if task.targets.get(group, ("", ""))[0] == "unhealthy":
            return f"Task failed ELB health checks in (target-group {group})"
    return None


def stop_tasks(turn: Turn, tasks: Sequence[Task], code: str, reason: str | None = None) -> None:
    """Stop tasks: deregister the targets, then SIGTERM. Without a ``reason`` it is a scaling activity."""
    running = [task for task in tasks if task.status == "RUNNING"]
    for task in tasks:
        task.desired, task.stop_code = "STOPPED", code
        task.stopped_reason = (
            reason or f"Scaling activity initiated by (deployment {task.deployment})"
        )
        task.stopping_at = turn.now
        if task in running and task.revision.ports:
            enter(turn, task, "DEACTIVATING")
            turn.actions.append(Deregister(task.id))
        else:
            end_containers(turn, task)
    _say_stopping(turn, running, len(tasks) - len(running))


def _say_stopping(turn: Turn, running: Sequence[Task], pending: int) -> None:
    say = turn.service.say
    groups = Counter(group for task in running for group in task.revision.ports)
    drained = [task for task in running if task.revision.ports]
    if drained:
        say(turn.now, f"has begun draining connections on {len(drained)} tasks.")
    for group, count in groups.items():
        say(turn.now, f"deregistered {count} targets in (target-group {group})")
    if ended := [task for task in running if not task.revision.ports]:
        say(turn.now, f"has stopped {len(ended)} running tasks: {listed(ended)}.")
    if pending:
        say(turn.now, f"stopped {pending} pending tasks.")


def advance(turn: Turn) -> None:
    """Change the status of every task whose time has come, and forget those that stopped an hour ago."""
    for task in turn.service.tasks:
        waited = turn.now - task.since
        if task.status == "PROVISIONING" and waited >= PROVISIONING_SECONDS:
            enter(turn, task, "PENDING")
        elif task.status == "PENDING" and waited >= PENDING_SECONDS and not task.launching:
            task.launching = True
            turn.actions.append(Launch(task.id))
        elif task.status == "DEPROVISIONING" and waited >= DEPROVISIONING_SECONDS:
            _stop(turn, task)
    turn.service.tasks = [
        task
        for task in turn.service.tasks
        if task.stopped_at is None or turn.now - task.stopped_at < KEPT_SECONDS
    ]


def _stop(turn: Turn, task: Task) -> None:
    enter(turn, task, "STOPPED")
    task.stopped_at = turn.now
    turn.actions.append(Detach(task.id))
    if task.failed:
        for deployment in turn.service.deployments:
            if deployment.id == task.deployment:
                deployment.failed_tasks += 1


def end_containers(turn: Turn, task: Task) -> None:
    """Stop the containers of a task that is to stop."""
    if task.launching and not task.ended:
        enter(turn, task, "STOPPING")
        turn.actions.append(Kill(task.id))
    else:
        enter(turn, task, "DEPROVISIONING")


def enter(turn: Turn, task: Task, status: str) -> None:
    """Set a task's status and its time."""
    task.status, task.since = status, turn.now


TaskEvent = (
    Launched
    | FailedToStart
    | Exited
    | TargetChanged
    | ContainerChecked
    | StopAsked
    | Drained
    | Ended
)


def apply_event(turn: Turn, event: TaskEvent) -> None:
    """Update a task after an event. An event of an unknown task is ignored."""
    task = turn.service.task(event.task)
    if task is None or task.status == "STOPPED":
        return
    match event:
        case Launched():
            _launched(turn, task)
        case FailedToStart(reason=reason):
            _failed_to_start(turn, task, reason)
        case TargetChanged(target_group=group, state=state, words=words):
            _target_changed(turn, task, group, state, words)
        case ContainerChecked(health=health):
            _checked(turn, task, health)
        case _:
            _take_ending(turn, task, event)


def _take_ending(turn: Turn, task: Task, event: Exited | StopAsked | Drained | Ended) -> None:
    match event:
        case Exited():
            _exited(turn, task)
        case StopAsked(reason=reason) if task.desired == "RUNNING":
            stop_tasks(turn, [task], "UserInitiated", reason)
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
