"""All that the page shows, in one language, as ``/state`` answers it: plain values, chosen one by one."""

from collections import Counter
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from careapp.additions.checks import stages
from careapp.additions.parts.jobs import JOBS, Jobs
from careapp.additions.parts.pauses import paused
from careapp.additions.parts.settings import settings_of
from careapp.jobs.commands import NO_RUN, run_text
from careapp.rehearsal.page.request_path import request_path, target_of
from careapp.rehearsal.page.watching import Moment, Work
from careapp.watch.events import LABELS, Event, short
from careapp.watch.status import plain, worker
from ecs_gate.diagnosis import screen as doctor
from ecs_gate.diagnosis.case import Case
from ecs_gate.diagnosis.catalogue import JOB
from ecs_gate.diagnosis.findings import Diagnosis
from ecs_gate.diagnosis.log_lines import parsed
from ecs_gate.parts.elb import Condition, Rule
from ecs_gate.parts.records import Deployment, Service, Task
from ecs_gate.rollout.verdict import shifted
from ecs_gate.screen import short_time
from ecs_gate.text import Text, joined, t, verbatim


@dataclass(frozen=True)
class Summary:
    """``tone`` is one of good, bad, busy, calm; ``word`` says the same for those who see no colour."""

    tone: str
    word: Text
    headline: Text
    detail: Text


def verdict(seen: Moment) -> Summary:
    """Return the headline: what the engine deletes or creates, else the first cause, else the state of the roll-out."""
    case, diagnosis, work = seen.case, seen.diagnosis, seen.work
    if case is None or diagnosis is None:
        return _nothing(work)
    stage = stages.stage(case)
    if work.busy and (work.removing or stage in (stages.NOTHING, stages.FIRST)):
        return _at_work(case, stage, work)
    if stage == stages.NOTHING:
        return _nothing(work)
    if paused(case):
        return PAUSED
    if stage == stages.FIRST and not (diagnosis.causes or settings_of(case).ecs_enabled):
        return STAGE1
    return _judged(case, diagnosis)


def _nothing(work: Work) -> Summary:
    if work.busy:
        return _building(t("Stage 1 is being built"), work)
    return EMPTY


def _at_work(case: Case, stage: str, work: Work) -> Summary:
    if work.removing:
        text = t("{count} resource is left.", "{count} resources are left.", count=work.resources)
        return Summary("busy", t("at work"), t("Pulumi is destroying the stack"), text)
    second = stage == stages.FIRST and settings_of(case).ecs_enabled
    return _building(t("Stage 2 is being built") if second else t("Stage 1 is being built"), work)


def _building(headline: Text, work: Work) -> Summary:
    text = t("{count} resource so far.", "{count} resources so far.", count=work.resources)
    return Summary("busy", t("at work"), headline, text)


EMPTY = Summary(
    "calm",
    t("empty"),
    t("Nothing is deployed"),
    t("The local cloud runs and is empty. Resources appear here as they are created."),
)
PAUSED = Summary(
    "calm",
    t("paused"),
    t("The stack is paused"),
    t("No task runs and the database is stopped; ./careapp resume brings both back."),
)
STAGE1 = Summary(
    "calm",
    t("stage 1"),
    t("Stage 1 is deployed, ECS is off"),
    t("Network, database, image and load balancer exist; the page answers 503 and says why."),
)


def _judged(case: Case, diagnosis: Diagnosis) -> Summary:
    if diagnosis.causes:
        first = diagnosis.causes[0]
        if first.facts.subject == JOB:  # the page serves, whatever a job does
            return Summary("busy", t("careful"), first.title, first.why)
        return Summary("bad", t("broken"), first.title, first.why)
    service = case.service
    counts = t(
        "Running tasks: {running} of {desired}. Healthy targets: {healthy}.",
        running=service.running if service else 0,
        desired=service.desired if service else 0,
        healthy=sum(target.state == "healthy" for target in case.task_targets),
    )
    if diagnosis.incomplete:
        headline = t("Some parts could not be read")
        return Summary("busy", t("unknown"), headline, diagnosis.stage)
    if not case.steady:
        return Summary("busy", t("rolling out"), t("The roll-out is under way"), counts)
    return Summary("good", t("healthy"), t("Everything works"), counts)


STOPPED_SHOWN = 5


def links(case: Case, diagnosis: Diagnosis) -> dict[str, Any]:
    """Return state and reason of each connection and component on the request path, by its id."""
    return {
        name: _of(status, "state", "reason")
        for name, status in request_path(case, diagnosis).items()
    }


def tasks(case: Case) -> dict[str, Any]:
    """Return the tasks that run, each with its target's state, and the last ones that ended."""
    ended = [task for task in case.tasks if task.over]
    return {
        "running": [_running(case, task) for task in case.current_tasks],
        "ended": [_ended(task, case.now.at) for task in ended[:STOPPED_SHOWN]],
    }


