"""Visitors of the page while a new version takes the place of a running one."""

import http.client
import re
import shutil
import threading
import time
from collections import Counter
from contextlib import contextmanager
from urllib.parse import urlsplit

from careapp import ROOT
from careapp.rehearsal.faults import FAULTS
from local_cloud.calls import Calls
from local_cloud.run.client import require

CLIENTS, PAUSE = 4, 0.02
"""Visitors at once, and the seconds that each waits between two requests."""
ENOUGH = 200
"""Answers after which it counts that none failed."""
VERSION = re.compile(rb"<code>([^<]+)</code>")


class Visitor(threading.Thread):
    """Asks the page and /health in turn; every fourth visit on a connection of its own."""

    def __init__(self, address: str, over: threading.Event) -> None:
        super().__init__()
        self.address, self.over = address, over
        self.statuses: Counter[str] = Counter()
        self.versions: list[bytes] = []

    def run(self) -> None:
        kept = http.client.HTTPConnection(self.address, timeout=30)
        visits = 0
        while not self.over.is_set():
            visits += 1
            fresh = visits % 4 == 0
            line = http.client.HTTPConnection(self.address, timeout=30) if fresh else kept
            self.visit(line, "/health" if visits % 2 else "/")
            if fresh:
                line.close()
            time.sleep(PAUSE)
        kept.close()

    def visit(self, line: http.client.HTTPConnection, path: str) -> None:
        try:
            line.request("GET", path)
            answer = line.getresponse()
            body = answer.read()
        except (OSError, http.client.HTTPException) as problem:
            self.statuses[f"{path} {type(problem).__name__}: {problem}"] += 1
            line.close()
            return
        self.statuses["200" if answer.status == 200 else f"{path} {answer.status}"] += 1
        found = VERSION.search(body)
        if found and found[1] not in self.versions[-1:]:
            self.versions.append(found[1])


@contextmanager
def load(running):
    [listener] = running.facts()["state"]["listeners"]
    over = threading.Event()
    visitors = [Visitor(urlsplit(listener["url"]).netloc, over) for _ in range(CLIENTS)]
    for visitor in visitors:
        visitor.start()
    try:
        yield visitors
    finally:
        over.set()
        for visitor in visitors:
            visitor.join()


def counted(visitors):
    return sum((visitor.statuses for visitor in visitors), Counter())


def failed(visitors):
    found = counted(visitors)
    assert found.pop("200") > ENOUGH, "there was no load to speak of"
    return found


def definition(running):
    """The task definition of the service."""
    which = {"cluster": "careapp-poc-cluster", "services": ["careapp-poc-service"]}
    calls = Calls(require(running.home).access)
    return calls("ecs", "describe_services", which)["services"][0]["taskDefinition"]


@contextmanager
def broken(running, name):
    """The app as a copy with a mistake in it, for as long as the block lasts."""
    link = running.home.project / "webapp"
    link.unlink()
    shutil.copytree(ROOT / "webapp", link, ignore=shutil.ignore_patterns("__pycache__"))
    try:
        for edit in FAULTS[name].edits:
            edit.apply(running.home.project)
        yield
    finally:
        # At once: a process that still runs makes the folder of its bytecode anew where there is none.
        link.rename(aside := link.with_name("broken"))
        link.symlink_to(ROOT / "webapp")
        shutil.rmtree(aside)
