"""The page from an empty cloud over a broken roll-out to the end: what one sees, and how soon."""

import time

import pytest

from tests.browser.conftest import DESKTOP, PHONE
from tests.browser.test_page import accessible, fits_and_is_accessible
from tests.documents.console import printed_as
from tests.rehearsal.terminal import rehearsed

CAUSE = "The health check's path /healthz does not exist in the app"
SOON = 25
"""Seconds from the roll-out's first sign to its cause: three health checks and a grace of 60 s on AWS's
clock take 4 s at a speed of 20; the rest is for a busy machine."""


@pytest.fixture(scope="module")
def watched(browser, broken):
    """The page of the broken rehearsal, opened before anything is up and left open; what it has said."""
    page = browser.new_page(viewport={"width": 1280, "height": 800}, locale="en-GB")
    page.goto(broken.url)
    page.evaluate(
        "window.said = [];"
        "setInterval(() => { const now = document.querySelector('.headline').textContent;"
        "  if (said.at(-1) !== now) said.push(now); }, 50)"
    )
    yield page
    page.close()


def test_the_cause_is_named_soon_after_the_roll_out_begins(watched):
    watched.get_by_text("The roll-out is under way").wait_for(timeout=120_000)
    begun = time.monotonic()
    watched.locator(".headline", has_text=CAUSE).wait_for(timeout=SOON * 1000)
    assert time.monotonic() - begun < SOON
    said = watched.evaluate("said")
    assert "Stage 1 is being built" in said
    assert said.index("Stage 1 is being built") < said.index("Stage 2 is being built")
    assert said[-2:] == ["The roll-out is under way", CAUSE]


def test_the_broken_hop_and_the_way_out_are_shown(watched, broken):
    hop = watched.locator("[data-hop=forward]")
    assert "broken" in hop.inner_text()
    assert CAUSE in hop.inner_text()
    assert watched.locator("[data-hop=database]").get_attribute("class") == "hop open"
    first = watched.locator(".finding").first
    assert "cause" in first.inner_text()
    assert "GET /healthz answers 404; the health check expects 200." in first.inner_text()


def test_the_readme_shows_what_it_prints(watched, broken):
    [command] = rehearsed("README")[1][1].commands
    assert command.words == "./careapp rehearse --break health-path"
    deadline = time.monotonic() + 90
    while f"{command.output[-1]}\n" not in broken.said and time.monotonic() < deadline:
        time.sleep(0.2)
    assert printed_as(command.output, "".join(broken.said)), "".join(broken.said)


def test_the_commands_are_copied_whole(visit, broken):
    seen = visit(broken.url, permissions=["clipboard-read", "clipboard-write"])
    seen.until(CAUSE, 90)
    shown = seen.page.locator(".finding code").first.text_content()
    assert shown.startswith("pulumi config set healthPath /health -s poc\n")
    button = seen.page.get_by_role("button", name="Copy the commands").first
    button.focus()
    seen.page.keyboard.press("Enter")
    seen.page.get_by_role("status").filter(has_text="Copied").wait_for()
    assert seen.page.evaluate("navigator.clipboard.readText()") == shown


def test_a_fault_fits_and_is_accessible(visit, broken):
    page = visit(broken.url).page
    page.locator(".headline", has_text=CAUSE).wait_for(timeout=90_000)
    for details in page.locator("summary").all():
        if details.is_visible():
            details.click()
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        fits_and_is_accessible(page, PHONE, DESKTOP)


def test_the_destroy_shows_and_then_that_nobody_answers(watched, broken):
    watched.locator(".FAILED").first.wait_for(timeout=120_000)
    broken.interrupt()
    watched.locator(".headline", has_text="Pulumi is destroying the stack").wait_for(timeout=60_000)
    lost = watched.get_by_role("alert")
    lost.wait_for(timeout=60_000)
    assert "does not answer any more" in lost.inner_text()
    accessible(watched)
