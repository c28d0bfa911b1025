"""Reads what a Dockerfile's last stage has and runs, for tasks that run without Docker.

dockerfile-parse (release-engineering) splits a Dockerfile into instructions, without heredocs and flags; it does not
evaluate COPY, RUN and stages, which is nearly all of this.
"""

from __future__ import annotations

import json
import posixpath
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

from tools.i18n import Refused, Text, joined, t
from tools.local_cloud.building import files, packages
from tools.local_cloud.building.files import Copy, Move, placed
from tools.local_cloud.building.instructions import (
    HEREDOC,
    Instruction,
    instructions,
    meant,
    misspelt,
    nearest,
)
from tools.local_cloud.building.run import (
    FILE_TOOLS,
    Install,
    Program,
    RunReader,
    note,
    read_text,
    words_of,
)

ROOT = PurePosixPath("/")
SHELL = ("/bin/sh", "-c")
PATH = "/usr/local/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""PATH of the official Python image."""
STOP_SIGNAL = "SIGTERM"
NO_EFFECT = ("EXPOSE", "HEALTHCHECK", "LABEL", "MAINTAINER")
"""Instructions that neither add files nor change how the command starts. ECS ignores HEALTHCHECK, too."""
PYTHON = re.compile(r"(?:\S+/)?(?:python(?:[:@]\S+)?|uv:(?:\S+-)?python\S+)")
"""The official Python image and uv's that is made from it, from any registry."""
TAG = re.compile(
    r"\w+(:((python)?\d|latest|slim|alpine|bookworm|trixie|bullseye|buster|rc)[^@]*)?(@.+)?"
)
"""The name of such an image with a tag that it can have."""
UV_IMAGE = re.compile(r"(?:\S+/)?uv(?:[:@]\S+)?")
ARCHIVE = re.compile(r".*\.(tar|tgz|tar\.(gz|bz2|xz|zst))")


