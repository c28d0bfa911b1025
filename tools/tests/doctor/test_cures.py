"""Causes that need more than the app's own words: certificates, rights, passwords, Host headers, a count in code."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from tools.snapshot.task_inputs import Secret
from tools.tests import stacks as a
from tools.tests.doctor.situations import (
    FAILED_WITH,
    NONE_RUN,
    UNMIGRATED,
    asked,
    causes,
    crashed,
    env,
    findings,
    trace,
)

BASTION = ("pulumi config set bastionEnabled true -s poc", "pulumi up -s poc")


def refused(line, **changes):
    return a.stack(
        logs=a.logs(a=[a.LISTENS, line]),
        authorities=frozenset({"Amazon Root CA 1"}),
        database=a.database(authority="rds-ca-rsa2048-g1", **changes),
    )


@pytest.mark.parametrize(
    ("line", "until", "title"),
    [
        ("[SSL] certificate verify failed: certificate has expired (_ssl.c:1000)", None,
         "The database's certificate has expired"),
        ("[SSL] certificate verify failed: certificate is not yet valid (_ssl.c:1000)", None,
         "The database's certificate is not yet valid"),
        ("SSL error: certificate verify failed", a.at(-60), "The database's certificate has expired"),
        ("SSL error: certificate verify failed", a.at(60),
         "The app's CA bundle lacks the authority of the database"),
    ],
    ids=["expired", "not yet valid", "by RDS's date", "of another authority"],
)  # fmt: skip
def test_a_certificate_out_of_time_is_not_blamed_on_the_bundle(line, until, title):
    first = findings(refused(line, certified_until=until))[0]
    assert (str(first.title), first.evidence) == (title, (line,))
    rotated = (
        first.fixes[0]
        .commands[0]
        .startswith(
            "aws rds modify-db-instance --region ap-northeast-1 --db-instance-identifier careapp-poc "
            "--ca-certificate-identifier rds-ca-rsa2048-g1"
        )
    )
    assert rotated is ("authority" not in title)


@pytest.mark.parametrize(
    ("words", "statement"),
    [
        ("permission denied for table visits",
         "GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE visits TO app"),
        ("permission denied for sequence visits_id_seq",
         "GRANT USAGE, SELECT ON SEQUENCE visits_id_seq TO app"),
        ("permission denied for schema private", "GRANT USAGE ON SCHEMA private TO app"),
    ],
)  # fmt: skip
def test_a_missing_right_is_named_with_its_grant_and_no_file_is_to_be_corrected(words, statement):
    raises = trace(f"psycopg.errors.InsufficientPrivilege: {words}")
    main = env(DB_USER="app")
    fails = a.logs(a=[a.LISTENS, *raises, *[asked("/", 500)] * 3])
    migration = json.loads(UNMIGRATED) | {"reason": words}
    for snapshot in (
        a.stack(logs=fails, main=main),
        a.stack(logs=a.logs(a=[a.LISTENS, *raises]), main=main, page=a.page(500)),
        a.stack(logs=a.logs(a=[a.LISTENS, json.dumps(migration)]), main=main),
        crashed(*raises, main=main),
    ):
        first = next(each for each in findings(snapshot) if each.id != "database-address")
        more = first.id == "app-cannot-migrate" and "SCHEMA" in statement
        right = statement.replace("USAGE", "USAGE, CREATE") if more else statement
        granted = f'./careapp db psql -s poc -c "{right}"'
        assert first.fixes[0].commands == (*BASTION, granted), first.id


def test_a_migration_may_lack_the_right_to_create_in_a_schema():
    words = "permission denied for schema public"
    migration = json.loads(UNMIGRATED) | {"reason": words}
    first = findings(a.stack(logs=a.logs(a=[a.LISTENS, json.dumps(migration)])))[0]
    granted = './careapp db psql -s poc -c "GRANT USAGE, CREATE ON SCHEMA public TO postgres"'
    assert first.fixes[0].commands == (*BASTION, granted)


def test_without_a_user_the_database_s_own_is_granted_the_right():
    raises = trace("psycopg.errors.InsufficientPrivilege: permission denied for table visits")
    first = findings(crashed(*raises, main=env(DB_USER=None)))
    assert any("TO postgres" in each for one in first for fix in one.fixes for each in fix.commands)


def password(user):
    lines = [a.LISTENS, f'FATAL: password authentication failed for user "{user}"']
    found = findings(a.stack(logs=a.logs(a=lines)))[0]
    return found.id, found.fixes[0].commands


def test_another_password_has_a_command_that_sets_it():
    assert password("postgres") == (
        "app-wrong-password",
        ("aws rds modify-db-instance --region ap-northeast-1 --db-instance-identifier careapp-poc "
         "--rotate-master-user-password --apply-immediately", "./careapp retry -s poc"),
    )  # fmt: skip
    asked_for = './careapp db psql -s poc -c "\\password app"'
    assert password("app") == ("app-wrong-password", (*BASTION, asked_for))


def test_a_key_that_rds_itself_keeps_comes_back_by_a_rotation_and_not_by_another_task_definition():
    found = findings(
        a.stack(
            secrets={a.SECRET: Secret(arn=a.SECRET, managed="rds", keys=frozenset({"username"}))}
        )
    )[0]
    assert (found.id, found.fixes[0].commands) == (
        "secret-key-missing",
        (
            "aws rds modify-db-instance --region ap-northeast-1 --db-instance-identifier careapp-poc "
            "--rotate-master-user-password --apply-immediately",
            "./careapp retry -s poc",
        ),
    )


@pytest.mark.parametrize(
    ("code", "line"),
    [
        (400, "Invalid HTTP_HOST header: '10.0.16.4:3000'. You may need to add '10.0.16.4'"),
        (400, "werkzeug.exceptions.SecurityError: 400: Host '10.0.16.4:3000' is not trusted."),
        (404, "UserWarning: Current server name '10.0.16.4' doesn't match configured server name"),
    ],
)
def test_an_app_that_refuses_the_host_header_is_named_by_that(code, line):
    first = findings(a.unhealthy(f"{FAILED_WITH}: [{code}]", lines=[a.LISTENS, line]))[0]
    assert first.id == "health-host"
    title = f"The app refuses the Host header of the health check on /health ({code})"
    assert (str(first.title), line[:60] in str(first.why)) == (title, True)
    assert "ALLOWED_HOSTS" in str(first.fixes[0].text)


@pytest.mark.parametrize(
    ("code", "variables", "cause"),
    [
        (400, {"DJANGO_ALLOWED_HOSTS": "www.example.com"}, "health-host"),
        (404, {"SERVER_NAME": "www.example.com"}, "health-host"),
        (404, {"ALLOWED_HOSTS": "www.example.com"}, "health-path-missing"),
        (403, {"ALLOWED_HOSTS": "www.example.com"}, "health-forbidden"),
    ],
)
def test_a_variable_tells_of_the_host_header_only_by_its_own_status(code, variables, cause):
    found = findings(a.unhealthy(f"{FAILED_WITH}: [{code}]", main=env(**variables)))[0]
    assert found.id == cause


def test_a_400_without_a_reason_is_most_often_the_host_header_and_open_hosts_are_not_blamed():
    found = findings(a.unhealthy(f"{FAILED_WITH}: [400]", main=env(ALLOWED_HOSTS="*")))[0]
    assert (found.id, "Most often the app refuses the Host header" in str(found.why)) == (
        "health-host",
        True,
    )


def test_a_count_of_0_that_stands_in_the_program_is_told_with_its_file():
    none = a.stack(a.choices(desiredCount="2"), **NONE_RUN)
    [found] = findings(none)
    assert [("--desired-count 2" in " ".join(each.commands)) for each in found.fixes] == [
        True,
        False,
    ]
    assert "correct desired_count in infra/service.py" in str(found.fixes[1].text)
    [deployed] = findings(replace(none, by_program=True))
    assert [str(each.text) for each in deployed.fixes] == [
        "Correct desired_count in infra/service.py, and deploy:"
    ]
    assert deployed.fixes[0].commands == ("pulumi up -s poc",)
    [declared] = findings(a.stack(a.choices(desiredCount="0"), **NONE_RUN))
    assert [each.commands[0] for each in declared.fixes] == [
        "pulumi config set desiredCount 1 -s poc"
    ]


def test_the_certificate_is_then_the_one_cause():
    found = causes(refused("certificate verify failed: certificate has expired"))
    assert found == ["database-certificate-out-of-time"]
