"""Takes the pictures that the documents show: ``python -m tests.browser.pictures [page] [dashboard]``.

They are of real rehearsals, on the default ports, so nothing else may listen there. The page's first choice of font,
Inter (Debian: fonts-inter), makes them look the same everywhere.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
from playwright.sync_api import Browser

from rehearsal.paths import ROOT
from tests.browser.conftest import Rehearsal, chromium, reader
from tests.browser.drawing import page as drawn
from tests.rehearsal.conftest import Careapp
from tests.support.dashboards import lines, read

FOLDER = ROOT / "docs" / "pictures"
LARGEST = 200_000
"""Bytes of a picture."""
TIME_WAIT = 62
"""Seconds after which the app's default port is free for the next rehearsal."""
WIDE, PHONE = (1200, 900), (360, 780)
HEALTHY = (
    ("page-healthy.png", WIDE, "light", 1.0),
    ("page-dark.png", WIDE, "dark", 1.0),
)
FAULT = (
    ("page-fault.png", WIDE, "light", 1.0),
    ("page-phone.png", PHONE, "light", 2.0),
)
DASHBOARD, STACK = "dashboard.png", "careapp-poc"
WIDTH = (1268, 400)
HOURS = timedelta(hours=12)
"""The rehearsal's clock is hours ahead of the wall's at most."""
REGION = "ap-northeast-1"
CLUSTER, SERVICE, DATABASE = "careapp-poc-cluster", "careapp-poc-service", "careapp-poc"
PEOPLE, PAUSE = 3, 0.12
"""How many ask for the page, and seconds of the wall that each waits between two requests."""
QUIET = 15.0
"""Seconds of the wall between two troubles: five minutes of AWS."""


class Incident:
    """The local cloud's AWS API, and what is done to it."""

    def __init__(self, careapp: Careapp) -> None:
        """Waits until the page can be asked for."""
        self._careapp = careapp
        until(lambda: bool(self._tasks()), 240)
        self._endpoint = careapp.facts()["endpoint"]

    def client(self, service: str) -> Any:
        """boto3's, for the local cloud."""
        return boto3.client(
            service,
            endpoint_url=self._endpoint,
            region_name=REGION,
            aws_access_key_id="rehearsal",
            aws_secret_access_key="rehearsal",
        )

    def happen(self) -> None:
        """All of it, while people ask."""
        [listener] = self._careapp.facts()["state"]["listeners"]
        with asked(listener["url"]):
            for trouble in (self._no_database, self._task_killed, self._bad_version):
                time.sleep(QUIET)
                trouble()
            time.sleep(QUIET)

    def _no_database(self) -> None:
        rds = self.client("rds")
        rds.stop_db_instance(DBInstanceIdentifier=DATABASE)
        time.sleep(QUIET)
        rds.start_db_instance(DBInstanceIdentifier=DATABASE)

    def _task_killed(self) -> None:
        [task] = self._tasks()
        for pid in task["pid"]:
            os.killpg(pid, signal.SIGKILL)

    def _tasks(self) -> list[dict[str, Any]]:
        tasks = self._careapp.facts().get("state", {}).get("tasks", ())
        return [each for each in tasks if each["state"] == "RUNNING"]

    def _bad_version(self) -> None:
        ecs = self.client("ecs")
        service = self._service(ecs)
        good = ecs.describe_task_definition(taskDefinition=service["taskDefinition"])
        definition = good["taskDefinition"]
        kept = ("family", "networkMode", "cpu", "memory", "executionRoleArn", "taskRoleArn")
        more = ("requiresCompatibilities", "runtimePlatform", "volumes", "containerDefinitions")
        changed = {name: definition[name] for name in (*kept, *more) if name in definition}
        for each in changed["containerDefinitions"]:
            for variable in each["environment"]:
                if variable["name"] == "PORT":
                    variable["value"] = str(int(variable["value"]) + 1)
        made = ecs.register_task_definition(**changed)["taskDefinition"]["taskDefinitionArn"]
        ecs.update_service(cluster=CLUSTER, service=SERVICE, taskDefinition=made)
        until(lambda: self._service(ecs)["deployments"][0]["rolloutState"] == "COMPLETED")

    def _service(self, ecs: Any) -> dict[str, Any]:
        found: dict[str, Any] = ecs.describe_services(cluster=CLUSTER, services=[SERVICE])[
            "services"
        ][0]
        return found


