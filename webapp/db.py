"""The database: a connection pool, and a gate that is closed while the database is unavailable."""

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

SPARE_CONNECTIONS = 2  # besides the pool: one for /health/db, one for the migrations
# Seconds. Their sum is far below the load balancer's idle timeout (60 on AWS).
CONNECT_TIMEOUT = 2  # psycopg's minimum
POOL_TIMEOUT = 2.0  # until a page has a connection
STATEMENT_TIMEOUT = 2.0  # enforced by the server
PATIENCE = 2.5  # for a response; longer than STATEMENT_TIMEOUT
PROBE_PATIENCE = 0.8
RETRY_EVERY = 0.25  # while the database is unavailable
NO_ANSWER = "none"  # in place of the SQLSTATE, which an error has only from the server
# Classes of SQLSTATE: connections; and shutdown, crash or start-up, which the server says before it closes one.
LOST = ("08", "57P", NO_ANSWER)

RV = TypeVar("RV")
log = logging.getLogger(__name__)


class DatabaseAway(Exception):
    """The database does not respond, or not in time."""


class Connection(psycopg.Connection[TupleRow]):
    """A connection that handles a rotated password and a server that does not respond.

    statement_timeout has no effect when the server is stopped, or its host disappears in a failover.
    """

    patience = PATIENCE

    @classmethod
    def connect(  # type: ignore[override]  # the pool passes its kwargs on as they are
        cls, conninfo: str = "", *, credentials: Credentials, **kwargs: Any
    ) -> Self:
        """Connect; when the login is refused, connect again with the one that replaced it."""
        login = credentials.current()
        try:
            return super().connect(conninfo, user=login.user, password=login.password, **kwargs)
        except psycopg.OperationalError as error:
            # A failed connection has no SQLSTATE, only the server's text. The text is in English
            # whatever lc_messages is, which the server reads after the login.
            if "authentication failed" in str(error) and credentials.replace(login):
                return cls.connect(conninfo, credentials=credentials, **kwargs)
            raise

    def wait(self, gen: PQGen[RV], interval: float = 0.1, timeout: float | None = None) -> RV:
        """Wait as psycopg does, but close the connection when no response comes within `patience`."""
        try:
            return super().wait(gen, interval, self.patience if timeout is None else timeout)
        except psycopg.OperationalError as error:
            if self.pgconn.transaction_status != TransactionStatus.ACTIVE:
                raise
            # ACTIVE: the response may still come, so the connection cannot be used again.
            self.close()
            reason = f"the database did not answer in {self.patience} s"
            raise psycopg.OperationalError(reason) from error


class Database:
    """The pool, the gate and the migrations of one worker.

    The gate closes when a request finds the database unavailable. Later requests fail at once instead
    of waiting for a timeout, until a background thread has connected.
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
            min_size=min(2, settings.db_pool_size),
            max_size=settings.db_pool_size,
            max_lifetime=1800,
            reconnect_timeout=0.5,
            timeout=POOL_TIMEOUT,
            name="database",
            open=False,
        )

    def open(self) -> None:
        """Start to connect and to migrate in the background."""
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
        """Return a connection outside the pool that waits `patience` seconds for a response."""
        connection = Connection.connect(**self.parameters(statement_timeout=0))
        connection.patience = patience
        return connection

    def parameters(self, statement_timeout: float) -> dict[str, Any]:
        """Return the arguments of Connection.connect. A statement_timeout of 0 s is no limit."""
        return {
            "host": self._settings.db_host,
            "port": self._settings.db_port,
            "dbname": self._settings.db_name,
            "sslmode": self._settings.db_sslmode,
            "sslrootcert": str(self._settings.db_sslrootcert),
            "application_name": "hello-ecs",
            "connect_timeout": CONNECT_TIMEOUT,
            "options": f"-c statement_timeout={statement_timeout * 1000:.0f}",
            # After a failover the old primary may still be reachable, read-only.
            "target_session_attrs": "read-write",
            "autocommit": True,
            "credentials": self._credentials,
        }

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """Return a connection of the pool for the block.

        Raises DatabaseAway, also when the connection is lost in the block, and psycopg's errors of
        statements.
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
            self.pool.drain()  # the other connections are probably lost, too
            raise DatabaseAway(str(error)) from error

    def probe(self) -> bool:
        """Return whether the database responds on a new connection; takes at most 3 s.

        One caller at a time connects. Its result is used again for as long as the attempt took, so
        that no caller waits for more than two attempts.
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
        except Exception as error:
            if not self._away.is_set():  # else _watch reports it
                fields = {"host": self._settings.db_host, "reason": str(error).strip()}
                log.error("the database takes no new connection", extra=fields)
            return False
        return True

    def _check(self, connection: Connection) -> None:
        """Check a connection before the pool returns it."""
        try:
            self.pool.check_connection(connection)
        except psycopg.Error:
            self.pool.drain()
            raise

    def _watch(self) -> None:
        """Open the gate whenever a connection succeeds, at the start and after the gate has closed."""
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
        """Log a change, not each attempt with the same result."""
        if message != self._reported and not self._closed.is_set():
            self._reported = message
            log.log(level, message, extra={"host": self._settings.db_host, **fields})


def is_disconnection(error: psycopg.Error) -> bool:
    """Return whether an error means that the connection is lost, or leads to a server that is not the primary.

    Other OperationalErrors are a statement's own: disk full, deadlock, lock or statement timeout.
    """
    if isinstance(error, psycopg.errors.ReadOnlySqlTransaction):
        return True  # a former primary
    state = error.sqlstate or NO_ANSWER
    return isinstance(error, psycopg.OperationalError) and state.startswith(LOST)


def init_app(app: Flask, settings: Settings) -> None:
    """Create and open the app's database."""
    database = app.extensions["database"] = Database(settings)
    database.open()


def of(app: Flask) -> Database:
    """Return the database of an app."""
    database: Database = app.extensions["database"]
    return database


def connection() -> AbstractContextManager[Connection]:
    """Return a connection for the current request: `with db.connection() as connection:`."""
    return of(current_app).connection()
