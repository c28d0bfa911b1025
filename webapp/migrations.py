"""Migrations: the numbered SQL files in migrations/, each applied once."""

import hashlib
import logging
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

log = logging.getLogger(__name__)

FOLDER = Path(__file__).with_name("migrations")
FILE_NAME = re.compile(r"([0-9]{4})_[a-z0-9_]+\.sql")
LOCK = 4_021_968  # any number that never changes
LONGEST = (
    600.0  # limit in seconds of one statement of a migration, and of the wait for another task
)
# Seconds that a migration waits for a table lock. Pages queue behind a waiting migration, so this must
# be far less than their statement_timeout.
LOCK_TIMEOUT = 1.0
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 5.0  # seconds between attempts
SCHEMA_MIGRATIONS = """
CREATE TABLE IF NOT EXISTS schema_migrations (
    version integer PRIMARY KEY,
    name text NOT NULL,
    sha256 text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
)
"""


@dataclass(frozen=True)
class Migration:
    """One SQL file."""

    version: int
    name: str
    sql: str

    @property
    def sha256(self) -> str:
        """The hash of the file's text, to detect a change after it was applied."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


def read(folder: Path = FOLDER) -> list[Migration]:
    """Return the migrations in order. Raises ValueError unless they are numbered 1, 2, 3, ..."""
    found = []
    for path in sorted(folder.glob("*.sql")):
        match = FILE_NAME.fullmatch(path.name)
        if not match:
            raise ValueError(f"{path.name} is not named like 0001_what_it_does.sql")
        found.append(Migration(int(match[1]), path.name, path.read_text(encoding="utf-8")))
    numbers = [migration.version for migration in found]
    if numbers != list(range(1, len(found) + 1)):
        raise ValueError(f"migrations must be numbered 1, 2, 3, ... without a gap, not {numbers}")
    return found


def apply(connection: psycopg.Connection[Any], migrations: list[Migration]) -> list[str]:
    """Apply the missing migrations and return their names.

    Each is committed together with its row in schema_migrations. An advisory lock keeps tasks that
    start together from migrating at the same time.
    """
    # No limit: another task's migrations may take long, and no page waits for this lock.
    connection.execute("SET lock_timeout = 0")
    connection.execute("SELECT pg_advisory_lock(%s)", (LOCK,))
    connection.execute(f"SET lock_timeout = {LOCK_TIMEOUT * 1000:.0f}".encode())
    connection.execute(SCHEMA_MIGRATIONS)
    rows = connection.execute("SELECT version, sha256 FROM schema_migrations").fetchall()
    applied = dict(rows)
    done = []
    for migration in migrations:
        known = applied.get(migration.version)
        if known is None:
            _apply_one(connection, migration)
            done.append(migration.name)
        elif known != migration.sha256:
            fields = {"migration": migration.name}
            log.error("migration changed after it was applied", extra=fields)
    connection.execute("SELECT pg_advisory_unlock(%s)", (LOCK,))
    return done


def _apply_one(connection: psycopg.Connection[Any], migration: Migration) -> None:
    try:
        with connection.transaction():
            connection.execute(migration.sql.encode())
            connection.execute(
                "INSERT INTO schema_migrations (version, name, sha256) VALUES (%s, %s, %s)",
                (migration.version, migration.name, migration.sha256),
            )
    except psycopg.Error as error:
        error.add_note(migration.name)
        raise


class Migrator:
    """Applies the migrations in the background as soon as the database is available."""

    def __init__(
        self, connect: Callable[[], psycopg.Connection[Any]], folder: Path = FOLDER
    ) -> None:
        self.migrations = read(folder)
        self.done = threading.Event()
        self._connect = connect
        self._reported = ""
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="migrations", daemon=True)

    def start(self) -> None:
        """Start, and retry until all are applied."""
        self._thread.start()

    def stop(self) -> None:
        """Stop retrying. The server rolls back a migration that is still running."""
        self._stopping.set()

    def _run(self) -> None:
        pause = FIRST_PAUSE
        while not self._stopping.is_set():
            try:
                connection = self._connect()
            except Exception:  # webapp.db logs that the database is unavailable
                self._stopping.wait(FIRST_PAUSE)
                continue
            try:
                self._migrate(connection)
            except Exception as error:
                self._report(error)
                self._stopping.wait(pause)
                pause = min(2 * pause, LONGEST_PAUSE)
            else:
                return

    def _migrate(self, connection: psycopg.Connection[Any]) -> None:
        if not self._reported:
            log.info("migrating the database")
        with connection:
            for name in apply(connection, self.migrations):
                log.info("migration applied", extra={"migration": name})
        log.info("database migrated")
        self.done.set()

    def _report(self, error: Exception) -> None:
        """Log a failure, but not the same one again."""
        if str(error) == self._reported:
            return
        self._reported = str(error)
        # Another transaction uses the table: that is no error of the migration.
        waits = isinstance(error, psycopg.errors.LockNotAvailable)
        fields = {"reason": str(error)}
        if notes := getattr(error, "__notes__", None):
            fields["migration"] = notes[0]
        level = logging.WARNING if waits else logging.ERROR
        log.log(level, "cannot migrate the database", extra=fields, exc_info=error)
