"""A running container: a process group of this machine, or a container of the local Docker engine."""

import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

from local_cloud.aws.ecs.plans import Plan
from local_cloud.machine.guardian import CONTAINER, GROUP, Guardian, docker, remove_container
from local_cloud.machine.namespaces import Namespace
from local_cloud.machine.processes import (
    PROC,
    Account,
    memory_bytes,
    readable_by_all,
    resident_bytes,
    unprivileged_account,
)
from local_cloud.machine.roots import Bind, mountable

OUT_OF_MEMORY = "OutOfMemoryError: Container killed due to memory usage"
"""ECS's reason of a container that the kernel killed. Its agent reads State.OOMKilled of Docker's record
(amazon-ecs-agent, agent/engine/dockerapi/docker_client.go, MetadataFromContainer), which Docker also sets
where only a child was killed; Fargate's agent is not public. So the first process must have ended by it."""
KILLED = 128 + signal.SIGKILL
LOOK_SECONDS = 0.25


class CannotRun(Exception):
    """The command cannot be started. ``str()`` is the container runtime's message."""


class ProcessGroup:
    """A process group with only the plan's environment and with the task's memory limit.

    It runs in the task's ``namespace``, if the task has one, and there with ``binds`` in a mount
    namespace of its own.
    """

    def __init__(
        self,
        plan: Plan,
        guardian: Guardian,
        memory: int | None,
        namespace: Namespace | None,
        binds: Sequence[Bind] = (),
    ) -> None:
        self._plan, self._guardian, self._memory = plan, guardian, memory
        self._namespace = namespace
        self.reason: str | None = None
        self._mounts = _mounts(namespace, binds)
        program = self._find(plan.argv[0])
        if program is None:
            raise CannotRun(_not_found(plan.argv[0]))
        # An image that is the root of its processes is readable for all.
        self._account = _account(plan, program) if self._mounts is None else unprivileged_account()
        if _ends_with_cr(Path(plan.image.outside(str(program)))):
            # The kernel finds no such interpreter, after runc has started the container: it tells the log.
            self._process = self._start([*NO_INTERPRETER, plan.argv[0]], Path(NO_INTERPRETER[0]))
        else:
            self._process = self._start(plan.argv, program)
        self.pid = self._process.pid
        guardian.watch(GROUP, self.pid)
        assert self._process.stdout is not None  # noqa: S101 - PIPE was asked for
        self.output: IO[bytes] = self._process.stdout

    def _find(self, name: str) -> Path | None:
        """Return a program's file on this machine, or in the container's root; None if there is none."""
        if self._namespace and self._mounts is not None:
            prefix = self._namespace.command_prefix(None, self._mounts, self._folder)
            asked = [*prefix, "/bin/sh", "-c", 'command -v -- "$0"', name]
            answer = subprocess.run(
                asked, env=dict(self._plan.environment), capture_output=True, text=True, check=False
            )
            return None if answer.returncode else Path(answer.stdout.strip())
        outside = self._plan.image.outside
        if "/" in name:
            path = self._plan.cwd / outside(name)
            return path if path.exists() else None
        found = shutil.which(name, path=outside(self._plan.environment["PATH"]))
        return Path(found) if found else None

    def _start(self, argv: Sequence[str], program: Path) -> subprocess.Popen[bytes]:
        # nsenter changes the user: only root may enter a namespace that root created.
        who = self._account if self._namespace is None else None
        before = self._prefix(self._namespace) if self._namespace else []
        reader, writer = os.pipe()
        if self._account:
            # A program may open /dev/stdout again, so the user owns it (runc, fixStdioPermissions).
            os.fchown(writer, self._account.uid, self._account.gid)
        try:
            started = subprocess.Popen(
                [*before, *argv],
                executable=None if before else program,
                stdin=subprocess.DEVNULL,
                stdout=writer,
                stderr=subprocess.STDOUT,
                env=dict(self._plan.environment),
                cwd=None if self._mounts is not None else self._plan.cwd,
                start_new_session=True,
                user=who.uid if who else None,
                group=who.gid if who else None,
                extra_groups=[] if who else None,
            )
        except OSError as error:
            os.close(reader)
            raise CannotRun(f"CannotStartContainerError: {argv[0]}: {error.strerror}") from None
        finally:
            os.close(writer)
        started.stdout = os.fdopen(reader, "rb")
        return started

    def _prefix(self, namespace: Namespace) -> list[str]:
        return namespace.command_prefix(self._account, self._mounts, self._folder)

    @property
    def _folder(self) -> Path:
        return Path(self._plan.image.inside(str(self._plan.cwd)) or "/")

    def root(self) -> int | None:
        """Return the local id of the first process inside; None if it is not known."""
        return self.pid

    def wait(self) -> int:
        """Wait for the end and return the exit code, or 128 plus the signal's number."""
        if self._memory:
            threading.Thread(target=self._limit, daemon=True, name="rehearsal-memory").start()
        code = self._process.wait()
        self.signal(signal.SIGKILL)
        self._guardian.forget(GROUP, self.pid)
        return code if code >= 0 else 128 - code

    def signal(self, number: int) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)

    def check(self, argv: Sequence[str], timeout: float) -> int | None:
        """Run a health-check command inside and return its exit code; None after ``timeout``."""
        program = self._find(argv[0])
        if program is None:
            return 127
        try:
            process = self._start(argv, program)
        except CannotRun:
            return 127
        self._guardian.watch(GROUP, process.pid)
        try:
            process.communicate(timeout=timeout)
            return process.returncode
        except subprocess.TimeoutExpired:
            return None
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            self._guardian.forget(GROUP, process.pid)

    def _limit(self) -> None:
        """Kill the process that uses most when the group uses more memory than declared, as the kernel does.

        The whole container is killed only if memory.oom.group of its cgroup is 1; it is 0 by default (kernel
        documentation, "Control Group v2"), and runc leaves it. With its first process the container ends.
        """
        limit = (self._memory or 0) * 1024 * 1024
        while self._process.poll() is None:
            pids = _group(self.pid)
            if _use_more(pids, limit):
                largest = max(pids, key=lambda pid: resident_bytes([pid]))
                if largest == self.pid:
                    self.reason = OUT_OF_MEMORY
                with suppress(ProcessLookupError):
                    os.kill(largest, signal.SIGKILL)
            time.sleep(LOOK_SECONDS)


