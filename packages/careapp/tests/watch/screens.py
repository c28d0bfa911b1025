"""What the screens say of stacks: ``python -m tests.watch.screens`` writes screens.txt anew.

Each line in English, where it is UTC, and below it in Japanese, in Tokyo's time, if that differs. Of the first screen
of a command all lines are written, of another what differs from an earlier one (tests.said). An event that is
marked as bad begins with "!".
"""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import timedelta, timezone
from functools import cache
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import yaml

from careapp.additions.parts.pauses import Pause
from careapp.pause import commands as pause_screen
from careapp.preflight import checklist
from careapp.rehearsal.page import state as page
from careapp.rehearsal.page.request_path import request_path
from careapp.watch import events as timeline_screen
from careapp.watch import status as status_screen
from careapp.watch.events import Timeline, of_database, of_scaling, of_service, of_tasks
from careapp.watch.logs import LogEvent, LogScreen
from ecs_gate import screen
from ecs_gate.diagnosis.case import Case
from ecs_gate.diagnosis.screen import as_dict, plain
from ecs_gate.doctor import judge
from ecs_gate.parts import ecs
from ecs_gate.parts.elb import Rule
from ecs_gate.parts.records import ContainerHealth, ServiceEvent, Traffic
from ecs_gate.parts.task_inputs import Image
from ecs_gate.parts.task_logs import LogLine
from ecs_gate.rollout.say import Reporter
from ecs_gate.rollout.verdict import Outcome, Verdict
from ecs_gate.text import in_language, verbatim
from ecs_gate.waiting import Shown
from tests import stacks as a
from tests.conftest import NAMES, Answering, Told
from tests.doctor import job_runs
from tests.doctor.situations import CRASHED, SITUATIONS, logs_in, rules, with_bucket
from tests.doctor.variants import VARIANTS, app, network, other_apps
from tests.doctor.variants.stack import PROVISIONING, rolling
from tests.local.pages import logged
from tests.rollout import rollout_answers as gate
from tests.rollout.test_look import BOTH, CANARY
from tests.said import Paragraphs, clock, read, section, text, with_japanese

FILE = Path(__file__).with_name("screens.txt")
ENDED = a.ended(CRASHED, code=1)
UNHEALTHY = a.event(
    f"(task {'b' * 32}) (port 3000) is unhealthy in (target-group {a.GROUP_ARN}) due to (reason "
    "Request timed out).",
    seconds=-120,
)
IDLE = a.service(desired=0, running=0, deployments=(a.deployment(desired=0, running=0),))
NO_WORKER = {"service": a.worker_service(desired=0, running=0), "tasks": ()}
FAILING = gate.deployment(gate.NEW, "IN_PROGRESS", failedTasks=3)


def shifting(*deployments: Any, strategy: str = "CANARY", traffic: Any = None) -> Any:
    """A stack whose service has these deployments."""
    changes = {**CANARY, "deploymentConfiguration": {"strategy": strategy}}
    known = ecs.service_of(gate.service(*deployments, **changes))
    return a.stack(service=replace(known, traffic=traffic) if traffic else known)


