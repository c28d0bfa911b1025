"""Who visited: kept in memory for a moment and written together, off the request's path."""

import json
import threading
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from webapp.backlog import Backlog, Noted
from webapp.database import Database

KEPT = 1000  # rows; older visits live on in the counter only

# One statement, so one transaction: a visit is both listed and counted, or neither. It answers what
# it has made of the counter.
WRITE = b"""
WITH fresh AS (
    INSERT INTO visits (visited_at, language, task)
    SELECT to_timestamp(at), language, task
    FROM unnest(%s::float8[], %s::text[], %s::text[]) AS given (at, language, task)
    RETURNING id
), counted AS (
    UPDATE counters SET value = value + (SELECT count(*) FROM fresh) WHERE name = 'visits'
    RETURNING value
), forgotten AS (
    DELETE FROM visits WHERE id <= (SELECT max(id) FROM fresh) - %s
)
SELECT coalesce((SELECT value FROM counted), 0)
"""
# One row, the newest visits as one text: it seldom differs from the last one, which is parsed already.
READ = b"""
SELECT greetings.greeting, counters.value, (
    SELECT coalesce(json_agg(newest), '[]')::text
    FROM (SELECT visited_at, language, task FROM visits ORDER BY id DESC LIMIT 5) AS newest
)
FROM greetings
JOIN counters ON counters.name = 'visits'
WHERE greetings.language = %s
"""


@dataclass(frozen=True)
class Visit:
    """When someone came, in which language they read, and which task answered."""

    at: datetime
    language: str
    task: str


@dataclass(frozen=True)
class GuestBook:
    """What the database says, and of the visits also those that it does not hold yet."""

    greeting: str
    visits: int
    newest: tuple[Visit, ...]


class Visits:
    """Reads and writes visits.

    No address and no user agent is kept. A batch whose commit was not confirmed is written again:
    a visit may in that case be counted twice, but is never lost.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._backlog = Backlog()
        self._writing = threading.Lock()
        database.keeper.every_tick(self.write)
        database.open_when(READ, ("en",))

    def add(self, at: float, language: str, task: str) -> None:
        """Note a visit at `at` seconds since the epoch; it is written within about 0.5 s."""
        self._backlog.add(Noted(at, language, task))

    def read(self, language: str) -> GuestBook:
        """The newest visits and their number, by one query. Raises DatabaseAway."""
        mark = self._backlog.mark()
        [(greeting, counter, newest)] = self._database.fetch(READ, (language,))
        return GuestBook(greeting, self._backlog.total(counter, mark), _newest(newest))

    def write(self) -> None:
        """Write what waits. Raises DatabaseAway, and then keeps it."""
        with self._writing:
            batch = self._backlog.take()
            if batch is None:
                return
            columns = map(_array, zip(*batch.visits, strict=True))
            try:
                [(counter,)] = self._database.write(WRITE, (*columns, KEPT))
            except BaseException:
                self._backlog.failed(batch)
                raise
            self._backlog.landed(batch, counter)


@lru_cache(maxsize=4)
def _newest(text: str) -> tuple[Visit, ...]:
    return tuple(
        Visit(datetime.fromisoformat(each["visited_at"]), each["language"], each["task"])
        for each in json.loads(text)
    )


def _array(values: tuple[object, ...]) -> str:
    """PostgreSQL's text form of an array; psycopg's own takes ten times as long."""
    escaped = (str(value).replace("\\", "\\\\").replace('"', '\\"') for value in values)
    return '{"' + '","'.join(escaped) + '"}'
