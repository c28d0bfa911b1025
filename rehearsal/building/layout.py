"""Where in the image the files of the build context are, and the same laid out in a folder that stands for its root."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from i18n import t
from rehearsal.building.dockerfile import Copy, DockerfileError
from stack.context import sent_files


def placed(context: Path, copies: Iterable[Copy]) -> dict[PurePosixPath, Path]:
    """The files of ``context`` that the Dockerfile copies, by their paths in the image."""
    names = sorted(sent_files(context))
    found: dict[PurePosixPath, Path] = {}
    for copy in copies:
        for source in copy.sources:
            found |= _placed(context, names, source, copy)
    return found


def lay_out(context: Path, copies: Iterable[Copy], root: Path) -> None:
    """Copy what the Dockerfile copies from ``context`` to where it puts it below ``root``."""
    for path, file in placed(context, copies).items():
        place = root / str(path).lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, place)


def _placed(context: Path, names: list[str], source: str, copy: Copy) -> dict[PurePosixPath, Path]:
    chosen = source.removeprefix("./").strip("/")
    whole = chosen in ("", ".")
    several = copy.into_folder or len(copy.sources) > 1
    found = {}
    for name in names:
        if whole:
            place = copy.target / name
        elif name.startswith(f"{chosen}/"):
            place = copy.target / PurePosixPath(name).relative_to(chosen)
        elif fnmatchcase(name, chosen) and name.count("/") == chosen.count("/"):
            place = copy.target / PurePosixPath(name).name if several else copy.target
        else:
            continue
        found[place] = context / name
    if not found:
        raise DockerfileError(
            t(
                "{place}: COPY {source}: no such file in {folder}/ (or .dockerignore hides it)",
                place=copy.place,
                source=source,
                folder=context.name,
            )
        )
    return found
