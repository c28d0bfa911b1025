"""Runs the programs of a RUN in an image's files, such as collectstatic, and puts the packages at their paths there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path, PurePosixPath

from i18n import Refused, t
from rehearsal.building.files import local
from rehearsal.building.lock_files import TOOLS
from rehearsal.building.run import FILE_TOOLS, Program
from rehearsal.machine.namespaces import Bind, Namespace, mountable
from rehearsal.machine.processes import Account, readable_by_all, unprivileged_account

BIN = PurePosixPath("/usr/local/bin")
"""Where the official Python image has the programs of packages."""
SECONDS = 600.0
NETCAT = Path(__file__).with_name("netcat.py")
ADDRESS = "10.0.0.4"
TMP = Path("/tmp")  # noqa: S108 - the program gets one of its own
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


def link(root: Path, programs: Path, venvs: Iterable[PurePosixPath], *, netcat: bool) -> None:
    """Make the packages' programs, and ``netcat`` of the system, callable by the paths that they have in the image."""
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
    if netcat:
        text = NETCAT.read_text()
        for name in ("nc", "netcat"):
            _write(folder / name, f"#!{programs / 'python'}\n{text}")


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
        _change_files(program, root)
        return
    environment = {
        **program.environment,
        "PATH": f"{programs}:{program.environment.get('PATH', '')}:{os.defpath}",
        "HOME": str(TMP),
    }
    done = _run(program, environment, root, programs)
    if done.returncode:
        raise ProgramFailed(
            t(
                "{place}: RUN {command} ended with {code}:\n{last}",
                place=program.place,
                command=" ".join(program.words),
                code=done.returncode,
                last="\n".join(done.stdout.replace(str(root), "").splitlines()[-15:]),
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


def _change_files(program: Program, root: Path) -> None:
    """Run chmod, mkdir or touch on the files of the image that there are. Others are not needed here."""
    name, *rest = program.words
    options = [each for each in rest if each.startswith("-")]
    named = [each for each in rest if not each.startswith("-")]
    if name == "chmod":
        options, named = [*options, "--", *named[:1]], named[1:]
    folder, found = local(root, program.workdir), []
    for each in named:
        place = Path(
            os.path.normpath(local(root, PurePosixPath(each)) if each[:1] == "/" else folder / each)
        )
        if place.is_relative_to(root):
            found += sorted(place.parent.glob(place.name)) if name == "chmod" else [place]
    if found:
        subprocess.run([name, *options, *map(str, found)], capture_output=True, check=False)


def outside(root: Path, text: str) -> str:
    """Return a text with the paths of an image's files replaced by their paths below ``root``."""

    def local_path(match: re.Match[str]) -> str:
        file = root / match[0].lstrip("/")
        return str(file) if file.exists() else match[0]

    return re.sub(r"(?<![\w./-])(?:/[\w.@+-]+)+", local_path, text)
