"""AWS's session-manager-plugin: finds it and runs it, as the AWS CLI does."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from i18n import Refused, t

NAME = "session-manager-plugin"
TOO_OLD = (1, 2, 497, 0)
"""The last version that takes the session only as an argument, where its token would stand in the
process list (aws-cli, customizations/sessionmanager.py)."""
VARIABLE = "AWS_SSM_START_SESSION_RESPONSE"
OPENED = re.compile(r"Port (\d+) opened for sessionId")
OPEN_SECONDS = 30
STOP_SECONDS = 5


def find() -> str:
    """Its path. Raises Refused where it is missing or too old."""
    path = shutil.which(NAME)
    if path is None:
        raise Refused(
            t(
                "{name} is not on PATH, and without it nothing reaches into the VPC: install AWS's "
                "Session Manager plugin (AWS Systems Manager user guide, or your package manager).",
                name=NAME,
            )
        )
    said = subprocess.run(
        [path, "--version"], capture_output=True, text=True, check=False, timeout=10
    ).stdout.strip()
    if _version(said) <= TOO_OLD:
        raise Refused(
            t(
                "{name} is version {said}; only those after {old} keep the session's token out of the "
                "process list: update it.",
                name=NAME,
                said=said or "?",
                old=".".join(map(str, TOO_OLD)),
            )
        )
    return path


def _version(said: str) -> tuple[int, ...]:
    return tuple(int(each) for each in re.findall(r"\d+", said)[:4])


class Plugin:
    """The running plugin: the near end of a session, listening on a port of 127.0.0.1."""

    def __init__(self, path: str, session: Mapping[str, Any], arguments: list[str]) -> None:
        """``session`` is StartSession's answer; ``arguments`` follow the variable's name."""
        response = {key: session[key] for key in ("SessionId", "TokenValue", "StreamUrl")}
        self._said: list[str] = []
        self._port: int | None = None
        self._process = subprocess.Popen(
            [path, VARIABLE, *arguments],
            env={**os.environ, VARIABLE: json.dumps(response)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            # A Ctrl-C is for psql, or for whoever holds the tunnel open; that ends the plugin itself.
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        for line in self._process.stdout or ():
            if match := OPENED.search(line):
                self._port = int(match[1])
            if line.strip():
                self._said = [*self._said[-4:], line.strip()]

    def port(self) -> int:
        """The port it listens on, when it does. Raises Refused with its own words."""
        deadline = time.monotonic() + OPEN_SECONDS
        while self._port is None:
            if not self.alive or time.monotonic() > deadline:
                self._reader.join(1)
                raise Refused(
                    t("{name} opened no port: {said}", name=NAME, said=" ".join(self._said) or "-")
                )
            time.sleep(0.02)
        return self._port

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def stop(self) -> None:
        """End it; a second call does nothing."""
        self._process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(STOP_SECONDS)
        if self.alive:
            self._process.kill()
            self._process.wait()
        self._reader.join(1)
        if self._process.stdout:
            self._process.stdout.close()
