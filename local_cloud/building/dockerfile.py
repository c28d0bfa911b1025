"""Reads a Dockerfile: its stages, what they are made of, and how the last one starts. Nothing is run here.

dockerfile-parse (release-engineering) splits a Dockerfile into instructions, without heredocs and flags; it does not
evaluate variables, COPY and stages, which is nearly all of this.
"""

from __future__ import annotations

import json
import posixpath
import re
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from local_cloud.building import files
from local_cloud.building.instructions import (
    HEREDOC,
    Instruction,
    instructions,
    meant,
    misspelt,
    nearest,
    shortened,
)
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
PYTHON = re.compile(r"(?:\S+/)?(?:python(?:[:@]\S+)?|uv:(?:\S+-)?python\S+)")
"""The official Python image and uv's that is made from it, from any registry."""
TAG = re.compile(
    r"\w+(:((python)?\d|latest|slim|alpine|bookworm|trixie|bullseye|buster|rc)[^@]*)?(@.+)?"
)
"""The name of such an image with a tag that it can have."""
VERSION = re.compile(r":(?:\S*python)?(\d+\.\d+)")
UV_IMAGE = re.compile(r"(?:\S+/)?uv(?:[:@]\S+)?")
RUNNING = "{}.{}".format(*sys.version_info)


class DockerfileError(Refused):
    """The Dockerfile cannot be run without Docker. The message has all problems, with file, line and rule."""


@dataclass(frozen=True, kw_only=True)
class Copy:
    """Files of the context, or of an earlier ``stage``, that a stage copies. ``target`` ends with / for a folder.

    ``text`` is the content of a heredoc, which then is the only file.
    """

    place: str
    word: str = "COPY"
    """The instruction, as a message names it."""
    sources: tuple[str, ...]
    target: str
    stage: Stage | None = None
    excluded: tuple[str, ...] = ()
    parents: bool = False
    mode: str = ""
    text: str | None = None
    unpacks: bool = False


@dataclass(frozen=True, kw_only=True)
class Run:
    """A RUN. ``words`` are what is executed; ``shown`` is the instruction as it stands there."""

    place: str
    shown: str
    words: tuple[str, ...]
    folder: str
    environment: Mapping[str, str]
    user: str | None
    mounts: tuple[Mapping[str, Any], ...] = ()
    unset: Text | None = None
    """Of a build argument in it that has no value."""


@dataclass(frozen=True, kw_only=True)
class Folder:
    """A folder that WORKDIR makes."""

    place: str
    path: str


Step = Copy | Run | Folder


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A stage: how it starts, and the steps that make it from an earlier stage (None: from the base image).

    ``base`` is the image that FROM names, and ``foreign`` its problem if it is not Python's, which matters if the stage
    is the last one. ``notices`` say what is left out, ``problems`` what is wrong.
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
    notices: tuple[Text, ...] = ()
    problems: tuple[Text, ...] = ()
    foreign: Text | None = None

    @property
    def copies(self) -> list[Copy]:
        """Its steps that copy files."""
        return [step for step in self.steps if isinstance(step, Copy)]

    @property
    def mounted(self) -> list[Copy]:
        """What its RUN lines mount of the context and of earlier stages, as if it were copied."""
        runs = [step for step in self.steps if isinstance(step, Run)]
        return [
            as_copy(each, run.place)
            for run in runs
            for each in run.mounts
            if each["type"] == "bind"
        ]

    @property
    def sources(self) -> list[Stage]:
        """The earlier stages that it takes files of."""
        return [each.stage for each in (*self.copies, *self.mounted) if each.stage]

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

    @property
    def other_python(self) -> list[Text]:
        """The notice that its base image has another Python than this machine, if it has."""
        if self.version in ("", RUNNING):
            return []
        said = t(
            "{place}: {image} is run by this machine's Python {version}",
            place=self.place,
            image=self.base,
            version=RUNNING,
        )
        return [said]


