"""The database as the app sees it: a pool, and queries that end in time."""

import threading
import time
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.rows import TupleRow
from psycopg_pool import ConnectionPool, PoolClosed, PoolTimeout

from webapp.connection import (
    PATIENCE,
    Connection,
    DatabaseAway,
    SchemaMissing,
    TooSlow,
    is_broken,
    reaching,
)
from webapp.credentials import Credentials
from webapp.keeper import Keeper
from webapp.settings import Settings

STATEMENT_TIMEOUT = 2.0  # seconds, kept by the server
RECONNECT_TIMEOUT = 0.5  # seconds until the pool gives up and waits for somebody to ask again
PROBE_REUSED = 1.0  # seconds
SPARE_CONNECTIONS = 2  # for the keeper and for /health/db: they never wait for the pages
CHECK = b"SELECT 1"


@dataclass(frozen=True)
class Limits:
    """How long to wait, in seconds: for a connection, and then for the answer."""

    connection: float
    answer: float


# All far below a load balancer's idle timeout (60 s by default on AWS).
PAGE = Limits(2.0, PATIENCE)
PROBE = Limits(1.0, 1.2)
KEEPER = Limits(0.75, PATIENCE)
LONGEST_FETCH = PAGE.connection + PAGE.answer


class Database:
    """A pool of connections behind a gate that closes while the database is away.

    `clients` is how many queries the pages make at the same time at most.
    """

    def __init__(self, settings: Settings, credentials: Credentials, clients: int) -> None:
        self._settings = settings
        self._credentials = credentials
        self._last_failure: Exception | None = None
        self._ready: tuple[bytes, Any] = (CHECK, None)
        self._probing = threading.Lock()
        self._probed = False
        self._probe_valid_until = 0.0
        self.keeper = Keeper(settings.db_host, lambda: self._in_time(*self._ready, KEEPER))
        size = clients + SPARE_CONNECTIONS
        self.pool: ConnectionPool[Connection] = ConnectionPool(
            connection_class=Connection,
            kwargs=self.parameters,
            # All of them from the start: to open one takes long on a fraction of a CPU.
            min_size=size,
            max_size=size,
            max_lifetime=1800,
            reconnect_timeout=RECONNECT_TIMEOUT,
            name="database",
            open=False,
        )
        credentials.on_replaced = self.pool.drain

    def parameters(self) -> dict[str, Any]:
        """How the pool connects, asked for at each new connection."""
        limit = f"-c statement_timeout={STATEMENT_TIMEOUT * 1000:.0f}"
        return self.unlimited_parameters() | {"options": limit}

    def unlimited_parameters(self) -> dict[str, Any]:
        """The same for migrations, whose statements may take long."""
        return reaching(self._settings) | {
            "autocommit": True,
            "logins": self._credentials,
            "on_failed": self._connecting_failed,
        }

    def open_when(self, query: bytes, parameters: Any) -> None:
        """Name the query whose success opens the gate: the one that pages depend on."""
        self._ready = (query, parameters)

    def open(self) -> None:
        """Start to connect, in the background."""
        self.pool.open()
        self.keeper.start()

    def close(self) -> None:
        """End the background work and close all connections."""
        self.keeper.stop(KEEPER.connection + KEEPER.answer)
        self.pool.close(timeout=1)

    def fetch(self, query: bytes, parameters: Any = None) -> list[TupleRow]:
        """The rows of a page's query. Raises DatabaseAway, or what psycopg says of the query."""
        self._refuse_while_away()
        try:
            rows = self._in_time(query, parameters, PAGE)
        except DatabaseAway as error:
            self.keeper.lost(error)
            raise
        self.keeper.page_served()
        return rows

    def write(self, query: bytes, parameters: Any = None) -> list[TupleRow]:
        """As `fetch`, off the pages' path: to wait too long for a row's lock closes no gate."""
        self._refuse_while_away()
        return self._run(query, parameters, PAGE)

    def _refuse_while_away(self) -> None:
        if self.keeper.away:
            raise DatabaseAway(self._reason())

    def probe(self) -> bool:
        """Whether the database answers; at most one caller at a time asks it.

        An answer is used again while it is younger than the time that it took to get, so that
        however many ask at once, none waits for more than about two attempts; but not if the
        keeper has found since that the database is back.
        """
        with self._probing:
            began = time.monotonic()
            outdated = not self._probed and not self.keeper.away
            if outdated or began > self._probe_valid_until:
                self._probed = self._probe_now()
                ended = time.monotonic()
                self._probe_valid_until = ended + min(ended - began, PROBE_REUSED)
            return self._probed

    def _probe_now(self) -> bool:
        try:
            self._in_time(CHECK, None, PROBE)
        except DatabaseAway as error:
            self.keeper.lost(error)
            return False
        except psycopg.Error:
            return False
        self.keeper.answered()
        return True

    def _in_time(self, query: bytes, parameters: Any, limits: Limits) -> list[TupleRow]:
        """As `_run`, but a statement that takes too long is a database that is away."""
        try:
            return self._run(query, parameters, limits)
        except psycopg.errors.QueryCanceled as error:
            raise DatabaseAway(str(error)) from error

    def _run(self, query: bytes, parameters: Any, limits: Limits) -> list[TupleRow]:
        """Run a statement; a connection that broke while it was idle is replaced by another.

        Raises DatabaseAway. What the statement itself has done wrong is raised as it is: the
        connection is sound, and another would answer the same.
        """
        deadline = time.monotonic() + limits.connection
        spare = self.pool.max_size  # each may have broken; of those made since hardly any has
        while True:
            connection = self._connection(max(deadline - time.monotonic(), 0.01))
            try:
                connection.patience = limits.answer
                cursor = connection.execute(query, parameters, prepare=True)
                return cursor.fetchall() if cursor.description else []
            except psycopg.errors.UndefinedTable as error:
                raise SchemaMissing("the schema is not there yet") from error
            except TooSlow as error:
                # Whatever else is in the pool has probably lost its server too.
                self.pool.drain()
                raise DatabaseAway(str(error)) from error
            except psycopg.Error as error:
                if not is_broken(connection, error):
                    raise
                connection.close()
                spare -= 1
                if spare < 0 or time.monotonic() > deadline:
                    raise DatabaseAway(str(error)) from error
            finally:
                self.pool.putconn(connection)

    def _connection(self, timeout: float) -> Connection:
        try:
            return self.pool.getconn(timeout)
        except (PoolTimeout, PoolClosed) as error:
            raise DatabaseAway(self._reason()) from error

    def _connecting_failed(self, error: Exception) -> None:
        self._last_failure = error

    def _reason(self) -> str:
        return str(self._last_failure or "no connection in time").strip()
