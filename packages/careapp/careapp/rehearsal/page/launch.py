"""Starts the page beside a local cloud, and ends it with that."""

import contextlib
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from careapp import PYTHONPATH, ROOT
from ecs_gate.text import t

PORT = 8081
"""Next to the app's own."""
STOP_SECONDS = 5


class PortTaken(Exception):
    """Another process listens on the port of the page."""


class Launched:
    """The page's process and its address."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self._child: subprocess.Popen[bytes] | None = None
        self.url = f"http://localhost:{listener.getsockname()[1]}"

    def start(self, folder: Path, region: str, environment: Mapping[str, str]) -> None:
        """Hand the socket over; requests wait in it until the process answers."""
        number = self._listener.fileno()
        self._child = subprocess.Popen(
            [sys.executable, "-m", "careapp.rehearsal.page", str(number), str(folder), region],
            cwd=ROOT,
            env={**environment, "PYTHONPATH": PYTHONPATH},
            stdin=subprocess.PIPE,
            pass_fds=(number,),
        )
        self._listener.close()

    def stop(self) -> None:
        """Close its standard input, at which it ends."""
        self._listener.close()
        child = self._child
        if child is None or child.stdin is None:
            return
        with contextlib.suppress(OSError):
            child.stdin.close()
        try:
            child.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def listening(port: int | None) -> Launched:
    """Open the page's socket, before anything else is up, on a port: None is PORT, or any if that is taken; 0 is any.

    Raises PortTaken.
    """
    wanted = PORT if port is None else port
    try:
        return Launched(socket.create_server(("127.0.0.1", wanted)))
    except OSError as problem:
        if port is None:
            return Launched(socket.create_server(("127.0.0.1", 0)))
        raise PortTaken(
            t(
                "the rehearsal's page cannot listen on port {port}: {problem}; "
                "choose another with --watch-port, 0 takes any",
                port=port,
                problem=problem.strerror or str(problem),
            )
        ) from problem
