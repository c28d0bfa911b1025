"""A venv for each lock file: what ``pip install`` puts into the image, for tasks that run without Docker."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from ops.texts import t
from rehearsal.paths import cache, cache_refused

READY = "careapp-ready"


class InstallError(Exception):
    """The image's packages could not be installed. The message holds pip's last lines."""


def venv(lock: Path) -> Path:
    """Return the ``bin`` folder of a venv with exactly ``lock``'s packages, made once and kept in the cache.

    Raises ``InstallError``.
    """
    key = hashlib.sha256(lock.read_bytes() + sys.version.encode()).hexdigest()[:16]
    folder = cache() / "venvs" / key
    if (folder / READY).exists():
        return folder / "bin"
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with (folder.parent / f"{key}.lock").open("w") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            if not (folder / READY).exists():
                shutil.rmtree(folder, ignore_errors=True)
                _make(folder, lock)
                (folder / READY).touch()
    except OSError as problem:
        raise InstallError(cache_refused(cache(), problem)) from problem
    return folder / "bin"


def _make(folder: Path, lock: Path) -> None:
    _run(sys.executable, "-m", "venv", str(folder))
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet"]
    _run(*pip, "--require-hashes", "--only-binary", ":all:", "--requirement", str(lock))


def _run(*command: str) -> None:
    with tempfile.TemporaryFile("w+") as output:
        status = subprocess.run(command, stdout=output, stderr=output, check=False).returncode
        if status:
            output.seek(0)
            last = "\n".join(output.read().splitlines()[-15:])
            called = " ".join(command[1:4])
            raise InstallError(
                t(
                    "{called} … ended with {status}:\n{last}",
                    called=called,
                    status=status,
                    last=last,
                )
            )
