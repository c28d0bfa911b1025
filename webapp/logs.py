"""Logging: JSON lines on stdout without secrets, and one line for each request."""

import json
import logging
import re
import secrets
import sys
import threading
import time
from datetime import UTC, datetime
from types import TracebackType
from typing import Any
from urllib.parse import quote, quote_plus

from flask import Flask, Response, g, has_request_context, request
from pythonjsonlogger.json import JsonFormatter

MASK = "[redacted]"
RENAMED = {"created": "time", "levelname": "level", "name": "logger", "exc_info": "traceback"}
HEALTH_PATHS = ("/health", "/health/db")  # frequent, so logged at level debug
NO_TRACE_ID = re.compile(r"[^0-9A-Za-z:;=.-]")
LONGEST_TRACE_ID, LONGEST_PATH = 256, 512

log = logging.getLogger(__name__)
_forms: set[str] = set()
_pattern: re.Pattern[str] | None = None


def hide(secret: str) -> None:
    """Redact this text from now on, also when it is quoted for Python, JSON, URLs or libpq."""
    global _pattern
    if not secret:
        return
    libpq = secret.replace("\\", "\\\\").replace("'", "\\'")
    quoted = (repr(secret)[1:-1], ascii(secret)[1:-1], json.dumps(secret)[1:-1], libpq)
    _forms.update((secret, *quoted, quote(secret, safe=""), quote(secret), quote_plus(secret)))
    # The longest first: one form may be the beginning of another.
    ordered = sorted(_forms, key=len, reverse=True)
    _pattern = re.compile("|".join(map(re.escape, ordered)))


def redact(text: str) -> str:
    """Return the text without secrets."""
    return _pattern.sub(MASK, text) if _pattern else text


class Formatter(JsonFormatter):
    """Writes time, level, message and logger first, then the fields of `extra`, all redacted."""

    def __init__(self) -> None:
        super().__init__(["created", "levelname", "message", "name"], rename_fields=RENAMED)

    def process_log_record(self, log_data: dict[str, Any]) -> dict[str, Any]:
        """Format the time by RFC 3339, add the request's id and redact all secrets."""
        log_data["time"] = f"{datetime.fromtimestamp(log_data['time'], UTC):%Y-%m-%dT%H:%M:%S.%fZ}"
        log_data["level"] = log_data["level"].lower()
        if has_request_context() and "request_id" in g:
            log_data["request_id"] = g.request_id
        plain = (int, float, bool)
        return {k: v if isinstance(v, plain) else redact(str(v)) for k, v in log_data.items()}


def configure(level: str) -> None:
    """Send all logging of this process to stdout as JSON."""
    logging.captureWarnings(True)
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(Formatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # At level debug botocore logs Secrets Manager's response.
    for name in ("boto3", "botocore", "urllib3"):
        logging.getLogger(name).setLevel(max(logging.INFO, root.level))
    # webapp.db logs changes of the database's state; the pool would log each attempt to connect.
    logging.getLogger("psycopg.pool").setLevel(logging.ERROR)
    sys.excepthook = _uncaught
    threading.excepthook = _uncaught_in_thread


def init_app(app: Flask, level: str) -> None:
    """Log the app's requests, each with an id that is also in the response."""
    configure(level)
    app.before_request(_begin)
    app.after_request(_end)


def _begin() -> None:
    g.request_id, g.began = secrets.token_hex(8), time.perf_counter()


def _end(response: Response) -> Response:
    response.headers["X-Request-ID"] = g.request_id
    level = logging.DEBUG if request.path in HEALTH_PATHS else logging.INFO
    fields = {
        "method": request.method,
        "path": request.path[:LONGEST_PATH],
        "status": response.status_code,
        "duration_ms": round((time.perf_counter() - g.began) * 1000, 2),
    }
    trace_id = request.headers.get("X-Amzn-Trace-Id", "")[:LONGEST_TRACE_ID]
    if trace_id := NO_TRACE_ID.sub("", trace_id):
        fields["trace_id"] = trace_id
    log.log(level, "request", extra=fields)
    return response


def _uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    log.critical("uncaught exception", exc_info=(kind, error, trace))


def _uncaught_in_thread(args: threading.ExceptHookArgs) -> None:
    if args.exc_value is not None:
        info = (args.exc_type, args.exc_value, args.exc_traceback)
        log.error("uncaught exception in a thread", exc_info=info)
