"""The database: a pool of connections, and a gate that is closed while the database is away."""

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Self, TypeVar

import psycopg
from flask import Flask, current_app
from psycopg.abc import PQGen
from psycopg.pq import TransactionStatus
from psycopg.rows import TupleRow
from psycopg_pool import ConnectionPool

from webapp import migrations
from webapp.credentials import Credentials
from webapp.migrations import Migrator
from webapp.settings import Settings

POOL_SIZE = 4  # connections of one worker for its pages
SPARE_CONNECTIONS = 2  # besides: one for /health/db, one for the migrations
# Seconds. With all of them a page fails long before the load balancer's idle timeout (60 on AWS).
CONNECT_TIMEOUT = 2  # psycopg's least
POOL_TIMEOUT = 2.0  # until a page has a connection
STATEMENT_TIMEOUT = 2.0  # kept by the server
PATIENCE = 2.5  # for an answer; longer than STATEMENT_TIMEOUT
PROBE_PATIENCE = 0.8
RETRY_EVERY = 0.25  # while the database is away

RV = TypeVar("RV")
log = logging.getLogger(__name__)


class DatabaseAway(Exception):
    """The database does not answer now, or not in time."""


class Connection(psycopg.Connection[TupleRow]):
    """A connection that survives a rotated password and does not wait for ever.

    statement_timeout does not help when the server is stopped, or its host disappears in a failover.
    """

    patience = PATIENCE

    @classmethod
    def connect(  # type: ignore[override]  # the pool passes its kwargs on as they are
        cls, conninfo: str = "", *, credentials: Credentials, **kwargs: Any
    ) -> Self:
        """Connect; where the login is refused, again with the one that has replaced it."""
        login = credentials.current()
        try:
            return super().connect(conninfo, user=login.user, password=login.password, **kwargs)
        except psycopg.OperationalError as error:
            # A failed connection has no SQLSTATE, only the server's text. RDS writes it in
            # English whatever lc_messages says, because that is read after the login.
            if "authentication failed" in str(error) and credentials.replace(login):
                return cls.connect(conninfo, credentials=credentials, **kwargs)
            raise

    def wait(self, gen: PQGen[RV], interval: float = 0.1, timeout: float | None = None) -> RV:
        """As psycopg's, but close the connection if no answer comes within `patience`."""
        try:
            return super().wait(gen, interval, self.patience if timeout is None else timeout)
        except psycopg.OperationalError as error:
            if self.pgconn.transaction_status != TransactionStatus.ACTIVE:
                raise
            # ACTIVE: the answer may still come, so the connection cannot be used again.
            self.close()
            reason = f"the database did not answer in {self.patience} s"
            raise psycopg.OperationalError(reason) from error


