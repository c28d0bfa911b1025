"""What the local cloud knows of a container image that it can run."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


class ImageNotFound(Exception):
    """No image of that reference was ever pushed; ``str()`` names the reference."""


@dataclass(frozen=True, kw_only=True)
class LocalImage:
    """One image, in a form that a task can be started from.

    ``folder`` is where the command runs and stands for the image's WORKDIR; ``root`` stands for the image's
    root, where its files are laid out. ``python`` is the folder of programs that the command
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
    docker: bool = False
    root: Path | None = None

    def inside(self, text: str) -> str:
        """Return the text with the files below ``root`` named as in a container of the image."""
        return text if self.root is None else text.replace(str(self.root), "")

    def outside(self, text: str) -> str:
        """Return the text with the image's own files, named by their whole paths, as they are laid out here."""
        if self.root is None:
            return text
        root = self.root

        def led(match: re.Match[str]) -> str:
            file = root / match[0].lstrip("/")
            return str(file) if file.exists() else match[0]

        return re.sub(r"(?<![\w./-])(?:/[\w.@+-]+)+", led, text)
