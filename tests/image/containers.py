"""Runs containers of the image as Fargate does, reached over this machine's loopback."""

from __future__ import annotations

import http.client
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.support.docker_engine import Engine

LOOPBACK = "127.0.0.1"
USER = "10001:10001"
CPUS = "0.25"
MEMORY = "512m"
# As in the task definition: readonlyRootFilesystem with a volume at /tmp, initProcessEnabled,
# user, cpu, memory.
AS_ON_FARGATE = (
    "--init",
    *("--read-only", "--tmpfs", "/tmp", "--user", USER),  # noqa: S108 (inside the container)
    *("--cpus", CPUS, "--memory", MEMORY, "--network", "host"),
)


class NotReady(Exception):
    """A container did not become healthy in time. The message has its last lines."""


@dataclass(frozen=True)
class Answer:
    """The app's response to one request."""

    status: int
    body: str


@dataclass(frozen=True)
class Container:
    """A running container whose app listens on a loopback port."""

    engine: Engine
    name: str
    port: int
    started: float = field(default_factory=time.monotonic)

    def get(self, path: str, seconds: float = 20, language: str = "en") -> Answer:
        """Send a GET request. Raises OSError or http.client.HTTPException without a response."""
        headers = {"Connection": "close", "Accept-Language": language}
        connection = http.client.HTTPConnection(LOOPBACK, self.port, timeout=seconds)
        try:
            connection.request("GET", path, headers=headers)
            response = connection.getresponse()
            return Answer(response.status, response.read().decode())
        finally:
            connection.close()

    def wait_until_healthy(self, seconds: float = 60) -> float:
        """Return the seconds from the start to the first 200 on /health; raise NotReady after `seconds`."""
        while time.monotonic() - self.started < seconds:
            if self._healthy():
                return time.monotonic() - self.started
            time.sleep(0.02)
        raise NotReady(f"no 200 on /health within {seconds} s; the log says:\n{self.logs()}")

    def wait_for(self, path: str, status: int, seconds: float = 15) -> None:
        """Request a path until its status is this one; raise NotReady after `seconds`."""
        deadline = time.monotonic() + seconds
        while (answer := self.get(path)).status != status:
            if time.monotonic() > deadline:
                raise NotReady(f"{path} answers {answer}; the log says:\n{self.logs()}")
            time.sleep(0.1)

    def _healthy(self) -> bool:
        try:
            return self.get("/health", seconds=5).status == 200
        except (OSError, http.client.HTTPException):
            return False

    def logs(self) -> str:
        """Return its output, stdout before stderr."""
        done = self.engine.attempt("logs", self.name)
        return done.stdout + done.stderr

    def stop(self, grace_seconds: int = 30) -> int:
        """Stop it as ECS does, with SIGTERM and then SIGKILL, and return its exit code."""
        self.engine.run("stop", "--time", str(grace_seconds), self.name, seconds=grace_seconds + 30)
        return self.exit_code()

    def exit_code(self, seconds: float = 60) -> int:
        """Wait until it has ended and return its exit code (137: it was killed)."""
        return int(self.engine.run("wait", self.name, seconds=seconds))

    def running(self) -> bool:
        """Return whether its process runs."""
        return bool(self.engine.inspect("container", self.name)["State"]["Running"])

    def health(self) -> str:
        """Return the result of the image's HEALTHCHECK: starting, healthy, unhealthy."""
        return str(self.engine.inspect("container", self.name)["State"]["Health"]["Status"])

    def execute(self, *command: str) -> tuple[int, str]:
        """Run a command in it; return the exit code and the output."""
        done = self.engine.attempt("exec", self.name, *command)
        return done.returncode, done.stdout + done.stderr


def free_port() -> int:
    """Return a loopback port that is free."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def start(
    engine: Engine,
    image: str,
    variables: Mapping[str, str],
    options: tuple[str, ...] = (),
    limits: tuple[str, ...] = AS_ON_FARGATE,
) -> Container:
    """Start a container. Variables are passed in the environment, not as arguments."""
    port = free_port()
    given = {"BIND_HOST": LOOPBACK, "PORT": str(port), **variables}
    names = [part for name in given for part in ("--env", name)]
    command = ["run", "--detach", *limits, *options, *names, image]
    name = engine.run(*command, env=given).strip()
    return Container(engine, name, port)


def run_once(
    engine: Engine, image: str, command: tuple[str, ...], variables: Mapping[str, str] | None = None
) -> tuple[int, str]:
    """Run one command in a new container of the image; return the exit code and the output."""
    given = dict(variables or {})
    names = [part for name in given for part in ("--env", name)]
    done = engine.attempt("run", "--rm", *AS_ON_FARGATE, *names, image, *command, env=given)
    return done.returncode, done.stdout + done.stderr


def remove(container: Container) -> None:
    """Kill and delete a container."""
    container.engine.attempt("rm", "--force", "--volumes", container.name)
