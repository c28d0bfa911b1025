"""Name the cause that a line of a log names, and its fix: it beats what a status, a time or an exit code suggests."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import islice

from ecs_gate.checks import connections, databases
from ecs_gate.diagnosis.case import Case
from ecs_gate.diagnosis.catalogue import NO_DATA, TASKS_NODE, Facts
from ecs_gate.diagnosis.findings import Finding, Fix
from ecs_gate.diagnosis.known_causes import (
    ANOTHER_HOST,
    NEW_CERTIFICATE,
    LoggedCause,
    logged_cause,
    own_lines,
)
from ecs_gate.diagnosis.log_lines import failing_paths, raised, requests
from ecs_gate.parts.rds import Database
from ecs_gate.parts.records import Task
from ecs_gate.parts.task_logs import AWAY, BACK, REFUSED, UNMIGRATED, LogLine
from ecs_gate.screen import zoned_time
from ecs_gate.text import Text, t
from ecs_gate.text.masking import names_a_secret

APP_RAISES = Facts("app-raises", 63, {TASKS_NODE}, NO_DATA)

CHAINED = re.compile(r"the direct cause of the following exception|another exception occurred:$")
"""What Python says between two tracebacks of one error."""


def named(case: Case) -> Iterator[Finding]:
    """Find what a log names where tasks, the health check, the page or others fail, whichever version wrote it."""
    others = (task for task in case.current_tasks if task not in case.deployment_tasks)
    for tasks in (case.deployment_tasks, others):
        findings = (finding for task in tasks for finding in _of_task(case, task))
        yield from islice(sorted(findings, key=lambda finding: finding.kind != "cause"), 1)


def _of_task(case: Case, task: Task) -> Iterator[Finding]:
    """Yield what the task's log names, if that can be why something fails now."""
    mine = task in case.deployment_tasks
    path = _failing_path(case, task)
    page = case.target.page.path or "/"
    lines = [line.text for line in current_lines(case, task, path if mine else path or page)]
    # These have checks of their own, in running; of REFUSED only where the app has a path that tells of it.
    others = (UNMIGRATED, *([REFUSED] if case.target.app.database_path else []))
    lines = [line for line in lines if not any(other in line for other in others)]
    healthy = () if path else case.serving_texts
    cause = logged_cause(lines, healthy)
    seen = t(
        "This is in the log of task {task} ({revision}).", task=task.short, revision=task.revision
    )
    checks = tuple(check.words for check in case.failed_checks) if mine else ()
    if cause is not None:
        finding = of_log(case, cause, (seen,), (cause.line, *checks))
        if path or _blames(case, task, cause):
            if not (path and _raised_since(lines, cause)):
                yield finding
        elif mine and cause.known.about == "database" and _is_recent(case, task, cause):
            yield replace(finding, kind="warning")
        return
    mistake = case.raised(own_lines(lines, healthy))
    if (
        mistake
        and mine
        and _tasks_fail(case)
        and case.failed_checks
        and task.stop_code != "EssentialContainerExited"
    ):
        yield Finding(
            APP_RAISES,
            title=mistake.text,
            why=t("The app raises this while it starts, or on the health check's path."),
            seen=(seen,),
            fixes=(case.correct_line(mistake), *case.retry_if_fixed()),
            evidence=(*mistake.frame, *checks),
        )


RECENT = timedelta(minutes=10)


def _is_recent(case: Case, task: Task, cause: LoggedCause) -> bool:
    """Return whether a running task has just logged this, though what is asked of it works.

    An app may answer by the connections that it has, and get no new one. What passes by itself does not count.
    """
    logged = max((line.at for line in case.lines(task) if line.text == cause.line), default=None)
    lately = logged is not None and case.at - logged <= RECENT
    return lately and not task.over and not cause.known.warms_up and not case.target.app.reconnects


def _blames(case: Case, task: Task, cause: LoggedCause) -> bool:
    """Return whether a line of this task can be why something fails, where no path of it fails.

    Of a page that works only an app is believed about its database that says, too, when it is back, but not
    that it is fast again.
    """
    page, mine = case.now.page.value, task in case.deployment_tasks
    if mine and _tasks_fail(case):
        return True
    slow = cause.known.warms_up and AWAY not in cause.line
    trusted = page is None or (case.target.app.reconnects and not slow)
    current = mine and not task.over
    return cause.known.about == "database" and trusted and (current or _tasks_fail(case))


def _failing_path(case: Case, task: Task) -> str:
    """Return the path that fails by an error of the app's while this task runs; "" without one.

    That is the page, whose status below 500 names its error itself, or else one whose requests fail in the newest
    deployment's log: users open others than the one that is asked here.
    """
    page = case.now.page.value
    if task.over:
        return ""
    if page is not None and page.missing:
        by_app = page.status >= 500 or not page.status or page.problem
        return (case.target.page.path or "/") if by_app else ""
    failing = failing_paths(requests(case.active_lines)) if task in case.deployment_tasks else ()
    return next((path.path for path in failing if path.fails), "")


