"""The causes that the logs of other people's apps name, by the servers' and libraries' own lines."""

import json
import shlex
from dataclasses import replace
from datetime import UTC, datetime
from itertools import count

import pytest

from stack.names import StackNames
from tools.diagnosis.known_causes import logged_cause
from tools.diagnosis.log_lines import listening, requests
from tools.snapshot.task_inputs import Secret
from tools.snapshot.task_logs import Line
from tools.tests import stacks as a
from tools.tests.doctor.logged import BETWEEN_UWSGI, CAUSES, LISTENING, REQUESTS, RETRIED
from tools.tests.doctor.situations import crashed, findings

MOMENT = datetime(2026, 11, 28, 18, 30, tzinfo=UTC)


def lines(*texts):
    return [Line(MOMENT, each) for each in texts]


@pytest.mark.parametrize("name", CAUSES)
def test_what_a_server_or_library_says_names_the_cause_by_the_line_that_tells_it(name):
    id_, what, beginning, log = CAUSES[name]
    found = logged_cause(lines("starting", *log))
    assert found is not None
    assert (found.known.id, found.what) == (id_, what)
    assert found.line.startswith(beginning)
    shown = findings(crashed(*log))[0]
    assert shown.id == f"crash-{id_}"
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
    numbers = count()
    log = [f"INFO  [alembic] {next(numbers)}", *RETRIED * 3]
    found = findings(
        a.unhealthy("Health checks failed", lines=log, tasks=(a.task(health="UNKNOWN"),))
    )
    first = found[0]
    assert (first.id, first.kind) == ("crash-migration-exists", "cause")
    assert str(first.title) == (
        'A migration creates what the database has already: relation "post" already exists'
    )
    assert "flask db stamp REVISION" in str(first.fixes[0].text)
    assert first.evidence[0] == RETRIED[4]
    assert "slow-start" not in [each.id for each in found]
    assert "healthGracePeriod" not in "".join(
        each for one in found for fix in one.fixes for each in fix.commands
    )


def test_an_app_that_is_slow_and_logs_errors_shows_the_errors_and_not_the_last_lines_alone():
    log = ["ERROR: the cache is cold", *("]", "(see https://example.com/errors)") * 4]
    first = findings(
        a.unhealthy("Health checks failed", lines=log, tasks=(a.task(health="UNKNOWN"),))
    )[0]
    assert (first.id, first.evidence[0]) == ("slow-start", "ERROR: the cache is cold")


ARN = f"arn:aws:secretsmanager:{a.REGION}:{a.ACCOUNT}:secret:careapp-poc/key-GhIjKl"
UP = "pulumi up -s poc"


def variable(name, project="careapp", **changes):
    snapshot = crashed(f"KeyError: '{name}'", **changes)
    return findings(replace(snapshot, names=StackNames("poc", project)))[0].fixes[0]


def test_a_missing_variable_that_was_a_secret_before_is_set_as_that_secret_again():
    before = a.definition(arn=a.OLD, secrets={"SIGNATURE_SALT": f"{ARN}:salt::"})
    known = {a.OLD: before, a.NEW: a.definition()}
    fix = variable("SIGNATURE_SALT", definitions=known)
    assert fix.commands == (
        f"pulumi config set --plaintext --path appSecrets.SIGNATURE_SALT {ARN}:salt:: -s poc",
        UP,
    )
    assert "appVariables" not in str(fix.text)


def test_the_secret_of_another_project_has_the_name_that_its_permissions_allow():
    assert "--name acme-poc/SECRET_KEY " in variable("SECRET_KEY", "acme").commands[0]


@pytest.mark.parametrize("name", ["SECRET_KEY", "API_TOKEN", "MAIL_PASSWORD", "STRIPE_API_KEY"])
def test_a_missing_variable_with_a_secret_s_name_is_stored_in_secrets_manager(name):
    fix = variable(name)
    assert fix.commands == (
        f"aws secretsmanager create-secret --region ap-northeast-1 --name careapp-poc/{name} "
        "--secret-string file://FILE",
        f"pulumi config set --plaintext --path appSecrets.{name} ARN -s poc",
        UP,
    )


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("GREETING", "`pulumi config set --path appVariables.GREETING VALUE`"),
        ("DB_PASSWORD", "Set DB_PASSWORD in infra/container.py again, and deploy:"),
    ],
)
def test_another_missing_variable_is_set_where_it_belongs(name, words):
    fix = variable(name)
    assert words in str(fix.text)
    assert fix.commands == (UP,)


