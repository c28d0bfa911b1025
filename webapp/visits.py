"""Who visited: kept in memory for a moment and written together, off the request's path."""

import threading
from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime

from webapp.database import Database

KEPT = 1000  # rows; older visits live on in the counter only
MAX_WAITING = 10_000  # visits; what comes while the database is away for long is not kept

# One statement, so one transaction: a visit is both listed and counted, or neither.
WRITE = b"""
WITH fresh AS (
    INSERT INTO visits (visited_at, language, task)
    SELECT * FROM unnest(%s::timestamptz[], %s::text[], %s::text[])
    RETURNING id
), counted AS (
    UPDATE counters SET value = value + (SELECT count(*) FROM fresh) WHERE name = 'visits'
)
DELETE FROM visits WHERE id <= (SELECT max(id) FROM fresh) - %s
"""
READ = b"""
SELECT greetings.greeting, counters.value, newest.visited_at, newest.language, newest.task
FROM greetings
JOIN counters ON counters.name = 'visits'
LEFT JOIN LATERAL (
    SELECT id, visited_at, language, task FROM visits ORDER BY id DESC LIMIT 5
) AS newest ON true
WHERE greetings.language = %s
ORDER BY newest.id DESC
"""


@dataclass(frozen=True)
class Visit:
    """When someone came, in which language they read, and which task answered."""

    at: datetime
    language: str
    task: str


@dataclass(frozen=True)
class GuestBook:
    """What the database says."""

    greeting: str
    visits: int
    newest: list[Visit]


class Visits:
    """Reads and writes visits.

    No address and no user agent is kept. A batch whose commit was not confirmed is written again:
    a visit may in that case be counted twice, but is never lost.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: deque[Visit] = deque()
        self._lock = threading.Lock()
        database.keeper.every_tick(self.write)
        database.open_when(READ, ("en",))

    def add(self, language: str, task: str) -> Visit:
        """Note a visit; it is written within about half a second."""
        visit = Visit(datetime.now(UTC), language, task)
        if len(self._waiting) < MAX_WAITING:
            self._waiting.append(visit)
        return visit

    def waiting(self) -> int:
        """How many visits are not written yet."""
        return len(self._waiting)

    def read(self, language: str) -> GuestBook:
        """The newest visits and their number, by one query. Raises DatabaseAway."""
        rows = self._database.fetch(READ, (language,))
        newest = [Visit(at, lang, task) for _, _, at, lang, task in rows if at is not None]
        return GuestBook(rows[0][0], rows[0][1], newest)

    def write(self) -> None:
        """Write what waits. Raises DatabaseAway, and then keeps it."""
        with self._lock:
            batch = [self._waiting.popleft() for _ in range(len(self._waiting))]
            if not batch:
                return
            columns = ([v.at for v in batch], [v.language for v in batch], [v.task for v in batch])
            try:
                self._database.fetch(WRITE, (*columns, KEPT))
            except BaseException:
                self._waiting.extendleft(reversed(batch))
                raise
