"""The paths of a local cloud's files and of the cache."""

import fcntl
import hashlib
import os
import pwd
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from local_cloud import starter
from local_cloud.text import Refused, Text, t

ROOT = Path(__file__).resolve().parents[1]
"""The folder from which Python imports the local cloud."""


class _Inside:
    """A path in the folder of a local cloud."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, home: "Home", _: type) -> Path:
        return home.folder / self._name


@dataclass(frozen=True)
class Home:
    """The folder of one local cloud. Every file in it is the local cloud's and may be deleted."""

    folder: Path

    cloud = _Inside("cloud")
    """The data of the running local cloud: database files, copies of images."""
    facts = _Inside("cloud.json")
    """The file with the running local cloud's process id, ports and settings."""
    credentials = _Inside("cloud/credentials")
    """The running local cloud's key, in a file for AWS's clients."""
    log = _Inside("cloud.log")
    lock = _Inside("cloud.lock")
    """The lock file that the local cloud's process holds while it runs."""
    owner = _Inside("rehearsal.lock")
    """The lock file of a command that has the local cloud for itself; it contains the process id."""
    project = _Inside("project")
    """The project folder in which ``pulumi`` runs: symbolic links and copies of the stack files."""
    programs = _Inside("programs")
    """Stand-ins for AWS's programs; this folder comes first on PATH."""
    source = _Inside("source")
    """A changed copy of the program, if there is one."""
    state = _Inside("state")
    """The engine's file backend."""
    passphrase = _Inside("passphrase")
    """The file with the passphrase that encrypts the state."""


def is_locked(lock: Path) -> bool:
    """Return whether a process holds a lock file; the kernel releases the lock when that process ends."""
    try:
        with lock.open("r+") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def find_home() -> Home:
    """Return the local cloud's folder: the one that the starter's variable names, the starter's, or the program's."""
    started = starter.current()
    if chosen := os.environ.get(started.home_variable):
        return Home(Path(chosen).resolve())
    if started.home:
        return Home(started.home)
    # Outside of the program's folder, which may be the context of an image.
    key = hashlib.sha256(str(started.folder.resolve()).encode()).hexdigest()[:8]
    return Home(cache() / "programs" / f"{started.folder.name}-{key}")


def cache(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the user's cache folder for files that are downloaded or built once."""
    # The XDG base directory specification says to ignore a relative path.
    named = Path(environ.get("XDG_CACHE_HOME", ""))
    if named.is_absolute():
        return named / starter.current().name
    return Path(environ.get("HOME") or _home()) / ".cache" / starter.current().name


def _home() -> str:
    """Return the user's home folder in the list of users. Raises Refused for a user who is not in it."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_dir
    except KeyError:
        words = t(
            "No home folder is known: set HOME, or XDG_CACHE_HOME, to a folder that is writable."
        )
        raise Refused(words) from None


def check_cache() -> None:
    """Raise Refused where the cache folder cannot be written, before minutes of work are lost by it."""
    folder = cache()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as problem:
        raise Refused(cache_refused(folder, problem)) from problem


def cache_refused(folder: Path, problem: OSError) -> Text:
    """Return the message that the cache folder cannot be used, with the reason and the setting that changes it."""
    return t(
        "cache: {folder} cannot be used: {why}; make it writable, or set XDG_CACHE_HOME to a folder "
        "that is",
        folder=str(folder),
        why=str(problem),
    )
