"""Check running tasks by log, metrics and page: ECS keeps a task whose /health works and whose pages fail."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from ecs_gate.checks import answered_checks, connections, databases, logged
from ecs_gate.checks.containers import EXITED
from ecs_gate.checks.logged import APP_RAISES
from ecs_gate.diagnosis.case import Case
from ecs_gate.diagnosis.catalogue import (
    CRASH,
    DATABASE,
    LOG,
    NO_DATA,
    NO_DATABASE,
    NO_PASSWORD,
    PAGE,
    TASKS_NODE,
    Facts,
)
from ecs_gate.diagnosis.findings import Finding, Fix
from ecs_gate.diagnosis.known_causes import logged_cause
from ecs_gate.diagnosis.log_lines import (
    FAILURES_IN_A_ROW,
    LOCK_WAIT,
    FailingPath,
    Raised,
    errors,
    failing_paths,
    parsed,
    requests,
)
from ecs_gate.parts.elb import PageAnswer, answer
from ecs_gate.parts.records import Task
from ecs_gate.parts.task_logs import AWAY, MIGRATED, MIGRATING, REFUSED, UNMIGRATED, LogLine
from ecs_gate.text import Text, joined, t, verbatim

NO_PAGE = NO_DATA | {
    *(CRASH, "app-raises", "task-role-cannot-read-secret"),
    *("no-listener", "no-rule-forwards", "rule-in-the-way", "target-protocol"),
}
"""Why a visitor gets an error in place of the page."""

APP_CANNOT_MIGRATE = Facts("app-cannot-migrate", 45, {TASKS_NODE}, NO_DATABASE)
APP_DATABASE_AWAY = Facts(
    "app-database-away", 47, {DATABASE}, NO_PASSWORD | {LOG, "app-cannot-migrate"}, warms_up=True
)
PAGE_ERRORS = Facts("page-errors", 66, {TASKS_NODE}, NO_PAGE, subject=PAGE)
PAGE_SILENT = Facts("page-silent", 66, {TASKS_NODE}, NO_PAGE, subject=PAGE)
PAGE_UNAVAILABLE = Facts("page-unavailable", 66, {TASKS_NODE}, NO_PAGE, subject=PAGE, warms_up=True)
APP_REQUESTS_FAIL = Facts("app-requests-fail", 67, {TASKS_NODE}, NO_DATA | {PAGE})
APP_REQUESTS_FAILED = Facts("app-requests-failed", 67, {TASKS_NODE})


def database(case: Case) -> Iterator[Finding]:
    """Find a running app that lost its database and has not logged since that it reconnected."""
    page = case.now.page.value
    if not case.target.app.reconnects and page is not None and not page.missing:
        return
    for task in case.active_tasks:
        lost = [line for line in logged.current_lines(case, task) if AWAY in line.text]
        if lost:
            yield _lost(case, task, lost[-1])
            return


def _lost(case: Case, task: Task, line: LogLine) -> Finding:
    fields = parsed(line.text)
    seen = [t("Task {task} is running; this is in its log.", task=task.short)]
    if reason := fields.get("reason"):
        seen.append(verbatim(reason.splitlines()[0]))
    return Finding(
        APP_DATABASE_AWAY,
        title=t("The app has lost its database connection and has not reconnected"),
        why=t(
            "The health check does not use the database, so ECS keeps the task; the pages answer 503."
        ),
        seen=tuple(seen),
        fixes=(case.read_log(), *case.then_retry()),
        evidence=(line.text,),
    )


def new_connections(case: Case) -> Iterator[Finding]:
    """Find why an app gets no new connection while its page works on those that are open: a new task has none.

    Free ones may be lacking for its own pools only, which end with their tasks.
    """
    page = case.now.page.value
    status = _database(case, page) if page and not page.missing else None
    if status is None:
        return
    for task in case.current_tasks:
        lines = tuple(line.text for line in case.lines(task) if REFUSED in line.text)
        cause = logged_cause(lines[-1:])
        if cause is not None and cause.known.about == "database":
            seen = t("Task {task} is running; this is in its log.", task=task.short)
            finding = logged.of_log(case, cause, (seen, status), lines[-1:])
            own = cause.known.id == databases.FULL and not connections.are_of_others(case)
            yield replace(finding, kind="warning") if own else finding
            return


def migrations(case: Case) -> Iterator[Finding]:
    """Find a migration that has not run, by the app's last word of it, also of tasks that a rollback has stopped."""
    stopped = [task for task in case.deployment_tasks if task.over and task.stop_code != EXITED]
    for task in (*case.active_tasks, *(stopped if case.given_up else ())):
        words = (MIGRATING, UNMIGRATED, MIGRATED)
        lines = [line for line in case.lines(task) if any(word in line.text for word in words)]
        if lines and MIGRATED not in lines[-1].text:
            yield _unmigrated(case, lines[-1])
            return


