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


def build(stage: Stage, context: Path, root: Path) -> Path:
    """Make the files of an image below ``root``. Return the folder of its packages' programs. Raises ``RunFailed``."""
    roots = {
        id(each): root.with_name(f"{root.name}-{number}")
        for number, each in enumerate(stage.needed)
    }
    roots[id(stage)] = root
    packages: list[str] = []
    programs = venv(packages)
    for each in stage.needed:
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
                programs = venv(packages)
                _run(step, folder, programs)
    for folder in set(roots.values()) - {root}:
        shutil.rmtree(folder)
    return programs


def _copy(copy: Copy, context: Path, root: Path, roots: Mapping[int, Path]) -> None:
    """Copy what there is: what a RUN of an earlier stage would have made is not."""
    if copy.text is not None:
        files.write(root, copy.target, copy.text)
    origin = roots.get(id(copy.stage))
    taken = (
        files.copied_from(origin, copy)
        if origin
        else files.copied(context, copy)
        if not copy.stage
        else ()
    )
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
    words = iter(shlex.split(found["rest"], comments=True) if found else ())
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
                _call(
                    [
                        sys.executable,
                        "-m",
                        "venv",
                        *([] if packages else ["--without-pip"]),
                        str(made),
                    ],
                    packages,
                )
                if packages:
                    _call(
                        [str(made / "bin/python"), "-m", "pip", "install", "--quiet", *packages],
                        packages,
                    )
                ready.touch()
    except OSError as problem:
        raise RunFailed(cache_refused(cache(), problem)) from problem
    return made / "bin"


def _call(words: list[str], packages: Sequence[str]) -> None:
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in ("VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME")
    }
    done = subprocess.run(
        words,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment,
        check=False,
    )
    if done.returncode:
        last = "\n".join(done.stdout.splitlines()[-LAST_LINES:])
        failed = t(
            "{called} ended with {code}:\n{last}",
            called=" ".join(words[1:4]),
            code=done.returncode,
            last=last,
        )
        named = [Path(word) for word in packages if word.startswith("/")]
        wrong = pip_errors.wrong_package(done.stdout, named)
        raise RunFailed(joined("\n", (wrong, failed)) if wrong else failed)


def _run(run: Run, root: Path, programs: Path) -> None:
    """Run the app's programs of a RUN, such as collectstatic, which read files of the image."""
    environment = {**run.environment, "PATH": f"{programs}:{os.defpath}", "HOME": str(root)}
    environment = {name: outside(root, value) for name, value in environment.items()}
    for command in _commands(run):
        words = shlex.split(command, comments=True) if "'" not in command else []
        while words and re.fullmatch(r"\w+=.*", words[0]):
            name, _, value = words.pop(0).partition("=")
            environment[name] = value
        if len(words) > 1 and PROGRAM.fullmatch(words[0]) and _is_of_app(words, run, root):
            called = [
                str(programs / Path(words[0]).name),
                *(outside(root, word) for word in words[1:]),
            ]
            folder = within(root, run.folder)
            done = subprocess.run(
                called,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                env=environment,
                cwd=folder,
                check=False,
            )
            if done.returncode:
                last = "\n".join(done.stdout.replace(str(root), "").splitlines()[-LAST_LINES:])
                raise RunFailed(
                    t(
                        "{place}: {command} ended with {code}:\n{last}",
                        place=run.place,
                        command=f"RUN {command}",
                        code=done.returncode,
                        last=last,
                    )
                )


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
