"""The services that the app uses: PostgreSQL with TLS, and Secrets Manager."""

import contextlib
import json
import os
import secrets
import signal
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import psycopg
from moto.moto_server.threaded_moto_server import ThreadedMotoServer

from local_cloud.aws.rds.postgres import ADMIN
from local_cloud.aws.rds.postgres import Postgres as ServerProcess
from local_cloud.machine.authority import Authority

HOST = "careapp-poc.abc.ap-northeast-1.rds.amazonaws.com"


def free_port() -> int:
    """A port that nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Postgres:
    """One server on a loopback address, with the database careapp and the user postgres.

    Like RDS it refuses clients without TLS. Its superuser's connections go on working while the app's user is
    locked out.
    """

    address = "127.0.0.1"

    def __init__(self, folder: Path, authority: Authority) -> None:
        certificate, key = authority.issue([HOST])
        self.process = ServerProcess(folder, certificate, key, {"max_connections": "40"})
        self.process.port = self.port = free_port()
        self.password = f"pw/+ '\"\\{secrets.token_hex(6)}"
        self.process.create()
        self.start()
        with self.connect("postgres") as connection:
            connection.execute("CREATE ROLE postgres LOGIN")
            connection.execute("CREATE DATABASE careapp OWNER postgres")
        self.set_password(self.password)

    def start(self) -> None:
        self.process.start()

    def stop(self, mode: str = "fast") -> None:
        """Stop it; `immediate` is like a crash. Nothing happens if it does not run."""
        if self.process.pid:
            self.signal(signal.SIGCONT)
        self.process.stop(mode)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the server and all its processes: SIGSTOP makes it silent."""
        first = self.process.pid
        assert first
        children = Path(f"/proc/{first}/task/{first}/children").read_text().split()
        for pid in (first, *map(int, children)):
            # A connection's process may have ended since it was listed.
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def connect(self, database: str = "careapp") -> psycopg.Connection[Any]:
        return psycopg.connect(
            host=self.address,
            port=self.port,
            user=ADMIN,
            password=self.process._admin_password,
            dbname=database,
            sslmode="require",
            autocommit=True,
        )

    def execute(self, statement: str) -> list[Any]:
        with self.connect() as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def set_password(self, password: str) -> None:
        with self.connect() as connection:
            connection.execute(psycopg.sql.SQL("ALTER ROLE postgres PASSWORD {}").format(password))
        self.password = password

    def empty(self) -> None:
        self.execute("DROP SCHEMA public CASCADE")
        self.execute("CREATE SCHEMA public AUTHORIZATION postgres")

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Let the page's queries wait for a lock."""
        with self.connect() as holder, holder.transaction():
            holder.execute("LOCK TABLE greetings IN ACCESS EXCLUSIVE MODE")
            yield

    @contextmanager
    def silent(self) -> Iterator[None]:
        """Let the server answer nothing."""
        self.signal(signal.SIGSTOP)
        yield
        self.signal(signal.SIGCONT)

    def heal(self) -> None:
        """Undo whatever a test did to it."""
        if not self.process.pid:
            self.start()
        self.signal(signal.SIGCONT)
        self.execute("ALTER ROLE postgres CONNECTION LIMIT -1")
        self.hang_up()

    def hang_up(self) -> None:
        """End all connections of the app's user."""
        self.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE usename = 'postgres'"
        )


@contextmanager
def running(authority: Authority) -> Iterator[Postgres]:
    """A server for as long as the block; then it is stopped and its files are deleted.

    Not below pytest's own folder, which every run of pytest closes to all but its user.
    """
    with tempfile.TemporaryDirectory(prefix="careapp-postgres-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        server = Postgres(folder / "server", authority)
        try:
            yield server
        finally:
            server.stop("immediate")


REGION = "ap-northeast-1"


class Vault:
    """moto's Secrets Manager, and the variables that lead boto3 to it."""

    def __init__(self, endpoint: str) -> None:
        self.variables = {
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
        }
        keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
        self._client: Any = boto3.client("secretsmanager", REGION, endpoint_url=endpoint, **keys)

    def store(self, text: str) -> str:
        name = f"rds!db-{time.monotonic_ns()}"
        return str(self._client.create_secret(Name=name, SecretString=text)["ARN"])

    def store_login(self, password: str) -> str:
        """Keep a new login of the app's user, and return its ARN."""
        return self.store(json.dumps({"username": "postgres", "password": password}))

    def rotate(self, arn: str, password: str) -> None:
        text = json.dumps({"username": "postgres", "password": password})
        self._client.put_secret_value(SecretId=arn, SecretString=text)


@contextmanager
def open_vault() -> Iterator[Vault]:
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield Vault(f"http://{host}:{port}")
    finally:
        server.stop()
