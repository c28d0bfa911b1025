"""Runs the programs of a RUN in an image's files, such as collectstatic, and puts the packages at their paths there."""

from __future__ import annotations

import os
import posixpath
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path, PurePosixPath

from tools.i18n import Refused, Text, t
from tools.local_cloud.building.files import local
from tools.local_cloud.building.lock_files import TOOLS
from tools.local_cloud.building.run import FILE_TOOLS, FileChange, Program, file_change
from tools.local_cloud.machine import postgres
from tools.local_cloud.machine.namespaces import Bind, Namespace, mountable
from tools.local_cloud.machine.processes import Account, readable_by_all, unprivileged_account

BIN = PurePosixPath("/usr/local/bin")
"""Where the official Python image has the programs of packages."""
SECONDS = 600.0
NETCAT = Path(__file__).with_name("netcat.py")
ADDRESS = "10.0.0.4"
TMP = Path("/tmp")  # noqa: S108 - the program gets one of its own
STANDARD = (
    "bin",
    "etc",
    "home",
    "opt",
    "root",
    "srv",
    "usr/bin",
    "usr/local",
    "usr/sbin",
    "var/lib",
    "var/log",
)
"""Folders that each image of Python's has."""
WRAPPER = '#!/bin/sh\nexec "{program}" "$@"\n'
RUNNER = """#!/bin/sh
# Without Docker the packages are installed already: `{tool} run` starts its program.
[ "$1" = run ] || {{ echo "{tool} $1: without Docker only '{tool} run' works" >&2; exit 127; }}
shift
while [ "${{1#-}}" != "$1" ]; do shift; done
exec "$@"
"""


class ProgramFailed(Refused):
    """A program of a RUN failed, which fails a build with Docker, too. The message has its last lines."""


def link(
    root: Path, programs: Path, venvs: Iterable[PurePosixPath], system: frozenset[str]
) -> None:
    """Make the packages' programs and some of the ``system`` callable by the paths that they have in the image."""
    for venv in venvs:
        place = local(root, venv)
        place.parent.mkdir(parents=True, exist_ok=True)
        if not place.exists():
            place.symlink_to(programs.parent)
    folder = local(root, BIN)
    folder.mkdir(parents=True, exist_ok=True)
    for program in programs.iterdir():
        if os.access(program, os.X_OK) and program.is_file():
            _write(folder / program.name, WRAPPER.format(program=program))
    for tool in TOOLS:
        _write(folder / tool, RUNNER.format(tool=tool))
    for name in system:
        if name in ("nc", "netcat"):
            _write(folder / name, f"#!{programs / 'python'}\n{NETCAT.read_text()}")
        else:
            program = postgres.programs(root.parent) / name
            _write(folder / name, WRAPPER.format(program=program))


def _write(file: Path, text: str) -> None:
    if not file.exists():
        file.write_text(text)
        file.chmod(0o755)


def run(program: Program, root: Path, programs: Path) -> None:
    """Run a program in the image's files. Raises ``ProgramFailed``.

    A program of the app runs as a task does: by an account without rights, without a network, and with only
    the image's files and its own /tmp to write to, as far as this machine has namespaces.
    """
    folder = local(root, program.workdir)
    folder.mkdir(parents=True, exist_ok=True)
    if program.words[0] in FILE_TOOLS:
        _change_known_files(program, root)
        return
    if change := file_change(program.words):
        _change_files(program, change, root)
        return
    environment = {
        **program.environment,
        "PATH": f"{programs}:{program.environment.get('PATH', '')}:{os.defpath}",
        "HOME": str(TMP),
    }
    done = _run(program, environment, root, programs)
    if done.returncode:
        raise _failed(program, root, done.returncode, done.stdout)


def _failed(program: Program, root: Path, code: int, said: str | Text) -> ProgramFailed:
    return ProgramFailed(
        t(
            "{place}: RUN {command} ended with {code}:\n{last}",
            place=program.place,
            command=" ".join(program.words),
            code=code,
            last="\n".join(str(said).replace(str(root), "").splitlines()[-15:]),
        )
    )


