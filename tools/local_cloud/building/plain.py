"""An image on a machine that refuses namespaces: a short reading, as RUN lines cannot be run in a root of their own.

Copied files are laid out in a folder. Of the RUN lines only `pip install` of requirements and packages, and programs of
the app in Python, are run, with paths of the image replaced by those below the folder. All packages are in one venv.
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
from pathlib import Path

from tools.i18n import joined, t
from tools.local_cloud import starter
from tools.local_cloud.building import files, pip_errors
from tools.local_cloud.building.dockerfile import Copy, Folder, Run, Stage
from tools.local_cloud.building.layers import LAST_LINES, RunFailed
from tools.local_cloud.machine.roots import within
from tools.local_cloud.paths import cache, cache_refused

BETWEEN = re.compile(r"&&|\|\||;|\n")
PIP = re.compile(
    r"(?:\S*/)?(?:pip[\d.]*|(?:python[\d.]*) -m pip|uv pip)\b.*? install\s(?P<rest>.*)"
)
FILE_OPTIONS = ("-r", "--requirement", "-c", "--constraint")
KEPT = ("--require-hashes", "--no-deps", "--pre", "--no-index", "--prefer-binary")
PROGRAM = re.compile(r"(?:\S*/)?(?:python[\d.]*|flask|django-admin)")
OTHERS = re.compile(r"\s*(?:uv (?:sync|run)|poetry install|pipenv (?:install|sync))\b")


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
                for command in _commands(step):
                    packages += _installed(step, command, folder)
                _run(step, folder, venv(packages))
    for folder in set(roots.values()) - {root}:
        shutil.rmtree(folder)
    (root / PROGRAMS).symlink_to(venv(packages))


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
            files.put(source, root, target, mode=copy.mode, whole=origin is not None)


def _commands(run: Run) -> Iterator[str]:
    """Yield the commands of a RUN."""
    script = run.words[-1] if "-c" in run.words else shlex.join(run.words)
    for command in BETWEEN.split(script.replace("\\\n", " ")):
        if OTHERS.match(command):
            rule = t(
                "{place}: {command}: this machine refuses namespaces, and without them only pip is known; "
                "use a Docker engine (--tasks docker)",
                place=run.place,
                command=command.strip(),
            )
            raise RunFailed(rule)
        yield command.strip()


def _installed(run: Run, command: str, root: Path) -> Iterator[str]:
    """Yield what pip is given for a command: packages, and files by their paths below ``root``."""
    found = PIP.match(command)
    words = iter(_words(found["rest"]) if found else ())
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
    code, said = _call(words, {name: os.environ[name] for name in os.environ if name not in others})
    if code:
        last = "\n".join(said.splitlines()[-LAST_LINES:])
        called = " ".join(words[1:4])
        failed = t("{called} ended with {code}:\n{last}", called=called, code=code, last=last)
        named = [Path(word) for word in packages if word.startswith("/")]
        wrong = pip_errors.wrong_package(said, named)
        raise RunFailed(joined("\n", (wrong, failed)) if wrong else failed)


def _call(
    words: Sequence[str], environment: Mapping[str, str], folder: Path | None = None
) -> tuple[int, str]:
    """Return a program's exit code and what it printed."""
    done = subprocess.run(
        words,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment,
        cwd=folder,
        check=False,
    )
    return done.returncode, done.stdout


def _run(run: Run, root: Path, programs: Path) -> None:
    """Run the app's programs of a RUN, such as collectstatic, which read files of the image."""
    environment = {**run.environment, "PATH": f"{programs}:{os.defpath}", "HOME": str(root)}
    environment = {name: outside(root, value) for name, value in environment.items()}
    for command in _commands(run):
        words = _words(command)
        while words and re.fullmatch(r"\w+=.*", words[0]):
            name, _, value = words.pop(0).partition("=")
            environment[name] = value
        if len(words) > 1 and PROGRAM.fullmatch(words[0]) and _is_of_app(words, run, root):
            called = [str(programs / Path(words[0]).name)]
            called += [outside(root, word) for word in words[1:]]
            code, said = _call(called, environment, within(root, run.folder))
            if code:
                raise RunFailed(
                    t(
                        "{place}: {command} ended with {code}:\n{last}",
                        place=run.place,
                        command=f"RUN {command}",
                        code=code,
                        last="\n".join(said.replace(str(root), "").splitlines()[-LAST_LINES:]),
                    )
                )


def _words(command: str) -> list[str]:
    """Return the words of a command; none of a part of one that was split between quotation marks."""
    try:
        return shlex.split(command, comments=True)
    except ValueError:
        return []


def _is_of_app(words: Sequence[str], run: Run, root: Path) -> bool:
    """Return whether a program is the app's: its file is one of the image, or it is a framework's command."""
    return (
        words[0] in ("flask", "django-admin")
        or within(root, str(Path(run.folder, words[1]))).is_file()
    )


def outside(root: Path, text: str) -> str:
    """Return a text with the paths of an image's files replaced by their paths below ``root``."""

    def local_path(match: re.Match[str]) -> str:
        file = root / match[0].lstrip("/")
        return str(file) if file.exists() else match[0]

    return re.sub(r"(?<![\w./-])(?:/[\w.@+-]+)+", local_path, text)
