"""Stopping the container loses no request."""

from __future__ import annotations

import signal
import time
from concurrent.futures import ThreadPoolExecutor

from tests.image.conftest import Start
from tests.image.surroundings import Database

START_SECONDS = 30
HOLD_SECONDS = 1.0
LOCK_ALL = """
DO $$ DECLARE name text; BEGIN
  FOR name IN SELECT format('%I.%I', schemaname, tablename) FROM pg_tables
              WHERE schemaname NOT IN ('pg_catalog', 'information_schema')
  LOOP EXECUTE 'LOCK TABLE ' || name || ' IN ACCESS EXCLUSIVE MODE'; END LOOP;
END $$
"""
WAITING = """
SELECT count(*) FROM pg_stat_activity
WHERE wait_event_type = 'Lock' AND usename = 'postgres' AND ltrim(query, E' \n') ILIKE 'select%'
"""


def wait_until_blocked(database: Database, requests: int) -> None:
    deadline = time.monotonic() + 10
    with database.connect() as connection:
        while time.monotonic() < deadline:
            row = connection.execute(WAITING).fetchone()
            if row and row[0] >= requests:
                return
            time.sleep(0.05)
    raise AssertionError(f"{requests} requests were to wait for the lock, and did not")


def test_requests_in_flight_are_answered_and_it_exits_0(start: Start, database: Database) -> None:
    container = start(
        {**database.variables(), "DB_PASSWORD": database.password}, database.options()
    )
    container.wait_until_healthy(START_SECONDS)
    container.wait_for("/", 200)
    with ThreadPoolExecutor(3) as pool, database.connect() as holder:
        with holder.transaction():
            holder.execute(LOCK_ALL)
            # One query for each: requests in one language may share a query.
            in_flight = [pool.submit(container.get, "/", language=lang) for lang in ("en", "ja")]
            wait_until_blocked(database, 2)
            stopped = pool.submit(container.stop)
            time.sleep(HOLD_SECONDS)
            assert not stopped.done()
        assert [answer.result().status for answer in in_flight] == [200, 200]
        assert stopped.result() == 0


def test_an_idle_container_stops_at_once(start: Start, variables: dict[str, str]) -> None:
    container = start(variables)
    container.wait_until_healthy(START_SECONDS)
    began = time.monotonic()
    assert container.stop() == 0
    assert time.monotonic() - began < 10


def test_a_stop_while_it_starts_ends_it_too(start: Start, variables: dict[str, str]) -> None:
    container = start(variables)
    time.sleep(0.3)
    began = time.monotonic()
    assert container.stop() in {0, 128 + signal.SIGTERM}
    assert time.monotonic() - began < 15
