"""The migrations, and statements that fail."""

import threading

import psycopg
import pytest

from tests.webapp.dependencies import Postgres
from tests.webapp.serving import (
    BACK,
    CONNECTED,
    ask,
    assert_away,
    at_once,
    comes_back,
    database_health,
    eventually,
    soon,
)
from webapp import migrations
from webapp.db import is_disconnection
from webapp.migrations import Migration

FIRST = Migration(1, "0001_a.sql", "CREATE TABLE a (x int); INSERT INTO a VALUES (1)")
SECOND = Migration(2, "0002_b.sql", "CREATE TABLE b (x int)")
BROKEN = Migration(2, "0002_b.sql", "CREATE TABLE b (x int); SELECT 1/0")


def tables(postgres: Postgres) -> set[str]:
    rows = postgres.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    return {name for (name,) in rows}


@pytest.mark.parametrize(
    ("names", "problem"),
    [
        (["0001_a.sql", "0003_b.sql"], "without a gap"),
        (["0001_a.sql", "0001_b.sql"], "without a gap"),
        (["0002_a.sql"], "without a gap"),
        (["1_a.sql"], "not named like"),
        (["0001_A b.sql"], "not named like"),
    ],
)
def test_a_folder_with_a_gap_or_a_wrong_name_is_refused(tmp_path, names, problem):
    for name in names:
        (tmp_path / name).touch()
    with pytest.raises(ValueError, match=problem):
        migrations.read(tmp_path)


def test_each_is_applied_once(postgres):
    with postgres.connect() as connection:
        assert migrations.apply(connection, [FIRST]) == ["0001_a.sql"]
        assert migrations.apply(connection, [FIRST, SECOND]) == ["0002_b.sql"]
        assert migrations.apply(connection, [FIRST, SECOND]) == []
    assert postgres.execute("SELECT x FROM a") == [(1,)]
    assert postgres.execute("SELECT version, name FROM schema_migrations ORDER BY 1") == [
        (1, "0001_a.sql"),
        (2, "0002_b.sql"),
    ]


def test_one_that_fails_leaves_nothing_and_those_before_it_stay(postgres):
    with postgres.connect() as connection, pytest.raises(psycopg.errors.DivisionByZero):
        migrations.apply(connection, [FIRST, BROKEN])
    assert tables(postgres) == {"a", "schema_migrations"}
    assert postgres.execute("SELECT version FROM schema_migrations") == [(1,)]


def test_one_that_cannot_be_entered_in_the_book_is_undone(postgres):
    unbookable = Migration(1, "0001_a.sql", "CREATE TABLE a (); DROP TABLE schema_migrations")
    with postgres.connect() as connection, pytest.raises(psycopg.errors.UndefinedTable):
        migrations.apply(connection, [unbookable])
    assert tables(postgres) == {"schema_migrations"}


def test_one_that_was_changed_later_is_reported_and_not_applied_again(postgres, caplog):
    changed = Migration(1, "0001_a.sql", "INSERT INTO a VALUES (2)")
    with postgres.connect() as connection:
        migrations.apply(connection, [FIRST])
        assert migrations.apply(connection, [changed]) == []
    assert caplog.messages == ["migration changed after it was applied"]
    assert postgres.execute("SELECT x FROM a") == [(1,)]


def test_tasks_that_start_together_take_turns(postgres):
    slow = Migration(1, "0001_a.sql", "SELECT pg_sleep(0.2); CREATE TABLE a (x int)")

    def run() -> list[str]:
        with postgres.connect() as connection:
            return migrations.apply(connection, [slow, SECOND])

    assert sorted(at_once(4, run)) == [[], [], [], ["0001_a.sql", "0002_b.sql"]]
    assert tables(postgres) == {"a", "b", "schema_migrations"}


def test_waiting_for_another_task_s_migrations_has_no_such_limit(postgres, monkeypatch):
    monkeypatch.setattr(migrations, "LOCK_TIMEOUT", 0.05)
    with postgres.connect() as other, postgres.connect() as connection:
        connection.execute("SET lock_timeout = '50ms'")
        other.execute("SELECT pg_advisory_lock(%s)", (migrations.LOCK,))
        give_back = threading.Timer(0.4, other.execute, ("SELECT pg_advisory_unlock_all()",))
        give_back.start()
        assert migrations.apply(connection, [FIRST]) == ["0001_a.sql"]
        give_back.join()


UNREADABLE = """
ALTER TABLE greetings RENAME TO texts;
CREATE FUNCTION fail(text) RETURNS text LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'out of memory' USING ERRCODE = '53200'; END $$;
CREATE VIEW greetings AS SELECT language, fail(greeting) AS greeting FROM texts;
GRANT SELECT ON greetings TO postgres;
"""
READABLE = "DROP VIEW greetings; ALTER TABLE texts RENAME TO greetings"


def test_a_page_whose_query_fails_says_so_and_the_next_may_succeed(app, postgres, caplog):
    postgres.execute(UNREADABLE)
    with soon(1):
        assert [ask(app, "/")[0] for _ in range(3)] == [500] * 3
    assert database_health(app) == CONNECTED
    postgres.execute(READABLE)
    assert ask(app, "/")[0] == 200
    assert "database away" not in caplog.messages


def test_a_server_that_becomes_one_that_only_reads_is_left(app, postgres):
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


def test_another_connection_is_needed_only_where_this_one_has_failed():
    names = ("ConnectionFailure", "AdminShutdown", "CrashShutdown", "CannotConnectNow")
    failed = [psycopg.OperationalError("connection socket closed")]
    failed += [getattr(psycopg.errors, name)() for name in (*names, "ReadOnlySqlTransaction")]
    names = ("DiskFull", "LockNotAvailable", "DeadlockDetected", "QueryCanceled")
    sound = [psycopg.ProgrammingError("the query has 3 placeholders")]
    sound += [getattr(psycopg.errors, name)() for name in (*names, "UndefinedColumn")]
    assert [is_disconnection(error) for error in failed] == [True] * len(failed)
    assert [is_disconnection(error) for error in sound] == [False] * len(sound)
