"""When the gate before the database is closed, and when not."""

import logging
import threading

import pytest

from tests.webapp.waiting import eventually
from webapp.connection import DatabaseAway, SchemaMissing
from webapp.keeper import Keeper


class Attempt:
    """Fails, but not before it is let go."""

    def __init__(self) -> None:
        self.tried = 0
        self.go = threading.Event()

    def __call__(self) -> None:
        self.tried += 1
        assert self.go.wait(5)
        raise DatabaseAway("the schema is not there yet")


def test_a_first_attempt_that_fails_closes_the_gate() -> None:
    attempt = Attempt()
    keeper = Keeper("db", attempt)
    keeper.start()
    attempt.go.set()
    eventually(lambda: keeper.away, 2, "the gate is closed")
    keeper.stop(2)


def test_it_does_not_when_a_page_was_served_in_the_meantime() -> None:
    attempt = Attempt()
    keeper, ticked = Keeper("db", attempt), threading.Event()
    keeper.every_tick(ticked.set)
    keeper.start()
    eventually(lambda: attempt.tried == 1, 2, "the first attempt")
    keeper.page_served()
    attempt.go.set()
    assert ticked.wait(2)
    assert (attempt.tried, keeper.away) == (1, False)
    keeper.stop(2)


@pytest.mark.parametrize(
    ("error", "level"),
    [
        (DatabaseAway("connection refused"), "ERROR"),
        (SchemaMissing("the schema is not there yet"), "INFO"),
    ],
    ids=["away", "not migrated yet"],
)
def test_a_first_start_that_is_quicker_than_its_migrations_is_no_error(
    error: DatabaseAway, level: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "webapp.keeper")
    Keeper("db", lambda: None).lost(error)
    assert [(each.levelname, each.message) for each in caplog.records] == [(level, "database away")]


def test_a_chore_that_fails_again_and_again_is_told_once_and_anew_after_a_success(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("webapp.keeper.TICK", 0.01)
    outcomes = iter(["disk full", "disk full", "too long", "", "too long", "too long"])
    finished = threading.Event()

    def chore() -> None:
        message = next(outcomes, None)
        if message is None:
            finished.set()
        elif message:
            raise RuntimeError(message)

    keeper = Keeper("db", lambda: None)
    keeper.every_tick(chore)
    keeper.start()
    assert finished.wait(5)
    keeper.stop(2)
    told = [str(each.exc_info[1]) for each in caplog.records if each.exc_info]
    assert told == ["disk full", "too long", "too long"]
