"""The app's server process, and clients that send requests to it."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flask import Flask

from tests.webapp.dependencies import free_port

BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
JSON = {"Accept": "application/json"}
JAPANESE = {"Accept-Language": "ja-JP,ja;q=0.9,en;q=0.8"}


def eventually(condition: Callable[[], object], within: float, what: str = "") -> float:
    """Seconds until the condition was true; AssertionError if that takes longer than `within`."""
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > within:
            raise AssertionError(f"not within {within} s: {what or condition}")
        time.sleep(0.02)
    return time.monotonic() - began


def slowdown() -> float:
    """Return how many times its CPU time a computation takes on this machine, which may have other work."""
    began, computed = time.monotonic(), time.thread_time()
    while time.thread_time() - computed < 0.05:
        pass
    return (time.monotonic() - began) / 0.05


@contextmanager
def soon(seconds: float) -> Iterator[None]:
    """Fail where this takes more than so many seconds of a machine without other work."""
    before, began = slowdown(), time.monotonic()
    yield
    took = time.monotonic() - began
    assert took < seconds * max(before, slowdown())


def at_once(count: int, function: Callable[[], Any]) -> list[Any]:
    """What a function returns in so many threads."""
    with ThreadPoolExecutor(count) as pool:
        return [future.result() for future in [pool.submit(function) for _ in range(count)]]


ROOT = Path(__file__).resolve().parents[2]
COMMAND = [sys.executable, "-m", "gunicorn", "--config", "webapp/gunicorn.conf.py"]


@dataclass(frozen=True)
class Answer:
    """What came back, and how long it took in seconds."""

    status: int
    body: bytes
    headers: Mapping[str, str]
    seconds: float


class Client:
    """Asks what listens on a port of this machine."""

    port: int

    def text(self) -> str:
        raise NotImplementedError

    def get(self, path: str, timeout: float = 20, **headers: str) -> Answer:
        """Ask on a connection of its own; `_` in the names of headers stands for `-`."""
        began = time.monotonic()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request("GET", path, headers=named)
            response = connection.getresponse()
            body = response.read()
        finally:
            connection.close()
        return Answer(response.status, body, dict(response.headers), time.monotonic() - began)

    def answers(self, path: str, status: int) -> bool:
        try:
            return self.get(path).status == status
        except (OSError, http.client.HTTPException):
            return False

    def wait_for(self, path: str, status: int, within: float = 15) -> float:
        try:
            return eventually(lambda: self.answers(path, status), within, f"{path} {status}")
        except AssertionError as late:
            raise AssertionError(f"{late}\n{self.text()}") from None


class Server(Client):
    """A running server; everything that it prints is in `output`."""

    def __init__(
        self, environ: Mapping[str, str], port: int, output: Path, options: tuple[str, ...] = ()
    ) -> None:
        self.port = port
        self.output = output
        with output.open("wb") as file:
            self.process = subprocess.Popen(
                [*COMMAND, *options],
                cwd=ROOT,
                env=dict(environ),
                stdout=file,
                stderr=subprocess.STDOUT,
            )

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    def wait(self, timeout: float = 40) -> int:
        return self.process.wait(timeout)

    def workers(self) -> list[int]:
        """The worker processes; none once the server has ended."""
        pid = self.process.pid
        if self.process.poll() is not None:
            return []
        return [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    def text(self) -> str:
        return self.output.read_text(errors="replace")

    def lines(self) -> list[dict[str, Any]]:
        """The same as log lines; each must be a JSON object."""
        return [json.loads(line) for line in self.text().splitlines()]

    def messages(self) -> list[str]:
        return [line["message"] for line in self.lines()]


@contextmanager
def serving(
    variables: dict[str, str], folder: Path, wait: bool = True, options: tuple[str, ...] = ()
) -> Iterator[Server]:
    """A server for as long as the block, with these variables and nothing else from outside.

    `options` are gunicorn's; they precede what webapp/gunicorn.conf.py says.
    """
    port = free_port()
    own = {"PATH": os.environ["PATH"], "PORT": str(port), "BIND_HOST": "127.0.0.1"}
    server = Server(own | variables, port, folder / f"server-{port}.log", options)
    try:
        if wait:
            server.wait_for("/health", 200)
        yield server
    finally:
        with suppress(ProcessLookupError):
            for pid in [*server.workers(), server.process.pid]:
                os.kill(pid, signal.SIGKILL)
        server.process.wait()


@dataclass
class Watch:
    """Asks for a path again and again in a thread of its own, on new connections."""

    server: Server
    path: str
    pause: float = 0.02
    answers: list[Answer] = field(default_factory=list)
    errors: list[Exception] = field(default_factory=list)

    def __enter__(self) -> Watch:
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping.wait(self.pause):
            try:
                self.answers.append(self.server.get(self.path))
            except (OSError, http.client.HTTPException) as error:
                self.errors.append(error)

    def statuses(self) -> set[int]:
        return {answer.status for answer in self.answers}


BACK = 5.0  # seconds in which the app must have found back
TRUTH = 3.0  # seconds in which /health/db must answer
CONNECTED = (200, '{"status":"healthy","db":"connected"}')
DISCONNECTED = (500, '{"status":"unhealthy","db":"disconnected"}')


def ask(app: Flask, path: str) -> tuple[int, str]:
    answer = app.test_client().get(path)
    return answer.status_code, answer.text


def database_health(app: Flask) -> tuple[int, str]:
    with soon(TRUTH):
        return ask(app, "/health/db")


def comes_back(app: Flask) -> None:
    eventually(lambda: ask(app, "/")[0] == 200, BACK, "the page")
    assert database_health(app) == CONNECTED


def assert_away(app: Flask) -> None:
    """The database is away, /health does not mind, and the page says so, soon without waiting."""
    assert database_health(app) == DISCONNECTED
    status, page = ask(app, "/")
    assert (status, "The database does not answer at the moment." in page) == (503, True)
    with soon(1):
        assert [ask(app, "/")[0] for _ in range(20)] == [503] * 20
        assert ask(app, "/health") == (200, '{"status":"healthy"}')
