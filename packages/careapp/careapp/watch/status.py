"""Shows the state of a stack: stage, service, tasks, targets, database, alarms, address."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields, is_dataclass
from datetime import datetime
from typing import Any

from careapp.additions.checks import stages
from careapp.additions.owner import overview
from careapp.additions.parts.pauses import RESUME_FIRST, paused
from careapp.additions.parts.settings import settings_of
from careapp.additions.target import session_of
from careapp.command_line import print_json, raise_if_blind, settings_to_look
from ecs_gate.checks.databases import USABLE
from ecs_gate.diagnosis.case import Case
from ecs_gate.parts.gather import Snapshot
from ecs_gate.parts.records import Deployment, Part, Service, Task
from ecs_gate.rollout.verdict import shifted
from ecs_gate.screen import Line, display, short_time, uses_colour, zoned_time
from ecs_gate.text import Text, t

STOPPED_SHOWN = 3

STATES = {"healthy": "green", "unhealthy": "bold red", "HEALTHY": "green", "UNHEALTHY": "bold red"}

ROLLOUTS = {"COMPLETED": "green", "IN_PROGRESS": "yellow", "FAILED": "bold red"}


def lines(now: Snapshot) -> Iterator[Line]:
    """Yield the lines of the output."""
    case = Case.of(now)
    stage = str(stages.described(case))
    yield Line(f"{now.names.prefix} · {stage} · {now.region}", "bold")
    if stages.stage(case) == stages.NOTHING:
        yield from _nothing(case)
        yield from _unread(now)
        return
    if pause := paused(case):
        since = t("since {time}; ./careapp resume", time=zoned_time(pause.since))
        yield _row(t("Paused"), str(since), "bold yellow")
        if settings_of(now).database.final_snapshot:
            yield Line(f"    {RESUME_FIRST!s}", "yellow")
    if hours := settings_of(case).service.scaling.hours:
        yield _hours(case, hours.text)
    yield _page(now)
    if service := now.service.value:
        yield from _service(case, service)
        yield from _tasks(case)
        yield from map(_worker, case.workers)
    yield from _database(now)
    yield from _alarms(now)
    yield from _unread(now)


def _unread(now: Snapshot) -> Iterator[Line]:
    for text in dict.fromkeys(problem.as_text() for problem in now.problems().values()):
        yield Line(f"  {t('Not read:')!s} {text}", "yellow")


def _nothing(case: Case) -> Iterator[Line]:
    """Yield what is left of the stack and how that ends, or how the stack is created."""
    stack = settings_of(case).stack
    if remains := stages.left(case):
        yield _row(t("Left"), ", ".join(remains.resources), "yellow")
        for holder in remains.holders:
            yield Line(f"    {stages.holds(holder)!s}", "yellow")
            if holder.command:
                yield Line(f"    {case.now.place.complete(holder.command)}")
        yield Line(f"  {t('End it: pulumi destroy -s {stack}', stack=stack)!s}")
    yield Line(f"  {t('Create it: pulumi up -s {stack}', stack=stack)!s}")


def _row(name: Text, text: str, style: str = "") -> Line:
    return Line(f"  {name!s}: {text}", style)


def _hours(case: Case, hours: str) -> Line:
    zone = settings_of(case).service.scaling.time_zone
    if stages.in_hours(case):
        return _row(t("Hours"), f"{hours} ({zone})")
    text = t(
        "{hours} ({zone}); it is outside of them, and the schedule starts the tasks when they begin",
        hours=hours,
        zone=zone,
    )
    return _row(t("Hours"), str(text), "yellow")


def _page(now: Snapshot) -> Line:
    balancer = now.balancer.value
    if balancer is None:
        return _row(t("Page"), str(t("unknown")) if now.balancer.problem else "-")
    text = now.page_url
    if balancer.state not in ("active", ""):
        text += f" ({balancer.state})"
    if not (allowed := settings_of(now).allowed).everyone:
        text = str(t("{page} for {allowed}", page=text, allowed=str(allowed)))
    return _row(t("Page"), text)


def _service(case: Case, service: Service) -> Iterator[Line]:
    text = t(
        "{status}, {running} of {desired} running, {pending} starting",
        status=service.status,
        running=service.running,
        desired=service.desired,
        pending=service.pending,
    )
    yield _row(t("Service"), str(text), "green" if case.steady else "yellow")
    if (traffic := service.traffic) and service.primary:
        yield Line(f"    {shifted(traffic, service.primary.revision)!s}", "yellow")
    if not case.breaks and case.unfinished and service.primary and service.primary.failed:
        back = "./careapp rollback" if case.other_deployments else "pulumi up"
        command = f"{back} -s {settings_of(case).stack}"
        text = t("ECS's circuit breaker does not end such a deployment: {command}", command=command)
        yield Line(f"    {text!s}", "yellow")
    for deployment in service.deployments:
        yield Line(
            f"    {_deployment(deployment, case.now.at)!s}", ROLLOUTS.get(deployment.rollout, "")
        )
        if deployment.rollout == "FAILED" and deployment.reason:
            yield Line(f"      {deployment.reason}", "dim")


def _deployment(deployment: Deployment, now: datetime) -> Text:
    return t(
        "{status} {revision}: {rollout}, {running} of {desired} running, {failed} failed, since "
        "{time}",
        status=deployment.status,
        revision=deployment.revision,
        rollout=deployment.rollout or "-",
        running=deployment.running,
        desired=deployment.desired,
        failed=deployment.failed,
        time=short_time(deployment.updated, now),
    )


def _tasks(case: Case) -> Iterator[Line]:
    targets = {target.address: target for target in case.targets}
    for task in case.current_tasks:
        target = targets.get(task.address)
        state = target.state if target else "-"
        text = t(
            "{task} {status}, container {health}, target {state}, {revision}, {address}",
            task=task.short,
            status=task.status,
            health="-" if task.health == "UNKNOWN" else task.health,
            state=state + (f" ({target.description})" if target and target.description else ""),
            revision=task.revision,
            address=task.address or "-",
        )
        yield _row(t("Task"), str(text), STATES.get(state, ""))
    for task in [task for task in case.tasks if task.over][:STOPPED_SHOWN]:
        yield _row(t("Stopped"), _ended(task, case.now.at), "dim")


def _worker(case: Case) -> Line:
    style = "green" if _well(case) else "yellow" if case.service else "bold red"
    text = worker(case)
    settings = settings_of(case)
    declared = case.process in [each.name for each in settings.workers]
    if not (declared or settings.guessed):
        text = t("{words}; not in the stack file, so `pulumi up` deletes it", words=text)
    return Line(f"  {t('Worker')!s} {case.process}: {text!s}", style)


def worker(case: Case) -> Text:
    """Return a worker's state."""
    service, primary = case.service, case.primary
    if service is None or primary is None:
        return t("unknown") if case.now.service.problem else t("none")
    return t(
        "{status}, {running} of {desired} running, {pending} starting, {failed} failed; {revision}: {rollout}",
        status=service.status,
        running=service.running,
        desired=service.desired,
        pending=service.pending,
        failed=len(case.failed_tasks),
        revision=primary.revision,
        rollout=primary.rollout or "-",
    )


