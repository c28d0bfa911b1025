"""What a Dockerfile's last stage says of the container: enough to run the image's command without Docker."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from ops.texts import t

INSTRUCTIONS = {
    "ADD", "ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "FROM", "HEALTHCHECK",
    "LABEL", "MAINTAINER", "ONBUILD", "RUN", "SHELL", "STOPSIGNAL", "USER", "VOLUME", "WORKDIR",
}  # fmt: skip


class DockerfileError(Exception):
    """The Dockerfile cannot be read. The message names the line's words and the rule."""


@dataclass(frozen=True, kw_only=True)
class Copy:
    """Files of the context that the last stage takes over."""

    sources: tuple[str, ...]
    target: PurePosixPath
    into_folder: bool


@dataclass(frozen=True, kw_only=True)
class Stage:
    """The last stage: its folder, its command, its variables, its user and its copies of the context."""

    workdir: PurePosixPath
    command: tuple[str, ...]
    environment: dict[str, str]
    user: str | None
    copies: tuple[Copy, ...]


def read(file: Path, arguments: dict[str, str]) -> Stage:
    """The last stage of ``file``. Raises ``DockerfileError`` for what cannot be run without Docker."""
    reader = _Reader(arguments)
    for line in _logical_lines(file.read_text()):
        word, _, rest = line.partition(" ")
        if word.upper() not in INSTRUCTIONS:
            raise DockerfileError(
                t("{file}: {word!r} is no instruction", file=file.name, word=word)
            )
        reader.take(word.upper(), rest.strip())
    return reader.stage(file.name)


def _logical_lines(text: str) -> list[str]:
    kept = [line for line in text.splitlines() if not re.match(r"\s*#", line)]
    joined = re.sub(r"\\[ \t]*\n", " ", "\n".join(kept))
    return [line.strip() for line in joined.splitlines() if line.strip()]


class _Reader:
    """Takes one instruction after the other; what earlier stages copied is kept for ``--from``."""

    def __init__(self, arguments: dict[str, str]) -> None:
        self.arguments = dict(arguments)
        self.earlier: dict[str, list[Copy]] = {}
        self.label, self.copies = "", list[Copy]()
        self.start("")

    def start(self, rest: str) -> None:
        self.earlier[self.label] = self.copies
        number = str(len(self.earlier) - 1)
        words = rest.split()
        self.label = words[2] if len(words) > 2 and words[1].upper() == "AS" else number
        self.workdir = PurePosixPath("/")
        self.environment: dict[str, str] = {}
        self.entry: tuple[str, ...] = ()
        self.command: tuple[str, ...] = ()
        self.user: str | None = None
        self.copies = []

    def take(self, word: str, rest: str) -> None:
        match word:
            case "FROM":
                self.start(rest)
            case "ARG":
                name, _, default = rest.partition("=")
                self.arguments.setdefault(name, self.expand(default))
            case "ENV":
                self.environment |= self.pairs(rest)
            case "WORKDIR":
                self.workdir /= self.expand(rest)
            case "USER":
                self.user = self.expand(rest)
            case "CMD":
                self.command = self.exec_form(word, rest)
            case "ENTRYPOINT":
                self.entry = self.exec_form(word, rest)
            case "COPY" | "ADD":
                self.copy(rest)

    def copy(self, rest: str) -> None:
        words = shlex.split(self.expand(rest))
        stage = next((word[7:] for word in words if word.startswith("--from=")), None)
        *sources, target = [word for word in words if not word.startswith("--")]
        place = self.workdir / target
        if stage is not None:
            self.copies += self.taken_over(stage, sources, place)
            return
        into_folder = target.endswith("/") or target in (".", "./")
        self.copies.append(Copy(sources=tuple(sources), target=place, into_folder=into_folder))

    def taken_over(self, stage: str, sources: list[str], place: PurePosixPath) -> list[Copy]:
        """What an earlier stage had copied from the context below one of ``sources``."""
        return [
            replace(copy, target=place / copy.target.relative_to(source))
            for source in sources
            for copy in self.earlier.get(stage, [])
            if copy.target.is_relative_to(source)
        ]

    def pairs(self, rest: str) -> dict[str, str]:
        words = shlex.split(self.expand(rest))
        if words and "=" not in words[0]:
            return {words[0]: " ".join(words[1:])}
        return {name: value for name, _, value in (word.partition("=") for word in words)}

    def expand(self, text: str) -> str:
        known = {**self.arguments, **self.environment}
        return re.sub(r"\$\{?(\w+)(?::-([^}]*))?\}?", lambda m: known.get(m[1], m[2] or ""), text)

    @staticmethod
    def exec_form(word: str, rest: str) -> tuple[str, ...]:
        try:
            parts = json.loads(rest)
        except ValueError as problem:
            raise DockerfileError(
                t(
                    '{word} {rest}: use the exec form, {word} ["program", "argument"]: '
                    "a shell in front swallows SIGTERM",
                    word=word,
                    rest=rest,
                )
            ) from problem
        return tuple(map(str, parts))

    def stage(self, name: str) -> Stage:
        command = self.entry + self.command
        if not command:
            raise DockerfileError(
                t("{file}: the last stage has neither CMD nor ENTRYPOINT", file=name)
            )
        return Stage(
            workdir=self.workdir,
            command=command,
            environment=self.environment,
            user=self.user,
            copies=tuple(self.copies),
        )
