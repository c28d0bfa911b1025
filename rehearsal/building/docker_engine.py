"""Whether tasks can run as containers here."""

from __future__ import annotations

import subprocess

ANSWER = 10.0
"""Seconds that the Docker engine may take to answer."""


class NoDocker(Exception):
    """Containers were asked for and no Docker engine can run them."""


def decide(tasks: str) -> tuple[bool, str]:
    """Whether to use Docker for ``auto``, ``docker`` or ``process``, and the sentence that says why.

    Raises ``NoDocker`` when ``docker`` is asked for and cannot be had.
    """
    if tasks == "process":
        return False, "Tasks run as processes of the image's own command (--tasks process)."
    problem = trouble()
    if problem is None:
        return True, "Tasks run as containers: a Docker engine answers."
    if tasks == "docker":
        raise NoDocker(f"--tasks docker: {problem}; start an engine, or use --tasks process")
    return False, f"Tasks run as processes of the image's own command: {problem}."


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
