"""The files that an image has from its build context: which ones COPY takes, and where they are laid out."""

from __future__ import annotations

import hashlib
import json
import shutil
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from docker.utils import exclude_paths  # type: ignore[import-untyped]

from i18n import Text, t
from rehearsal.building.instructions import meant, nearest

WILDCARDS = "*?["


def sent_files(context: Path) -> Iterator[str]:
    """Yield the files and links of a build context that its .dockerignore does not exclude, relative to it."""
    ignore = context / ".dockerignore"
    lines = ignore.read_text().splitlines() if ignore.is_file() else []
    patterns = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    for name in exclude_paths(str(context), patterns):
        if (context / name).is_symlink() or (context / name).is_file():
            yield name


def fingerprint(context: Path, parts: Mapping[str, str]) -> str:
    """Return a hash of what Docker sends of a build context, and of the build's other ``parts``."""
    files = [(name, *_content(context / name)) for name in sorted(sent_files(context))]
    return hashlib.sha256(json.dumps([sorted(parts.items()), files]).encode()).hexdigest()


def _content(file: Path) -> tuple[str | int, str]:
    if file.is_symlink():
        return "link", str(file.readlink())
    return stat.S_IMODE(file.stat().st_mode), hashlib.sha256(file.read_bytes()).hexdigest()


@dataclass(frozen=True)
class Move:
    """A COPY from an earlier stage: a path or pattern there, and where it is copied to."""

    source: str
    target: PurePosixPath
    into_folder: bool

    def path(self, path: PurePosixPath) -> PurePosixPath | None:
        """Return where a file or folder of the earlier stage is copied to; None if it is not."""
        parts = path.parts
        depth = len(PurePosixPath(self.source).parts)
        head = str(PurePosixPath(*parts[:depth]))
        if head != self.source and not fnmatchcase(head, self.source):
            return None
        pattern = any(each in self.source for each in WILDCARDS)
        if len(parts) > depth:
            return self.target.joinpath(*parts[depth:])
        return self.target / path.name if self.into_folder or pattern else self.target


@dataclass(frozen=True, kw_only=True)
class Copy:
    """Files of the context that a stage copies. ``place`` is the instruction's file and line, for errors.

    ``text`` is the content of a heredoc, which then is the only file.
    """

    sources: tuple[str, ...]
    target: PurePosixPath
    into_folder: bool
    place: str = ""
    excluded: tuple[str, ...] = ()
    parents: bool = False
    text: str | None = None
    moves: tuple[Move, ...] = ()

    def path(self, path: PurePosixPath) -> PurePosixPath | None:
        """Return where a copied file is in the last stage; None if it was not moved there."""
        for move in self.moves:
            moved = move.path(path)
            if moved is None:
                return None
            path = moved
        return path


def placed(context: Path, copies: Iterable[Copy]) -> dict[PurePosixPath, Path]:
    """Return the files of ``context`` that the Dockerfile copies, by their paths in the image."""
    names = sorted(sent_files(context))
    found: dict[PurePosixPath, Path] = {}
    for copy in copies:
        for source in copy.sources:
            found |= {
                moved: context / name
                for path, name in _placed(names, source, copy)
                if (moved := copy.path(path))
            }
    return found


def missing(context: Path, copies: Iterable[Copy]) -> list[Text]:
    """Return a problem for each source of a COPY that the context does not have."""
    names = sorted(sent_files(context))
    folders = {str(each) for name in names for each in PurePosixPath(name).parents}
    return [
        meant(
            t(
                "{place}: COPY {source}: no such file in {folder}/ (or .dockerignore hides it)",
                place=copy.place,
                source=source,
                folder=context.name,
            ),
            nearest(_chosen(source), (*names, *sorted(folders))),
        )
        for copy in copies
        for source in copy.sources
        # BuildKit copies nothing for a pattern without a match.
        if not any(each in source for each in WILDCARDS)
        and not _exists(context, source)
        and not list(_placed(names, source, copy))
    ]


def _exists(context: Path, source: str) -> bool:
    """Return whether a source is an empty folder of the context."""
    place = context / _chosen(source)
    return place.is_dir() and not any(place.iterdir())


def _chosen(source: str) -> str:
    return str(PurePosixPath(source.lstrip("/")))


def _placed(names: Sequence[str], source: str, copy: Copy) -> Iterable[tuple[PurePosixPath, str]]:
    chosen = _chosen(source)
    depth = 0 if chosen == "." else len(PurePosixPath(chosen).parts)
    several = copy.into_folder or len(copy.sources) > 1
    for name in names:
        parts = PurePosixPath(name).parts
        head, rest = "/".join(parts[:depth]), parts[depth:]
        if depth and head != chosen and not fnmatchcase(head, chosen):
            continue
        if any(fnmatchcase(name, each) for each in copy.excluded):
            continue
        if copy.parents:
            yield copy.target / name, name
        elif rest:
            yield copy.target.joinpath(*rest), name
        else:
            yield (copy.target / parts[-1] if several else copy.target), name


def lay_out(context: Path, copies: Iterable[Copy], root: Path) -> None:
    """Copy the files that the Dockerfile copies to the same paths below ``root``."""
    copies = tuple(copies)
    copy_to(placed(context, copies), root)
    for copy in copies:
        if copy.text is not None and (path := copy.path(copy.target)):
            place = local(root, path)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(f"{copy.text}\n")


def copy_to(files: Mapping[PurePosixPath, Path], root: Path) -> None:
    """Copy files to their paths in the image below ``root``."""
    for path, file in files.items():
        place = local(root, path)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, place)


def local(root: Path, path: PurePosixPath) -> Path:
    """Return where a file of an image is laid out below ``root``."""
    return root / str(path).lstrip("/")
