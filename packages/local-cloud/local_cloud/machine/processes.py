"""Users and processes of this machine: the user that runs tasks and databases, and the CPU and memory they use."""

import os
import pwd
import shutil
import stat
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple


@dataclass(frozen=True)
class Account:
    """The numbers of a user and a group."""

    uid: int
    gid: int

    def own(self, path: Path) -> None:
        """Change the owner of ``path`` to the account."""
        os.chown(path, self.uid, self.gid)


def unprivileged_account(name: str = "nobody") -> Account | None:
    """Return the account for processes that must not run as root; None if this process is not root."""
    if os.geteuid() != 0:
        return None
    entry = pwd.getpwnam(name)
    return Account(entry.pw_uid, entry.pw_gid)


def readable_by_all(path: Path) -> bool:
    """Return whether every user can read ``path``. The home folder of root often cannot be entered."""
    path = path.resolve()
    if not path.exists():
        return False
    mode = path.stat().st_mode
    wanted = stat.S_IROTH | (stat.S_IXOTH if path.is_dir() else 0)
    return mode & wanted == wanted and all(
        parent.stat().st_mode & stat.S_IXOTH for parent in path.parents
    )


def copy_for_all(source: Path, target: Path) -> None:
    """Copy a folder so that every user can read it and run its programs, whatever umask its files were made with."""
    shutil.copytree(source, target, symlinks=True)
    for path in (target, *target.rglob("*")):
        if not path.is_symlink():
            runs = path.stat().st_mode & stat.S_IXUSR
            path.chmod(0o755 if runs else 0o644)


PROC = Path("/proc")
FRESH_SECONDS = 0.2
TICKS = os.sysconf("SC_CLK_TCK")


class Process(NamedTuple):
    """A process. ``cpu`` is in seconds, with that of its ended children; ``began`` is in seconds since boot."""

    pid: int
    parent: int
    group: int
    cpu: float
    began: float
    state: str


def processes() -> dict[int, Process]:
    """Return all processes by their ids (proc_pid_stat(5))."""
    found = {}
    for entry in os.scandir(PROC) if PROC.exists() else ():
        if entry.name.isdigit() and (process := _read(int(entry.name))) is not None:
            found[process.pid] = process
    return found


def _text(pid: int, name: str) -> str:
    """Return a file of a process below /proc; "" of one that has ended."""
    try:
        return (PROC / str(pid) / name).read_text()
    except OSError:
        return ""


def _read(pid: int) -> Process | None:
    if not (text := _text(pid, "stat")):
        return None
    # The command's name may contain brackets and spaces.
    rest = text[text.rindex(")") + 2 :].split()
    cpu = sum(int(ticks) for ticks in rest[11:15]) / TICKS
    return Process(pid, int(rest[1]), int(rest[2]), cpu, int(rest[19]) / TICKS, rest[0])


def family(every: Mapping[int, Process], root: int) -> list[Process]:
    """Return a process, its descendants, and the other members of its process group."""
    return [each for each in every.values() if each.group == root or _under(every, each, root)]


def _under(every: Mapping[int, Process], process: Process, root: int) -> bool:
    pid = process.pid
    while pid > 1 and pid in every:
        if pid == root:
            return True
        pid = every[pid].parent
    return False


def memory_bytes(pids: Iterable[int]) -> int:
    """Return the processes' memory in bytes; pages that several processes share are counted once."""
    lines = (line for pid in pids for line in _text(pid, "smaps_rollup").splitlines())
    return sum(int(line.split()[1]) for line in lines if line[:4] == "Pss:") * 1024


def resident_bytes(pids: Iterable[int]) -> int:
    """Return the processes' memory in bytes; pages that several processes share are counted in each."""
    pages = (_text(pid, "statm") or "0 0" for pid in pids)
    return sum(int(page.split()[1]) for page in pages) * os.sysconf("SC_PAGE_SIZE")


class ProcessTable:
    """Reads the process table at most once in FRESH_SECONDS: on a busy machine a read takes long."""

    def __init__(self) -> None:
        self._read_at, self._known = -FRESH_SECONDS, dict[int, Process]()

    def now(self) -> Mapping[int, Process]:
        """Return all processes, as they were at most FRESH_SECONDS ago."""
        if time.monotonic() - self._read_at >= FRESH_SECONDS:
            self._known, self._read_at = processes(), time.monotonic()
        return self._known


class Meter:
    """Measures the CPU that a process and its descendants use between two calls."""

    def __init__(self) -> None:
        self._last: dict[tuple[int, float], tuple[float, float]] = {}

    def cores(self, every: Mapping[int, Process], root: int) -> float | None:
        """Return CPU seconds per second since the last call or the process's start; None if it has ended."""
        first = every.get(root)
        if first is None:
            return None
        now = time.clock_gettime(time.CLOCK_BOOTTIME)
        used = sum(process.cpu for process in family(every, root))
        key = (root, first.began)
        before, since = self._last.get(key, (0.0, first.began))
        self._last[key] = (used, now)
        return max(0.0, used - before) / max(now - since, 1 / TICKS)

    def forget(self, every: Mapping[int, Process]) -> None:
        self._last = {key: seen for key, seen in self._last.items() if key[0] in every}
