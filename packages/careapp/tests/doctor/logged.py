"""What servers and libraries say when they fail: their real lines, shortened, with the app in /srv.

Run with Python 3.11: Flask 3.1.3, Flask-Migrate 4.1.0, Alembic 1.20.1, SQLAlchemy 2.1.9, psycopg 3.3.9, psycopg2
2.9.13, Django 5.2.19, Celery 5.7.0, gunicorn 27.0.1, uWSGI 2.0.31, Waitress 3.0.2, Uvicorn 0.54.0, environs 15.2.0,
python-decouple 3.8, django-environ 0.14.0, pydantic-settings 2.16.3, redis 8.1.0, requests 2.34.2 and pymongo 4.20.1.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import yaml


class Logged(NamedTuple):
    """A log in logged.txt: the cause that it names, of what, by the line that is marked there, and all lines."""

    cause: str
    what: str
    telling: str
    lines: tuple[str, ...]


def read() -> Iterator[tuple[str, Logged]]:
    """Yield each log of logged.txt with its name: `=== name · cause · of what`, and the lines behind two columns."""
    text = Path(__file__).with_name("logged.txt").read_text()
    for section in text.removeprefix("=== ").rstrip("\n").split("\n=== "):
        head, *lines = section.split("\n")
        name, cause, what = head.split(" · ")
        [telling] = {line[2:] for line in lines if line.startswith("> ")}
        log = tuple(line[2:] for line in lines)
        yield name, Logged(cause, "" if what == "-" else what, telling, log)


CAUSES = dict(read())
RETRIED = CAUSES["alembic table"].lines
"""A script that runs `flask db upgrade` until it succeeds, which it never does."""

SAID = yaml.safe_load(Path(__file__).with_name("lines.yaml").read_text())
LISTENING: dict[str, tuple[str, str, int]] = SAID["listening"]
"""The line by which a server says where it listens, the host and the port."""
REQUESTS: dict[str, tuple[str, str, int]] = SAID["requests"]
"""A line of a server's access log, the path and the status."""
TRACES: dict[str, str] = SAID["traces"]
"""Tracebacks and other ends of logs."""
BETWEEN_UWSGI = "uwsgi socket 0 bound to TCP address 127.0.0.1:43559 (port auto-assigned) fd 3"
"""The socket between uWSGI's router and its workers."""