STATUSES = {
    "two tasks": a.stack(tasks=(a.task(), ENDED)),
    "paused": SITUATIONS["stack-paused"],
    **{
        f"hours until {until}": a.stack(
            a.choices(schedule=f"mon-fri 08:00-{until}"),
            service=IDLE,
            **{"tasks": (), "targets": (), "page": None},
        )
        for until in ("20:00", "22:00")
    },
    "paused, to be resumed before a destroy": a.stack(
        a.choices(databaseFinalSnapshot="kept"),
        service=IDLE,
        database=a.database(starts=a.NOW, tags=Pause(a.NOW).tags),
    ),
    "a canary": shifting(*BOTH, traffic=Traffic(stage="X", percent=10.0)),
    "a canary that fails": shifting(FAILING, BOTH[1]),
    "a first canary that fails": shifting(FAILING),
    "a deployment with a breaker that fails": shifting(FAILING, BOTH[1], strategy="ROLLING"),
    "well": a.stack(),
    "stage 1": a.stage1(),
    "stage 2 to come": a.stage1(a.choices()),
    "an unhealthy target": a.unhealthy("Request timed out"),
    "a stopped database": a.stack(database=a.database(status="stopped")),
    "a full database": a.stack(database=a.database(status="storage-full")),
    **{f"{part} not read": a.stack(**{part: a.DENIED}) for part in ("tasks", "group", "targets")},
    "a worker": a.with_worker(),
    "a worker that crashes": a.crashing_worker(),
    "a worker without tasks": a.with_worker(**NO_WORKER),
    "a worker that is missing": a.with_worker(service=None),
    "a worker that cannot be read": a.with_worker(service=a.DENIED),
}
SECOND = a.stack(
    service=a.service(
        deployments=(
            a.deployment(rollout="IN_PROGRESS", running=0, id="ecs-svc/3"),
            a.deployment(status="ACTIVE", definition=a.OLD),
        )
    ),
    tasks=(a.task(definition=a.OLD),),
)
DIAGNOSES = {
    "a cause": a.stack(network=rules(app_in=())),
    "healthy": a.stack(),
    "unread": a.stack(execution=a.DENIED, task_role=a.DENIED),
    "a stopped database": a.stack(
        database=a.database(status="stopped", events=(LogLine(a.NOW, "DB instance stopped"),))
    ),
    "the last try": VARIANTS["health-path-missing: given up"],
    "rolled back, and it is not known why": SITUATIONS["rolled-back"],
    "a task that cannot start": SITUATIONS["task-cannot-start"],
    "a login": logs_in(),
    "a worker": a.with_worker(),
    "a bucket": with_bucket(),
    "a job": job_runs.stack(job_runs.run(0)),
    "the first roll-out": rolling(tasks=(PROVISIONING,)),
    "the first roll-out, and a part that was not read": rolling(tasks=(), execution=a.DENIED),
    "a second version that does not serve yet": SECOND,
    "an event": a.stack(
        service=a.service(running=0, events=(UNHEALTHY,)),
        tasks=(a.ended("Task failed ELB health checks", code=143),),
        targets=(),
    ),
}


SOME = a.choices(allowedCidrs="203.0.113.0/24")
TO_SOME = rules(alb_in=(a.permission(80, networks=(IPv4Network("203.0.113.0/24"),)),))
GIVEN_UP = a.going("FAILED", failed=3)
PATHS = {
    "healthy": a.stack(),
    "open to more than the settings name": a.stack(SOME),
    "open to some": a.stack(SOME, network=TO_SOME),
    "stage 1": a.stage1(),
    "a roll-out begins": a.stack(service=a.going(), targets=()),
    "a roll-out has no task yet": a.stack(service=a.going(), targets=(), tasks=()),
    "a cause": SITUATIONS["task-cannot-reach-database"],
    "unhealthy": SITUATIONS["health-path-missing"],
    "given up": a.but(SITUATIONS["health-path-missing"], service=GIVEN_UP),
    "given up without a task": a.failing(ENDED, service=GIVEN_UP, targets=()),
    "rolled back to the former tasks": a.failing(ENDED, rolled_back=True),
    "not read": a.stack(network=a.DENIED),
    "a worker that crashes": a.crashing_worker(),
}


def path(snapshot: Any) -> Iterator[str]:
    for name, node in request_path(Case.of(snapshot), judge(snapshot)).items():
        yield f"{name}: {node.state}; {node.reason!s}"


CUT_OFF = a.network(a.subnet("private-1", "10.0.16.0/20"))
OFF = {"ecsEnabled": "false"}


def beside(number: str, path: str) -> Any:
    """The listener before ECS, with a rule of another."""
    other = network.rule(number, ("path-pattern", (path,)), action="redirect")
    return a.stage1(balancer=a.entrance(other, Rule(priority="default", action="fixed-response")))


PREFLIGHTS = {
    "stage 1": a.stage1(),
    "another protocol": a.stage1(group=replace(a.target_group(), protocol="HTTPS")),
    "no image and no route": a.stage1(image=Image(present=False), network=CUT_OFF),
    "no secret": a.stage1(secrets={a.SECRET: None}),
    "public subnets": a.stage1(a.choices(**OFF, natStrategy="none"), network=CUT_OFF),
    "an image that cannot be read": a.stage1(image=a.DENIED),
    **{f"{count} tasks": a.stage1(a.choices(**OFF, desiredCount=count)) for count in "67"},
    "7 tasks in stage 2": a.stack(a.choices(desiredCount="7")),
    "a rule behind the app's": beside("101", "/*"),
    "a rule of other paths": beside("7", "/other/*"),
    "another app": a.stack(other_apps.settings()),
    "another team's secret": app.foreign(),
    **{name: SITUATIONS[name] for name in ("log-group-missing", "job-failed")},
    **{
        name: VARIANTS[name]
        for name in (
            *("fargate-quota-small: before ECS is on", "balancer-cut-off: in private subnets"),
            *("rule-in-the-way: in stage 1", "rule-in-the-way: of the same number in stage 1"),
            *(f"no-rule-forwards: {name}" for name in network.NOT_THE_PAGE),
            "database-address: DB_NAME",
        )
    },
}