def _unmigrated(case: Case, line: LogLine) -> Finding:
    fields = parsed(line.text)
    name = fields.get("migration", "")
    lines = fields.get("reason", "").splitlines()
    first = lines[0] if lines else "?"
    if name:
        title = t("Migration {name} fails: {words}", name=name, words=first)
        folder = case.target.app.folder
        file = f"{folder}/migrations/{name}" if folder else name
        text = t("Correct {file}, and deploy:", file=file)
    else:
        title = t("The app cannot migrate its database: {words}", words=first)
        text = t("Correct what PostgreSQL names, and deploy:")
    finding = Finding(
        APP_CANNOT_MIGRATE,
        title=title,
        why=t("The app keeps running, but pages that need the migration fail."),
        seen=(t("It is tried again every few seconds, and fails each time."),),
        fixes=(case.grant(first, migrates=True) or case.deploy(text),),
        evidence=tuple(lines) or (line.text,),
    )
    if LOCK_WAIT not in first and MIGRATING not in line.text:
        return finding
    # It may still succeed: it is the cause only where something fails for want of it, with a database.
    failing = [each for check in (failed_requests, page_fails) for each in check(case)]
    explained = (
        APP_CANNOT_MIGRATE.explains(each.facts) for each in failing if each.kind == "cause"
    )
    needed = any(explained) and not any(database(case))
    finding = replace(finding, kind="cause" if needed or case.given_up else "warning")
    if LOCK_WAIT in first:
        title = t("Migration {name} waits for a lock of another session", name=name or "?")
        fixes = (connections.end_transactions(case), *case.then_retry())
        return replace(finding, title=title, fixes=fixes)
    text = t("Wait for the log line `database migrated`. This lists the open transactions:")
    seen = t("It has begun with them. One takes long, or another session migrates or holds a lock.")
    fixes = (Fix(text, case.remedies.sql(connections.OPEN)), *case.then_retry())
    return replace(
        finding, title=t("The app has not ended its migrations"), seen=(seen,), fixes=fixes
    )


def failed_requests(case: Case) -> Iterator[Finding]:
    """Find requests that end with 5xx, in the logs of the newest deployment's tasks, else in CloudWatch.

    A cause: the newest FAILURES_IN_A_ROW requests for a path all ended with 5xx. A warning: fewer did, and none has
    ended well since. A path whose newest request ended well has recovered: nothing is said of it.
    Only where no request stands in the logs, the same is asked of the target group's minutes since the
    deployment; a minute in which some requests failed and others did not is a warning.
    """
    answers = [*requests(case.active_lines)]
    if failing := failing_paths(answers):
        yield from _by_log(case, failing)
    elif case.active_tasks and not answers:
        yield from _by_metrics(case)


def _by_log(case: Case, failing: Sequence[FailingPath]) -> Iterator[Finding]:
    worst = failing[0]
    lines = (line.text for line in _lines_of_failure(case, worst.path))
    mistake = worst.cause(case.raised(lines))
    seen = tuple(
        t(
            "{path}: the newest {failing} of {count} requests in the log ended with 5xx.",
            path=path.path,
            failing=path.failing,
            count=len(path.requests),
        )
        for path in sorted(failing, key=lambda path: -path.failing)[:3]
    )
    yield _failing(case, worst.text(mistake), seen, mistake, worst.path, cause=worst.fails)


