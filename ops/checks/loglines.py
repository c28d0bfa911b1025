"""What a line of the app's log tells: known causes of failure, and where the app listens."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from i18n import Text, joined, t, verbatim
from ops.checks.known import KNOWN, Known
from ops.snapshot.surroundings import Line

SERVER = r"(?:(?P<host>\[[^\]\s]+\]|[^\s:\[]*):|port )(?P<port>\d+)"
LISTENS = tuple(
    re.compile(words + SERVER)
    for words in (
        r"Listening at: https?://",
        r"Running on https?://",
        r"Uvicorn running on https?://",
        r"Serving on https?://",
        r"(?i)\blisten(?:s|ing) on (?:\w+://)?",
    )
)
EVERYWHERE = re.compile(r"Running on all addresses \((?P<host>\S+)\)")
"""Flask's server says this first, and then names single addresses."""


@dataclass(frozen=True)
class Told:
    """A known cause and the line that gave it away."""

    known: Known
    what: str
    line: str

    @property
    def title(self) -> Text:
        """Return the cause's title, with what the line names."""
        return self._filled(self.known.title)

    @property
    def fix(self) -> Text:
        """Return the cause's fix, with what the line names."""
        return self._filled(self.known.fix)

    def _filled(self, text: Text) -> Text:
        return Text(text.template, (*text.values, ("what", self.what)))


def told(lines: Sequence[Line]) -> Told | None:
    """What the log says of why the app ended: the last line that is known."""
    for line in reversed(lines):
        for known in KNOWN:
            if match := known.pattern.search(line.text):
                groups = [each for each in match.groupdict().values() if each]
                return Told(known, groups[0].strip() if groups else "", line.text)
    return None


@dataclass(frozen=True)
class Listening:
    """When the app said that it listens, and where: on ``hosts``, as far as it names them."""

    at: datetime
    port: int
    line: str
    hosts: tuple[str, ...] = ()


def listening(lines: Iterable[Line]) -> Listening | None:
    """The first line in which the app says on which port it listens, and all hosts that it names for that."""
    lines = tuple(lines)
    for line in lines:
        if (found := _place(line.text)) is not None:
            port = found[1]
            return Listening(line.at, port, line.text, tuple(_hosts(lines, port)))
    return None


def _hosts(lines: Iterable[Line], port: int) -> Iterator[str]:
    for line in lines:
        if match := EVERYWHERE.search(line.text):
            yield match["host"]
        found = _place(line.text)
        if found is not None and found[0] and found[1] == port:
            yield found[0].strip("[]")


def _place(text: str) -> tuple[str, int] | None:
    """Host ("" where none is named) and port on which the app listens, as a line says it."""
    fields = parsed(text)
    if str(fields.get("message", "")).lower().startswith("listening") and fields.get("port"):
        return fields.get("host", ""), int(fields["port"])
    for pattern in LISTENS:
        if match := pattern.search(text):
            return match["host"] or "", int(match["port"])
    return None


def parsed(text: str) -> dict[str, str]:
    """The fields of a JSON line; {} for any other line."""
    if not text.startswith("{"):
        return {}
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return {key: str(value) for key, value in found.items()} if isinstance(found, dict) else {}


FRAME = re.compile(r'\s*File "(?P<file>[^"<]+)", line (?P<line>\d+)')
LIBRARY = re.compile(r"/(site|dist)-packages/|/lib/python\d")
RAISED = re.compile(r"(?P<error>[A-Za-z_][\w.]*)(?:: (?P<words>.*))?$")
"""A traceback's last line; those before it are indented."""
WEBAPP = "/app/webapp/"
"""Where the image of webapp/ has it (webapp/Dockerfile); another app's files are named as in its image."""


@dataclass(frozen=True)
class Raised:
    """An exception of the app: where in the app's own code it passed last, and the two lines that say so."""

    error: str
    words: str
    file: str
    line: int
    frame: tuple[str, ...]

    @property
    def text(self) -> Text:
        """Return it in one sentence, without a dot."""
        where = t(
            "{error} in {file}, line {line}", error=self.error, file=self.file, line=self.line
        )
        return joined(": ", (where, verbatim(self.words))) if self.words else where


def raised(texts: Iterable[str]) -> Raised | None:
    """Return the last traceback that passes through the app's own code; None without one.

    A screen's line is too short for a JSON line's traceback, and a server adds lines after it.
    """
    lines = [line for text in texts for line in parsed(text).get("traceback", text).splitlines()]
    for number in reversed(range(len(lines))):
        frame = FRAME.match(lines[number])
        if frame and not LIBRARY.search(frame["file"]):
            name, words = _exception(lines[number + 1 :])
            own = tuple(line.strip() for line in lines[number : number + 2])
            file = frame["file"]
            file = file.removeprefix("/app/") if file.startswith(WEBAPP) else file
            return Raised(name, words, file, int(frame["line"]), own)
    return None


def _exception(lines: Iterable[str]) -> tuple[str, str]:
    """The name, without its module, and the words of the exception with which a traceback ends."""
    for line in lines:
        if match := RAISED.match(line):
            return match["error"].rpartition(".")[2], (match["words"] or "").strip()
    return "Exception", ""


ERROR = re.compile(r"\b(ERROR|CRITICAL|FATAL)\b|^[\w.]*(Error|Exception)\b")


def errors(lines: Iterable[Line], most: int = 3) -> tuple[str, ...]:
    """The last lines of level error, in JSON or not; of one with a traceback that one's last line."""
    found = []
    for text in (each.text for each in lines):
        fields = parsed(text)
        if fields.get("level", "").lower() in ("error", "critical"):
            found.append((fields.get("traceback") or text).splitlines()[-1])
        elif not fields and ERROR.search(text):
            found.append(text)
    return tuple(dict.fromkeys(found))[-most:]


def slowest(lines: Iterable[Line], path: str) -> float | None:
    """Seconds of the slowest answer to ``path`` that the app's own log tells."""
    times = [
        float(fields["duration_ms"]) / 1000
        for fields in map(parsed, (each.text for each in lines))
        if _plain(fields.get("path", "")) == _plain(path) and "duration_ms" in fields
    ]
    return max(times, default=None)


REQUEST = re.compile(r'"(?:[A-Z]+) (?P<path>\S+) HTTP/[\d.]+" (?P<status>\d{3})\b')
"""A request in the common log format, as gunicorn writes it."""


@dataclass(frozen=True)
class Request:
    """A request that the app says it answered; ``path`` is without its query."""

    at: datetime
    path: str
    status: int


def requests(lines: Iterable[Line]) -> Iterator[Request]:
    """Yield the requests of a log in its order: of JSON lines and of the common log format."""
    for each in lines:
        fields, match = parsed(each.text), REQUEST.search(each.text)
        if fields.get("status", "").isdigit() and "path" in fields:
            yield Request(each.at, _plain(fields["path"]), int(fields["status"]))
        elif match:
            yield Request(each.at, _plain(match["path"]), int(match["status"]))


def _plain(path: str) -> str:
    return path.partition("?")[0]


def asked_path(lines: Iterable[Line], status: int) -> str | None:
    """The path of the last request that the app says it answered with this status."""
    found = [each.path for each in requests(lines) if each.status == status]
    return found[-1] if found else None