UV = Stage(base="python", environment={})
"""Stands for uv's image: the base of every image has what installs uv."""


def as_copy(mount: Mapping[str, Any], place: str = "") -> Copy:
    """Return a bind mount of a RUN as if its source were copied."""
    return Copy(
        place=place,
        word="RUN --mount",
        sources=(mount["source"],),
        target="/0",
        stage=mount["stage"],
    )


def read(
    file: Path, arguments: Mapping[str, str], context: Path | None = None, target: str = ""
) -> Stage:
    """Return the stage ``target`` of ``file`` (empty: the last one), built from the files of ``context``.

    Without a context these are the files beside the Dockerfile.

    Raises ``DockerfileError`` with all problems.
    """
    context = context or file.parent
    reader = _Reader(arguments)
    for line in instructions(file):
        reader.take(line)
    stage, name = reader.stage, f"{file.parent.name}/{file.name}"
    problems = list(reader.problems)
    if stage and target:
        reader.keep(stage)
        stage = reader.stages.get(target.lower())
        if stage is None:
            names = ", ".join(reader.stages)
            rule = t(
                "{file}: no stage is named {name}; there are {names}",
                file=name,
                name=target,
                names=names,
            )
            raise DockerfileError(joined("\n", [*problems, rule]))
    if stage is None:
        problems = problems or [t("{file}: the first instruction must be FROM", file=name)]
        raise DockerfileError(joined("\n", problems))
    problems += [stage.foreign] if stage.foreign else []
    for each in stage.needed:
        problems += [*each.problems, *files.missing(context, (*each.copies, *each.mounted))]
    if problems:
        raise DockerfileError(joined("\n", sorted(dict.fromkeys(problems), key=line_of)))
    return stage


def left_out(notices: Sequence[str]) -> Text:
    """Return the message that says what of a Dockerfile the image does not have here."""
    heading = t(
        "The image is built without a Docker engine. What is left out may be missing here only:"
    )
    return joined("\n  ", (heading, *map(verbatim, notices)))


def line_of(message: Text) -> int:
    """Return the line of the Dockerfile that a problem or notice begins with."""
    found = re.match(r"\S*:(\d+):", str(message))
    return int(found[1]) if found else 0


def note(place: str, text: str) -> Text:
    """Return the notice of what is not done here."""
    return t("{place}: left out without Docker: {text}", place=place, text=shortened(text))


