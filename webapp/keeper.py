"""Knows whether the database is away, and works in the background to find that it is back."""

import logging
import threading
import time
from collections.abc import Callable

import psycopg

from webapp.connection import DatabaseAway, SchemaMissing
from webapp.logs import fields

log = logging.getLogger(__name__)

RETRY_EVERY = 0.25  # seconds, while the database is away
TICK = 0.5  # seconds, while it is there


class Keeper:
    """A gate before the database, and the thread that opens it again.

    While the database is away, requests are told so at once instead of each waiting for a timeout.
    """

    def __init__(self, host: str, attempt: Callable[[], object]) -> None:
        self._host = host
        self._attempt = attempt
        self._chores: list[Callable[[], None]] = []
        self._told: dict[Callable[[], None], str] = {}
        self._page_served = 0.0
        self._away = threading.Event()
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="database-keeper", daemon=True)

    @property
    def away(self) -> bool:
        """Whether the last that was heard of the database is that it does not answer."""
        return self._away.is_set()

    def every_tick(self, chore: Callable[[], None]) -> None:
        """Have this done about twice a second while the database is there, and at the end."""
        self._chores.append(chore)

    def start(self) -> None:
        """Begin: the first attempt tells whether the database is there."""
        self._thread.start()

    def stop(self, timeout: float) -> None:
        """Do the chores once more and end; wait for that at most `timeout` seconds."""
        self._stopping.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(timeout)

    def lost(self, error: DatabaseAway) -> None:
        """Close the gate. Logged once, not for each request that finds out.

        That a first start is quicker than its migrations is nobody's error.
        """
        if not self._away.is_set() and not self._stopping.is_set():
            self._away.set()
            self._wake.set()
            level = logging.INFO if isinstance(error, SchemaMissing) else logging.ERROR
            log.log(level, "database away", extra=fields(host=self._host, reason=str(error)))

    def answered(self) -> None:
        """Somebody had an answer: see whether the gate can be opened."""
        if self._away.is_set():
            self._wake.set()

    def page_served(self) -> None:
        """A page had its answer: the first attempt, if it failed earlier, is out of date."""
        self._page_served = time.monotonic()

    def _run(self) -> None:
        self._try()
        while not self._stopping.is_set():
            self._wake.wait(RETRY_EVERY if self.away else TICK)
            self._wake.clear()
            if self.away:
                self._try()
            else:
                self._do_chores()
        if not self.away:
            self._do_chores()

    def _try(self) -> None:
        began = time.monotonic()
        try:
            self._attempt()
        except DatabaseAway as error:
            if self._page_served < began:
                self.lost(error)
            self._stopping.wait(max(0.0, RETRY_EVERY - (time.monotonic() - began)))
        except psycopg.Error as error:
            # It answers, and what it answers is for the page to report.
            log.warning("the database answers with an error", extra=fields(reason=str(error)))
            self._away.clear()
        else:
            self._away.clear()
            log.info("database connected", extra=fields(host=self._host))

    def _do_chores(self) -> None:
        for chore in self._chores:
            try:
                chore()
            except DatabaseAway as error:
                self.lost(error)
            except Exception as error:
                # Once, not at every tick.
                if self._told.get(chore) != str(error):
                    log.exception("a background task failed")
                self._told[chore] = str(error)
            else:
                self._told.pop(chore, None)
