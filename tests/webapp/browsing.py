"""Clients of the page: what they send, and what of the page they look at."""

from flask.testing import FlaskClient

BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
JSON = {"Accept": "application/json"}
JAPANESE = {"Accept-Language": "ja-JP,ja;q=0.9,en;q=0.8"}


def home(client: FlaskClient) -> str:
    return client.get("/", headers=BROWSER).text
