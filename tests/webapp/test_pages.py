"""The page, error pages and headers."""

import re

import pytest

from tests.webapp.serving import BROWSER, JAPANESE, JSON, at_once
from webapp import pages


def visits(text: str) -> int:
    found = re.search(r"<dt>Visits</dt><dd>([0-9,]+)</dd>", text)
    assert found, text
    return int(found[1].replace(",", ""))


def test_it_greets_from_the_database_and_says_what_answered(client, texts):
    texts.execute("UPDATE greetings SET greeting = 'Hi <b>' WHERE language = 'en'")
    answer = client.get("/", headers=BROWSER)
    assert answer.status_code == 200
    assert "<h1>Hi &lt;b&gt;</h1>" in answer.text
    assert "<dt>Version</dt><dd><code>1.2.3</code></dd>" in answer.text
    assert '<dd class="good">Connected</dd>' in answer.text


@pytest.mark.parametrize(
    ("accepted", "language", "greeting", "zone"),
    [
        ("ja", "ja", "こんにちは、ECS", "JST"),
        ("en-GB", "en", "Hello ECS", "UTC"),
        ("ja-JP,en-US;q=0.9", "ja", "こんにちは、ECS", "JST"),
        ("ja;q=0,en;q=0.1", "en", "Hello ECS", "UTC"),
        ("fr, ja;q=0.5", "ja", "こんにちは、ECS", "JST"),
        ("fr", "en", "Hello ECS", "UTC"),
        ("", "en", "Hello ECS", "UTC"),
        (";;q=x,,", "en", "Hello ECS", "UTC"),
    ],
)
def test_it_speaks_the_visitor_s_language(client, accepted, language, greeting, zone):
    text = client.get("/", headers={"Accept-Language": accepted}).text
    assert f'<html lang="{language}">' in text
    assert f"<h1>{greeting}</h1>" in text
    assert f"({zone})</th>" in text
    assert re.search(r">\d{4}-\d\d-\d\d \d\d:\d\d:\d\d</time>", text)


def test_each_visit_is_counted_and_written_at_once(client, texts):
    before = visits(client.get("/").text)
    assert [visits(client.get("/").text) for _ in range(3)] == [before + n for n in (1, 2, 3)]
    client.get("/", headers=JAPANESE)
    assert texts.execute("SELECT value FROM counters WHERE name = 'visits'") == [(before + 4,)]
    newest = texts.execute("SELECT language FROM visits ORDER BY id DESC LIMIT 2")
    assert newest == [("ja",), ("en",)]


def test_visits_at_the_same_time_are_all_counted(shared_app, texts):
    counter = "SELECT value FROM counters WHERE name = 'visits'"
    [(before,)] = texts.execute(counter)

    seen = at_once(40, lambda: visits(shared_app.test_client().get("/").text))
    assert sorted(seen) == list(range(before + 1, before + 41))
    assert texts.execute(counter) == [(before + 40,)]


def test_the_newest_visits_are_listed_and_old_ones_are_only_counted(client, texts):
    texts.execute(
        "INSERT INTO visits (visited_at, language, task)"
        " SELECT '2026-01-02 03:04:05+00', 'ja', '<script>' || n FROM generate_series(1, 1100) n"
    )
    text = client.get("/").text
    assert "<script" not in text
    assert client.get("/", headers=JAPANESE).text.count("2026-01-02 12:04:05<") == 4
    assert text.count("2026-01-02 03:04:05<") == 5
    assert texts.execute("SELECT count(*) FROM visits") == [(1000,)]


def test_the_page_needs_nothing_that_its_policy_forbids(client):
    for path in ("/", "/nothing"):
        text = client.get(path, headers=BROWSER).text
        assert not re.search(r"<(script|style|iframe)\b|<[^>]+ style=", text)
        sources = re.findall(r'<(?:link|img)\b[^>]* (?:href|src)="([^"]*)"', text)
        assert sources
        assert all(source.startswith("/static/") for source in sources)


