"""gunicorn's own log lines."""

import logging
from typing import Any

from gunicorn import glogging  # type: ignore[import-untyped]

from webapp import logs


class JsonLogger(glogging.Logger):  # type: ignore[misc]
    """gunicorn's log in the app's format; the app itself logs the requests."""

    def setup(self, cfg: Any) -> None:
        self.cfg = cfg
        logs.configure(cfg.loglevel)
        self.error_log.propagate = True
        self.error_log.setLevel(logging.NOTSET)

    def access(self, *_: Any) -> None:
        """Nothing: see webapp.front."""

    def reopen_files(self) -> None:
        """Nothing: there are no files."""