def preflight(snapshot: Any) -> Iterator[str]:
    """What is not ticked off."""
    found = checklist.tick(snapshot)
    yield from (line.text for line in checklist.lines(found) if "✓" not in line.text)
    yield f"exit {found.exit_code}"


def status(snapshot: Any) -> Iterator[str]:
    yield from (line.text for line in status_screen.lines(snapshot))
    yield f"exit {status_screen.exit_code(snapshot)}"


def timeline(events: Iterable[Any], *problems: Any) -> Iterator[str]:
    found = tuple(sorted(events, key=lambda event: event.at))
    marks = ["!" if event.bad else " " for event in found] + [" "] * (len(problems) or not found)
    lines = timeline_screen.lines(Timeline(found, problems))
    yield from (f"{mark} {event.text}" for mark, event in zip(marks, lines, strict=True))


def activity(code: str, cause: str) -> dict[str, Any]:
    words = {"Description": "Setting desired count to 4.", "Cause": cause}
    failed = {"StatusCode": code, "StatusMessage": "Failed to set desired count to 4."}
    return {"StartTime": a.NOW, **words, **failed}


def scaling() -> Iterator[str]:
    alarm = (
        "monitor alarm TargetTracking-service/c/s-AlarmHigh-1b2c in state ALARM triggered policy x"
    )
    rows = [activity("Successful", alarm), activity("Failed", "minimum capacity was set to 4")]
    answer = Answering(describe_scaling_activities={"ScalingActivities": rows})
    return timeline(of_scaling(answer, NAMES))


def of_a_worker() -> Iterator[str]:
    steady = ServiceEvent(a.NOW, "(service careapp-poc-worker-mail) has reached a steady state.")
    return timeline(of_service(a.worker_service(events=(steady,), deployments=()), "mail"))


def log() -> Iterator[str]:
    shown = LogScreen()
    yield from (
        line.text for line in shown.lines([LogEvent(a.NOW, "b" * 32, "hello")], lambda: None)
    )
    yield shown.ended(a.ended(CRASHED)).text


def pause(**settings: str) -> Iterator[str]:
    database = a.database(starts=a.NOW, tags=Pause(a.NOW).tags)
    return (line.text for line in pause_screen._paused(a.choices(**settings), database))


def the_gate() -> list[str]:
    told, going = Told(), Verdict(outcome=Outcome.GOING, text=verbatim("Wait."))
    events = (gate.event(1, 0), gate.event(2, -86400))
    seen = gate.view(gate.deployment(gate.NEW, "IN_PROGRESS"), events=events)
    reporter = Reporter(told, Shown(told.moment, 900), since=a.NOW - timedelta(days=2))
    reporter.report(seen, going, 0)
    return sorted(told.lastings)


def as_json(value: Any) -> list[str]:
    """Return what is printed as JSON, in fewer lines: as YAML, in which it means the same."""
    printed = json.loads(json.dumps(value))
    text = yaml.safe_dump(
        printed, default_flow_style=None, sort_keys=False, allow_unicode=True, width=140
    )
    return text.splitlines()


