"""A process that holds a task's network namespace and passes sockets of it to the local cloud.

It also makes the mount namespaces of the task's containers, which need the same rights.
"""

import ctypes
import fcntl
import os
import socket
import struct
import sys

CLONE_NEWUSER, CLONE_NEWNET, CLONE_NEWNS = 0x10000000, 0x40000000, 0x20000  # linux/sched.h
MS_NOSUID, MS_NODEV, MS_NOEXEC = 0x2, 0x4, 0x8  # linux/mount.h, as are the next three lines
MS_BIND, MS_MOVE, MS_REC, MS_PRIVATE = 0x1000, 0x2000, 0x4000, 0x40000
MOUNT_ATTR_RDONLY = 0x1
AT_FDCWD, AT_RECURSIVE = -100, 0x8000  # linux/fcntl.h
MOUNT_SETATTR = 442  # the system call's number on every processor but Alpha (asm-generic/unistd.h)
SHARED_MEMORY = "/dev/shm"  # noqa: S108 - a mount point
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


def enter() -> None:
    """Move this process into a new network namespace. Raises OSError if the system refuses it.

    Only root may do that directly. Any other user needs a user namespace around it, in which their
    ids stay the same (user_namespaces(7)).
    """
    uid, gid = os.geteuid(), os.getegid()
    flags = CLONE_NEWNET if uid == 0 else CLONE_NEWUSER | CLONE_NEWNET
    check(LIBC.unshare(flags))
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


def set_read_only(target: str, *, on: bool, flags: int = 0) -> None:
    """Set or clear the flag of a mount, without its other flags (mount_setattr(2), Linux 5.12)."""
    change = (MOUNT_ATTR_RDONLY, 0) if on else (0, MOUNT_ATTR_RDONLY)
    attributes = struct.pack("4Q", *change, 0, 0)
    where = (ctypes.c_long(AT_FDCWD), os.fsencode(target), ctypes.c_ulong(flags))
    size = ctypes.c_size_t(len(attributes))
    check(LIBC.syscall(ctypes.c_long(MOUNT_SETATTR), *where, attributes, size), target)


def mount_root(binds: list[tuple[str, str, str]]) -> None:
    """Move this process into a new mount namespace in which only some folders are writable.

    Each of ``binds`` is a folder of this machine, where it is mounted, and "rw" or "ro" there. With "over"
    the folder has an image's files, which are laid over this machine's.
    In a user namespace the flags of the other mounts are locked and stay as they are (mount_namespaces(7)).
    """
    check(LIBC.unshare(CLONE_NEWNS))
    mount("none", "/", "none", MS_REC | MS_PRIVATE)
    images = [source for source, _, mode in binds if mode == "over"]
    binds = [bind for bind in binds if bind[2] != "over"]
    # A folder may be hidden by another one's mount, as one in /tmp is, so all are opened before.
    folders = [os.open(source, os.O_PATH) for source, _, _ in binds]
    set_read_only("/", on=True, flags=AT_RECURSIVE)
    for folder, (_, target, mode) in zip(folders, binds, strict=True):
        mount(f"/proc/self/fd/{folder}", target, "none", MS_BIND | MS_REC)
        if mode == "rw":
            set_read_only(target, on=False)
    set_read_only("/proc", on=False)  # glibc writes the names of threads there
    for image in images:
        lay_over(image, {target for _, target, _ in binds})
    mount("shm", SHARED_MEMORY, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, SHARED_MEMORY_OPTIONS)


def lay_over(image: str, mounted: set[str]) -> None:
    """Replace the root by one in which the files of an image are at their paths, among this machine's.

    What is ``mounted`` already hides the image's files, as a volume does.
    """
    mount("root", SHARED_MEMORY, "tmpfs", MS_NOSUID | MS_NODEV, b"mode=755")
    merge("", image, SHARED_MEMORY, mounted)
    os.chdir(SHARED_MEMORY)
    # A process that enters the namespace gets the topmost mount as its root (setns(2)).
    mount(".", "/", "none", MS_MOVE)
    os.chroot(".")
    set_read_only("/", on=True)


def merge(machine: str, image: str, target: str, mounted: set[str]) -> None:
    """Mount in ``target`` what the folders of this machine and of an image have. The image's files hide others."""
    ours, theirs = names_in(machine or "/"), names_in(image)
    # /dev comes first: it has the new root, which is empty then.
    for name in sorted(ours | theirs, key=lambda name: name != "dev"):
        here, there, place = (f"{each}/{name}" for each in (machine, image, target))
        both = name in ours and name in theirs and os.path.isdir(there)  # noqa: PTH112
        # /bin is a link to /usr/bin on many machines, and stays one.
        stays = here in mounted or (both and os.path.islink(here))  # noqa: PTH114
        source = here if name not in theirs or stays else there
        if os.path.islink(source):  # noqa: PTH114
            os.symlink(os.readlink(source), place)  # noqa: PTH115, PTH211
        elif not os.path.isdir(source):  # noqa: PTH112
            os.close(os.open(place, os.O_CREAT | os.O_WRONLY))
            mount(source, place, "none", MS_BIND)
        else:
            os.mkdir(place)  # noqa: PTH102
            if both and source == there and os.path.isdir(here):  # noqa: PTH112
                merge(here, there, place, mounted)
            else:
                mount(source, place, "none", MS_BIND | MS_REC)


def names_in(folder: str) -> set[str]:
    """Return the names in a folder; none in one that this user may not read, as root's home is."""
    try:
        return set(os.listdir(folder))  # noqa: PTH208
    except PermissionError:
        return set()


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
            enter()
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
    main()
