"""A container that runs by the local Docker engine."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from typing import IO

from rehearsal.data.container_plan import Plan
from rehearsal.data.guardian import CONTAINER, GROUP, Guardian


class DockerContainer:
    """A container of the local Docker engine; secrets go through the client's environment, not argv."""

    def __init__(self, plan: Plan, guardian: Guardian, name: str, limits: Sequence[str]) -> None:
        self._guardian, self.name = guardian, name
        self.reason: str | None = None
        self._root = 0
        client = {key: os.environ[key] for key in ("PATH", "DOCKER_HOST") if key in os.environ}
        argv = ["docker", "run", "--rm", "--name", name, "--network", "host", *limits]
        argv += [part for key in plan.environment for part in ("--env", key)]
        guardian.watch(CONTAINER, name)
        self._process = subprocess.Popen(
            [*argv, plan.image.reference, *plan.argv],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**plan.environment, **client},
            start_new_session=True,
        )
        self.pid = self._process.pid
        guardian.watch(GROUP, self.pid)
        assert self._process.stdout is not None  # noqa: S101 - PIPE was asked for
        self.output: IO[bytes] = self._process.stdout

    def root(self) -> int | None:
        """See Running. The engine may run in a virtual machine: then its number means nothing here."""
        if not self._root:
            asked = subprocess.run(
                ["docker", "inspect", "--format", "{{.State.Pid}}", self.name],
                capture_output=True,
                text=True,
                check=False,
            )
            self._root = int(asked.stdout.strip() or 0)
        return self._root or None

    def wait(self) -> int:
        """See Running."""
        code = self._process.wait()
        self._guardian.forget(GROUP, self.pid)
        self._guardian.forget(CONTAINER, self.name)
        return code if code >= 0 else 128 - code

    def signal(self, number: int) -> None:
        """See Running."""
        subprocess.run(
            ["docker", "kill", "--signal", str(number), self.name], capture_output=True, check=False
        )

    def check(self, argv: Sequence[str], timeout: float) -> int | None:
        """See Running."""
        try:
            done = subprocess.run(
                ["docker", "exec", self.name, *argv],
                capture_output=True,
                check=False,
                timeout=timeout,
            )
        except subprocess.TimeoutExpired:
            return None
        return done.returncode
