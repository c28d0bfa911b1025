"""The client secret on its way from Secrets Manager to the load balancer, past the state."""

import json
from unittest.mock import Mock

import pulumi
import pytest

from careapp.update import login_secret
from ecs_gate.parts.login import NoSecret, client_secret
from tests.conftest import Answering

ARN = "arn:aws:secretsmanager:ap-northeast-1:111122223333:secret:careapp-poc/login-AbCdEf"
FORWARD = {"Type": "forward", "TargetGroupArn": "tg", "Order": 2}
LOGIN = {
    "Type": "authenticate-oidc",
    "Order": 1,
    "AuthenticateOidcConfig": {"Issuer": "https://a.example", "ClientId": "c", "Scope": "openid"},
}


def holding(secret):
    """AWS, with one secret and one rule."""
    return Answering(
        get_secret_value={"SecretString": secret} if secret is not None else {},
        describe_rules={"Rules": [{"Actions": [LOGIN, FORWARD]}]},
        modify_rule={},
    )


def test_one_key_of_a_json_secret_is_enough():
    session = holding(json.dumps({"client": "s3cret", "other": "x"}))
    assert client_secret(session, f"{ARN}:client::") == "s3cret"


@pytest.mark.parametrize(
    ("secret", "value_from", "why"),
    [
        (None, ARN, "it has no text"),
        ("", ARN, "it has no text"),
        ("s3cret", f"{ARN}:client::", "it is no JSON object with the key client"),
        ('{"other": "s3cret"}', f"{ARN}:client::", "it is no JSON object with the key client"),
        ('{"client": {"a": "s3cret"}}', f"{ARN}:client::", "it has no text"),
    ],
)
def test_a_secret_without_a_text_is_refused_and_not_shown(secret, value_from, why):
    with pytest.raises(NoSecret) as refused:
        client_secret(holding(secret), value_from)
    assert str(refused.value) == why


def test_a_preview_reads_no_secret_and_sends_nothing(monkeypatch):
    """Its role reads code that nobody has reviewed."""
    arns = Mock()
    monkeypatch.setattr(pulumi.Output, "all", lambda *_: arns)
    for dry_run, sent in ((True, 0), (False, 1)):
        monkeypatch.setattr(pulumi.runtime, "is_dry_run", Mock(return_value=dry_run))
        login_secret.send(None, ["app", "dots"])
        assert arns.apply.call_count == sent
