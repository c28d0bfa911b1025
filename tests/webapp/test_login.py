"""The user whom the load balancer names: believed only by its signature."""

import base64
import io
import json
import urllib.request

import pytest

from local_cloud.aws.elb.login import Signer
from tests.webapp.serving import BROWSER, JAPANESE
from webapp import login

ARN = "arn:aws:elasticloadbalancing:ap-northeast-1:123456789012:loadbalancer/app/careapp-poc-alb/50dc6c495c0c9188"
OTHER = ARN.replace("careapp", "mallory")
CLAIMS = {"sub": "42", "email": "adam@example.com"}
SIGNER, STRANGER = Signer(), Signer()
LATER = 4102444800
"""The year 2100."""


@pytest.fixture
def page(make_app, monkeypatch):
    """Return the page for one request's header."""
    asked = []

    def key(region, kid):
        asked.append((region, kid))
        return SIGNER.public_key

    monkeypatch.setattr(login, "public_key", key)
    client = make_app(LOAD_BALANCER_ARN=ARN).test_client()

    def page(token, language=BROWSER):
        text = client.get("/", headers={**language, login.HEADER: token}).text
        assert text.count("Hello") or text.count("こんにちは")
        return text

    page.asked = asked
    return page


def token(signer=SIGNER, claims=CLAIMS, **changes):
    header = {"signer": ARN, "client": "c", "iss": "i", "exp": LATER}
    return signer.sign(header | changes, claims).decode()


def test_the_page_greets_the_user_in_both_languages(page):
    assert "Logged in as <strong>adam@example.com</strong>" in page(token())
    assert "ログイン中 <strong>adam@example.com</strong>" in page(token(), JAPANESE)
    assert page.asked[0] == ("ap-northeast-1", SIGNER.kid)
    assert "<strong>42</strong>" in page(token(claims={"sub": "42"}))
    assert "<strong>&lt;b&gt;</strong>" in page(token(claims={"email": "<b>"}))


def unsigned():
    parts = ({"alg": "none", "signer": ARN, "kid": SIGNER.kid, "exp": LATER}, CLAIMS)
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode() for part in parts)


@pytest.mark.parametrize(
    "forged",
    [
        token(STRANGER),
        token(signer=SIGNER)[:-8] + "AAAAAAA=",
        SIGNER.sign({"signer": OTHER, "exp": LATER}, CLAIMS).decode(),
        token(exp=1),
        token(kid="../../secrets"),
        token(exp="never"),
        unsigned() + ".",
        "adam@example.com",
    ],
    ids=["key", "signature", "load balancer", "expired", "kid", "exp", "unsigned", "no token"],
)
def test_claims_that_this_load_balancer_has_not_signed_are_not_believed(page, forged):
    assert "Logged in" not in page(forged)


def test_without_the_load_balancer_s_arn_nobody_is_believed(make_app):
    client = make_app().test_client()
    assert "Logged in" not in client.get("/", headers={**BROWSER, login.HEADER: token()}).text


def test_the_key_comes_from_its_region_or_from_the_local_cloud(monkeypatch):
    asked = []

    def opened(url, timeout):
        asked.append((url, timeout))
        return io.BytesIO(b"pem")

    monkeypatch.setattr(urllib.request, "urlopen", opened)
    for endpoint, base in (
        ("", "https://public-keys.auth.elb.eu-west-1.amazonaws.com"),
        ("https://endpoint.example.com", "https://public-keys.auth.elb.eu-west-1.amazonaws.com"),
        ("http://127.0.0.1:1", "http://127.0.0.1:1/public-keys.auth.elb"),
        ("http://169.254.170.2:1", "http://169.254.170.2:1/public-keys.auth.elb"),
    ):
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        login.public_key.cache_clear()
        assert login.public_key("eu-west-1", SIGNER.kid) == b"pem"
        assert asked.pop() == (f"{base}/{SIGNER.kid}", login.SECONDS)
