"""The life cycle of a task: how it starts, becomes unhealthy, and stops, with ECS's messages."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from local_cloud.aws.ecs.state import (
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
    OfTask,
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
class Tick:
    """One step of one service: the time, and the actions to carry out."""

    service: Service
    now: float
    actions: list[Action] = field(default_factory=list)


def listed(tasks: Sequence[Task]) -> str:
    return " ".join(f"(task {task.id})" for task in tasks)


def begin(
    service: Service, revision: Revision, now: float, count: int, started_by: str
) -> list[Task]:
    """Add ``count`` new tasks, which are not attached yet."""
    made = [
        Task(
            id=service.new_id(), deployment=started_by, revision=revision, created_at=now, since=now
        )
        for _ in range(count)
    ]
    service.tasks.extend(made)
    return made


def start(tick: Tick, deployment: Deployment, count: int) -> list[Task]:
    """Start ``count`` tasks of a deployment, or as many as Fargate's launch rate allows now."""
    count = tick.service.launches.take(tick.now, count)
    made = begin(tick.service, deployment.revision, tick.now, count, deployment.id)
    tick.actions.extend(Attach(task.id) for task in made)
    return made


def healthy(tick: Tick, task: Task) -> bool:
    """Return whether the task counts towards the minimum healthy percent (API reference, DeploymentConfiguration)."""
    if not (task.alive and task.status == "RUNNING" and task.started_at is not None):
        return False
    groups, checks = task.revision.ports, task.revision.checks_health
    if checks and task.container_health != "HEALTHY":
        return False
    if groups:
        return all(task.targets.get(group, ("", ""))[0] == "healthy" for group in groups)
    return checks or tick.now - task.started_at >= UNCHECKED_SECONDS


def started_well(tick: Tick, task: Task) -> bool:
    """Return whether the circuit breaker and the end of a deployment ask no more of the task.

    Without any health check it only has to reach RUNNING: "The circuit breaker checks the health checks" of the tasks
    that run (ECS developer guide, "How the Amazon ECS deployment circuit breaker detects failures"). So a task that
    exits a second later does not count as failed (aws/containers-roadmap#1206).
    """
    if task.revision.ports or task.revision.checks_health:
        return healthy(tick, task)
    return task.alive and task.status == "RUNNING" and task.started_at is not None


def unhealthy_reason(tick: Tick, task: Task) -> str | None:
    """Return the stopped reason of a running task whose health check failed after the grace period, or None."""
    if not (task.alive and task.started_at is not None):
        return None
    if tick.now - task.started_at < tick.service.settings.grace:
        return None
    if task.container_health == "UNHEALTHY":
        return "Task failed container health checks"
    for group in task.revision.ports:
        if task.targets.get(group, ("", ""))[0] == "unhealthy":
            return f"Task failed ELB health checks in (target-group {group})"
    return None


def stop_tasks(tick: Tick, tasks: Sequence[Task], code: str, reason: str | None = None) -> None:
    """Stop tasks: deregister the targets, then SIGTERM. Without a ``reason`` it is a scaling activity."""
    running = [task for task in tasks if task.status == "RUNNING"]
    for task in tasks:
        task.desired, task.stop_code = "STOPPED", code
        task.stopped_reason = (
            reason or f"Scaling activity initiated by (deployment {task.deployment})"
        )
        task.stopping_at = tick.now
        if task in running and task.revision.ports:
            enter(tick, task, "DEACTIVATING")
            tick.actions.append(Deregister(task.id))
        else:
            end_containers(tick, task)
    _say_stopping(tick, running, len(tasks) - len(running))


def _say_stopping(tick: Tick, running: Sequence[Task], pending: int) -> None:
    say = tick.service.say
    groups = Counter(group for task in running for group in task.revision.ports)
    drained = [task for task in running if task.revision.ports]
    if drained:
        say(tick.now, f"has begun draining connections on {len(drained)} tasks.")
    for group, count in groups.items():
        say(tick.now, f"deregistered {count} targets in (target-group {group})")
    if ended := [task for task in running if not task.revision.ports]:
        say(tick.now, f"has stopped {len(ended)} running tasks: {listed(ended)}.")
    if pending:
        say(tick.now, f"stopped {pending} pending tasks.")


