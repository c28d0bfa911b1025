"""The Hello ECS page, and the database's health."""

import time
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from flask import Blueprint, Response, request
from jinja2 import Environment

from webapp.connection import DatabaseAway
from webapp.database import LONGEST_FETCH, Database
from webapp.errors import error_response, wants_json
from webapp.front import HEALTH, HEALTHY, PAGE_HEADERS
from webapp.sharing import Shared
from webapp.task import Task
from webapp.texts import LANGUAGES, language_of, local_time
from webapp.visits import GuestBook, Visit, Visits

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

RETRY_AFTER = {"Retry-After": "5"}  # seconds: by then the database's return has been noticed
CONNECTED = b'{"status":"healthy","db":"connected"}'
DISCONNECTED = b'{"status":"unhealthy","db":"disconnected"}'
# Places in a rendered page; PostgreSQL's text cannot hold a NUL, so it cannot forge one.
COUNT, MOMENT, LOCAL_MOMENT = "\0count\0", "\0moment\0", "\0local\0"
AWAY = "careapp.away"  # in a request's environment: the front has found that already


class Pages:
    """The routes, over what they show."""

    def __init__(
        self, database: Database, visits: Visits, task: Task, templates: Environment
    ) -> None:
        self._database = database
        self._visits = visits
        self._task = task
        self._templates = templates
        self._homes = {language: self._shared_home(language) for language in LANGUAGES}
        self._shell = lru_cache(maxsize=8)(self._render)

    def blueprint(self) -> Blueprint:
        """All routes but the static files."""
        blueprint = Blueprint("pages", __name__)
        blueprint.add_url_rule("/", "home", self.home)
        blueprint.add_url_rule(HEALTH, "health", self.health)
        blueprint.add_url_rule("/health/db", "health_db", self.health_db)
        return blueprint

    def page(self, environ: "WSGIEnvironment") -> bytes | None:
        """The page for a request, or None while the database is away."""
        language = language_of(environ.get("HTTP_ACCEPT_LANGUAGE", ""))
        self._visits.add(time.time(), language, self._task.id)
        try:
            # Twice: a request may have to wait for the query before its own.
            return self._homes[language].get(2 * LONGEST_FETCH)
        except (DatabaseAway, TimeoutError):
            environ[AWAY] = True
            return None

    def home(self) -> Any:
        """What the front leaves to Flask: HEAD, and the page while the database is away: with 503.

        A page that cannot show what it is for has failed, and says so to clients that look at
        the status. No task is ended for it: the load balancer's health check is /health.
        """
        page = None if AWAY in request.environ else self.page(request.environ)
        if page is not None:
            return Response(page, headers=PAGE_HEADERS)
        if wants_json():
            return error_response(503, "database away", RETRY_AFTER)
        language = language_of(request.environ.get("HTTP_ACCEPT_LANGUAGE", ""))
        return self._render(language, self._task.id, None, ()), 503, RETRY_AFTER

    def _shared_home(self, language: str) -> Shared[bytes]:
        """The page for all whose requests arrive together: they see the same moment."""
        return Shared(lambda: self._home(language, self._visits.read(language)))

    def _home(self, language: str, book: GuestBook) -> bytes:
        """What was read seldom differs from the last time: only the rest is filled in each time."""
        shell = self._shell(language, self._task.id, book.greeting, book.newest)
        now = datetime.now(UTC)
        shell = shell.replace(COUNT, f"{book.visits:,}", 1)
        shell = shell.replace(MOMENT, now.isoformat(timespec="seconds"), 1)
        return shell.replace(LOCAL_MOMENT, local_time(now, language), 1).encode()

    def _render(
        self, language: str, task: str, greeting: str | None, newest: tuple[Visit, ...]
    ) -> str:
        return self._templates.get_template("home.html").render(
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
