"""Pulumi's release archive: download, check against the published checksum, unpack."""

import hashlib
import http.client
import platform
import re
import socket
import sys
import tarfile
import urllib.error
import urllib.request
import zlib
from pathlib import Path
from typing import IO

from tools.i18n import Text, joined, said, t, verbatim
from tools.local_cloud.console import Phase, Progress
from tools.local_cloud.engine.version import EngineUnavailable, Version

# The addresses that Pulumi's installer script and documentation use, in that order.
RELEASES = (
    "https://get.pulumi.com/releases/sdk",
    "https://github.com/pulumi/pulumi/releases/download/v{version}",
)
# Timeout of connecting and of each read, so that an unreachable host is given up quickly.
PATIENCE_SECONDS = 5
OUT_OF_REACH = (socket.gaierror, TimeoutError, ConnectionError)
CHUNK = 1 << 20


def machine() -> str:
    """Return this machine's name in Pulumi's archives: `linux-x64`, `darwin-arm64`."""
    names = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64"}
    kind = platform.machine().lower()
    return f"{sys.platform}-{names.get(kind, kind)}"


def download(
    version: Version,
    folder: Path,
    progress: Progress,
    releases: tuple[str, ...] = RELEASES,
    kind: str | None = None,
) -> Path:
    """Download the `pulumi` executable of a version for this machine (or `kind`) into the folder.

    The caller removes the folder, which also holds the archive. Raises EngineUnavailable with the reason
    of each address. The checksum file is that of Pulumi's releases:
    `pulumi-<version>-checksums.txt`, SHA-256.
    """
    name = f"pulumi-v{version}-{kind or machine()}.tar.gz"
    reasons: list[Text] = []
    for release in releases:
        place = release.format(version=version)
        try:
            return _download_from(place, name, version, folder, progress)
        except EngineUnavailable as unavailable:
            reasons.append(t("{place}: {why}", place=place, why=said(unavailable)))
    raise EngineUnavailable(
        joined("; ", reasons) if reasons else t("no download address is configured")
    )


def _download_from(
    place: str, name: str, version: Version, folder: Path, progress: Progress
) -> Path:
    archive = folder / name
    try:
        with _open(f"{place}/pulumi-{version}-checksums.txt") as answer:
            wanted = _checksum_in(answer.read().decode("utf-8", "replace"), name)
        with (
            _open(f"{place}/{name}") as answer,
            progress.phase(t("downloading Pulumi {version}", version=str(version))) as phase,
        ):
            got = _save(answer, archive, phase)
        if got != wanted:
            raise EngineUnavailable(
                t(
                    "{name} has SHA-256 {got}, the published one is {wanted}: it was not used. It was damaged"
                    " in transit or altered",
                    name=name,
                    got=got,
                    wanted=wanted,
                )
            )
        return _unpacked(archive, folder / "pulumi")
    except urllib.error.HTTPError as problem:
        raise EngineUnavailable(verbatim(str(problem))) from problem
    except urllib.error.URLError as problem:
        out_of_reach = isinstance(problem.reason, OUT_OF_REACH)
        reason = t("not reachable") if out_of_reach else verbatim(str(problem.reason))
        raise EngineUnavailable(reason) from problem
    except (OSError, http.client.HTTPException) as problem:
        raise EngineUnavailable(verbatim(str(problem) or type(problem).__name__)) from problem


def _open(url: str) -> http.client.HTTPResponse:
    answer = urllib.request.urlopen(url, timeout=PATIENCE_SECONDS)  # noqa: S310 - RELEASES are https
    assert isinstance(answer, http.client.HTTPResponse)  # noqa: S101 - no file: or ftp: address
    return answer


def _checksum_in(listing: str, name: str) -> str:
    found = re.search(rf"^([0-9a-f]{{64}})\s+\*?{re.escape(name)}$", listing, re.MULTILINE)
    if not found:
        raise EngineUnavailable(t("the published checksums do not name {name}", name=name))
    return found[1]


def _save(answer: http.client.HTTPResponse, archive: Path, phase: Phase) -> str:
    size, got, digest = int(answer.headers.get("Content-Length") or 0), 0, hashlib.sha256()
    with archive.open("wb") as out:
        while piece := answer.read(CHUNK):
            out.write(piece)
            digest.update(piece)
            got += len(piece)
            phase.detail = (
                t("{got} of {size} MB", got=got >> 20, size=size >> 20)
                if size
                else verbatim(f"{got >> 20} MB")
            )
    if got < size:
        raise EngineUnavailable(
            t("the connection ended after {got} of {size} bytes", got=got, size=size)
        )
    return digest.hexdigest()


def _unpacked(archive: Path, cli: Path) -> Path:
    try:
        with tarfile.open(archive, "r:gz") as tar:
            found = tar.extractfile("pulumi/pulumi")
            if found is None:
                raise EngineUnavailable(
                    t("pulumi/pulumi in {archive} is not a file", archive=archive.name)
                )
            _copy(found, cli)
    except (KeyError, tarfile.TarError, zlib.error, EOFError) as problem:
        raise EngineUnavailable(
            t("{archive} cannot be unpacked: {why}", archive=archive.name, why=str(problem))
        ) from problem
    cli.chmod(0o755)
    return cli


def _copy(source: IO[bytes], target: Path) -> None:
    with target.open("wb") as out:
        while piece := source.read(CHUNK):
            out.write(piece)