class _Reader:
    """Evaluates the instructions in order. Earlier stages are kept for FROM and ``--from``."""

    def __init__(self, given: Mapping[str, str]) -> None:
        self.given = given
        self.before_from: dict[str, str] = {}
        self.arguments: dict[str, str] = {}
        self.unset: dict[str, Text] = {}
        self.stages: dict[str, Stage] = {}
        self.count, self.label = 0, ""
        self.has_command = False
        self.stage: Stage | None = None
        self.problems: list[Text] = []

    def take(self, line: Instruction) -> None:
        if problem := misspelt(line):
            self.problems.append(problem)
        elif line.word == "FROM":
            self.start(line)
        elif line.word == "ARG":
            self.declare(line)
        elif self.stage is None:
            self.problems.append(line.problem(t("the first instruction must be FROM")))
        elif line.word not in NO_EFFECT:
            try:
                self.stage = self.changed(self.stage, line)
            except ValueError:
                rule = t("it has a quotation mark without its partner, or no valid JSON")
                self.problems.append(line.problem(rule))

    def declare(self, line: Instruction) -> None:
        """Add build arguments. Those before FROM are known in FROM, and in a stage that declares them again."""
        known = self.before_from if self.stage is None else self.arguments
        for word in shlex.split(line.rest):
            name, equals, default = word.partition("=")
            value = self.given.get(
                name, self.expand(default) if equals else self.before_from.get(name)
            )
            if value is not None:
                known[name] = value
            else:
                self.unset[name] = t(
                    "{place}: ARG {name} has no value; write one there: ARG {name}=VALUE",
                    place=line.place,
                    name=name,
                )

    def without_value(self, text: str, known: Mapping[str, str]) -> Text | None:
        """Return what is said of the first build argument in a text that has neither a value nor a default."""
        names = (found[1] or found[2] for found in VARIABLE.finditer(text) if not found[3])
        return next((self.unset[each] for each in names if each in self.unset.keys() - known), None)

    def start(self, line: Instruction) -> None:
        if self.stage is not None:
            self.keep(self.stage)
            self.count += 1
        self.stage, self.has_command, self.arguments = None, False, {}
        base, *name = _expanded(line.rest, self.before_from).split() or [""]
        self.label = name[1].lower() if len(name) > 1 and name[0].upper() == "AS" else ""
        if len(name) not in (0, 2) or (name and not self.label):
            near = "AS" if name and nearest(name[0].upper(), ("AS",)) else None
            rule = t("FROM takes an image, or IMAGE AS NAME")
            self.problems.append(line.problem(meant(rule, near)))
        if earlier := self.stages.get(base.lower()):
            self.stage = replace(earlier, start=earlier, steps=(), notices=(), problems=())
        else:
            self.stage = self._from_image(line, base)
            if self.stage.foreign and (unset := self.without_value(line.rest, self.before_from)):
                self.stage = replace(self.stage, foreign=unset)

    def keep(self, stage: Stage) -> None:
        """Keep the stage that ends here by its name and its number."""
        self.stages |= {each: stage for each in (self.label, str(self.count)) if each}

    def _from_image(self, line: Instruction, base: str) -> Stage:
        stage = Stage(
            base=base,
            place=line.place,
            environment={"PATH": PATH, "LANG": LANG},
            command=("python3",),
        )
        if not PYTHON.fullmatch(base):
            near = nearest(base, (*self.stages, "python"))
            rule = t(
                "without Docker the base image of the last stage must be named python; a Docker engine runs any "
                "(--tasks docker)"
            )
            short = nearest(base.partition(":")[0], (*self.stages, "python"))
            return replace(stage, foreign=line.problem(meant(rule, near or short)))
        if not TAG.fullmatch(base.rpartition("/")[2]):
            rule = t(
                "there is no image {image}: a tag begins with a version, as 3.13-slim", image=base
            )
            return replace(stage, foreign=line.problem(rule))
        return stage

    def changed(self, stage: Stage, line: Instruction) -> Stage:
        """Return the stage after the instruction."""
        match line.word:
            case "CMD":
                self.has_command = True
                return replace(stage, command=self.command(stage, line))
            case "ENTRYPOINT":
                # It removes a CMD of the base image (Dockerfile reference, "Understand how CMD and
                # ENTRYPOINT interact").
                kept = stage.command if self.has_command else ()
                return replace(stage, entry_point=self.command(stage, line), command=kept)
            case "COPY" | "ADD":
                return self.copied(stage, line)
            case "RUN":
                return self.run(stage, line)
            case "ONBUILD":
                return _noted(stage, note(line.place, f"ONBUILD {line.rest}"))
        return replace(stage, **self.configured(stage, line, self.expand(line.rest)))

    def configured(self, stage: Stage, line: Instruction, rest: str) -> dict[str, Any]:
        """Return what an instruction about the container's configuration changes."""
        match line.word:
            case "ENV":
                return {"environment": {**stage.environment, **self.pairs(line)}}
            case "WORKDIR":
                folder = _joined(stage.workdir, rest.strip("\"'"))
                made = Folder(place=line.place, path=str(folder))
                return {"workdir": folder, "steps": (*stage.steps, made)}
            case "VOLUME":
                return {"volumes": stage.volumes + _words(rest)}
            case "SHELL":
                return {"shell": tuple(map(str, json.loads(line.rest)))}
            case "STOPSIGNAL":
                return {"stop_signal": rest}
        return {"user": rest}

    def command(self, stage: Stage, line: Instruction) -> tuple[str, ...]:
        """Return the words of the exec form; a shell form runs in the shell (Dockerfile reference, SHELL)."""
        words = _exec_form(line.rest)
        if words is None and re.match(r"\[\s*['\"]", line.rest):
            rule = t('it is no valid JSON, so Docker runs it in a shell; write ["PROGRAM", "WORD"]')
            self.problems.append(line.problem(rule))
        return (*stage.shell, line.rest) if words is None else words

    def copied(self, stage: Stage, line: Instruction) -> Stage:
        *sources, target = _words(self.expand(line.rest)) or ("",)
        if not sources:
            rule = t("it needs a source and a destination")
            return replace(stage, problems=(*stage.problems, line.problem(rule)))
        place = str(_joined(stage.workdir, target))
        if target.endswith(("/", ".")) or len(sources) > 1:
            place = f"{place.rstrip('/')}/"
        made = Copy(
            place=line.place,
            word=line.word,
            sources=tuple(sources),
            target=place,
            excluded=tuple(value for name, value in line.flags if name == "exclude"),
            parents=line.flag("parents") is not None,
            mode=line.flag("chmod") or "",
        )
        if (origin := line.flag("from")) is not None:
            return self.copied_from(stage, line, self.expand(origin), made)
        kept = []
        for source in sources:
            if found := HEREDOC.fullmatch(source):
                whole = f"{place}{found['name']}" if place.endswith("/") else place
                text = line.heredocs[found["name"]]
                stage = _with(stage, replace(made, sources=(), target=whole, text=f"{text}\n"))
            elif re.match(r"https?://|git@|ssh://", source):
                stage = _noted(stage, note(line.place, f"{line.word} {source}"))
            else:
                kept.append(source)
        unpacks = line.word == "ADD"
        return _with(stage, replace(made, sources=tuple(kept), unpacks=unpacks)) if kept else stage

    def copied_from(self, stage: Stage, line: Instruction, origin: str, made: Copy) -> Stage:
        """Return the stage with files of an earlier one. What it copies from another image is left out, but uv."""
        if earlier := self.stages.get(origin.lower()):
            return _with(stage, replace(made, stage=earlier))
        near = nearest(origin.lower(), tuple(self.stages))
        if near and "/" not in origin and ":" not in origin:
            rule = t("no earlier stage is named {name}", name=origin)
            return replace(stage, problems=(*stage.problems, line.problem(meant(rule, near))))
        if UV_IMAGE.fullmatch(origin):
            names = [PurePosixPath(source).name for source in made.sources]
            late = tuple(f"/{MACHINE}/late/{name}" for name in names if name in ("uv", "uvx"))
            return _with(stage, replace(made, sources=late, stage=UV)) if late else stage
        return _noted(stage, note(line.place, f"COPY --from={origin} {line.rest}"))

    def run(self, stage: Stage, line: Instruction) -> Stage:
        shown = f"RUN {line.rest}"
        if stage.foreign:
            return _noted(stage, note(line.place, shown))
        words = _exec_form(line.rest) or (*stage.shell, line.rest)
        if whole := HEREDOC.fullmatch(line.rest):
            text = line.heredocs[whole["name"]]
            words = (
                (*text[2:].partition("\n")[0].split(), "-c", text)
                if text.startswith("#!")
                else (*stage.shell, text)
            )
            shown = f"RUN {text}"
        elif line.heredocs:
            bodies = "".join(f"\n{text}\n{name}" for name, text in line.heredocs.items())
            words = (*stage.shell, f"{line.rest}{bodies}")
        mounts = tuple(
            self.mount(stage, line, self.expand(value))
            for name, value in line.flags
            if name == "mount"
        )
        for each in mounts:
            if each["type"] == "image":
                text = f"RUN --mount=from={each['source']},target={each['target']}"
                stage = _noted(stage, note(line.place, text))
        made = Run(
            place=line.place,
            shown=shown,
            words=words,
            folder=str(stage.workdir),
            environment={**self.arguments, **stage.environment},
            user=stage.user,
            mounts=mounts,
            unset=self.without_value(shown, {**self.arguments, **stage.environment}),
        )
        return _with(stage, made)

    def mount(self, stage: Stage, line: Instruction, value: str) -> dict[str, Any]:
        """Return a mount of a RUN: its type, source, target, and the ``stage`` of its source (None: the context).

        Its type is "image" where it is of another image, which is its source then: it is left out, but uv's.
        """
        fields = dict(each.partition("=")[::2] for each in value.split(","))
        target = fields.get("target") or fields.get("dst") or fields.get("destination") or ""
        origin = fields.get("from", "")
        kind, source = fields.get("type", "bind"), fields.get("source") or fields.get("src") or "/"
        earlier = self.stages.get(origin.lower())
        if origin and not earlier:
            name = PurePosixPath(source).name
            near = nearest(origin.lower(), tuple(self.stages))
            if near and "/" not in origin and ":" not in origin:
                rule = t("no earlier stage is named {name}", name=origin)
                self.problems.append(line.problem(meant(rule, near)))
            if UV_IMAGE.fullmatch(origin) and name in ("uv", "uvx"):
                earlier, source = UV, f"/{MACHINE}/late/{name}"
            else:
                kind, source = "image", origin
        return {
            "type": kind,
            "source": source,
            "writable": fields.get("rw", fields.get("readwrite", "false")) != "false",
            "target": str(_joined(stage.workdir, target)),
            "stage": earlier,
        }

    def pairs(self, line: Instruction) -> dict[str, str]:
        words = shlex.split(self.expand(line.rest))
        if words and "=" not in words[0]:
            if not words[1:]:
                self.problems.append(line.problem(t("it needs a name and a value: NAME=VALUE")))
            return {words[0]: " ".join(words[1:])}
        return {name: value for name, _, value in (word.partition("=") for word in words)}

    def expand(self, text: str) -> str:
        """Return the text with its variables; unknown ones are empty."""
        return _expanded(text, {**self.arguments, **(self.stage.environment if self.stage else {})})


