"""The rehearsal's page as a server: its clients, its answers, and its security headers."""

import json

import pytest

from careapp.rehearsal.page import server
from careapp.rehearsal.page.__main__ import app_address
from careapp.watch.events import Event
from ecs_gate.text import verbatim
from local_cloud.paths import Home
from tests import stacks as a
from tests.doctor.situations import SITUATIONS
from tests.local.pages import Shown, client, seen

PATHS = ("/", "/state", "/live", "/static/page.css", "/static/page.js", "/static/icon.svg")
BROKEN = SITUATIONS["health-path-missing"]


@pytest.fixture
def page():
    return client(Shown(seen(a.stack())))


def told(piece):
    return json.loads(piece.decode().removeprefix("data: "))


def first_event(asked, **headers):
    answer = asked.get("/live", headers=headers, buffered=False)
    try:
        assert answer.mimetype == "text/event-stream"
        return told(next(iter(answer.response)))
    finally:
        answer.close()


HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


@pytest.mark.parametrize("path", PATHS)
def test_headers_of_every_response_keep_others_out(page, path):
    answer = page.head(path)
    assert answer.status_code == 200
    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'self';")
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert {name: answer.headers[name] for name in HEADERS} == HEADERS
    assert "Access-Control-Allow-Origin" not in answer.headers


@pytest.mark.parametrize("path", PATHS)
def test_host_header_with_another_name_is_refused(page, path):
    for host in ("evil.example", "localhost.evil.example", "10.0.0.1:8081", ""):
        watcher = Shown(seen(a.stack()))
        answer = client(watcher).get(path, headers={"Host": host})
        assert (answer.status_code, watcher.asked) == (400, [])
        assert "careapp-poc" not in answer.text
        assert "Content-Security-Policy" in answer.headers
    for host in ("localhost", "localhost:8081", "127.0.0.1:9"):
        assert page.head(path, headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("path", PATHS)
def test_methods_that_read_are_the_only_ones(page, path):
    for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"):
        assert page.open(path, method=method).status_code == 405


def test_state_is_sent_when_it_has_changed():
    watcher = Shown(seen(a.stack()))
    asked = client(watcher)
    tag = asked.get("/state").headers["ETag"]
    again = asked.get("/state", headers={"If-None-Match": tag})
    assert (again.status_code, again.data) == (304, b"")
    watcher.seen = seen(BROKEN)
    assert asked.get("/state", headers={"If-None-Match": tag}).status_code == 200


def test_stream_sends_the_state_and_then_changes(monkeypatch):
    monkeypatch.setattr(server, "TICK", 0.01)
    watcher = Shown(seen(a.stack()))
    answer = client(watcher).get("/live", buffered=False)
    stream = iter(answer.response)
    assert "Everything works" in told(next(stream))["title"]
    assert next(stream) == b": still here\n\n"
    watcher.seen = seen(BROKEN)
    news = told(next(stream))
    assert news["title"].startswith("The health check's path")
    assert 'data-hop="forward"' in news["html"]
    answer.close()


def test_stream_that_ends_makes_room_for_another(page, monkeypatch):
    monkeypatch.setattr(server, "STREAMS", 1)
    asked = client(Shown(seen(a.stack())))
    open_ = asked.get("/live", buffered=False)
    next(iter(open_.response))
    assert asked.get("/live").status_code == 503
    open_.close()
    assert first_event(asked)["title"]


@pytest.mark.parametrize(
    ("query", "accepted", "wanted"),
    [
        *(("", "ja,en;q=0.8", "ja"), ("", "de,en-US;q=0.7,ja;q=0.3", "en"), ("", "ja-JP", "ja")),
        *(("", "fr", "en"), ("?lang=ja", "en", "ja"), ("?lang=xx", "ja", "ja")),
    ],
)
def test_language_is_the_browser_s(page, query, accepted, wanted):
    answer = page.get(f"/{query}", headers={"Accept-Language": accepted})
    assert f'<html lang="{wanted}">' in answer.text
    assert ("すべて動いています" in answer.text) == (wanted == "ja")
    assert answer.headers["Vary"] == "Accept-Language"
    if not query:
        html = first_event(page, **{"Accept-Language": accepted})["html"]
        assert ("すべて動いています" in html) == (wanted == "ja")


def test_address_chooses_among_the_stacks_that_there_are():
    watcher = Shown(seen(a.stack()), "prod", "poc")
    asked = client(watcher)
    for query in ("", "?stack=poc", "?stack=../../etc"):
        asked.get(f"/state{query}")
    assert watcher.asked == ["prod", "poc", "prod"]


def test_log_s_markup_stays_text():
    line = Event(a.at(-1), "log", "x", verbatim("<script>alert(1)</script> \"'><img src=x>"))
    asked = client(Shown(seen(a.stack(), events=[line])))
    for html in (asked.get("/").text, first_event(asked)["html"]):
        assert "<script>alert" not in html
        assert "<img src=x>" not in html
        assert "&lt;script&gt;alert(1)" in html


def test_app_s_page_is_that_of_the_stack_that_is_shown(tmp_path):
    """A local cloud with another stack beside poc has two load balancers."""
    home = Home(tmp_path)
    listeners = [
        {"balancer": f"careapp-{stack}-alb", "url": f"http://localhost:{port}"}
        for stack, port in (("poc", 8080), ("try", 43229))
    ]
    home.facts.write_text(json.dumps({"state": {"listeners": listeners}}))
    shown = [app_address(home, stack) for stack in ("poc", "try", "prod")]
    assert shown == ["http://localhost:8080", "http://localhost:43229", ""]
