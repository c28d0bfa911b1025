"""What is answered when something goes wrong: HTML in the client's language, or JSON."""

import logging
from typing import Any

from flask import Flask, current_app, render_template, request
from werkzeug.exceptions import (
    HTTPException,
    InternalServerError,
    LengthRequired,
    RequestEntityTooLarge,
)

from webapp.front import CHUNKED
from webapp.texts import TEXTS, language_of

KEPT_HEADERS = ("Allow", "Location", "Retry-After")

log = logging.getLogger(__name__)


def wants_json() -> bool:
    """Whether the client prefers JSON to HTML. Who accepts anything gets HTML."""
    accepted = request.accept_mimetypes
    return accepted.best_match(["text/html", "application/json"]) == "application/json"


def error_response(status: int, name: str, headers: Any = ()) -> tuple[Any, int, dict[str, str]]:
    """An error as the client wants it."""
    identity = request.environ.get("careapp.request_id", "")
    if wants_json():
        return {"status": status, "error": name, "request_id": identity}, status, dict(headers)
    language = language_of(request.environ.get("HTTP_ACCEPT_LANGUAGE", ""))
    texts = TEXTS[language]
    message = texts.get(f"error_{status}", texts["error_other"])
    page = render_template(
        "error.html", language=language, status=status, message=message, identity=identity
    )
    return page, status, dict(headers)


def refuse_large_body() -> None:
    """Refuse a body over MAX_CONTENT_LENGTH at once: no route reads one, so Flask would not.

    Nor one whose length is not told: there is no route that it could be meant for.
    """
    # The environment first: few requests have a body, and Flask's view of it costs more.
    if CHUNKED in request.environ:
        raise LengthRequired
    if request.environ.get("CONTENT_LENGTH"):
        limit = current_app.config["MAX_CONTENT_LENGTH"]
        if (request.content_length or 0) > limit:
            raise RequestEntityTooLarge


def register(app: Flask) -> None:
    """Have every error answered by `error_response`, and large bodies refused."""
    app.before_request(refuse_large_body)
    app.register_error_handler(HTTPException, _known)
    app.register_error_handler(Exception, _unknown)


def _known(error: HTTPException) -> Any:
    if error.code is None or error.response is not None:
        return error
    kept = {name: value for name, value in error.get_headers() if name in KEPT_HEADERS}
    return error_response(error.code, error.name.lower(), kept)


def _unknown(error: Exception) -> Any:
    log.error("request failed", exc_info=error)
    return error_response(500, InternalServerError().name.lower())