class Database:
    """The pool, the gate and the migrations of one worker.

    The gate closes when a request finds the database away. Later requests are refused at once
    instead of each waiting for a timeout, until a thread has connected.
    """

    def __init__(self, settings: Settings, folder: Path = migrations.FOLDER) -> None:
        self._settings = settings
        self._credentials = Credentials.of(settings)
        self._away, self._closed = threading.Event(), threading.Event()
        self._reported = ""
        self._probing = threading.Lock()
        self._probed, self._probe_valid_until = False, 0.0
        self.migrator = Migrator(self.connect, folder)
        self.pool: ConnectionPool[Connection] = ConnectionPool(
            connection_class=Connection,
            kwargs=self.parameters(STATEMENT_TIMEOUT),
            check=self._check,
            min_size=2,
            max_size=POOL_SIZE,
            max_lifetime=1800,
            reconnect_timeout=0.5,
            timeout=POOL_TIMEOUT,
            name="database",
            open=False,
        )

    def open(self) -> None:
        """Start to connect and to migrate, in the background."""
        self.pool.open()
        self._away.set()
        threading.Thread(target=self._watch, name="database", daemon=True).start()
        self.migrator.start()

    def close(self) -> None:
        """Close all connections."""
        self._closed.set()
        self._away.set()
        self.migrator.stop()
        self.pool.close(timeout=1)
        log.info("stopped")

    def connect(self, patience: float = migrations.LONGEST) -> Connection:
        """Return a connection of its own, outside the pool, which waits so long for an answer."""
        connection = Connection.connect(**self.parameters(statement_timeout=0))
        connection.patience = patience
        return connection

    def parameters(self, statement_timeout: float) -> dict[str, Any]:
        """What Connection.connect takes; without a limit in seconds a statement may take for ever."""
        return {
            "host": self._settings.db_host,
            "port": self._settings.db_port,
            "dbname": self._settings.db_name,
            "sslmode": self._settings.db_sslmode,
            "sslrootcert": str(self._settings.db_sslrootcert),
            "application_name": "careapp",
            "connect_timeout": CONNECT_TIMEOUT,
            "options": f"-c statement_timeout={statement_timeout * 1000:.0f}",
            # A failover may leave the old primary reachable, as a server that only reads.
            "target_session_attrs": "read-write",
            "autocommit": True,
            "credentials": self._credentials,
        }

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """A connection of the pool for as long as the block.

        Raises DatabaseAway, also where the connection breaks within the block, and what psycopg
        says of a statement.
        """
        if self._away.is_set():
            raise DatabaseAway("the gate is closed")
        try:
            with self.pool.connection() as connection:
                yield connection
        except psycopg.errors.UndefinedTable as error:
            if self.migrator.done.is_set():
                raise
            raise DatabaseAway("the schema is not there yet") from error
        except psycopg.Error as error:
            if not is_disconnection(error):
                raise
            self._away.set()
            self.pool.drain()  # its other connections have probably lost the server, too
            raise DatabaseAway(str(error)) from error

    def probe(self) -> bool:
        """Whether the database answers now, asked on a connection of its own; takes at most 3 s.

        One caller at a time asks. An answer is used again while it is younger than the time that
        it took, so that however many ask at once, none waits for more than two attempts.
        """
        with self._probing:
            began = time.monotonic()
            if began > self._probe_valid_until:
                self._probed = self._answers()
                ended = time.monotonic()
                self._probe_valid_until = ended + (ended - began)
            return self._probed

    def _answers(self) -> bool:
        try:
            with self.connect(PROBE_PATIENCE) as connection:
                connection.execute("SELECT 1")
        except Exception:
            return False
        return True

    def _check(self, connection: Connection) -> None:
        """Check a connection before the pool gives it out."""
        try:
            self.pool.check_connection(connection)
        except psycopg.Error:
            self.pool.drain()
            raise

    def _watch(self) -> None:
        """Open the gate as soon as the database is there, at the start and whenever it was away."""
        while not self._closed.is_set():
            try:
                self.connect().close()
            except Exception as error:
                self._report(logging.ERROR, "database away", reason=str(error).strip())
                self._closed.wait(RETRY_EVERY)
            else:
                self._away.clear()
                self._report(logging.INFO, "database connected")
                self._away.wait()

    def _report(self, level: int, message: str, **fields: str) -> None:
        """Log a change, and not each attempt that finds the same."""
        if message != self._reported and not self._closed.is_set():
            self._reported = message
            log.log(level, message, extra={"host": self._settings.db_host, **fields})


def is_disconnection(error: Exception) -> bool:
    """Whether another connection is needed: this one ended, none was had, or it leads to no primary.

    Most of psycopg's OperationalErrors are answers to a statement: disk full, deadlock, lock or
    statement timeout. What libpq finds itself has no SQLSTATE. Class 08 is of connections; all of
    57P, shutdown, crash, start-up and the like, is sent before the server hangs up.
    """
    if isinstance(error, psycopg.errors.ReadOnlySqlTransaction):
        return True
    if not isinstance(error, psycopg.OperationalError):
        return False
    return error.sqlstate is None or error.sqlstate.startswith(("08", "57P"))


def init_app(app: Flask, settings: Settings) -> None:
    """Give the app its database."""
    database = app.extensions["database"] = Database(settings)
    database.open()


def of(app: Flask) -> Database:
    """The database of an app."""
    database: Database = app.extensions["database"]
    return database


def connection() -> AbstractContextManager[Connection]:
    """A connection for the request that is answered now: `with db.connection() as connection:`."""
    return of(current_app).connection()
