"""What a service starts and stops next, within its minimum and maximum percent."""

from __future__ import annotations

from rehearsal.data.ecs_state import Deployment, Task
from rehearsal.data.ecs_tasks import Turn, condemn, healthy, listed, sickness, start

FIRST_PAUSE_SECONDS = 60.0
LONGEST_PAUSE_SECONDS = 900.0
"""Tasks that never reach RUNNING are tried again ever more slowly, up to 15 minutes (service throttle logic)."""
PATIENCE = 3


def schedule(turn: Turn) -> None:
    """Start and stop tasks of the primary deployment, and stop those of older ones."""
    service, primary = turn.service, turn.service.primary
    if service.status != "ACTIVE":
        return
    settings = service.settings
    mine = [task for task in service.alive() if task.deployment == primary.id]
    sick = [task for task in mine if sickness(turn, task)]
    need = settings.desired - (len(mine) - len(sick))
    launches = primary.rollout != "FAILED"
    room = max(settings.upper - len(service.alive()), 0)
    count = min(need, room)
    if launches and count > 0 and _may_start(turn):
        _start(turn, primary, count, min(count, len(sick)))
    _stop_sick(turn, mine, sick, launches and need > room)
    _stop_old(turn, primary)
    _stop_surplus(turn, primary)
    _complain(turn, launches and need > 0 and room == 0)


def _may_start(turn: Turn) -> bool:
    service = turn.service
    over = service.start_failures - PATIENCE
    if over >= 0 and not service.not_before:
        pause = min(FIRST_PAUSE_SECONDS * 2**over, LONGEST_PAUSE_SECONDS)
        service.not_before = turn.now + pause
        service.say(turn.now, "is unable to consistently start tasks successfully.")
    if turn.now < service.not_before:
        return False
    service.not_before = 0.0
    return True


def _start(turn: Turn, primary: Deployment, count: int, replacing: int) -> None:
    service = turn.service
    made = start(turn, primary, count)
    words = f"has started {count} tasks: {listed(made)}."
    if replacing:
        words += f" Amazon ECS replaced {replacing} tasks due to an unhealthy status."
    service.say(turn.now, words)
    service.steady = False


def _stop_sick(turn: Turn, mine: list[Task], sick: list[Task], no_room: bool) -> None:
    """A sick task goes when its replacement is decided about, or when there is no room for one."""
    undecided = [task for task in mine if task not in sick and not healthy(turn, task)]
    spare = max(len(mine) - turn.service.settings.desired - len(undecided), 0)
    going = sick if no_room or turn.service.primary.rollout == "FAILED" else sick[:spare]
    for task in going:
        task.failed = not task.was_healthy
        condemn(turn, [task], "ServiceSchedulerInitiated", sickness(turn, task))
        turn.service.steady = False


def _stop_old(turn: Turn, primary: Deployment) -> None:
    """Older deployments' tasks go as far as the minimum healthy percent allows, the unhealthy ones first."""
    service = turn.service
    alive = service.alive()
    old = [task for task in alive if task.deployment != primary.id]
    spare = sum(healthy(turn, task) for task in alive) - service.settings.lower
    going = [task for task in old if not healthy(turn, task)]
    going += [task for task in old if healthy(turn, task)][: max(spare, 0)]
    if going:
        condemn(turn, going, "ServiceSchedulerInitiated", _scaled_by(primary))


def _stop_surplus(turn: Turn, primary: Deployment) -> None:
    mine = [task for task in turn.service.alive() if task.deployment == primary.id]
    firm = [task for task in mine if not sickness(turn, task)]
    surplus = len(firm) - turn.service.settings.desired
    if surplus > 0:
        order = sorted(firm, key=lambda task: (healthy(turn, task), -task.created_at))
        turn.service.steady = False
        condemn(turn, order[:surplus], "ServiceSchedulerInitiated", _scaled_by(primary))


def _scaled_by(deployment: Deployment) -> str:
    return f"Scaling activity initiated by (deployment {deployment.id})"


def _complain(turn: Turn, stuck: bool) -> None:
    service = turn.service
    settings = service.settings
    stuck = stuck and settings.lower >= settings.upper and service.primary.rollout == "IN_PROGRESS"
    if stuck and not service.blocked:
        why = "because of the service deployment configuration"
        service.say(
            turn.now,
            f"was unable to stop or start tasks during a deployment {why}."
            " Update the minimumHealthyPercent or maximumPercent value and try again.",
        )
    service.blocked = stuck
