"""What the local cloud knows of a container image that it can run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


class ImageNotFound(Exception):
    """No image of that reference was ever pushed; ``str()`` names the reference."""


@dataclass(frozen=True, kw_only=True)
class LocalImage:
    """One image, in a form that a task can be started from.

    ``folder`` is where the command runs and stands for the image's WORKDIR, ``workdir``; ``root`` stands for
    the image's root, where its files are laid out. ``python`` is the folder of programs that the command
    finds first. With ``docker`` the reference names an image in the local engine and the other fields
    describe it.
    """

    reference: str
    digest: str
    platform: str
    folder: Path
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    user: str | None = None
    python: Path | None = None
    workdir: str = ""
    docker: bool = False
    root: Path | None = None

    def inside(self, text: str) -> str:
        """Return the text with the files of ``folder`` named as in a container of the image."""
        if self.docker or not self.workdir:
            return text
        return text.replace(str(self.folder), self.workdir)
