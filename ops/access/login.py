"""Where the database is and how one logs in. The password stays in memory and is never shown."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from i18n import Refused, Text, t
from ops.aws import Session
from ops.checks.databases import USABLE
from ops.snapshot import looked, others
from ops.snapshot.surroundings import Database
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
    part = looked(others.database, session, names.database, False)
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
