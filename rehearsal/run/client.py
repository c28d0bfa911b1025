"""Start, find and stop the local cloud's process, lock its folder and request the app's page."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from i18n import Refused, Text, t, verbatim
from ops.aws.local_cloud import is_locked
from rehearsal.console import Progress
from rehearsal.paths import ROOT, Home

START_LIMIT = 60.0
STOP_LIMIT = 60.0
"""Seconds: tasks may take their stop timeout."""


NONE_RUNS = t("no local cloud runs here: ./careapp cloud start starts one")


@dataclass(frozen=True, kw_only=True)
class Options:
    """The options of a local cloud's process."""

    region: str
    speed: float
    port: int | None
    docker: bool
    namespaces: bool
    mounts: bool
    watch_port: int | None = None

    @property
    def page_port(self) -> int | None:
        """Return the port of the rehearsal's page. It is any free port where the app's is."""
        return 0 if self.watch_port is None and self.port == 0 else self.watch_port


class CloudError(Refused):
    """The local cloud cannot be started, found or stopped. The message says why and what to do."""


@dataclass(frozen=True)
class Facts:
    """The content of ``cloud.json``, which a running local cloud writes."""

    data: dict[str, Any]

    @property
    def pid(self) -> int:
        return int(self.data["pid"])

    @property
    def endpoint(self) -> str:
        """The URL of the AWS API."""
        return str(self.data["endpoint"])

    @property
    def page(self) -> str:
        """The URL of the rehearsal's page."""
        return str(self.data["page"])

    @property
    def environment(self) -> dict[str, str]:
        """The variables that connect ``pulumi`` to the stand-ins."""
        return dict(self.data["environment"])

    @property
    def options(self) -> Options:
        return Options(**self.data["options"])

    @property
    def time(self) -> datetime:
        """Return AWS's time, at most half a second of this machine old."""
        return datetime.fromisoformat(self.data["time"])

    @property
    def state(self) -> dict[str, Any]:
        """Listeners, databases and tasks, at most half a second old."""
        return dict(self.data.get("state", {}))


def find(home: Home) -> Facts | None:
    """Return the facts of the local cloud that runs in ``home``, or None."""
    try:
        data = json.loads(home.facts.read_text())
    except (FileNotFoundError, ValueError):
        return None
    return Facts(data) if "endpoint" in data and is_locked(home.lock) else None


def require(home: Home) -> Facts:
    """Return the facts of the running local cloud. Raises ``CloudError`` when there is none."""
    found = find(home)
    if found is None:
        raise CloudError(NONE_RUNS)
    return found


def start(home: Home, options: Options) -> Facts:
    """Start a local cloud and wait until it answers. Raises ``CloudError``; then its process has ended."""
    if find(home):
        raise CloudError(
            t(
                "a local cloud already runs in {folder}: ./careapp cloud stop ends it",
                folder=str(home.folder),
            )
        )
    home.folder.mkdir(parents=True, exist_ok=True)
    home.facts.unlink(missing_ok=True)
    child = _spawn(home, options)
    try:
        with Progress().phase(t("starting the local cloud")):
            return _wait_until_started(home, child)
    except BaseException:
        child.terminate()
        child.wait(STOP_LIMIT)
        home.facts.unlink(missing_ok=True)
        raise


def _wait_until_started(home: Home, child: subprocess.Popen[str]) -> Facts:
    deadline = time.monotonic() + START_LIMIT
    while time.monotonic() < deadline:
        found = find(home)
        if found:
            return found
        if child.poll() is not None:
            raise CloudError(t("the local cloud did not start: {why}", why=_start_error(home)))
        time.sleep(0.05)
    raise CloudError(
        t(
            "the local cloud does not answer after {seconds:.0f} s; see {log}",
            seconds=START_LIMIT,
            log=str(home.log),
        )
    )


