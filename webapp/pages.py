"""The Hello ECS page, the database's health, and the pages for what goes wrong."""

import logging
from typing import Any

from flask import Blueprint, Flask, Response, current_app, render_template, request
from werkzeug.exceptions import HTTPException, InternalServerError, RequestEntityTooLarge

from webapp.connection import DatabaseAway
from webapp.database import Database
from webapp.front import HEALTH, HEALTHY
from webapp.task import Task
from webapp.texts import TEXTS, language_of, local_time
from webapp.visits import Visits

RETRY_AFTER = "5"  # seconds: by then the database's return has been noticed
CONNECTED = b'{"status":"healthy","db":"connected"}'
DISCONNECTED = b'{"status":"unhealthy","db":"disconnected"}'

log = logging.getLogger(__name__)


class Pages:
    """The routes, over what they show."""

    def __init__(self, database: Database, visits: Visits, task: Task) -> None:
        self._database = database
        self._visits = visits
        self._task = task

    def blueprint(self) -> Blueprint:
        """All routes but the static files."""
        blueprint = Blueprint("pages", __name__)
        blueprint.add_url_rule("/", "home", self.home)
        blueprint.add_url_rule(HEALTH, "health", self.health)
        blueprint.add_url_rule("/health/db", "health_db", self.health_db)
        blueprint.before_app_request(refuse_large_body)
        return blueprint

    def home(self) -> tuple[str, int, dict[str, str]]:
        """The page, with 503 while the database is away.

        A page that cannot show what it is for has failed, and says so to clients that look at
        the status. No task is ended for it: the load balancer's health check is /health.
        """
        language = language_of(request.headers.get("Accept-Language", ""))
        visit = self._visits.add(language, self._task.id)
        try:
            book = self._visits.read(language)
        except DatabaseAway:
            if wants_json():
                return error_response(503, "database away", {"Retry-After": RETRY_AFTER})
            page = self._render(language, book=None, visit=visit)
            return page, 503, {"Retry-After": RETRY_AFTER}
        waiting = self._visits.waiting()
        return self._render(language, book=book, visit=visit, waiting=waiting), 200, {}

    def _render(self, language: str, **shown: Any) -> str:
        return render_template(
            "home.html", language=language, task=self._task.id, local_time=local_time, **shown
        )

    def health(self) -> Response:
        """Where the front did not answer already: OPTIONS, and 405 for the rest."""
        return Response(HEALTHY, content_type="application/json")

    def health_db(self) -> Response:
        """Whether the database answers at this moment, within 3 s."""
        connected = self._database.probe()
        body = CONNECTED if connected else DISCONNECTED
        return Response(body, 200 if connected else 500, content_type="application/json")


def refuse_large_body() -> None:
    """Refuse a body over MAX_CONTENT_LENGTH at once: no route reads one, so Flask would not."""
    limit = current_app.config["MAX_CONTENT_LENGTH"]
    if (request.content_length or 0) > limit:
        raise RequestEntityTooLarge


def wants_json() -> bool:
    """Whether the client prefers JSON to HTML. Who accepts anything gets HTML."""
    accepted = request.accept_mimetypes
    return accepted.best_match(["text/html", "application/json"]) == "application/json"


def error_response(status: int, name: str, headers: Any = ()) -> tuple[Any, int, dict[str, str]]:
    """An error as the client wants it: HTML in its language, or JSON."""
    identity = request.environ.get("careapp.request_id", "")
    if wants_json():
        body = {"status": status, "error": name, "request_id": identity}
        return body, status, dict(headers)
    language = language_of(request.headers.get("Accept-Language", ""))
    texts = TEXTS[language]
    message = texts.get(f"error_{status}", texts["error_other"])
    page = render_template(
        "error.html", language=language, status=status, message=message, identity=identity
    )
    return page, status, dict(headers)


def register_errors(app: Flask) -> None:
    """Have every error answered by `error_response`."""

    @app.errorhandler(HTTPException)
    def known(error: HTTPException) -> Any:
        if error.code is None or error.response is not None:
            return error
        kept = {k: v for k, v in error.get_headers() if k in ("Allow", "Retry-After", "Location")}
        return error_response(error.code, error.name.lower(), kept)

    @app.errorhandler(Exception)
    def unknown(error: Exception) -> Any:
        log.error("request failed", exc_info=error)
        return error_response(500, InternalServerError().name.lower())
