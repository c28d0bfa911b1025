"""The ECS task's id, read from the task metadata endpoint in the background."""

import json
import logging
import os
import threading
import time
import urllib.request

from flask import Flask, current_app

log = logging.getLogger(__name__)

TIMEOUT = 2.0  # seconds for one response
PAUSES = (0.2, 0.4, 0.8, 1.6, 3.2, 3.2, 3.2)  # seconds after an attempt that failed


class Task:
    """The task's id; outside ECS, or until it is known, the host's name."""

    def __init__(self, metadata_uri: str | None) -> None:
        self.id = os.uname().nodename
        self._uri = metadata_uri

    def start(self) -> None:
        """Read the id in the background."""
        if self._uri:
            threading.Thread(target=self._ask_until_known, name="task-id", daemon=True).start()

    def _ask_until_known(self) -> None:
        for pause in PAUSES:
            try:
                self.id = self._ask()
            except (OSError, ValueError, KeyError) as error:
                last = error
                time.sleep(pause)
            else:
                return
        log.warning("task id unknown: %s does not tell it: %s", self._uri, last)

    def _ask(self) -> str:
        """Return the last part of the task's ARN (arn:aws:ecs:region:account:task/cluster/id)."""
        # An http address, as settings.py has checked.
        with urllib.request.urlopen(f"{self._uri}/task", timeout=TIMEOUT) as answer:  # noqa: S310
            return str(json.load(answer)["TaskARN"]).rsplit("/", 1)[-1]


def init_app(app: Flask, metadata_uri: str | None) -> None:
    """Start to read the task's id, and pass it to every template."""
    app.extensions["task"] = Task(metadata_uri)
    app.extensions["task"].start()
    app.context_processor(lambda: {"task": current()})


def current() -> str:
    """Return the id of this task."""
    return str(current_app.extensions["task"].id)
