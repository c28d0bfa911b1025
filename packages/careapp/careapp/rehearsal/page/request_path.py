"""The path of a request from a browser to the database: the status of each connection and component."""

from collections.abc import Callable
from dataclasses import dataclass

from careapp.additions.parts.settings import settings_of
from ecs_gate.diagnosis.case import Case
from ecs_gate.diagnosis.catalogue import (
    BALANCER_NODE,
    DATABASE,
    DATABASE_NODE,
    FORWARD,
    IMAGE,
    INTERNET,
    LOGS,
    SECRETS,
    TASKS_NODE,
)
from ecs_gate.diagnosis.findings import Diagnosis, Finding
from ecs_gate.parts.records import Task
from ecs_gate.text import Text, t, verbatim

CONNECTIONS = (INTERNET, FORWARD, DATABASE, IMAGE, SECRETS, LOGS)

NODES = (BALANCER_NODE, TASKS_NODE, DATABASE_NODE)

OPEN, BLOCKED, WARNED, WAITING, OFF, UNREAD = (
    "open", "blocked", "warned", "waiting", "off", "unread",
)  # fmt: skip

NEEDED = {
    INTERNET: ("balancer", "network"),
    FORWARD: ("targets", "balancer", "network"),
    DATABASE: ("database", "network"),
    IMAGE: ("image", "network"),
    SECRETS: ("secrets", "network"),
    LOGS: ("logs", "network"),
    BALANCER_NODE: ("balancer",),
    TASKS_NODE: ("tasks", "service"),
    DATABASE_NODE: ("database",),
}
"""The parts of the snapshot that have to be read before a place is called healthy."""


@dataclass(frozen=True)
class Status:
    id: str
    state: str
    reason: Text


def request_path(case: Case, diagnosis: Diagnosis) -> dict[str, Status]:
    return {node: _status_of(node, case, diagnosis) for node in (*CONNECTIONS, *NODES)}


def _status_of(place: str, case: Case, diagnosis: Diagnosis) -> Status:
    here = [each for each in diagnosis.findings if place in each.facts.places and not each.process]
    wrong = next((finding for finding in here if finding.kind in ("cause", "consequence")), None)
    if wrong:
        return Status(place, BLOCKED, wrong.title)
    for part in NEEDED[place]:
        if problem := getattr(case.now, part).problem:
            return Status(place, UNREAD, problem.text)
    if missing := _missing(place, case):
        return Status(place, OFF, missing)
    warning: Finding | None = next((finding for finding in here if finding.kind == "warning"), None)
    if warning:
        return Status(place, WARNED, warning.title)
    return _working(place, case)


def _missing(place: str, case: Case) -> Text | None:
    """Return why there is no status: a component at one of the ends does not exist."""
    now = case.now
    if place in (INTERNET, BALANCER_NODE):
        return None if now.balancer.value else t("There is no load balancer yet.")
    if place == DATABASE_NODE:
        return None if now.database.value else t("There is no database yet.")
    if case.service is None:
        return t("ECS is off.")
    return None if case.service.desired else t("The service's desired count is 0.")


def _working(place: str, case: Case) -> Status:
    if place == FORWARD:
        return _forward(case)
    if place == TASKS_NODE:
        return _tasks(case)
    # After a rollback those of the version before run.
    tried = case.current_tasks or case.failed_tasks
    if place not in (INTERNET, BALANCER_NODE, DATABASE_NODE) and not tried:
        return Status(place, WAITING, t("There is no task yet."))
    if place == DATABASE and not case.current_tasks:
        state = OFF if case.given_up else WAITING
        return Status(place, state, t("No running task connects to the database."))
    return Status(place, OPEN, WORKING[place](case))


def _forward(case: Case) -> Status:
    healthy = sum(target.state == "healthy" for target in case.task_targets)
    counts, enough = {"healthy": healthy, "desired": case.desired}, healthy >= case.desired
    if case.given_up and not enough:
        text = t("{healthy} of {desired} targets are healthy; ECS has given up.", **counts)
        return Status(FORWARD, BLOCKED, text)
    # After a rollback the former revision's tasks answer: requests do get through.
    if enough and (case.steady or case.given_up):
        path, matcher = (check.path, check.matcher) if (check := case.health_check) else ("-", "-")
        text = t("GET {path} answers {matcher}.", path=path, matcher=matcher)
        return Status(FORWARD, OPEN, text)
    text = t("{healthy} of {desired} targets are healthy so far.", **counts)
    return Status(FORWARD, WAITING, text)


def _tasks(case: Case) -> Status:
    counts = {"running": case.running, "desired": case.desired}
    if case.given_up:
        text = t("{running} of {desired} run; ECS has given up", **counts)
        return Status(TASKS_NODE, BLOCKED, text)
    state = OPEN if case.steady else WAITING
    return Status(TASKS_NODE, state, t("{running} of {desired} run", **counts))


def _ports(case: Case) -> Text:
    balancer = case.now.balancer.value
    listeners = balancer.listeners if balancer else ()
    ports = ", ".join(f"{listener.protocol} {listener.port}" for listener in listeners) or "-"
    allowed = settings_of(case.now).allowed
    if allowed.everyone:
        return t("Open to the internet: {ports}.", ports=ports)
    return t("Open to {allowed}: {ports}.", allowed=str(allowed), ports=ports)


WORKING: dict[str, Callable[[Case], Text]] = {
    INTERNET: _ports,
    DATABASE: lambda case: t(
        "Security groups allow TCP {port}.", port=getattr(case.now.database.value, "port", 5432)
    ),
    IMAGE: lambda case: t(
        "The image exists ({platform}).",
        platform=", ".join(getattr(case.now.image.value, "platforms", ())) or "-",
    ),
    SECRETS: lambda _: t("The execution role has permission to read them."),
    LOGS: lambda _: t("The log group exists."),
    BALANCER_NODE: lambda case: verbatim(getattr(case.now.balancer.value, "state", "-")),
    DATABASE_NODE: lambda case: verbatim(getattr(case.now.database.value, "status", "-")),
}


def target_of(case: Case, task: Task) -> Status:
    target = next((each for each in case.targets if each.address == task.address), None)
    if target is None:
        return Status(task.short, OFF, t("not a target"))
    state = {"healthy": OPEN, "unhealthy": BLOCKED}.get(target.state, WAITING)
    return Status(task.short, state, verbatim(target.description or target.state))
