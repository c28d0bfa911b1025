"""Whether tasks can run as containers here."""

from __future__ import annotations

import subprocess

from rehearsal.engine_progress import Progress

ANSWER = 10.0
"""Seconds that the Docker engine may take to answer."""
PULL = 300.0
"""Seconds that the base image may take to be pulled."""
BASE = "python:3.13-slim"
"""The default of the Dockerfile's BASE_IMAGE; a test keeps the two alike."""


class NoDocker(Exception):
    """Containers were asked for and no Docker engine can run them."""


def decide(tasks: str) -> tuple[bool, str]:
    """Whether to use Docker for ``auto``, ``docker`` or ``process``, and the sentence that says why.

    Raises ``NoDocker`` when ``docker`` is asked for and cannot be had.
    """
    if tasks == "process":
        return False, "Tasks run as processes of the image's own command (--tasks process)."
    problem = trouble() or _without_base()
    if problem is None:
        return True, "Tasks run as containers: a Docker engine answers."
    if tasks == "docker":
        raise NoDocker(f"--tasks docker: {problem}; start an engine, or use --tasks process")
    return False, f"Tasks run as processes of the image's own command: {problem}."


def _without_base() -> str | None:
    """Why the base image of the app's Dockerfile cannot be had; None when it can."""
    if _docker("image", "inspect", BASE).returncode == 0:
        return None
    with Progress().phase(f"pulling {BASE}"):
        pulled = _docker("pull", "--quiet", BASE)
    if pulled.returncode == 0:
        return None
    words = pulled.stderr.strip().splitlines() or ["it did not say why"]
    return f"the Docker engine cannot pull {BASE}: {words[-1]}"


def _docker(*command: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            ["docker", *command], capture_output=True, text=True, timeout=PULL, check=False
        )
    except subprocess.TimeoutExpired:
        words = f"docker {command[0]} took more than {PULL:.0f} s"
        return subprocess.CompletedProcess(command, 1, "", words)


def trouble() -> str | None:
    """Why the Docker engine cannot be used; None when it can."""
    try:
        asked = subprocess.run(
            ["docker", "version", "--format", "{{.Server.Os}}"],
            capture_output=True,
            text=True,
            timeout=ANSWER,
            check=False,
        )
    except FileNotFoundError:
        return "docker is not on PATH"
    except subprocess.TimeoutExpired:
        return f"the Docker engine does not answer within {ANSWER:.0f} s"
    if asked.returncode:
        return "no Docker engine answers"
    system = asked.stdout.strip()
    return None if system == "linux" else f"the Docker engine runs {system} containers"
