"""The causes that the logs of other people's apps name, by the servers' and libraries' own lines."""

import json
import shlex
from datetime import UTC, datetime

import pytest

from tools.diagnosis.known_causes import logged_cause
from tools.diagnosis.log_lines import listening, requests
from tools.snapshot.task_logs import Line
from tools.tests import stacks as a
from tools.tests.doctor.logged import BETWEEN_UWSGI, CAUSES, LISTENING, REQUESTS
from tools.tests.doctor.situations import findings
from tools.tests.doctor.variants import VARIANTS

MOMENT = datetime(2026, 11, 28, 18, 30, tzinfo=UTC)


def lines(*texts):
    return [Line(MOMENT, each) for each in texts]


@pytest.mark.parametrize("name", CAUSES)
def test_what_a_server_or_library_says_names_the_cause_by_the_line_that_tells_it(name):
    log = CAUSES[name]
    found = logged_cause(lines("starting", *log.lines))
    assert found is not None
    assert (found.known.id, found.what, found.line) == log[:3]
    shown = findings(VARIANTS[f"crash-{log.cause}: {name}"])[0]
    assert found.line in shown.evidence
    assert not [each for each in shown.evidence if not each.strip()]


@pytest.mark.parametrize("name", LISTENING)
def test_where_a_server_listens_is_in_its_own_line(name):
    line, host, port = LISTENING[name]
    found = listening(lines(BETWEEN_UWSGI, line, BETWEEN_UWSGI))
    assert found is not None
    assert (found.line, found.hosts, found.port) == (line, (host,), port)


def test_the_socket_between_uwsgi_and_its_workers_is_not_the_app_s():
    assert listening(lines(BETWEEN_UWSGI)) is None


@pytest.mark.parametrize("name", REQUESTS)
def test_a_request_is_read_from_a_server_s_own_access_log(name):
    line, path, status = REQUESTS[name]
    [found] = requests(lines(line))
    assert (found.path, found.status) == (path, status)


@pytest.mark.parametrize("word", ["user_id", "missing00000"])
def test_a_key_in_lower_case_is_no_environment_variable(word):
    assert logged_cause(lines(f"KeyError: '{word}'")) is None


def test_a_migration_that_is_retried_for_ever_is_no_slow_start():
    found = findings(VARIANTS["crash-migration-exists: retried for ever"])
    assert "slow-start" not in [each.id for each in found]
    commands = [each for one in found for fix in one.fixes for each in fix.commands]
    assert not [each for each in commands if "healthGracePeriod" in each]


def test_the_settings_that_the_doctor_names_are_settings():
    for name in ("DATABASE_URL", "SQL_PASSWORD"):
        *commands, _ = findings(VARIANTS[f"crash-variable-missing: {name}"])[0].fixes[0].commands
        words = [shlex.split(each) for each in commands]
        given = {each[5].partition(".")[0]: {} for each in words}
        for each in words:
            key, _, entry = each[5].partition(".")
            given[key][entry] = each[6]
        a.choices(**{key: json.dumps(entries) for key, entries in given.items()})
