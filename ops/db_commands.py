"""What ``db check``, ``db psql`` and ``db tunnel`` do; ``ops.db_cli`` says how they are called."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from i18n import Refused, t
from ops.access import asking, login, ways, why
from ops.access.login import Login
from ops.access.tunnel import Tunnel, opened
from ops.aws import Session
from ops.commands import REFUSED, guarded
from ops.render import db as screen
from ops.render.lines import display
from ops.signals import run_in_front, terminations_raise
from stack.names import StackNames

LOOK_SECONDS = 0.5


@dataclass(frozen=True)
class Wanted:
    """Whose database, in which language, and through what."""

    stack: str
    folder: Path
    lang: str
    via: str


@contextmanager
def _open(wanted: Wanted, port: int = 0) -> Iterator[tuple[Login, Tunnel]]:
    """The tunnel and the login; that the database is silent is told with its reason."""
    session, names = Session.of_stack(wanted.stack, wanted.folder), StackNames.of(wanted.stack)
    database = login.database(session, names)
    way = ways.find(session, names, wanted.via)
    who = login.login(session, database)
    # A SIGTERM or SIGHUP ends the plugin too, which is in a process group of its own.
    with terminations_raise(), opened(session, way, database, port) as tunnel:
        try:
            yield who, tunnel
        except asking.NoConnection as silence:
            raise why.silent(session, way, database, str(silence)) from None


def check(wanted: Wanted, as_json: bool, rounds: int) -> int:
    """What is there and how fast it answers."""

    def work() -> int:
        with _open(wanted) as (who, tunnel):
            found = asking.check(who, tunnel, rounds)
        if as_json:
            print(json.dumps(found.as_dict(wanted.lang), ensure_ascii=False, indent=2))
        else:
            display(screen.checked(found, wanted.lang))
        return 0

    return guarded(work, wanted.lang)


def psql(wanted: Wanted, question: str | None, words: list[str]) -> int:
    """psql where there is one; one question goes without. psql's own exit code."""
    program = shutil.which("psql")

    def work() -> int:
        if program is None and (question is None or words):
            raise Refused(
                t(
                    "psql is not on PATH: install the PostgreSQL client, or put one question without "
                    'it: ./careapp db psql -c "SELECT 1".'
                )
            )
        with _open(wanted) as (who, tunnel):
            if program is None:
                return _asked(who, tunnel, question or "")
            asked = [] if question is None else ["-c", question]
            return _run([program, *asked, *words], who, tunnel)

    return guarded(work, wanted.lang)


def _asked(who: Login, tunnel: Tunnel, question: str) -> int:
    try:
        found = asking.ask(who, tunnel, question)
    except psycopg.Error as error:
        print(f"careapp: {str(error).strip()}", file=sys.stderr)
        return REFUSED
    display(screen.answered(found))
    return 0


def _run(command: list[str], who: Login, tunnel: Tunnel) -> int:
    """A client of libpq's, which reads login and password from its own environment alone."""
    # One connection first: psql itself could not say which rule keeps it out.
    asking.connected(who, tunnel).close()
    # In psql a Ctrl-C ends a question, not the session.
    return run_in_front(command, {**os.environ, **who.libpq(tunnel.port)})


def tunnel(wanted: Wanted, port: int, as_json: bool) -> int:
    """Hold it open until Ctrl-C; 1 when Session Manager ends it."""

    def work() -> int:
        with _open(wanted, port) as (who, held):
            # Said only of a tunnel that leads somewhere.
            asking.connected(who, held).close()
            if as_json:
                print(json.dumps(screen.keywords(who, held.port)), flush=True)
            else:
                display(screen.facts(who, held, wanted.lang))
            _until_interrupt(lambda: held.alive)
        return 0

    return guarded(work, wanted.lang)


def _until_interrupt(alive: Callable[[], bool]) -> None:
    try:
        while alive():
            time.sleep(LOOK_SECONDS)
    except KeyboardInterrupt:
        return
    raise Refused(
        t(
            "Session Manager has closed the tunnel (it does so after 20 idle minutes); open it again."
        )
    )