def _well(case: Case) -> bool:
    """Return whether a worker runs, or has no task to run."""
    return case.steady or bool(case.service and case.service.desired == 0)


def _ended(task: Task, now: datetime) -> str:
    codes = map(str, task.exit_codes.values())
    moment = f"{short_time(task.stopped, now)} " if task.stopped else ""
    code = f" [{', '.join(codes)}]" if task.exit_codes else ""
    return f"{moment}{task.short} {task.reason or task.status}{code}"


def _database(now: Snapshot) -> Iterator[Line]:
    database = now.database.value
    if database is None:
        if now.database.absent:
            yield _row(t("Database"), str(t("none")), "bold red")
        return
    text = f"{database.status}, PostgreSQL {database.version}, {database.kind}"
    text += ", Multi-AZ" if database.multi_az else ""
    yield _row(t("Database"), text, "green" if database.status == "available" else "yellow")


def _alarms(now: Snapshot) -> Iterator[Line]:
    alarms = now.alarms.value
    if alarms is None:
        return
    in_alarm = [alarm for alarm in alarms if alarm.state == "ALARM"]
    if not alarms:
        yield _row(t("Alarms"), str(t("none")))
        return
    text = t("{count} of {all} in ALARM", count=len(in_alarm), all=len(alarms))
    yield _row(t("Alarms"), str(text), "bold red" if in_alarm else "")
    for alarm in in_alarm:
        yield Line(f"    {alarm.name}: {alarm.reason}", "red")


