"""The rehearsal's page of a healthy stack, as people see, hear and steer it."""

import sys

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.browser.conftest import DESKTOP, PHONE

SIZES = (PHONE, DESKTOP, (820, 1100), (1920, 1080))


def accessible(page):
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()


def fits_and_is_accessible(page, *sizes):
    """On screens of these sizes nothing is cut off, and axe-core finds no fault."""
    for width, height in sizes:
        page.set_viewport_size({"width": width, "height": height})
        assert page.evaluate("tests.overflow()") <= 0, width
        assert page.evaluate("tests.cut()") == [], width
        accessible(page)


@pytest.mark.parametrize("lang", ["en-GB", "ja-JP"])
def test_it_fits_and_is_accessible(visit, healthy, lang):
    seen = visit(healthy, locale=lang)
    seen.until("Everything works|すべて動いています")
    for scheme, background in (("light", "rgb(244, 247, 247)"), ("dark", "rgb(12, 22, 25)")):
        seen.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        assert seen.page.evaluate("getComputedStyle(document.body).backgroundColor") == background
        fits_and_is_accessible(seen.page, *SIZES)


def test_a_screen_reader_meets_state_first_and_every_hop_in_words(visit, healthy):
    page = visit(healthy).page
    status = page.get_by_role("status").filter(has_text="Everything works")
    assert "healthy" in status.inner_text()
    assert page.get_by_role("banner").count() == page.get_by_role("main").count() == 1
    assert page.get_by_role("heading", level=1).inner_text() == "careapp-poc"
    headings = [heading.inner_text() for heading in page.get_by_role("heading", level=2).all()]
    assert headings == ["Request path", "The doctor", "Roll-out", "Timeline", "Resources"]
    hop = page.get_by_role("listitem").filter(
        has=page.get_by_role("heading", name="Load balancer → Tasks")
    )
    assert "works" in hop.inner_text()
    assert "GET /health answers 200." in hop.inner_text()
    assert page.get_by_role("progressbar").count() == 1


def test_the_keyboard_reaches_everything_and_shows_where_it_is(visit, healthy):
    page = visit(healthy).page
    stops = []
    for _ in range(40):
        page.keyboard.press("Tab")
        stop = page.evaluate("tests.focused()")
        if stop["tag"] == "BODY":
            break
        assert stop["outline"] != "none", stop
        assert stop["width"] >= 2, stop
        assert stop["seen"], stop
        stops.append(stop)
    page.locator("a").first.press("Enter")
    assert page.evaluate("document.activeElement.id") == "state"
    texts = [each["text"] for each in stops]
    assert texts[:3] == ["Skip to the state", "English", "日本語"]
    assert any(text.startswith("Open the app") for text in texts), texts
    assert {"SUMMARY", "INPUT", "DIV"} <= {each["tag"] for each in stops}


def test_the_focus_stays_where_it_is_whatever_the_stream_sends(visit, healthy):
    page = visit(healthy).page
    assert page.evaluate("tests.firstShown()")
    page.locator(".verdict .open a").focus()
    for more in (True, False):
        assert page.evaluate("tests.shownAnew", more).startswith("Open the app")


def test_the_timeline_shows_events_or_log_lines_alone(visit, healthy):
    page = visit(healthy).page
    page.get_by_role("radio", name="everything").focus()
    every, visible = page.evaluate("tests.timeline()")
    assert every == visible
    page.keyboard.press("ArrowRight")
    every, visible = page.evaluate("tests.timeline()")
    assert visible == [kind for kind in every if "log" not in kind] != []
    page.keyboard.press("ArrowRight")
    every, visible = page.evaluate("tests.timeline()")
    assert visible == [kind for kind in every if "log" in kind] != []


SCALE = """
import boto3
boto3.client("ecs").update_service(cluster="careapp-poc-cluster", service="careapp-poc-service", desiredCount=2)
"""


def test_what_happens_shows_by_itself_and_disturbs_nobody(visit, healthy, running):
    seen = visit(healthy)
    page = seen.page
    page.get_by_text("What was checked").click()
    page.get_by_role("radio", name="events").focus()
    page.keyboard.press("ArrowRight")
    page.evaluate("window.unchanged = true")
    assert running.shell(sys.executable, "-c", SCALE).returncode == 0
    page.locator(".one.open").nth(1).wait_for(timeout=120_000)
    seen.until("Everything works")
    assert "Healthy targets: 2." in page.locator(".detail").inner_text()
    assert page.evaluate("window.unchanged"), "it was not loaded again"
    # The next event may still bring what was checked.
    page.locator("details.checked[open]").wait_for(timeout=30_000)
    assert page.evaluate("document.activeElement.value") == "logs"
    assert page.get_by_role("radio", name="log lines").is_checked()


TOGGLED = "new Promise(done => setTimeout(done, 100))"  # its event is told in a task of its own


def test_what_was_unfolded_is_so_when_it_comes_back(visit, healthy):
    page = visit(healthy).page
    for what in ("details.checked", ":has(> details.checked)"):
        for unfolded in (1, 0):
            page.get_by_text("What was checked").click()
            page.evaluate(TOGGLED)
            assert page.evaluate("tests.awayAndBack", what) == 0
            assert page.locator("details.checked[open]").count() == unfolded


def test_a_page_that_is_hidden_asks_nothing(visit, healthy):
    assert visit(healthy).page.evaluate("tests.hide()") == 2


def test_without_javascript_all_of_it_is_there(visit, healthy):
    page = visit(healthy, java_script_enabled=False).page
    assert "Everything works" in page.content()
    assert page.locator("[data-hop]").count() == 6
    assert 'http-equiv="refresh"' in page.content()
    assert page.locator("button:visible").count() == 0, "what needs JavaScript is not offered"
