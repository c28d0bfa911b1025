"""The security headers of every response, and error responses in HTML or JSON."""

import logging
from typing import Any

import psycopg
from flask import Flask, Response, g, render_template, request
from werkzeug.exceptions import HTTPException

from webapp import texts
from webapp.db import DatabaseAway

SECURITY_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
RETRY_AFTER = {"Retry-After": "5"}  # seconds; longer than the gate needs to open
KEPT_HEADERS = ("Allow", "Location", "Retry-After")

log = logging.getLogger(__name__)


def init_app(app: Flask) -> None:
    """Register the error handlers and the security headers."""
    app.after_request(add_headers)
    app.register_error_handler(HTTPException, _known)
    app.register_error_handler(Exception, _unknown)
    app.register_error_handler(DatabaseAway, _away)
    app.register_error_handler(psycopg.errors.QueryCanceled, _too_slow)


def add_headers(response: Response) -> Response:
    """Add the security headers; HSTS only for requests by HTTPS."""
    response.headers.setdefault("Cache-Control", "no-store")
    response.headers.update(SECURITY_HEADERS)
    if request.is_secure:
        response.headers["Strict-Transport-Security"] = "max-age=31536000"
    return response


def wants_json() -> bool:
    """Return whether the client prefers JSON to HTML. A client that accepts both equally gets HTML."""
    accepted = request.accept_mimetypes
    return accepted.best_match(["text/html", "application/json"]) == "application/json"


def _answer(status: int, name: str, headers: Any = ()) -> Any:
    if wants_json():
        return {"status": status, "error": name, "request_id": g.request_id}, status, dict(headers)
    message = texts.current().get(f"error_{status}", texts.current()["error_other"])
    page = render_template("error.html", status=status, message=message, identity=g.request_id)
    return page, status, dict(headers)


def _known(error: HTTPException) -> Any:
    if error.code is None or error.response is not None:
        return error
    kept = {name: value for name, value in error.get_headers() if name in KEPT_HEADERS}
    return _answer(error.code, error.name.lower(), kept)


def _unknown(error: Exception) -> Any:
    log.error("request failed", exc_info=error)
    return _answer(500, "internal server error")


def _too_slow(error: psycopg.errors.QueryCanceled) -> Any:
    log.warning("the database took too long", extra={"reason": str(error)})
    return _away(error)


def _away(_: Exception) -> Any:
    """Return the page without its data, with status 503.

    ECS does not stop the task: the load balancer's health check is /health.
    """
    if wants_json():
        return _answer(503, "database away", RETRY_AFTER)
    return render_template("home.html", greeting=None), 503, RETRY_AFTER
