"""What every answer has, and what the errors, the files and the health checks are."""

import re
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.webapp.browsing import BROWSER, JAPANESE, JSON
from webapp import pages

SECURITY = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


def test_every_answer_has_the_security_headers(client: FlaskClient) -> None:
    for path in ("/", "/health/db", "/nothing", "/static/style.css"):
        with client.get(path, headers=BROWSER) as answer:
            headers = answer.headers
        assert {name: headers.get(name) for name in SECURITY} == SECURITY, path
        assert re.fullmatch("[0-9a-f]{16}", headers["X-Request-ID"])
        assert "Strict-Transport-Security" not in headers


@pytest.mark.parametrize(
    ("proto", "secure"),
    [("https", True), ("http", False), ("https, http", False), ("http, https", True)],
)
def test_hsts_is_sent_where_the_balancer_says_https_and_only_its_own_word_counts(
    client: FlaskClient, proto: str, secure: bool
) -> None:
    headers = client.get("/", headers={"X-Forwarded-Proto": proto}).headers
    expected = "max-age=31536000" if secure else None
    assert headers.get("Strict-Transport-Security") == expected


@pytest.mark.parametrize(
    ("path", "status"),
    [
        *(("/static//x", 404), ("/static///x", 404), ("/health//db", 404), ("/health/", 404)),
        *(("/health/db/", 404), ("/static/x/", 404), ("/static", 404), ("//evil.example/", 404)),
        # Slashes at the beginning are one to Werkzeug, which does not redirect for them.
        *(("//", 200), ("//health", 200)),
    ],
)
def test_no_answer_leads_elsewhere(client: FlaskClient, path: str, status: int) -> None:
    # As the server gives it: of two slashes the test client would make a host.
    answer = client.get("/", environ_overrides={"PATH_INFO": path, "HTTP_HOST": "evil.example"})
    assert (answer.status_code, answer.headers.get("Location")) == (status, None)
    assert "evil.example" not in answer.text


def test_no_route_is_of_those_that_werkzeug_redirects_to(shared_app: Flask) -> None:
    """It adds a missing slash at the end, and leads from default values to the route without."""
    rules = list(shared_app.url_map.iter_rules())
    assert [rule.rule for rule in rules if rule.rule.endswith("/")] == ["/"]
    assert [rule.rule for rule in rules if rule.defaults or rule.redirect_to or rule.alias] == []


def test_a_head_request_has_the_page_s_headers_and_no_body(client: FlaskClient) -> None:
    asked, got = client.head("/", headers=BROWSER), client.get("/", headers=BROWSER)
    assert (asked.status_code, asked.data) == (200, b"")
    varying = {"X-Request-ID", "Content-Length"}
    headers = [{k: v for k, v in a.headers.items() if k not in varying} for a in (asked, got)]
    assert headers[0] == headers[1]


@pytest.mark.parametrize(
    ("method", "path", "status", "error", "message"),
    [
        ("GET", "/nothing", 404, "not found", "There is no such page."),
        ("POST", "/", 405, "method not allowed", "This page does not accept that kind of request."),
        ("DELETE", "/health", 405, "method not allowed", "This page does not accept"),
    ],
)
def test_an_error_is_a_page_or_json_as_the_client_likes(
    client: FlaskClient, method: str, path: str, status: int, error: str, message: str
) -> None:
    page = client.open(path, method=method, headers=BROWSER)
    assert (page.status_code, page.mimetype) == (status, "text/html")
    assert message in page.text
    data = client.open(path, method=method, headers=JSON)
    assert data.status_code == status
    assert data.json == {
        "status": status,
        "error": error,
        "request_id": data.headers["X-Request-ID"],
    }
    if status == 405:
        assert set(page.headers["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS"}


def test_pages_are_not_kept_and_files_are_kept_for_five_minutes(client: FlaskClient) -> None:
    for path in ("/", "/nothing", "/health/db"):
        assert client.get(path).headers.getlist("Cache-Control") == ["no-store"]
    for name, kind in (("style.css", "text/css"), ("icon.svg", "image/svg+xml")):
        with client.get(f"/static/{name}") as answer:
            assert (answer.status_code, answer.mimetype) == (200, kind)
            assert answer.headers["Cache-Control"] == "public, max-age=300"


def test_an_error_speaks_japanese_too(client: FlaskClient) -> None:
    assert "ページが見つかりません。" in client.get("/nothing", headers=JAPANESE).text


def test_a_bug_is_a_500_that_tells_the_visitor_nothing_and_the_log_everything(
    client: FlaskClient, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> Any:
        raise RuntimeError("the inside")

    monkeypatch.setattr(pages, "sign", broken)
    answer = client.get("/", headers=JSON)
    assert answer.status_code == 500
    identity = answer.headers["X-Request-ID"]
    assert answer.json == {
        "status": 500,
        "error": "internal server error",
        "request_id": identity,
    }
    logged = [line for line in capfd.readouterr().out.splitlines() if identity in line]
    assert len(logged) == 2
    assert "RuntimeError: the inside" in logged[0]
    assert '"status": 500' in logged[1]


@pytest.mark.parametrize(("method", "body"), [("GET", '{"status":"healthy"}'), ("HEAD", "")])
def test_health_is_a_short_answer(client: FlaskClient, method: str, body: str) -> None:
    answer = client.open("/health", method=method)
    assert (answer.status_code, answer.text) == (200, body)
    assert answer.headers["Content-Type"] == "application/json"


def test_health_db_says_exactly_that_it_is_connected(client: FlaskClient) -> None:
    answer = client.get("/health/db")
    assert (answer.status_code, answer.text) == (200, '{"status":"healthy","db":"connected"}')