AWAY = {"time": "x", "level": "error", "message": "database away", "host": "db"}
REQUEST = {
    "level": "info", "message": "request", "method": "GET", "path": "/x", "status": 404,
    "duration_ms": 0.7, "request_id": "1",
}  # fmt: skip
DAYS = (-60, 12 * 3600 - 1, 12 * 3600 + 1)
"""Seconds from noon."""
CHECK = ContainerHealth(command=("CMD", "true"))
JST = timezone(timedelta(hours=9))
CREATED = replace(a.task(started=None), created=a.NOW.astimezone(JST))
STARTED = a.database(events=(LogLine(a.NOW + timedelta(seconds=5), "DB instance stopped"),))
SERVICE = a.service(events=(UNHEALTHY,))
SCREENS: dict[str, Callable[[], Iterable[str]]] = {
    **{f"status: {name}": lambda now=now: status(now) for name, now in STATUSES.items()},
    **{
        f"doctor: {name}": lambda now=now: plain(judge(now)).splitlines()
        for name, now in DIAGNOSES.items()
    },
    **{f"request path: {name}": lambda now=now: path(now) for name, now in PATHS.items()},
    **{f"preflight: {name}": lambda now=now: preflight(now) for name, now in PREFLIGHTS.items()},
    "doctor --json": lambda: as_json(as_dict(judge(a.stack(database=None, quota=a.DENIED)))),
    "doctor --json: the first roll-out": lambda: as_json(
        as_dict(judge(DIAGNOSES["the first roll-out"]))
    ),
    "doctor --json: a page that fails": lambda: as_json(as_dict(judge(SITUATIONS["page-errors"]))),
    "status --json": lambda: as_json(status_screen.as_dict(STATUSES["two tasks"])),
    "status --json: whether it is within the hours": lambda: as_json(
        {
            name: status_screen.as_dict(now)["in_hours"]
            for name, now in STATUSES.items()
            if "hours" in name
        }
    ),
    "status --json: a pause": lambda: as_json(status_screen.as_dict(SITUATIONS["stack-paused"])),
    "events --json": lambda: as_json(
        timeline_screen.as_dicts(Timeline((*of_tasks([CREATED]), *of_database(STARTED)), ()))
    ),
    "status --json: a worker": lambda: as_json(
        {**status_screen.as_dict(a.crashing_worker())["workers"]["mail"], "tasks": "…"}
    ),
    "events": lambda: timeline([*of_service(SERVICE), *of_tasks([ENDED])]),
    "events: of RDS, and what cannot be read": lambda: timeline(of_database(STARTED), a.DENIED),
    "events: of scaling": scaling,
    "events: of a worker": of_a_worker,
    "events: none": lambda: timeline(()),
    "events: of two time zones": lambda: timeline([*of_tasks([CREATED]), *of_database(STARTED)]),
    "logs": log,
    "pause": pause,
    "pause without a final snapshot": lambda: pause(databaseFinalSnapshot=""),
    "the gate": the_gate,
    "the page's timeline": lambda: as_json(page.timeline(tuple(of_tasks([ENDED])))),
    "the page's tasks": lambda: as_json(page.tasks(Case.of(a.stack(tasks=(ENDED,))))["ended"]),
    **{
        f"the page's tasks that run: {name}": lambda check=check, health=health: as_json(
            page.tasks(
                Case.of(a.stack(main=a.definition(health=check), tasks=(a.task(health=health),)))
            )["running"]
        )
        for name, check, health in (
            ("no check of its own", None, "UNKNOWN"),
            ("not checked yet", CHECK, "UNKNOWN"),
            ("unhealthy", CHECK, "UNHEALTHY"),
        )
    },
    **{
        f"the page's roll-outs: {name}": lambda service=service: as_json(
            page.rollouts(service, a.NOW)
        )
        for name, service in (
            ("begun", a.going()),
            ("done", a.service()),
            ("a canary", STATUSES["a canary"].service.value),
        )
    },
    "the page's timeline: a log": lambda: as_json(
        page.timeline(tuple(logged(AWAY, "plain words", REQUEST)))
    ),
    "the page's timeline: two days": lambda: as_json(
        page.timeline(
            tuple(timeline_screen.Event(a.at(day), "log", "a", verbatim("x")) for day in DAYS)
        )
    ),
    "the page's target group": lambda: as_json(page.group(Case.of(a.stack()))),
    "the page's processes": lambda: as_json(
        page.processes(Case.of(a.with_worker(job_runs.stack(job_runs.run(1)))))
    ),
    "the page's job without a run": lambda: as_json(page.processes(Case.of(job_runs.stack()))),
}


@cache
def spoken(name: str) -> Paragraphs:
    """Return the lines of a screen, in both languages and time zones where these differ."""
    both = []
    for zone, language in (("UTC", "en"), ("JST-9", "ja")):
        with clock(zone), in_language(language):
            both.append([line for text in SCREENS[name]() for line in text.split("\n")])
    return {"screen": with_japanese(*both)}


def section_of(name: str) -> str:
    """Return a screen as it is written."""
    names = list(SCREENS)
    group = name.partition(":")[0]
    earlier = [each for each in names[: names.index(name)] if each.partition(":")[0] == group]
    return section(name, earlier, spoken)


def recorded() -> dict[str, str]:
    return read(FILE)


if __name__ == "__main__":
    screen.now = lambda: a.NOW
    FILE.write_text(text(map(section_of, SCREENS)))