def _running(case: Case, task: Task) -> dict[str, Any]:
    return _of(task, "status", "revision", "address") | {
        "id": task.short,
        "health": str(_health(case, task)),
        "target": _of(target_of(case, task), "state", "reason"),
    }


def _health(case: Case, task: Task) -> Text:
    """Return the health of the container. ECS says UNKNOWN before the first check, and of one without a check."""
    if task.health != "UNKNOWN":
        return verbatim(task.health)
    definition = (case.now.definitions.value or {}).get(task.definition)
    return t("not checked yet") if definition and definition.health else t("no check of its own")


def _ended(task: Task, now: datetime) -> dict[str, Any]:
    return {
        "id": task.short,
        "at": short_time(task.stopped, now) if task.stopped else "",
        "reason": short(task.reason) or task.status,
        "codes": ", ".join(map(str, task.exit_codes.values())),
        "revision": task.revision,
    }


def _of(record: object, *fields: str) -> dict[str, Any]:
    """Return some fields of a record."""
    return {name: plain(getattr(record, name)) for name in fields}


def balancer(case: Case) -> dict[str, Any] | None:
    """Return the load balancer with its listeners and rules; None without one."""
    balancer = case.now.balancer.value
    if balancer is None:
        return None
    listeners = [
        {
            "name": f"{listener.protocol} {listener.port}",
            "rules": [_rule(rule) for rule in listener.rules],
        }
        for listener in balancer.listeners
    ]
    return _of(balancer, "name", "dns", "scheme", "state") | {"listeners": listeners}


def _rule(rule: Rule) -> dict[str, Any]:
    groups = ", ".join(arn.split("/")[1] for arn in rule.groups)
    then = f"{rule.action} → {groups}" if groups else rule.action
    return {
        "priority": rule.priority,
        "when": "; ".join(map(_when, rule.conditions)) or str(t("everything else")),
        "then": f"authenticate-oidc, {then}" if rule.login else then,
    }


def _when(condition: Condition) -> str:
    if condition.field == "http-header":
        return condition.field  # The value that leads to a new version is a secret.
    values = ", ".join(condition.values)
    return values if condition.field == "path-pattern" else f"{condition.field}: {values}"


def group(case: Case) -> dict[str, Any] | None:
    """Return the target group: its health check, and its targets; None without one."""
    group = case.now.group.value
    if group is None:
        return None
    return {
        "name": group.name,
        "check": str(_check(case)),
        "targets": plain(case.now.targets.value) or [],
    }


def _check(case: Case) -> Text:
    check = case.health_check
    if check is None or not check.enabled:
        return t("No health check.")
    return t(
        "{protocol} {path}, expects {matcher}; every {interval} s, at most {timeout} s; "
        "healthy after {healthy}, unhealthy after {unhealthy}",
        **vars(check),
    )


def database(case: Case) -> dict[str, Any] | None:
    """Return the DB instance, without its secret; None without one."""
    database = case.now.database.value
    if database is None:
        return None
    address = f"{database.address}:{database.port}" if database.address else ""
    shown = _of(database, "id", "status", "version", "kind", "multi_az", "storage_gb")
    return shown | {"address": address}


def processes(case: Case) -> list[dict[str, str]]:
    """Return the workers with their states, and the jobs with their schedules and last runs."""
    jobs = case.now.of(JOBS).value or Jobs()
    rows = [(each.process, worker(each)) for each in case.workers]
    for name, schedule in jobs.schedules.items():
        last = next((run_text(run) for run in jobs.runs if run.job == name), NO_RUN)
        schedule_text = schedule.expression if schedule else "-"
        rows.append((name, joined(". ", (verbatim(schedule_text), last))))
    return [{"name": name, "text": str(text)} for name, text in rows]


def stores(case: Case) -> dict[str, Any]:
    """Return what ECS starts a task from: image, names of secrets, log group."""
    image, secrets, log = case.now.image.value, case.now.secrets.value, case.now.logs.value
    name = (
        case.definition.image.rpartition("/")[2] if case.definition else case.now.names.repository
    )
    return {
        "image": {**plain(image), "name": name} if image else None,
        "secrets": [arn.rpartition(":")[2] for arn in secrets or ()],
        "log": _of(log, "group", "exists") if log else None,
    }


def alarms(case: Case) -> dict[str, Any] | None:
    """Return the number of alarms, and those in ALARM; None where they are not read."""
    alarms = case.now.alarms.value
    if alarms is None:
        return None
    return {
        "count": len(alarms),
        "ringing": [_of(alarm, "name", "reason") for alarm in alarms if alarm.state == "ALARM"],
    }


