"""A process that holds a task's network namespace and passes sockets of it to the local cloud."""

import ctypes
import fcntl
import os
import socket
import struct
import sys

CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000  # linux/sched.h
SIOCSIFFLAGS, SIOCSIFADDR, SIOCSIFNETMASK = 0x8914, 0x8916, 0x891C  # linux/sockios.h
UP = 0x1 | 0x40  # linux/if.h: IFF_UP | IFF_RUNNING
HOST_MASK = "255.255.255.255"


def enter() -> None:
    """Move this process into a new network namespace. Raises OSError if the system refuses it.

    Only root may do that directly. Any other user needs a user namespace around it, in which their
    ids stay the same (user_namespaces(7)).
    """
    uid, gid = os.geteuid(), os.getegid()
    flags = CLONE_NEWNET if uid == 0 else CLONE_NEWUSER | CLONE_NEWNET
    if ctypes.CDLL(None, use_errno=True).unshare(flags):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
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


def main() -> None:
    """Create the namespace, then answer each byte on standard input with a new TCP socket of it."""
    with socket.socket(fileno=os.dup(0)) as line:
        try:
            enter()
            for number, address in enumerate(["127.0.0.1", *sys.argv[1:]]):
                add_address(f"lo:{number}" if number else "lo", address)
        except OSError as error:
            line.sendall(str(error).encode())
            sys.exit(1)
        line.sendall(b"ready")
        while line.recv(1):
            with socket.socket() as made:
                socket.send_fds(line, [b"s"], [made.fileno()])


if __name__ == "__main__":
    main()
