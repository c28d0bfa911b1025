"""Takes the pictures that the documents show: ``python -m tests.browser.pictures``.

They are of real rehearsals, on the default ports, so nothing else may listen there. The page's first choice of font,
Inter (Debian: fonts-inter), makes them look the same everywhere; fonts-noto-cjk has the Japanese characters.
"""

import contextlib
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import Browser

from careapp import ROOT
from tests.browser.conftest import Rehearsal, chromium, reader
from tests.rehearsal.conftest import Careapp

FOLDER = ROOT / "docs" / "pictures"
LARGEST = 200_000
"""Bytes of a picture."""
WIDE, PHONE = (1200, 900), (360, 780)
HEALTHY = (("page-healthy.png", WIDE, "light", 1.0), ("page-dark.png", WIDE, "dark", 1.0))
FAULT = (("page-fault.png", WIDE, "light", 1.0), ("page-phone.png", PHONE, "light", 2.0))


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


def main() -> None:
    """The rehearsal's page, healthy and with a fault."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with chromium() as browser:
        with rehearsal("-c", "desiredCount=2") as run:
            take(browser, run.url, HEALTHY, "Everything works", ".COMPLETED", "all")
        with rehearsal("--break", "health-path") as run:
            take(browser, run.url, FAULT, "path /healthz", ".FAILED", "events")


if __name__ == "__main__":
    main()
