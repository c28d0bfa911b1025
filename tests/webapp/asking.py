"""Asking an app in this process, and what it must answer while its database is away or back."""

import time

from flask import Flask

from tests.webapp.waiting import eventually

BACK = 5.0  # seconds in which the app must have found back
TRUTH = 3.0  # seconds in which /health/db must answer
CONNECTED = (200, '{"status":"healthy","db":"connected"}')
DISCONNECTED = (500, '{"status":"unhealthy","db":"disconnected"}')


def ask(app: Flask, path: str) -> tuple[int, str]:
    answer = app.test_client().get(path)
    return answer.status_code, answer.text


def database_health(app: Flask) -> tuple[int, str]:
    """What /health/db says, which it must say in time."""
    began = time.monotonic()
    answer = ask(app, "/health/db")
    assert time.monotonic() - began < TRUTH
    return answer


def comes_back(app: Flask) -> None:
    eventually(lambda: ask(app, "/")[0] == 200, BACK, "the page")
    assert database_health(app) == CONNECTED


def assert_away(app: Flask) -> None:
    """The database is away, /health does not mind, and the page says so, soon without waiting."""
    assert database_health(app) == DISCONNECTED
    status, page = ask(app, "/")
    assert (status, "The database does not answer at the moment." in page) == (503, True)
    began = time.monotonic()
    assert [ask(app, "/")[0] for _ in range(20)] == [503] * 20
    assert ask(app, "/health") == (200, '{"status":"healthy"}')
    assert time.monotonic() - began < 1
