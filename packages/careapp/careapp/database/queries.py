"""Reads the login and runs statements. The password stays in memory and is never printed."""

import json
import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import psycopg
from psycopg.pq import Conninfo

from careapp.additions.parts import restores
from careapp.additions.parts.pauses import pause_of
from careapp.database.tunnel import Tunnel
from careapp.settings.names import StackNames
from ecs_gate.aws.session import Session
from ecs_gate.checks.databases import USABLE
from ecs_gate.parts import rds
from ecs_gate.parts.rds import Database
from ecs_gate.parts.records import read_part
from ecs_gate.text import Refused, Text, t

BUNDLE = Path(__file__).parents[1] / "project" / "template" / "app" / "rds-ca.pem"
"""The certificates by which the app, too, knows its database: AWS's own bundle."""

CONNECT_SECONDS = 10

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, kw_only=True)
class Login:
    """The parameters of a connection, except for the tunnel."""

    host: str
    port: int
    name: str
    user: str
    authorities: Path
    password: str = field(repr=False)

    def parameters(self, local_port: int) -> dict[str, str]:
        """Return libpq's parameters: connect through the tunnel, verify the certificate for the endpoint."""
        return {
            "host": self.host,
            "hostaddr": LOOPBACK,
            "port": str(local_port),
            "dbname": self.name,
            "user": self.user,
            "sslmode": "verify-full",
            "sslrootcert": str(self.authorities),
            "password": self.password,
            "connect_timeout": str(CONNECT_SECONDS),
            "application_name": "careapp-db",
        }

    def variables(self, local_port: int) -> dict[str, str]:
        """Return the parameters as libpq's environment variables."""
        given = self.parameters(local_port)
        known = {default.keyword.decode(): default.envvar for default in Conninfo.get_defaults()}
        return {(known[name] or b"").decode(): value for name, value in given.items()}


def database(session: Session, names: StackNames) -> Database:
    """Return the database, if it accepts connections. Raises Refused and AwsProblem."""
    part = read_part(rds.database, session, names.database, False)
    if part.problem:
        raise part.problem
    database = part.value
    if database is None:
        known = {"id": names.database, "region": session.region, "stack": names.stack}
        if restores.instances(session, names.database):
            raise Refused(
                "There is no database {id} in {region}: a restore has not ended. `./careapp db restore --yes -s "
                "{stack}` goes on.",
                **known,
            )
        raise Refused(
            "There is no database {id} in {region}; `pulumi up -s {stack}` creates an empty one.",
            **known,
        )
    if database.status not in USABLE:
        raise Refused(_away(database, names))
    return database


def _away(database: Database, names: StackNames) -> Text:
    if pause_of(database) is not None:
        return t(
            "The stack is paused and its database is {status}: `./careapp resume -s {stack}` first.",
            status=database.status,
            stack=names.stack,
        )
    return t(
        "The database is {status} and accepts no connections; `./careapp doctor -s {stack}` "
        "shows how to fix it.",
        status=database.status,
        stack=names.stack,
    )


def login(session: Session, database: Database) -> Login:
    """Return the login with the current master password. Raises Refused and AwsProblem."""
    if not database.secret:
        raise Refused(
            "RDS manages no password for {id}, so there is none to log in with.", id=database.id
        )
    answer = session.call("secretsmanager", "get_secret_value", SecretId=database.secret)
    secret = json.loads(answer["SecretString"])
    return Login(
        host=database.address,
        port=database.port,
        name=database.name,
        user=str(secret["username"]),
        password=str(secret["password"]),
        authorities=Path(os.environ.get("PGSSLROOTCERT") or BUNDLE),
    )


class NoConnection(Exception):
    """The database refused or did not answer; ``str()`` is libpq's message, without a password."""


def connected(login: Login, tunnel: Tunnel) -> psycopg.Connection[Any]:
    """Return a connection whose certificate was verified for the endpoint's name. Raises NoConnection."""
    parameters: dict[str, Any] = {**login.parameters(tunnel.port)}
    try:
        return psycopg.connect(**parameters, autocommit=True)
    except psycopg.OperationalError as error:
        raise NoConnection(str(error)) from None


def check(login: Login, tunnel: Tunnel, rounds: int) -> dict[str, Any]:
    """Connect and measure round trips, in milliseconds; ``p50_ms`` is their median. Raises NoConnection."""
    begun = time.perf_counter()
    with connected(login, tunnel) as connection:
        connect = time.perf_counter() - begun
        times = sorted(_round_trip(connection) for _ in range(rounds))
        row = connection.execute(
            "SELECT version(), current_user::text, current_database()::text, s.version, s.cipher "
            "FROM pg_stat_ssl s WHERE s.pid = pg_backend_pid()"
        ).fetchone()
    known = dict(
        zip(("version", "user", "database", "tls", "cipher"), row or [""] * 5, strict=True)
    )
    return known | {
        "endpoint": login.host,
        "port": login.port,
        "through": str(tunnel.jump_host.text),
        "authorities": str(login.authorities),
        "verified": "verify-full",
        "rounds": rounds,
        "connect_ms": _ms(connect),
        "p50_ms": _ms(median(times)),
        "slowest_ms": _ms(times[-1]),
    }


def _round_trip(connection: psycopg.Connection[Any]) -> float:
    begun = time.perf_counter()
    connection.execute("SELECT 1").fetchone()
    return time.perf_counter() - begun


def _ms(seconds: float) -> float:
    return round(1000 * seconds, 2)


@dataclass(frozen=True)
class QueryResult:
    """The result of a statement: columns and rows, or only PostgreSQL's status."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    status: str


def answer(connection: psycopg.Connection[Any], question: str) -> QueryResult:
    """Run a statement. Raises psycopg.Error for what PostgreSQL refuses."""
    # As psql -c: several statements at once are one transaction; the last answer counts.
    cursor = connection.execute(question.encode())
    while cursor.nextset():
        pass
    columns = tuple(column.name for column in cursor.description or ())
    rows = tuple(cursor.fetchall()) if columns else ()
    return QueryResult(columns, rows, cursor.statusmessage or "")
