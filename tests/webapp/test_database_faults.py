"""Requests, health checks and migrations while the database fails."""

import os
import shutil
import signal
import socket
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing

import psycopg
import pytest
from psycopg_pool import PoolTimeout

from careapp.settings.image import LOCK_TIMEOUT
from careapp.settings.names import RESERVED, StackNames
from ecs_gate.checks import connections
from ecs_gate.diagnosis.known_causes import logged_cause
from ecs_gate.diagnosis.log_lines import LOCK_WAIT
from ecs_gate.parts.task_logs import REFUSED, UNMIGRATED
from local_cloud.machine.authority import Authority
from tests.webapp.dependencies import HOST, Postgres
from tests.webapp.serving import (
    BACK,
    CONNECTED,
    DISCONNECTED,
    Watch,
    ask,
    assert_away,
    comes_back,
    database_health,
    eventually,
    soon,
)
from webapp import db, migrations
from webapp.migrations import Migrator


def test_away_at_the_start(make_app, postgres):
    postgres.stop()
    with soon(0.5):
        app = make_app()
        assert ask(app, "/health") == (200, '{"status":"healthy"}')
    assert_away(app)
    postgres.start()
    comes_back(app)


def test_a_worker_keeps_no_more_connections_than_the_task_definition_says(make_app, postgres):
    app = make_app(DB_POOL_SIZE="1")
    comes_back(app)
    pool = db.of(app).pool
    with pool.connection(), pytest.raises(PoolTimeout):
        pool.getconn(timeout=0.1)
    assert pool.get_stats()["pool_size"] == 1


def test_restarted_so_quickly_that_nobody_noticed(app, postgres):
    pool = db.of(app).pool
    with ExitStack() as stack:
        for _ in range(pool.max_size):
            stack.enter_context(pool.connection())
    postgres.hang_up()
    with soon(2):
        assert [ask(app, "/")[0] for _ in range(10)] == [200] * 10
    assert database_health(app) == CONNECTED


@pytest.mark.slow
def test_failed_over_to_another_address_while_the_old_server_is_silent(app, postgres, monkeypatch):
    """As RDS Multi-AZ does: the name resolves to the standby, the old host says nothing more.

    A process that is stopped or a socket that accepts nothing is what a host that is gone is.
    """
    resolve, address = socket.getaddrinfo, ["127.0.0.77"]

    def answer(host, *args, **kwargs):
        return resolve(address[0] if host == HOST else host, *args, **kwargs)

    monkeypatch.delenv("PGHOSTADDR")
    monkeypatch.setattr(socket, "getaddrinfo", answer)
    with socket.create_server((address[0], postgres.port)):
        old = "SELECT pid FROM pg_stat_activity WHERE usename = 'postgres'"
        for (pid,) in postgres.execute(old):
            os.kill(pid, signal.SIGSTOP)
        assert_away(app)
        address[0] = postgres.address
        comes_back(app)


@pytest.mark.slow
def test_out_of_connections(app, postgres):
    postgres.execute("ALTER ROLE postgres CONNECTION LIMIT 0")
    postgres.hang_up()
    assert_away(app)
    postgres.execute("ALTER ROLE postgres CONNECTION LIMIT -1")
    comes_back(app)


@pytest.mark.slow
def test_one_table_is_locked(app, postgres, caplog):
    """Pages are too slow and say so; the database is connected, and /health/db says so."""
    with postgres.locked():
        began = time.monotonic()
        with soon(4):
            assert ask(app, "/")[0] == 503
        assert time.monotonic() - began > 1.5
        assert database_health(app) == CONNECTED
    comes_back(app)
    assert "the database took too long" in caplog.messages
    assert "database away" not in caplog.messages


@pytest.mark.slow
def test_a_crash_is_logged_once_and_so_is_the_return(app, postgres, capfd):
    capfd.readouterr()
    postgres.stop("immediate")
    assert_away(app)
    time.sleep(0.8)
    postgres.start()
    comes_back(app)
    logged = [line for line in capfd.readouterr().out.splitlines() if '"request"' not in line]
    # /health/db is asked first.
    told = ("the database takes no new connection", "database away", "database connected")
    assert [word in line for word, line in zip(told, logged, strict=True)] == [True] * 3


def test_password_changed_by_hand_shows_in_the_log_while_the_page_works(app, postgres, capfd):
    before = postgres.password
    postgres.set_password("another")
    try:
        assert (ask(app, "/")[0], database_health(app)) == (200, DISCONNECTED)
    finally:
        postgres.set_password(before)
    [line] = [each for each in capfd.readouterr().out.splitlines() if REFUSED in each]
    assert logged_cause([line]).known.id == "wrong-password"
    eventually(lambda: database_health(app) == CONNECTED, 5, "a new connection")


def test_no_certificate_but_one_for_the_database_s_name_is_trusted(
    make_app, postgres, tmp_path, capfd
):
    assert postgres.address == os.environ["PGHOSTADDR"]
    other = Authority(tmp_path)
    assert_away(make_app(DB_SSLROOTCERT=str(other.path)))
    assert "certificate verify failed" in capfd.readouterr().out
    assert_away(make_app(DB_HOST="another.example.com"))
    assert r"does not match host name \"another.example.com\"" in capfd.readouterr().out


LIMIT = 1.0  # seconds
WAITED_FOR = 5.0  # seconds, by a load balancer's health check
CROWD = 24  # requests at once; more than the server has threads


