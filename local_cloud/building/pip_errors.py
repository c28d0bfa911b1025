"""Which package pip refuses, where it is named, and what to do."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from local_cloud import starter
from local_cloud.text import Text, t

HASH = re.compile(r"DO NOT MATCH THE HASHES.*?\n +(?P<package>\S+)", re.S)
OTHER_PYTHON = re.compile(
    r"require a different python version.*?No matching distribution found for (?P<package>\S+)"
    r"|Package '(?P<project>\S+)' requires a different Python",
    re.S,
)
VERSION = re.compile(r"No matching distribution found for (?P<package>\S+)")
"""What pip says of a package whose hash is another one, of one for another Python, and of one that no index has."""


def wrong_package(said: str, files: Sequence[Path], python: str) -> Text | None:
    """Return which package pip refuses, with its file and line and what to do; None where it names none.

    ``python`` is the version of the Python that runs it.
    """
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
            version=python,
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
        if file.is_file()
        for number, line in enumerate(file.read_text(errors="replace").splitlines(), 1)
        if at.match(line)
    )
    how = t(" ({how})", how=hint) if hint else ""
    values = (("package", found["package"]), ("place", next(places, "-")), ("hint", how))
    return replace(text, values=values)
