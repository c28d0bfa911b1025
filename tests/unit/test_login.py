"""Login at the load balancer: the discovery document, the paths, and what is refused."""

import io
import json
import urllib.request

import pulumi
import pytest

from careapp.settings.login import MOST_WILDCARDS, covers
from infra import login
from tests.unit.conftest import ENDPOINTS, LOGIN

ISSUER = LOGIN["loginIssuer"]
DOCUMENT = {"issuer": ISSUER, **vars(ENDPOINTS)}


def test_paths_with_dots_ask_for_the_login(engine, program):
    program(**LOGIN, publicPaths="/static/*", ecsEnabled="true")
    rules = engine.inputs("aws:lb/listenerRule:ListenerRule")
    assert rules["careapp-poc-dots"]["actions"] == rules["careapp-poc-app"]["actions"]
    order = [rules[f"careapp-poc-{name}"]["priority"] for name in ("dots", "public", "app")]
    assert order == sorted(order)
    [condition] = rules["careapp-poc-dots"]["conditions"]
    patterns = condition["pathPattern"]["values"]
    assert sum(pattern.count("*") for pattern in patterns) <= MOST_WILDCARDS
    login = ("/static/../x", "/static/..%2fx", "/static/x%2f..%2fy", "/static//x", "/static/..")
    for path in login:
        assert any(covers(pattern, path) for pattern in patterns), path
    for path in ("/static/app.css", "/static/a.b.js", "/"):
        assert not any(covers(pattern, path) for pattern in patterns), path


def test_the_health_check_s_path_is_public_unless_others_are(configured):
    assert configured(**LOGIN, healthPath="/live?full=1").login.public == ("/live",)
    settings = configured(**LOGIN, publicPaths="/static/*, /live").login
    assert settings.public == ("/static/*", "/live")
    paths = ("/static/a.css", "/live?x=1", "/Live", "/")
    assert [settings.protects(path) for path in paths] == [False, False, True, True]


@pytest.fixture
def answers(monkeypatch):
    """Answer for the issuer; the list of what was asked."""
    asked = []

    def answer(given):
        def opened(url, timeout):
            asked.append((url, timeout))
            if isinstance(given, Exception):
                raise given
            return io.BytesIO(given if isinstance(given, bytes) else json.dumps(given).encode())

        monkeypatch.setattr(urllib.request, "urlopen", opened)
        return asked

    return answer


@pytest.mark.parametrize("issuer", [ISSUER, f"{ISSUER}/", f"{ISSUER}/realms/a"])
def test_the_endpoints_are_those_of_the_discovery_document(answers, configured, issuer):
    asked = answers(DOCUMENT | {"issuer": issuer})
    assert (
        login.discover(configured(**LOGIN | {"loginIssuer": issuer}, ecsEnabled="true"), {})
        == ENDPOINTS
    )
    assert [url for url, _ in asked] == [f"{issuer.rstrip('/')}/.well-known/openid-configuration"]


def test_without_a_login_or_a_service_nobody_is_asked(answers, configured):
    asked = answers(OSError())
    assert login.discover(configured(ecsEnabled="true"), {}) is None
    assert login.discover(configured(**LOGIN), {}) is None
    assert asked == []


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (OSError("no such host"), "no such host"),
        (b"<html>", "Expecting value"),
        ([], "it is not a JSON object"),
        (DOCUMENT | {"issuer": f"{ISSUER}/"}, f"its issuer is '{ISSUER}/'"),
        (
            {key: DOCUMENT[key] for key in DOCUMENT if key != "userinfo_endpoint"},
            "its userinfo_endpoint is 'None', which is no URL of https",
        ),
        (
            DOCUMENT | {"token_endpoint": "http://login.example.com/token"},
            "its token_endpoint is 'http://login.example.com/token', which is no URL of https",
        ),
    ],
)
def test_a_document_that_cannot_be_used_stops_the_update_and_names_the_issuer(
    answers, configured, given, why
):
    answers(given)
    with pytest.raises(pulumi.RunError) as refused:
        login.discover(configured(**LOGIN, ecsEnabled="true"), deployed(f"{ISSUER}/other"))
    text = str(refused.value)
    assert text.startswith(f"loginIssuer: {ISSUER} cannot be used: {ISSUER}/.well-known/")
    assert f": {why}" in text
    assert "Nothing was changed." in text


def deployed(issuer):
    """Return the resources of a stack whose login is at an issuer."""
    oidc = {"issuer": issuer, "authorizationEndpoint": ENDPOINTS.authorization_endpoint}
    oidc |= {
        "tokenEndpoint": ENDPOINTS.token_endpoint,
        "userInfoEndpoint": ENDPOINTS.userinfo_endpoint,
    }
    actions = [{"type": "authenticate-oidc", "authenticateOidc": oidc}, {"type": "forward"}]
    return {
        "urn:1": {"type": "aws:ec2/vpc:Vpc", "outputs": {"id": "vpc-1"}},
        "urn:2": {"type": "aws:lb/listenerRule:ListenerRule", "outputs": {"actions": actions}},
    }


def test_the_login_of_the_last_update_serves_while_the_provider_is_away(
    answers, configured, monkeypatch
):
    warnings = []
    monkeypatch.setattr(pulumi.log, "warn", warnings.append)
    answers(OSError("no such host"))
    assert login.discover(configured(**LOGIN, ecsEnabled="true"), deployed(ISSUER)) == ENDPOINTS
    assert warnings == [
        f"loginIssuer: {ISSUER}/.well-known/openid-configuration cannot be used: no such host. The login stays as "
        "it was deployed."
    ]
