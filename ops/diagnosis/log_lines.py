"""Read an app's log lines: requests, errors, and messages of libraries with a known cause."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from i18n import Text, joined, t, verbatim
from ops.snapshot.task_logs import Line


@dataclass(frozen=True)
class Known:
    """A cause that a log line identifies. ``about`` is app, database or system."""

    id: str
    pattern: re.Pattern[str]
    title: Text
    why: Text
    fix: Text
    about: str = "app"


def _known(id_: str, pattern: str, title: Text, why: Text, fix: Text, about: str = "app") -> Known:
    return Known(id_, re.compile(pattern, re.I), title, why, fix, about)


KNOWN = (
    _known(
        "exec-format",
        r"exec format error",
        t("The image is built for another processor than the task runs on"),
        t("The processor cannot run the program in the image."),
        t("Set cpuArchitecture in the stack file; it applies to the image and the task."),
        "system",
    ),
    _known(
        "module-missing",
        r"ModuleNotFoundError: No module named '?(?P<what>[\w.]+)",
        t("A Python module is missing in the image: {what}"),
        t("The app ends while it loads."),
        t(
            "Add it to the packages that the Dockerfile installs (in webapp: "
            "requirements.in, then `make lock`), or fix the import; then deploy."
        ),
    ),
    _known(
        "worker-class",
        r"class uri '(?P<what>[^']+)' invalid or not found",
        t("gunicorn has no worker class {what}"),
        t("gunicorn ends before it loads the app."),
        t(
            "Correct worker_class in gunicorn's configuration (in webapp: gunicorn.conf.py), or add the package "
            "that brings it; then deploy."
        ),
    ),
    _known(
        "variable-missing",
        r"(?P<what>[A-Z][A-Z0-9_]{2,}) is missing\b|KeyError: '(?P<also>[A-Z][A-Z0-9_]{2,})'",
        t("The environment variable {what} is not set"),
        t("The app refuses to start without it."),
        t(
            "Set it by `pulumi config set --path appVariables.{what} VALUE`, or, where the stack sets "
            "it, in infra/container.py; then deploy."
        ),
    ),
    _known(
        "setting-wrong",
        r"cannot start: (?P<what>[A-Z][A-Z0-9_]+ is [^;\"]+)",
        t("The app refuses a setting: {what}"),
        t("The app checks its environment before it starts."),
        t("Correct the variable, in appVariables or in infra/container.py, and deploy."),
    ),
    _known(
        "address-in-use",
        r"Address already in use|\[Errno 98\]",
        t("Two processes of the task use the same port"),
        t("The second one cannot listen and ends."),
        t("Let only one process of the task listen on the port."),
    ),
    _known(
        "read-only-root",
        r"Read-only file system:? ?'?(?P<what>[^'\"]*)",
        t("The app writes to the read-only root file system: {what}"),
        t("A task can write below /tmp only, which is empty at its start and deleted with it."),
        t(
            "Let the app write below /tmp; data that must stay belongs in the database or in S3. "
            "Then deploy."
        ),
    ),
    _known(
        "sqlite",
        # SQLite's message names no file (sqlite.org/rescode.html, SQLITE_CANTOPEN and SQLITE_READONLY).
        r"sqlite.*(?P<what>unable to open database file|attempt to write a readonly database)",
        t("SQLite cannot write its database file: {what}"),
        t(
            "The container's root file system is read-only, and a file below /tmp is lost with its task."
        ),
        t(
            "Let the app use the stack's PostgreSQL (DB_HOST, DB_NAME) instead of SQLite, and deploy."
        ),
    ),
    _known(
        "permission",
        r"\[Errno 13\] Permission denied:? ?'?(?P<also>[^'\"]*)",
        t("The app has no permission to write to a path: {what}"),
        t("The container's root is read-only and its user is 10001; only /tmp can be written."),
        t("Let the app write to /tmp, or add a volume in infra/task.py."),
    ),
    _known(
        "no-temporary-folder",
        r"No usable temporary directory",
        t("The app has no writable folder for temporary files"),
        t("On Fargate /tmp belongs to root, unless the image declares it as a volume."),
        t("Add VOLUME /tmp to the Dockerfile and deploy."),
    ),
    _known(
        "wrong-password",
        r"password authentication failed for user \\?\"(?P<what>[^\"\\]+)",
        t("The database refuses the password of {what}"),
        t("The password in the secret is not the database's, or the task holds an old one."),
        t(
            "Start new tasks, which read the secret again; if the error persists, let "
            "RDS rotate the password."
        ),
        "database",
    ),
    _known(
        "no-tls",
        r"no pg_hba\.conf entry .*?(?P<what>no encryption|SSL off)|server does not support SSL",
        t("The app connects without TLS, and the database refuses that"),
        t(
            "RDS for PostgreSQL refuses plain connections while rds.force_ssl is 1, its default "
            "from PostgreSQL 15 on."
        ),
        t("Remove DB_SSLMODE from the task definition; the app's default is verify-full."),
        "database",
    ),
    _known(
        "pg-hba",
        r"no pg_hba\.conf entry for (?P<what>[^\"]+)",
        t("The database's pg_hba.conf has no entry for this connection: {what}"),
        t("No rule allows this user, database and address."),
        t("Check DB_USER and DB_NAME, and rds.force_ssl."),
        "database",
    ),
    _known(
        "certificate",
        r"certificate verify failed|root certificate file .* does not exist",
        t("The app does not trust the database's certificate"),
        t(
            "sslmode verify-full needs the CA that signed the certificate; RDS changes "
            "its CAs from time to time."
        ),
        t(
            "Renew RDS's CA bundle in the image (in webapp: certs/rds-ca.pem) and deploy; check which "
            "file the app names (DB_SSLROOTCERT)."
        ),
        "database",
    ),
    _known(
        "database-unknown",
        r"database \\?\"(?P<what>[^\"\\]+)\\?\" does not exist",
        t("There is no database named {what}"),
        t("The server exists, but it has no such database."),
        t("Correct DB_NAME in infra/container.py, or create the database."),
        "database",
    ),
    _known(
        "host-unknown",
        r"could not translate host name \\?\"(?P<what>[^\"\\]+)|failed to resolve host '(?P<also>[^']+)",
        t("The database's host name does not resolve: {what}"),
        t("DB_HOST is misspelt, or the database was recreated under another name."),
        t("Correct DB_HOST in infra/container.py: it is the instance's endpoint. Then deploy."),
        "database",
    ),
    _known(
        "too-many-connections",
        r"too many (clients|connections)|remaining connection slots are reserved",
        t("The database has no free connection"),
        t("max_connections are open, by the tasks of this stack or by other clients."),
        t(
            "End unneeded sessions, run fewer tasks, or set a larger "
            "databaseInstanceClass. This lists the connections by user and address:"
        ),
        "database",
    ),
    _known(
        "database-timeout",
        r"connection timeout expired|(could not connect|connection to server).*(timed out|timeout)",
        t("The app cannot reach the database: the connection times out"),
        t(
            "There is no answer: a security group drops the connection, or the database "
            "is not running."
        ),
        t("Allow the tasks' security group in the database's security group, on its port."),
        "database",
    ),
    _known(
        "database-refused",
        r"connection to server.*Connection refused|could not connect.*Connection refused",
        t("The database refuses the connection"),
        t("Its host answers, but no server listens on that port."),
        t("Check DB_PORT and that the database is available."),
        "database",
    ),
    _known(
        "worker-killed",
        r"Worker \(pid:\d+\) was sent SIGKILL! Perhaps out of memory|MemoryError",
        t("The app runs out of memory"),
        t("The kernel kills a process that uses more memory than the task has."),
        t("Set a larger taskMemory."),
        "system",
    ),
    _known(
        "worker-timeout",
        r"WORKER TIMEOUT",
        t("The app hangs: gunicorn stopped a worker that did not respond"),
        t("A worker was busy for longer than gunicorn's timeout."),
        t("Find the blocking call; the preceding lines show where."),
    ),
)

PLACE = r"(?:(?P<host>\[[^\]\s]+\]|[^\s:\[]*):|port )(?P<port>\d+)"

KILLED = re.compile(r"Worker \(pid:(?P<pid>\d+)\) was sent SIGKILL")
HUNG = re.compile(r"WORKER TIMEOUT \(pid:(?P<pid>\d+)\)")
"""What gunicorn's master says of a worker that was killed, and before it kills one itself (gunicorn/arbiter.py)."""