@pytest.mark.slow
@pytest.mark.parametrize("fault", [Postgres.locked, Postgres.silent])
def test_health_is_quick_while_a_crowd_waits_for_a_database_with_a_fault(serve, postgres, fault):
    server = serve()
    server.wait_for("/", 200)
    with ThreadPoolExecutor(CROWD) as crowd, Watch(server, "/health") as health:
        with fault(postgres):
            asked = [crowd.submit(server.get, path, 20) for path in ("/", "/health/db") * CROWD]
            answers = [request.result() for request in asked]
        server.wait_for("/", 200, BACK)
    assert {answer.status for answer in answers[::2]} <= {200, 503}
    assert {answer.status for answer in answers[1::2]} <= {200, 500}
    assert max(answer.seconds for answer in answers) < 10
    assert (health.statuses(), health.errors) == ({200}, [])
    assert len(health.answers) > 20
    seconds = [answer.seconds for answer in health.answers]
    assert (statistics.median(seconds) < LIMIT, max(seconds) < WAITED_FOR) == (True, True)


def with_another(app, tmp_path, sql):
    """Return a migrator of the app's own migrations and one more."""
    folder = shutil.copytree(migrations.FOLDER, tmp_path / "migrations")
    (folder / "0003_more.sql").write_text(sql)
    return Migrator(db.of(app).connect, folder)


def test_a_migration_that_fails_is_told_once_and_tried_again(app, postgres, tmp_path, caplog):
    postgres.execute("CREATE TABLE mended (); GRANT ALL ON mended TO postgres")
    migrator = with_another(app, tmp_path, "SELECT 1 / count(*) FROM mended")
    migrator.start()
    time.sleep(0.8)  # After 0 and 0.5 s.
    assert caplog.messages.count("cannot migrate the database") == 1
    # Meanwhile another task may migrate.
    free = f"SELECT pg_try_advisory_lock({migrations.LOCK})"
    eventually(lambda: postgres.execute(free) == [(True,)], 0.4, "the lock is given back")
    postgres.execute("INSERT INTO mended DEFAULT VALUES")
    eventually(migrator.done.is_set, 5, "the migration")
    migrator.stop()


@pytest.mark.slow
def test_a_migration_may_take_longer_than_a_page(app, tmp_path, caplog):
    migrator = with_another(app, tmp_path, f"SELECT pg_sleep({db.PATIENCE + 0.3})")
    migrator.start()
    eventually(migrator.done.is_set, 10, "the migration")
    assert "cannot migrate the database" not in caplog.messages


@pytest.mark.slow
def test_pages_are_answered_while_a_migration_waits_for_a_long_reader(
    app, postgres, tmp_path, caplog
):
    """Who asks for a table after ALTER TABLE waits behind it, though the reader would let them."""
    migrator = with_another(app, tmp_path, "ALTER TABLE visits ADD COLUMN note text")
    with postgres.connect() as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM visits")
        migrator.start()
        until = time.monotonic() + 1.5
        while time.monotonic() < until:
            assert ask(app, "/")[0] == 200
        assert not migrator.done.is_set()
        reader.execute("COMMIT")
    eventually(migrator.done.is_set, 5, "the migration")
    [waited] = [record for record in caplog.records if record.message == UNMIGRATED]
    assert (waited.levelname, waited.migration) == ("WARNING", "0003_more.sql")
    assert LOCK_WAIT in waited.reason
    migrator.stop()


def test_before_the_first_migration_the_page_says_that_the_database_is_not_ready(
    make_app, postgres
):
    with postgres.connect() as other:
        other.execute("SELECT pg_advisory_lock(%s)", (migrations.LOCK,))
        app = make_app()
        eventually(lambda: ask(app, "/health/db")[0] == 200, 5, "the database")
        assert [ask(app, "/")[0] for _ in range(3)] == [503] * 3
    eventually(lambda: ask(app, "/")[0] == 200, 5, "the page")


def test_reserved_words_can_be_no_project_s_name(postgres):
    """`R` and `T` are reserved (PostgreSQL, `pg_get_keywords`); the name is the database's, too."""
    words = "SELECT word FROM pg_get_keywords() WHERE catcode IN ('R', 'T')"
    assert {word for (word,) in postgres.execute(words)} == RESERVED
    assert StackNames("poc", "order").problems().keys() == {"name"}


def test_lock_is_given_up_and_the_doctor_s_statement_frees_it(postgres, monkeypatch):
    alter = "ALTER TABLE guests ADD IF NOT EXISTS age int"
    postgres.execute("CREATE TABLE IF NOT EXISTS guests (name text)")
    with closing(postgres.connect()) as locked, postgres.connect() as session:
        locked.autocommit = False
        locked.execute("LOCK TABLE guests")
        with monkeypatch.context() as variables:
            variables.setenv("PGOPTIONS", LOCK_TIMEOUT.replace("10s", "100ms"))
            given_up = pytest.raises(psycopg.errors.LockNotAvailable, match=LOCK_WAIT)
            with postgres.connect() as waiting, given_up:
                waiting.execute(alter)
        cursor = session.execute(connections.OPEN.encode())
        names = [column.name for column in cursor.description]
        [row] = [dict(zip(names, each, strict=True)) for each in cursor
                 if each[0] == locked.info.backend_pid]  # fmt: skip
        assert (row["state"], row["locked"]) == ("idle in transaction", "guests")
        assert row["waits_for"] == []
        session.execute(connections.END_OPEN.replace("10 seconds", "0 seconds").encode())
        session.execute(alter)
