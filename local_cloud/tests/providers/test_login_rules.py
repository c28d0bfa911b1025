"""Login actions of listener rules: what ELB refuses, fills in, keeps and never tells."""

import urllib.error
import urllib.request

import pytest

from local_cloud.aws import hooks
from local_cloud.aws.elb.login import SIGNER
from local_cloud.tests.providers.conftest import ACCOUNT, REGION, refused

URL = "https://login.example.com"
PUBLIC = {
    "Issuer": URL,
    "AuthorizationEndpoint": f"{URL}/authorize",
    "TokenEndpoint": f"{URL}/token",
    "UserInfoEndpoint": f"{URL}/userinfo",
    "ClientId": "client",
}
CERTIFICATE = {"CertificateArn": f"arn:aws:acm:{REGION}:{ACCOUNT}:certificate/0a"}
ANSWER = {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404"}, "Order": 2}


@pytest.fixture
def listener(aws, balancer):
    """Creates a listener of a protocol; returns its ARN."""
    made = []

    def create(protocol):
        more = {"Certificates": [CERTIFICATE]} if protocol == "HTTPS" else {}
        params = {"LoadBalancerArn": balancer, "Protocol": protocol, "Port": 443, **more}
        made.extend(aws.elbv2.create_listener(**params, DefaultActions=[ANSWER]))
        return made[-1]["ListenerArn"]

    yield create
    for each in made:
        aws.elbv2.delete_listener(ListenerArn=each["ListenerArn"])


def login(order=1, **changes):
    config = {**PUBLIC, "ClientSecret": "s3cret", **changes}
    config = {key: value for key, value in config.items() if value is not None}
    return {"Type": "authenticate-oidc", "AuthenticateOidcConfig": config, "Order": order}


def rule(listener, *actions, patterns=("/*",)):
    paths = [{"Field": "path-pattern", "Values": [*patterns]}]
    return {"ListenerArn": listener, "Priority": 1, "Conditions": paths, "Actions": [*actions]}


def test_a_rule_that_could_log_nobody_in_is_refused(aws, listener):
    plain = rule(listener("HTTP"), login(), ANSWER)
    words = "need an HTTPS listener"
    refused(aws.elbv2.create_rule, "InvalidLoadBalancerAction", words, **plain)


@pytest.mark.parametrize(
    ("action", "words"),
    [
        (login(ClientSecret=None), "A client secret must be specified"),
        (login(TokenEndpoint="http://a.example.com"), "TokenEndpoint must be"),
        (login(order=2), "Each of several actions needs an order"),
        (login(order=3), "The last action must be forward"),
        (login(UseExistingClientSecret=True), "You cannot both specify a client secret"),
    ],
)
def test_a_login_that_makes_no_sense_is_refused(aws, listener, action, words):
    asked = rule(listener("HTTPS"), action, ANSWER)
    refused(aws.elbv2.create_rule, "InvalidLoadBalancerAction", words, **asked)


@pytest.mark.parametrize(
    ("patterns", "words"),
    [
        (["/*%2e*"], "Condition value '/*%2e*' contains a character that is not valid"),
        (["/*a*", "/*b*", "/??"], "A rule can only have '5' condition wildcards"),
    ],
)
def test_a_path_pattern_that_elb_does_not_take_is_refused(aws, listener, patterns, words):
    asked = rule(listener("HTTP"), {**ANSWER, "Order": 1}, patterns=patterns)
    newer = {"Field": "path-pattern", "PathPatternConfig": {"Values": patterns}}
    for each in (asked, {**asked, "Conditions": [newer]}):
        assert refused(aws.elbv2.create_rule, "ValidationError", **each) == words


def test_the_defaults_are_told_and_the_secret_is_kept_untold(aws, listener):
    [made] = aws.elbv2.create_rule(**rule(listener("HTTPS"), login(), ANSWER))
    told = PUBLIC | {
        "SessionCookieName": "AWSELBAuthSessionCookie",
        "Scope": "openid",
        "SessionTimeout": 604800,
        "OnUnauthenticatedRequest": "authenticate",
    }
    assert made["Actions"][0]["AuthenticateOidcConfig"] == told
    name = {"RuleArn": made["RuleArn"]}
    keep = login(ClientSecret=None, UseExistingClientSecret=True, SessionTimeout=60)
    aws.elbv2.modify_rule(**name, Actions=[keep, ANSWER])
    [found] = aws.elbv2.describe_rules(RuleArns=[made["RuleArn"]])
    assert found["Actions"][0]["AuthenticateOidcConfig"] == told | {"SessionTimeout": 60}
    [held] = hooks.backend("elbv2").describe_rules(None, [made["RuleArn"]])
    assert held.actions[0].data["AuthenticateOidcConfig"]["ClientSecret"] == "s3cret"
    without = {**name, "Actions": [login(ClientSecret=None), ANSWER]}
    words = "A client secret must be specified"
    refused(aws.elbv2.modify_rule, "InvalidLoadBalancerAction", words, **without)


def test_the_public_key_is_where_tasks_find_aws(calls):
    url = f"{calls.endpoint}/public-keys.auth.elb/{SIGNER.kid}"
    with urllib.request.urlopen(url, timeout=5) as answer:
        assert answer.read() == SIGNER.public_key
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(f"{url}x", timeout=5)
