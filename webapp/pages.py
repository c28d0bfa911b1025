"""The Hello ECS page, and the database's health."""

from dataclasses import dataclass
from datetime import UTC, datetime

from flask import Blueprint, Response, current_app, render_template
from psycopg.rows import class_row

from webapp import db, task, texts

KEPT = 1000  # rows; older visits are only counted
GREETING = "SELECT greeting FROM greetings WHERE language = %s"
NEWEST = "SELECT visited_at, language, task FROM visits ORDER BY id DESC LIMIT 5"
# One statement, so one transaction: a visit is both listed and counted, or neither.
VISIT = """
WITH visit AS (
    INSERT INTO visits (visited_at, language, task) VALUES (%s, %s, %s) RETURNING id
), forgotten AS (
    DELETE FROM visits WHERE id <= (SELECT id FROM visit) - %s
)
UPDATE counters SET value = value + 1 WHERE name = 'visits' RETURNING value
"""

bp = Blueprint("pages", __name__)


@dataclass(frozen=True)
class Visit:
    """When someone came, in which language they read, and which task answered.

    No address and no user agent is kept.
    """

    visited_at: datetime
    language: str
    task: str


@dataclass(frozen=True)
class GuestBook:
    """What the database says to one visitor."""

    greeting: str
    newest: list[Visit]
    visits: int


@bp.get("/")
def home() -> str:
    """Show the greeting and the newest visits, and note this one."""
    visit = Visit(datetime.now(UTC), texts.language(), task.current())
    book = sign(visit)
    count = f"{book.visits:,}"
    return render_template("home.html", greeting=book.greeting, book=book, visit=visit, count=count)


def sign(visit: Visit) -> GuestBook:
    """Read the guest book and add a visit to it."""
    with db.connection() as connection:
        [(greeting,)] = connection.execute(GREETING, (visit.language,)).fetchall()
        newest = connection.cursor(row_factory=class_row(Visit)).execute(NEWEST).fetchall()
        given = (visit.visited_at, visit.language, visit.task, KEPT)
        [(visits,)] = connection.execute(VISIT, given).fetchall()
    return GuestBook(greeting, newest, visits)


@bp.get("/health")
def health() -> Response:
    """Say that the app answers. The front does so before Flask (webapp/front.py)."""
    return Response('{"status":"healthy"}', content_type="application/json")


@bp.get("/health/db")
def health_db() -> Response:
    """Say whether the database answers at this moment, within 3 s."""
    if db.of(current_app).probe():
        return Response('{"status":"healthy","db":"connected"}', content_type="application/json")
    body = '{"status":"unhealthy","db":"disconnected"}'
    return Response(body, 500, content_type="application/json")
