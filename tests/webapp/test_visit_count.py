"""The number of visits that a worker shows never goes down, whatever is being written meanwhile."""

import re
import time
from concurrent.futures import ThreadPoolExecutor

from flask import Flask
from flask.testing import FlaskClient

from tests.webapp.browsing import BROWSER, JAPANESE
from tests.webapp.postgres import Postgres
from tests.webapp.waiting import eventually

SLOW_WRITE = """
CREATE FUNCTION slowly() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN PERFORM pg_sleep(0.3); RETURN NULL; END $$;
CREATE TRIGGER slowly BEFORE INSERT ON visits EXECUTE FUNCTION slowly();
"""


def shown(client: FlaskClient, headers: dict[str, str]) -> int:
    found = re.search(r"<dd>([0-9,]+)</dd>", client.get("/", headers=headers).text)
    assert found
    return int(found[1].replace(",", ""))


def test_it_never_goes_down_while_visits_are_written(app: Flask, postgres: Postgres) -> None:
    postgres.execute(SLOW_WRITE)
    until = time.monotonic() + 2

    def visit(headers: dict[str, str]) -> list[int]:
        client, counts = app.test_client(), []
        while time.monotonic() < until:
            counts.append(shown(client, headers))
        return counts

    with ThreadPoolExecutor(3) as crowd:
        seen = list(crowd.map(visit, (BROWSER, BROWSER, JAPANESE)))
    for counts in seen:
        assert len(counts) > 10
        assert counts == sorted(counts)
    counter = "SELECT value FROM counters"
    # One more than the visits: that of the fixture which waited for the page.
    total = shown(app.test_client(), BROWSER)
    eventually(lambda: postgres.execute(counter) == [(total,)], 3, "all visits")
    assert total > sum(map(len, seen))
