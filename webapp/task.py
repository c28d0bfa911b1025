"""Which ECS task this is, asked of the task's own metadata endpoint in the background."""

import http.client
import json
import logging
import os
import threading
import time
from urllib.parse import urlsplit

log = logging.getLogger(__name__)

TIMEOUT = 2.0  # seconds for one answer
ATTEMPTS = 10


class Task:
    """The task's id, or the host's name until it is known and where there is no ECS."""

    def __init__(self, metadata_uri: str | None) -> None:
        self.id = os.uname().nodename
        self._uri = metadata_uri

    def start(self) -> None:
        """Ask, without making anybody wait."""
        if self._uri:
            threading.Thread(target=self._ask_until_known, name="task-id", daemon=True).start()

    def _ask_until_known(self) -> None:
        for attempt in range(ATTEMPTS):
            try:
                self.id = self._ask()
            except (OSError, ValueError, KeyError, http.client.HTTPException) as error:
                last = error
                time.sleep(0.2 * 2 ** min(attempt, 4))
            else:
                return
        log.warning("task id unknown: %s does not tell it: %s", self._uri, last)

    def _ask(self) -> str:
        """The last part of the task's ARN (arn:aws:ecs:region:account:task/cluster/id)."""
        address = urlsplit(f"{self._uri}/task")
        connection = http.client.HTTPConnection(address.netloc, timeout=TIMEOUT)
        try:
            connection.request("GET", address.path)
            answer = json.loads(connection.getresponse().read())
        finally:
            connection.close()
        return str(answer["TaskARN"]).rsplit("/", 1)[-1]
