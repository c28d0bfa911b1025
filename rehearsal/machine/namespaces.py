"""A task's own network: a Linux network namespace with loopback, the task's private address and nothing else.

The local cloud stays outside. It listens and connects inside by sockets that the namespace's holder makes:
a socket belongs to the namespace in which it was made, whichever process uses it (network_namespaces(7)).
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from i18n import Text, t, verbatim
from rehearsal.machine.processes import Account, unprivileged

HOLDER = Path(__file__).with_name("namespace_holder.py")
START_SECONDS = 20.0
ANSWER_SECONDS = 5.0
TRIED = "10.0.0.4"
"""The address with which it is tried whether this machine lets tasks have networks of their own."""


class NoNamespace(OSError):
    """This machine refuses a network namespace; ``str()`` says why, in the system's words."""


class Namespace:
    """One network namespace, which lasts until ``close`` and until its last process has ended."""

    def __init__(self, addresses: Sequence[str]) -> None:
        """Make it, with ``addresses`` beside 127.0.0.1. Raises NoNamespace."""
        program = shutil.which("nsenter")
        if sys.platform != "linux" or program is None:
            raise NoNamespace("nsenter of Linux's util-linux is not on PATH")
        self._program, self._lock = program, threading.Lock()
        self._line, theirs = socket.socketpair()
        self._line.settimeout(START_SECONDS)
        with theirs:
            self._holder = subprocess.Popen(
                [sys.executable, "-I", "-S", str(HOLDER), *addresses],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                start_new_session=True,
                env={"PATH": os.defpath},
                cwd="/",
            )
        try:
            self._wait_until_ready()
        except BaseException:
            self.close()
            raise

    def _wait_until_ready(self) -> None:
        said = self._line.recv(1024).decode()
        if said != "ready":
            raise NoNamespace(said or "its process ended at once")
        self._line.settimeout(ANSWER_SECONDS)

    def new_socket(self) -> socket.socket:
        """A new TCP socket inside, neither bound nor connected. Raises OSError."""
        with self._lock:
            self._line.sendall(b"s")
            _, made, _, _ = socket.recv_fds(self._line, 1, 1)
        if not made:
            raise NoNamespace("the namespace's holder has ended")
        return socket.socket(fileno=made[0])

    def entered(self, account: Account | None) -> list[str]:
        """What to put before a command so that it runs inside, as ``account`` (None: as this process)."""
        spaces = f"/proc/{self._holder.pid}/ns"
        if os.geteuid():
            how = [f"--user={spaces}/user", "--preserve-credentials"]
        else:
            how = [f"--setuid={account.uid}", f"--setgid={account.gid}"] if account else []
        return [self._program, f"--net={spaces}/net", *how, "--"]

    def close(self) -> None:
        """End the holder."""
        self._line.close()
        self._holder.kill()
        self._holder.wait()


def refusal() -> Text | None:
    """Why tasks cannot have networks of their own here; None when they can. It is tried once, for real."""
    try:
        namespace = Namespace([TRIED])
    except OSError as error:
        return verbatim(str(error))
    try:
        with namespace.new_socket() as made:
            made.bind((TRIED, 0))
        tried = subprocess.run(
            [*namespace.entered(unprivileged()), "true"],
            capture_output=True,
            text=True,
            check=False,
        )
        return verbatim(tried.stderr.strip()) if tried.returncode else None
    except OSError as error:
        return verbatim(str(error))
    finally:
        namespace.close()


def shared_loopback(refused: Text) -> Text:
    """What is said once where tasks cannot have networks of their own."""
    return t(
        "Tasks share this machine's loopback, each at an address that BIND_HOST tells it, because "
        "networks of their own are refused: {why}. An app that does not read BIND_HOST can run in one "
        "task at a time. Ubuntu 24.04 and later allow such networks with: "
        "sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0",
        why=refused,
    )
