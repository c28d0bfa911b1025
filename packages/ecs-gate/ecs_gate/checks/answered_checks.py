"""Check failed health checks with a wrong status or a timeout."""

import re
from collections.abc import Iterator

from ecs_gate.diagnosis.case import Case
from ecs_gate.diagnosis.catalogue import CRASH, FORWARD, LOG, NO_DATA, TO_DATABASE, Facts
from ecs_gate.diagnosis.findings import Finding, Fix
from ecs_gate.diagnosis.log_lines import asked_path
from ecs_gate.facts.elb import matches
from ecs_gate.target import HealthCheck
from ecs_gate.text import Text, t

# An app that is warming up may answer 503, a busy one 429.
HEALTH_ERRORS = Facts("health-errors", 64, {FORWARD}, NO_DATA | {"app-raises"})
HEALTH_FORBIDDEN = Facts("health-forbidden", 62, {FORWARD}, certain=True)
HEALTH_HOST = Facts("health-host", 62, {FORWARD})
HEALTH_MATCHER_DIFFERS = Facts("health-matcher", 62, {FORWARD})
HEALTH_PATH_MISSING = Facts("health-path-missing", 62, {FORWARD}, certain=True)
HEALTH_REDIRECTS = Facts("health-redirects", 62, {FORWARD}, certain=True)
HEALTH_SLOW = Facts(
    "health-slow",
    64,
    {FORWARD},
    {"balancer-cannot-reach-task", "out-of-memory", "app-raises", TO_DATABASE, LOG, CRASH},
    repeats=True,
)


def codes(case: Case) -> Iterator[Finding]:
    """Find an answer to the health check that is outside the matcher."""
    checks = [check for check in case.failed_checks if check.codes]
    if not checks or case.health_check is None:
        return
    code, path = checks[0].codes[0], case.health_check.path
    seen = t(
        "{request} answers {code}; the health check expects {matcher}.",
        request=case.health_check.request,
        code=code,
        matcher=case.health_check.matcher,
    )
    asked = asked_path(case.lines_of((*case.active_tasks, *case.failed_tasks)), code)
    if case.retry_if_fixed() and (
        (asked and asked != path) or matches(code, case.health_check.matcher)
    ):
        return  # The check was changed after that: the end of the roll-out says to try again.
    facts, title, why, fixes = _answered(case, case.health_check, code)
    yield Finding(
        facts,
        title=title,
        why=why,
        seen=(seen,),
        fixes=(*fixes, *case.retry_if_fixed()),
        evidence=tuple(check.words for check in checks),
    )


Answer = tuple[Facts, Text, Text, tuple[Fix, ...]]
"""The finding's facts, title, why and fixes."""


def _answered(case: Case, check: HealthCheck, code: int) -> Answer:
    path, matcher = check.path, check.matcher
    right = case.health_path or "/health"
    if check.grpc:
        return _by_grpc(case, check, code)
    asks = _asks(case, right, check)
    if 300 <= code < 400:
        why = t(
            "The load balancer does not follow redirects when it checks: "
            "an answer outside {matcher} counts as a failure.",
            matcher=matcher,
        )
        title = t("The health check's path {path} redirects ({code})", path=path, code=code)
        return HEALTH_REDIRECTS, title, why, (asks,)
    if code in REFUSES_HOST and (refusal := _refused_host(case, code)):
        return _host(case, path, code, refusal)
    if code in (404, 405):
        why = t("The app has no such page, so the load balancer marks every task unhealthy.")
        title = t("The health check's path {path} does not exist in the app", path=path)
        return HEALTH_PATH_MISSING, title, why, (asks,)
    if code in (401, 403):
        why = t("The load balancer sends no credentials.")
        title = t("The health check's path {path} requires a login ({code})", path=path, code=code)
        return HEALTH_FORBIDDEN, title, why, (asks,)
    return _other_code(case, check, code, asks)


WORKING = (0, 12)
"""The statuses OK and UNIMPLEMENTED: the server speaks gRPC, with the called method or without it (grpc.io, "Status
codes")."""


def _by_grpc(case: Case, check: HealthCheck, code: int) -> Answer:
    """Judge gRPC's status: why a method ends with any but these two is not known here."""
    title = t(
        "The app answers the gRPC status {code} on {path}, and the health check expects {matcher}",
        code=code,
        path=check.path,
        matcher=check.matcher,
    )
    why = t("Every other status counts as a failure.")
    if code not in WORKING:
        return HEALTH_ERRORS, title, why, (case.read_log(), _answer(case, check))
    text = t("Expect the status that the app returns:")
    expect = case.configure("healthMatcher", str(code), text, retried=True)
    return HEALTH_MATCHER_DIFFERS, title, why, (expect, _answer(case, check))


REFUSES_HOST = (400, 403, 404, 421)
HOST = re.compile(
    r"Invalid HTTP_HOST header: '(?P<django>[^']+)'|Current server name '(?P<flask>[^']+)' doesn't match|"
    r"Host '(?P<werkzeug>[^']+)' is not trusted|Invalid host header"
)
"""What Django (http/request.py), Werkzeug (routing/map.py, wsgi and sansio/utils.py) and Starlette say of a Host
header that they refuse."""

