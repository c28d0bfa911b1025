"""Runs containers of the image as Fargate does, reached over this machine's loopback."""

from collections.abc import Mapping
from dataclasses import dataclass

from tests.image.docker_engine import Engine
from tests.webapp.dependencies import free_port
from tests.webapp.serving import Client

LOOPBACK = "127.0.0.1"
USER = "10001:10001"
# As in the task definition: readonlyRootFilesystem with a volume at /tmp, initProcessEnabled,
# user, cpu, memory.
AS_ON_FARGATE = (
    "--init",
    *("--read-only", "--tmpfs", "/tmp", "--user", USER),  # noqa: S108 (inside the container)
    *("--cpus", "0.25", "--memory", "512m", "--network", "host"),
)


@dataclass(frozen=True)
class Container(Client):
    """A running container whose app listens on a loopback port."""

    engine: Engine
    name: str
    port: int

    def stop(self) -> int:
        """Stop it as ECS does, with SIGTERM and then SIGKILL, and return its exit code."""
        self.engine.run("stop", "--time", "30", self.name)
        return int(self.engine.run("wait", self.name))


def start(
    engine: Engine, image: str, variables: Mapping[str, str], options: tuple[str, ...] = ()
) -> Container:
    """Start a container. Variables are passed in the environment, not as arguments."""
    port = free_port()
    given = {"BIND_HOST": LOOPBACK, "PORT": str(port), **variables}
    names = [part for name in given for part in ("--env", name)]
    command = ["run", "--detach", *AS_ON_FARGATE, *options, *names, image]
    name = engine.run(*command, env=given).strip()
    return Container(engine, name, port)


def run_once(engine: Engine, image: str, command: tuple[str, ...]) -> tuple[int, str]:
    """Run one command in a new container of the image; return the exit code and the output."""
    done = engine.attempt("run", "--rm", *AS_ON_FARGATE, image, *command)
    return done.returncode, done.stdout + done.stderr
