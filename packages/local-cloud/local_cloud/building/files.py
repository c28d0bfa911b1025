"""The files that COPY takes of a build context and of earlier stages, and where it puts them in an image."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import subprocess
import sys
import tarfile
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, NamedTuple

from docker.utils import exclude_paths  # type: ignore[import-untyped]

from local_cloud.machine.processes import unprivileged_account
from local_cloud.machine.roots import MACHINE, within
from local_cloud.text import Text, t

if TYPE_CHECKING:
    from local_cloud.building.dockerfile import Copy

WILDCARDS = "*?["


class Context(NamedTuple):
    """A build context. The Dockerfile's own .dockerignore comes before the folder's (Docker, "Build context")."""

    folder: Path
    dockerfile: Path

    def sent(self) -> list[str]:
        """Return the files, links and folders that .dockerignore does not exclude, sorted."""
        own = self.dockerfile.with_name(f"{self.dockerfile.name}.dockerignore")
        ignore = own if own.is_file() else self.folder / ".dockerignore"
        lines = ignore.read_text().splitlines() if ignore.is_file() else []
        patterns = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
        return sorted(exclude_paths(str(self.folder), patterns))

    def files(self) -> list[str]:
        """Return the files and links among them."""
        places = {name: self.folder / name for name in self.sent()}
        return [name for name, place in places.items() if place.is_symlink() or place.is_file()]

    def fingerprint(self) -> str:
        """Return a hash of what Docker sends, and of the Dockerfile."""
        contents = [(name, *content(self.folder / name)) for name in self.files()]
        return hashlib.sha256(repr((self.dockerfile.read_text(), contents)).encode()).hexdigest()


def content(file: Path) -> tuple[str | int, str]:
    """Return what makes a file another one."""
    if file.is_symlink():
        return "link", str(file.readlink())
    if file.is_dir():
        return "folder", ""
    return stat.S_IMODE(file.stat().st_mode), hashlib.sha256(file.read_bytes()).hexdigest()


def missing(context: Context, copies: Iterable[Copy]) -> list[Text]:
    """Return a problem for each source of a COPY that the context does not have."""
    names, root = context.sent(), context.folder.resolve()
    return [
        t(
            "{place}: {word} {source}: no such file in {folder}/ (or .dockerignore hides it)",
            place=copy.place,
            word=copy.word,
            source=source,
            folder=context.folder.name,
        )
        for copy in copies
        if copy.stage is None
        for source in copy.sources
        # BuildKit copies nothing for a pattern without a match.
        if not any(mark in source for mark in WILDCARDS)
        and not any(within(root, name).exists() for name in _matching(names, source))
    ]


def _matching(names: Iterable[str], source: str) -> Iterator[str]:
    """Yield the names that a source of COPY is or that its pattern matches."""
    chosen = str(PurePosixPath(source.lstrip("/")))
    if chosen == ".":
        yield "."
    for name in names:
        if name == chosen or (name.count("/") == chosen.count("/") and fnmatchcase(name, chosen)):
            yield name


def copied(context: Context, copy: Copy) -> Iterator[tuple[str, Path]]:
    """Yield each file and folder that a COPY takes of the context: its path in the image, and where it is."""
    folder, names = context.folder.resolve(), context.sent()
    for match in (match for source in copy.sources for match in _matching(names, source)):
        place = within(folder, match)  # A link leads to a file of the context, as in Docker.
        if not place.is_dir():
            yield copy.target + PurePosixPath(match).name * copy.target.endswith("/"), place
            continue
        yield copy.target.rstrip("/") or "/", place
        inside = PurePosixPath(place.relative_to(folder))
        for name in names:
            if inside in PurePosixPath(name).parents:
                path = PurePosixPath(name).relative_to(inside)
                yield str(PurePosixPath(copy.target) / path), folder / name


def copied_from(root: Path, copy: Copy) -> Iterator[tuple[str, Path]]:
    """Yield each source of a COPY from an earlier stage, of which ``root`` is the folder, and its path in the image."""
    for source in copy.sources:
        found = within(root, "/" + source.lstrip("/"))
        pattern = any(mark in source for mark in WILDCARDS)
        for match in sorted(found.parent.glob(found.name)) if pattern else [found]:
            into = copy.target.endswith("/") and not match.is_dir()
            yield copy.target + match.name * into, match


def put(source: Path, root: Path, target: str, *, shared: bool | None = None) -> list[Path]:
    """Put a file, a link or a folder at a path of an image, and return what was put.

    What the folder has is put only with ``shared``, which means the same as for ``copy_folder``.
    """
    place = within(root, str(PurePosixPath(target).parent)) / PurePosixPath(target).name
    if source.is_dir() and not source.is_symlink():
        folder = make_folder(root, target)
        if shared is None:
            return [folder]
        copy_folder(source, folder, shared=shared)
        return [folder / path.relative_to(source) for path in (source, *source.rglob("*"))]
    if place.is_dir():
        place = within(root, target) / source.name
    make_folder(root, str(PurePosixPath("/", place.parent.relative_to(root))))
    if os.path.lexists(place):
        place.unlink()
    shutil.copy2(source, place, follow_symlinks=False)
    own(place)
    return [place]


def set_mode(mode: str, places: Iterable[Path]) -> bool:
    """Set a mode as chmod reads it, like 755 or u+x, and return whether it is one. A link has none."""
    names = "\0".join(str(place) for place in places if not place.is_symlink())
    command = ["xargs", "-0r", "chmod", mode, "--"]
    done = subprocess.run(command, input=names, text=True, capture_output=True, check=False)
    return done.returncode == 0


def copy_folder(source: Path, target: Path, *, shared: bool) -> None:
    """Copy all that a folder has into another one, with owners, modes and links.

    ``shared``: files may be the same ones (hard links), as nothing writes into them.
    """
    # A file is not written to where a link of the image leads; macOS does not know this option, nor a root.
    options = ["--remove-destination"] if sys.platform == "linux" else []
    commands = [["cp", how, *options, f"{source}/.", str(target)] for how in ("-al", "-a")]
    for command in commands if shared else commands[1:]:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return
    raise OSError(done.stderr.strip())


def write(root: Path, target: str, text: str) -> Path:
    """Write a file of an image, as a new one."""
    place = within(root, target)
    make_folder(root, str(PurePosixPath("/", place.parent.relative_to(root))))
    place.unlink(missing_ok=True)
    place.write_text(text)
    place.chmod(0o644)
    own(place)
    return place


def unpack(archive: Path, root: Path, target: str) -> None:
    """Unpack an archive of the context in a folder of an image."""
    folder = make_folder(root, target)
    with tarfile.open(archive) as files:
        files.extractall(folder, filter="data")
    for file in folder.rglob("*"):
        own(file)


def make_folder(root: Path, path: str) -> Path:
    """Make a folder of an image, with those above it."""
    place = within(root, path)
    if not place.is_dir():
        if place != root:
            make_folder(root, str(PurePosixPath("/", place.parent.relative_to(root))))
        place.mkdir()
        place.chmod(0o755)
        own(place)
    return place


@cache
def account() -> tuple[int, int] | None:
    """Return whose the files of an image are: the account that runs tasks."""
    found = unprivileged_account()
    return (found.uid, found.gid) if found else None


def own(place: Path) -> None:
    """Give a file of an image to the account that runs tasks."""
    if ids := account():
        os.chown(place, *ids, follow_symlinks=False)


def own_folder(place: Path) -> Path:
    """Return a folder of that account, which is made if it is not there; a copied cache has lost its owners."""
    if not place.exists():
        place.mkdir(parents=True)
    own(place)
    return place


FORM = 0o1755
"""The mode of a root's folder MACHINE. `cp -r` and caches of CI servers lose it."""


def intact(root: Path) -> bool:
    """Return whether a root has its owners and modes."""
    if not (root / MACHINE).is_dir():
        return False
    found = (root / MACHINE).stat()
    return (stat.S_IMODE(found.st_mode), found.st_uid) == (FORM, (account() or [os.geteuid()])[0])


def note_owner(root: Path, owner: str, places: Iterable[Path]) -> None:
    """Note whose files of an image are (owners.sh)."""
    file = within(root, f"/{MACHINE}/owners")
    lines = [f"{owner} /{place.relative_to(root)}\n" for place in places]
    # As a new file: the root may share the last one with another root.
    write(root, f"/{MACHINE}/owners", (file.read_text() if file.is_file() else "") + "".join(lines))
