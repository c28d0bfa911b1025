"""A venv for each set of packages that an image installs with `pip install`, for tasks without Docker."""

from __future__ import annotations

import fcntl
import hashlib
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path, PurePosixPath

from i18n import Refused, Text, joined, t
from rehearsal.paths import cache, cache_refused

FILES = {
    "-r": "--requirement",
    "--requirement": "--requirement",
    "-c": "--constraint",
    "--constraint": "--constraint",
}
"""Options that name a file, with their long names."""
KEPT = ("--require-hashes", "--no-deps", "--pre", "--prefer-binary")
KEPT_WITH_VALUE = (
    "--only-binary",
    "--no-binary",
    "--index-url",
    "-i",
    "--extra-index-url",
    "--find-links",
    "-f",
)
DROPPED = (
    *("--no-cache-dir", "--no-compile", "--upgrade", "-U", "--quiet", "-q", "--no-input"),
    *("--disable-pip-version-check", "--no-warn-script-location"),
)
"""Options about the image's size or about pip's output."""
DROPPED_WITH_VALUE = (
    "--root-user-action",
    "--timeout",
    "--default-timeout",
    "--retries",
    "--progress-bar",
)
TOOLS = ("pip", "setuptools", "wheel")
"""Packages that a local venv has already or does not need."""
PACKAGE = re.compile(r"(?P<name>[A-Za-z0-9][\w.-]*)(\[[\w,.-]+\])?([=<>!~]=?[^/:]*)?")


def supported_arguments(words: Sequence[str], workdir: PurePosixPath) -> tuple[str, ...]:
    """Return pip's arguments with files by absolute paths in the image; () if there is nothing to install.

    Raises ValueError with the first word that is not supported.
    """
    kept: list[str] = []
    wanted = False
    rest = iter(words)
    for word in rest:
        option, equals, value = word.partition("=")
        if (
            option.startswith("-")
            and option[1:2] in "rc"
            and option[2:]
            and not option.startswith("--")
        ):
            option, equals, value = word[:2], "=", word[2:]
        if option in FILES:
            kept += [FILES[option], str(workdir / (value if equals else next(rest, "")))]
            wanted = wanted or FILES[option] == "--requirement"
        elif option in (*KEPT_WITH_VALUE, *DROPPED_WITH_VALUE):
            value = value if equals else next(rest, "")
            kept += [option, value] if option in KEPT_WITH_VALUE else []
        elif word in KEPT:
            kept.append(word)
        elif (package := PACKAGE.fullmatch(word)) and not word.startswith("-"):
            tool = package["name"].lower() in TOOLS
            kept += [] if tool else [word]
            wanted = wanted or not tool
        elif word not in DROPPED:
            raise ValueError(word)
    return tuple(kept) if wanted else ()


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


READY = "careapp-ready"


class InstallError(Refused):
    """The image's packages could not be installed. The message has pip's last lines."""


def venv(installs: Sequence[Sequence[str]]) -> Path:
    """Return the ``bin`` folder of a venv made with these `pip install` arguments. It is cached.

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
    """Return the cache key of the packages. Files count by their contents, not by their paths."""
    digest = hashlib.sha256(sys.version.encode())
    for install in installs:
        files = list(named_files(install))
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
VERSION = re.compile(r"No matching distribution found for (?P<package>\S+)")
"""What pip says of a package whose hash is another one, and of one that no index has."""


def wrong_package(said: str, files: Sequence[Path]) -> Text | None:
    """Return which package pip refuses, with its file and line and what to do; None where it names none."""
    found, text = (
        HASH.search(said),
        t(
            "{package} ({place}): the package has another hash. Write the lock file again (in webapp: `make lock`)."
        ),
    )
    if found is None:
        found, text = (
            VERSION.search(said),
            t(
                "{package} ({place}): the index has no such package or version. Correct it (in webapp: "
                "requirements.in, then `make lock`)."
            ),
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
    return Text(text.template, (("package", found["package"]), ("place", next(places, "-"))))
