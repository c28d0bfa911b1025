"""A task's network and files: Linux namespaces.

Its network namespace has loopback and the task's private address. The local cloud stays outside. It
listens and connects inside with sockets that the namespace's holder creates: a socket belongs to the
namespace in which it was created, whichever process uses it (network_namespaces(7)).

Each of its containers has a mount namespace whose root is its image's folder (`roots.py`, mount_namespaces(7)).
"""

import asyncio
import os
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from local_cloud.machine.processes import Account, unprivileged_account
from local_cloud.machine.roots import MACHINE, Bind, mountable, of_machine, prepare
from local_cloud.text import Text, t, verbatim

HOLDER = Path(__file__).with_name("namespace_holder.py")
START_SECONDS = 20.0
ANSWER_SECONDS = 5.0
TEST_ADDRESS = "10.0.0.4"
"""The address with which `refusal` tests whether this machine allows network namespaces."""


class NoNamespace(OSError):
    """This machine refuses a namespace. ``str()`` is the system's reason."""


class Namespace:
    """A network namespace, which exists until ``close`` is called and its last process has ended."""

    def __init__(self, addresses: Sequence[str]) -> None:
        """Create the namespace with ``addresses`` and 127.0.0.1. Raises NoNamespace."""
        program = shutil.which("nsenter")
        if sys.platform != "linux" or program is None:
            raise NoNamespace("nsenter of Linux's util-linux is not on PATH")
        self._program, self._lock = program, threading.Lock()
        self._mounts: list[int] = []
        self._awaited = 0
        self._line, theirs = socket.socketpair(type=socket.SOCK_SEQPACKET)
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
        """Return a new TCP socket of the namespace, neither bound nor connected. Raises OSError."""
        return socket.socket(fileno=self._ask(b"s"))

    def mount(self, binds: Iterable[Bind]) -> int:
        """Make a mount namespace and return its descriptor, which ``close`` closes. Raises NoNamespace.

        Its root is the first bind's folder, as ``roots.mountable`` returns them.
        """
        entries = [(bind.source, bind.target, "rw" if bind.writable else "ro") for bind in binds]
        fields = (os.fsencode(field) + b"\0" for entry in entries for field in entry)
        made = self._ask(b"m" + b"".join(fields))
        self._mounts.append(made)
        return made

    def _ask(self, request: bytes) -> int:
        """Return the descriptor with which the holder answers."""
        with self._lock:
            self._line.sendall(request)
            self._awaited += 1
            while self._awaited:  # More than one where the answers to others came too late.
                said, sent, _, _ = socket.recv_fds(self._line, 1024, 1)
                self._awaited -= 1
                if self._awaited and sent:
                    os.close(sent[0])
        if not sent:
            raise NoNamespace(said.decode() or "the namespace's holder has ended")
        return sent[0]

    def command_prefix(
        self, account: Account | None, mounts: int | None = None, folder: Path | None = None
    ) -> list[str]:
        """Return the command prefix that runs a command inside, as ``account`` (None: as this process).

        With ``mounts`` it runs in that mount namespace, in its ``folder``.
        """
        spaces = f"/proc/{self._holder.pid}/ns"
        if os.geteuid():
            how = [f"--user={spaces}/user", "--preserve-credentials"]
        else:
            how = [f"--setuid={account.uid}", f"--setgid={account.gid}"] if account else []
        words = [self._program, f"--net={spaces}/net", *how]
        if mounts is None:
            return [*words, "--"]
        # A working folder that was opened outside would be a writable one (setns(2), CLONE_NEWNS).
        inside = ["/usr/bin/env", f"--chdir={folder or '/'}"]
        return [*words, f"--mount=/proc/{os.getpid()}/fd/{mounts}", "--", *inside]

    def close(self) -> None:
        """End the holder, and each mount namespace with its last process."""
        self._line.close()
        self._holder.kill()
        self._holder.wait()
        while self._mounts:
            os.close(self._mounts.pop())


READ_ONLY = (
    "test ! -w /tmp || { echo a mount stays writable >&2; exit 1; }; "
    f"test -d /{MACHINE} || {{ echo an image has no root of its own >&2; exit 1; }}"
)


def refusal(*, mounts: bool = False) -> Text | None:
    """Return why this machine refuses network namespaces, with ``mounts`` mount namespaces, or None. It tries."""
    try:
        with (
            closing(Namespace([TEST_ADDRESS])) as namespace,
            namespace.new_socket() as probe,
            tempfile.TemporaryDirectory() as folder,
        ):
            probe.bind((TEST_ADDRESS, 0))
            mounted = None
            if mounts:
                prepare(root := Path(folder).resolve())
                root.chmod(0o755)
                binds = [Bind(root, Path("/"), writable=False), *of_machine(root, ())]
                mounted = namespace.mount(mountable(binds))
            prefix = namespace.command_prefix(unprivileged_account(), mounted)
            words = [*prefix, "sh", "-c", READ_ONLY if mounts else "true"]
            tried = subprocess.run(words, capture_output=True, text=True, check=False)
    except OSError as error:
        return verbatim(str(error))
    return verbatim(tried.stderr.strip()) if tried.returncode else None


def mount_refusal() -> Text | None:
    """Return why this machine refuses mount namespaces, or None."""
    return refusal(mounts=True)


def shared_loopback(refused: Text) -> Text:
    """Return the message that is shown if tasks cannot have network namespaces."""
    return t(
        "Tasks share this machine's loopback interface, each with its own address in BIND_HOST, "
        "because this machine refuses network namespaces: {why}. An app that does not read "
        "BIND_HOST can run in one task at a time. Ubuntu 24.04 and later allow network namespaces"
        " with: sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0",
        why=refused,
    )


def writable_root(refused: Text) -> Text:
    """Return the message that is shown if tasks cannot have mount namespaces."""
    return t(
        "The tasks' root file system is writable, because this machine refuses mount namespaces: {why}. "
        "An app that writes outside /tmp works here and fails on AWS. A Docker engine (--tasks docker) "
        "or Linux 5.12 and later, with namespaces allowed, make it read-only.",
        why=refused,
    )


@dataclass(frozen=True)
class TaskAddress:
    """The address of a task; ``namespace`` None: on this machine's loopback."""

    host: str
    port: int
    namespace: Namespace | None

    async def connect(
        self, context: ssl.SSLContext | None = None
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Open a connection, with TLS if there is a ``context``. Raises OSError."""
        if self.namespace is None:
            return await asyncio.open_connection(self.host, self.port, ssl=context)
        made = self.namespace.new_socket()
        try:
            made.setblocking(False)
            await asyncio.get_running_loop().sock_connect(made, (self.host, self.port))
            name = self.host if context else None
            return await asyncio.open_connection(sock=made, ssl=context, server_hostname=name)
        except BaseException:
            made.close()
            raise