URL = "postgresql://${DB_USER}@${DB_HOST}:${DB_PORT}/${DB_NAME}?sslmode=require"


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("DATABASE_URL", [f"appVariables.DATABASE_URL '{URL}'", "appSecrets.PGPASSWORD '${DB_PASSWORD}'"]),
        ("POSTGRES_HOST", ["appVariables.POSTGRES_HOST '${DB_HOST}'"]),
        ("DATABASE_PORT", ["appVariables.DATABASE_PORT '${DB_PORT}'"]),
        ("PGUSER", ["appVariables.PGUSER '${DB_USER}'"]),
        ("POSTGRES_DB", ["appVariables.POSTGRES_DB '${DB_NAME}'"]),
        ("DJANGO_DB_NAME", ["appVariables.DJANGO_DB_NAME '${DB_NAME}'"]),
        ("SQL_PASSWORD", ["appSecrets.SQL_PASSWORD '${DB_PASSWORD}'"]),
    ],
)  # fmt: skip
def test_a_missing_part_of_the_database_s_address_is_set_to_what_the_stack_has(name, settings):
    fix = variable(name)
    assert fix.commands == (
        *(f"pulumi config set --plaintext --path {each} -s poc" for each in settings),
        UP,
    )


def test_the_settings_that_the_doctor_names_are_settings():
    for name in ("DATABASE_URL", "SQL_PASSWORD"):
        *settings, _ = variable(name).commands
        words = [shlex.split(each) for each in settings]
        given = {each[5].partition(".")[0]: {} for each in words}
        for each in words:
            key, _, entry = each[5].partition(".")
            given[key][entry] = each[6]
        a.choices(**{key: json.dumps(entries) for key, entries in given.items()})


ELSEWHERE = 'connection to server at "localhost" (127.0.0.1), port 5432 failed: Connection refused'


NO_DB = 'could not translate host name "db" to address: Name or service not known'


@pytest.mark.parametrize(
    ("line", "variables", "setting"),
    [
        (ELSEWHERE, {}, "NAME '${DB_HOST}'"),
        (NO_DB, {"SQL_DB": "mydb", "SQL_HOST": "db"}, "SQL_HOST '${DB_HOST}'"),
        (NO_DB, {"URL": "postgres://db@db:5432/db"}, "URL 'postgres://db@${DB_HOST}:5432/db'"),
        (NO_DB, {"URL": "postgres://db@db/db?x=db"}, "URL 'postgres://db@${DB_HOST}/db?x=db'"),
        (NO_DB, {"URL": "postgres://db@dbs/db"}, "NAME '${DB_HOST}'"),
    ],
)
def test_an_app_that_looks_for_its_database_elsewhere_gets_the_stack_s(line, variables, setting):
    settings = a.choices(appFolder="apps/mine", appVariables=json.dumps(variables))
    first = findings(crashed(line, settings=settings))[0]
    assert "another variable than DB_HOST" in str(first.why)
    assert first.fixes[0].commands == (
        f"pulumi config set --plaintext --path appVariables.{setting} -s poc",
        UP,
    )


def test_the_app_that_comes_along_reads_the_host_from_db_host_alone():
    first = findings(crashed(ELSEWHERE))[0]
    assert first.id == "crash-database-elsewhere"
    assert "DB_HOST is not the instance's endpoint" in str(first.why)
    assert "Correct DB_HOST in infra/container.py" in str(first.fixes[0].text)


@pytest.mark.parametrize(
    ("folder", "rotated", "command"),
    [
        ("apps/mine", -300, "./careapp retry -s poc"),
        ("apps/mine", -900, "aws rds modify-db-instance"),
        ("webapp", -300, "aws rds modify-db-instance"),
    ],
    ids=["after the task's start", "before it", "webapp/ reads it again"],
)
def test_an_app_that_keeps_the_password_of_before_a_rotation_gets_new_tasks(
    folder, rotated, command
):
    line = 'FATAL:  password authentication failed for user "postgres"'
    secrets = {a.SECRET: Secret(arn=a.SECRET, managed="rds", rotated=a.at(rotated))}
    settings = a.choices(appFolder=folder)
    first = findings(a.stack(settings, logs=a.logs(a=[line]), page=a.page(500), secrets=secrets))[0]
    assert first.id == "app-wrong-password"
    assert first.fixes[0].commands[0].startswith(command)
