"""Makes the root of an image by running its Dockerfile, without Docker: each RUN by its shell, in that root.

A state of a root is kept by a hash of all that made it: the last one, and those after long work. A build goes on from
the newest of them. Nothing in a root names its place, so that it can be moved.
"""

import fcntl
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from difflib import get_close_matches
from itertools import accumulate
from pathlib import Path
from typing import Any, NamedTuple

from local_cloud import starter
from local_cloud.building import base, files, index, plain
from local_cloud.building.dockerfile import (
    LAST_LINES,
    Copy,
    DockerfileError,
    LeftOut,
    Run,
    RunFailed,
    Stage,
    Step,
    failed,
)
from local_cloud.building.instructions import shortened
from local_cloud.machine.namespaces import HOLDER
from local_cloud.machine.roots import MACHINE, Bind, mountable, within
from local_cloud.paths import cache, cache_refused
from local_cloud.text import Text, joined, said, t

LONG = 2.0
"""Seconds of work after which the root is kept. A copy takes less."""
KEY = 24
"""Characters of a hash in the name of a root."""
KEPT = 20
"""Roots that are kept, of some 100 MB each."""
LEFT_OUT = f"/{MACHINE}/left-out"
"""A root's file with a line for each step that left something out: its key, and what. A stub's line has no key yet."""
NOT_FOUND = re.compile(
    r"(?:^|: )([\w.+-]+): (?:command )?not found|env: .([\w.+-]+).: No such file", re.M
)
KNOWN = (
    "apt-get conda curl django-admin flask gunicorn npm pip pip3 pipenv poetry python python3 wget"
)
"""A program with one of these names, or one like them, is not taken for that of a package that was left out."""
RESOLVER = ("/etc/hosts", "/etc/resolv.conf")


class Built(NamedTuple):
    """The root of an image, its hash, what is left out of its Dockerfile, and its packages' programs beside it."""

    root: Path
    key: str
    notices: list[Text]
    programs: Path | None = None


class Layers:
    """The roots of this user's images. ``stop`` ends a build that runs, with its processes."""

    def __init__(self) -> None:
        self._running: set[subprocess.Popen[str]] = set()
        self._stopped = False
        self._lock = threading.RLock()

    def stop(self) -> None:
        """End what runs. No further RUN begins."""
        self._stopped = True
        self.interrupt()

    def interrupt(self) -> None:
        """End each RUN that runs, and with it its build."""
        for process in list(self._running):
            process.kill()

    def check(self) -> None:
        """Raise ``RunFailed`` after ``stop``."""
        if self._stopped:
            raise RunFailed("the build was stopped")

    def build(
        self,
        stage: Stage,
        context: files.Context,
        *,
        runs: bool = True,
        say: Callable[[Text], None] = print,
    ) -> Built:
        """Return the root of a stage. Raises ``RunFailed``. ``say`` is told whose build is waited for.

        Without ``runs`` no RUN is run: what they give to pip is in a venv beside the root (``plain``).
        """
        folder = cache() / "images"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            held = (folder / "lock").open("a+")
        except OSError as problem:
            raise RunFailed(cache_refused(folder, problem)) from problem
        with self._lock, held:
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                held.seek(0)
                pid, _, other = held.read().partition(" ")
                say(t("waiting for the build of {folder}, process {pid}", folder=other, pid=pid))
                fcntl.flock(held, fcntl.LOCK_EX)
            held.truncate(0)
            held.write(f"{os.getpid()} {context.folder}")
            held.flush()
            build = _Build(self, folder, context, runs)
            built = build.stage(stage)
            if runs:
                for warning in build.closed(stage, built.root):
                    say(warning)
                return built
            # A stage has what its start was given.
            starts = [each.start for each in stage.needed]
            roots = [build.stage(each).root for each in stage.needed if each not in starts]
            try:
                return built._replace(programs=plain.programs(roots))
            except RunFailed as problem:
                raise _failed(said(problem), built.notices) from None

    def run(
        self,
        words: list[str],
        folder: str,
        environment: Mapping[str, str],
        binds: list[Bind],
        *,
        network: bool = True,
    ) -> tuple[int, str]:
        """Run a command in a root. Return its exit code and its output."""
        self.check()
        order: dict[str, Any] = {"words": words, "folder": folder, "environment": dict(environment)}
        order["network"], order["account"] = network, files.account()
        order["binds"] = [
            (str(bind.source), str(bind.target), "rw" if bind.writable else "ro")
            for bind in mountable(binds)
        ]
        with tempfile.TemporaryFile("w+", errors="replace") as output:
            command = [sys.executable, "-I", "-S", str(HOLDER), "run"]
            process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                text=True,
                start_new_session=True,
            )
            self._running.add(process)
            try:
                self.check()
                process.communicate(json.dumps(order))
            finally:
                process.kill()
                process.wait()
                self._running.discard(process)
            if process.returncode == -signal.SIGKILL:  # A command that is killed ends with 247.
                raise RunFailed("the build was stopped")
            output.seek(0)
            return process.returncode, output.read()