def _run(
    program: Program, environment: dict[str, str], root: Path, programs: Path
) -> subprocess.CompletedProcess[str]:
    account = unprivileged_account()
    if account:
        for each in (root, *root.rglob("*")):
            if not each.is_symlink():
                account.own(each)
    if not all(readable_by_all(each) for each in (root, programs, *programs.glob("python3"))):
        account = None
    with tempfile.TemporaryDirectory() as made:
        own = Path(made).resolve()
        own.chmod(0o1777)
        python = (programs.resolve().parent, Path(sys.base_prefix).resolve())
        binds = [Bind(own, TMP.resolve(), writable=True), Bind(root, root, writable=True)]
        try:
            with closing(Namespace([ADDRESS])) as namespace:
                mounts = namespace.mount(mountable(binds, python), root)
                prefix = namespace.command_prefix(account, mounts, local(root, program.workdir))
                return _call([*prefix, *program.words], environment, None, None)
        except OSError:
            # This machine has no namespaces; `rehearse` says so.
            words = [outside(root, each) for each in program.words]
            environment = {name: outside(root, value) for name, value in environment.items()}
            return _call(words, environment, local(root, program.workdir), account)


def _call(
    words: Sequence[str], environment: dict[str, str], folder: Path | None, account: Account | None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        words,
        env=environment,
        cwd=folder,
        user=account.uid if account else None,
        group=account.gid if account else None,
        extra_groups=[] if account else None,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=SECONDS,
        check=False,
    )


def _change_known_files(program: Program, root: Path) -> None:
    """Run chmod, mkdir or touch on the files of the image that there are. Others are not needed here."""
    name, *rest = program.words
    options = [each for each in rest if each.startswith("-")]
    named = [each for each in rest if not each.startswith("-")]
    if name == "chmod":
        options, named = [*options, "--", *named[:1]], named[1:]
    found = []
    for each in named:
        place = _local(program, root, each)
        if _is_inside(place, root):
            found += sorted(place.parent.glob(place.name)) if name == "chmod" else [place]
    if found:
        subprocess.run([name, *options, *map(str, found)], capture_output=True, check=False)


def _change_files(program: Program, change: FileChange, root: Path) -> None:
    """Run cp, mv, `ln -s` or `sed -i` on files of the image. Raises ``ProgramFailed``.

    A link is a relative one, as this machine sees it at another path than the image. sed neither runs programs nor
    opens other files.
    """
    name = program.words[0]
    options = [*change.options, *{"sed": ["--sandbox"], "ln": ["-r"]}.get(name, [])]
    target = [_local(program, root, each) for each in change.target]
    for folder in map(root.joinpath, STANDARD):
        if target and folder in (target[0], target[0].parent):
            folder.mkdir(parents=True, exist_ok=True)
    places = [_local(program, root, each) for each in change.sources]
    sources = [found for each in places for found in sorted(each.parent.glob(each.name))]
    if away := [each for each in (*sources, *target) if not _is_inside(each, root)]:
        raise _failed(
            program, root, 1, t("{path} is not one of the image's files", path=str(away[0]))
        )
    command = [name, *options, "--", *map(str, (*sources, *target))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise _failed(program, root, done.returncode, done.stderr)


def _local(program: Program, root: Path, path: str) -> Path:
    """Return where a path of the image is below ``root``."""
    return local(root, PurePosixPath(posixpath.normpath(program.workdir / path)))


def _is_inside(place: Path, root: Path) -> bool:
    """Return whether a path is below ``root`` behind its links, too, like that of a venv."""
    return place.resolve().is_relative_to(root.resolve())


def outside(root: Path, text: str) -> str:
    """Return a text with the paths of an image's files replaced by their paths below ``root``."""

    def local_path(match: re.Match[str]) -> str:
        file = root / match[0].lstrip("/")
        return str(file) if file.exists() else match[0]

    return re.sub(r"(?<![\w./-])(?:/[\w.@+-]+)+", local_path, text)
