"""A statement that fails is no database that is away: the gate stays open, connections are kept."""

import time

import psycopg
import pytest
from flask import Flask

from tests.webapp.asking import (
    BACK,
    CONNECTED,
    ask,
    assert_away,
    comes_back,
    database_health,
)
from tests.webapp.postgres import Postgres
from tests.webapp.waiting import eventually
from webapp.db import is_disconnection

UNREADABLE = """
ALTER TABLE greetings RENAME TO texts;
CREATE FUNCTION fail(text) RETURNS text LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'out of memory' USING ERRCODE = '53200'; END $$;
CREATE VIEW greetings AS SELECT language, fail(greeting) AS greeting FROM texts;
GRANT SELECT ON greetings TO postgres;
"""
READABLE = "DROP VIEW greetings; ALTER TABLE texts RENAME TO greetings"


def test_a_page_whose_query_fails_says_so_and_the_next_may_succeed(
    app: Flask, postgres: Postgres, caplog: pytest.LogCaptureFixture
) -> None:
    postgres.execute(UNREADABLE)
    began = time.monotonic()
    assert [ask(app, "/")[0] for _ in range(3)] == [500] * 3
    assert time.monotonic() - began < 1
    assert database_health(app) == CONNECTED
    postgres.execute(READABLE)
    assert ask(app, "/")[0] == 200
    assert "database away" not in caplog.messages


def test_a_server_that_becomes_one_that_only_reads_is_left(app: Flask, postgres: Postgres) -> None:
    """Old connections can still read; the visits tell that the primary is elsewhere."""
    postgres.execute("ALTER SYSTEM SET default_transaction_read_only = on")
    postgres.execute("SELECT pg_reload_conf()")
    try:
        eventually(lambda: ask(app, "/")[0] == 503, BACK, "noticed")
        assert_away(app)
    finally:
        postgres.execute("ALTER SYSTEM RESET default_transaction_read_only")
        postgres.execute("SELECT pg_reload_conf()")
    comes_back(app)


def test_another_connection_is_needed_only_where_this_one_has_failed() -> None:
    failed: list[psycopg.Error] = [
        psycopg.OperationalError("connection socket closed"),
        psycopg.errors.ConnectionFailure(),
        psycopg.errors.AdminShutdown(),
        psycopg.errors.CrashShutdown(),
        psycopg.errors.CannotConnectNow(),
        psycopg.errors.ReadOnlySqlTransaction(),
    ]
    sound: list[psycopg.Error] = [
        psycopg.errors.DiskFull(),
        psycopg.errors.LockNotAvailable(),
        psycopg.errors.DeadlockDetected(),
        psycopg.errors.QueryCanceled(),
        psycopg.errors.UndefinedColumn(),
        psycopg.ProgrammingError("the query has 3 placeholders"),
    ]
    assert [is_disconnection(error) for error in failed] == [True] * len(failed)
    assert [is_disconnection(error) for error in sound] == [False] * len(sound)
