"""What the Dockerfile copies from the build context, laid out in a folder that stands for the image's root."""

from __future__ import annotations

import shutil
from pathlib import Path

from infra.context import sent_files
from ops.texts import t
from rehearsal.building.dockerfile import Copy, DockerfileError


def lay_out(context: Path, copies: tuple[Copy, ...], root: Path) -> None:
    """Copy what the Dockerfile copies from ``context`` to where it puts it below ``root``."""
    names = sorted(sent_files(context))
    for copy in copies:
        for source in copy.sources:
            _copy(context, names, source, root / str(copy.target).lstrip("/"), copy)


def _copy(context: Path, names: list[str], source: str, target: Path, copy: Copy) -> None:
    chosen = source.removeprefix("./").rstrip("/")
    whole = chosen in ("", ".")
    below = [name for name in names if whole or name == chosen or name.startswith(f"{chosen}/")]
    if not below:
        raise DockerfileError(
            t(
                "COPY {source}: no such file in {folder}/ (or .dockerignore hides it)",
                source=source,
                folder=context.name,
            )
        )
    several = copy.into_folder or len(copy.sources) > 1
    for name in below:
        if name == chosen:
            place = target / Path(name).name if several else target
        else:
            place = target / (name if whole else Path(name).relative_to(chosen))
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(context / name, place)
