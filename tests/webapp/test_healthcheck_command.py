"""The container's health check tells a server that answers from one that does not."""

import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

from tests.webapp.conftest import Serve
from tests.webapp.postgres import free_port

ROOT = Path(__file__).resolve().parents[2]


def check(**environ: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "webapp.healthcheck"],
        cwd=ROOT,
        env={"PATH": "/usr/bin", **environ},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stderr


def test_a_server_that_answers_is_healthy(serve: Serve) -> None:
    server = serve()
    assert check(PORT=str(server.port), BIND_HOST="127.0.0.1") == (0, "")
    # On all addresses means on loopback too.
    assert check(PORT=str(server.port)) == (0, "")


class Broken(BaseHTTPRequestHandler):
    """A server that answers, but not well."""

    def do_GET(self) -> None:
        self.send_response(503)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def test_a_server_that_answers_with_an_error_is_not() -> None:
    with HTTPServer(("127.0.0.1", 0), Broken) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        assert check(PORT=str(server.server_port)) == (1, "/health answers 503\n")
        thread.join()


def test_a_port_without_a_server_is_not() -> None:
    code, said = check(PORT=str(free_port()))
    assert code == 1
    assert said.startswith("no answer on /health: [Errno 111]")


def test_a_port_that_is_none_is_not() -> None:
    code, said = check(PORT="http")
    assert code == 1
    assert said.startswith("no answer on /health: invalid literal")
