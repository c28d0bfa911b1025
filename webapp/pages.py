"""The page, and the two health checks."""

from dataclasses import dataclass
from datetime import UTC, datetime

from flask import Blueprint, Response, current_app, render_template
from psycopg.rows import class_row

from webapp import db, task, texts

KEPT = 1000  # rows; older visits are only counted
GREETING = "SELECT greeting FROM greetings WHERE language = %s"
NEWEST = "SELECT visited_at, language, task FROM visits ORDER BY id DESC LIMIT 5"
# One statement, so that a visit is either both listed and counted or neither.
VISIT = """
WITH visit AS (
    INSERT INTO visits (visited_at, language, task) VALUES (%s, %s, %s) RETURNING id
), deleted AS (
    DELETE FROM visits WHERE id <= (SELECT id FROM visit) - %s
)
UPDATE counters SET value = value + 1 WHERE name = 'visits' RETURNING value
"""

bp = Blueprint("pages", __name__)


@dataclass(frozen=True)
class Visit:
    """The time, the language and the task of one visit, without IP address and user agent."""

    visited_at: datetime
    language: str
    task: str


@dataclass(frozen=True)
class GuestBook:
    """The data on the page."""

    greeting: str
    newest: list[Visit]
    visits: int


@bp.get("/")
def home() -> str:
    """Show the greeting and the newest visits, and store this one."""
    visit = Visit(datetime.now(UTC), texts.language(), task.current())
    book = sign(visit)
    count = f"{book.visits:,}"
    return render_template("home.html", greeting=book.greeting, book=book, visit=visit, count=count)


def sign(visit: Visit) -> GuestBook:
    """Return the guest book and add a visit to it."""
    with db.connection() as connection:
        [(greeting,)] = connection.execute(GREETING, (visit.language,)).fetchall()
        newest = connection.cursor(row_factory=class_row(Visit)).execute(NEWEST).fetchall()
        given = (visit.visited_at, visit.language, visit.task, KEPT)
        [(visits,)] = connection.execute(VISIT, given).fetchall()
    return GuestBook(greeting, newest, visits)


@bp.get("/health")
def health() -> Response:
    """Answer 200. Behind gunicorn the front does so before Flask (webapp/front.py)."""
    return Response('{"status":"healthy"}', content_type="application/json")


@bp.get("/health/db")
def health_db() -> Response:
    """Answer within 3 s whether the database responds."""
    if db.of(current_app).probe():
        return Response('{"status":"healthy","db":"connected"}', content_type="application/json")
    body = '{"status":"unhealthy","db":"disconnected"}'
    return Response(body, 500, content_type="application/json")