def advance(tick: Tick) -> None:
    """Change the status of every task whose time has come, and forget those that stopped an hour ago."""
    for task in tick.service.tasks:
        waited = tick.now - task.since
        if task.status == "PROVISIONING" and waited >= PROVISIONING_SECONDS:
            enter(tick, task, "PENDING")
        elif task.status == "PENDING" and waited >= PENDING_SECONDS and not task.launching:
            task.launching = True
            tick.actions.append(Launch(task.id))
        elif task.status == "DEPROVISIONING" and waited >= DEPROVISIONING_SECONDS:
            _stop(tick, task)
    tick.service.tasks = [
        task
        for task in tick.service.tasks
        if task.stopped_at is None or tick.now - task.stopped_at < KEPT_SECONDS
    ]


def _stop(tick: Tick, task: Task) -> None:
    enter(tick, task, "STOPPED")
    task.stopped_at = tick.now
    tick.actions.append(Detach(task.id))
    if task.failed:
        for deployment in tick.service.deployments:
            if deployment.id == task.deployment:
                deployment.failed_tasks += 1


def end_containers(tick: Tick, task: Task) -> None:
    if task.launching and not task.ended:
        enter(tick, task, "STOPPING")
        tick.actions.append(Kill(task.id))
    else:
        enter(tick, task, "DEPROVISIONING")


def enter(tick: Tick, task: Task, status: str) -> None:
    task.status, task.since = status, tick.now


def apply_event(tick: Tick, event: OfTask) -> None:
    """Update a task after an event. An event of an unknown task is ignored."""
    task = tick.service.task(event.task)
    if task is None or task.status == "STOPPED":
        return
    match event:
        case Launched():
            _launched(tick, task)
        case FailedToStart(reason=reason):
            _failed_to_start(tick, task, reason)
        case TargetChanged(target_group=group, state=state, words=words):
            _target_changed(tick, task, group, state, words)
        case ContainerChecked(health=health):
            _checked(tick, task, health)
        case _:
            _take_ending(tick, task, event)


def _take_ending(tick: Tick, task: Task, event: OfTask) -> None:
    match event:
        case Exited():
            _exited(tick, task)
        case StopAsked(reason=reason) if task.desired == "RUNNING":
            stop_tasks(tick, [task], "UserInitiated", reason)
        case Drained() if task.status == "DEACTIVATING":
            tick.service.say(tick.now, f"has stopped 1 running tasks: {listed([task])}.")
            end_containers(tick, task)
        case Ended():
            task.ended = True
            if task.status == "STOPPING":
                enter(tick, task, "DEPROVISIONING")


def _launched(tick: Tick, task: Task) -> None:
    if task.status != "PENDING":
        return
    enter(tick, task, "RUNNING")
    task.started_at = tick.now
    tick.service.start_failures = 0
    groups = task.revision.ports
    if groups:
        tick.actions.append(Register(task.id))
    for group in groups:
        tick.service.say(tick.now, f"registered 1 targets in (target-group {group})")


def _failed_to_start(tick: Tick, task: Task, reason: str) -> None:
    if task.desired == "RUNNING":
        task.failed = True
        task.desired, task.stop_code, task.stopped_reason = "STOPPED", "TaskFailedToStart", reason
        task.stopping_at = tick.now
        tick.service.start_failures += 1
        tick.service.say(tick.now, f"was unable to place a task. Reason: {reason}.")
    task.ended = True
    enter(tick, task, "DEPROVISIONING")


def _exited(tick: Tick, task: Task) -> None:
    if task.desired == "STOPPED":
        return
    task.failed = not (task.was_healthy or started_well(tick, task))
    task.desired, task.stop_code = "STOPPED", "EssentialContainerExited"
    task.stopped_reason, task.stopping_at = "Essential container in task exited", tick.now
    if task.revision.ports and task.started_at is not None:
        tick.actions.append(Deregister(task.id))
        for group in task.revision.ports:
            tick.service.say(tick.now, f"deregistered 1 targets in (target-group {group})")
    end_containers(tick, task)


def _target_changed(tick: Tick, task: Task, group: str, state: str, words: str) -> None:
    before = task.targets.get(group, ("", ""))[0]
    task.targets[group] = (state, words)
    if state == "unhealthy" and before != "unhealthy" and task.desired == "RUNNING":
        why = f"is unhealthy in (target-group {group}) due to (reason {words})."
        tick.service.say(tick.now, f"(task {task.id}) {why}")


def _checked(tick: Tick, task: Task, health: str) -> None:
    if health == "UNHEALTHY" != task.container_health and task.desired == "RUNNING":
        tick.service.say(tick.now, f"(task {task.id}) failed container health checks.")
    task.container_health = health
