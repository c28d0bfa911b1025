"""Brings the database's schema up to date: numbered SQL files, each applied once."""

import hashlib
import logging
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from webapp.connection import Connection, TooSlow, is_disconnection
from webapp.credentials import SecretUnavailable
from webapp.logs import fields

log = logging.getLogger(__name__)

FOLDER = Path(__file__).with_name("migrations")
FILE_NAME = re.compile(r"([0-9]{4})_[a-z0-9_]+\.sql")
LOCK = 4_021_968  # any number, but the same in every version of the app
LONGEST = 600.0  # seconds that one statement of a migration, or the wait for another task, may take
# Seconds that a migration waits for a table. Whoever comes after it waits behind it, pages too,
# though the table is free for them: so it must be far less than their statement_timeout.
LOCK_TIMEOUT = 1.0
RETRY_EVERY = 0.5  # seconds, while the database is away
LONGEST_PAUSE = 5.0  # seconds; after failures of the migration itself the pauses grow up to this
BOOK = """
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
        """Of the file's text, to notice that a file was changed after it was applied."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


def read(folder: Path = FOLDER) -> list[Migration]:
    """The migrations in their order. Raises ValueError unless they are numbered 1, 2, 3, ..."""
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
    """Apply those which are missing, and return their names.

    Each is committed together with its entry in the book, and all under one advisory lock, so
    that tasks which start together take turns.
    """
    # No limit here: another task's migrations may take long, and no page waits for this lock.
    connection.execute("SET lock_timeout = 0")
    connection.execute("SELECT pg_advisory_lock(%s)", (LOCK,))
    connection.execute(f"SET lock_timeout = {LOCK_TIMEOUT * 1000:.0f}".encode())
    connection.execute(BOOK)
    rows = connection.execute("SELECT version, sha256 FROM schema_migrations").fetchall()
    applied = dict(rows)
    done = []
    for migration in migrations:
        known = applied.get(migration.version)
        if known is None:
            _apply_one(connection, migration)
            done.append(migration.name)
        elif known != migration.sha256:
            log.error("migration changed after it was applied", extra=fields(name=migration.name))
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
    """Migrates in the background as soon as the database is there."""

    def __init__(self, parameters: Callable[[], dict[str, Any]], folder: Path = FOLDER) -> None:
        self.migrations = read(folder)
        self.done = threading.Event()
        self._parameters = parameters
        self._told = ""
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="migrations", daemon=True)

    def start(self) -> None:
        """Begin, and try again until it has succeeded."""
        self._thread.start()

    def stop(self) -> None:
        """Give up trying; a migration that runs is the server's to roll back."""
        self._stopping.set()

    def _run(self) -> None:
        pause = RETRY_EVERY
        while not self._stopping.is_set():
            try:
                self._migrate()
            except Exception as error:
                if _is_away(error):
                    pause = RETRY_EVERY
                else:
                    self._tell(error)
                self._stopping.wait(pause)
                pause = min(2 * pause, LONGEST_PAUSE)
            else:
                if self._told:
                    log.info("database migrated")
                self.done.set()
                return

    def _tell(self, error: Exception) -> None:
        """Log what is new: a failure that repeats itself is told once."""
        if str(error) == self._told:
            return
        self._told = str(error)
        if isinstance(error, psycopg.errors.LockNotAvailable):
            # Not wrong: whoever uses the table goes first, and it is tried again.
            log.warning("a migration waits for a lock", extra=fields(reason=str(error)))
        else:
            told = {"reason": str(error)}
            if notes := getattr(error, "__notes__", None):
                told["migration"] = notes[0]
            log.error("cannot migrate the database", extra=fields(**told), exc_info=error)

    def _migrate(self) -> None:
        with Connection.connect(**self._parameters()) as connection:
            connection.patience = LONGEST
            for name in apply(connection, self.migrations):
                log.info("migration applied", extra=fields(name=name))


def _is_away(error: Exception) -> bool:
    """Whether the database is away, of which the keeper tells; all else is the migration's own."""
    if isinstance(error, TooSlow):  # after LONGEST: a migration that never gets done
        return False
    return isinstance(error, SecretUnavailable) or is_disconnection(error)
