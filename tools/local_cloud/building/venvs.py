"""A venv for each set of packages that an image installs with `pip install`, for tasks without Docker."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from tools.i18n import Refused, Text, joined, t
from tools.local_cloud import starter
from tools.local_cloud.building.pip_arguments import FILES
from tools.local_cloud.paths import cache, cache_refused

PROJECT = re.compile(r"^(?P<path>/.+)$|'[\w.]+': '(?P<package>/[^']+)'", re.M)
"""A path in a .pth file, and a package in the finder that setuptools writes for an editable project."""


class Step(NamedTuple):
    """One `pip install`: its arguments, and the folder in which it runs."""

    words: tuple[str, ...]
    folder: Path | None = None


class InstallError(Refused):
    """The image's packages could not be installed. The message has pip's last lines."""


def named_files(install: Sequence[str]) -> Iterator[Path]:
    """Yield the files that the arguments name, and the files that those name."""
    for option, value in pairwise(install):
        if option in FILES.values():
            yield from _named(Path(value))


def _named(file: Path) -> Iterator[Path]:
    yield file
    for line in file.read_text().splitlines():
        if match := re.match(r"\s*(?:-r|-c|--requirement|--constraint)[ =]?\s*(\S+)", line):
            yield from _named(file.parent / match[1])


def venv(installs: Sequence[Step]) -> Path:
    """Return the ``bin`` folder of a venv made by these `pip install`. It is cached.

    Raises ``InstallError``.
    """
    folder = cache() / "venvs" / _key(installs)
    ready = folder / f"{starter.current().name}-ready"
    if ready.exists():
        return folder / "bin"
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with folder.with_name(f"{folder.name}.lock").open("w") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            if not ready.exists():
                shutil.rmtree(folder, ignore_errors=True)
                _make(folder, installs)
                ready.touch()
    except OSError as problem:
        raise InstallError(cache_refused(cache(), problem)) from problem
    return folder / "bin"


def projects(programs: Path, sources: Path) -> list[PurePosixPath]:
    """Return the folders below ``sources`` from which a venv imports editable projects, relative to an image's root.

    ``sources`` has one folder for each set of copied files, in which they have the paths of the image.
    """
    found = []
    for pattern in ("*.pth", "__editable__*_finder.py"):
        for file in sorted(programs.parent.glob(f"lib/python*/site-packages/{pattern}")):
            for each in PROJECT.finditer(file.read_text()):
                path = Path(each["path"] or each["package"])
                if path.is_relative_to(sources):
                    inside = path.relative_to(sources).parts[1:]
                    found.append(PurePosixPath("/", *(inside if each["path"] else inside[:-1])))
    return found


def _key(installs: Sequence[Step]) -> str:
    """Return the cache key of the packages. Files count by their contents, not by their paths."""
    digest = hashlib.sha256(sys.version.encode())
    for install in installs:
        files = list(named_files(install.words))
        words = [word for word in install.words if Path(word) not in files]
        contents = [each.read_bytes() for each in files]
        digest.update(repr((words, str(install.folder or ""), contents)).encode())
    return digest.hexdigest()[:16]


def _make(folder: Path, installs: Sequence[Step]) -> None:
    _run(sys.executable, "-m", "venv", *([] if installs else ["--without-pip"]), str(folder))
    python = str(folder / "bin" / "python")
    for install in installs:
        command = (python, "-m", "pip", "install", "--quiet", *install.words)
        _run(*command, folder=install.folder)


def clean_environment() -> dict[str, str]:
    """Return this process's variables without those that choose a venv or change what Python imports."""
    left_out = ("VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME")
    return {name: value for name, value in os.environ.items() if name not in left_out}


def _run(*command: str, folder: Path | None = None) -> None:
    with tempfile.TemporaryFile("w+") as output:
        status = subprocess.run(
            command, stdout=output, stderr=output, cwd=folder, env=clean_environment(), check=False
        ).returncode
        if status:
            output.seek(0)
            said = output.read()
            called = " ".join(command[1:4])
            how = t(
                "{called} … ended with {status}:\n{last}",
                called=called,
                status=status,
                last="\n".join(said.splitlines()[-15:]),
            )
            wrong = wrong_package(said, tuple(named_files(command)))
            raise InstallError(joined("\n", (wrong, how)) if wrong else how)


HASH = re.compile(r"DO NOT MATCH THE HASHES.*?\n +(?P<package>\S+)", re.S)
OTHER_PYTHON = re.compile(
    r"require a different python version.*?No matching distribution found for (?P<package>\S+)"
    r"|Package '(?P<project>\S+)' requires a different Python",
    re.S,
)
VERSION = re.compile(r"No matching distribution found for (?P<package>\S+)")
"""What pip says of a package whose hash is another one, of one for another Python, and of one that no index has."""


def wrong_package(said: str, files: Sequence[Path]) -> Text | None:
    """Return which package pip refuses, with its file and line and what to do; None where it names none."""
    started = starter.current()
    found, hint, text = (
        HASH.search(said),
        started.lock_again,
        t("{package} ({place}): the package has another hash. Write the lock file again{hint}."),
    )
    if found is None and (found := OTHER_PYTHON.search(said)):
        return t(
            "{package} needs another Python than this machine's {version}, with which a task runs without Docker. "
            "{start}, or use a Docker engine (--tasks docker).",
            package=found["package"] or found["project"],
            version=".".join(map(str, sys.version_info[:2])),
            start=started.python,
        )
    if found is None:
        found, hint, text = (
            VERSION.search(said),
            started.lock_corrected,
            t("{package} ({place}): the index has no such package or version. Correct it{hint}."),
        )
    if found is None:
        return None
    name = re.split(r"[=<>~!\[;]", found["package"])[0]
    at = re.compile(rf"\s*{re.escape(name)}\s*([=<>~!\[;]|$)", re.I)
    places = (
        f"{file.name}:{number}"
        for file in files
        for number, line in enumerate(file.read_text().splitlines(), 1)
        if at.match(line)
    )
    how = t(" ({how})", how=hint) if hint else ""
    values = (("package", found["package"]), ("place", next(places, "-")), ("hint", how))
    return replace(text, values=values)
