"""Whatever happens to the database: the truth is told in time, and the app finds back by itself."""

import os
import signal
import socket
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg
import pytest
from flask import Flask

from tests.webapp.asking import (
    BACK,
    CONNECTED,
    DISCONNECTED,
    ask,
    assert_away,
    comes_back,
    database_health,
)
from tests.webapp.authority import Authority
from tests.webapp.conftest import MakeApp
from tests.webapp.postgres import HOST, Postgres, running
from tests.webapp.waiting import eventually
from webapp import db, migrations


def test_away_at_the_start(make_app: MakeApp, postgres: Postgres) -> None:
    postgres.stop()
    began = time.monotonic()
    app = make_app()
    assert ask(app, "/health") == (200, '{"status":"healthy"}')
    assert time.monotonic() - began < 0.5
    assert_away(app)
    postgres.start()
    comes_back(app)


def test_restarted_so_quickly_that_nobody_noticed(app: Flask, postgres: Postgres) -> None:
    pool = db.of(app).pool
    with ExitStack() as stack:
        for _ in range(db.POOL_SIZE):
            stack.enter_context(pool.connection())
    postgres.hang_up()
    began = time.monotonic()
    assert [ask(app, "/")[0] for _ in range(10)] == [200] * 10
    assert time.monotonic() - began < 2
    assert database_health(app) == CONNECTED


def test_failed_over_to_another_address_while_the_old_server_is_silent(
    make_app: MakeApp,
    postgres: Postgres,
    authority: Authority,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As RDS Multi-AZ does: the name resolves to the standby, the old host says nothing more."""
    address = [postgres.address]
    resolve = socket.getaddrinfo

    def answer(host: Any, *args: Any, **kwargs: Any) -> Any:
        return resolve(address[0] if host == HOST else host, *args, **kwargs)

    monkeypatch.delenv("PGHOSTADDR")
    monkeypatch.setattr(socket, "getaddrinfo", answer)
    with running(authority, "127.0.0.77", postgres.port) as standby:
        standby.set_password(postgres.password)
        with standby.connect() as connection:
            connection.execute("SET ROLE postgres")
            migrations.apply(connection, migrations.read())
        standby.execute("UPDATE greetings SET greeting = 'from the standby'")
        app = make_app()
        eventually(lambda: ask(app, "/")[0] == 200, BACK, "the page")
        postgres.signal(signal.SIGSTOP)
        assert_away(app)
        address[0] = standby.address
        comes_back(app)
        assert "from the standby" in ask(app, "/")[1]


def test_a_server_that_only_reads_is_not_taken_for_the_primary(
    app: Flask, postgres: Postgres
) -> None:
    postgres.execute("ALTER DATABASE careapp SET default_transaction_read_only = on")
    try:
        postgres.hang_up()
        assert_away(app)
    finally:
        with postgres.connect("postgres") as connection:
            connection.execute("ALTER DATABASE careapp RESET default_transaction_read_only")
    comes_back(app)


def test_out_of_connections(app: Flask, postgres: Postgres) -> None:
    postgres.execute("CREATE ROLE crowd LOGIN PASSWORD 'crowd'")
    try:
        with ExitStack() as crowd:
            while join(crowd, postgres):
                postgres.hang_up()
            assert_away(app)
        comes_back(app)
    finally:
        postgres.execute("DROP ROLE crowd")


def join(crowd: ExitStack, postgres: Postgres) -> bool:
    """Open one more connection, or find that there is none left."""
    try:
        connection = psycopg.connect(
            host=postgres.address,
            port=postgres.port,
            user="crowd",
            password="crowd",
            dbname="postgres",
        )
    except psycopg.OperationalError as error:
        if "connection slots are reserved" in str(error) or "too many clients" in str(error):
            return False
        raise
    crowd.enter_context(connection)
    return True


def test_one_table_is_locked(
    app: Flask, postgres: Postgres, caplog: pytest.LogCaptureFixture
) -> None:
    """Pages are too slow and say so; the database is connected, and /health/db says so."""
    with postgres.connect() as holder:
        with holder.transaction():
            holder.execute("LOCK TABLE greetings IN ACCESS EXCLUSIVE MODE")
            began = time.monotonic()
            assert ask(app, "/")[0] == 503
            assert 1.5 < time.monotonic() - began < 4
            assert database_health(app) == CONNECTED
        comes_back(app)
    assert "the database took too long" in caplog.messages
    assert "database away" not in caplog.messages


def test_a_query_that_takes_a_second_is_waited_for(app: Flask, postgres: Postgres) -> None:
    answers: list[int] = []
    thread = threading.Thread(target=lambda: answers.append(ask(app, "/")[0]))
    with postgres.connect() as holder, holder.transaction():
        holder.execute("LOCK TABLE greetings IN ACCESS EXCLUSIVE MODE")
        thread.start()
        time.sleep(1.2)
        assert answers == []
    thread.join()
    assert answers == [200]


def test_many_who_ask_for_the_truth_at_once_all_get_it_in_time(
    app: Flask, postgres: Postgres
) -> None:
    postgres.signal(signal.SIGSTOP)
    took: list[float] = []

    def run() -> None:
        assert database_health(app) == DISCONNECTED
        took.append(time.monotonic())

    threads = [threading.Thread(target=run) for _ in range(25)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(took) == 25


def test_a_crash_is_logged_once_and_so_is_the_return(
    app: Flask, postgres: Postgres, capfd: pytest.CaptureFixture[str]
) -> None:
    capfd.readouterr()
    postgres.stop("immediate")
    assert_away(app)
    time.sleep(0.8)
    postgres.start()
    comes_back(app)
    logged = [line for line in capfd.readouterr().out.splitlines() if '"request"' not in line]
    assert ["database away" in logged[0], "database connected" in logged[1]] == [True, True]
    assert len(logged) == 2


def test_no_certificate_but_one_for_the_database_s_name_is_trusted(
    make_app: MakeApp, postgres: Postgres, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert postgres.address == os.environ["PGHOSTADDR"]
    other = Authority(tmp_path)
    assert_away(make_app(DB_SSLROOTCERT=str(other.certificate)))
    assert "certificate verify failed" in capfd.readouterr().out
    assert_away(make_app(DB_HOST="another.example.com"))
    assert r"does not match host name \"another.example.com\"" in capfd.readouterr().out