VARIABLE = re.compile(r"(?<!\\)\$(?:(\w+)|\{(\w+)(?::?([-+])((?:[^{}]|\{[^}]*\})*))?\})")


def _expanded(text: str, known: Mapping[str, str]) -> str:
    def value(match: re.Match[str]) -> str:
        name, sign, other = match[1] or match[2], match[3], match[4] or ""
        if sign == "+":
            return _expanded(other, known) if known.get(name) else ""
        if name in known and (known[name] or sign != "-"):
            return known[name]
        return _expanded(other, known) if sign == "-" else ""

    return VARIABLE.sub(value, text)


def _exec_form(text: str) -> tuple[str, ...] | None:
    """Return the words of a list of JSON; None for what Docker runs in a shell, like `[ -d /x ] || mkdir /x`."""
    try:
        words = json.loads(text)
    except ValueError:
        return None
    return tuple(map(str, words)) if isinstance(words, list) else None


def _joined(folder: PurePosixPath, path: str) -> PurePosixPath:
    return PurePosixPath(posixpath.normpath(folder / path))


def _words(text: str) -> tuple[str, ...]:
    """Return the words of an instruction, which may be a list of JSON."""
    return tuple(json.loads(text) if text.startswith("[") else shlex.split(text))


def _with(stage: Stage, step: Step) -> Stage:
    return replace(stage, steps=(*stage.steps, step))


def _noted(stage: Stage, notice: Text) -> Stage:
    return replace(stage, notices=(*stage.notices, notice))