def killed_workers(lines: Iterable[Line]) -> tuple[str, ...]:
    """Return the lines about gunicorn's workers that the kernel has killed: it kills for memory."""
    found, hung = [], set()
    for line in lines:
        if match := HUNG.search(line.text):
            hung.add(match["pid"])
        elif (match := KILLED.search(line.text)) and match["pid"] not in hung:
            found.append(line.text)
    return tuple(found)


SERVERS = re.compile(
    r"(?:Listening at|(?:Uvicorn r|R)unning on|Serving on):? (?=https?://)(?P<places>.*)"
)
"""What gunicorn, Flask, uvicorn, hypercorn and waitress say of the sockets that they have opened."""

SOCKET = re.compile(rf"https?://{PLACE}")

LISTENS = re.compile(rf"(?i)\blisten(?:s|ing) on (?:\w+://)?{PLACE}")
"""What an app says of itself."""

EVERYWHERE = re.compile(r"Running on all addresses \((?P<host>\S+)\)")
"""Flask's server says this first, and then names single addresses."""


@dataclass(frozen=True)
class LoggedCause:
    """A known cause and the log line that identifies it."""

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


def logged_cause(lines: Sequence[Line]) -> LoggedCause | None:
    """Return the known cause of the last log line that has one."""
    for line in reversed(lines):
        for known in KNOWN:
            if match := known.pattern.search(line.text):
                groups = [each for each in match.groupdict().values() if each]
                return LoggedCause(known, groups[0].strip() if groups else "", line.text)
    return None


