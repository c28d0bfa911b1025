"""The service scheduler's step: which tasks it starts and stops, and the deployment circuit breaker."""

from collections.abc import Sequence

from local_cloud.aws.ecs import shifting, stages
from local_cloud.aws.ecs.state import (
    ALARM,
    BREAKER,
    Action,
    AlarmsRead,
    Deleted,
    Deployment,
    Event,
    Failure,
    HookAnswered,
    Revision,
    RollbackAsked,
    Service,
    Task,
    Updated,
)
from local_cloud.aws.ecs.tasks import (
    Tick,
    advance,
    apply_event,
    healthy,
    listed,
    start,
    started_well,
    stop_tasks,
    unhealthy_reason,
)


def notice_health(tick: Tick) -> None:
    """Record the tasks that became healthy. Each resets the deployment's count of failed tasks."""
    service = tick.service
    for task in service.alive():
        if not task.was_healthy and started_well(tick, task):
            task.was_healthy = True
            if service.settings.breaker.reset_on_healthy:
                for deployment in service.deployments:
                    if deployment.id == task.deployment and deployment.rollout == "IN_PROGRESS":
                        deployment.failed_tasks = 0


def check_breaker(tick: Tick) -> None:
    service, primary = tick.service, tick.service.primary
    breaker = service.settings.breaker
    if primary.rollout != "IN_PROGRESS" or not breaker.enable or service.status != "ACTIVE":
        return
    if primary.failed_tasks < breaker.threshold(service.settings.desired):
        return
    _fail(tick, BREAKER, breaker.rollback)


def check_alarms(tick: Tick, read: AlarmsRead) -> None:
    """Fail the deployment if one of its alarms goes to ALARM.

    ECS watches the alarms from the first running task on. It ignores them during a deployment at whose
    beginning one is in ALARM (ECS developer guide, "How CloudWatch alarms detect Amazon ECS deployment
    failures"), during a rollback, and during a first deployment, which has nothing to go back to
    (aws/copilot-cli#4294).
    """
    service, primary = tick.service, tick.service.primary
    alarms, now = service.settings.alarms, read.in_alarm & service.settings.alarms.names
    if not alarms.names or primary.rollout != "IN_PROGRESS" or primary.rolling_back is not None:
        return
    if primary.watched is None:
        primary.watched = primary.source is not None and not now
    running = any(t.deployment == primary.id and t.status == "RUNNING" for t in service.tasks)
    if primary.watched and running and now:
        primary.triggered = now
        _fail(tick, ALARM, alarms.rollback)


def roll_back_if_asked(tick: Tick) -> None:
    """Begin the rollback that was requested in an earlier step."""
    primary = tick.service.primary
    if primary.rollback == "REQUESTED" and tick.service.status == "ACTIVE":
        primary.rollback = None
        _fail(tick, primary.asked, rollback=True)


def _fail(tick: Tick, why: Failure, rollback: bool) -> None:
    """Fail the primary deployment, and roll back to the last completed one if there is one."""
    service, primary = tick.service, tick.service.primary
    primary.rollout, primary.finished_at, primary.updated_at = "FAILED", tick.now, tick.now
    primary.failure, primary.reason = why, why.reason
    service.say(tick.now, f"(deployment {primary.id}) deployment failed: {why.event}.")
    service.start_failures, service.not_before = 0, 0.0
    if primary.rolling_back is not None:
        primary.rolling_back.rollback, primary.rolling_back = "FAILED", None
    elif rollback and (last := _candidate(service)) is not None:
        _roll_back(tick, primary, last, why)
    elif rollback:
        primary.rollback = "NO_CANDIDATE"


def _candidate(service: Service) -> Deployment | None:
    """Return the last completed deployment, or None.

    A rollback's deployment does not count until it is completed (ECS developer guide, "How the
    Amazon ECS deployment circuit breaker detects failures").
    """
    last = service.completed
    return last if last not in (None, service.primary) and last.rollout == "COMPLETED" else None


def _roll_back(tick: Tick, failed: Deployment, last: Deployment, why: Failure) -> None:
    """Make the last completed deployment primary again. Its id and its remaining tasks stay."""
    service = tick.service
    service.deployments = [each for each in service.deployments if each is not last]
    for other in service.deployments:
        other.status, other.desired = "ACTIVE", 0
    last.status, last.rollout, last.failed_tasks = "PRIMARY", "IN_PROGRESS", 0
    last.desired, last.updated_at, last.rolling_back = service.settings.desired, tick.now, failed
    last.reason = f"{why.source}: rolling back to deploymentId {last.id}."
    failed.rollback = "IN_PROGRESS"
    service.say(tick.now, f"rolling back to deployment {last.id}.")
    service.deployments.insert(0, last)


