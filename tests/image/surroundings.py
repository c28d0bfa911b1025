"""The services that a container uses: a database with TLS, Secrets Manager, a role's credentials."""

from __future__ import annotations

import json
import secrets as random
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3
import psycopg
from moto.moto_server.threaded_moto_server import ThreadedMotoServer

from rehearsal.aws.rds.postgres import Postgres, add_master
from rehearsal.machine.authority import Authority
from tests.image.containers import LOOPBACK

HOST = "careapp-poc.abc.ap-northeast-1.rds.amazonaws.com"
REGION = "ap-northeast-1"
CA_IN_CONTAINER = "/run/rds-ca.pem"
ROLE_KEYS = {
    "AccessKeyId": "ASIATASKROLE",
    "SecretAccessKey": "task-role-secret",
    "Token": "task-role-token",
    "Expiration": "2099-01-01T00:00:00Z",
}


@dataclass(frozen=True)
class Database:
    """A server in the place of RDS: it has RDS's name and a loopback address."""

    server: Postgres
    authority: Path
    password: str = field(repr=False)

    def variables(self) -> dict[str, str]:
        """Return the variables of the task definition and the network, without the password."""
        return {
            "DB_HOST": HOST,
            "DB_PORT": str(self.server.port),
            "DB_NAME": "careapp",
            "DB_USER": "postgres",
            "DB_SSLROOTCERT": CA_IN_CONTAINER,
            "PGHOSTADDR": LOOPBACK,
            "APP_VERSION": "1.2.3",
        }

    def connect(self) -> psycopg.Connection[Any]:
        """Return a connection as the master user, which the app uses."""
        return psycopg.connect(
            host=LOOPBACK,
            port=self.server.port,
            user="postgres",
            password=self.password,
            dbname="careapp",
            autocommit=True,
        )

    def options(self) -> tuple[str, ...]:
        """Return the mount of the authority's certificate."""
        return ("--volume", f"{self.authority}:{CA_IN_CONTAINER}:ro")


@contextmanager
def database_with_tls() -> Iterator[Database]:
    """Yield a PostgreSQL 17 with the database careapp and its master user."""
    with tempfile.TemporaryDirectory(prefix="careapp-database-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # The server's user and the container's must be able to enter.
        authority = Authority(folder)
        server = Postgres(folder / "server", *authority.issue([HOST]))
        server.create()
        server.start()
        try:
            password = random.token_urlsafe(24)
            add_master(server, "postgres", password, "careapp")
            yield Database(server, authority.path, password)
        finally:
            server.remove()


@dataclass(frozen=True)
class Secrets:
    """Secrets Manager and a task role's credentials, on loopback."""

    endpoint: str
    credentials: str

    def store(self, value: dict[str, str]) -> str:
        """Store a secret as RDS does and return its ARN."""
        client: Any = boto3.client(
            "secretsmanager",
            region_name=REGION,
            endpoint_url=self.endpoint,
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )
        name = f"rds!db-{random.token_hex(8)}"
        return str(client.create_secret(Name=name, SecretString=json.dumps(value))["ARN"])

    def variables(self) -> dict[str, str]:
        """Return the variables that Fargate sets for a task with a role, with a full address instead of a relative
        one."""
        return {
            "AWS_REGION": REGION,
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": self.credentials,
        }


class _RoleKeys(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = json.dumps(ROLE_KEYS).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing, to keep pytest's output short."""


@contextmanager
def secrets_manager() -> Iterator[Secrets]:
    """Yield moto's Secrets Manager and an endpoint for credentials."""
    aws = ThreadedMotoServer(ip_address=LOOPBACK, port=0, verbose=False)
    aws.start()
    keys = ThreadingHTTPServer((LOOPBACK, 0), _RoleKeys)
    thread = threading.Thread(target=keys.serve_forever, daemon=True)
    thread.start()
    try:
        host, port = aws.get_host_and_port()
        yield Secrets(f"http://{host}:{port}", f"http://{LOOPBACK}:{keys.server_port}/role")
    finally:
        keys.shutdown()
        keys.server_close()
        thread.join()
        aws.stop()
