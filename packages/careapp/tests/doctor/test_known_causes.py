"""The causes that the logs of other people's apps name, by the servers' and libraries' own lines."""

import json
import os
import shlex
from random import Random

import pytest

from ecs_gate.diagnosis.known_causes import logged_cause
from ecs_gate.diagnosis.log_lines import listening, requests
from ecs_gate.parts.task_logs import LogLine
from tests import stacks as a
from tests.doctor.logged import BETWEEN_UWSGI, CAUSES, LISTENING, REQUESTS
from tests.doctor.situations import FAILED_WITH, ILL, asked, crashed, findings
from tests.doctor.variants import VARIANTS
from tests.doctor.variants.app import SCALED, with_events
from tests.doctor.variants.tasks import STOPPED, rolled_back

SEED = os.environ.get("CAREAPP_MISTAKES_SEED", "36")


def lines(*texts):
    return [LogLine(a.NOW, text) for text in texts]


@pytest.mark.parametrize("name", ["redis host", "requests host", "pymongo host"])
def test_a_name_that_does_not_resolve_for_now_is_no_absent_host(name):
    assert logged_cause([CAUSES[name].telling.replace(" -2", " -3")]) is None


@pytest.mark.parametrize("name", LISTENING)
def test_where_a_server_listens_is_in_its_own_line(name):
    line, host, port = LISTENING[name]
    assert listening(lines(BETWEEN_UWSGI)) is None, "the socket between uWSGI and its workers"
    found = listening(lines(BETWEEN_UWSGI, line, BETWEEN_UWSGI))
    assert found is not None
    assert (found.line, found.hosts, found.port) == (line, (host,), port)


@pytest.mark.parametrize("name", REQUESTS)
def test_a_request_is_read_from_a_server_s_own_access_log(name):
    line, path, status = REQUESTS[name]
    [found] = requests(lines(line))
    assert (found.path, found.status) == (path, status)


def written(old, *lines, reason="", **changes):
    """Tasks of a version that the load balancer fails for a reason, with their log; with an old version or without."""
    logs = a.logs(b=lines, **({"c": [a.LISTENS]} if old else {}))
    made = a.failing(a.ended(ILL, code=143), rolled_back=old, logs=logs, **changes)
    return with_events(made, a.failed_check(reason))


def page(status, **changes):
    return lambda *lines: a.stack(
        page=a.page(status), logs=a.logs(a=[a.LISTENS, *lines]), **changes
    )


FAILS = {
    "it ends": crashed,
    "it ends, an update": lambda *lines: crashed(*lines, serving=[a.LISTENS]),
    "it never listens": lambda *lines: written(False, *lines, reason="Health checks failed"),
    "it never listens, an update": lambda *lines: written(True, *lines, reason="Health checks failed"),
    "its health path": lambda *lines: written(False, a.LISTENS, *lines, reason=f"{FAILED_WITH}: [500]"),
    "its health path, an update": lambda *lines: written(
        True, a.LISTENS, *lines, reason=f"{FAILED_WITH}: [503]"),
    "its late answer": lambda *lines: a.unhealthy(
        "Request timed out", "Target.Timeout", [a.LISTENS, *lines]),
    "its container's check": lambda *lines: a.failing(
        a.ended("Task failed container health checks", code=143), logs=a.logs(b=lines)),
    "its page": page(500),
    "its page, unavailable": page(503),
    "its page, silent": page(0),
    "another app's page": page(500, settings=a.choices(appFolder="apps/mine")),
    "its requests, and the page asked works": lambda *lines: page(200)(*lines, *[asked("/visits", 503)] * 3),
    "its page, of an update": lambda *lines: rolled_back(
        STOPPED, logs=a.logs(b=[a.LISTENS, *lines], c=[a.LISTENS])),
    "the old version's page": lambda *lines: a.failing(
        SCALED, rolled_back=True, logs=a.logs(b=[a.LISTENS], c=[a.LISTENS, *lines]), page=a.page(503)),
}  # fmt: skip
"""What fails, with a log."""


@pytest.mark.parametrize("failing", FAILS)
def test_a_line_that_names_the_error_beats_every_guess(failing):
    """CAREAPP_MISTAKES_SEED draws others."""
    for name in Random(f"{SEED}{failing}").sample(sorted(CAUSES), 6):  # noqa: S311 - it draws cases
        first = findings(FAILS[failing](*CAUSES[name].lines))[0]
        assert (first.id, first.kind) == (f"log-{CAUSES[name].cause}", "cause"), (SEED, name)


@pytest.mark.parametrize(
    ("name", "first"),
    [("sqlalchemy password", "log-wrong-password"), ("sqlalchemy table", "health-errors")],
)
def test_a_line_of_the_version_that_serves_names_its_database_alone(name, first):
    """Beside a new version that fails without a word, and a page that was not asked."""
    now = written(True, a.LISTENS, reason=f"{FAILED_WITH}: [503]")
    logs = a.logs(b=[a.LISTENS], c=CAUSES[name].lines)
    assert findings(a.but(now, logs=logs))[0].id == first


@pytest.mark.parametrize("seen", [None, a.page(404)])
@pytest.mark.parametrize("back", [True, False])
def test_what_the_version_that_serves_said_before_its_page_worked_is_no_cause(seen, back):
    """A new version ends by an error of its own, and the page was not asked, or has its own error."""
    said = [*CAUSES["sqlalchemy password"].lines, asked("/", 200)]
    other = a.choices(appFolder="apps/mine")
    now = crashed("ValueError: x", serving=said, settings=other)
    if not back:
        old = a.deployment(id="ecs-svc/1", status="ACTIVE", definition=a.OLD)
        new = a.deployment(rollout="IN_PROGRESS", running=0, failed=1)
        now = a.but(now, service=a.service(deployments=(new, old)))
    assert findings(a.but(now, page=seen))[0].id == "crash"


@pytest.mark.parametrize("word", ["user_id", "missing00000"])
def test_a_key_in_lower_case_is_no_environment_variable(word):
    assert logged_cause([f"KeyError: '{word}'"]) is None


def test_the_settings_that_the_doctor_names_are_settings():
    for name in ("DATABASE_URL", "SQL_PASSWORD"):
        *commands, _ = findings(VARIANTS[f"log-variable-missing: {name}"])[0].fixes[0].commands
        words = [shlex.split(command) for command in commands]
        given = {word[5].partition(".")[0]: {} for word in words}
        for word in words:
            key, _, entry = word[5].partition(".")
            given[key][entry] = word[6]
        a.choices(**{key: json.dumps(entries) for key, entries in given.items()})
