"""Log lines: one JSON object each on stdout, without secrets, and written off the hot path."""

import json
import logging
import os
import sys
import threading
import time
import traceback
from collections import deque
from contextvars import ContextVar
from functools import lru_cache
from json.encoder import encode_basestring_ascii as _quoted
from types import TracebackType
from typing import Any, NamedTuple

from webapp.redaction import redact

STDOUT = 1
MAX_WAITING = 10_000  # lines; CloudWatch that does not keep up must not cost memory or requests
BATCH_SECONDS = 0.05

log = logging.getLogger(__name__)
request_id: ContextVar[str] = ContextVar("request_id", default="")


class Access(NamedTuple):
    """What is logged about one request."""

    level: str
    at: float  # seconds since the epoch
    request_id: str
    trace_id: str
    method: str
    path: str
    status: int
    duration: float  # seconds

    def line(self) -> str:
        """The JSON object of the request, on one line; written for speed, as it is for each one."""
        trace = f', "trace_id": {_quoted(redact(self.trace_id))}' if self.trace_id else ""
        return (
            f'{{"time": "{timestamp(self.at)}", "level": "{self.level}", "message": "request", '
            f'"request_id": "{self.request_id}", "method": {_quoted(self.method)}, '
            f'"path": {_quoted(redact(self.path))}, "status": {self.status}, '
            f'"duration_ms": {self.duration * 1000:.2f}{trace}}}'
        )


class JsonFormatter(logging.Formatter):
    """A record as one JSON object on one line; what `extra=fields(...)` gave is part of it."""

    def format(self, record: logging.LogRecord) -> str:
        fields: dict[str, Any] = {
            "time": timestamp(record.created),
            "level": record.levelname.lower(),
            "message": redact(record.getMessage()),
            "logger": record.name,
        }
        if current := request_id.get():
            fields["request_id"] = current
        fields |= {key: _clean(value) for key, value in getattr(record, "fields", {}).items()}
        if record.exc_info and record.exc_info[0]:
            lines = traceback.format_exception(*record.exc_info)
            fields["traceback"] = redact("".join(lines).rstrip())
        if record.stack_info:
            fields["stack"] = redact(record.stack_info)
        return json.dumps(fields)


def _clean(value: Any) -> Any:
    return value if isinstance(value, (int, float, bool)) else redact(str(value))


def fields(**values: Any) -> dict[str, dict[str, Any]]:
    """For `extra`: further fields of the line."""
    return {"fields": values}


def timestamp(seconds: float) -> str:
    """RFC 3339 in UTC with milliseconds."""
    return f"{_whole_second(int(seconds))}.{int(seconds % 1 * 1000):03d}Z"


@lru_cache(maxsize=4)
def _whole_second(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))


class Sink(logging.Handler):
    """Where all lines end: on stdout, at once, or in batches by a thread after `start`."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(JsonFormatter())
        self._lines: deque[str | Access] = deque()
        self._some = threading.Event()
        self._stopping = False
        self._thread: threading.Thread | None = None
        self._dropped = 0

    def start(self) -> None:
        """Write in a thread from now on. Not before a fork: a child has no such thread."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="log-writer", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Write what waits, and go back to writing at once."""
        if self._thread is not None:
            self._stopping = True
            self._some.set()
            self._thread.join(timeout=2)
            self._thread = None

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self.put(self.format(record))
        except Exception:
            self.handleError(record)

    def put(self, line: str | Access) -> None:
        """Write a line, or have it written soon. An Access becomes text only then."""
        if self._thread is None:
            _write([line])
        elif len(self._lines) < MAX_WAITING:
            self._lines.append(line)
            # Once for a batch: waking a thread for each line would cost more than the line.
            if not self._some.is_set():
                self._some.set()
        else:
            self._dropped += 1

    def _run(self) -> None:
        while not self._stopping or self._lines:
            self._some.wait()
            if not self._stopping:
                time.sleep(BATCH_SECONDS)
            self._some.clear()
            if batch := [self._lines.popleft() for _ in range(len(self._lines))]:
                _write(batch)
            if self._dropped:
                dropped, self._dropped = self._dropped, 0
                _write([self.format(_lost(dropped))])


def _lost(lines: int) -> logging.LogRecord:
    """To be written past the queue, which may be full again."""
    message = "log lines lost: stdout is too slow"
    given = {"name": __name__, "levelno": logging.WARNING, "levelname": "WARNING", "msg": message}
    return logging.makeLogRecord(given | fields(lines=lines))


def _write(lines: list[str | Access]) -> None:
    text = "".join(f"{line if isinstance(line, str) else line.line()}\n" for line in lines)
    waiting = memoryview(text.encode())
    try:
        while waiting:
            waiting = waiting[os.write(STDOUT, waiting) :]
    except OSError:
        return  # stdout is gone: there is no place left to say so


SINK = Sink()


def configure(level: str) -> None:
    """Send all of this process's logging to stdout as JSON."""
    logging.captureWarnings(True)
    root = logging.getLogger()
    root.handlers[:] = [SINK]
    root.setLevel(level.upper())
    # At debug, botocore would log Secrets Manager's answer; urllib3 and psycopg are only noise.
    for name in ("boto3", "botocore", "s3transfer", "urllib3"):
        logging.getLogger(name).setLevel(max(logging.INFO, root.level))
    # The database's state is logged once for each change, not for each attempt to connect.
    logging.getLogger("psycopg.pool").setLevel(logging.ERROR)
    sys.excepthook = _uncaught
    threading.excepthook = _uncaught_in_thread


def _uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    log.critical("uncaught exception", exc_info=(kind, error, trace))


def _uncaught_in_thread(args: threading.ExceptHookArgs) -> None:
    if args.exc_value is not None:
        info = (args.exc_type, args.exc_value, args.exc_traceback)
        log.error("uncaught exception in a thread", exc_info=info)