def _lines_of_failure(case: Case, path: str) -> tuple[LogLine, ...]:
    """Return the running tasks' lines, oldest first, since the last request for ``path`` that ended well.

    Without those about a migration, which has a finding of its own.
    """
    lines = sorted(case.running_lines, key=lambda line: line.at)
    kept = logged.since_it_worked(case, path, lines)
    return tuple(line for line in kept if UNMIGRATED not in line.text)


def _by_metrics(case: Case) -> Iterator[Finding]:
    known, primary = case.now.measured.value, case.primary
    since = primary.updated if primary else None
    used = [minute for minute in known.minutes if minute.requests] if known else []
    minutes = [minute for minute in used if since is None or minute.at >= since]
    if not minutes or not minutes[-1].failed:
        return
    newest = minutes[-1]
    all_failed = 0
    for minute in reversed(minutes):
        if minute.failed < minute.requests:
            break
        all_failed += minute.failed
    seen = t(
        "{failed} of {count} requests ended with 5xx in the newest minute that had any (CloudWatch).",
        failed=newest.failed,
        count=newest.requests,
    )
    title = t("Requests end with 5xx")
    yield _failing(case, title, (seen,), None, "", cause=all_failed >= FAILURES_IN_A_ROW)


def _failing(
    case: Case,
    title: Text,
    seen: tuple[Text, ...],
    mistake: Raised | None,
    path: str,
    *,
    cause: bool,
) -> Finding:
    # What the app raises explains the page's own error; without it the page explains the requests.
    fails = APP_RAISES if mistake else APP_REQUESTS_FAIL
    lines = _lines_of_failure(case, path)
    return Finding(
        fails if cause else APP_REQUESTS_FAILED,
        kind="cause" if cause else "warning",
        title=title,
        why=t("The health check uses another path, so the targets stay healthy."),
        seen=seen,
        fixes=(case.correct_line(mistake) if mistake else case.read_log(),),
        evidence=(*(mistake.frame if mistake else ()), *errors(lines)),
    )


UNAVAILABLE = 503
"""The status of what is off for a while only (RFC 9110, 15.6.4), as an app that is warming up is."""


def page_fails(case: Case) -> Iterator[Finding]:
    page = case.now.page.value
    if page is None or not page.missing:
        return
    lines = _lines_of_failure(case, page.path)
    mistake = case.raised(line.text for line in lines)
    title = _title(page)
    if mistake and page.status == 500:
        title = joined(": ", (title, mistake.text))
    yield Finding(
        {0: PAGE_SILENT, UNAVAILABLE: PAGE_UNAVAILABLE}.get(page.status, PAGE_ERRORS),
        title=title,
        why=t(
            "The health check uses {check} only, so the targets are healthy; users get an error.",
            check=case.health_check.path if case.health_check else "-",
        ),
        seen=tuple(_seen(case, page)),
        fixes=(
            *((case.correct_line(mistake),) if mistake and page.status == 500 else ()),
            *_fixes(case, page),
        ),
        evidence=tuple(dict.fromkeys((*(mistake.frame if mistake else ()), *errors(lines)))),
    )


def _title(page: PageAnswer) -> Text:
    if page.status and page.problem:
        return answer(page.path, page.status, page.problem)
    if page.leads_to or (page.moves and not page.status):
        return t(
            "The page {path} redirects to {url}, which users cannot open",
            path=page.path,
            url=page.leads_to or page.ended_at,
        )
    if page.status == 0:
        return t("The page {path} does not answer", path=page.path)
    if page.endless:
        return t("The page {path} redirects without end", path=page.path)
    if page.status >= 500:
        return t("The page {path} answers with error {status}", path=page.path, status=page.status)
    return t(
        "The page {path} answers {status}, and {smokeMatcher} expects {matcher}",
        path=page.path,
        status=page.status,
        matcher=page.matcher,
    )