def until(ask: Callable[[], bool], seconds: float = 120) -> None:
    """Wait until it is so."""
    end = time.monotonic() + seconds
    while not ask():
        assert time.monotonic() < end, "it never came to that"
        time.sleep(0.3)


@contextlib.contextmanager
def asked(url: str) -> Iterator[None]:
    """People ask for the page meanwhile; what they get is for the dashboard to tell."""
    over = threading.Event()

    def person() -> None:
        while not over.wait(PAUSE):
            with contextlib.suppress(OSError):
                urllib.request.urlopen(url, timeout=10).read()

    people = [threading.Thread(target=person, daemon=True) for _ in range(PEOPLE)]
    for each in people:
        each.start()
    try:
        yield
    finally:
        over.set()
        for each in people:
            each.join()


def take(browser: Browser, url: str, shots: tuple, headline: str, settled: str, shown: str) -> None:
    """The pictures of one state, once the page has come to it and is at rest."""
    for name, size, scheme, scale in shots:
        context = reader(browser, size, scheme, device_scale_factor=scale)
        page = context.new_page()
        page.goto(url)
        page.locator(".headline", has_text=re.compile(headline)).wait_for(timeout=180_000)
        page.locator(settled).first.wait_for(timeout=180_000)
        page.locator(f"[name=show][value={shown}]").check()
        page.evaluate("scrollTo(0, 0)")
        page.wait_for_timeout(3000)
        page.screenshot(path=FOLDER / name)
        context.close()
        weigh(name)


def weigh(name: str) -> None:
    """Say how large a picture is; end when it is too large for a repository."""
    size_now = (FOLDER / name).stat().st_size
    print(f"{name}: {size_now / 1000:.0f} kB")
    if size_now > LARGEST:
        sys.exit(f"{name} is larger than {LARGEST / 1000:.0f} kB: make its window smaller")


@contextlib.contextmanager
def rehearsal(*words: str) -> Iterator[Rehearsal]:
    """A rehearsal of its own, for as long as its pictures take."""
    with tempfile.TemporaryDirectory(prefix="careapp-pictures-") as folder:
        Path(folder).chmod(0o755)
        run = Rehearsal(Careapp(Path(folder)), *words)
        try:
            yield run
        finally:
            run.end()


def of_the_page(browser: Browser) -> None:
    """The rehearsal's page, healthy and with a fault."""
    with rehearsal("-c", "desiredCount=2") as run:
        take(browser, run.url, HEALTHY, "Everything works", ".COMPLETED", "all")
    with rehearsal("--break", "health-path") as run:
        take(browser, run.url, FAULT, "path /healthz", ".FAILED", "events")


def of_the_dashboard(browser: Browser) -> None:
    """The CloudWatch dashboard after a bad hour, from the metrics that CloudWatch has of it."""
    with rehearsal("--port", "0") as run:
        incident = Incident(run.careapp)
        incident.happen()
        now = datetime.now(UTC)
        widgets = read(incident.client("cloudwatch"), STACK, now - HOURS, now + HOURS)
    moments = [at for line in lines(widgets) for at in line.points]
    page = reader(browser, WIDTH).new_page()
    page.set_content(drawn(widgets, min(moments), max(moments)))
    page.screenshot(path=FOLDER / DASHBOARD, full_page=True)
    page.context.close()
    weigh(DASHBOARD)


SUBJECTS = {"page": of_the_page, "dashboard": of_the_dashboard}


def main() -> None:
    """Those that are asked for, else all, in about six minutes."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with chromium() as browser:
        for name in sys.argv[1:] or SUBJECTS:
            SUBJECTS[name](browser)


if __name__ == "__main__":
    main()
