"""The client secret on its way from Secrets Manager to the load balancer, past the state."""

import json

import pulumi
import pytest

from tools.rollout import login_secret
from tools.snapshot.login import NoSecret, client_secret

ARN = "arn:aws:secretsmanager:ap-northeast-1:111122223333:secret:careapp-poc/login-AbCdEf"
FORWARD = {"Type": "forward", "TargetGroupArn": "tg", "Order": 2}
LOGIN = {
    "Type": "authenticate-oidc",
    "Order": 1,
    "AuthenticateOidcConfig": {"Issuer": "https://a.example", "ClientId": "c", "Scope": "openid"},
}


class Session:
    """AWS, with one secret and one rule."""

    def __init__(self, secret):
        self.secret, self.sent = secret, []

    def call(self, service, operation, /, **params):
        if operation == "get_secret_value":
            assert (service, params) == ("secretsmanager", {"SecretId": ARN})
            return {"SecretString": self.secret} if self.secret is not None else {}
        if operation == "describe_rules":
            assert params == {"RuleArns": ["rule"]}
            return {"Rules": [{"Actions": [LOGIN, FORWARD]}]}
        self.sent.append((service, operation, params))
        return {}


def test_the_rule_keeps_all_else_and_gets_the_secret():
    session = Session("s3cret")
    login_secret.replace(session, "rule", client_secret(session, ARN))
    config = {**LOGIN["AuthenticateOidcConfig"], "ClientSecret": "s3cret"}
    actions = [{**LOGIN, "AuthenticateOidcConfig": config}, FORWARD]
    assert session.sent == [("elbv2", "modify_rule", {"RuleArn": "rule", "Actions": actions})]


def test_one_key_of_a_json_secret_is_enough():
    session = Session(json.dumps({"client": "s3cret", "other": "x"}))
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
        client_secret(Session(secret), value_from)
    assert str(refused.value) == why


def test_a_preview_reads_no_secret_and_sends_nothing(monkeypatch):
    """Its role reads code that nobody has reviewed."""
    asked = []

    class Arns:
        def apply(self, function):
            asked.append(function)

    monkeypatch.setattr(pulumi.Output, "all", lambda *_: Arns())

    for dry_run in (True, False):
        monkeypatch.setattr(pulumi.runtime, "is_dry_run", lambda dry_run=dry_run: dry_run)
        login_secret.send(None, ["app", "dots"])
        assert len(asked) == (0 if dry_run else 1)