FIRST_PAUSE_SECONDS = 60.0
LONGEST_PAUSE_SECONDS = 900.0
"""Maximum pause between starts of tasks that never reach RUNNING: 15 minutes (service throttle logic)."""
PATIENCE = 3


def schedule(tick: Tick) -> None:
    """Start and stop tasks of the primary deployment, and stop those of older ones."""
    service, primary = tick.service, tick.service.primary
    if service.status != "ACTIVE":
        return
    settings = service.settings
    current = [task for task in service.alive() if task.deployment == primary.id]
    unhealthy = [task for task in current if unhealthy_reason(tick, task)]
    need = settings.desired - (len(current) - len(unhealthy))
    launches = primary.rollout != "FAILED" and not shifting.holds_back(service)
    room = max(settings.upper - len(service.alive()), 0)
    count = min(need, room)
    if launches and count > 0 and _may_start(tick):
        _start(tick, primary, count, min(count, len(unhealthy)))
    _stop_unhealthy(tick, current, unhealthy, launches and need > room)
    _stop_old(tick, primary)
    _stop_surplus(tick, primary)
    _report_blocked(tick, launches and need > 0 and room == 0)


def _may_start(tick: Tick) -> bool:
    service = tick.service
    over = service.start_failures - PATIENCE
    if over >= 0 and not service.not_before:
        pause = min(FIRST_PAUSE_SECONDS * 2**over, LONGEST_PAUSE_SECONDS)
        service.not_before = tick.now + pause
        service.say(tick.now, "is unable to consistently start tasks successfully.")
    if tick.now < service.not_before:
        return False
    service.not_before = 0.0
    return True


def _start(tick: Tick, primary: Deployment, count: int, replacing: int) -> None:
    service = tick.service
    made = start(tick, primary, count)
    if not made:
        return
    words, replacing = f"has started {len(made)} tasks: {listed(made)}.", min(replacing, len(made))
    if replacing:
        words += f" Amazon ECS replaced {replacing} tasks due to an unhealthy status."
    service.say(tick.now, words)
    service.steady = False


def _stop_unhealthy(tick: Tick, current: list[Task], unhealthy: list[Task], no_room: bool) -> None:
    """Stop unhealthy tasks whose replacements were started, or all if there is no room for replacements."""
    undecided = [task for task in current if task not in unhealthy and not healthy(tick, task)]
    spare = max(len(current) - tick.service.settings.desired - len(undecided), 0)
    stopping = (
        unhealthy if no_room or tick.service.primary.rollout == "FAILED" else unhealthy[:spare]
    )
    for task in stopping:
        task.failed = not task.was_healthy
        stop_tasks(tick, [task], "ServiceSchedulerInitiated", unhealthy_reason(tick, task))
        tick.service.steady = False


def _stop_old(tick: Tick, primary: Deployment) -> None:
    """Stop tasks of older deployments within the minimum healthy percent, the unhealthy ones first."""
    service = tick.service
    alive = service.alive()
    kept = {task.id for task in shifting.kept(service)}
    old = [task for task in alive if task.deployment != primary.id and task.id not in kept]
    spare = sum(healthy(tick, task) for task in alive) - service.settings.lower
    stopping = [task for task in old if not healthy(tick, task)]
    stopping += [task for task in old if healthy(tick, task)][: max(spare, 0)]
    if stopping:
        stop_tasks(tick, stopping, "ServiceSchedulerInitiated", _scaled_by(primary))


def _stop_surplus(tick: Tick, primary: Deployment) -> None:
    current = [task for task in tick.service.alive() if task.deployment == primary.id]
    firm = [task for task in current if not unhealthy_reason(tick, task)]
    surplus = len(firm) - tick.service.settings.desired
    if surplus > 0:
        order = sorted(firm, key=lambda task: (healthy(tick, task), -task.created_at))
        tick.service.steady = False
        stop_tasks(tick, order[:surplus], "ServiceSchedulerInitiated", _scaled_by(primary))


def _scaled_by(deployment: Deployment) -> str:
    return f"Scaling activity initiated by (deployment {deployment.id})"


def _report_blocked(tick: Tick, stuck: bool) -> None:
    service = tick.service
    settings = service.settings
    stuck = stuck and settings.lower >= settings.upper and service.primary.rollout == "IN_PROGRESS"
    if stuck and not service.blocked:
        why = "because of the service deployment configuration"
        service.say(
            tick.now,
            f"was unable to stop or start tasks during a deployment {why}."
            " Update the minimumHealthyPercent or maximumPercent value and try again.",
        )
    service.blocked = stuck


