"""Answers that the server gives without the app: to what cannot be read, and to what is too much."""

import json
import logging
import re
import secrets
import socket
import time
from http import HTTPStatus

from gunicorn.http import errors  # type: ignore[import-untyped]
from gunicorn.util import http_date  # type: ignore[import-untyped]
from werkzeug.datastructures import MIMEAccept
from werkzeug.http import parse_accept_header

from webapp.front import HSTS, LONGEST_PATH, NOT_KEPT, SECURITY_HEADERS
from webapp.logs import fields

RETRY_AFTER = 5  # seconds; as the page does while the database is away
REQUEST_LINE = re.compile(rb"([A-Z]{1,20}) ([^ ?\r\n]*)")
# What else cannot be read is a bad request.
STATUSES = {
    errors.LimitRequestLine: 414,
    errors.LimitRequestHeaders: 431,
    errors.ExpectationFailed: 417,
    errors.UnsupportedTransferCoding: 501,
    errors.ForbiddenProxyRequest: 403,
}
# These are parse errors to gunicorn, but faults of ours.
OURS = (
    errors.InvalidResponseHeader,
    errors.InvalidResponseHeaderName,
    errors.ConfigurationProblem,
)

log = logging.getLogger(__name__)


class Count:
    """Says how many were refused without a thread: at once, and then at most once a second."""

    def __init__(self) -> None:
        self._refused = 0
        self._not_before = 0.0

    def one_more(self) -> None:
        """Another one."""
        self._refused += 1
        self.report()

    def report(self) -> None:
        """Log them, if there are any and it is time."""
        if self._refused and (now := time.monotonic()) >= self._not_before:
            about = fields(status=503, refused=self._refused)
            log.warning("requests refused: too many wait for a thread", extra=about)
            self._refused, self._not_before = 0, now + 1


def status_for(error: BaseException) -> int:
    """What a request that ended with this error is answered."""
    if isinstance(error, errors.ParseException) and not isinstance(error, OURS):
        return STATUSES.get(type(error), 400)
    return 500


def refuse(sock: socket.socket, head: bytes, status: int, reason: str) -> None:
    """Answer and log a request of which only the first bytes are known for sure."""
    identity = secrets.token_hex(8)
    send(sock, answer(head, status, identity))
    match = REQUEST_LINE.match(head)
    method, path = (part.decode("latin-1") for part in match.groups()) if match else ("", "")
    about = {"request_id": identity, "method": method, "path": path[:LONGEST_PATH]}
    log.warning("request", extra=fields(**about, status=status, reason=reason))


def send(sock: socket.socket, data: bytes) -> None:
    """Send without waiting: a few hundred bytes fit, or the client has not read for long."""
    try:
        sock.send(data, socket.MSG_DONTWAIT)
    except OSError:
        log.debug("a refusal could not be sent")


def answer(head: bytes, status: int, identity: str = "") -> bytes:
    """A short error that closes the connection, as JSON or plain text, with the app's headers."""
    kind, body = _body(head, HTTPStatus(status), identity)
    headers = [
        ("Date", http_date()),
        ("Connection", "close"),
        ("Content-Type", kind),
        ("Content-Length", str(len(body))),
        NOT_KEPT,
        *SECURITY_HEADERS,
    ]
    if identity:
        headers.append(("X-Request-ID", identity))
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers.append(("Retry-After", str(RETRY_AFTER)))
    if _header(head, b"x-forwarded-proto").lower() == "https":
        headers.append(HSTS)
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}", *map(": ".join, headers), "", ""]
    return "\r\n".join(lines).encode() + (b"" if head.startswith(b"HEAD ") else body)


def _body(head: bytes, status: HTTPStatus, identity: str) -> tuple[str, bytes]:
    accepted = parse_accept_header(_header(head, b"accept"), MIMEAccept)
    if accepted.best_match(["text/html", "application/json"]) != "application/json":
        return "text/plain; charset=utf-8", f"{status} {status.phrase}\n".encode()
    known = {"request_id": identity} if identity else {}
    error = {"status": int(status), "error": status.phrase.lower(), **known}
    return "application/json", json.dumps(error).encode()


def _header(head: bytes, name: bytes) -> str:
    match = re.search(rb"\r\n" + name + rb":[ \t]*([^\r\n]*)", head, re.IGNORECASE)
    return match[1].decode("latin-1").strip() if match else ""
