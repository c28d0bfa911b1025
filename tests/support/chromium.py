"""The machine's Chromium, headless, driven by Playwright."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Any

from playwright.sync_api import Browser, BrowserContext, sync_playwright

from tests import tiers

DESKTOP, PHONE = (1280, 800), (360, 740)


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """One browser. As root Chromium's own sandbox cannot be had (crbug.com/638180)."""
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=tiers.browser(), args=arguments)
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
