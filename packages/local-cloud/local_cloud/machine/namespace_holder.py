"""A process that holds a task's network namespace and passes sockets of it to the local cloud.

It also makes the mount namespaces of the task's containers, which need the same rights. With "run" it runs a command of
a Dockerfile instead.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import signal
import socket
import struct
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:  # Each task waits for the imports of this process.
    from typing import Any

CLONE_NEWUSER, CLONE_NEWNET, CLONE_NEWNS = 0x10000000, 0x40000000, 0x20000  # linux/sched.h
CLONE_NEWPID, CLONE_NEWIPC = 0x20000000, 0x08000000
PR_SET_PDEATHSIG, PR_SET_NO_NEW_PRIVS = 1, 38  # linux/prctl.h
MS_NOSUID, MS_NODEV, MS_NOEXEC = 0x2, 0x4, 0x8  # linux/mount.h, as are the next three lines
MS_BIND, MS_MOVE, MS_REC, MS_PRIVATE = 0x1000, 0x2000, 0x4000, 0x40000
MOUNT_ATTR_RDONLY, MOUNT_ATTR_NOSUID = 0x1, 0x2
AT_FDCWD, AT_RECURSIVE = -100, 0x8000  # linux/fcntl.h
MOUNT_SETATTR = 442  # the system call's number on every processor but Alpha (asm-generic/unistd.h)
DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
LINKS = {"fd": "", "stdin": "/0", "stdout": "/1", "stderr": "/2"}
SHARED_MEMORY_OPTIONS = b"mode=1777,size=64m"  # Docker's default; Fargate has no sharedMemorySize
SIOCSIFFLAGS, SIOCSIFADDR, SIOCSIFNETMASK = 0x8914, 0x8916, 0x891C  # linux/sockios.h
UP = 0x1 | 0x40  # linux/if.h: IFF_UP | IFF_RUNNING
LONGEST = 65536  # bytes of a message
HOST_MASK = "255.255.255.255"
LIBC = ctypes.CDLL(None, use_errno=True)


def check(failed: int, path: str | None = None) -> None:
    """Raise the OSError of a system call that failed."""
    if failed:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), path)


def enter(kinds: int) -> None:
    """Move this process into new namespaces. Raises OSError if the system refuses it.

    Only root may do that directly. Any other user needs a user namespace around it, in which their
    ids stay the same (user_namespaces(7)).
    """
    uid, gid = os.geteuid(), os.getegid()
    check(LIBC.unshare(kinds if uid == 0 else CLONE_NEWUSER | kinds))
    if uid:
        for file, text in (
            ("setgroups", "deny"),
            ("uid_map", f"{uid} {uid} 1"),
            ("gid_map", f"{gid} {gid} 1"),
        ):
            with open(f"/proc/self/{file}", "w") as written:  # noqa: PTH123 - pathlib is slow to load
                written.write(text)


def add_address(name: str, address: str) -> None:
    """Add an address to the loopback interface under an alias (netdevice(7)).

    The netmask is set explicitly: the default of the address's class would route all of 10.0.0.0/8
    here.
    """
    family = struct.pack("HH", socket.AF_INET, 0)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        for request, body in (
            (SIOCSIFADDR, family + socket.inet_aton(address)),
            (SIOCSIFNETMASK, family + socket.inet_aton(HOST_MASK)),
            (SIOCSIFFLAGS, struct.pack("H", UP)),
        ):
            fcntl.ioctl(control, request, struct.pack("16s24s", name.encode(), body))


def mount(source: str, target: str, kind: str, flags: int, options: bytes | None = None) -> None:
    """Mount ``source`` at ``target`` (mount(2))."""
    names = (os.fsencode(source), os.fsencode(target), kind.encode())
    check(LIBC.mount(*names, ctypes.c_ulong(flags), options), target)


def set_flags(target: str, flags: int) -> None:
    """Set flags of a mount and of those below it (mount_setattr(2), Linux 5.12)."""
    attributes = struct.pack("4Q", flags, 0, 0, 0)
    where = (ctypes.c_long(AT_FDCWD), os.fsencode(target), ctypes.c_ulong(AT_RECURSIVE))
    size = ctypes.c_size_t(len(attributes))
    check(LIBC.syscall(ctypes.c_long(MOUNT_SETATTR), *where, attributes, size), target)


def mount_root(binds: list[tuple[str, str, str]]) -> None:
    """Move this process into a new mount namespace whose root is the first of ``binds``.

    Each of them is a folder or file of this machine, where it is mounted, and "rw" or "ro" there. The rest of this
    machine is not there, but for /proc and some devices.
    In a user namespace the flags of this machine's mounts are locked and stay as they are (mount_namespaces(7)).
    """
    check(LIBC.unshare(CLONE_NEWNS))
    mount("none", "/", "none", MS_REC | MS_PRIVATE)
    sources = [os.open(source, os.O_PATH) for source, _, _ in binds]
    root = binds[0][0]
    for source, (_, target, mode) in zip(sources, binds, strict=True):
        place = root if target == "/" else root + target
        mount(f"/proc/self/fd/{source}", place, "none", MS_BIND | MS_REC)
        set_flags(place, MOUNT_ATTR_NOSUID | (MOUNT_ATTR_RDONLY if mode == "ro" else 0))
        os.close(source)
    mount("/proc", f"{root}/proc", "none", MS_BIND | MS_REC)
    mount_devices(f"{root}/dev")
    os.chdir(root)
    # A process that enters the namespace gets the topmost mount as its root (setns(2)).
    mount(".", "/", "none", MS_MOVE)
    os.chroot(".")
    os.chdir("/")


def mount_devices(folder: str) -> None:
    """Mount a /dev with the devices that each container has, and an own /dev/shm."""
    mount("dev", folder, "tmpfs", MS_NOSUID, b"mode=755")
    for name in DEVICES:
        if os.path.exists(f"/dev/{name}"):  # noqa: PTH110
            os.close(os.open(f"{folder}/{name}", os.O_CREAT | os.O_WRONLY))
            mount(f"/dev/{name}", f"{folder}/{name}", "none", MS_BIND)
    for name, number in LINKS.items():
        os.symlink(f"/proc/self/fd{number}", f"{folder}/{name}")  # noqa: PTH211
    os.mkdir(f"{folder}/shm")  # noqa: PTH102
    set_flags(folder, MOUNT_ATTR_RDONLY)
    shared = MS_NOSUID | MS_NODEV | MS_NOEXEC
    mount("shm", f"{folder}/shm", "tmpfs", shared, SHARED_MEMORY_OPTIONS)


def run(order: dict[str, Any]) -> int:
    """Run a command in a root of its own and return its exit code. Its processes end with it, and with this one.

    They neither see this machine's processes nor get rights by a program's mode. It has this machine's network.
    """
    enter(CLONE_NEWPID | CLONE_NEWIPC | (0 if order["network"] else CLONE_NEWNET))
    mount_root(order["binds"])
    child = os.fork()
    if child == 0:
        try:
            begin(order)
        except FileNotFoundError:
            print(f"{order['words'][0]}: not found", file=sys.stderr, flush=True)
            os._exit(127)
        except OSError as error:
            print(error, file=sys.stderr, flush=True)
        os._exit(126)
    signal.signal(signal.SIGTERM, lambda *_: os.kill(child, signal.SIGKILL))
    end_with_parent()
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def begin(order: dict[str, Any]) -> None:
    """Become the command, by the account without rights if root runs this."""
    # A container of another engine may not mount one: this machine's processes are seen then.
    with contextlib.suppress(OSError):
        mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    if order["account"]:
        uid, gid = order["account"]
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    check(LIBC.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
    end_with_parent()
    os.setsid()
    os.umask(0o022)
    os.chdir(order["folder"])
    os.execvpe(order["words"][0], order["words"], order["environment"])  # noqa: S606 - that is its purpose


def end_with_parent() -> None:
    """Have the kernel kill this process when its parent ends (prctl(2)); a change of its user forgets it."""
    check(LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0))


def send_mount_namespace(line: socket.socket, binds: list[tuple[str, str, str]]) -> None:
    """Pass a descriptor of a new mount namespace, or the reason why there is none.

    A child makes it: this process stays where it is. The namespace exists as long as the descriptor is
    open or a process is in it (namespaces(7)).
    """
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        return
    try:
        mount_root(binds)
        socket.send_fds(line, [b"m"], [os.open("/proc/self/ns/mnt", os.O_RDONLY)])
    except OSError as error:
        line.sendall(str(error).encode())
    finally:
        os._exit(0)


def main() -> None:
    """Create the network namespace, then answer each message on standard input.

    The message "s" is answered with a new TCP socket of the namespace, and "m" with a mount namespace.
    Then it has the binds' fields, each ended by a zero byte.
    """
    with socket.socket(fileno=os.dup(0)) as line:
        try:
            enter(CLONE_NEWNET)
            for number, address in enumerate(["127.0.0.1", *sys.argv[1:]]):
                add_address(f"lo:{number}" if number else "lo", address)
        except OSError as error:
            line.sendall(str(error).encode())
            sys.exit(1)
        line.sendall(b"ready")
        while request := line.recv(LONGEST):
            if request[:1] == b"m":
                fields = iter(os.fsdecode(request[1:]).split("\0"))
                send_mount_namespace(line, list(zip(fields, fields, fields)))  # noqa: B905
                continue
            with socket.socket() as made:
                socket.send_fds(line, [b"s"], [made.fileno()])


if __name__ == "__main__":
    if sys.argv[1:] == ["run"]:
        import json
        import warnings  # noqa: F401 - execvpe does, in a root with another Python or none

        sys.exit(run(json.load(sys.stdin)))
    main()