def _seen(case: Case, page: PageAnswer) -> Iterator[Text]:
    yield t(
        "GET {url}: {count} try; its result: {answer}.",
        "GET {url}: {count} tries; last result: {answer}.",
        url=page.url,
        count=page.tries,
        answer=verbatim("; ".join(filter(None, (str(page.status or ""), page.problem)))),
    )
    if page.followed:
        yield t("That is the answer of {url}, after redirects.", url=page.ended_at)
    if page.by_balancer:
        yield t("The load balancer itself gives it (Server: awselb/2.0), and not the app.")
    if database := _database(case, page):
        yield database


def _fixes(case: Case, page: PageAnswer) -> tuple[Fix, ...]:
    other = Fix(
        t(
            "If users open another page, set it ({smokePath}); with an empty value no page is requested."
        )
    )
    if page.by_balancer and not page.unanswered and not page.leads_to:
        return (_read_rules(case), other)
    if page.status and page.problem:
        mend = t(
            "Have the app send its whole answer, encoded as Content-Encoding says and Accept-Encoding asks, and deploy:"
        )
        return (case.deploy(mend, *case.remedies.logs()), other)
    if (page.status >= 500 and not page.followed) or not (page.status or page.moves):
        mend = t("Fix the error in the app's log, and deploy:")
        if not page.status:
            mend = t("Correct what the app waits for (its log tells what it did last), and deploy:")
        return (case.deploy(mend, *case.remedies.logs()), other)
    if page.leads_to or page.endless or not page.status:
        mend = t(
            "Correct the redirect in the app, and deploy. Behind a load balancer the scheme is in "
            "X-Forwarded-Proto, which werkzeug's ProxyFix reads:"
        )
        return (case.deploy(mend), *_https(case, page), other)
    if page.status == answered_checks.TOO_MANY:
        return (answered_checks.limited(case, page.path), other)
    mend = t(
        "Make the app answer {path} with {matcher}, and deploy:",
        path=page.path,
        matcher=page.matcher,
    )
    # A matcher that takes an error would call a dead page green.
    meant = t("If users should get {status} there, allow it:", status=page.status)
    allowed = case.configure("smokeMatcher", f"{page.matcher},{page.status}", meant)
    return (case.deploy(mend), *((allowed,) if page.status < 400 else ()), other)


def _read_rules(case: Case) -> Fix:
    """Return the fix of what the load balancer answers in the app's place, by what the doctor does not judge."""
    text = t(
        "A rule whose condition is not judged here answers in the app's place, or a web ACL of AWS WAF. See which, and "
        "have it let this page pass:"
    )
    balancer, listener = case.now.balancer.value, case.listener
    if balancer is None or listener is None:
        return Fix(text)
    rules = f"aws elbv2 describe-rules --listener-arn {listener.arn}"
    return Fix(text, (rules, f"aws wafv2 get-web-acl-for-resource --resource-arn {balancer.arn}"))


def _https(case: Case, page: PageAnswer) -> Iterator[Fix]:
    """Yield how the load balancer gets the listener to which the page redirects."""
    if (page.leads_to or page.ended_at).startswith("https:") and not case.target.page.https:
        text = t("Or give the load balancer a certificate of ACM's, with which it listens on 443:")
        yield case.configure("certificateArn", "ARN", text)


def page_answer(case: Case) -> Text | None:
    """Return what the page answered, in a line; None for an error."""
    page = case.now.page.value
    if page is None or page.fails:
        return None
    text = answer(page.path, page.status)
    if page.login:
        text = t(
            "GET {path} asks to log in at {issuer}, so nothing of the page itself was seen; to have it seen, request "
            "one of the paths that need no login.",
            path=page.path,
            issuer=case.target.login.issuer,
        )
    elif page.leads_to:
        text = t("GET {path} redirects to {url}.", path=page.path, url=page.leads_to)
    elif page.followed:
        text = t(
            "GET {path} leads to {url}, which answers {status}.",
            path=page.path,
            url=page.ended_at,
            status=page.status,
        )
    database = _database(case, page)
    return joined(" ", (text, database)) if database else text


def _database(case: Case, page: PageAnswer) -> Text | None:
    """Return the status of the app's database path in a sentence, where it has one that fails."""
    return answer(case.target.app.database_path, page.database) if page.refused else None
