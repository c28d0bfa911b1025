"""The image's tag: a hash of its sources, and the moment of their build."""

from __future__ import annotations

import hashlib
import json
import stat
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

from docker.utils import exclude_paths  # type: ignore[import-untyped]

LENGTH = 16
"""Hexadecimal digits: 64 bits, enough that two versions never have the same hash."""


def choose_tag(sources: str, last: str) -> str:
    """Return `last`, the tag of the last build, if it was of these sources, and otherwise one that no build had.

    ECR refuses to push to an existing tag, even the same image (github.com/aws/containers-roadmap/issues/2179).
    With the moment the tag is another one after a return to earlier sources, and after an update that ended between
    the push and its state.
    """
    if last.partition("-")[0] == sources:
        return last
    return f"{sources}-{datetime.now(UTC):%Y%m%dT%H%M%S}"


def hash_sources(folder: Path, dockerfile: str, parts: Mapping[str, object]) -> str:
    """Return the hash of the files in `folder` and of `parts`, the other inputs of the build.

    It covers the path, permissions and contents, or the link target, of each file that
    .dockerignore does not exclude. Times and owners are not part of it. pulumi-docker must not see a
    change that this hash does not (its provider.go, hashContext): it would push to the existing tag.
    """
    digest = hashlib.sha256()
    for name, value in sorted(parts.items()):
        _add(digest, b"part", name.encode(), json.dumps(value, sort_keys=True).encode())
    for path in sorted(sent_files(folder, dockerfile)):
        _add(digest, *_described(folder, path))
    return digest.hexdigest()[:LENGTH]


def sent_files(folder: Path, dockerfile: str) -> Iterator[str]:
    """Yield the paths of files and links, relative to the folder, that Docker sends to its builder.

    The Dockerfile's own .dockerignore comes before the folder's (pulumi-docker 4, provider.go, getIgnorePatterns).
    """
    own = folder / f"{dockerfile}.dockerignore"
    ignore = own if own.is_file() else folder / ".dockerignore"
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
