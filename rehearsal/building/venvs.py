"""A venv for each set of packages: what `pip install` puts into the image, for tasks that run without Docker."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from i18n import Refused, t
from rehearsal.building import pip
from rehearsal.paths import cache, cache_refused

READY = "careapp-ready"


class InstallError(Refused):
    """The image's packages could not be installed. The message holds pip's last lines."""


def venv(installs: Sequence[Sequence[str]]) -> Path:
    """Return the ``bin`` folder of a venv made by these `pip install`, once, and kept in the cache.

    Raises ``InstallError``.
    """
    folder = cache() / "venvs" / _key(installs)
    if (folder / READY).exists():
        return folder / "bin"
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with folder.with_name(f"{folder.name}.lock").open("w") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            if not (folder / READY).exists():
                shutil.rmtree(folder, ignore_errors=True)
                _make(folder, installs)
                (folder / READY).touch()
    except OSError as problem:
        raise InstallError(cache_refused(cache(), problem)) from problem
    return folder / "bin"


def _key(installs: Sequence[Sequence[str]]) -> str:
    """A name for the packages: files count by what they hold, wherever they are."""
    digest = hashlib.sha256(sys.version.encode())
    for install in installs:
        files = list(pip.files(install))
        words = [word for word in install if Path(word) not in files]
        digest.update(repr((words, [each.read_bytes() for each in files])).encode())
    return digest.hexdigest()[:16]


def _make(folder: Path, installs: Sequence[Sequence[str]]) -> None:
    _run(sys.executable, "-m", "venv", *([] if installs else ["--without-pip"]), str(folder))
    for install in installs:
        _run(str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", *install)


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