def step(service: Service, now: float, events: Sequence[Event] = ()) -> list[Action]:
    """Process events and time for ``service`` and return the actions to carry out, in order."""
    tick = Tick(service, now)
    if service.deployments:
        roll_back_if_asked(tick)
    for event in events:
        match event:
            case Updated():
                _update(tick, event)
            case Deleted():
                _delete(tick)
            case RollbackAsked():
                _request_rollback(tick, event)
            case HookAnswered():
                if event.deployment == service.primary.id:
                    stages.answer(tick, event.hook, event.action)
            case AlarmsRead():
                check_alarms(tick, event)
            case _:
                apply_event(tick, event)
    advance(tick)
    if service.deployments:
        notice_health(tick)
        check_breaker(tick)
        shifting.shift(tick)
        schedule(tick)
        _settle(tick)
    return tick.actions


def _update(tick: Tick, update: Updated) -> None:
    service = tick.service
    service.settings = update.settings
    service.steady, service.blocked = False, False
    service.not_before, service.start_failures = 0.0, 0
    if update.revision is not None:
        for deployment in service.deployments:
            if deployment.rollout == "IN_PROGRESS":
                deployment.superseded, deployment.finished_at = True, tick.now
                deployment.rolling_back = None
        _deploy(tick, update.revision)
    for deployment in service.deployments:
        deployment.desired = update.settings.desired if deployment.status == "PRIMARY" else 0
        deployment.updated_at = tick.now


def _request_rollback(tick: Tick, asked: RollbackAsked) -> None:
    primary = tick.service.primary
    if primary.id == asked.deployment and primary.rollout == "IN_PROGRESS":
        primary.rollback, primary.updated_at = "REQUESTED", tick.now


def _deploy(tick: Tick, revision: Revision) -> None:
    service = tick.service
    number = f"ecs-svc/{int(service.new_id(), 16) % 10**19:019d}"
    made = Deployment(
        id=number,
        revision=shifting.place(service, revision),
        created_at=tick.now,
        updated_at=tick.now,
        desired=service.settings.desired,
        reason=f"ECS deployment {number} in progress.",
        source=service.completed,
    )
    for older in service.deployments:
        older.status, older.desired = "ACTIVE", 0
    service.deployments.insert(0, made)
    service.history.insert(0, made)


def _delete(tick: Tick) -> None:
    service = tick.service
    service.status = "DRAINING"
    for deployment in service.deployments:
        deployment.desired = 0
    stop_tasks(tick, service.alive(), "ServiceSchedulerInitiated")


def _settle(tick: Tick) -> None:
    service, primary = tick.service, tick.service.primary
    unfinished = {task.deployment for task in service.tasks if task.alive or _draining(task)}
    service.deployments = [
        each for each in service.deployments if each is primary or each.id in unfinished
    ]
    if service.status == "DRAINING":
        if all(task.status == "STOPPED" for task in service.tasks):
            service.status, service.deployments = "INACTIVE", []
        return
    current = [task for task in service.alive() if task.deployment == primary.id]
    whole = len(current) == service.settings.desired and all(
        started_well(tick, task) for task in current
    )
    if not whole or unfinished - {primary.id} or any(_draining(task) for task in service.tasks):
        return
    done = _baked(tick, primary) and shifting.is_through(service)
    if primary.rollout == "IN_PROGRESS" and primary.rollback is None and done:
        _complete(tick, primary)
    if not service.steady and primary.rollout == "COMPLETED":
        service.steady = True
        service.say(tick.now, "has reached a steady state.")


def _baked(tick: Tick, primary: Deployment) -> bool:
    """Return whether the bake time is over; it begins when all tasks are healthy and the old ones gone."""
    if not primary.watched or primary.rolling_back is not None:
        return True
    if primary.whole_since is None:
        primary.whole_since = tick.now
    return tick.now - primary.whole_since >= tick.service.settings.alarms.bake


def _draining(task: Task) -> bool:
    return task.status == "DEACTIVATING"


def _complete(tick: Tick, primary: Deployment) -> None:
    service = tick.service
    primary.rollout, primary.finished_at, primary.updated_at = "COMPLETED", tick.now, tick.now
    primary.reason = f"ECS deployment {primary.id} completed."
    service.completed = primary
    if primary.rolling_back is not None:
        primary.rolling_back.rollback, primary.rolling_back = "SUCCESSFUL", None
    service.say(tick.now, f"(deployment {primary.id}) deployment completed.")