class DockerfileError(Refused):
    """The Dockerfile cannot be run without Docker. The message has all problems, with file, line and rule."""


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A stage: its working folder, ENTRYPOINT, CMD, variables, user, files, packages and programs.

    ``system`` are programs of the system that the image has here, too. ``notices`` say what is left out,
    ``problems`` what is wrong.
    ``foreign`` is the problem of a base image other than Python's, which matters if the stage is the last one.
    """

    workdir: PurePosixPath = ROOT
    entry_point: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    environment: Mapping[str, str]
    user: str | None = None
    shell: tuple[str, ...] = SHELL
    stop_signal: str = STOP_SIGNAL
    copies: tuple[Copy, ...] = ()
    installs: tuple[Install, ...] = ()
    programs: tuple[Program, ...] = ()
    venvs: tuple[PurePosixPath, ...] = ()
    exports: Mapping[PurePosixPath, Install]
    volumes: tuple[str, ...] = ()
    system: frozenset[str] = frozenset()
    notices: tuple[Text, ...] = ()
    problems: tuple[Text, ...] = ()
    foreign: Text | None = None


def read(
    file: Path, arguments: Mapping[str, str], context: Path | None = None, target: str = ""
) -> Stage:
    """Return the stage ``target`` of ``file`` (empty: the last one), built from the files of ``context``.

    Without a context these are the files beside the Dockerfile.

    Raises ``DockerfileError`` with all problems.
    """
    context = context or file.parent
    reader = _Reader(arguments, context)
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
    problems += [
        *stage.problems,
        *files.missing(context, stage.copies),
        *packages.missing(context, stage.installs),
    ]
    if not stage.entry_point + stage.command and not problems:
        problems.append(t("{file}: the stage has neither CMD nor ENTRYPOINT", file=name))
    if problems:
        raise DockerfileError(joined("\n", sorted(dict.fromkeys(problems), key=_line)))
    return stage


def left_out(notices: Sequence[Text]) -> Text:
    """Return the message that says what of a Dockerfile the image does not have here."""
    heading = t(
        "Without a Docker engine the Dockerfile is read, not built. What is left out may be missing here only:"
    )
    return joined("\n  ", (heading, *notices))


def _line(problem: Text) -> int:
    """Return the line of the Dockerfile that a problem begins with."""
    found = re.match(r"\S*:(\d+):", str(problem))
    return int(found[1]) if found else 0


class _Reader:
    """Evaluates the instructions in order. Earlier stages are kept for FROM and ``--from``."""

    def __init__(self, given: Mapping[str, str], context: Path) -> None:
        self.given, self.context = given, context
        self.before_from: dict[str, str] = {}
        self.arguments: dict[str, str] = {}
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
            inherited = self.before_from.get(name, "")
            known[name] = self.given.get(name, self.expand(default) if equals else inherited)

    def start(self, line: Instruction) -> None:
        if self.stage is not None:
            self.keep(self.stage)
            self.count += 1
        self.stage, self.has_command, self.arguments = None, False, {}
        base, *name = _expanded(line.rest, {**self.before_from}).split()
        self.label = name[1].lower() if len(name) > 1 and name[0].upper() == "AS" else ""
        if len(name) not in (0, 2) or (name and not self.label):
            near = "AS" if name and nearest(name[0].upper(), ("AS",)) else None
            rule = t("FROM takes an image, or IMAGE AS NAME")
            self.problems.append(line.problem(meant(rule, near)))
        earlier = self.stages.get(base.lower())
        self.stage = earlier or self._from_image(line, base)

    def keep(self, stage: Stage) -> None:
        """Keep the stage that ends here by its name and its number."""
        self.stages |= {each: stage for each in (self.label, str(self.count)) if each}

    def _from_image(self, line: Instruction, base: str) -> Stage:
        foreign = None
        if not PYTHON.fullmatch(base):
            near = nearest(base, (*self.stages, "python"))
            rule = t(
                "without Docker the base image of the last stage must be named python; a Docker engine runs any "
                "(--tasks docker)"
            )
            short = nearest(base.partition(":")[0], (*self.stages, "python"))
            foreign = line.problem(meant(rule, near or short))
        elif not TAG.fullmatch(base.rpartition("/")[2]):
            rule = t(
                "there is no image {image}: a tag begins with a version, as 3.13-slim", image=base
            )
            foreign = line.problem(rule)
        # Alpine's busybox has nc.
        system = frozenset({"nc"} if "alpine" in base else ())
        return Stage(environment={"PATH": PATH}, exports={}, foreign=foreign, system=system)

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
                return _noted(stage, line, f"ONBUILD {line.rest}")
        return replace(stage, **self.configured(stage, line, self.expand(line.rest)))

    def configured(self, stage: Stage, line: Instruction, rest: str) -> dict[str, Any]:
        """Return what an instruction about the container's configuration changes."""
        match line.word:
            case "ENV":
                return {"environment": {**stage.environment, **self.pairs(line)}}
            case "WORKDIR":
                return {"workdir": _joined(stage.workdir, rest.strip("\"'"))}
            case "VOLUME":
                return {"volumes": stage.volumes + _words(rest)}
            case "SHELL":
                return {"shell": tuple(map(str, json.loads(line.rest)))}
            case "STOPSIGNAL":
                return {"stop_signal": rest}
        return {"user": rest}

    def command(self, stage: Stage, line: Instruction) -> tuple[str, ...]:
        """Return the words of the exec form; a shell form runs in the shell (Dockerfile reference, SHELL)."""
        try:
            words = json.loads(line.rest)
        except ValueError:
            words = None
            if re.match(r"\[\s*['\"]", line.rest):
                rule = t(
                    'it is no valid JSON, so Docker runs it in a shell; write ["PROGRAM", "WORD"]'
                )
                self.problems.append(line.problem(rule))
        return tuple(map(str, words)) if isinstance(words, list) else (*stage.shell, line.rest)

    def copied(self, stage: Stage, line: Instruction) -> Stage:
        *sources, target = _words(self.expand(line.rest)) or ("",)
        if not sources:
            rule = t("it needs a source and a destination")
            return replace(stage, problems=(*stage.problems, line.problem(rule)))
        place = _joined(stage.workdir, target)
        if (origin := line.flag("from")) is not None:
            return self.copied_from(stage, line, self.expand(origin), sources, place)
        into = target.endswith("/") or stage.workdir.is_relative_to(place)
        kept = []
        for source in sources:
            if found := HEREDOC.fullmatch(source):
                text = line.heredocs[found["name"]]
                whole = place / found["name"] if into else place
                made = Copy(sources=(), target=whole, into_folder=False, text=text)
                stage = replace(stage, copies=(*stage.copies, made))
            elif re.match(r"https?://|git@|ssh://", source) or (
                line.word == "ADD" and ARCHIVE.fullmatch(source)
            ):
                stage = _noted(stage, line, f"{line.word} {source}")
            else:
                kept.append(source)
        excluded = tuple(value for name, value in line.flags if name == "exclude")
        made = Copy(
            sources=tuple(kept),
            target=place,
            into_folder=into or len(sources) > 1,
            place=line.place,
            excluded=excluded,
            parents=line.flag("parents") is not None,
        )
        return replace(stage, copies=(*stage.copies, made))

    def copied_from(
        self, stage: Stage, line: Instruction, origin: str, sources: list[str], place: PurePosixPath
    ) -> Stage:
        """Return the stage with what an earlier one has of ``sources``: files of the context, venvs, packages."""
        earlier = self.stages.get(origin.lower())
        if earlier is None:
            near = nearest(origin.lower(), tuple(self.stages))
            if near and "/" not in origin and ":" not in origin:
                rule = t("no earlier stage is named {name}", name=origin)
                return replace(stage, problems=(*stage.problems, line.problem(meant(rule, near))))
            if UV_IMAGE.fullmatch(origin):
                return stage
            return _noted(stage, line, f"COPY --from={origin} {line.rest}")
        # The packages that an earlier stage installed are in a venv, which this COPY may copy.
        into = len(sources) > 1 or line.rest.rstrip(']"').endswith(("/", " ."))
        moves = [Move(str(_joined(ROOT, each)), place, into) for each in sources]
        venvs = (each.path(venv) for each in moves for venv in earlier.venvs)
        exports = {
            found: export
            for each in moves
            for path, export in earlier.exports.items()
            if (found := each.path(path))
        }
        # The copied files are those of the context: what a program makes of them is not.
        notices = [each.notice for each in earlier.programs if each.words[0] not in FILE_TOOLS]
        return replace(
            stage,
            copies=(*stage.copies, *_copies_of(earlier, moves)),
            installs=_both(stage.installs, earlier.installs),
            venvs=_both(stage.venvs, filter(None, venvs)),
            exports={**stage.exports, **exports},
            notices=_both(stage.notices, (*earlier.notices, *notices)),
            problems=_both(stage.problems, earlier.problems),
        )

    def run(self, stage: Stage, line: Instruction) -> Stage:
        mounts = [value for name, value in line.flags if name == "mount" and "bind" in value]
        copies = tuple(_mounted(each, stage, line) for each in mounts if "from=" not in each)
        script = line.rest
        if script.startswith("["):
            script = " ".join(words_of(script))
        if whole := HEREDOC.fullmatch(line.rest):
            script = line.heredocs[whole["name"]]
        texts = _Texts(self.context, (*stage.copies, *copies))
        reader = RunReader(
            line,
            workdir=stage.workdir,
            environment={**self.arguments, **stage.environment},
            copies=(*stage.copies, *copies),
            text_of=texts.read,
            has=texts.has,
            exports=stage.exports,
            system=stage.system,
        )
        found = reader.read(self.expand(script, keep=True))
        notices = [note(line, f"RUN {'; '.join(found.left_out)}")] if found.left_out else []
        notices += found.warnings
        programs = [replace(each, after=len(stage.copies)) for each in found.programs]
        return replace(
            stage,
            installs=(*stage.installs, *found.installs),
            programs=(*stage.programs, *programs),
            venvs=_both(stage.venvs, found.venvs),
            exports={**stage.exports, **found.exports},
            system=found.system,
            notices=(*stage.notices, *notices),
            problems=(*stage.problems, *found.problems),
        )

    def pairs(self, line: Instruction) -> dict[str, str]:
        words = shlex.split(self.expand(line.rest))
        if words and "=" not in words[0]:
            if not words[1:]:
                self.problems.append(line.problem(t("it needs a name and a value: NAME=VALUE")))
            return {words[0]: " ".join(words[1:])}
        return {name: value for name, _, value in (word.partition("=") for word in words)}

    def expand(self, text: str, *, keep: bool = False) -> str:
        """Return the text with its variables; unknown ones are empty, or kept for the shell."""
        known = {**self.arguments, **(self.stage.environment if self.stage else {})}
        return _expanded(text, known, keep=keep)


