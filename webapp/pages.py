"""The Hello ECS page, and the database's health."""

import time
from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, Response, render_template, request

from webapp.connection import DatabaseAway
from webapp.database import LONGEST_FETCH, Database
from webapp.errors import error_response, wants_json
from webapp.front import HEALTH, HEALTHY
from webapp.sharing import Shared
from webapp.task import Task
from webapp.texts import LANGUAGES, language_of, local_time
from webapp.visits import GuestBook, Visit, Visits

RETRY_AFTER = {"Retry-After": "5"}  # seconds: by then the database's return has been noticed
CONNECTED = b'{"status":"healthy","db":"connected"}'
DISCONNECTED = b'{"status":"unhealthy","db":"disconnected"}'
HTML = "text/html; charset=utf-8"


class Pages:
    """The routes, over what they show."""

    def __init__(self, database: Database, visits: Visits, task: Task) -> None:
        self._database = database
        self._visits = visits
        self._task = task
        self._homes = {language: self._shared_home(language) for language in LANGUAGES}

    def blueprint(self) -> Blueprint:
        """All routes but the static files."""
        blueprint = Blueprint("pages", __name__)
        blueprint.add_url_rule("/", "home", self.home)
        blueprint.add_url_rule(HEALTH, "health", self.health)
        blueprint.add_url_rule("/health/db", "health_db", self.health_db)
        return blueprint

    def home(self) -> Any:
        """The page, with 503 while the database is away.

        A page that cannot show what it is for has failed, and says so to clients that look at
        the status. No task is ended for it: the load balancer's health check is /health.
        """
        language = language_of(request.headers.get("Accept-Language", ""))
        self._visits.add(time.time(), language, self._task.id)
        try:
            # Twice: a request may have to wait for the query before its own.
            page = self._homes[language].get(2 * LONGEST_FETCH)
        except (DatabaseAway, TimeoutError):
            if wants_json():
                return error_response(503, "database away", RETRY_AFTER)
            return self._render(language, None), 503, RETRY_AFTER
        return Response(page, content_type=HTML, headers={"Cache-Control": "no-store"})

    def _shared_home(self, language: str) -> Shared[bytes]:
        """The page for all whose requests arrive together: they see the same moment."""
        return Shared(lambda: self._render(language, self._visits.read(language)).encode())

    def _render(self, language: str, book: GuestBook | None) -> str:
        return render_template(
            "home.html",
            language=language,
            book=book,
            waiting=self._visits.waiting(),
            visit=Visit(datetime.now(UTC), language, self._task.id),
            task=self._task.id,
            local_time=local_time,
        )

    def health(self) -> Response:
        """Where the front did not answer already: OPTIONS, and 405 for the rest."""
        return Response(HEALTHY, content_type="application/json")

    def health_db(self) -> Response:
        """Whether the database answers at this moment, within 3 s."""
        connected = self._database.probe()
        body = CONNECTED if connected else DISCONNECTED
        return Response(body, 200 if connected else 500, content_type="application/json")
