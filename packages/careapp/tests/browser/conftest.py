"""A real browser, and real rehearsals to look at: one that is healthy, and one with a fault."""

import contextlib
import os
import re
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.rehearsal.conftest import Careapp, running  # noqa: F401 - a fixture

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
OF_A_MAC = "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"
DESKTOP, PHONE = (1280, 800), (360, 740)


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """Start one browser; without one the test is skipped. As root Chromium has no sandbox (crbug.com/638180)."""
    found = next(filter(None, map(shutil.which, (*NAMES, OF_A_MAC))), None)
    if not found:
        pytest.skip(f"no Chromium: none of {', '.join(NAMES)} is on PATH")
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=arguments)
        try:
            yield browser
        finally:
            browser.close()


def reader(
    browser: Browser,
    size: tuple[int, int],
    scheme: str = "light",
    locale: str = "en-GB",
    **more: Any,
) -> BrowserContext:
    """Somebody with a screen of this size, who prefers light or dark and a language."""
    width, height = size
    return browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme=scheme,  # type: ignore[arg-type]
        locale=locale,
        reduced_motion="reduce",
        **more,
    )


@pytest.fixture(scope="module")  # Playwright's event loop must not run on under other tests
def browser():
    with chromium() as found:
        yield found


class Visit:
    """One page in one reader's browser, and what went wrong there."""

    def __init__(self, page: Page, url: str) -> None:
        self.page, self.url = page, url
        self.errors: list[str] = []
        self.asked: list[str] = []
        page.on("console", lambda said: self._console(said.type, said.text))
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("request", lambda request: self.asked.append(request.url))
        page.add_init_script(path=Path(__file__).with_name("page.js"))
        page.goto(url)

    def _console(self, kind: str, text: str) -> None:
        if kind in ("error", "warning"):
            self.errors.append(text)

    @property
    def headline(self) -> str:
        return self.page.locator(".headline").inner_text()

    def until(self, headline: str, seconds: float = 120) -> None:
        """Wait until the page says so by itself."""
        found = self.page.locator(".headline", has_text=re.compile(headline))
        found.wait_for(timeout=seconds * 1000)


@pytest.fixture
def visit(browser) -> Iterator[Callable[..., Visit]]:
    """Opens an address; when the test ends, nothing may have gone wrong there or have left this machine."""
    with contextlib.ExitStack() as stops:
        visits: list[Visit] = []

        def opened(url: str, size=DESKTOP, path: str = "", **more: Any) -> Visit:
            context = stops.enter_context(contextlib.closing(reader(browser, size, **more)))
            visits.append(Visit(context.new_page(), url + path))
            return visits[-1]

        yield opened
    for each in visits:
        origin = "/".join(each.url.split("/")[:3])
        assert [url for url in each.asked if not url.startswith(f"{origin}/")] == []
        assert each.errors == []


@pytest.fixture(scope="module")
def healthy(running) -> str:  # noqa: F811 - the fixture
    """Where the page of a healthy stack is."""
    return str(running.facts()["page"])


class Rehearsal:
    """``./careapp rehearse`` in the background."""

    def __init__(self, careapp: Careapp, *words: str) -> None:
        self.careapp = careapp
        self.child = careapp.start("rehearse", "--tasks", "process", *words)
        self.said: list[str] = []
        self.url = self._printed()
        # A pipe that nobody reads fills up, and then the engine waits for ever.
        self._rest = threading.Thread(
            target=self.said.extend, args=(self.child.stdout,), daemon=True
        )
        self._rest.start()

    def _printed(self) -> str:
        """Where it says that it can be watched."""
        for line in self.child.stdout:
            self.said.append(line)
            if found := re.search(r"watch it at (http://localhost:\d+)", line):
                return found[1]
        raise AssertionError("it never says where it can be watched")

    def interrupt(self) -> None:
        os.killpg(self.child.pid, signal.SIGINT)

    def end(self) -> None:
        if self.child.poll() is None:
            self.interrupt()
        self.child.wait(timeout=120)
        self._rest.join()
        self.child.stdout.close()


@pytest.fixture(scope="module")
def broken(tmp_path_factory) -> Iterator[Rehearsal]:
    """A rehearsal whose health check asks for a path that the app does not have."""
    home = Careapp(tmp_path_factory.mktemp("broken"))
    started = Rehearsal(home, "--port", "0", "--break", "health-path")
    yield started
    started.end()