NO_INTERPRETER = ("/bin/sh", "-c", 'echo "exec $0: no such file or directory"; exit 255')
"""What runc writes where a script's interpreter does not exist (ericc-ch/copilot-api issue 137)."""


def _ends_with_cr(program: Path) -> bool:
    """Return whether a script's first line ends with CR LF, as editors on Windows write it.

    A program of the base image, which is this machine's, has no file in the image's folder.
    """
    if not program.is_file():
        return False
    with program.open("rb") as file:
        first = file.readline(256)
    return first.startswith(b"#!") and first.endswith(b"\r\n")


def _mounts(namespace: Namespace | None, binds: Sequence[Bind]) -> int | None:
    """Return a new mount namespace's descriptor; None without ``binds``. Raises CannotRun."""
    if namespace is None or not binds:
        return None
    try:
        return namespace.mount(mountable(binds))
    except OSError as error:
        raise CannotRun(f"CannotStartContainerError: {error}") from None


def _account(plan: Plan, program: Path) -> Account | None:
    """Return an account other than root if it can read the image's folder, its programs and its interpreter."""
    needed = [plan.cwd, program]
    if plan.image.python:
        needed += [plan.image.python, *plan.image.python.glob("python3")]
    return unprivileged_account() if all(readable_by_all(path) for path in needed) else None


def _group(group: int) -> list[int]:
    """Return the processes of a process group (Linux; none elsewhere)."""
    pids = []
    # Called four times a second for each container: `Path.glob` takes longer.
    for entry in os.scandir(PROC) if PROC.exists() else ():
        with suppress(OSError):
            if entry.name.isdigit() and os.getpgid(int(entry.name)) == group:
                pids.append(int(entry.name))
    return pids


def _use_more(pids: Sequence[int], limit: int) -> bool:
    # The kernel knows the resident pages; it counts the shared ones on demand, which takes it milliseconds.
    return resident_bytes(pids) > limit and memory_bytes(pids) > limit


def _not_found(program: str) -> str:
    return (
        "CannotStartContainerError: failed to create containerd task: failed to create shim task:"
        " OCI runtime create failed: runc create failed: unable to start container process: exec:"
        f' "{program}": executable file not found in $PATH: unknown'
    )


class DockerContainer:
    """A container of the local Docker engine. Secrets are in the client's environment, not in its arguments."""

    def __init__(self, plan: Plan, guardian: Guardian, name: str, limits: Sequence[str]) -> None:
        self._guardian, self.name = guardian, name
        self.reason: str | None = None
        self._root = 0
        client = {key: os.environ[key] for key in ("PATH", "DOCKER_HOST") if key in os.environ}
        # ECS ignores the image's HEALTHCHECK (API reference, HealthCheck).
        argv = ["docker", "run", "--no-healthcheck", "--name", name, "--network", "host", *limits]
        argv += [part for key in plan.environment for part in ("--env", key)]
        # Without it the engine would put the image's ENTRYPOINT before the plan's.
        entry_point = [f"--entrypoint={program}" for program in plan.argv[:1]]
        guardian.watch(CONTAINER, name)
        self._process = subprocess.Popen(
            [*argv, *entry_point, plan.image.reference, *plan.argv[1:]],
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
        """Return the first process's id. The engine may run in a virtual machine, where the id is another machine's."""
        if not self._root:
            self._root = int(self._inspect("{{.State.Pid}}") or 0)
        return self._root or None

    def wait(self) -> int:
        code = self._process.wait()
        if code == KILLED and self._inspect("{{.State.OOMKilled}}") == "true":
            self.reason = OUT_OF_MEMORY
        remove_container(self.name)
        self._guardian.forget(GROUP, self.pid)
        self._guardian.forget(CONTAINER, self.name)
        return code if code >= 0 else 128 - code

    def _inspect(self, what: str) -> str:
        """Return a part of the engine's record of the container; "" when it has none."""
        return docker("inspect", "--format", what, self.name)

    def signal(self, number: int) -> None:
        docker("kill", "--signal", str(number), self.name)

    def check(self, argv: Sequence[str], timeout: float) -> int | None:
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


Running = ProcessGroup | DockerContainer
"""A started container."""
