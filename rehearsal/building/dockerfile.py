"""Reads the last stage of a Dockerfile with a usual Python app, for tasks that run without Docker.

A parser such as dockerfile-parse does not evaluate COPY, RUN and stages. An instruction that is not
supported is an error and is never skipped silently.
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from difflib import get_close_matches
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from i18n import Refused, Text, t
from rehearsal.building.venvs import supported_arguments
from stack.context import sent_files

SKIP = re.compile(r"\s*#\s*rehearsal:\s*skip\b")
ROOT = PurePosixPath("/")
SHELL = ("/bin/sh", "-c")
INSTRUCTIONS = (
    *("ADD", "ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "FROM", "HEALTHCHECK", "LABEL"),
    *("MAINTAINER", "ONBUILD", "RUN", "SHELL", "STOPSIGNAL", "USER", "VOLUME", "WORKDIR"),
)
"""All instructions (Dockerfile reference)."""
NO_EFFECT = ("EXPOSE", "HEALTHCHECK", "LABEL", "MAINTAINER")
"""Instructions that neither add files nor change how the command starts. ECS ignores HEALTHCHECK, too."""
NOT_NEEDED = ("addgroup", "adduser", "groupadd", "useradd", "chmod", "chown", "mkdir", "set")
"""Commands that a local process does not need: it runs as a user of this machine and writes to no image."""
PYTHON = re.compile(r"(?:\S+/)?python(?:[:@]\S+)?")
"""The official Python image, from any registry."""


class DockerfileError(Refused):
    """The Dockerfile cannot be run without Docker. The message names file, line, rule and remedy."""


@dataclass(frozen=True, kw_only=True)
class Copy:
    """Files of the context that a stage copies. ``place`` is the instruction's file and line, for errors."""

    sources: tuple[str, ...]
    target: PurePosixPath
    into_folder: bool
    place: str = ""


