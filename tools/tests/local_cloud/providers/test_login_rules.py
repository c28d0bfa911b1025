"""Login actions of listener rules: what ELB refuses, fills in, keeps and never tells."""

from __future__ import annotations

import urllib.error
import urllib.request
from copy import deepcopy

import pytest

from tools.local_cloud.aws import hooks
from tools.local_cloud.aws.elb.login import SIGNER
from tools.tests.local_cloud.providers.conftest import refused

URL = "https://login.example.com"
OIDC = {
    "Issuer": URL,
    "AuthorizationEndpoint": f"{URL}/authorize",
    "TokenEndpoint": f"{URL}/token",
    "UserInfoEndpoint": f"{URL}/userinfo",
    "ClientId": "client",
    "ClientSecret": "s3cret",
}
ANSWER = {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404"}, "Order": 2}


@pytest.fixture
def listener(calls, balancer):
    """Create a listener of a protocol."""

    arns = []

    def made(protocol):
        arn = {"LoadBalancerArn": balancer}
        certificate = {
            "CertificateArn": f"arn:aws:acm:ap-northeast-1:{hooks.ACCOUNT}:certificate/0a"
        }
        more = {"Certificates": [certificate]} if protocol == "HTTPS" else {}
        params = {"Protocol": protocol, "Port": 443, "DefaultActions": [ANSWER], **arn, **more}
        arns.append(calls("elbv2", "create_listener", params)["Listeners"][0]["ListenerArn"])
        return arns[-1]

    yield made
    for each in arns:
        calls("elbv2", "delete_listener", {"ListenerArn": each})


def login(order=1, **changes):
    config = {key: value for key, value in (OIDC | changes).items() if value is not None}
    return {"Type": "authenticate-oidc", "AuthenticateOidcConfig": config, "Order": order}


def rule(listener, *actions):
    paths = [{"Field": "path-pattern", "Values": ["/*"]}]
    actions = deepcopy(list(actions))
    return {"ListenerArn": listener, "Priority": 1, "Conditions": paths, "Actions": actions}


@pytest.mark.parametrize(
    ("protocol", "actions", "words"),
    [
        ("HTTP", [login(), ANSWER], "need an HTTPS listener"),
        ("HTTPS", [login(ClientSecret=None), ANSWER], "A client secret must be specified"),
        ("HTTPS", [login(TokenEndpoint="http://a.example.com"), ANSWER], "TokenEndpoint must be"),
        ("HTTPS", [login(order=2), ANSWER], "Each of several actions needs an order"),
        ("HTTPS", [login(order=3), ANSWER], "The last action must be forward"),
        (
            "HTTPS",
            [login(UseExistingClientSecret=True), ANSWER],
            "You cannot both specify a client secret",
        ),
    ],
)
def test_a_rule_that_could_log_nobody_in_is_refused(calls, listener, protocol, actions, words):
    error = refused(calls, "elbv2", "create_rule", rule(listener(protocol), *actions))
    assert error["Code"] == "InvalidLoadBalancerAction"
    assert words in error["Message"]


@pytest.mark.parametrize(
    ("patterns", "words"),
    [
        (["/*%2e*"], "Condition value '/*%2e*' contains a character that is not valid"),
        (["/*a*", "/*b*", "/??"], "A rule can only have '5' condition wildcards"),
    ],
)
def test_a_path_pattern_that_elb_does_not_take_is_refused(calls, listener, patterns, words):
    asked = rule(listener("HTTP"), {**ANSWER, "Order": 1})
    for condition in (
        {"Field": "path-pattern", "PathPatternConfig": {"Values": patterns}},
        {"Field": "path-pattern", "Values": patterns},
    ):
        error = refused(calls, "elbv2", "create_rule", {**asked, "Conditions": [condition]})
        assert (error["Code"], error["Message"]) == ("ValidationError", words)


def test_the_defaults_are_told_and_the_secret_is_kept_and_never_told(calls, listener):
    arn = listener("HTTPS")
    [made] = calls("elbv2", "create_rule", rule(arn, login(), ANSWER))["Rules"]
    without = {key: value for key, value in OIDC.items() if key != "ClientSecret"}
    defaults = {
        "SessionCookieName": "AWSELBAuthSessionCookie",
        "Scope": "openid",
        "SessionTimeout": 604800,
        "OnUnauthenticatedRequest": "authenticate",
    }
    assert made["Actions"][0]["AuthenticateOidcConfig"] == without | defaults
    change = {"RuleArn": made["RuleArn"]}
    keep = login(ClientSecret=None, UseExistingClientSecret=True, SessionTimeout=60)
    calls("elbv2", "modify_rule", {**change, "Actions": [keep, ANSWER]})
    [found] = calls("elbv2", "describe_rules", {"RuleArns": [made["RuleArn"]]})["Rules"]
    assert found["Actions"][0]["AuthenticateOidcConfig"] == without | defaults | {
        "SessionTimeout": 60
    }
    [held] = hooks.backend("elbv2").describe_rules(None, [made["RuleArn"]])
    assert held.actions[0].data["AuthenticateOidcConfig"]["ClientSecret"] == "s3cret"
    nothing = [login(ClientSecret=None), ANSWER]
    error = refused(calls, "elbv2", "modify_rule", {**change, "Actions": nothing})
    assert error["Message"] == "A client secret must be specified"


def test_the_public_key_of_the_signature_is_where_tasks_find_aws(calls):
    url = f"{calls.endpoint}/public-keys.auth.elb/{SIGNER.kid}"
    with urllib.request.urlopen(url, timeout=5) as answer:
        assert answer.read() == SIGNER.public_key
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(f"{url}x", timeout=5)
