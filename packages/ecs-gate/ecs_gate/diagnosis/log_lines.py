"""Read an app's log lines: requests, errors, tracebacks, and where the app listens."""

import json
import re
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import takewhile

from ecs_gate.parts.task_logs import LogLine
from ecs_gate.text import Text, joined, t, verbatim

PLACE = r"(?:(?P<host>\[[^\]\s]+\]|[^\s:\[]*):|port )(?P<port>\d+)"

KILLED = re.compile(r"Worker \(pid:(?P<pid>\d+)\) was sent SIGKILL")
HUNG = re.compile(r"WORKER TIMEOUT \(pid:(?P<pid>\d+)\)")
"""What gunicorn's master says of a worker that was killed, and before it kills one itself (gunicorn/arbiter.py)."""


def killed_workers(lines: Iterable[LogLine]) -> tuple[str, ...]:
    """Return the lines about gunicorn's workers that the kernel has killed: it kills for memory."""
    workers, hung = [], set()
    for line in lines:
        if match := HUNG.search(line.text):
            hung.add(match["pid"])
        elif (match := KILLED.search(line.text)) and match["pid"] not in hung:
            workers.append(line.text)
    return tuple(workers)


BOOTS = "Booting worker with pid"
MEANT = re.compile(
    r"WORKER TIMEOUT \(pid:|was sent SIG|Autorestarting worker|Handling signal: (?:hup|ttin|usr2)"
)
"""Why gunicorn starts a worker beside those of its own start, other than that one has ended by itself."""
ENDED = re.compile(r"Worker \(pid:\d+\) exited with code (?P<code>\d+)")
"""What its main process says of a worker's end; of one with code 0 it says nothing (gunicorn/arbiter.py)."""
STARTED = timedelta(seconds=2)
"""The time in which it starts its first workers."""


def replaced_workers(lines: Sequence[LogLine]) -> tuple[str, ...]:
    """Return the lines of gunicorn's workers that started after another one had ended by itself."""
    boots = [line for line in lines if BOOTS in line.text]
    if any(MEANT.search(line.text) for line in lines):
        return ()
    return tuple(boot.text for boot in boots if boot.at - boots[0].at >= STARTED)


LOCK_WAIT = "canceling statement due to lock timeout"
"""PostgreSQL's words (errcode 55P03) for a statement that waited for a lock longer than lock_timeout."""

SERVERS = re.compile(
    r"(?:Listening at|(?:Uvicorn r|R)unning on|Serving on|Starting development server at):? (?=https?://)(?P<places>.*)"
)
"""What gunicorn, Flask, uvicorn, hypercorn, waitress and Django say of the sockets that they have opened."""

UWSGI_SOCKET = re.compile(
    rf"(?:uWSGI http bound on|uwsgi socket \d+ bound to TCP address) {PLACE} fd"
)
"""What uWSGI says of them. The socket between its own router and the workers has another line, "(port
auto-assigned)"."""

SOCKET = re.compile(rf"https?://{PLACE}")

LISTENS = re.compile(rf"(?i)\blisten(?:s|ing) on (?:\w+://)?{PLACE}")
"""What an app says of itself."""

EVERYWHERE = re.compile(r"Running on all addresses \((?P<host>\S+)\)")
"""Flask's server says this first, and then names single addresses."""


@dataclass(frozen=True)
class Listening:
    """When the app logged that it listens, on which port, and on which ``hosts`` as far as it names them."""

    at: datetime
    port: int
    line: str
    hosts: tuple[str, ...] = ()


def listening(lines: Iterable[LogLine]) -> Listening | None:
    """Return the first line that names the port on which the app listens, and all hosts that it names for it.

    What the server says of its sockets outweighs what the app says of itself, which may only repeat a setting.
    """
    lines = tuple(lines)
    for places in (_sockets, _claimed):
        named = [(line, place) for line in lines for place in places(line.text)]
        if named:
            (line, (_, port)), *_ = named
            everywhere = [
                match["host"] for each in lines if (match := EVERYWHERE.search(each.text))
            ]
            hosts = [host.strip("[]") for _, (host, its) in named if host and its == port]
            return Listening(line.at, port, line.text, (*everywhere, *hosts))
    return None


def _sockets(text: str) -> list[tuple[str, int]]:
    """Return the hosts and ports of the sockets that a server has opened, as its line names them."""
    match = SERVERS.search(text)
    places = SOCKET.finditer(match["places"]) if match else UWSGI_SOCKET.finditer(text)
    return [(place["host"] or "", int(place["port"])) for place in places]


def _claimed(text: str) -> list[tuple[str, int]]:
    """Return the host ("" where none is named) and port on which an app says that it listens; at most one."""
    fields = parsed(text)
    if str(fields.get("message", "")).lower().startswith("listening") and fields.get("port"):
        return [(fields.get("host", ""), int(fields["port"]))]
    match = LISTENS.search(text)
    return [(match["host"] or "", int(match["port"]))] if match else []


def parsed(text: str) -> dict[str, str]:
    """Return the fields of a JSON line; {} for any other line."""
    if not text.startswith("{"):
        return {}
    try:
        content = json.loads(text)
    except ValueError:
        return {}
    return {key: str(value) for key, value in content.items()} if isinstance(content, dict) else {}


FRAME = re.compile(r'\s*File "(?P<file>[^"<]+)", line (?P<line>\d+)')

LIBRARY = re.compile(r"/(site|dist)-packages/|/lib/python\d|/(usr|local|\.?venv)/bin/")

