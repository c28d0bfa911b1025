"""The image's keys and record."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from i18n import t
from infra.settings import app, rules
from infra.settings.key import Key
from infra.settings.reader import Reader

CPU_ARCHITECTURE = Key(
    "cpuArchitecture",
    "X86_64",
    rules.choice(("X86_64", "ARM64")),
    "what the image is built for and the task runs on",
)
IMAGES_KEPT = Key(
    "imagesKept", "10", rules.integer(2, 1000), "tagged images kept in ECR, for rolling back"
)
IMAGE_REVISION = Key(
    "imageRevision",
    "1",
    rules.pattern(
        r"[A-Za-z0-9_.-]{1,64}", t("1 to 64 letters, digits, dots, hyphens or underscores")
    ),
    "part of the image's tag; change it to build and push unchanged sources again",
)


@dataclass(frozen=True, kw_only=True)
class ImageSettings:
    """What the app's image is built from and for, and how many images are kept."""

    folder: Path
    architecture: str
    revision: str
    kept: int

    @classmethod
    def load(cls, read: Reader) -> ImageSettings:
        return cls(
            folder=app.folder(read),
            architecture=read(CPU_ARCHITECTURE),
            revision=read(IMAGE_REVISION),
            kept=read(IMAGES_KEPT),
        )
