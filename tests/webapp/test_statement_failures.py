"""A statement that fails is no database that is away: the gate stays open, connections are kept."""

import time
from collections.abc import Iterator

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
    database_of,
)
from tests.webapp.postgres import Postgres
from tests.webapp.waiting import eventually
from webapp.connection import DatabaseAway, is_broken

FAILURE = """
CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'no space left' USING ERRCODE = '53100'; END $$;
CREATE TRIGGER failing BEFORE INSERT ON visits EXECUTE FUNCTION fail();
"""
UNREADABLE = """
ALTER TABLE greetings RENAME TO texts;
CREATE FUNCTION fail(text) RETURNS text LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'out of memory' USING ERRCODE = '53200'; END $$;
CREATE VIEW greetings AS SELECT language, fail(greeting) AS greeting FROM texts;
GRANT SELECT ON greetings TO postgres;
"""
READABLE = "DROP VIEW greetings; ALTER TABLE texts RENAME TO greetings"
FAILED = "a background task failed"


@pytest.fixture
def app(app: Flask) -> Flask:
    """With nothing left to write, and all its connections there."""
    database = database_of(app)
    eventually(lambda: database.pool.get_stats()["pool_available"] == database.pool.max_size, 5)
    time.sleep(0.7)
    return app


@pytest.fixture
def connections(app: Flask) -> Iterator[None]:
    """None is made or lost while the test runs."""
    pool = database_of(app).pool
    before = pool.get_stats()["connections_num"]
    yield
    assert pool.get_stats()["connections_num"] == before


def ask_for(app: Flask, seconds: float) -> set[int]:
    """The statuses of the page, asked for again and again."""
    until, statuses = time.monotonic() + seconds, set()
    while time.monotonic() < until:
        statuses.add(ask(app, "/")[0])
        time.sleep(0.01)
    return statuses


def counted(postgres: Postgres) -> int:
    return int(postgres.execute("SELECT value FROM counters")[0][0])


@pytest.mark.usefixtures("connections")
def test_visits_that_cannot_be_written_cost_no_page_and_are_written_later(
    app: Flask, postgres: Postgres, caplog: pytest.LogCaptureFixture
) -> None:
    before = counted(postgres)
    postgres.execute(FAILURE)
    assert ask_for(app, 2) == {200}
    assert database_health(app) == CONNECTED
    assert [m for m in caplog.messages if m.startswith(("database", "a b"))] == [FAILED]
    assert counted(postgres) == before
    postgres.execute("DROP TRIGGER failing ON visits")
    eventually(lambda: counted(postgres) > before, BACK, "the visits")


@pytest.mark.usefixtures("connections")
def test_visits_that_wait_for_a_lock_cost_no_page(
    app: Flask, postgres: Postgres, caplog: pytest.LogCaptureFixture
) -> None:
    before = counted(postgres)
    with postgres.connect() as holder, holder.transaction():
        holder.execute("SELECT * FROM counters FOR UPDATE")
        assert ask_for(app, 3.2) == {200}
        assert [m for m in caplog.messages if m.startswith(("database", "a b"))] == [FAILED]
    eventually(lambda: counted(postgres) > before, BACK, "the visits")


@pytest.mark.usefixtures("connections")
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


def test_nobody_connects_again_and_again_for_a_statement_that_always_fails_so(
    app: Flask, postgres: Postgres
) -> None:
    """It says itself what a server says that only reads, and no other connection helps."""
    postgres.execute(
        "CREATE FUNCTION only_read() RETURNS int LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '25006'; END $$"
    )
    database = database_of(app)
    before = database.pool.get_stats()["connections_num"]
    with pytest.raises(DatabaseAway):
        database.write(b"SELECT only_read()")
    made = database.pool.get_stats()["connections_num"] - before
    assert made <= database.pool.max_size + 1


def test_another_connection_is_needed_only_where_this_one_has_failed(app: Flask) -> None:
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
    with database_of(app).pool.connection() as connection:
        assert [is_broken(connection, error) for error in failed] == [True] * len(failed)
        assert [is_broken(connection, error) for error in sound] == [False] * len(sound)
