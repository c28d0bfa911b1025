"""The WSGI layer in front of Flask: answers what is asked most, and logs every request."""

import logging
import random
import re
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from webapp.logs import SINK, Access, request_id

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

CHUNKED = "HTTP_TRANSFER_ENCODING"  # where a request has this, its length is not known
HEALTH = "/health"
HEALTHY = b'{"status":"healthy"}'
NOT_KEPT = ("Cache-Control", "no-store")
"""What every answer says that does not say otherwise itself."""
PAGE_HEADERS = [("Content-Type", "text/html; charset=utf-8")]
SECURITY_HEADERS = [
    (
        "Content-Security-Policy",
        "default-src 'none'; style-src 'self'; img-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    ("Referrer-Policy", "no-referrer"),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
]
HSTS = ("Strict-Transport-Security", "max-age=31536000")
"""For this name alone: what else is served below it, such as other hosts of an apex domain, is not ours."""
HEALTH_HEADERS = [
    ("Content-Type", "application/json"),
    ("Content-Length", str(len(HEALTHY))),
    NOT_KEPT,
    *SECURITY_HEADERS,
]
SECURE_HEALTH_HEADERS = [*HEALTH_HEADERS, HSTS]
HEALTH_PATHS = (HEALTH, "/health/db")
NO_TRACE_ID = re.compile(r"[^0-9A-Za-z:;=.-]")
LONGEST_TRACE_ID = 256
LONGEST_PATH = 512

log = logging.getLogger(__name__)


class Front:
    """Wraps Flask's app: answers the two hot paths, adds the security headers, and logs.

    The load balancer's health check needs nothing but this class, so /health is right and quick
    whatever happens to the database, the templates or Flask. The page is asked of `home` here,
    because the way through Flask takes longer than the page itself; what is not a plain page,
    such as the one that says that the database is away, is Flask's.
    """

    def __init__(self, app: "WSGIApplication", home: Callable[["WSGIEnvironment"], bytes | None]):
        self._app = app
        self._home = home
        self._verbose = log.isEnabledFor(logging.DEBUG)

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        path, method = environ["PATH_INFO"], environ["REQUEST_METHOD"]
        if path == HEALTH and method in ("GET", "HEAD"):
            if self._verbose:
                _log_request(environ, "200", time.perf_counter())
            secure = environ["wsgi.url_scheme"] == "https"
            start_response("200 OK", SECURE_HEALTH_HEADERS if secure else HEALTH_HEADERS)
            return [HEALTHY] if method == "GET" else []
        return self._logged(environ, start_response)

    def _logged(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        began = time.perf_counter()
        environ["careapp.request_id"] = identity = f"{random.getrandbits(64):016x}"
        token = request_id.set(identity)
        status = "500"

        def start(line: str, headers: list[tuple[str, str]], *rest: Any) -> Callable[..., Any]:
            nonlocal status
            status = line
            if all(name.lower() != "cache-control" for name, _ in headers):
                headers.append(NOT_KEPT)
            headers += SECURITY_HEADERS
            headers.append(("X-Request-ID", identity))
            if environ["wsgi.url_scheme"] == "https":
                headers.append(HSTS)
            return start_response(line, headers, *rest)

        try:
            return self._answer(environ, start)
        finally:
            request_id.reset(token)
            if self._verbose or environ["PATH_INFO"] not in HEALTH_PATHS:
                _log_request(environ, status, began)

    def _answer(self, environ: "WSGIEnvironment", start: "StartResponse") -> Iterable[bytes]:
        plain = environ["PATH_INFO"] == "/" and environ["REQUEST_METHOD"] == "GET"
        if plain and not environ.get("CONTENT_LENGTH") and CHUNKED not in environ:
            try:
                page = self._home(environ)
            except Exception:
                page = None  # Flask does it again, and reports what is wrong
            if page is not None:
                start("200 OK", [*PAGE_HEADERS, ("Content-Length", str(len(page)))])
                return [page]
        return self._app(environ, start)


def _log_request(environ: "WSGIEnvironment", status: str, began: float) -> None:
    trace_id = environ.get("HTTP_X_AMZN_TRACE_ID", "")[:LONGEST_TRACE_ID]
    SINK.put(
        Access(
            level="debug" if environ["PATH_INFO"] in HEALTH_PATHS else "info",
            at=time.time(),
            request_id=environ.get("careapp.request_id", ""),
            trace_id=NO_TRACE_ID.sub("", trace_id),
            method=environ["REQUEST_METHOD"],
            path=environ["PATH_INFO"][:LONGEST_PATH],
            status=int(status[:3]),
            duration=time.perf_counter() - began,
        )
    )
