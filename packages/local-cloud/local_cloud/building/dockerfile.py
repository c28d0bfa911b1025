"""Reads a Dockerfile: its stages, what they are made of, and how the last one starts. Nothing is run here.

dockerfile-parse (release-engineering) splits a Dockerfile into instructions, without heredocs and flags; it does not
evaluate variables, COPY and stages, which is nearly all of this.
"""

from __future__ import annotations

import json
import os
import posixpath
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path, PurePosixPath

from local_cloud.building import files, lex
from local_cloud.building.instructions import HEREDOC, Instruction, instructions
from local_cloud.machine.roots import MACHINE
from local_cloud.text import Refused, Text, joined, t, verbatim

ROOT = PurePosixPath("/")
SHELL = ("/bin/sh", "-c")
PATH = "/usr/local/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""PATH of the official Python image."""
LANG = "C.UTF-8"
"""LANG of the official Python images up to 3.12; to later Pythons it says what they do without."""
STOP_SIGNAL = "SIGTERM"
NO_EFFECT = ("EXPOSE", "HEALTHCHECK", "LABEL", "MAINTAINER")
"""Instructions that neither add files nor change how the command starts. ECS ignores HEALTHCHECK, too."""
PYTHON = re.compile(
    r"(?:\S+/)?(?:python(?::(?:\d|latest|slim|alpine|bookworm|trixie|bullseye|buster|rc)[^@\s]*)?"
    r"|uv:(?:\S+-)?python\d[^@\s]*)(?:@\S+)?"
)
"""The official Python image with a tag that it can have, and uv's that is made from it, from any registry."""
VERSION = re.compile(r":(?:\S*python)?(\d+\.\d+)")
UV_IMAGE = re.compile(r"(?:\S+/)?uv(?:[:@]\S+)?")
LAST_LINES = 15
PLATFORM = "linux/amd64"
PROCESSORS = {"x86_64": "amd64", "aarch64": "arm64"}


class DockerfileError(Refused):
    """The Dockerfile cannot be run without Docker. The message has its file, its line and the rule."""


class RunFailed(Refused):
    """A RUN failed, which fails a build with Docker, too. The message has its last lines."""


def failed(what: str, code: int, said: str) -> Text:
    """Return what is said of a command that failed. ``said`` is its output."""
    last = "\n".join(said.splitlines()[-LAST_LINES:])
    return t("{called} ended with {code}:\n{last}", called=what, code=code, last=last)


@dataclass(frozen=True, kw_only=True)
class Copy:
    """Files of the context, or of an earlier ``stage``, that a stage copies. ``target`` ends with / for a folder.

    ``text`` is the content of a heredoc, which then is the only file. With nothing a folder is made, as by WORKDIR.
    """

    place: str
    word: str = "COPY"
    """The instruction, as a message names it."""
    sources: tuple[str, ...] = ()
    target: str
    stage: Stage | None = None
    mode: str = ""
    owner: str = ""
    text: str | None = None
    unpacks: bool = False


@dataclass(frozen=True, kw_only=True)
class Mount:
    """What a RUN has at ``target``; that of type bind what ``copied`` would copy to /0."""

    kind: str
    target: str
    copied: Copy | None
    writable: bool


@dataclass(frozen=True, kw_only=True)
class Run:
    """A RUN. ``words`` are what is executed; ``shown`` is the instruction as it stands there."""

    place: str
    shown: str
    words: tuple[str, ...]
    folder: str
    environment: Mapping[str, str]
    user: str | None
    mounts: tuple[Mount, ...] = ()
    network: bool = True


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """What is not done here."""

    place: str
    text: str


