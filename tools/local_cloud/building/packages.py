"""The Python packages of a stage: what pip is given for each installation that its Dockerfile has."""

from __future__ import annotations

import hashlib
import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from itertools import pairwise
from pathlib import Path, PurePosixPath

from tools.i18n import Text, t
from tools.local_cloud.building import lock_files, venvs
from tools.local_cloud.building.files import WILDCARDS, copy_to, local, placed
from tools.local_cloud.building.instructions import meant, nearest
from tools.local_cloud.building.pip_arguments import KEPT_WITH_VALUE
from tools.local_cloud.building.run import Install
from tools.local_cloud.building.venvs import Step
from tools.local_cloud.paths import cache, cache_refused

FOR_LOCKS = re.compile(
    r"(.*/)?(pyproject\.toml|uv\.(lock|toml)|poetry\.(lock|toml)|Pipfile(\.lock)?|README.*)"
)
"""The files that a tool reads to know the packages of its lock file."""
LOCAL = re.compile(r"^\s*(-e\b|--editable\b|\.{0,2}/|\.\s*$|\.\[)", re.M)
"""A line of a requirements file that names a path."""
EXTRAS = re.compile(r"\[[\w,.-]+\]$")

Files = Mapping[PurePosixPath, Path]


def sources() -> Path:
    """Return the folder with the files of projects that are installed, as editable ones are read from there."""
    return cache() / "sources"


def programs(context: Path, installs: Sequence[Install]) -> Path:
    """Return the ``bin`` folder of a venv with the packages of a stage. Raises ``InstallError``."""
    return venvs.venv(all_steps(context, installs))


def all_steps(context: Path, installs: Sequence[Install]) -> list[Step]:
    """Return the calls of pip for all installations of a stage. Raises ``InstallError``."""
    return [
        step
        for number, each in enumerate(installs)
        for step in steps(context, each) or _dependencies(context, each, installs[:number])
    ]


def _dependencies(context: Path, install: Install, earlier: Sequence[Install]) -> list[Step]:
    """Return the calls of pip for the dependencies of wheels that were built without them before."""
    if {"--no-deps", "--no-index"} & set(install.arguments):
        return []
    again = (
        replace(each, arguments=tuple(word for word in each.arguments if word != "--no-deps"))
        for each in earlier
        if each.tool == "pip" and "--no-deps" in each.arguments
    )
    return [step for each in again for step in steps(context, each)]


def missing(context: Path, installs: Sequence[Install]) -> list[Text]:
    """Return a problem for each file or folder that an installation names and the image does not have there."""
    found = []
    for number, install in enumerate(installs):
        files = placed(context, install.copies)
        for path in _paths(install):
            if not _held(files, path) and not (_is_wheels(path) and installs[:number]):
                rule = t(
                    "{place}: {file} is not copied into the image before this line",
                    place=install.place,
                    file=path,
                )
                found.append(meant(rule, nearest(path, tuple(map(str, files)))))
        wanted = _lock(install)
        if wanted and not any(local_path in files for local_path in wanted):
            found.append(
                t(
                    "{place}: {tool} needs {file}, which is not copied into the image before this line",
                    place=install.place,
                    tool=install.tool,
                    file=str(wanted[0]),
                )
            )
    return found


def _lock(install: Install) -> list[PurePosixPath]:
    """Return the files, one of which a tool must find in its folder."""
    names = {"uv": ["pyproject.toml"], "poetry": ["pyproject.toml"], "pipenv": ["Pipfile"]}
    more = ["Pipfile.lock"] if install.tool == "pipenv" else []
    return [install.workdir / each for each in names.get(install.tool, []) + more]


def _paths(install: Install) -> list[str]:
    """Return the paths of requirements, constraints and projects among pip's arguments, without extras."""
    if install.tool != "pip":
        return []
    given = pairwise(("", *install.arguments))
    return [
        EXTRAS.sub("", word)
        for option, word in given
        if word[:1] == "/" and option != "--find-links"
    ]


def _is_wheels(path: str) -> bool:
    """Return whether a path names packages that an earlier `pip wheel` made: they are installed already."""
    return any(each in path for each in WILDCARDS) or path.endswith(".whl")


def _held(files: Files, path: str) -> bool:
    """Return whether a path, which may be a pattern, names a file or folder of the image."""
    return any(fnmatchcase(str(each), path) or each.is_relative_to(path) for each in files)


def steps(context: Path, install: Install) -> list[Step]:
    """Return the calls of pip for one installation. Raises ``InstallError`` where a tool cannot read its lock file."""
    files = placed(context, install.copies)
    if install.tool != "pip":
        for_lock = {path: file for path, file in files.items() if FOR_LOCKS.fullmatch(str(path))}
        folder = _laid_out(for_lock)
        found = lock_files.steps(install.tool, install.arguments, local(folder, install.workdir))
        if any(each.folder for each in found):  # the project itself, with all of its files
            whole = _laid_out(files)
            old, new = (str(local(each, install.workdir)) for each in (folder, whole))
            found = [
                Step(tuple(new if word == old else word for word in each.words), Path(new))
                if each.folder
                else each
                for each in found
            ]
        return found
    arguments = _without_wheels(install, files)
    if not arguments:
        return []
    named = {path: files[PurePosixPath(path)] for path in arguments if PurePosixPath(path) in files}
    if all(word in named for word in arguments if word[:1] == "/") and not any(
        LOCAL.search(file.read_text()) for file in named.values()
    ):
        return [Step(tuple(str(named.get(word, word)) for word in arguments))]
    folder = _laid_out(files)
    words = [f"{folder}{word}" if word[:1] == "/" else word for word in arguments]
    return [
        Step(
            tuple(part for word in words for part in _expanded(word)),
            local(folder, install.workdir),
        )
    ]


def _without_wheels(install: Install, files: Files) -> list[str]:
    """Return pip's arguments without the packages that an earlier `pip wheel` made; [] where nothing is left."""
    kept: list[str] = []
    for option, word in pairwise(("", *install.arguments)):
        if word[:1] == "/" and not _held(files, EXTRAS.sub("", word)):
            kept = kept[:-1] if option == "--find-links" else kept
        else:
            kept.append(word)
    if "--find-links" not in kept:
        kept = [each for each in kept if each != "--no-index"]
    about = (*KEPT_WITH_VALUE, "--find-links", "--constraint")
    pairs = pairwise(("", *kept))
    return kept if any(word[:1] != "-" and option not in about for option, word in pairs) else []


def _expanded(word: str) -> list[str]:
    if word[:1] != "/" or not any(each in word for each in "*?"):
        return [word]
    place = Path(word)
    return sorted(str(each) for each in place.parent.glob(place.name))


def _laid_out(files: Files) -> Path:
    """Return a folder with these files at the paths that they have in the image. Its name is a hash of them."""
    digest = hashlib.sha256()
    for path, file in sorted(files.items()):
        digest.update(repr((str(path), file.stat().st_mode & 0o777, file.read_bytes())).encode())
    folder = sources() / digest.hexdigest()[:16]
    if folder.exists():
        return folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        half = Path(tempfile.mkdtemp(prefix=".part-", dir=folder.parent))
        half.chmod(0o755)
        copy_to(files, half)
        if not folder.exists():
            half.rename(folder)
    except OSError as problem:
        raise venvs.InstallError(cache_refused(cache(), problem)) from problem
    return folder
