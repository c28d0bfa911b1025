"""An image on a machine that refuses namespaces: a short reading, as RUN lines cannot be run in a root of their own.

Copied files are laid out in a folder, and all packages that the RUN lines give to pip are in one venv.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from local_cloud import starter
from local_cloud.building import files, pip_errors
from local_cloud.building.dockerfile import RUNNING, Copy, Folder, Run, Stage, as_copy, note
from local_cloud.building.layers import LAST_LINES, RunFailed
from local_cloud.machine.roots import within
from local_cloud.paths import cache, cache_refused
from local_cloud.text import Text, joined, t

PIP = re.compile(r"\bpip[\d.]*\b[^;&|\n]*? install\s(?P<rest>(?:\"[^\"]*\"|'[^']*'|[^;&|\n\"'])*)")
FILE_OPTIONS = ("-r", "--requirement", "-c", "--constraint")
KEPT = ("--require-hashes", "--no-deps", "--pre", "--no-index", "--prefer-binary")
PROGRAMS = ".programs"


def programs(root: Path) -> Path:
    """Return the folder with the programs of an image's packages."""
    return (root / PROGRAMS).resolve()


def build(stage: Stage, context: Path, root: Path) -> None:
    """Make the files of an image below ``root``, with a link to its packages' programs. Raises ``RunFailed``."""
    needed = stage.needed
    roots = {id(each): root.with_name(f"{root.name}-{n}") for n, each in enumerate(needed)}
    roots[id(stage)] = root
    packages: list[str] = []
    for each in needed:
        folder = roots[id(each)]
        folder.mkdir(parents=True, exist_ok=True)
        if each.start:
            shutil.copytree(roots[id(each.start)], folder, symlinks=True, dirs_exist_ok=True)
        for step in each.steps:
            if isinstance(step, Folder):
                files.make_folder(folder, step.path)
            elif isinstance(step, Copy):
                _copy(step, context, folder, roots)
            else:
                # Mounted files are copied: pip reads them after all lines are read.
                for mount in step.mounts:
                    if mount["type"] == "bind":
                        made = replace(as_copy(mount, step.place), target=mount["target"])
                        _copy(made, context, folder, roots)
                packages += _installed(step, folder)
    # The files of requirements are in these folders.
    (root / PROGRAMS).symlink_to(venv(packages))
    for folder in set(roots.values()) - {root}:
        shutil.rmtree(folder)


def left_out(stage: Stage) -> Iterator[Text]:
    """Yield what the image lacks: what its Dockerfile's reader says, and each RUN that gives pip nothing."""
    for each in stage.needed:
        yield from (*each.other_python, *each.notices)
        for step in each.steps:
            if isinstance(step, Run) and not PIP.search(_script(step)):
                yield note(step.place, step.shown)


def _copy(copy: Copy, context: Path, root: Path, roots: Mapping[int, Path]) -> None:
    """Copy what there is: what a RUN of an earlier stage would have made is not."""
    if copy.text is not None:
        files.write(root, copy.target, copy.text)
    origin = roots.get(id(copy.stage))
    if copy.stage and origin is None:  # uv's
        return
    taken = files.copied_from(origin, copy) if origin else files.copied(context, copy)
    for target, source in taken:
        if source.exists():
            files.put(source, root, target, mode=copy.mode, shared=False if origin else None)


def _script(run: Run) -> str:
    return (run.words[-1] if "-c" in run.words else shlex.join(run.words)).replace("\\\n", " ")


def _installed(run: Run, root: Path) -> Iterator[str]:
    """Yield what a RUN gives to pip: packages, and files by their paths below ``root``."""
    for found in PIP.finditer(_script(run)):
        words = iter(shlex.split(found["rest"], comments=True))
        for word in words:
            option, equals, value = word.partition("=")
            if option in FILE_OPTIONS:
                path = value if equals and option.startswith("--") else next(words, "")
                yield from (option, str(within(root, str(Path(run.folder, path)))))
            elif word == "--only-binary":
                yield from (word, next(words, ""))
            elif word in KEPT or word[:1] not in ("-", ".", "/", "$"):
                yield word


def venv(packages: Sequence[str]) -> Path:
    """Return the ``bin`` folder of a venv with packages, which is made once. Raises ``RunFailed``."""
    # A file of requirements may name others beside it.
    contents = [
        [file.read_text() for file in sorted(Path(word).parent.glob("*.txt"))]
        if word.startswith("/")
        else word
        for word in packages
    ]
    key = hashlib.sha256(repr((sys.version, sys.base_prefix, contents)).encode()).hexdigest()[:16]
    made = cache() / "venvs" / key
    ready = made / f"{starter.current().name}-ready"
    try:
        made.parent.mkdir(parents=True, exist_ok=True)
        with made.with_name(f"{key}.lock").open("w") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            if not ready.exists():
                shutil.rmtree(made, ignore_errors=True)
                bare = [] if packages else ["--without-pip"]
                _install([sys.executable, "-m", "venv", *bare, str(made)], packages)
                if packages:
                    pip = [str(made / "bin/python"), "-m", "pip", "install", "--quiet"]
                    _install([*pip, *packages], packages)
                ready.touch()
    except OSError as problem:
        raise RunFailed(cache_refused(cache(), problem)) from problem
    return made / "bin"


def _install(words: list[str], packages: Sequence[str]) -> None:
    others = ("VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME")
    done = subprocess.run(
        words,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={name: os.environ[name] for name in os.environ if name not in others},
        check=False,
    )
    if code := done.returncode:
        said = done.stdout
        last = "\n".join(said.splitlines()[-LAST_LINES:])
        called = " ".join(words[1:4])
        failed = t("{called} ended with {code}:\n{last}", called=called, code=code, last=last)
        named = [Path(word) for word in packages if word.startswith("/")]
        wrong = pip_errors.wrong_package(said, named, RUNNING)
        raise RunFailed(joined("\n", (wrong, failed)) if wrong else failed)


def outside(root: Path, text: str) -> str:
    """Return a text with the paths of an image's files replaced by their paths below ``root``."""

    def local_path(match: re.Match[str]) -> str:
        file = root / match[0].lstrip("/")
        return str(file) if file.exists() else match[0]

    return re.sub(r"(?<![\w./-])(?:/[\w.@+-]+)+", local_path, text)