SHOWN = 160
"""Lines of the timeline."""
LONGEST = 600
"""Characters of a line of the timeline."""
HEAD = ("time", "level", "message", "logger")
"""Fields of the app's log lines that the page shows apart, or that repeat what the timeline says."""


def state(seen: Moment) -> dict[str, Any]:
    """Return the page's state in one language."""
    summary, case, diagnosis = verdict(seen), seen.case, seen.diagnosis
    content: dict[str, Any] = {
        "stack": f"{seen.work.project}-{seen.work.stack}",
        "project": seen.work.project,
        "stacks": list(seen.stacks),
        "chosen": seen.work.stack,
        "verdict": plain(summary),
        "begin": begin(seen.work.stack) if summary is EMPTY else [],
        "engine": {"busy": seen.work.busy, "resources": seen.work.resources},
        "stage": stages.NOTHING,
        "timeline": timeline(seen.events),
    }
    if case is None or diagnosis is None:
        return content
    stage = stages.stage(case)
    if seen.work.busy and stage != stages.SECOND:
        # The stage is incomplete: what the doctor does not find is being created or deleted.
        diagnosis = replace(diagnosis, findings=())
    return content | {
        "region": case.now.region,
        "stage": stage,
        "links": links(case, diagnosis),
        "balancer": balancer(case),
        "group": group(case),
        "tasks": tasks(case),
        "processes": processes(case),
        "database": database(case),
        "stores": stores(case),
        "alarms": alarms(case),
        "rollouts": rollouts(case.service, seen.at) if case.service else [],
        "doctor": doctor.as_dict(diagnosis),
    }


def begin(stack: str) -> list[str]:
    """Return the commands that deploy a stack in a local cloud that stays."""
    return [f"./careapp shell pulumi stack init {stack}", f"./careapp shell pulumi up -s {stack}"]


def rollouts(service: Service, at: datetime) -> list[dict[str, Any]]:
    """Return the service's deployments as ECS lists them, the primary one with its share of the requests."""
    return [
        _of(
            deployment,
            "status",
            "revision",
            "rollout",
            "reason",
            "desired",
            "running",
            "pending",
            "failed",
        )
        | {
            "id": deployment.id.rpartition("/")[2],
            "shifted": str(_shifted(service, deployment)),
            "seconds": _seconds(deployment, at),
        }
        for deployment in service.deployments
    ]


def _shifted(service: Service, deployment: Deployment) -> Text | str:
    traffic = service.traffic
    return shifted(traffic, deployment.revision) if traffic and deployment.primary else ""


def _seconds(deployment: Deployment, at: datetime) -> int:
    """Return how many seconds a deployment took, or has taken until now."""
    end = deployment.updated if deployment.rollout in ("COMPLETED", "FAILED") else at
    return max(0, round((end - deployment.created).total_seconds()))


def timeline(events: tuple[Event, ...]) -> list[dict[str, Any]]:
    """Return the lines of the timeline, the newest first; a line keeps its ``key`` while others come and go.

    Of more than one day, the newest line of each has its ``day``.
    """
    entries, known = [], Counter[str]()
    for event in events[-SHOWN:]:
        key = f"{event.at.isoformat()} {event.kind} {event.who}"
        known[key] += 1
        entries.append(_line(event) | {"key": f"{key} {known[key]}"})
    days = [f"{event.at.astimezone():%Y-%m-%d}" for event in events[-SHOWN:]]
    for number, (line, day) in enumerate(zip(entries, days, strict=True)):
        newest = day not in days[number + 1 :]
        line["day"] = day if newest and len(set(days)) > 1 else ""
    return entries[::-1]


def _line(event: Event) -> dict[str, Any]:
    text, more, level = _words(event)
    return {
        "at": event.at.isoformat(),
        "time": f"{event.at.astimezone():%H:%M:%S}",
        "kind": event.kind,
        "label": str(LABELS[event.kind]),
        "who": event.who,
        "level": level if level not in ("info", "debug") else "",
        "text": text[:LONGEST],
        "more": more[:LONGEST],
        "bad": event.bad or level in ("error", "critical"),
    }


def _words(event: Event) -> tuple[str, str, str]:
    """Return an event's text, its further fields and its level; of a request the method, the path and the status."""
    text = str(event.text)
    fields = parsed(text) if event.kind == "log" else {}
    level = fields.get("level", "")
    if fields.get("message") == "request" and {"method", "path", "status"} <= fields.keys():
        line = f"{fields['method']} {fields['path']} → {fields['status']}"
        return line, f"{fields['duration_ms']} ms" if "duration_ms" in fields else "", level
    more = " ".join(f"{key}={value}" for key, value in fields.items() if key not in HEAD)
    return fields.get("message", text), more, level
