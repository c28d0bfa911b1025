"""Failed health checks: what the app answered, or why it did not."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from ops.checks.case import Case
from ops.checks.databases import away
from ops.checks.hops import task_to_database
from ops.checks.loglines import Listening, listening, slowest
from ops.findings import Finding, Fix
from ops.snapshot.records import Check, Task
from ops.texts import Text, t

ROUND = 30
"""Seconds to which a proposed grace period is rounded up."""


def codes(case: Case) -> Iterator[Finding]:
    """The app answers the health check, but not with the status that is wanted."""
    found = [each for each in case.sick if each.codes]
    if not found or case.check is None:
        return
    code, path = found[0].codes[0], case.check.path
    seen = t(
        "GET {path} answers {code}; healthy is {matcher}.",
        path=path,
        code=code,
        matcher=case.check.matcher,
    )
    title, why, fixes, rank, name = _answered(case, case.check, code)
    yield Finding(
        id=name,
        kind="cause",
        rank=rank,
        title=title,
        why=why,
        seen=(seen, *_database(case, code)),
        fixes=fixes,
        evidence=tuple(each.words for each in found),
    )


Answer = tuple[Text, Text, tuple[Fix, ...], int, str]


def _answered(case: Case, check: Check, code: int) -> Answer:
    path, matcher = check.path, check.matcher
    right = case.now.declared.default("healthPath") or "/health"
    asks = _asks(case, right, check)
    if 300 <= code < 400:
        why = t(
            "The load balancer does not follow redirects when it checks: "
            "an answer outside {matcher} counts as a failure.",
            matcher=matcher,
        )
        title = t("The health check's path {path} redirects ({code})", path=path, code=code)
        return title, why, (asks,), 62, "health-redirects"
    if code in (404, 405):
        why = t("The app has no such page, so the load balancer takes every task for ill.")
        title = t("The health check asks for {path}, which the app does not have", path=path)
        return title, why, (asks,), 62, "health-path-missing"
    if code in (401, 403):
        why = t("The load balancer cannot log in.")
        title = t("The health check's path {path} wants a login ({code})", path=path, code=code)
        return title, why, (asks,), 62, "health-forbidden"
    if code >= 500 and path != right and _database_away(case):
        why = t(
            "A health check that asks the database makes ECS replace every task when the database "
            "is away, and new tasks are no better. {right} answers without it.",
            right=right,
        )
        title = t("The health check's path {path} needs the database, which is away", path=path)
        return title, why, (asks,), 38, "health-needs-database"
    return _other_code(case, check, code, asks)


def _database_away(case: Case) -> bool:
    return away(case) or any(True for _ in task_to_database(case))


def _other_code(case: Case, check: Check, code: int, asks: Fix) -> Answer:
    path, matcher = check.path, check.matcher
    right = case.now.declared.default("healthPath")
    logs = Fix(t("See what the app says about it:"), (f"./careapp logs -s {case.now.names.stack}",))
    if code >= 500:
        why = t("The app itself reports an error on this path.")
        title = t("The health check's path {path} answers with error {code}", path=path, code=code)
        fixes = (logs,) if path == right else (asks, logs)
        return title, why, fixes, 62, "health-errors"
    why = t("The load balancer takes every other status for a failure.")
    title = t(
        "The app answers {code} on {path}, and healthy is {matcher}",
        code=code,
        path=path,
        matcher=matcher,
    )
    if case.now.declared.default("healthMatcher") == matcher:
        return title, why, (asks, logs), 62, "health-matcher"
    default = case.now.declared.default("healthMatcher") or "200"
    fix = case.set("healthMatcher", default, t("Ask for the status that the app gives:"))
    return title, why, (fix,), 62, "health-matcher"


def _asks(case: Case, right: str, check: Check) -> Fix:
    if check.path != right:
        return case.set("healthPath", right, t("Ask for {right}:", right=right))
    return Fix(
        t("Let the app answer {matcher} on {path}, and deploy:", matcher=check.matcher, path=right),
        (f"pulumi up -s {case.now.names.stack}",),
    )


def _database(case: Case, code: int) -> tuple[Text, ...]:
    found = case.now.database.value
    if code >= 500 and found is not None and away(case):
        return (t("DB instance {id} is {status}.", id=found.id, status=found.status),)
    return ()


def timeouts(case: Case) -> Iterator[Finding]:
    """The connection comes about or not; without a closed rule it is the app that is slow."""
    found = [each for each in case.sick if each.kind == "timeout"]
    if not found or case.check is None:
        return
    check = case.check
    tasks = [*case.failed, *case.alive]
    measured = max(
        (each for task in tasks if (each := slowest(case.lines(task), check.path))), default=None
    )
    seen = [t("No answer to GET {path} within {limit} s.", path=check.path, limit=check.timeout)]
    if measured is not None:
        seen.append(
            t("The app's log tells of an answer that took {time} s.", time=f"{measured:.1f}")
        )
    yield Finding(
        id="health-slow",
        kind="cause",
        rank=64,
        title=t("The app answers the health check too late"),
        why=t(
            "The load balancer waits {limit} s (healthTimeout), then takes the check as failed.",
            limit=check.timeout,
        ),
        seen=tuple(seen),
        fixes=_patience(case, check, measured),
        evidence=tuple(each.words for each in found),
    )


def _patience(case: Case, check: Check, measured: float | None) -> tuple[Fix, ...]:
    stack, right = case.now.names.stack, case.now.declared.default("healthPath")
    wait = min(120, max(check.timeout * 3, int((measured or 0) * 2) + 1))
    longer = Fix(
        t("Wait longer, with checks further apart:"),
        (
            f"pulumi config set healthInterval {max(check.interval, wait + 5)} -s {stack}",
            f"pulumi config set healthTimeout {wait} -s {stack}",
            f"pulumi up -s {stack}",
        ),
    )
    if right and check.path != right:
        return (case.set("healthPath", right, t("Ask for {right}:", right=right)), longer)
    return (
        Fix(t("Make {path} quick: it should do nothing but answer.", path=check.path)),
        longer,
    )


def refusals(case: Case) -> Iterator[Finding]:
    """Nobody answers on the port: another port, another protocol, or too early."""
    found = [each for each in case.sick if each.kind == "failed"]
    container = case.reasons("failed container health checks")
    if (not found and not container) or case.main is None or case.sick_codes:
        return
    evidence = tuple(each.words for each in found) or container
    for task in (*case.alive, *case.failed):
        heard = listening(case.lines(task))
        if heard is not None:
            yield from _elsewhere(case, heard, evidence)
            yield from _late(case, task, heard, evidence)
            return
    for task in case.failed or case.alive:
        yield _silent(case, task, evidence)
        return


def _elsewhere(case: Case, heard: Listening, evidence: tuple[str, ...]) -> Iterator[Finding]:
    service, main, check = case.service, case.main, case.check
    port = service.port if service else None
    if service is None or main is None or port is None or check is None:
        return
    asked = int(check.port) if check.port.isdigit() else port
    if heard.port != asked:
        yield Finding(
            id="port-mismatch",
            kind="cause",
            rank=60,
            title=t(
                "The app listens on port {heard}, and is asked on port {asked}",
                heard=heard.port,
                asked=asked,
            ),
            why=t("Nobody listens where the load balancer knocks: the connection is refused."),
            seen=(
                t("Container port {port}, health check port {check}.", port=port, check=check.port),
                t("PORT is {value} in {revision}.", value=main.environment.get("PORT", "-"),
                  revision=main.revision),
            ),
            fixes=_ports(case, heard.port, port, check),
            evidence=(heard.line, *evidence),
        )  # fmt: skip
    elif check.protocol != "HTTP":
        yield Finding(
            id="health-protocol",
            kind="cause",
            rank=60,
            title=t("The health check speaks {protocol}, the app HTTP", protocol=check.protocol),
            why=t("The app does not understand the question and closes the connection."),
            seen=(t("The target group's health check uses {protocol}.", protocol=check.protocol),),
            fixes=(case.declared_again(),),
            evidence=(heard.line, *evidence),
        )


def _ports(case: Case, heard: int, port: int, check: Check) -> tuple[Fix, ...]:
    stack = case.now.names.stack
    if check.port.isdigit() and heard == port:
        arn = case.now.group.value.arn if case.now.group.value else ""
        command = f"aws elbv2 modify-target-group --target-group-arn {arn} --health-check-port traffic-port"
        return (Fix(t("Check the port that gets the traffic:"), (command,)), case.declared_again())
    return (
        Fix(
            t(
                "Let the app listen on PORT, which the task definition sets to containerPort, "
                "and deploy:"
            ),
            (f"pulumi up -s {stack}",),
        ),
        case.set("containerPort", str(heard), t("Or declare the port that it listens on:")),
    )


def _late(case: Case, task: Task, heard: Listening, evidence: tuple[str, ...]) -> Iterator[Finding]:
    service = case.service
    if service is None or task.started is None:
        return
    took = (heard.at - task.started).total_seconds()
    if took > service.grace:
        yield _slow(case, t("The app listened {took} s after its task's start.", took=round(took)),
                    took, (heard.line, *evidence))  # fmt: skip


def _silent(case: Case, task: Task, evidence: tuple[str, ...]) -> Finding:
    """The app never said that it listens: it was stopped before, or it does not say so."""
    end = task.stopping or task.stopped or _last_line(case, task)
    lived = (end - task.started).total_seconds() if end and task.started else 0.0
    seen = t("Task {task}: nobody listened within {lived} s.", task=task.short, lived=round(lived))
    lines = tuple(each.text for each in case.lines(task)[-4:])
    return _slow(case, seen, lived * 2, (*lines, *evidence))


def _slow(case: Case, seen: Text, needed: float, evidence: tuple[str, ...]) -> Finding:
    grace = case.service.grace if case.service else 0
    longer = int(max(needed * 1.5, grace * 2, ROUND) // ROUND + 1) * ROUND
    return Finding(
        id="slow-start",
        kind="cause",
        rank=64,
        title=t("The app starts more slowly than ECS waits"),
        why=t(
            "For healthGracePeriod ({grace} s) after its start ECS ignores that a task is ill; "
            "then it stops it.",
            grace=grace,
        ),
        seen=(seen,),
        fixes=(
            case.set("healthGracePeriod", str(longer), t("Wait longer after the start:")),
            Fix(t("Or make the app listen sooner: move slow work behind the start.")),
        ),
        evidence=evidence,
    )


def _last_line(case: Case, task: Task) -> datetime | None:
    lines = case.lines(task)
    return lines[-1].at if lines else None
