"""The page, the health check and the database. `./careapp test` gives them PostgreSQL with TLS, as on RDS."""

import pytest
from app import app


@pytest.fixture
def client():
    app.test_cli_runner().invoke(args=["init-db"], catch_exceptions=False)
    return app.test_client()


def test_the_page_greets(client):
    assert "Hello" in client.get("/").text


def test_the_health_check_does_not_need_the_database(client, monkeypatch):
    monkeypatch.setenv("DB_HOST", "nowhere.invalid")
    assert client.get("/health").status_code == 200


def test_the_database_counts_the_visits(client):
    first, second = client.get("/").text, client.get("/").text
    assert first != second
