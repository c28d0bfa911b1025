"""One rehearsal at a time in a folder: it removes at its start and end what lies there."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager

from i18n import t
from ops.local import held
from rehearsal.client import CloudError
from rehearsal.paths import Home


@contextmanager
def owned(home: Home) -> Iterator[None]:
    """Keep the folder for this process's rehearsal. Raises ``CloudError`` while another has it."""
    home.folder.mkdir(parents=True, exist_ok=True)
    with home.owner.open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise CloudError(
                t(
                    "a rehearsal (process {pid}) runs in {folder}: end it with Ctrl-C where it was "
                    "started, or give this one a folder of its own: "
                    "CAREAPP_HOME=FOLDER ./careapp rehearse",
                    pid=lock.read().strip(),
                    folder=str(home.folder),
                )
            ) from None
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        yield


def refuse_to_stop(home: Home) -> None:
    """Raise ``CloudError`` while a rehearsal runs in ``home``: it needs its local cloud until it has destroyed."""
    if not held(home.owner):
        return
    pid = home.owner.read_text().strip()
    raise CloudError(
        t(
            "a rehearsal (process {pid}) runs in {folder}, and this is its local cloud: Ctrl-C where "
            "it was started destroys the stack and stops the local cloud; kill {pid} stops both "
            "without destroying",
            pid=pid,
            folder=str(home.folder),
        )
    )
