"""A PostgreSQL connection that never waits for ever and that survives a rotated password."""

from collections.abc import Callable
from typing import Any, Protocol, Self, TypeVar

import psycopg
from psycopg.abc import PQGen
from psycopg.pq import TransactionStatus
from psycopg.rows import TupleRow

from webapp.credentials import Login
from webapp.settings import Settings

CONNECT_TIMEOUT = 2  # seconds; psycopg's least
PATIENCE = 2.5  # seconds for an answer; longer than statement_timeout, which the server keeps
RV = TypeVar("RV")


class DatabaseAway(Exception):
    """The database does not answer now, or not in time."""


class SchemaMissing(DatabaseAway):
    """The database answers, and its migrations have not been applied yet."""


class TooSlow(psycopg.OperationalError):
    """The server did not answer in time; the connection is closed."""


class Logins(Protocol):
    """Where a connection gets its login, and another if that is refused."""

    def current(self) -> Login: ...
    def replace(self, refused: Login | None) -> Login | None: ...


class Connection(psycopg.Connection[TupleRow]):
    """A psycopg connection with a deadline of its own for each answer.

    statement_timeout is kept by the server: it does not help when the server is stopped, or its
    host has gone without a word, as in a failover.
    """

    patience = PATIENCE

    @classmethod
    def connect(  # type: ignore[override]  # the pool hands its kwargs over as they are
        cls,
        conninfo: str = "",
        *,
        logins: Logins,
        on_failed: Callable[[Exception], None],
        **kwargs: Any,
    ) -> Self:
        """Connect; where the login is refused, once more with the one that replaced it."""
        try:
            login = logins.current()
            try:
                return cls._as(login, conninfo, kwargs)
            except psycopg.OperationalError as error:
                newer = logins.replace(login) if is_refused(error) else None
                if newer is None:
                    raise
            return cls._as(newer, conninfo, kwargs)
        except Exception as error:
            on_failed(error)
            raise

    @classmethod
    def _as(cls, login: Login, conninfo: str, kwargs: dict[str, Any]) -> Self:
        return super().connect(conninfo, user=login.user, password=login.password, **kwargs)

    def wait(self, gen: PQGen[RV], interval: float = 0.1, timeout: float | None = None) -> RV:
        """As psycopg's, but an answer that does not come within `patience` closes the connection.

        Raises TooSlow.
        """
        try:
            return super().wait(gen, interval, self.patience if timeout is None else timeout)
        except psycopg.OperationalError as error:
            if self.pgconn.transaction_status != TransactionStatus.ACTIVE:
                raise
            # Still ACTIVE means that the answer may yet come: nobody can use this connection.
            self.close()
            raise TooSlow(f"the database did not answer in {self.patience} s") from error


def reaching(settings: Settings) -> dict[str, Any]:
    """libpq's parameters: where the database is, and when it is given up."""
    return {
        "host": settings.db_host,
        "port": settings.db_port,
        "dbname": settings.db_name,
        "sslmode": settings.db_sslmode,
        "sslrootcert": str(settings.db_sslrootcert),
        "application_name": "careapp",
        "connect_timeout": CONNECT_TIMEOUT,
        "keepalives_idle": 10,
        "keepalives_interval": 2,
        "keepalives_count": 3,
        "tcp_user_timeout": 3000,
        # A failover may leave the old primary reachable, as one that only reads.
        "target_session_attrs": "read-write",
    }


def is_refused(error: psycopg.OperationalError) -> bool:
    """Whether the server refused the login.

    libpq gives no SQLSTATE for a failed connection, only the server's text, which is English
    on RDS whatever lc_messages says: the setting is read after the login.
    """
    return "authentication failed" in str(error)


def is_disconnection(error: Exception) -> bool:
    """Whether it ended the connection, or none was had: the statement itself is not to blame.

    Of psycopg's OperationalErrors most are answers to a statement: disk full, deadlock, lock or
    statement timeout. What libpq finds itself has no SQLSTATE. Class 08 is of connections; all of
    57P, shutdown, crash, start-up and the like, is sent before the server hangs up.
    """
    if not isinstance(error, psycopg.OperationalError):
        return False
    return error.sqlstate is None or error.sqlstate.startswith(("08", "57P"))


def is_broken(connection: Connection, error: psycopg.Error) -> bool:
    """Whether another connection is needed: this one has ended, or leads to no primary any more."""
    demoted = isinstance(error, psycopg.errors.ReadOnlySqlTransaction)
    return connection.closed or demoted or is_disconnection(error)