HOST_VARIABLES = {400: re.compile("(ALLOWED|TRUSTED)_HOSTS"), 404: re.compile("SERVER_NAME")}


def _refused_host(case: Case, code: int) -> Text | None:
    """Return what shows that the app refuses the Host header: a line of its log, or a variable; None without."""
    lines = [each.text for each in case.lines_of((*case.active_tasks, *case.failed_tasks))]
    if line := next((text for text in reversed(lines) if HOST.search(text)), None):
        return t("The app's log: {words}.", words=line[:200])
    environment = case.definition.environment if case.definition else {}
    for name, value in environment.items():
        # 400 is what Django and Werkzeug answer, 404 a Flask with another SERVER_NAME.
        if HOST_VARIABLES.get(code) and HOST_VARIABLES[code].search(name) and value != "*":
            return t("{name} is {value} in the task definition.", name=name, value=value)
    return None


def _host(case: Case, path: str, code: int, refusal: Text) -> Answer:
    title = t(
        "The app refuses the Host header of the health check on {path} ({code})",
        path=path,
        code=code,
    )
    why = t(
        "The load balancer checks with the task's private address and port as the Host header, and no domain's "
        "name. {refusal}",
        refusal=refusal,
    )
    text = t(
        "Make the app accept any Host on {path} (Django: ALLOWED_HOSTS; Werkzeug: "
        "TRUSTED_HOSTS; Flask: no SERVER_NAME), and deploy:",
        path=path,
    )
    return HEALTH_HOST, title, why, (case.deploy(text),)


def _other_code(case: Case, check: HealthCheck, code: int, asks: Fix) -> Answer:
    path, matcher = check.path, check.matcher
    right = case.health_path
    logs = case.read_log()
    if code == 400:
        why = t(
            "Nothing says why. Most often the app refuses the Host header, which is the task's address."
        )
        title = t("The app refuses the health check on {path} ({code})", path=path, code=code)
        return HEALTH_HOST, title, why, (logs,)
    if code >= 500:
        why = t("The app returns an error on this path.")
        title = t("The health check's path {path} answers with error {code}", path=path, code=code)
        fixes = (logs,) if path == right else (asks, logs)
        return HEALTH_ERRORS, title, why, fixes
    why = t("Every other status counts as a failure.")
    title = t(
        "The app answers {code} on {path}, and the health check expects {matcher}",
        code=code,
        path=path,
        matcher=matcher,
    )
    if code == TOO_MANY:
        return HEALTH_MATCHER_DIFFERS, title, why, (limited(case, path),)
    given = "200"
    if not case.target.app.health_path and code < 300:
        given = str(code)
    if given == matcher:
        return HEALTH_MATCHER_DIFFERS, title, why, (asks, logs)
    text = t("Expect the status that the app returns:")
    fix = case.configure("healthMatcher", given, text, retried=True)
    return HEALTH_MATCHER_DIFFERS, title, why, (fix,)


TOO_MANY = 429
"""The status of a rate limiter (RFC 6585, 4)."""


def limited(case: Case, path: str) -> Fix:
    """Return the fix of a limiter: behind a load balancer all requests come from one address."""
    text = t(
        "Make the app's limiter let {path} pass, and count by X-Forwarded-For, which werkzeug's ProxyFix reads: behind "
        "a load balancer it sees the address of that alone. Then deploy:",
        path=path,
    )
    return case.deploy(text)


def _asks(case: Case, right: str, check: HealthCheck) -> Fix:
    if check.path != right:
        return _path(case, right)
    if case.target.app.health_path:
        return _answer(case, check)
    text = t(
        "Make the app answer {path} with {matcher}, or have another page checked that does, and deploy:",
        matcher=check.matcher,
        path=right,
    )
    return case.deploy(text)


def _answer(case: Case, check: HealthCheck) -> Fix:
    text = t(
        "Make the app answer {matcher} on {path}, and deploy:",
        matcher=check.matcher,
        path=check.path,
    )
    return case.deploy(text)


def _path(case: Case, right: str) -> Fix:
    return case.configure("healthPath", right, t("Check {right}:", right=right), retried=True)


def timeouts(case: Case) -> Iterator[Finding]:
    """Find health checks that time out; beside a blocked connection the finding is left out."""
    checks = [each for each in case.failed_checks if each.kind == "timeout"]
    if not checks or case.health_check is None:
        return
    check, right = case.health_check, case.health_path
    patience = case.deploy(t("Make {path} return at once, and deploy:", path=check.path))
    seen = t("No answer to {request} within {limit} s.", request=check.request, limit=check.timeout)
    yield Finding(
        HEALTH_SLOW,
        title=t("The app answers the health check too late"),
        why=t(
            "The load balancer waits {limit} s; then the check counts as failed.",
            limit=check.timeout,
        ),
        seen=(seen,),
        fixes=(
            _path(case, right) if right not in ("", check.path) else patience,
            *case.retry_if_fixed(),
        ),
        evidence=tuple(each.words for each in checks),
    )