def _delete_oldest(folder: Path) -> None:
    """Delete the roots that were not used for longest, and unfinished ones. A local cloud has its own files."""
    for part in folder.glob(".part-*"):
        shutil.rmtree(part, ignore_errors=True)
    roots = [root for root in folder.iterdir() if len(root.name) == KEY]
    for root in sorted(roots, key=lambda root: root.stat().st_mtime)[:-KEPT]:
        shutil.rmtree(root, ignore_errors=True)


class _Build:
    """One build: the roots of the stages that it needs."""

    def __init__(self, layers: Layers, folder: Path, context: files.Context, runs: bool) -> None:
        self.layers, self.folder, self.context, self.runs = layers, folder, context, runs
        self.done: dict[int, Built] = {}

    def stage(self, stage: Stage) -> Built:
        """Return the root of a stage, of which each is built once."""
        if id(stage) not in self.done:
            self.done[id(stage)] = self._stage(stage)
        return self.done[id(stage)]

    def _stage(self, stage: Stage) -> Built:
        start = self.stage(stage.start) if stage.start else self._base(stage)
        keys = list(accumulate(stage.steps, self._key, initial=start.key))
        made = self._place(keys[-1])
        if not self._kept(keys[-1]):
            _delete_oldest(self.folder)
            number = max(number for number, key in enumerate(keys) if self._kept(key))
            os.utime(self._place(keys[number]))
            steps, kept_at = stage.steps[number:], time.monotonic()
            with self._part(self._place(keys[number]), shared=not _write(steps)) as part:
                for done, (step, key) in enumerate(zip(steps, keys[number + 1 :], strict=True), 1):
                    if problem := self._do(step, part, key, shared=not _write(steps[done:])):
                        raise _failed(problem, self._notices(stage, start, keys, part))
                    if steps[done:] and time.monotonic() - kept_at > LONG:
                        with self._part(part) as kept:
                            kept.rename(self._place(key))
                        kept_at = time.monotonic()
                part.rename(made)
        os.utime(made)
        return Built(made, keys[-1], self._notices(stage, start, keys, made))

    def _notices(self, stage: Stage, start: Built, keys: list[str], root: Path) -> list[Text]:
        """Return what is left out of a stage up to now, and of those that it is made of."""
        found = [notice for source in stage.sources for notice in self.stage(source).notices]
        noted = dict(line.partition(" ")[::2] for line in _left_out(root).splitlines())
        found += [
            t("{place}: left out without Docker: {text}", place=step.place, text=noted[key])
            for step, key in zip(stage.steps, keys[1:], strict=True)
            if key in noted
        ]
        return list(dict.fromkeys([*start.notices, *found]))

    def _do(self, step: Step, root: Path, key: str, *, shared: bool) -> Text | None:
        """Do a step, and return what is said of it if it fails."""
        if isinstance(step, Copy):
            self._copy(step, root, key, shared=shared)
        elif isinstance(step, LeftOut):
            _leave_out(root, key, step.text)
        elif self.runs:
            return self._run(step, root, key)
        else:
            self._note_packages(step, root, key)
        return None

    def _kept(self, key: str) -> bool:
        """Return whether a root is there. One that lost its owners and modes, as by a copy, is deleted."""
        root = self._place(key)
        if root.exists() and not files.intact(root):
            shutil.rmtree(root)
        return root.exists()

    def _place(self, key: str) -> Path:
        return self.folder / key[:KEY]

    def _base(self, stage: Stage) -> Built:
        """Return the base image of a stage. Its Python is found under the name of its version, too."""
        python = base.find_python(stage.version) if self.runs else base.OWN
        given = python.name == f"python{stage.version}"
        kind = ("" if given else stage.version, "alpine" in stage.base) if self.runs else None
        of = (base.made_of(python), kind, files.account())
        key = hashlib.sha256(repr(of).encode()).hexdigest()
        made = self._place(key)
        if not self._kept(key):
            with self._part() as part:
                if kind:
                    base.make(part, python, *kind)
                files.make_folder(part, f"/{MACHINE}").chmod(files.FORM)
                part.rename(made)
        os.utime(made)
        way = starter.current().python
        if self.runs and stage.version:
            way = t("Install that one with pyenv or uv")
        elif self.runs:
            way = t("Name the version in FROM, as python:3.12-slim")
        notice = t(
            "{place}: {image} is run by this machine's Python {version}. {way}, or use a Docker engine "
            "(--tasks docker), if it needs its own",
            place=stage.place,
            image=stage.base,
            version=python.version,
            way=way,
        )
        return Built(made, key, [] if given or stage.foreign else [notice])

    @contextmanager
    def _part(self, source: Path | None = None, *, shared: bool = False) -> Iterator[Path]:
        """Yield a new folder, which may be a copy of another root. It is deleted unless it is renamed."""
        part = Path(tempfile.mkdtemp(prefix=".part-", dir=self.folder))
        part.chmod(0o755)
        try:
            if source:
                files.copy_folder(source, part, shared=shared)
            yield part
        finally:
            shutil.rmtree(part, ignore_errors=True)

    def _key(self, before: str, step: Step) -> str:
        """Return the hash of a root after a step: of the root before it, and of all that the step reads."""
        fields: list[Any] = [type(step).__name__]
        for name, value in vars(step).items():
            if name == "mounts":
                for mount in value:
                    fields += [mount.kind, mount.target, mount.writable]
                    fields += self._contents(mount.copied) if mount.copied else []
            elif name not in ("place", "shown", "stage"):
                fields.append((name, value))
        fields += self._contents(step) if isinstance(step, Copy) else []
        return hashlib.sha256(repr((before, fields)).encode()).hexdigest()

    def _contents(self, copy: Copy) -> list[Any]:
        if copy.stage:
            return [self.stage(copy.stage).key, copy.sources]
        taken = files.copied(self.context, copy)
        return [(target, *files.content(source)) for target, source in taken]

    def _copy(self, copy: Copy, root: Path, key: str, *, shared: bool) -> None:
        """Copy files. What the stage lacks is left out, where what would have made it was left out, too."""
        origin = self.stage(copy.stage).root if copy.stage else None
        placed, lacks = list[Path](), list[str]()
        if copy.text is not None:
            placed.append(files.write(root, copy.target, copy.text))
        elif not copy.sources:
            placed.append(files.make_folder(root, copy.target))
        taken = files.copied_from(origin, copy) if origin else files.copied(self.context, copy)
        for target, source in taken:
            if origin and not os.path.lexists(source):
                lacks.append(f"/{source.relative_to(origin)}")
            elif copy.unpacks and source.is_file() and tarfile.is_tarfile(source):
                files.unpack(source, root, copy.target if copy.target.endswith("/") else target)
            else:
                how = (shared and not copy.mode) if origin else None
                placed += files.put(source, root, target, shared=how)
        if copy.stage and lacks:
            if not (copy.stage.foreign or not self.runs or _left_out(origin or root)):
                raise DockerfileError(
                    "{place}: {word} {source}: the stage that it is copied from has no such file",
                    place=copy.place,
                    word=copy.word,
                    source=lacks[0],
                )
            _leave_out(root, key, f"COPY --from {' '.join(lacks)}")
        if copy.mode and not files.set_mode(copy.mode, placed):
            raise DockerfileError(
                "{place}: --chmod={mode} is no mode", place=copy.place, mode=copy.mode
            )
        if copy.owner:
            files.note_owner(root, copy.owner, placed)

    def _run(self, run: Run, root: Path, key: str) -> Text | None:
        """Run a RUN, and return what is said if it fails.

        A program that an earlier one could not install is left out, too.
        """
        _, home = self._account(root, run.user, run.place)
        given, binds = index.variables(files.own_folder(self.folder / "caches"))
        environment = {"HOME": home, **given, **run.environment}
        environment["PATH"] = f"{base.STUBS}:{environment.get('PATH', os.defpath)}:{base.LATE}"
        files.make_folder(root, run.folder)
        begun, before, noted = time.time(), _left_out(root), ""
        with self._mounts(run) as mounts:
            everything = [*self._binds(root), *binds, *mounts]
            for _ in range(LAST_LINES):
                files.write(root, LEFT_OUT, before)
                code, output = self.layers.run(
                    list(run.words), run.folder, environment, everything, network=run.network
                )
                noted = _left_out(root).removeprefix(before)
                absent = NOT_FOUND.search(output) if code == 127 else None
                if absent is None or not self._stub(root, absent[1] or absent[2]):
                    break
        files.write(root, LEFT_OUT, before)
        if noted:
            _leave_out(root, key, f"RUN {'; '.join(noted.splitlines())}")
        if code:
            return failed(f"{run.place}: {shortened(run.shown)}", code, output)
        if run.user:
            self._owners(root, "made", run.user, str(begun))
        return None

    def closed(self, stage: Stage, root: Path) -> Iterator[Text]:
        """Yield a warning for each file and folder that the user of an image cannot read on AWS."""
        number, _ = self._account(root, stage.user, stage.place)
        name, _, group = (stage.user or "").partition(":")
        lines = self._owners(root, "closed", name, group or name) if number != "0" else ""
        for owner, _, path in (line.partition(" ") for line in lines.splitlines()):
            yield t(
                "{file} belongs to {owner}: on AWS {user} cannot read it, here it can",
                file=path,
                owner=owner,
                user=name,
            )

    def _owners(self, root: Path, *words: str) -> str:
        """Run owners.sh in a root, and return what it prints."""
        command = ["/bin/sh", f"/{MACHINE}/owners.sh", *words]
        return self.layers.run(command, "/", {"PATH": os.defpath}, self._binds(root))[1]

    def _account(self, root: Path, user: str | None, place: str) -> tuple[str, str]:
        """Return a user's id and home folder in an image. One that it does not have is refused, as by Docker."""
        name = (user or "root").partition(":")[0]
        if name in ("root", "0"):
            return "0", "/root"
        file = within(root, "/etc/passwd")
        for line in file.read_text().splitlines() if file.is_file() else ():
            login, _, number, _, _, home, *_ = f"{line}::::::".split(":")
            if name in (login, number):
                return number, home
        if not (name.isdigit() or _left_out(root)):
            problem = t(
                "{place}: unable to find user {user}: no matching entries in passwd file; add it by a RUN "
                "with useradd",
                place=place,
                user=name,
            )
            raise DockerfileError(problem)
        return name, "/" if name.isdigit() else f"/home/{name}"

    def _stub(self, root: Path, name: str) -> bool:
        """Make a stub for a program, if it may be one of a package that was left out and has none yet."""
        stub = within(root, f"{base.LATE}/{name}")
        if not _left_out(root) or stub.exists() or get_close_matches(name, KNOWN.split(), 1, 0.8):
            return False
        files.write(root, f"{base.LATE}/{name}", (base.HERE / "stubs.sh").read_text())
        stub.chmod(0o755)
        return True

    def _binds(self, root: Path) -> list[Bind]:
        there = [Path(name) for name in RESOLVER if Path(name).exists()]
        resolver = [Bind(file.resolve(), file, writable=False) for file in there]
        return [Bind(root, Path("/"), writable=True), *base.binds(root), *resolver]

    @contextmanager
    def _mounts(self, run: Run) -> Iterator[list[Bind]]:
        """Yield what the mounts of a RUN are; their files are there during the block. Secrets are not known here."""
        binds = []
        with tempfile.TemporaryDirectory(dir=self.folder, prefix=".part-") as name:
            for number, mount in enumerate(run.mounts):
                source = Path(name, str(number), "0")
                if mount.kind == "cache":
                    own = hashlib.sha256(mount.target.encode()).hexdigest()[:16]
                    source = self.folder / "caches" / own
                elif mount.copied:  # What is written there is lost, as in Docker.
                    self._copy(mount.copied, source.parent, "", shared=not mount.writable)
                elif mount.kind != "tmpfs":
                    continue
                files.own_folder(source)
                writable = mount.kind != "bind" or mount.writable
                binds.append(Bind(source, Path(mount.target), writable=writable))
            yield binds

    def _note_packages(self, run: Run, root: Path, key: str) -> None:
        """Note what a RUN gives to pip, with the files that it mounts; one that gives nothing is left out."""
        for mount in run.mounts:
            if mount.copied:
                self._copy(replace(mount.copied, target=mount.target), root, key, shared=False)
        if not plain.note_packages(run, root):
            _leave_out(root, key, run.shown)


def _failed(problem: Text, notices: Sequence[Text]) -> RunFailed:
    """Return the error of a build that failed, with what was left out before."""
    heading = t(
        "It may fail here only, and not with a Docker engine (--tasks docker), because before it:"
    )
    return RunFailed(joined("\n", (problem, *([heading] if notices else []), *notices)))


def _write(steps: Iterable[Step]) -> bool:
    """Return whether one of the steps may write into files of the root: they must not be those of another root."""
    return any(isinstance(step, Run) or (isinstance(step, Copy) and step.unpacks) for step in steps)


def _left_out(root: Path) -> str:
    """Return the lines of LEFT_OUT. While there are some, a file that is missing may be one of those."""
    file = within(root, LEFT_OUT)
    return file.read_text() if file.is_file() else ""


def _leave_out(root: Path, key: str, text: str) -> None:
    """Note what a step left out. The number of its line is not kept: it may change."""
    files.write(root, LEFT_OUT, f"{_left_out(root)}{key} {shortened(text)}\n")
