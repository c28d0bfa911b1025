"""A small process that cleans up processes, containers and folders after the local cloud was killed."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

GROUP, CONTAINER, FOLDER = "group", "container", "folder"
ENGINE_SECONDS = 30.0
"""How long the Docker engine may take for an answer."""


class Guardian:
    """Starts the guardian process and tells it what to end.

    The pipe to the guardian closes when this process ends, also when it is killed. The guardian
    then kills the process groups and containers and removes the folders that are still registered.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the guardian process, which needs only the standard library."""
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(Path(__file__).resolve())],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
            env={"PATH": os.environ.get("PATH", "/usr/bin:/bin")},
            cwd="/",
        )

    def watch(self, kind: str, what: str | int | Path) -> None:
        """Register a process group, container or folder to be ended if this process dies."""
        self._send(f"+{kind} {what}\n")

    def forget(self, kind: str, what: str | int | Path) -> None:
        """Remove a registration, after the process, container or folder has ended."""
        self._send(f"-{kind} {what}\n")

    def stop(self) -> None:
        """Stop the guardian, which first ends everything that is still registered."""
        process, self._process = self._process, None
        if process is None or process.stdin is None:
            return
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _send(self, line: str) -> None:
        with self._lock:
            if self._process is None or self._process.stdin is None:
                return
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.write(line.encode())
                self._process.stdin.flush()


def end(kind: str, what: str) -> None:
    """Kill a process group, or remove a container or a folder."""
    if kind == GROUP:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(int(what), signal.SIGKILL)
    elif kind == CONTAINER:
        remove_container(what)
    else:
        shutil.rmtree(what, ignore_errors=True)


def remove_container(name: str) -> None:
    """Remove a container of the Docker engine and its anonymous volumes, if the engine answers."""
    docker("rm", "--force", "--volumes", name)


def docker(*words: str) -> str:
    """Return what a command of the Docker engine's prints; "" where the engine does not answer in time."""
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        command = ["docker", *words]
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=ENGINE_SECONDS, check=False
        )
        return done.stdout.strip()
    return ""


def main() -> None:
    """Read registrations until the pipe closes, then end what is registered: processes first, folders last."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    watched: dict[tuple[str, str], None] = {}
    for line in sys.stdin:
        kind, _, what = line[1:].rstrip("\n").partition(" ")
        if line.startswith("+"):
            watched[kind, what] = None
        else:
            watched.pop((kind, what), None)
    for kind, what in sorted(watched, key=lambda mount: mount[0] == FOLDER):
        end(kind, what)


if __name__ == "__main__":
    main()