RAISED = re.compile(r"(?P<error>[A-Za-z_][\w.]*)(?:: (?P<words>.*))?$")
"""A traceback's last line; those before it are indented."""


@dataclass(frozen=True)
class Raised:
    """An exception of the app: its last frame in the app's own code, and the two lines of that frame."""

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


def raised(texts: Iterable[str], folder: str = "") -> Raised | None:
    """Return the last traceback that passes through the app's own code; None without one.

    A file in the app's ``folder`` is named from there, any other one as in the image.
    A screen's line is too short for a JSON line's traceback, and a server adds lines after it.
    """
    lines = [line for text in texts for line in parsed(text).get("traceback", text).splitlines()]
    for number in reversed(range(len(lines))):
        frame = FRAME.match(lines[number])
        if frame and not LIBRARY.search(frame["file"]):
            name, message = _exception(lines[number + 1 :])
            own = tuple(line.strip() for line in lines[number : number + 2])
            file = frame["file"]
            _, _, inside = file.partition(f"/{folder}/") if folder else ("", "", "")
            file = f"{folder}/{inside}" if inside else file
            return Raised(name, message, file, int(frame["line"]), own)
    return None


def _exception(lines: Iterable[str]) -> tuple[str, str]:
    """Return the name, without its module, and the message of the exception that ends a traceback."""
    for line in lines:
        if match := RAISED.match(line):
            return match["error"].rpartition(".")[2], (match["words"] or "").strip()
    return "Exception", ""


ERROR = re.compile(r"\b(ERROR|CRITICAL|FATAL)\b|^[\w.]*(Error|Exception)\b")


def errors(lines: Iterable[LogLine]) -> tuple[str, ...]:
    """Return the last three lines of level error, in JSON or not; of a traceback the last line."""
    texts = []
    for text in (line.text for line in lines):
        fields = parsed(text)
        if fields.get("level", "").lower() in ("error", "critical"):
            texts.append((fields.get("traceback") or text).splitlines()[-1])
        elif not fields and ERROR.search(text):
            texts.append(text)
    return tuple(dict.fromkeys(texts))[-3:]


REQUEST = re.compile(
    r'"[A-Z]+ (?P<path>\S+) HTTP/[\d.]+" (?P<status>\d{3})\b'
    r"|\] [A-Z]+ (?P<uwsgi_path>\S+) => generated \d+ bytes in \d+ msecs \(HTTP/[\d.]+ (?P<uwsgi_status>\d{3})\)"
)
"""A request in the common log format, as gunicorn, Werkzeug and Uvicorn write it, and as uWSGI does."""


@dataclass(frozen=True)
class Request:
    """A request in the app's log; ``path`` is without its query."""

    at: datetime
    path: str
    status: int


def requests(lines: Iterable[LogLine]) -> Iterator[Request]:
    """Yield the requests of a log in its order: of JSON lines and of the common log format."""
    for line in lines:
        fields, match = parsed(line.text), REQUEST.search(line.text)
        if fields.get("status", "").isdigit() and "path" in fields:
            yield Request(line.at, _plain(fields["path"]), int(fields["status"]))
        elif match:
            path, status = (
                match["path"] or match["uwsgi_path"],
                match["status"] or match["uwsgi_status"],
            )
            yield Request(line.at, _plain(path), int(status))


FAILURES_IN_A_ROW = 3
"""Requests in a row that must fail before that is a cause; as often the gate asks."""


@dataclass(frozen=True)
class FailingPath:
    """The requests for one path, oldest first, and how many of the newest failed in a row."""

    path: str
    requests: tuple[Request, ...]
    failing: int

    @property
    def fails(self) -> bool:
        """Whether so many did that it is a cause."""
        return self.failing >= FAILURES_IN_A_ROW

    def cause(self, raised: Raised | None) -> Raised | None:
        """Return what the app ``raised`` meanwhile, where its newest request ended with 500 for that."""
        return raised if self.requests[-1].status == 500 else None

    def text(self, raised: Raised | None) -> Text:
        """Return how its newest request ended, and for which error that the app ``raised``."""
        ends = t("{path} ends with {status}", path=self.path, status=self.requests[-1].status)
        cause = self.cause(raised)
        return joined(": ", (ends, cause.text)) if cause else ends


def failing_paths(answers: Iterable[Request], answered: Container[str] = ()) -> list[FailingPath]:
    """Return the paths whose newest request failed, those that are a cause, and failed last, first.

    It did with 5xx, and with any other status than 2xx and 304 where another version ``answered`` the path.
    """
    by_path: dict[str, list[Request]] = {}
    for answer in sorted(answers, key=lambda request: request.at):
        by_path.setdefault(answer.path, []).append(answer)
    failing = []
    for path, asked in by_path.items():
        fails = is_no_page if path in answered else is_error
        if row := [*takewhile(fails, reversed(asked))]:
            failing.append(FailingPath(path, tuple(asked), len(row)))
    return sorted(failing, key=lambda path: (path.fails, path.requests[-1].at), reverse=True)


def is_error(request: Request) -> bool:
    return request.status >= 500


def is_no_page(request: Request) -> bool:
    """Return whether it got neither what it asked for nor that it has not changed (304)."""
    return request.status not in (*range(200, 300), 304)


def _plain(path: str) -> str:
    return path.partition("?")[0]


def asked_path(lines: Iterable[LogLine], status: int) -> str | None:
    """Return the path of the last request in the app's log that was answered with this status."""
    paths = [request.path for request in requests(lines) if request.status == status]
    return paths[-1] if paths else None
