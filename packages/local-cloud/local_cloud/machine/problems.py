"""Exceptions of work that nobody waits for: each is logged once, and is in ``cloud status`` until the work succeeds."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

log = logging.getLogger(__name__)


class Problems:
    """The last exception of each work that fails now, by the work's name. Threads may use it at once."""

    def __init__(self) -> None:
        self._texts: dict[str, str] = {}

    @contextmanager
    def caught(self, work: str) -> Iterator[None]:
        """Keep an exception of the block from ending the loop around it."""
        try:
            yield
        except Exception as problem:
            text = f"{work}: {type(problem).__name__}: {problem}"
            # A loop that fails twenty times a second must not fill the disk.
            if self._texts.get(work) != text:
                log.exception("%s failed", work)
            self._texts[work] = text
        else:
            self._texts.pop(work, None)

    def texts(self) -> list[str]:
        """Return a line for each work that fails now."""
        return list(self._texts.values())

    def clear(self) -> None:
        self._texts.clear()


PROBLEMS = Problems()
"""The problems of this process's local cloud."""
