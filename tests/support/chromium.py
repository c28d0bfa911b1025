"""The machine's Chromium, headless, driven by Playwright."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, sync_playwright

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
