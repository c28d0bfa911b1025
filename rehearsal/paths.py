"""Where the rehearsal keeps what."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from i18n import Text, t

ROOT = Path(__file__).resolve().parent.parent
"""The project's own folder."""


@dataclass(frozen=True)
class Home:
    """The folder of one local cloud: everything in it belongs to the rehearsal and may be deleted."""

    folder: Path

    @property
    def cloud(self) -> Path:
        """What the running local cloud writes: database files, copies of images."""
        return self.folder / "cloud"

    @property
    def facts(self) -> Path:
        """The running local cloud's process id, ports and settings."""
        return self.folder / "cloud.json"

    @property
    def log(self) -> Path:
        return self.folder / "cloud.log"

    @property
    def lock(self) -> Path:
        """Held by the local cloud's process for as long as it lives."""
        return self.folder / "cloud.lock"

    @property
    def owner(self) -> Path:
        """Held by the process of a rehearsal, whose id is in it, for as long as it lives."""
        return self.folder / "rehearsal.lock"

    @property
    def project(self) -> Path:
        """The project folder of links in which ``pulumi`` runs."""
        return self.folder / "project"

    @property
    def programs(self) -> Path:
        """Programs that stand in for AWS's own; they come first on the shell's PATH."""
        return self.folder / "programs"

    @property
    def source(self) -> Path:
        """A copy of the program, where a rehearsal makes a mistake in it."""
        return self.folder / "source"

    @property
    def state(self) -> Path:
        """The engine's file backend."""
        return self.folder / "state"

    @property
    def passphrase(self) -> Path:
        """The file with the passphrase that encrypts the rehearsal's state."""
        return self.folder / "passphrase"


def home() -> Home:
    """The rehearsal's folder: ``.rehearsal`` in the project, or ``CAREAPP_HOME``."""
    chosen = os.environ.get("CAREAPP_HOME")
    return Home(Path(chosen).resolve() if chosen else ROOT / ".rehearsal")


def cache(environ: Mapping[str, str] = os.environ) -> Path:
    """The user's cache folder for what is downloaded or built once."""
    # The XDG base directory specification: a relative path is to be ignored.
    named = Path(environ.get("XDG_CACHE_HOME", ""))
    user = Path(environ["HOME"]) if environ.get("HOME") else Path.home()
    return (named if named.is_absolute() else user / ".cache") / "careapp"


def cache_refused(folder: Path, problem: OSError) -> Text:
    """Say that nothing can be kept in the cache folder, why, and how another one is chosen."""
    return t(
        "cache: {folder} cannot be used: {why}; make it writable, or set XDG_CACHE_HOME to a folder "
        "that is",
        folder=str(folder),
        why=str(problem),
    )
