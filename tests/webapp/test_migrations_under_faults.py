"""A migration that has to wait or fails costs no page, and says why it is not done."""

import logging
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from flask import Flask

from tests.webapp.asking import ask
from tests.webapp.conftest import MakeApp
from tests.webapp.postgres import Postgres
from tests.webapp.waiting import eventually
from webapp import db, migrations
from webapp.migrations import Migrator

# Fails while the table `trouble` exists.
FAILING = """
DO $$ BEGIN
    PERFORM nextval('attempts');
    IF to_regclass('trouble') IS NOT NULL THEN
        RAISE EXCEPTION 'trouble' USING ERRCODE = '53100';
    END IF;
END $$
"""


@contextmanager
def migrating(app: Flask, tmp_path: Path, sql: str) -> Iterator[Migrator]:
    """A migrator at work on the app's own migrations and one more."""
    folder = shutil.copytree(migrations.FOLDER, tmp_path / "migrations")
    (folder / "0003_more.sql").write_text(sql)
    migrator = Migrator(db.of(app).connect, folder)
    migrator.start()
    try:
        yield migrator
    finally:
        migrator.stop()


def test_pages_are_answered_while_a_migration_waits_for_a_long_reader(
    app: Flask, postgres: Postgres, tmp_path: Path
) -> None:
    """Who asks for a table after ALTER TABLE waits behind it, though the reader would let them."""
    with postgres.connect() as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM visits")
        with migrating(app, tmp_path, "ALTER TABLE visits ADD COLUMN note text") as migrator:
            until = time.monotonic() + 1.5
            while time.monotonic() < until:
                assert ask(app, "/")[0] == 200
            assert not migrator.done.is_set()
            reader.execute("COMMIT")
            eventually(migrator.done.is_set, 5, "the migration")


def test_before_the_first_migration_the_page_says_that_the_database_is_not_ready(
    make_app: MakeApp, postgres: Postgres
) -> None:
    with postgres.connect() as other:
        other.execute("SELECT pg_advisory_lock(%s)", (migrations.LOCK,))
        app = make_app()
        eventually(lambda: ask(app, "/health/db")[0] == 200, 5, "the database")
        assert [ask(app, "/")[0] for _ in range(3)] == [503] * 3
    eventually(lambda: ask(app, "/")[0] == 200, 5, "the page")


def test_a_migration_may_take_longer_than_a_page(
    app: Flask, postgres: Postgres, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    slow = f"SELECT pg_sleep({db.PATIENCE + 0.3})"
    with migrating(app, tmp_path, slow) as migrator:
        eventually(migrator.done.is_set, 10, "the migration")
    assert told(caplog) == []


def test_one_that_fails_is_told_once_and_tried_again_more_and_more_seldom(
    app: Flask, postgres: Postgres, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    postgres.execute("CREATE SEQUENCE attempts; CREATE TABLE trouble ()")
    postgres.execute("GRANT ALL ON attempts TO postgres")
    with migrating(app, tmp_path, FAILING) as migrator:
        time.sleep(2)
        assert told(caplog) == ["cannot migrate the database"]
        # After 0, 0.5 and 1.5 s; each half second would be four times.
        assert postgres.execute("SELECT last_value <= 3 FROM attempts") == [(True,)]
        [failure] = [each for each in caplog.records if each.name == migrations.__name__]
        fields = vars(failure)
        assert (fields["migration"], fields["reason"].splitlines()[0]) == (
            "0003_more.sql",
            "trouble",
        )
        caplog.set_level(logging.INFO)
        postgres.execute("DROP TABLE trouble")
        eventually(migrator.done.is_set, 5, "the migration")
        assert "database migrated" in caplog.messages


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What the migrator has complained of; others have their own to say."""
    return [
        each.getMessage()
        for each in caplog.records
        if each.name == migrations.__name__ and each.levelno >= logging.WARNING
    ]


def test_that_the_database_is_away_is_left_to_others_to_tell(
    app: Flask, postgres: Postgres, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    postgres.stop()
    eventually(lambda: ask(app, "/")[0] == 503, 3, "noticed")
    caplog.clear()
    with migrating(app, tmp_path, "CREATE TABLE more ()") as migrator:
        time.sleep(1.2)
        assert told(caplog) == []
        postgres.start()
        eventually(migrator.done.is_set, 5, "the migration")