def stop(home: Home) -> bool:
    """Stop the local cloud and wait for its end. Return False when none was running."""
    found = find(home)
    if found is None:
        return False
    os.kill(found.pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_LIMIT
    with Progress().phase(t("stopping the local cloud")):
        while time.monotonic() < deadline:
            if not is_locked(home.lock) and _has_ended(found.pid):
                return True
            time.sleep(0.05)
    raise CloudError(
        t(
            "the local cloud (process {pid}) does not end after {seconds:.0f} s; see {log}, "
            "then end it with: kill -9 {pid}",
            pid=found.pid,
            seconds=STOP_LIMIT,
            log=str(home.log),
        )
    )


def _spawn(home: Home, options: Options) -> subprocess.Popen[str]:
    environment = {
        **os.environ,
        "CAREAPP_HOME": str(home.folder),
        "PYTHONPATH": str(ROOT),
        # Tasks are started by fork and exec; gRPC would warn of each.
        "GRPC_ENABLE_FORK_SUPPORT": "0",
        # More than a hundred threads are mostly idle. A malloc arena for each would double the memory.
        "MALLOC_ARENA_MAX": "2",
    }
    with home.log.open("a") as log:
        child = subprocess.Popen(
            # Not -m: multiprocessing would import that module from here in each fork of the program.
            [
                sys.executable,
                "-c",
                "import sys; from rehearsal.run import cloud; sys.exit(cloud.main())",
            ],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            text=True,
            env=environment,
            start_new_session=True,
        )
    assert child.stdin is not None  # noqa: S101 - for the type checker; PIPE was asked for
    child.stdin.write(json.dumps(asdict(options)))
    child.stdin.close()
    return child


def _start_error(home: Home) -> Text:
    try:
        return verbatim(str(json.loads(home.facts.read_text())["failed"]))
    except (OSError, ValueError, KeyError):
        return t("see {log}", log=str(home.log))


def _has_ended(pid: int) -> bool:
    """Return whether a process has ended. A zombie counts as ended."""
    with contextlib.suppress(ChildProcessError):
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except ProcessLookupError:
        return True
    except OSError:
        return False  # Another user's process, or a system without /proc.


@contextmanager
def hold_folder(home: Home) -> Iterator[None]:
    """Hold the folder's lock for a rehearsal. Raises ``CloudError`` while another process holds it."""
    home.folder.mkdir(parents=True, exist_ok=True)
    with home.owner.open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise CloudError(
                t(
                    "a rehearsal (process {pid}) runs in {folder}: end it with Ctrl-C where it was "
                    "started, or give this one a folder of its own: "
                    "CAREAPP_HOME=FOLDER ./careapp rehearse",
                    pid=lock.read().strip(),
                    folder=str(home.folder),
                )
            ) from None
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        yield


def refuse_to_stop(home: Home) -> None:
    """Raise ``CloudError`` while a rehearsal runs in ``home``: it needs the local cloud to destroy its stack."""
    if not is_locked(home.owner):
        return
    pid = home.owner.read_text().strip()
    raise CloudError(
        t(
            "a rehearsal (process {pid}) runs in {folder}, and this is its local cloud: Ctrl-C where "
            "it was started destroys the stack and stops the local cloud; kill {pid} stops both "
            "without destroying",
            pid=pid,
            folder=str(home.folder),
        )
    )


@dataclass(frozen=True)
class Page:
    """The listener that serves the app. ``authority`` is its CA certificate file; "" without HTTPS."""

    url: str
    authority: str = ""
    plain: str = ""
    """The URL of the HTTP listener that must redirect to it; "" when there is none."""

    @classmethod
    def of(cls, listeners: Sequence[Mapping[str, str]]) -> Page | None:
        """Return the page of the local cloud's listeners, or None without a listener."""
        secure = [each for each in listeners if each.get("authority")]
        plain = [each["url"] for each in listeners if not each.get("authority")]
        if secure:
            return cls(secure[0]["url"], secure[0]["authority"], plain[0] if plain else "")
        return cls(plain[0]) if plain else None

    def get(self, url: str = "", host: str = "") -> tuple[int, str, str]:
        """Return status, text and final URL. Without a trusted answer return status 0 and the reason.

        ``host`` is the name that users open. Of a redirect to another host, return it and where it leads.
        """
        from ops.snapshot.page import Redirects  # with all of ops.snapshot, which few commands need

        url, redirects = url or self.url, Redirects()
        trust = ssl.create_default_context(cafile=self.authority) if self.authority else None
        opener = urllib.request.build_opener(
            urllib.request.HTTPSHandler(context=trust), urllib.request.ProxyHandler({}), redirects
        )
        asked = urllib.request.Request(url, headers={"Host": host} if host else {})  # noqa: S310 - a loopback address
        try:
            with opener.open(asked, timeout=10) as answer:
                return answer.status, answer.read().decode(errors="replace"), answer.url
        except urllib.error.HTTPError as answer:
            with answer:
                text = answer.read().decode(errors="replace")
                return answer.code, text, redirects.leads_to or answer.url
        except OSError as problem:
            return 0, str(problem), url