def test_the_page_can_be_used_without_seeing_it(client):
    text = client.get("/", headers=BROWSER).text
    tags = {tag: re.findall(rf"<{tag}\b[^>]*>", text) for tag in ("h1", "main", "a", "th", "img")}
    assert (len(tags["h1"]), tags["main"]) == (1, ['<main id="content">'])
    assert tags["a"][0] == '<a class="skip" href="#content">'
    assert tags["th"] == ['<th scope="col">'] * 3
    [section] = re.findall('<section aria-labelledby="(.+?)">', text)
    assert text.count(f'id="{section}"') == 1
    # Sizes are given, so nothing moves when the image comes.
    assert all(re.search(" alt=.* width=.* height=", image) for image in tags["img"])


SECURITY = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


def test_every_answer_has_the_security_headers(client):
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
    client, proto, secure
):
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
def test_no_answer_leads_elsewhere(client, path, status):
    # As the server gives it: of two slashes the test client would make a host.
    answer = client.get("/", environ_overrides={"PATH_INFO": path, "HTTP_HOST": "evil.example"})
    assert (answer.status_code, answer.headers.get("Location")) == (status, None)
    assert "evil.example" not in answer.text


def test_no_route_is_of_those_that_werkzeug_redirects_to(shared_app):
    """It adds a missing slash at the end, and leads from default values to the route without."""
    rules = list(shared_app.url_map.iter_rules())
    assert [rule.rule for rule in rules if rule.rule.endswith("/")] == ["/"]
    assert [rule.rule for rule in rules if rule.defaults or rule.redirect_to or rule.alias] == []


@pytest.mark.parametrize(
    ("method", "path", "status", "error", "message"),
    [
        ("GET", "/nothing", 404, "not found", "There is no such page."),
        ("POST", "/", 405, "method not allowed", "This page does not accept that kind of request."),
        ("DELETE", "/health", 405, "method not allowed", "This page does not accept"),
    ],
)
def test_an_error_is_a_page_or_json_as_the_client_likes(
    client, method, path, status, error, message
):
    page = client.open(path, method=method, headers=BROWSER)
    assert (page.status_code, page.mimetype) == (status, "text/html")
    assert message in page.text
    assert 'lang="ja"' in client.open(path, method=method, headers=JAPANESE).text
    data = client.open(path, method=method, headers=JSON)
    assert data.status_code == status
    assert data.json == {
        "status": status,
        "error": error,
        "request_id": data.headers["X-Request-ID"],
    }
    if status == 405:
        assert set(page.headers["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS"}


def test_pages_are_not_kept_and_files_are_kept_for_five_minutes(client):
    for path in ("/", "/nothing", "/health/db"):
        assert client.get(path).headers.getlist("Cache-Control") == ["no-store"]
    for name, kind in (("style.css", "text/css"), ("icon.svg", "image/svg+xml")):
        with client.get(f"/static/{name}") as answer:
            assert (answer.status_code, answer.mimetype) == (200, kind)
            assert answer.headers["Cache-Control"] == "public, max-age=300"


def test_a_bug_is_a_500_that_tells_the_visitor_nothing_and_the_log_everything(
    client, capfd, monkeypatch
):
    def broken(*_):
        raise RuntimeError("the inside")

    monkeypatch.setattr(pages, "sign", broken)
    answer = client.get("/", headers=JSON)
    assert answer.status_code == 500
    identity = answer.headers["X-Request-ID"]
    assert answer.json == {"status": 500, "error": "internal server error", "request_id": identity}
    logged = [line for line in capfd.readouterr().out.splitlines() if identity in line]
    assert len(logged) == 2
    assert "RuntimeError: the inside" in logged[0]
    assert '"status": 500' in logged[1]


@pytest.mark.parametrize(("method", "body"), [("GET", '{"status":"healthy"}'), ("HEAD", "")])
def test_health_is_a_short_answer(client, method, body):
    answer = client.open("/health", method=method)
    assert (answer.status_code, answer.text) == (200, body)
    assert answer.headers["Content-Type"] == "application/json"
