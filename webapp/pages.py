"""The Hello ECS page, and the database's health."""

import time
from datetime import UTC, datetime
from functools import lru_cache
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
# Places in a rendered page; PostgreSQL's text cannot hold a NUL, so it cannot forge one.
COUNT, MOMENT, LOCAL_MOMENT = "\0count\0", "\0moment\0", "\0local\0"
HTML = "text/html; charset=utf-8"


class Pages:
    """The routes, over what they show."""

    def __init__(self, database: Database, visits: Visits, task: Task) -> None:
        self._database = database
        self._visits = visits
        self._task = task
        self._homes = {language: self._shared_home(language) for language in LANGUAGES}
        self._shell = lru_cache(maxsize=8)(self._render)

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
        language = language_of(request.environ.get("HTTP_ACCEPT_LANGUAGE", ""))
        self._visits.add(time.time(), language, self._task.id)
        try:
            # Twice: a request may have to wait for the query before its own.
            page = self._homes[language].get(2 * LONGEST_FETCH)
        except (DatabaseAway, TimeoutError):
            if wants_json():
                return error_response(503, "database away", RETRY_AFTER)
            return self._render(language, self._task.id, None, ()), 503, RETRY_AFTER
        return Response(page, content_type=HTML, headers={"Cache-Control": "no-store"})

    def _shared_home(self, language: str) -> Shared[bytes]:
        """The page for all whose requests arrive together: they see the same moment."""
        return Shared(lambda: self._home(language, self._visits.read(language)))

    def _home(self, language: str, book: GuestBook) -> bytes:
        """What was read seldom differs from the last time: only the rest is filled in each time."""
        shell = self._shell(language, self._task.id, book.greeting, book.newest)
        now = datetime.now(UTC)
        shell = shell.replace(COUNT, f"{book.visits + self._visits.waiting():,}", 1)
        shell = shell.replace(MOMENT, now.isoformat(timespec="seconds"), 1)
        return shell.replace(LOCAL_MOMENT, local_time(now, language), 1).encode()

    def _render(
        self, language: str, task: str, greeting: str | None, newest: tuple[Visit, ...]
    ) -> str:
        return render_template(
            "home.html",
            language=language,
            greeting=greeting,
            newest=newest,
            count=COUNT,
            moment=MOMENT,
            local_moment=LOCAL_MOMENT,
            task=task,
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
