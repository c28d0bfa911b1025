"""Decides whether tasks run as containers: only with a Docker engine that answers."""

import subprocess

from local_cloud.console import Progress
from local_cloud.text import Refused, Text, t, verbatim

ANSWER = 10.0
"""Timeout for the Docker engine's answer, in seconds."""
PULL = 300.0
"""Timeout for pulling the base image, in seconds."""


class NoDocker(Refused):
    """Containers were requested and no Docker engine can run them."""


def decide(tasks: str, base: str | None) -> tuple[bool, Text]:
    """Return whether tasks use Docker for ``auto``, ``docker`` or ``process``, and the message that says why.

    ``auto`` takes an engine that can pull ``base``, the image below the program's own, if that is known.
    Raises ``NoDocker`` if ``docker`` is requested and no engine can be used.
    """
    if tasks == "process":
        return False, t("Tasks run as processes of the image's own command (--tasks process).")
    # Another app may have another base image. With --tasks docker, its build reports a failed
    # pull.
    problem = trouble() or (_base_image_problem(base) if base and tasks == "auto" else None)
    if problem is None:
        return True, t("Tasks run as containers: a Docker engine answers.")
    if tasks == "docker":
        raise NoDocker(
            "--tasks docker: {why}; start an engine, or use --tasks process", why=problem
        )
    return False, t("Tasks run as processes of the image's own command: {why}.", why=problem)


def _base_image_problem(base: str) -> Text | None:
    """Return why an image cannot be pulled; None if it is there."""
    if _docker("image", "inspect", base).returncode == 0:
        return None
    with Progress().phase(t("pulling {image}", image=base)):
        pulled = _docker("pull", "--quiet", base)
    if pulled.returncode == 0:
        return None
    lines = pulled.stderr.strip().splitlines()
    why = verbatim(lines[-1]) if lines else t("it gave no reason")
    return t("the Docker engine cannot pull {image}: {why}", image=base, why=why)


def _docker(*command: str, seconds: float = PULL) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            ["docker", *command], capture_output=True, text=True, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired:
        words = t("docker {verb} took more than {seconds:.0f} s", verb=command[0], seconds=seconds)
        return subprocess.CompletedProcess(command, 1, "", str(words))


def trouble() -> Text | None:
    """Return why the Docker engine cannot be used; None if it can."""
    try:
        asked = _docker("version", "--format", "{{.Server.Os}}", seconds=ANSWER)
    except FileNotFoundError:
        return t("docker is not on PATH")
    if asked.returncode:
        return t("no Docker engine answers")
    system = asked.stdout.strip()
    if system == "linux":
        return None
    return t("the Docker engine runs {system} containers", system=system)
