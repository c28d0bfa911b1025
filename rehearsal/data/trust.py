"""Lets the app trust the rehearsal's database exactly where it would trust RDS.

The certificates of the databases here are signed by the rehearsal's own authority. It is added to each file
of an image that holds the root by which RDS signs the certificate of a declared database, and to no other.
An app that is told, or comes with, another file refuses the connection here as it does on AWS.
"""

from __future__ import annotations

import hashlib
import io
import subprocess
import tarfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path, PurePosixPath

from ops.authorities import ROOTS, names, root
from rehearsal.control import hooks
from rehearsal.images import LocalImage

SUFFIXES = (".pem", ".crt", ".cer")
DEFAULT = "rds-ca-rsa2048-g1"
"""The authority of an instance that names none (API reference, CreateDBInstance, CACertificateIdentifier)."""


def vouch(image: LocalImage, authority: Path) -> None:
    """Add the rehearsal's authority to the files of an image that is laid out in a folder."""
    added = authority.read_text()
    for file in (image.root or image.folder).rglob("*"):
        if file.suffix in SUFFIXES and file.is_file() and _trusts_rds(file):
            text = file.read_text()
            if added not in text:
                half = file.with_name(f".{file.name}.part")
                half.write_text(f"{text.rstrip()}\n{added}")
                half.chmod(file.stat().st_mode)
                half.replace(file)


def mounts(image: LocalImage, authority: Path) -> Iterator[str]:
    """For a container, what to mount over the files that hold the root: each as docker's --volume names it."""
    folder = authority.parent / f"trusted-{hashlib.sha256(image.digest.encode()).hexdigest()[:16]}"
    for inside, file in _bundles(image.reference, folder):
        if _trusts_rds(file):
            both = file.with_suffix(".both")
            both.write_text(f"{file.read_text().rstrip()}\n{authority.read_text()}")
            both.chmod(0o644)
            yield f"{both}:{inside}:ro"


def _trusts_rds(file: Path) -> bool:
    """Whether a file holds the root of each declared database."""
    with hooks.LOCK:
        instances = list(hooks.backend("rds").databases.values())
    kinds = {str(each.ca_certificate_identifier) for each in instances} & set(ROOTS)
    return {root(hooks.registry.region, kind) for kind in kinds or {DEFAULT}} <= names(file)


@cache
def _bundles(reference: str, folder: Path) -> tuple[tuple[str, Path], ...]:
    """Copy the certificate files of an image's working folder out of it; where each stands inside."""
    folder.mkdir(parents=True, exist_ok=True)
    asked = ("image", "inspect", "--format", "{{.Config.WorkingDir}}", reference)
    workdir = PurePosixPath(_docker(*asked).decode().strip() or "/")
    container = _docker("create", reference).decode().strip()
    try:
        archive = _docker("cp", f"{container}:{workdir}", "-")
    finally:
        _docker("rm", container)
    found: list[tuple[str, Path]] = []
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        for each in files:
            content = files.extractfile(each) if each.name.endswith(SUFFIXES) else None
            if content is not None:
                file = folder / f"{len(found)}.pem"
                file.write_bytes(content.read())
                found.append((str(workdir.parent / each.name), file))
    return tuple(found)


def _docker(*command: str) -> bytes:
    return subprocess.run(["docker", *command], capture_output=True, check=True).stdout
