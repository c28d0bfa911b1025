"""As which user the local cloud runs what it starts, when it is root itself."""

from __future__ import annotations

import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Account:
    """A user and group to run as, by number."""

    uid: int
    gid: int

    def own(self, path: Path) -> None:
        """Give ``path`` to the account."""
        os.chown(path, self.uid, self.gid)


def unprivileged(name: str = "nobody") -> Account | None:
    """The account for what must not run as root; None when this process is not root itself."""
    if os.geteuid() != 0:
        return None
    entry = pwd.getpwnam(name)
    return Account(entry.pw_uid, entry.pw_gid)


def open_to_all(path: Path) -> bool:
    """Whether any user can reach and read ``path``: a root's home folder, for one, is closed."""
    path = path.resolve()
    if not path.exists():
        return False
    mode = path.stat().st_mode
    wanted = stat.S_IROTH | (stat.S_IXOTH if path.is_dir() else 0)
    return mode & wanted == wanted and all(
        parent.stat().st_mode & stat.S_IXOTH for parent in path.parents
    )
