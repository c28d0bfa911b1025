"""An image on a machine that refuses namespaces: its RUN lines are not run, as they cannot have a root of their own.

All packages that they give to pip are in one venv beside the image's files.
"""

import fcntl
import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from local_cloud import starter
from local_cloud.building import files
from local_cloud.building.dockerfile import Run, RunFailed, failed
from local_cloud.machine.roots import MACHINE, within
from local_cloud.paths import cache, cache_refused

PIP = re.compile(r"\bpip[\d.]*\b[^;&|\n]*? install\s(?P<rest>(?:\"[^\"]*\"|'[^']*'|[^;&|\n\"'])*)")
FILE_OPTIONS = ("-r", "--requirement", "-c", "--constraint")
KEPT = ("--require-hashes", "--no-deps", "--pre", "--no-index", "--prefer-binary")
PACKAGES = f"{MACHINE}/packages"
"""The file of a root with the words that pip was given."""


def note_packages(run: Run, root: Path) -> bool:
    """Note in a root what a RUN gives to pip, and return whether it gives anything."""
    found = list(_installed(run))
    files.write(root, f"/{PACKAGES}", json.dumps([*_noted(root), *found]))
    return bool(found)


def _noted(root: Path) -> list[str]:
    file = root / PACKAGES
    return json.loads(file.read_text()) if file.exists() else []


def _installed(run: Run) -> Iterator[str]:
    """Yield what a RUN gives to pip: packages, and files by their paths in the image."""
    script = run.words[-1] if "-c" in run.words else shlex.join(run.words)
    for found in PIP.finditer(script.replace("\\\n", " ")):
        words = iter(shlex.split(found["rest"], comments=True))
        for word in words:
            option, equals, value = word.partition("=")
            if option in FILE_OPTIONS:
                path = value if equals and option.startswith("--") else next(words, "")
                yield from (option, str(Path(run.folder, path)))
            elif word == "--only-binary":
                yield from (word, next(words, ""))
            elif word in KEPT or word[:1] not in ("-", ".", "/", "$"):
                yield word


def programs(roots: Iterable[Path]) -> Path:
    """Return the folder with the programs of all packages that are noted in roots."""
    return venv(
        [
            str(within(root, word)) if word.startswith("/") else word
            for root in roots
            for word in _noted(root)
        ]
    )


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
                _run(sys.executable, "-m", "venv", *bare, str(made))
                if packages:
                    pip = ("-m", "pip", "install", "--quiet", *packages)
                    _run(str(made / "bin/python"), *pip)
                ready.touch()
    except OSError as problem:
        raise RunFailed(cache_refused(cache(), problem)) from problem
    return made / "bin"


def _run(*words: str) -> None:
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
    if done.returncode:
        raise RunFailed(failed(" ".join(words[1:4]), done.returncode, done.stdout))
