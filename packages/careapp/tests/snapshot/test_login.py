"""The provider of the login, asked as the load balancer asks it: a real one on loopback."""

import io
import socket
from unittest.mock import Mock
from urllib.error import HTTPError, URLError

import pytest

from ecs_gate.aws.errors import AwsProblem
from ecs_gate.parts import login
from ecs_gate.parts.elb import Oidc
from tests import stacks as a
from tests.conftest import Answering
from tests.support.identity import identity_provider

PAGE = "https://app.example.com"
ARN = "arn:aws:secretsmanager:ap-northeast-1:111122223333:secret:careapp-poc/login-AbCdEf"


@pytest.fixture(scope="module")
def provider(tmp_path_factory):
    with identity_provider(tmp_path_factory.mktemp("provider")) as provider:
        yield provider


def asked(provider, secret=None, page=PAGE, known=f"{PAGE}/oauth2/idpresponse", **changes):
    client = provider.register(known)
    urls = {name: f"{provider.issuer}/{name}" for name in ("token", "userinfo")}
    values = {"authorization": f"{provider.issuer}/authorize", **urls, **changes}
    oidc = Oidc(client=client.client_id, scope="openid email", **values)

    answer = secret or client.client_secret
    known = answer if isinstance(answer, AwsProblem) else {"SecretString": answer}
    found = login.provider(session := Answering(get_secret_value=known), oidc, ARN, page)
    assert session.calls == [("get_secret_value", {"SecretId": ARN})]
    return found


@pytest.mark.parametrize(
    ("given", "status", "error"),
    [
        ({}, 200, "invalid_grant"),  # the code is made up
        ({"secret": "w:r+o n%g"}, 200, "invalid_client"),
        ({"secret": a.DENIED}, 200, ""),
        ({"known": "https://elsewhere.example.com/"}, 400, "invalid_grant"),
    ],
    ids=["the right client", "a wrong secret", "a secret that may not be read", "an unknown address"],
)  # fmt: skip
def test_client_and_address_are_tried_as_the_load_balancer_does(provider, given, status, error):
    found = asked(provider, **given)
    assert (found.status, found.error) == (status, error)
    assert found.callback == f"{PAGE}/oauth2/idpresponse"


def test_a_provider_that_cannot_be_reached_from_here_is_a_problem_of_here(provider):
    with pytest.raises(AwsProblem) as problem:
        asked(provider, authorization="https://localhost:1/authorize")
    assert problem.value.kind == "unreachable"
    assert "https://localhost:1/authorize cannot be reached from here" in str(problem.value)


@pytest.mark.parametrize(
    ("issuer", "why"),
    [
        ("{issuer}/realms/a", "/realms/a/.well-known/openid-configuration cannot be used: HTTP 404."),
        ("{issuer}/", "cannot be used: its issuer is '{issuer}'."),
        # It redirects to the path with one slash, and the program follows.
        ("{issuer}//", "cannot be used: its issuer is '{issuer}'."),
        ("https://login..example.com", "cannot be reached from here: encoding with 'idna' codec failed"),
    ],
)  # fmt: skip
def test_a_document_that_the_program_cannot_use_is_a_problem(provider, issuer, why):
    assert login.read_document(provider.issuer) is None
    with pytest.raises(AwsProblem) as problem:
        login.read_document(issuer.format(issuer=provider.issuer))
    assert why.format(issuer=provider.issuer) in str(problem.value)
    assert not problem.value.temporary


@pytest.mark.parametrize(
    ("error", "passes"),
    [
        (URLError(socket.gaierror(socket.EAI_NONAME, "Name or service not known")), False),
        (URLError(socket.gaierror(socket.EAI_AGAIN, "Temporary failure")), True),
        (TimeoutError("timed out"), True),
        (HTTPError("https://login.example.com", 503, "", {}, io.BytesIO()), True),
    ],
)
def test_what_is_wrong_with_a_document_may_pass(monkeypatch, error, passes):
    monkeypatch.setattr("urllib.request.OpenerDirector.open", Mock(side_effect=error))
    with pytest.raises(AwsProblem) as problem:
        login.read_document("https://login.example.com")
    assert problem.value.temporary is passes
