"""careapp, the first user of the local cloud: its names there, the page beside it, and its regions."""

import fcntl
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from careapp import IMPORTED, ROOT
from careapp.settings.file import Reader, read, refused
from ecs_gate.text import t, translated, verbatim
from ecs_gate.text.masking import mask
from local_cloud import starter
from local_cloud.paths import Home, is_locked
from local_cloud.run.client import CloudError
from local_cloud.run.shell import RegionChoice


def page(port: int | None) -> starter.Beside:
    """Return the rehearsal's page, which listens before anything else is up. Raises PortTaken."""
    from careapp.rehearsal.page.launch import listening

    return listening(port)


CAREAPP = starter.Starter(
    folder=ROOT,
    imports=IMPORTED,
    name="careapp",
    home=ROOT / ".rehearsal",
    home_variable="CAREAPP_HOME",
    pulumi_variable="CAREAPP_PULUMI",
    cloud="./careapp cloud",
    inside="./careapp shell",
    process=(sys.executable, "-m", "careapp.rehearsal"),
    python=t("Start ./careapp with that Python (PYTHON=PATH)"),
    base_image="python:3.13-slim",  # BASE_IMAGE in webapp/Dockerfile
    commands={"careapp": ROOT / "careapp"},
    readers=verbatim("./careapp doctor"),
    names=t(
        "curl and Python reach the page by its pageUrl; a browser finds it at the address that "
        "./careapp cloud status prints."
    ),
    beside=page,
    translate=translated,
    mask=mask,
)


def use() -> None:
    """Make careapp the starter of the local cloud in this process, which uses careapp's caches and language."""
    starter.use(CAREAPP)


def choose_region(stack: str | None, region: str | None) -> RegionChoice:
    """Return the region of a local cloud by the options: the region, or the stack whose file has it.

    Raises StackError if a stack is named whose file has none.
    """
    named = region or (read_region(stack) if stack else None)
    return RegionChoice(named, lambda: read_region("poc"))


def read_region(stack: str) -> str:
    """Return the region in a stack's file. Raises StackError if there is no file or no region in it."""
    reader = Reader(read(stack, ROOT))
    region = reader.region()
    if reader.problems:
        raise refused(stack, reader.problems)
    return region


@contextmanager
def hold_folder(home: Home) -> Iterator[None]:
    """Hold the folder's lock for a rehearsal. Raises ``CloudError`` while another process holds it."""
    home.folder.mkdir(parents=True, exist_ok=True)
    with home.owner.open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise CloudError(
                "a rehearsal (process {pid}) runs in {folder}: end it with Ctrl-C where it was "
                "started, or give this one a folder of its own: "
                "CAREAPP_HOME=FOLDER ./careapp rehearse",
                pid=lock.read().strip(),
                folder=str(home.folder),
            ) from None
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        yield


def refuse_to_stop(home: Home) -> None:
    """Raise ``CloudError`` while a rehearsal runs in ``home``: it needs the local cloud to destroy its stack."""
    if not is_locked(home.owner):
        return
    pid = home.owner.read_text().strip()
    raise CloudError(
        "a rehearsal (process {pid}) runs in {folder}, and this is its local cloud: Ctrl-C where "
        "it was started destroys the stack and stops the local cloud; kill {pid} stops both "
        "without destroying",
        pid=pid,
        folder=str(home.folder),
    )
