"""The arguments of `pip install` and `uv pip install`, as far as they matter to a venv of this machine."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence
from pathlib import PurePosixPath

FILES = {
    "-r": "--requirement",
    "--requirement": "--requirement",
    "--requirements": "--requirement",
    "-c": "--constraint",
    "--constraint": "--constraint",
    "--constraints": "--constraint",
}
"""Options that name a file, with their long names."""
PATHS = {
    "-e": "--editable",
    "--editable": "--editable",
    "-f": "--find-links",
    "--find-links": "--find-links",
}
"""Options that name a project or a folder of packages."""
KEPT = (
    *("--require-hashes", "--no-deps", "--pre", "--prefer-binary", "--no-build-isolation"),
    *("--use-pep517", "--no-index"),
)
KEPT_WITH_VALUE = (
    *("--only-binary", "--no-binary", "--index-url", "-i", "--extra-index-url"),
    *("--trusted-host", "--config-settings", "-C"),
)
DROPPED = (
    *("--no-cache-dir", "--no-compile", "--compile", "--upgrade", "-U", "--quiet", "-q", "-qq"),
    *("--no-input", "--disable-pip-version-check", "--no-warn-script-location", "--verbose", "-v"),
    *("--user", "--ignore-installed", "-I", "--force-reinstall", "--break-system-packages"),
    *("--no-python-version-warning", "--isolated", "--system", "--no-cache", "-n"),
    *("--compile-bytecode", "--reinstall", "--strict", "--no-progress", "--no-color", "--exact"),
)
"""Options about the image's size, pip's output, or where packages are installed. The last ones are uv's."""
DROPPED_WITH_VALUE = (
    *("--root-user-action", "--timeout", "--default-timeout", "--retries", "--progress-bar"),
    *("--prefix", "--target", "-t", "--root", "--cache-dir", "--wheel-dir", "-w", "--src"),
    *("--python", "-p", "--link-mode", "--upgrade-strategy", "--log"),
    *("--index-strategy", "--report", "--python-version"),
)
OPTIONS = (*FILES, *PATHS, *KEPT, *KEPT_WITH_VALUE, *DROPPED, *DROPPED_WITH_VALUE)
TOOLS = ("pip", "uv", "poetry", "pipenv", "poetry-plugin-export")
"""Packages that only install others."""
PACKAGE = re.compile(
    r"(?P<name>[A-Za-z0-9][\w.-]*)(\[[\w,.\s-]+\])?\s*([=<>!~]=?[^/:]*|@\s*\S+)?(\s*;.*)?"
)
REPOSITORY = re.compile(r"(git|hg|svn|bzr)\+\S+|https?://\S+")
PATH = re.compile(r"(\.{1,2}(/.*)?|/.*|[^\[]*/[^\[]*|[^\[]*\.(whl|tar\.gz|zip|\*))(\[[\w,.-]+\])?")


class Unsupported(ValueError):
    """An option or a package that is not understood. The argument is the word."""


def supported(words: Sequence[str], workdir: PurePosixPath) -> tuple[str, ...]:
    """Return pip's arguments with paths as absolute ones in the image; () if there is nothing to install.

    Raises Unsupported with the first word that is not supported.
    """
    kept: list[str] = []
    wanted = False
    rest = iter(words)
    for word in rest:
        option, value = _split(word)
        long = FILES.get(option) or PATHS.get(option)
        if long:
            kept += [long, _image_path(next(rest, "") if value is None else value, workdir)]
            wanted = wanted or long in ("--requirement", "--editable")
        elif option in (*DROPPED_WITH_VALUE, *KEPT_WITH_VALUE):
            value = next(rest, "") if value is None else value
            kept += [option, value] if option in KEPT_WITH_VALUE else []
        elif word in KEPT:
            kept.append(word)
        elif word.startswith("-"):
            if word not in DROPPED:
                raise Unsupported(word)
        elif package := _package(word, workdir):
            kept.append(package)
            wanted = True
    return tuple(kept) if wanted else ()


def _split(word: str) -> tuple[str, str | None]:
    """Split `--option=value`, and `-rFILE`."""
    if re.match(r"-[rcef][^-]", word):
        return word[:2], word[2:].removeprefix("=")
    option, equals, value = word.partition("=")
    return (option, value if equals else None) if word.startswith("-") else (word, None)


def _package(word: str, workdir: PurePosixPath) -> str:
    """Return a package, an URL or a path as pip is given it; "" for a tool. Raises Unsupported."""
    if "$" in word or "`" in word:
        raise Unsupported(word)
    if REPOSITORY.fullmatch(word):
        return word
    if PATH.fullmatch(word) and "@" not in word:
        return _image_path(word, workdir)
    found = PACKAGE.fullmatch(word)
    if found is None:
        raise Unsupported(word)
    return "" if found["name"].lower() in TOOLS else word


def _image_path(word: str, workdir: PurePosixPath) -> str:
    if "$" in word or "`" in word or not word:
        raise Unsupported(word or "-r")
    if REPOSITORY.fullmatch(word):
        return word
    path, bracket, extras = word.removeprefix("file://").partition("[")
    return posixpath.normpath(workdir / path) + bracket + extras
