"""The image's tag: a hash of its build context, so that unchanged sources keep their image."""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from docker.utils import exclude_paths  # type: ignore[import-untyped]

LENGTH = 16
"""Hexadecimal digits: 64 bits, enough that two versions never have the same tag."""


def content_tag(folder: Path, parts: Mapping[str, str]) -> str:
    """Return the tag of the image built from `folder` with `parts`, its platform and arguments.

    The hash covers the path, permissions and contents, or the link target, of each file that
    .dockerignore does not exclude. Times and owners are not part of it. pulumi-docker must not see a
    change that the tag does not (its provider.go, hashContext): it would push to an existing tag, which
    is immutable in ECR.
    """
    digest = hashlib.sha256()
    for name, value in sorted(parts.items()):
        _add(digest, b"part", name.encode(), value.encode())
    for path in sorted(sent_files(folder)):
        _add(digest, *_described(folder, path))
    return digest.hexdigest()[:LENGTH]


def sent_files(folder: Path) -> Iterator[str]:
    """Yield the paths of files and links, relative to the folder, that Docker sends to its builder."""
    ignore = folder / ".dockerignore"
    lines = ignore.read_text().splitlines() if ignore.is_file() else []
    patterns = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    for path in exclude_paths(str(folder), patterns):
        full = folder / path
        if full.is_symlink() or full.is_file():
            yield path


def _described(folder: Path, path: str) -> tuple[bytes, ...]:
    full = folder / path
    if full.is_symlink():
        return b"link", path.encode(), str(full.readlink()).encode()
    mode = f"{stat.S_IMODE(full.stat().st_mode):o}"
    return b"file", path.encode(), mode.encode(), full.read_bytes()


def _add(digest: hashlib._Hash, *fields: bytes) -> None:
    # With the lengths, different lists of fields cannot have the same bytes.
    for field in fields:
        digest.update(len(field).to_bytes(8, "big") + field)
