"""How IAM policies are evaluated: allow, deny, boundary, conditions, trust."""

import pytest

from local_cloud.aws import policy_evaluation as local_clouds
from stack.statements import policy
from tools.shared import policy_evaluation as doctors
from tools.shared.policy_evaluation import decide, trusts

READ = "secretsmanager:GetSecretValue"
RDS_SECRET = "arn:aws:secretsmanager:ap-northeast-1:123456789012:secret:rds!db-1-AbCdEf"
PLAIN = {"Bool": {"aws:SecureTransport": "false"}}


@pytest.fixture(autouse=True, params=[doctors, local_clouds], ids=["doctor", "local cloud"])
def _each(request, monkeypatch):
    """The doctor evaluates policies by its own code, so that it does not share a mistake of the local cloud."""
    for name in ("decide", "trusts"):
        monkeypatch.setitem(globals(), name, getattr(request.param, name))


def permits(*words):
    return decide(*words) == "allowed"


def allow(action, resource="*", **more):
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def deny(action, resource="*", **more):
    return {"Effect": "Deny", "Action": action, "Resource": resource, **more}


@pytest.mark.parametrize(
    ("statements", "decision"),
    [
        ([allow(READ, RDS_SECRET)], "allowed"),
        ([allow("SecretsManager:getsecretvalue", RDS_SECRET)], "allowed"),
        ([allow("secretsmanager:*")], "allowed"),
        ([allow("*")], "allowed"),
        ([allow("secretsmanager:Get*", RDS_SECRET[:-3] + "*")], "allowed"),
        ([allow([READ, "x:y"], ["arn:other", f"{RDS_SECRET[:-7]}-??????"])], "allowed"),
        ([allow(READ, RDS_SECRET[:-7])], "not-allowed"),
        ([allow(READ, "arn:other")], "not-allowed"),
        ([allow("secretsmanager:Describe*", RDS_SECRET)], "not-allowed"),
        ([allow("s3:*")], "not-allowed"),
        ([{"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}], "allowed"),
        ([{"Effect": "Allow", "NotAction": "secretsmanager:*", "Resource": "*"}], "not-allowed"),
        ([{"Effect": "Allow", "Action": "*", "NotResource": RDS_SECRET}], "not-allowed"),
        ([allow("*"), deny("secretsmanager:*")], "denied"),
        ([allow(READ), deny("*", RDS_SECRET)], "denied"),
        ([allow("*"), deny("*", Condition=PLAIN)], "allowed"),
        ([], "not-allowed"),
    ],
)
def test_an_allow_is_needed_and_an_explicit_deny_wins(statements, decision):
    assert decide([{"Statement": statements}], READ, RDS_SECRET) == decision
    one_each = [policy(each) for each in statements]
    assert permits(one_each, READ, RDS_SECRET) is (decision == "allowed")


def test_a_boundary_limits_what_the_policies_allow():
    policies, boundary = [policy(allow("*"))], policy(allow("logs:*"))
    assert decide(policies, READ, RDS_SECRET, boundary=boundary) == "boundary"
    assert decide(policies, "logs:PutLogEvents", "arn:logs", boundary=boundary) == "allowed"


def test_an_action_without_a_resource_needs_a_star():
    assert not permits([policy(allow("ecr:*", "arn:one"))], "ecr:GetAuthorizationToken", "*")


@pytest.mark.parametrize(
    ("condition", "fulfilled"),
    [
        ({"StringEquals": {"tag": ["poc", "prod"]}}, True),
        ({"StringEquals": {"tag": "prod"}}, False),
        ({"StringEquals": {"other": "poc"}}, False),
        ({"StringEquals": {"tag": "poc"}, "StringNotEquals": {"tag": "poc"}}, False),
        ({"StringNotEquals": {"other": "poc"}}, True),
        ({"StringLike": {"tag": "p*c"}}, True),
        ({"StringLike": {"tag": ["prod", "pr-*"]}}, False),
        ({"StringLike": {"other": "*"}}, False),
        ({"StringNotLike": {"tag": "p*c"}}, False),
        ({"StringNotLike": {"tag": ["prod", "pr-*"]}}, True),
        ({"StringNotLike": {"other": "*"}}, True),
        ({"Null": {"other": "true"}}, True),
        ({"Null": {"tag": "true"}}, False),
        ({"ForAllValues:StringEquals": {"keys": ["a", "b", "c"]}}, True),
        ({"ForAllValues:StringEquals": {"keys": ["a"]}}, False),
        ({"ForAllValues:StringEquals": {"other": ["a"]}}, True),
    ],
)
def test_the_conditions_of_a_statement_are_compared_with_the_request(condition, fulfilled):
    request = {"tag": "poc", "keys": ["a", "b"]}
    granted = [policy(allow("*", Condition=condition))]
    assert permits(granted, READ, RDS_SECRET, request) is fulfilled
    refused = [policy(allow("*"), deny("*", Condition=condition))]
    assert permits(refused, READ, RDS_SECRET, request) is not fulfilled


def test_an_operator_that_is_not_evaluated_is_an_error():
    granted = [policy(allow("*", Condition={"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}))]
    with pytest.raises(LookupError, match="IpAddress"):
        permits(granted, READ, RDS_SECRET, {})


@pytest.mark.parametrize(
    ("principal", "trusted"),
    [
        ({"Service": "ecs-tasks.amazonaws.com"}, True),
        ({"Service": ["ec2.amazonaws.com", "ecs-tasks.amazonaws.com"]}, True),
        ({"Service": "ec2.amazonaws.com"}, False),
        ({"AWS": "arn:aws:iam::1:root"}, False),
        ("*", True),
    ],
)
def test_a_trust_policy_names_the_service(principal, trusted):
    statement = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": principal}
    assert trusts({"Statement": [statement]}, "ecs-tasks.amazonaws.com") is trusted