Step = Copy | Run | LeftOut


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A stage: how it starts, and the steps that make it from an earlier stage (None: from the base image).

    ``base`` is the image that FROM names, and ``foreign`` its problem if it is not Python's, which matters if the stage
    is the last one.
    """

    base: str = ""
    place: str = ""
    start: Stage | None = None
    workdir: PurePosixPath = ROOT
    entry_point: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    environment: Mapping[str, str]
    user: str | None = None
    shell: tuple[str, ...] = SHELL
    stop_signal: str = STOP_SIGNAL
    volumes: tuple[str, ...] = ()
    steps: tuple[Step, ...] = ()
    foreign: Text | None = None

    @property
    def copies(self) -> list[Copy]:
        """What it copies of the context and of earlier stages, with what its RUN lines mount of them."""
        runs = [step for step in self.steps if isinstance(step, Run)]
        mounted = [mount.copied for run in runs for mount in run.mounts if mount.copied]
        return [*(step for step in self.steps if isinstance(step, Copy)), *mounted]

    @property
    def sources(self) -> list[Stage]:
        """The earlier stages that it takes files of."""
        return [copy.stage for copy in self.copies if copy.stage]

    @property
    def needed(self) -> list[Stage]:
        """The stages that this one is made of, and itself as the last one."""
        found: list[Stage] = []
        for stage in filter(None, (self.start, *self.sources)):
            found += [each for each in stage.needed if each not in found]
        return [*found, self]

    @property
    def version(self) -> str:
        """The version of Python that its base image has; "" for one without a number."""
        found = None if self.foreign else VERSION.search(self.base)
        return found[1] if found else ""


def read(
    file: Path,
    arguments: Mapping[str, str],
    folder: Path | None = None,
    target: str = "",
    platform: str = PLATFORM,
) -> Stage:
    """Return the stage ``target`` of ``file`` (empty: the last one), built from the files of ``folder``.

    Without a folder these are the files beside the Dockerfile. Raises ``DockerfileError``.
    """
    reader, name = _Reader(arguments, platform), f"{file.parent.name}/{file.name}"
    for line in instructions(file):
        reader.take(line)
    if reader.stage is None:
        raise _without_from(name)
    stage = reader.stages.get(target.lower()) if target else reader.stage
    if stage is None:
        raise DockerfileError(
            "{file}: no stage is named {name}; there are {names}",
            file=name,
            name=target,
            names=", ".join(reader.stages),
        )
    copies = [copy for each in stage.needed for copy in each.copies]
    problems = files.missing(files.Context(folder or file.parent, file), copies)
    if found := [*filter(None, [stage.foreign]), *problems]:
        raise DockerfileError(joined("\n", dict.fromkeys(found)))
    return stage


def left_out(notices: Sequence[str]) -> Text:
    """Return the message that says what of a Dockerfile the image does not have here."""
    heading = t(
        "The image is built without a Docker engine. What is left out may be missing here only:"
    )
    return joined("\n  ", (heading, *map(verbatim, notices)))


def _platforms(target: str) -> dict[str, str]:
    """Return the arguments that every Dockerfile has (Dockerfile reference, "Automatic platform ARGs")."""
    machine = os.uname().machine
    platforms = {"TARGET": target, "BUILD": f"linux/{PROCESSORS.get(machine, machine)}"}
    known = {f"{name}PLATFORM": platform for name, platform in platforms.items()}
    for name, platform in platforms.items():
        parts = zip(("OS", "ARCH", "VARIANT"), f"{platform}//".split("/"), strict=False)
        known |= {f"{name}{part}": value for part, value in parts}
    return known


class _Reader:
    """Evaluates the instructions in order. Stages are kept by their names and numbers."""

    def __init__(self, given: Mapping[str, str], platform: str) -> None:
        self.given = given
        self.before_from = _platforms(platform)
        self.arguments: dict[str, str] = {}
        self.stages: dict[str, Stage] = {}
        self.names: tuple[str, ...] = ()
        self.has_command = False
        self.stage: Stage | None = None
        self.escape = "\\"

    def take(self, line: Instruction) -> None:
        """Evaluate an instruction. Raises ``DockerfileError``."""
        self.escape = line.escape
        try:
            if not line.known:
                raise ValueError(line.word)
            if line.word == "FROM":
                self.start(line)
            elif line.word == "ARG":
                self.declare(line)
            elif self.stage is None:
                raise _without_from(line.place)
            elif line.word == "RUN":
                self.stage = self.run(self.stage, line)
            elif line.word not in NO_EFFECT:
                self.stage = self.changed(self.stage, line)
        except ValueError:
            rule = t(
                "it cannot be read: a word, a quotation mark or JSON is wrong, or it needs a Docker engine "
                "(--tasks docker)"
            )
            raise DockerfileError(line.problem(rule)) from None
        if self.stage:
            self.stages |= dict.fromkeys(self.names, self.stage)

    def declare(self, line: Instruction) -> None:
        """Add build arguments. Those before FROM are known in FROM, and in a stage that declares them again."""
        known = self.before_from if self.stage is None else self.arguments
        for word in lex.words(line.rest, line.escape):
            name, equals, default = word.partition("=")
            value = self.given.get(
                name, self.expand(default) if equals else self.before_from.get(name)
            )
            if value is not None:
                known[name] = value

    def start(self, line: Instruction) -> None:
        """Begin a stage, from an earlier one or from an image."""
        base, *label = line.rest.split()
        base = lex.expand(base, self.before_from, line.escape)
        if label and (len(label) != 2 or label[0].upper() != "AS"):
            raise ValueError(line.rest)
        number = str(sum(name.isdigit() for name in self.stages))
        self.names = (*map(str.lower, label[1:]), number)
        self.has_command, self.arguments = False, {}
        if earlier := self.stages.get(base.lower()):
            self.stage = replace(earlier, start=earlier, steps=())
            return
        rule = t(
            "without Docker the base image of the last stage must be Python's, as python:3.13-slim; a Docker engine "
            "runs any (--tasks docker)"
        )
        self.stage = Stage(
            base=base,
            place=line.place,
            environment={"PATH": PATH, "LANG": LANG},
            command=("python3",),
            foreign=None if PYTHON.fullmatch(base) else line.problem(rule),
        )

    def changed(self, stage: Stage, line: Instruction) -> Stage:
        """Return the stage after the instruction."""
        match line.word:
            case "CMD":
                self.has_command = True
                return replace(stage, command=_command(stage, line.rest))
            case "ENTRYPOINT":
                # It removes a CMD of the base image (Dockerfile reference, "Understand how CMD and
                # ENTRYPOINT interact").
                kept = stage.command if self.has_command else ()
                return replace(stage, entry_point=_command(stage, line.rest), command=kept)
            case "COPY" | "ADD":
                return self.copied(stage, line)
            case "ONBUILD":
                return _with(stage, LeftOut(place=line.place, text=line.text))
            case "ENV":
                return replace(stage, environment={**stage.environment, **self.pairs(line)})
            case "WORKDIR":
                folder = _joined(stage.workdir, self.expand(line.rest))
                made = Copy(place=line.place, word=line.word, target=str(folder))
                return _with(replace(stage, workdir=folder), made)
            case "VOLUME":
                return replace(stage, volumes=stage.volumes + self.listed(line.rest))
            case "SHELL":
                return replace(stage, shell=tuple(json.loads(line.rest)))
        rest = self.expand(line.rest)
        user, signal = (rest, stage.stop_signal) if line.word == "USER" else (stage.user, rest)
        return replace(stage, user=user, stop_signal=signal)

    def pairs(self, line: Instruction) -> dict[str, str]:
        """Return the variables of an ENV. All of them are evaluated with those before it."""
        first, *_ = words = lex.words(line.rest, line.escape)
        if "=" not in first:
            name, value = line.rest.split(None, 1)
            return {self.expand(name): self.expand(value)}
        if not all("=" in word for word in words):
            raise ValueError(line.rest)
        pairs = (word.partition("=") for word in words)
        return {self.expand(name): self.expand(value) for name, _, value in pairs}

    def listed(self, text: str) -> tuple[str, ...]:
        """Return the words of an instruction, which may be a list of JSON. Heredocs stay as they are."""
        words = _exec_form(text) or text.split()
        return tuple(word if HEREDOC.fullmatch(word) else self.expand(word) for word in words)

    def copied(self, stage: Stage, line: Instruction) -> Stage:
        """Return the stage with the files that COPY or ADD takes. What it takes of the internet is left out."""
        *sources, target = self.listed(line.rest)
        if not sources:
            raise ValueError(line.rest)
        place = str(_joined(stage.workdir, target))
        if target.endswith(("/", ".")) or len(sources) > 1:
            place = f"{place.rstrip('/')}/"
        mode, owner = (self.expand(line.flag(name) or "") for name in ("chmod", "chown"))
        made = Copy(place=line.place, word=line.word, target=place, mode=mode, owner=owner)
        if (origin := line.flag("from")) is not None:
            taken = self.taken(line, replace(made, sources=tuple(sources)), self.expand(origin))
            return _with(stage, taken or LeftOut(place=line.place, text=line.text))
        kept = []
        for source in sources:
            if found := HEREDOC.fullmatch(source):
                whole = f"{place}{found['name']}" if place.endswith("/") else place
                text = line.heredocs[found["name"]]
                if not found["quote"]:
                    text = self.expand(text, quotes=False)
                stage = _with(stage, replace(made, target=whole, text=f"{text}\n"))
            elif re.match(r"https?://|git@|ssh://", source):
                stage = _with(stage, LeftOut(place=line.place, text=f"{line.word} {source}"))
            else:
                kept.append(source)
        unpacks = line.word == "ADD"
        return _with(stage, replace(made, sources=tuple(kept), unpacks=unpacks)) if kept else stage

    def taken(self, line: Instruction, copy: Copy, origin: str) -> Copy | None:
        """Return a copy from the stage that ``origin`` names; None for another image than uv's, which is left out."""
        stage = self.stages.get(origin.lower())
        names = [PurePosixPath(source).name for source in copy.sources]
        late = tuple(f"/{MACHINE}/late/{name}" for name in names if name in ("uv", "uvx"))
        image = stage.base if stage and stage.foreign else origin
        if self.stage and late and UV_IMAGE.fullmatch(image):
            # The base of every image has what installs uv.
            return replace(copy, stage=replace(self.stage, start=None, steps=()), sources=late)
        if stage and origin.lower() not in self.names:
            return replace(copy, stage=stage)
        if not set("/:") & set(origin) and get_close_matches(origin.lower(), self.stages):
            rule = t("no earlier stage is named {name}", name=origin)
            raise DockerfileError(line.problem(rule))
        return None

    def run(self, stage: Stage, line: Instruction) -> Stage:
        """Return the stage with a RUN. That of another image than Python's is left out."""
        shown = text = line.rest
        if stage.foreign:
            return _with(stage, LeftOut(place=line.place, text=f"RUN {shown}"))
        if whole := HEREDOC.fullmatch(text):
            shown = text = line.heredocs[whole["name"]]
        else:
            text += "".join(f"\n{body}\n{name}" for name, body in line.heredocs.items())
        first = text.partition("\n")[0]
        shell = (*first[2:].split(), "-c") if text.startswith("#!") else stage.shell
        mounts = []
        for value in (value for name, value in line.flags if name == "mount"):
            if mount := self.mount(stage, line, self.expand(value)):
                mounts.append(mount)
            else:
                stage = _with(stage, LeftOut(place=line.place, text=f"RUN --mount={value}"))
        made = Run(
            place=line.place,
            shown=f"RUN {shown}",
            words=_exec_form(text) or (*shell, text),
            folder=str(stage.workdir),
            environment={**self.arguments, **stage.environment},
            user=stage.user,
            mounts=tuple(mounts),
            network=line.flag("network") != "none",
        )
        return _with(stage, made)

    def mount(self, stage: Stage, line: Instruction, value: str) -> Mount | None:
        """Return a mount of a RUN; None for one of another image than uv's, which is left out."""
        fields = dict(option.partition("=")[::2] for option in value.split(","))
        target = fields.get("target") or fields.get("dst") or fields.get("destination") or ""
        kind, copied = fields.get("type", "bind"), None
        if kind in ("secret", "ssh") and fields.get("required", "false") != "false":
            rule = t("no {kind} is passed to a build; without required the line is run", kind=kind)
            raise DockerfileError(line.problem(rule))
        if kind == "bind":
            source = fields.get("source") or fields.get("src") or "/"
            copied = Copy(place=line.place, word="RUN --mount", sources=(source,), target="/0")
            if "from" in fields and not (copied := self.taken(line, copied, fields["from"])):
                return None
        return Mount(
            kind=kind,
            target=str(_joined(stage.workdir, target)),
            copied=copied,
            writable=fields.get("rw", fields.get("readwrite", "false")) != "false",
        )

    def expand(self, text: str, *, quotes: bool = True) -> str:
        """Return the text with its variables; unknown ones are empty."""
        known = self.before_from
        if self.stage:
            known = {**self.arguments, **self.stage.environment}
        return lex.expand(text, known, self.escape, quotes=quotes)


def _without_from(place: str) -> DockerfileError:
    return DockerfileError("{file}: the first instruction must be FROM", file=place)


def _exec_form(text: str) -> tuple[str, ...] | None:
    """Return the words of a list of JSON; None for what Docker runs in a shell, like `[ -d /x ] || mkdir /x`."""
    try:
        words = json.loads(text)
    except ValueError:
        return None
    return tuple(map(str, words)) if isinstance(words, list) else None


def _command(stage: Stage, rest: str) -> tuple[str, ...]:
    """Return the words of the exec form; a shell form runs in the shell (Dockerfile reference, SHELL)."""
    words = _exec_form(rest)
    if words is None and re.match(r"\[\s*['\"]", rest):
        raise ValueError(rest)  # Docker runs the mistake in a shell.
    return (*stage.shell, rest) if words is None else words


def _joined(folder: PurePosixPath, path: str) -> PurePosixPath:
    return PurePosixPath(posixpath.normpath(folder / path))


def _with(stage: Stage, step: Step) -> Stage:
    return replace(stage, steps=(*stage.steps, step))