VARIABLE = re.compile(r"(?<!\\)\$(?:(\w+)|\{(\w+)(?::?([-+])((?:[^{}]|\{[^}]*\})*))?\})")


def _expanded(text: str, known: Mapping[str, str], *, keep: bool = False) -> str:
    def value(match: re.Match[str]) -> str:
        name, sign, other = match[1] or match[2], match[3], match[4] or ""
        if sign == "+":
            return _expanded(other, known) if known.get(name) else ""
        if name in known and (known[name] or sign != "-"):
            return known[name]
        return _expanded(other, known) if sign == "-" else match[0] if keep else ""

    return VARIABLE.sub(value, text)


@dataclass
class _Texts:
    """Reads the files that a stage has of the context."""

    context: Path
    copies: tuple[Copy, ...]

    @cached_property
    def files(self) -> Mapping[PurePosixPath, Path]:
        return placed(self.context, self.copies)

    def read(self, path: PurePosixPath) -> str | None:
        return read_text(self.files.get(PurePosixPath(posixpath.normpath(path))))

    def has(self, path: PurePosixPath) -> bool:
        """Return whether the stage has a file or folder of this path or pattern."""
        path = PurePosixPath(posixpath.normpath(path))
        depth = len(path.parts)
        return any(
            fnmatchcase(str(PurePosixPath(*each.parts[:depth])), str(path)) for each in self.files
        )


