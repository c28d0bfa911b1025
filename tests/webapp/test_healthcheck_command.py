"""The container's health check tells a server that answers from one that does not."""

import subprocess
import sys
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


def test_a_port_without_a_server_is_not() -> None:
    code, said = check(PORT=str(free_port()))
    assert code == 1
    assert said.startswith("no answer on /health: [Errno 111]")


def test_a_port_that_is_none_is_not() -> None:
    code, said = check(PORT="http")
    assert code == 1
    assert said.startswith("no answer on /health: invalid literal")