def _tasks_fail(case: Case) -> bool:
    """Return whether tasks of the expected revision fail otherwise than by a status that names the error itself."""
    by_status = any(check.codes and check.codes[0] < 500 for check in case.failed_checks)
    failed = case.given_up or (case.unsteady and (case.failed_tasks or case.failed_checks))
    return bool(failed) and not by_status


def current_lines(case: Case, task: Task, path: str = "") -> tuple[LogLine, ...]:
    """Return the lines since the last reconnection, and for a ``path`` that may fail, since it last ended well.

    Of before a gap only what the log says of losing the database: what takes that back was looked for in it.
    """
    logs, lines = case.now.logs.value, case.lines(task)
    if resumed := logs.resumed.get(task.id) if logs else None:
        lines = tuple(e for e in lines if e.at >= resumed or AWAY in e.text or BACK in e.text)
    back = [index for index, line in enumerate(lines) if BACK in line.text]
    lines = lines[back[-1] + 1 :] if back else lines
    return tuple(since_it_worked(case, path, lines)) if path else lines


def since_it_worked(case: Case, path: str, lines: Sequence[LogLine]) -> Iterator[LogLine]:
    """Yield the lines since a running task last answered ``path`` well: those before are of another fault."""
    told = dict.fromkeys((*case.running_lines, *lines))
    answered = requests(sorted(told, key=lambda line: line.at))
    same_path = [request for request in answered if request.path == path.partition("?")[0]]
    well = max((request.at for request in same_path if request.status < 500), default=None)
    return (line for line in lines if well is None or line.at > well)


def _raised_since(lines: list[str], cause: LoggedCause) -> bool:
    """Return whether another error than that of the line was raised after it."""
    after = lines[len(lines) - lines[::-1].index(cause.line) :]
    return raised(after) is not None and not any(map(CHAINED.search, after))


def of_log(
    case: Case, cause: LoggedCause, seen: tuple[Text, ...], evidence: tuple[str, ...]
) -> Finding:
    """Return the finding of a cause that a line names; what only a change of the program mends is deployed."""
    if cause.known.id == "wrong-password":
        for finding in databases.refused_secret(case, cause.what):
            return replace(finding, seen=(*seen, *finding.seen), evidence=evidence)
    outside = cause.known.about == "database" and cause.known.passes
    again = case.then_retry() if outside else case.retry_if_fixed()
    return Finding(
        cause.known.facts,
        title=cause.title,
        why=ANOTHER_HOST if _is_another_host(case, cause) else Text(cause.known.why),
        seen=(*seen, *_measured(case, cause)),
        fixes=(fix(case, cause), *again),
        evidence=evidence,
    )


def _measured(case: Case, cause: LoggedCause) -> Iterator[Text]:
    """Yield the numbers of connections, or until when the database's certificate is valid."""
    database = case.now.database.value
    if cause.known.id == databases.FULL:
        yield from databases.numbers(case)
    if cause.known.id.startswith("certificate") and database and database.certified_until:
        yield t(
            "The certificate of {id} is valid until {time}.",
            id=database.id,
            time=zoned_time(database.certified_until),
        )


def fix(case: Case, cause: LoggedCause) -> Fix:
    if cause.known.about == "database":
        return _of_database(case, cause, case.now.database.value)
    if cause.known.id == "variable-missing":
        return _set_variable(case, cause)
    text = cause.fix
    return case.refresh(text) if cause.known.drifts else case.deploy(text)


def _of_database(case: Case, cause: LoggedCause, database: Database | None) -> Fix:
    known, text = cause.known, cause.fix
    if known.id == databases.FULL and database:
        # RDS keeps slots for rds_superuser, so for its master user, which is the app's, too: it has taken them (AWS
        # re:Post, "FATAL: remaining connection slots are reserved for non replicate superuser connections").
        which = f"--db-instance-identifier {database.id}"
        restart = (
            f"aws rds reboot-db-instance {which}",
            f"aws rds wait db-instance-available {which}",
        )
        return Fix(text, (*restart, *case.remedies.sql(databases.WHO)))
    if known.id in ("database-timeout", "database-slow"):
        return connections.end_transactions(case, text)
    if known.id == "wrong-password":
        return _other_password(case, cause)
    # libpq leaves out that it has expired, or is not valid yet, and RDS tells.
    until = database.certified_until if database else None
    ended = known.id == "certificate-time" or (until is not None and until <= case.at)
    if known.id.startswith("certificate") and database and ended:
        command = (
            f"aws rds modify-db-instance --db-instance-identifier {database.id} "
            f"--ca-certificate-identifier {database.authority or 'rds-ca-rsa2048-g1'} "
            "--certificate-rotation-restart --apply-immediately"
        )
        return Fix(NEW_CERTIFICATE, (command,))
    if known.id == "no-tls" and "DB_SSLMODE" in case.target.plan.variables:
        change = case.remedies.set("appVariables.DB_SSLMODE", "verify-full")
        return case.deploy(text, *change)
    if _is_another_host(case, cause):
        text = t(
            "Set the variable from which the app reads the host to the database's host, and deploy:"
        )
        declared = case.target.plan.variables
        return case.deploy(text, *case.remedies.connect(_with_host(declared, cause.what)))
    return case.deploy(text) if not known.passes else Fix(text)


