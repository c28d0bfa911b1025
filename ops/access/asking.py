"""Asks the database: who and what it is and how fast it answers, or one question of a person's."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

import psycopg

from i18n import Text
from ops.access.login import Login
from ops.access.tunnel import Tunnel


class NoConnection(Exception):
    """The database did not let us in; ``str()`` is libpq's own words, which hold no password."""


@dataclass(frozen=True, kw_only=True)
class Checked:
    """What a check has seen. Times are milliseconds; ``p50_ms`` is the median round trip."""

    endpoint: str
    port: int
    database: str
    user: str
    through: Text
    version: str
    tls: str
    cipher: str
    authorities: str
    rounds: int
    connect_ms: float
    p50_ms: float
    slowest_ms: float

    def as_dict(self, lang: str) -> dict[str, Any]:
        """For scripts."""
        return {**asdict(self), "through": self.through.to(lang), "verified": "verify-full"}


def connected(login: Login, tunnel: Tunnel) -> psycopg.Connection[Any]:
    """A connection whose certificate was checked for the endpoint's name. Raises NoConnection."""
    try:
        return psycopg.connect(**login.psycopg(tunnel.port), autocommit=True)
    except psycopg.OperationalError as error:
        raise NoConnection(str(error)) from None


def check(login: Login, tunnel: Tunnel, rounds: int) -> Checked:
    """Look and measure. Raises NoConnection."""
    begun = time.perf_counter()
    with connected(login, tunnel) as connection:
        connect = time.perf_counter() - begun
        times = sorted(_round_trip(connection) for _ in range(rounds))
        row = connection.execute(
            "SELECT version(), current_user::text, current_database()::text, s.version, s.cipher "
            "FROM pg_stat_ssl s WHERE s.pid = pg_backend_pid()"
        ).fetchone()
    version, user, name, tls, cipher = row or ("",) * 5
    return Checked(
        endpoint=login.host,
        port=login.port,
        database=name,
        user=user,
        through=tunnel.way.text,
        version=version,
        tls=tls,
        cipher=cipher,
        authorities=str(login.authorities),
        rounds=rounds,
        connect_ms=_ms(connect),
        p50_ms=_ms(median(times)),
        slowest_ms=_ms(times[-1]),
    )


def _round_trip(connection: psycopg.Connection[Any]) -> float:
    begun = time.perf_counter()
    connection.execute("SELECT 1").fetchone()
    return time.perf_counter() - begun


def _ms(seconds: float) -> float:
    return round(1000 * seconds, 2)


@dataclass(frozen=True)
class Answer:
    """A question's answer: its columns and rows, or only PostgreSQL's word for what it did."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    status: str


def ask(login: Login, tunnel: Tunnel, question: str) -> Answer:
    """Put one question. Raises NoConnection, and psycopg.Error for what PostgreSQL refuses."""
    with connected(login, tunnel) as connection:
        # As psql -c: several statements at once are one transaction; the last answer counts.
        cursor = connection.execute(question.encode())
        while cursor.nextset():
            pass
        if cursor.description is None:
            return Answer((), (), cursor.statusmessage or "")
        columns = tuple(each.name for each in cursor.description)
        return Answer(columns, tuple(cursor.fetchall()), cursor.statusmessage or "")
