"""One PostgreSQL server process, its configuration, and its master user with RDS's rights."""

import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from local_cloud.machine.postgres import programs
from local_cloud.machine.processes import Account, unprivileged_account
from local_cloud.text import Refused

ADMIN = "rdsadmin"
"""RDS's own superuser. The master user is not a superuser (RDS user guide, PostgreSQL roles)."""
START_SECONDS = "30"


class PostgresFailed(Refused):
    """The server could not be created or started. The text has the program and the last lines of the log."""


@dataclass
class Postgres:
    """A server on 127.0.0.1 with its files under ``folder``.

    ``force_ssl`` is RDS's rds.force_ssl: pg_hba.conf has no entry for clients without TLS. ``archive`` is the
    folder that gets the write-ahead log; None for a server without backups.
    """

    folder: Path
    certificate: bytes
    key: bytes
    settings: Mapping[str, str] = field(default_factory=dict)
    force_ssl: bool = True
    port: int = 0
    pid: int | None = None
    archive: Path | None = None
    _recovery: Mapping[str, str] = field(default_factory=dict)
    _admin_password: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)
    _account: Account | None = field(default_factory=unprivileged_account)

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def create(self) -> None:
        """Create an empty cluster. Raises PostgresFailed."""
        self._make(self.folder)
        secret = self._write("admin", self._admin_password.encode(), self.folder)
        self._tool(
            "initdb",
            *("-D", str(self.data), "-U", ADMIN, f"--pwfile={secret}", "-A", "scram-sha-256"),
            # Segments of 1 MiB keep the archive small.
            *("--no-sync", "--no-instructions", "--encoding=UTF8", "--locale=C", "--wal-segsize=1"),
            *("--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
        )
        secret.unlink()
        self.renew(self.certificate, self.key)

    def configure(self) -> None:
        """Write the settings. ``reload`` applies those that need no restart."""
        own = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": "",
            "ssl": "on",
            "ssl_cert_file": "server.crt",
            "ssl_key_file": "server.key",
            "fsync": "off",
            "shared_buffers": "16MB",
            "max_wal_size": "64MB",
            "logging_collector": "off",
            **self._archiving(),
            **self._recovery,
        }
        lines = [f"{name} = {_quoted(value)}" for name, value in {**self.settings, **own}.items()]
        self._write("postgresql.auto.conf", ("\n".join(lines) + "\n").encode())
        kind = "hostssl" if self.force_ssl else "host"
        own_entries = (f"hostssl {which} {ADMIN}" for which in ("all", "replication"))
        entries = [
            f"{entry} 127.0.0.1/32 scram-sha-256" for entry in (*own_entries, f"{kind} all all")
        ]
        self._write("pg_hba.conf", ("\n".join(entries) + "\n").encode())

    def _archiving(self) -> dict[str, str]:
        if self.archive is None:
            return {}
        self._make(self.archive)
        file = f'"{self.archive}/%f"'
        return {
            "archive_mode": "on",
            "archive_command": f"cp %p {file}.part && mv {file}.part {file}",
        }

    def start(self) -> None:
        """Start the server and wait until it answers. Raises PostgresFailed with the end of the log."""
        self.port = self.port or _free_port()
        self.configure()
        log = str(self.data / "server.log")
        self._tool("pg_ctl", "-D", str(self.data), "-w", "-t", START_SECONDS, "-l", log, "start")
        self.pid = int((self.data / "postmaster.pid").read_text().split("\n", 1)[0])

    def stop(self, mode: str = "fast") -> None:
        """Stop the server. It may have stopped already."""
        if self.pid is None:
            return
        with suppress(PostgresFailed):
            self._tool("pg_ctl", "-D", str(self.data), "-w", "-t", "10", "-m", mode, "stop")
        self.pid = None

    def reload(self) -> None:
        """Make the running server read its settings again."""
        self.configure()
        self.execute(sql.SQL("SELECT pg_reload_conf()"))

    def back_up(self, folder: Path) -> None:
        """Copy the running server's data into a new folder, with what a restore needs. Raises PostgresFailed."""
        self._make(folder)
        self._tool(
            "pg_basebackup",
            *("-D", str(folder / "data"), "-h", "127.0.0.1", "-p", str(self.port), "-U", ADMIN),
            *("-w", "--checkpoint=fast", "--no-sync"),
            environment={"PGPASSWORD": self._admin_password, "PGSSLMODE": "require"},
        )
        self._write("admin", self._admin_password.encode(), folder)

    def restore(self, copy: Path, log: Sequence[Path] = (), moment: datetime | None = None) -> None:
        """Start with a copy's data; with ``moment`` replay the log from its folders up to then.

        Raises PostgresFailed.
        """
        self._make(self.folder)
        self._run(["cp", "-a", str(copy / "data"), str(self.data)])
        self._admin_password = (copy / "admin").read_text()
        self.renew(self.certificate, self.key)
        (self.data / "server.log").unlink(missing_ok=True)
        if moment is not None:
            self._write("recovery.signal", b"")
            self._recovery = {
                "restore_command": " || ".join(f'cp "{folder}/%f" %p' for folder in log),
                "recovery_target_time": moment.isoformat(),
                "recovery_target_action": "promote",
            }
        self.start()
        deadline = time.monotonic() + float(START_SECONDS)
        while self._recovers():
            if time.monotonic() > deadline:
                raise PostgresFailed(
                    "PostgreSQL in {folder} is still in recovery", folder=str(self.folder)
                )
            time.sleep(0.1)
        self._recovery = {}
        self.reload()

    def _recovers(self) -> bool:
        with suppress(psycopg.OperationalError), self.connect() as connection:
            row = connection.execute("SELECT pg_is_in_recovery()").fetchone()
            return bool(row and row[0])
        return True

    def renew(self, certificate: bytes, key: bytes) -> None:
        """Write another certificate, which the next start or reload uses."""
        self.certificate, self.key = certificate, key
        self._write("server.crt", certificate)
        self._write("server.key", key)

    def commit_nothing(self) -> None:
        """Write a commit into the log, and wait until it is in the log's file.

        PostgreSQL waits only for a transaction that has written to the log before its commit (xact.c,
        RecordTransactionCommit).
        """
        self.execute(sql.SQL("SELECT pg_logical_emit_message(true, 'restore', '')"))

    def remove(self) -> None:
        self.stop("immediate")
        shutil.rmtree(self.folder, ignore_errors=True)

    def connect(self) -> psycopg.Connection[Any]:
        return psycopg.connect(
            host="127.0.0.1",
            port=self.port,
            user=ADMIN,
            password=self._admin_password,
            dbname="postgres",
            sslmode="require",
            connect_timeout=10,
            autocommit=True,
        )

    def execute(self, *statements: sql.SQL | sql.Composed) -> None:
        with self.connect() as connection:
            for statement in statements:
                connection.execute(statement)

    def _write(self, name: str, content: bytes, folder: Path | None = None) -> Path:
        path = (folder or self.data) / name
        path.touch(mode=0o600)
        path.write_bytes(content)
        path.chmod(0o600)
        if self._account:
            self._account.own(path)
        return path

    def _make(self, folder: Path) -> None:
        """Create a folder that the server's user can write to."""
        folder.mkdir(parents=True, exist_ok=True)
        if self._account:
            self._account.own(folder)

    def _tool(
        self, name: str, *arguments: str, environment: Mapping[str, str] | None = None
    ) -> None:
        self._run([str(programs(self.folder.parent) / name), *arguments], environment)

    def _run(self, command: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
        """Run a program as the server's user. Raises PostgresFailed."""
        who = self._account
        try:
            done = subprocess.run(
                command,
                env={"PATH": "/usr/bin:/bin", "LC_ALL": "C", **(environment or {})},
                capture_output=True,
                check=False,
                cwd=self.folder,
                start_new_session=True,
                user=who.uid if who else None,
                group=who.gid if who else None,
                extra_groups=[] if who else None,
            )
        except OSError as problem:
            raise self._failed(command, str(problem)) from problem
        if done.returncode:
            raise self._failed(command, (done.stderr or done.stdout).decode(errors="replace"))

    def _failed(self, command: Sequence[str], words: str) -> PostgresFailed:
        """Return the error of a program, with its last words and, of a server, the end of its log."""
        log = self.data / "server.log"
        text = log.read_text(errors="replace") if log.exists() else ""
        return PostgresFailed(
            "PostgreSQL's {program} failed in {folder}: {words}",
            program=Path(command[0]).name,
            folder=str(self.folder),
            words="\n".join(filter(None, (last_lines(words), last_lines(text)))),
        )


LOG_LINES = 12
"""As many lines of output and log stand in an error."""


def last_lines(text: str) -> str:
    return "\n".join([line for line in text.splitlines() if line.strip()][-LOG_LINES:])


def _quoted(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "''") + "'"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


MASTER_ROLES = ("pg_monitor", "pg_signal_backend", "pg_checkpoint", "pg_create_subscription")


def add_master(server: Postgres, name: str, password: str, database: str | None) -> None:
    """Create the master user with RDS's rights, and the declared database."""
    user = sql.Identifier(name)
    statements: list[sql.SQL | sql.Composed] = [
        sql.SQL("CREATE ROLE rds_superuser NOLOGIN"),
        *(
            sql.SQL("GRANT {} TO rds_superuser WITH ADMIN OPTION").format(sql.Identifier(role))
            for role in MASTER_ROLES
        ),
        sql.SQL("CREATE ROLE {} LOGIN CREATEDB CREATEROLE PASSWORD {}").format(
            user, sql.Literal(password)
        ),
        sql.SQL("GRANT rds_superuser TO {}").format(user),
        sql.SQL("ALTER DATABASE postgres OWNER TO {}").format(user),
    ]
    if database and database != "postgres":
        owned = sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(database), user)
        statements.append(owned)
    server.execute(*statements)


def set_password(server: Postgres, name: str, password: str) -> None:
    words = sql.SQL("ALTER ROLE {} PASSWORD {}")
    server.execute(words.format(sql.Identifier(name), sql.Literal(password)))
