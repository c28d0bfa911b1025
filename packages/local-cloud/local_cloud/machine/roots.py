"""An image's folder as the root of processes: what they see of this machine there, and where a path of it leads.

Of this machine they see programs and libraries only, read-only: /usr, and the folders that an image names.
An image whose /usr has links (`building/base.py`) has this machine's below ``MACHINE``.
"""

import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from local_cloud.machine.processes import unprivileged_account

MACHINE = ".machine"
"""The folder of a root with what is not the image's."""
TOP = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
FOLDERS = (
    *("dev", "etc", "home", "media", "mnt", "opt", "proc", "root", "run", "srv", "usr"),
    *("var/lib", "var/log", "var/cache", MACHINE),
)
FOR_ALL = ("tmp", "var/tmp")
ETC = (
    *("bash.bashrc", "ca-certificates.conf", "debian_version", "host.conf", "ld.so.cache"),
    *("ld.so.conf", "localtime", "mime.types", "nsswitch.conf", "os-release", "profile"),
    *("protocols", "services", "ssl/openssl.cnf", "timezone"),
)
"""What an image has of this machine's /etc: nothing that names users, hosts or passwords."""
DEBIAN = "daemon:x:1 bin:x:2 sys:x:3 games:x:5 man:x:6 mail:x:8 www-data:x:33 nobody:x:65534"
"""Users of Debian's images besides root, with their ids (base-passwd)."""
USERS = "root:x:0:0::/root:/bin/sh\n"
USERS += "".join(f"{user}:{user.split(':')[2]}::/:/bin/sh\n" for user in DEBIAN.split())
GROUPS = "root:x:0:\nnogroup:x:65534:\nwww-data:x:33:\n"
MOST_LINKS = 40


class Bind(NamedTuple):
    """A folder or file of this machine, where a container sees it, and whether it may write there."""

    source: Path
    target: Path
    writable: bool


def prepare(root: Path) -> None:
    """Make what each root has: the folders of a Linux system, and files of /etc. What is there stays."""
    for name in (*FOLDERS, *FOR_ALL):
        _make(root / name)
    for name in FOR_ALL:
        (root / name).chmod(0o1777)
    for name in TOP:
        ours, place = Path("/", name), root / name
        if ours.is_symlink() and not place.is_symlink():
            place.symlink_to(ours.readlink())
    for place in (root / "etc" / name for name in ETC):
        if not os.path.lexists(place):
            _make(place.parent)
            with suppress(OSError):  # one that this user may not read
                shutil.copy2(Path("/", place.relative_to(root)), place, follow_symlinks=False)
    account = unprivileged_account()
    uid, gid = (account.uid, account.gid) if account else (os.geteuid(), os.getegid())
    own = "" if uid == 65534 else f"user:x:{uid}:{gid}::/root:/bin/sh\n"
    made = {"passwd": USERS + own, "group": GROUPS, "hosts": "", "resolv.conf": ""}
    for name, text in made.items():
        if not (place := root / "etc" / name).exists():
            place.write_text(text)


def of_machine(root: Path, folders: Iterable[Path]) -> Iterator[Bind]:
    """Yield what a root has of this machine: /usr, and ``folders`` at their own paths."""
    linked = (root / MACHINE / "usr").is_dir()
    yield Bind(Path("/usr"), Path("/", MACHINE, "usr") if linked else Path("/usr"), writable=False)
    real = [top for name in TOP if (top := Path("/", name)).is_dir() and not top.is_symlink()]
    for folder in (*real, *(folder for folder in folders if not folder.is_relative_to("/usr"))):
        yield Bind(folder, folder, writable=False)


def within(root: Path, path: str | PurePosixPath) -> Path:
    """Return the file below ``root`` that a path of the image names: its links lead to files of the image only."""
    place, links = root, 0
    parts = list(reversed(PurePosixPath(path).parts))
    while parts:
        part = parts.pop()
        if part.startswith("/"):  # a path may begin with two
            place = root
        elif part == "..":
            place = place if place == root else place.parent
        elif (place / part).is_symlink():
            links += 1
            if links > MOST_LINKS:
                raise OSError(f"{path}: too many links")
            parts += reversed(PurePosixPath((place / part).readlink()).parts)
        else:
            place /= part
    return place


def mountable(binds: Iterable[Bind]) -> list[Bind]:
    """Return the binds in the order in which they are mounted, with their targets behind the image's links.

    The first one is the root. Mount points are made where there are none, as that of a volume in /tmp.
    """
    ordered = sorted(binds, key=lambda bind: len(bind.target.parts))
    root = ordered[0].source
    for number, bind in enumerate(ordered[1:], 1):
        target = Path("/", within(root, str(bind.target)).relative_to(root))
        outer = max(
            (each for each in ordered[:number] if target.is_relative_to(each.target)),
            key=lambda bind: len(bind.target.parts),
        )
        place = within(outer.source, str(target.relative_to(outer.target)))
        _make(place if bind.source.is_dir() else place.parent)
        if not place.exists():
            place.touch()
        ordered[number] = bind._replace(target=target)
    return ordered


def _make(folder: Path) -> None:
    """Make a folder that every user may enter, whatever umask this process has."""
    if not folder.is_dir():
        _make(folder.parent)
        folder.mkdir(exist_ok=True)
        folder.chmod(0o755)
