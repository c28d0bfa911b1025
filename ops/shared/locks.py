"""Locks that the kernel releases when the process that holds them ends."""

from __future__ import annotations

import fcntl
from pathlib import Path


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