def exit_code(now: Snapshot) -> int:
    """Return 0 when all runs that should, 1 when not, 2 when that is unknown.

    In a paused stack nothing should run, and outside its hours no task.
    """
    case = Case.of(now)
    parts: list[Part[Any]] = [now.service, now.tasks, now.group, now.targets, now.database]
    parts += [part for each in now.workers.values() for part in (each.service, each.tasks)]
    if any(part.problem for part in parts):
        return 2
    if paused(case):
        return 0
    stage = stages.stage(case)
    off = not settings_of(now).ecs_enabled
    well = case.steady or (stage == stages.FIRST and off) or _at_rest(case)
    well = well and all(map(_well, case.workers))
    database = now.database.value
    return 0 if well and database is not None and database.status in USABLE else 1


def _at_rest(case: Case) -> bool:
    """Return whether no task runs because it is outside the service's hours."""
    service = case.service
    none_runs = service is not None and service.desired == service.running == 0
    return none_runs and not stages.in_hours(case)


def as_dict(now: Snapshot) -> dict[str, Any]:
    """Return the status for scripts; times as ISO 8601."""
    case, service = Case.of(now), now.service.value
    return {
        "stack": now.names.prefix,
        "region": now.region,
        "stage": stages.stage(case),
        "steady": case.steady,
        "paused": paused(case) is not None,
        "in_hours": stages.in_hours(case),
        "page": now.page_url or None,
        "service": plain(service),
        "tasks": plain(now.tasks.value),
        "targets": plain(now.targets.value),
        "workers": {
            name: {
                "steady": Case.of(each).steady,
                "service": plain(each.service.value),
                "tasks": plain(each.tasks.value),
            }
            for name, each in now.workers.items()
        },
        "database": plain(now.database.value),
        "alarms": plain(now.alarms.value),
        "left": plain(stages.left(case)),
        "problems": {name: problem.as_text() for name, problem in now.problems().items()},
    }


def plain(value: object) -> Any:
    """Return records as dictionaries and lists; texts in the current language, times as ISO 8601."""
    if is_dataclass(value) and not isinstance(value, Text):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    if isinstance(value, datetime):
        return value.isoformat()
    return value if value is None or isinstance(value, (str, int, float, bool)) else str(value)


def _redraw(look: Callable[[], Sequence[Line]], seconds: float) -> int:
    """Redraw the lines of ``look`` every few seconds until Ctrl-C; without a terminal print only changes."""
    if not uses_colour():
        return _print_changes(look, seconds)
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text as Rich

    console = Console(highlight=False, markup=False)
    with Live(console=console, auto_refresh=False, screen=False) as live:
        while True:
            screen = Rich("\n").join(Rich(line.text, style=line.style) for line in look())
            live.update(screen, refresh=True)
            time.sleep(seconds)


def _print_changes(look: Callable[[], Sequence[Line]], seconds: float) -> int:
    shown: Sequence[Line] = ()
    while True:
        content = look()
        if content != shown:
            display([*content, Line("")])
            shown = content
        time.sleep(seconds)


def run(stack: str, as_json: bool, watch: bool) -> int:
    """Print the status once, or again every two seconds; return its exit code."""
    session = session_of(settings_to_look(stack))

    def read() -> Snapshot:
        return overview(settings_to_look(stack), session)

    if watch:
        _redraw(lambda: list(lines(read())), 2.0)
    now = read()
    raise_if_blind(now.problems().values())
    if as_json:
        print_json(as_dict(now))
    else:
        display(lines(now))
    return exit_code(now)