def _joined(folder: PurePosixPath, path: str) -> PurePosixPath:
    return PurePosixPath(posixpath.normpath(folder / path))


def _words(text: str) -> tuple[str, ...]:
    """Return the words of an instruction, which may be a list of JSON."""
    return tuple(json.loads(text) if text.startswith("[") else shlex.split(text))


def _both(one: tuple[Any, ...], other: Iterable[Any]) -> tuple[Any, ...]:
    return (*one, *(each for each in other if each not in one))


def _noted(stage: Stage, line: Instruction, text: str) -> Stage:
    return replace(stage, notices=(*stage.notices, note(line, text)))


def _mounted(mount: str, stage: Stage, line: Instruction) -> Copy:
    """Return a bind mount of a RUN as if its file were copied."""
    fields = dict(each.partition("=")[::2] for each in mount.split(","))
    source = fields.get("source", fields.get("src", "."))
    target = fields.get("target", fields.get("dst", fields.get("destination", "")))
    return Copy(
        sources=(source,),
        target=_joined(stage.workdir, target),
        into_folder=False,
        place=line.place,
    )


def _copies_of(earlier: Stage, moves: Iterable[Move]) -> list[Copy]:
    """Return what an earlier stage copied from the context, as far as it is moved on."""
    return [replace(copy, moves=(*copy.moves, move)) for move in moves for copy in earlier.copies]