@dataclass(frozen=True, kw_only=True)
class Install:
    """One `pip install`: its arguments, with files by their paths in the image, and the files copied before it."""

    arguments: tuple[str, ...]
    copies: tuple[Copy, ...]
    place: str


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A stage: its working folder, ENTRYPOINT, CMD, variables, user, copied files and packages."""

    workdir: PurePosixPath = ROOT
    entry_point: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    environment: dict[str, str]
    user: str | None = None
    copies: tuple[Copy, ...] = ()
    installs: tuple[Install, ...] = ()
    volumes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Instruction:
    """An instruction, and the file and line where it begins."""

    place: str
    word: str
    rest: str

    def error(self, rule: Text) -> DockerfileError:
        """Return the error for this instruction."""
        return DockerfileError(
            t(
                "{place}: {text}: {rule}. A Docker engine runs any Dockerfile (--tasks docker).",
                place=self.place,
                text=f"{self.word} {self.rest}"[:120],
                rule=rule,
            )
        )


def read(file: Path, arguments: dict[str, str]) -> Stage:
    """Return the last stage of ``file``. Raises ``DockerfileError`` for what cannot be run without Docker."""
    reader = _Reader(arguments)
    for line in _lines(file):
        reader.take(line)
    stage = reader.stage
    if stage is None or not stage.entry_point + stage.command:
        raise DockerfileError(
            t("{file}: the last stage has neither CMD nor ENTRYPOINT", file=_name(file))
        )
    return stage


def _name(file: Path) -> str:
    return f"{file.parent.name}/{file.name}"


def _lines(file: Path) -> Iterator[Instruction]:
    """Yield the instructions, without comments and without a RUN that is marked to be skipped."""
    parts: list[str] = []
    begun, skipped = 0, False
    for number, text in enumerate(file.read_text().splitlines(), 1):
        if re.match(r"\s*#", text) or not text.strip():
            skipped = (skipped or bool(SKIP.match(text))) if not parts else skipped
            continue
        begun = begun if parts else number
        more = re.fullmatch(r"(.*)\\[ \t]*", text)
        parts.append(more[1] if more else text)
        if more:
            continue
        word, _, rest = " ".join(parts).strip().partition(" ")
        if not (skipped and word.upper() == "RUN"):
            yield Instruction(f"{_name(file)}:{begun}", word.upper(), rest.strip())
        parts, skipped = [], False


class _Reader:
    """Evaluates the instructions in order. Earlier stages are kept for FROM and ``--from``."""

    def __init__(self, arguments: dict[str, str]) -> None:
        self.arguments = dict(arguments)
        self.stages: dict[str, Stage] = {}
        self.count, self.label = 0, ""
        self.has_command = False
        self.stage: Stage | None = None

    def take(self, line: Instruction) -> None:
        if line.word == "FROM":
            return self.start(line)
        if line.word == "ARG":
            name, _, default = line.rest.partition("=")
            self.arguments.setdefault(name, self.expand(default).strip("\"'"))
        elif self.stage is None:
            raise line.error(t("the first instruction must be FROM"))
        elif line.word not in NO_EFFECT:
            self.stage = self.changed(self.stage, line)
        return None

    def changed(self, stage: Stage, line: Instruction) -> Stage:
        """Return the stage after the instruction."""
        match line.word:
            case "ENV":
                return replace(stage, environment=stage.environment | self.pairs(line.rest))
            case "WORKDIR":
                return replace(stage, workdir=stage.workdir / self.expand(line.rest))
            case "VOLUME":
                return replace(stage, volumes=stage.volumes + _words(self.expand(line.rest)))
            case "USER":
                return replace(stage, user=self.expand(line.rest))
            case "CMD":
                self.has_command = True
                return replace(stage, command=_command(line.rest))
            case "ENTRYPOINT":
                # It removes a CMD of the base image (Dockerfile reference, "Understand how CMD and
                # ENTRYPOINT interact").
                kept = stage.command if self.has_command else ()
                return replace(stage, entry_point=_command(line.rest), command=kept)
            case "COPY":
                return self.copied(stage, line)
            case "RUN":
                return self.run(stage, line)
        if line.word in INSTRUCTIONS:
            raise line.error(t("this instruction is not supported without Docker"))
        near = get_close_matches(line.word, INSTRUCTIONS, 1)
        raise DockerfileError(
            t(
                "{place}: {text}: a Dockerfile has no instruction {word}. The nearest is {near}.",
                place=line.place,
                text=f"{line.word} {line.rest}"[:120],
                word=line.word,
                near=near[0] if near else "-",
            )
        )

    def start(self, line: Instruction) -> None:
        if self.stage is not None:
            self.stages |= {self.label: self.stage, str(self.count): self.stage}
            self.count += 1
        self.has_command = False
        words = [each for each in self.expand(line.rest).split() if not each.startswith("--")]
        self.label = words[2] if len(words) > 2 and words[1].upper() == "AS" else ""
        base = words[0] if words else ""
        if base not in self.stages and not PYTHON.fullmatch(base):
            raise line.error(t("without Docker the base image must be named python"))
        self.stage = self.stages.get(base) or Stage(environment={})

    def copied(self, stage: Stage, line: Instruction) -> Stage:
        flags, words = _flags(self.expand(line.rest))
        *sources, target = _words(" ".join(words)) or ("",)
        place = stage.workdir / target
        if not sources or any(each.startswith("<<") for each in sources):
            raise line.error(t("without Docker COPY must copy files of the folder or of a stage"))
        if "from" not in flags:
            # A file is copied into an existing folder under its own name; the working folder
            # exists.
            into_folder = target.endswith("/") or stage.workdir.is_relative_to(place)
            made = Copy(
                sources=tuple(sources), target=place, into_folder=into_folder, place=line.place
            )
            return replace(stage, copies=(*stage.copies, made))
        earlier = self.stages.get(flags["from"])
        if earlier is None:
            raise line.error(t("without Docker --from must name an earlier stage, not an image"))
        # The packages that an earlier stage installed are in a venv, which this COPY may copy.
        return replace(
            stage,
            copies=(*stage.copies, *_copies_of(earlier, sources, place)),
            installs=(*stage.installs, *(e for e in earlier.installs if e not in stage.installs)),
        )

    def run(self, stage: Stage, line: Instruction) -> Stage:
        flags, words = _flags(line.rest)
        mounts = [flags[each] for each in flags if each.startswith("mount")]
        copies = (
            *stage.copies,
            *(_mounted(each, stage, line) for each in mounts if "=bind" in each),
        )
        installs = list(stage.installs)
        for command in self.commands(" ".join(words), line):
            found = _pip_arguments(command)
            if found is None:
                raise line.error(
                    t(
                        "without Docker only `pip install -r FILE` and packages by name are supported; if the app"
                        ' runs without this command, write "# rehearsal: skip" on the line before'
                    )
                )
            try:
                arguments = supported_arguments(found, stage.workdir)
            except ValueError as problem:
                raise line.error(
                    t("{word}: this option or package is not supported", word=str(problem))
                ) from None
            if arguments:
                installs.append(Install(arguments=arguments, copies=copies, place=line.place))
        return replace(stage, installs=tuple(installs))

    def commands(self, text: str, line: Instruction) -> Iterator[list[str]]:
        """Yield the simple commands of a RUN, without those that the app does not need."""
        if text.startswith("["):
            yield [str(each) for each in json.loads(text)]
            return
        lexer = shlex.shlex(self.expand(text), posix=True, punctuation_chars=True)
        lexer.whitespace_split = True
        lexer.commenters = ""
        try:
            words = [*lexer, "&&"]
        except ValueError as problem:
            raise line.error(t("the shell command cannot be parsed")) from problem
        command: list[str] = []
        for word in words:
            if word not in ("&&", ";"):
                command.append(word)
                continue
            if command and not _not_needed(command):
                yield command
            command = []

    def pairs(self, rest: str) -> dict[str, str]:
        words = shlex.split(self.expand(rest))
        if words and "=" not in words[0]:
            return {words[0]: " ".join(words[1:])}
        return {name: value for name, _, value in (word.partition("=") for word in words)}

    def expand(self, text: str) -> str:
        known = {**self.arguments, **(self.stage.environment if self.stage else {})}
        return re.sub(r"\$\{?(\w+)(?::-([^}]*))?\}?", lambda m: known.get(m[1], m[2] or ""), text)


def _command(rest: str) -> tuple[str, ...]:
    """Return the words of the exec form; a shell form runs in a shell (Dockerfile reference, "Shell and exec form")."""
    try:
        words = json.loads(rest)
    except ValueError:
        return (*SHELL, rest)
    return tuple(map(str, words)) if isinstance(words, list) else (*SHELL, rest)


def _words(text: str) -> tuple[str, ...]:
    """Return the words of an instruction, which may be a list of JSON."""
    return tuple(json.loads(text) if text.startswith("[") else shlex.split(text))


def _flags(text: str) -> tuple[dict[str, str], list[str]]:
    """Split the flags (`--from=build`) from the other words. There may be several mounts."""
    flags: dict[str, str] = {}
    words = text.split()
    while words and words[0].startswith("--"):
        name, _, value = words.pop(0)[2:].partition("=")
        flags[f"{name}{len(flags)}" if name == "mount" else name] = value
    return flags, words


def _mounted(mount: str, stage: Stage, line: Instruction) -> Copy:
    """Return a bind mount of a RUN as if its file were copied."""
    fields = dict(each.partition("=")[::2] for each in mount.split(","))
    source = fields.get("source", fields.get("src", "."))
    target = fields.get("target", fields.get("dst", fields.get("destination", "")))
    return Copy(
        sources=(source,), target=stage.workdir / target, into_folder=False, place=line.place
    )


def _not_needed(command: list[str]) -> bool:
    """Return whether a command of a RUN is not needed by a local process."""
    program, *rest = command
    name = PurePosixPath(program).name
    return name in NOT_NEEDED or (
        name.startswith("python") and rest[:2] in (["-m", "venv"], ["-m", "compileall"])
    )


def _pip_arguments(command: list[str]) -> list[str] | None:
    """Return the arguments of `pip install`; None for any other command."""
    program, *rest = command
    name = PurePosixPath(program).name
    if re.fullmatch(r"python[\d.]*", name) and rest[:2] == ["-m", "pip"]:
        name, rest = "pip", rest[2:]
    if not re.fullmatch(r"pip[\d.]*", name):
        return None
    if rest[:1] == ["--python"]:
        rest = rest[2:]
    return rest[1:] if rest[:1] == ["install"] else None


def _copies_of(earlier: Stage, sources: list[str], place: PurePosixPath) -> list[Copy]:
    """Return what an earlier stage copied from the context below one of ``sources``."""
    return [
        replace(copy, target=place / copy.target.relative_to(source))
        for source in sources
        for copy in earlier.copies
        if copy.target.is_relative_to(source)
    ]


def placed(context: Path, copies: Iterable[Copy]) -> dict[PurePosixPath, Path]:
    """Return the files of ``context`` that the Dockerfile copies, by their paths in the image."""
    names = sorted(sent_files(context))
    found: dict[PurePosixPath, Path] = {}
    for copy in copies:
        for source in copy.sources:
            found |= _placed(context, names, source, copy)
    return found


def lay_out(context: Path, copies: Iterable[Copy], root: Path) -> None:
    """Copy the files that the Dockerfile copies to the same paths below ``root``."""
    for path, file in placed(context, copies).items():
        place = root / str(path).lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, place)


def _placed(context: Path, names: list[str], source: str, copy: Copy) -> dict[PurePosixPath, Path]:
    chosen = source.removeprefix("./").strip("/")
    whole = chosen in ("", ".")
    several = copy.into_folder or len(copy.sources) > 1
    found = {}
    for name in names:
        if whole:
            place = copy.target / name
        elif name.startswith(f"{chosen}/"):
            place = copy.target / PurePosixPath(name).relative_to(chosen)
        elif fnmatchcase(name, chosen) and name.count("/") == chosen.count("/"):
            place = copy.target / PurePosixPath(name).name if several else copy.target
        else:
            continue
        found[place] = context / name
    if not found:
        raise DockerfileError(
            t(
                "{place}: COPY {source}: no such file in {folder}/ (or .dockerignore hides it)",
                place=copy.place,
                source=source,
                folder=context.name,
            )
        )
    return found
