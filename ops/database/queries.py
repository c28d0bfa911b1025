"""Where the database is and how one logs in. The password stays in memory and is never shown."""

from __future__ import annotations

import json
import os
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import psycopg

from i18n import Refused, Text, t
from ops.aws.session import Session
from ops.database.tunnel import Tunnel
from ops.doctor.checks.databases import USABLE
from ops.snapshot import rds, read_part
from ops.snapshot.rds import Database
from stack.names import StackNames

BUNDLE = Path(__file__).parents[2] / "webapp" / "certs" / "rds-ca.pem"
"""The certificates by which the app, too, knows its database: AWS's own bundle (webapp/certs)."""


CONNECT_SECONDS = 10


LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, kw_only=True)
class Login:
    """What a client needs besides the tunnel."""

    host: str
    port: int
    name: str
    user: str
    authorities: Path
    password: str = field(repr=False)

    def libpq(self, local_port: int) -> dict[str, str]:
        """libpq's variables: through the tunnel, and still checking the endpoint's certificate."""
        return {
            "PGHOST": self.host,
            "PGHOSTADDR": LOOPBACK,
            "PGPORT": str(local_port),
            "PGDATABASE": self.name,
            "PGUSER": self.user,
            "PGPASSWORD": self.password,
            "PGSSLMODE": "verify-full",
            "PGSSLROOTCERT": str(self.authorities),
            "PGCONNECT_TIMEOUT": str(CONNECT_SECONDS),
            "PGAPPNAME": "careapp-db",
        }

    def psycopg(self, local_port: int) -> dict[str, Any]:
        """The same as psycopg's arguments."""
        return {
            "host": self.host,
            "hostaddr": LOOPBACK,
            "port": local_port,
            "dbname": self.name,
            "user": self.user,
            "password": self.password,
            "sslmode": "verify-full",
            "sslrootcert": str(self.authorities),
            "connect_timeout": CONNECT_SECONDS,
            "application_name": "careapp-db",
        }


def database(session: Session, names: StackNames) -> Database:
    """The database, if it takes connections. Raises Refused and AwsProblem."""
    part = read_part(rds.database, session, names.database, False)
    if part.problem:
        raise part.problem
    found = part.value
    if found is None:
        raise Refused(
            t(
                "There is no database {id} in {region}; `pulumi up -s {stack}` makes it.",
                id=names.database,
                region=session.region,
                stack=names.stack,
            )
        )
    if found.status not in USABLE:
        raise Refused(_away(found, names))
    return found


def _away(found: Database, names: StackNames) -> Text:
    if found.pause is not None:
        return t(
            "The stack is paused and its database is {status}: `./careapp resume -s {stack}` first.",
            status=found.status,
            stack=names.stack,
        )
    return t(
        "The database is {status} and takes no connections; `./careapp doctor -s {stack}` says what "
        "mends it.",
        status=found.status,
        stack=names.stack,
    )


def login(session: Session, found: Database) -> Login:
    """With the master password of this moment. Raises Refused and AwsProblem."""
    if not found.secret:
        raise Refused(
            t("RDS manages no password for {id}, so there is none to log in with.", id=found.id)
        )
    answer = session.call("secretsmanager", "get_secret_value", SecretId=found.secret)
    secret = json.loads(answer["SecretString"])
    return Login(
        host=found.address,
        port=found.port,
        name=found.name,
        user=str(secret["username"]),
        password=str(secret["password"]),
        authorities=_authorities(),
    )


def _authorities() -> Path:
    """libpq's own variable, where somebody has set it; else AWS's bundle."""
    chosen = os.environ.get("PGSSLROOTCERT")
    return Path(chosen) if chosen else BUNDLE


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

    def as_dict(self) -> dict[str, Any]:
        """For scripts."""
        return {**asdict(self), "through": str(self.through), "verified": "verify-full"}


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
