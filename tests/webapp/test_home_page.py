"""The page, as a visitor sees it."""

import re
from concurrent.futures import ThreadPoolExecutor
from html.parser import HTMLParser

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.webapp.browsing import BROWSER, JAPANESE, home
from tests.webapp.postgres import Postgres


class Page(HTMLParser):
    """The parts of a page that tests ask about."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def visits(text: str) -> int:
    found = re.search(r"<dt>Visits</dt><dd>([0-9,]+)</dd>", text)
    assert found, text
    return int(found[1].replace(",", ""))


def test_it_greets_from_the_database_and_says_what_answered(
    client: FlaskClient, texts: Postgres
) -> None:
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
        ("ja-JP,en;q=0.8", "ja", "こんにちは、ECS", "JST"),
        ("en-GB", "en", "Hello ECS", "UTC"),
        ("ja-JP,en-US;q=0.9", "ja", "こんにちは、ECS", "JST"),
        ("ja;q=0,en;q=0.1", "en", "Hello ECS", "UTC"),
        ("fr, ja;q=0.5", "ja", "こんにちは、ECS", "JST"),
        ("fr", "en", "Hello ECS", "UTC"),
        ("", "en", "Hello ECS", "UTC"),
        (";;q=x,,", "en", "Hello ECS", "UTC"),
    ],
)
def test_it_speaks_the_visitor_s_language(
    client: FlaskClient, accepted: str, language: str, greeting: str, zone: str
) -> None:
    text = client.get("/", headers={"Accept-Language": accepted}).text
    assert f'<html lang="{language}">' in text
    assert f"<h1>{greeting}</h1>" in text
    assert f"({zone})</th>" in text
    assert re.search(r">\d{4}-\d\d-\d\d \d\d:\d\d:\d\d</time>", text)


def test_each_visit_is_counted_and_written_at_once(client: FlaskClient, texts: Postgres) -> None:
    before = visits(client.get("/").text)
    assert [visits(client.get("/").text) for _ in range(3)] == [before + n for n in (1, 2, 3)]
    client.get("/", headers=JAPANESE)
    assert texts.execute("SELECT value FROM counters WHERE name = 'visits'") == [(before + 4,)]
    newest = texts.execute("SELECT language FROM visits ORDER BY id DESC LIMIT 2")
    assert newest == [("ja",), ("en",)]


def test_visits_at_the_same_time_are_all_counted(shared_app: Flask, texts: Postgres) -> None:
    counter = "SELECT value FROM counters WHERE name = 'visits'"
    [(before,)] = texts.execute(counter)

    def visit(_: int) -> int:
        return visits(shared_app.test_client().get("/").text)

    with ThreadPoolExecutor(8) as crowd:
        seen = list(crowd.map(visit, range(40)))
    assert sorted(seen) == list(range(before + 1, before + 41))
    assert texts.execute(counter) == [(before + 40,)]


def test_the_newest_visits_are_listed_and_old_ones_are_only_counted(
    client: FlaskClient, texts: Postgres
) -> None:
    texts.execute(
        "INSERT INTO visits (visited_at, language, task)"
        " SELECT '2026-01-02 03:04:05+00', 'ja', 'old-' || n FROM generate_series(1, 1100) n"
    )
    text = client.get("/").text
    assert client.get("/", headers=JAPANESE).text.count("2026-01-02 12:04:05<") == 4
    assert text.count("2026-01-02 03:04:05<") == 5
    assert texts.execute("SELECT count(*) FROM visits") == [(1000,)]


def test_a_crawler_s_task_name_cannot_become_markup(client: FlaskClient, texts: Postgres) -> None:
    texts.execute(
        "INSERT INTO visits (visited_at, language, task) VALUES (now(), 'en', '<script>')"
    )
    assert "<script" not in client.get("/").text


def test_the_page_needs_nothing_that_its_policy_forbids(client: FlaskClient) -> None:
    for path in ("/", "/nothing"):
        page = Page(client.get(path, headers=BROWSER).text)
        assert page.all("script") == page.all("style") == page.all("iframe") == []
        assert [tag for tag, attributes in page.tags if "style" in attributes] == []
        sources = [link["href"] for link in page.all("link")] + [i["src"] for i in page.all("img")]
        assert all(source and source.startswith("/static/") for source in sources)


def test_the_page_can_be_used_without_seeing_it(client: FlaskClient) -> None:
    page = Page(home(client))
    assert len(page.all("h1")) == len(page.all("main")) == len(page.all("title")) == 1
    assert page.all("a")[0] == {"class": "skip", "href": "#content"}
    assert [cell.get("scope") for cell in page.all("th")] == ["col"] * 3
    ids = {attributes["id"] for _, attributes in page.tags if "id" in attributes}
    assert {section["aria-labelledby"] for section in page.all("section")} <= ids
    # Sizes are given, so nothing moves when the image comes.
    assert all({"alt", "width", "height"} <= image.keys() for image in page.all("img"))