OF_HOST = ("database-elsewhere", "host-unknown")
"""Causes whose ``what`` is the host for which the app asks."""


def _is_another_host(case: Case, cause: LoggedCause) -> bool:
    """Return whether the app asks for another host than the database's."""
    database = case.now.database.value
    if cause.known.id not in OF_HOST or database is None or case.target.app.reconnects:
        return False
    return cause.what != database.address


def _with_host(declared: Mapping[str, str], host: str) -> dict[str, str]:
    """Return the variable that has another host, in a URL or alone, with the database's; NAME where it is not known."""
    of_url = re.compile(rf"(?<=@){re.escape(host)}(?=[:/?]|$)")
    for name, text in declared.items():
        if text == host or of_url.search(text):
            return {name: of_url.sub("${DB_HOST}", text) if text != host else "${DB_HOST}"}
    return {"NAME": "${DB_HOST}"}


def _other_password(case: Case, cause: LoggedCause) -> Fix:
    """Return the fix that makes the app's password and the database's the same.

    RDS keeps the master user's password in the secret; that of another user is set by psql, which asks for it.
    """
    database, user = case.now.database.value, cause.what
    if database is None or not user:
        return Fix(cause.fix)
    if user != database.user:
        text = t(
            "Set the password of {user} to the one in the app's secret; psql asks for it:",
            user=user,
        )
        return Fix(text, case.remedies.sql(f"\\password {user}"))
    if _older_than_password(case, database):
        text = t(
            "RDS has rotated the password since these tasks started, and the app keeps the one that it started with. "
            "Start new tasks, which read it:"
        )
        return Fix(text, case.remedies.retry())
    return databases.rotated(case, database)


def _older_than_password(case: Case, database: Database) -> bool:
    """Return whether the running tasks started before the last rotation, and keep the password of then."""
    secret = (case.now.secrets.value or {}).get(database.secret)
    started = [task.started for task in case.current_tasks]
    if case.target.app.reconnects or secret is None or secret.rotated is None or not started:
        return False
    return all(start is not None and start < secret.rotated for start in started)


ADDRESS = re.compile(r"(DATABASE|DB|POSTGRES\w*|SQLALCHEMY\w*)_(URL|URI|DSN)")
"""Variables with the whole address of the database. The password, which RDS changes, is not in it."""


def _address_part(name: str) -> dict[str, str]:
    """Return the variables, with placeholders, that give the app its part of the database's address; {} for others."""
    if ADDRESS.fullmatch(name):
        address = "postgresql://${DB_USER}@${DB_HOST}:${DB_PORT}/${DB_NAME}?sslmode=require"
        return {name: address, "PGPASSWORD": "${DB_PASSWORD}"}
    match = databases.OF_DATABASE.fullmatch(name)
    return {name: f"${{DB_{str(match.lastgroup).upper()}}}"} if match else {}


def _set_variable(case: Case, cause: LoggedCause) -> Fix:
    """Return the fix of a missing variable: in the program, or as a secret where it was one, or its name is one's."""
    name, given = cause.what, case.target.plan
    before = [
        definition.secrets[name]
        for definition in (case.now.definitions.value or {}).values()
        if name in definition.secrets
    ]
    if name in {*given.made, *given.variables, *given.secrets, *given.passwords}:
        text = t(
            "Set {name} again ({container}), and deploy:",
            name=name,
        )
        return case.deploy(text)
    if values := _address_part(name):
        text = t("Set it to its part of the database's address, and deploy:")
        return case.deploy(text, *case.remedies.connect(values))
    secret = case.remedies.set(f"appSecrets.{name}", before[0] if before else "ARN")
    if before:
        text = t("{name} was a secret of an earlier version; set it again, and deploy:", name=name)
        return case.deploy(text, *secret)
    if not names_a_secret(name):
        return case.deploy(cause.fix)
    text = t(
        "{name} is a secret by its name: store it in Secrets Manager, give its ARN, which the first command prints, to "
        "the app ({setting}), and deploy:",
        name=name,
        setting=case.remedies.called(f"appSecrets.{name}"),
    )
    stored = f"aws secretsmanager create-secret --name {case.now.names.label}/{name} --secret-string file://FILE"
    return case.deploy(text, stored, *secret)