@dataclass(frozen=True)
class Listening:
    """When the app logged that it listens, on which port, and on which ``hosts`` as far as it names them."""

    at: datetime
    port: int
    line: str
    hosts: tuple[str, ...] = ()


def listening(lines: Iterable[Line]) -> Listening | None:
    """Return the first line that names the port on which the app listens, and all hosts that it names for it.

    What the server says of its sockets outweighs what the app says of itself, which may only repeat a setting.
    """
    lines = tuple(lines)
    for places in (_sockets, _claimed):
        named = [(line, place) for line in lines for place in places(line.text)]
        if named:
            (line, (_, port)), *_ = named
            everywhere = [
                found["host"] for each in lines if (found := EVERYWHERE.search(each.text))
            ]
            hosts = [host.strip("[]") for _, (host, its) in named if host and its == port]
            return Listening(line.at, port, line.text, (*everywhere, *hosts))
    return None


def _sockets(text: str) -> list[tuple[str, int]]:
    """Return the hosts and ports of the sockets that a server has opened, as its line names them."""
    found = SERVERS.search(text)
    places = SOCKET.finditer(found["places"]) if found else ()
    return [(each["host"] or "", int(each["port"])) for each in places]


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
    """Return the name, without its module, and the message of the exception that ends a traceback."""
    for line in lines:
        if match := RAISED.match(line):
            return match["error"].rpartition(".")[2], (match["words"] or "").strip()
    return "Exception", ""


ERROR = re.compile(r"\b(ERROR|CRITICAL|FATAL)\b|^[\w.]*(Error|Exception)\b")


def errors(lines: Iterable[Line], most: int = 3) -> tuple[str, ...]:
    """Return the last lines of level error, in JSON or not; of a line with a traceback, the traceback's last line."""
    found = []
    for text in (each.text for each in lines):
        fields = parsed(text)
        if fields.get("level", "").lower() in ("error", "critical"):
            found.append((fields.get("traceback") or text).splitlines()[-1])
        elif not fields and ERROR.search(text):
            found.append(text)
    return tuple(dict.fromkeys(found))[-most:]


def slowest(lines: Iterable[Line], path: str) -> float | None:
    """Return the seconds of the slowest answer to ``path`` in the app's own log."""
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
    """A request in the app's log; ``path`` is without its query."""

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
    """Return the path of the last request in the app's log that was answered with this status."""
    found = [each.path for each in requests(lines) if each.status == status]
    return found[-1] if found else None
