"""How IAM policies are evaluated: allow, deny, boundary, conditions, trust."""

from pathlib import Path

import pytest
import yaml

from careapp.settings.statements import policy
from ecs_gate.facts import policy_evaluation as doctors
from ecs_gate.facts.policy_evaluation import decide, trusts
from local_cloud.aws import policy_evaluation as local_clouds

READ = "secretsmanager:GetSecretValue"
RDS_SECRET = "arn:aws:secretsmanager:ap-northeast-1:123456789012:secret:rds!db-1-AbCdEf"
CASES = yaml.safe_load(Path(__file__).with_name("policy_evaluation.yaml").read_text())


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


@pytest.mark.parametrize(("statements", "decision"), CASES["decided"])
def test_an_allow_is_needed_and_an_explicit_deny_wins(statements, decision):
    assert decide([{"Statement": statements}], READ, RDS_SECRET) == decision
    one_each = [policy(statement) for statement in statements]
    assert permits(one_each, READ, RDS_SECRET) is (decision == "allowed")


def test_a_boundary_limits_what_the_policies_allow():
    policies, boundary = [policy(allow("*"))], policy(allow("logs:*"))
    assert decide(policies, READ, RDS_SECRET, boundary=boundary) == "boundary"
    assert decide(policies, "logs:PutLogEvents", "arn:logs", boundary=boundary) == "allowed"


def test_an_action_without_a_resource_needs_a_star():
    assert not permits([policy(allow("ecr:*", "arn:one"))], "ecr:GetAuthorizationToken", "*")


@pytest.mark.parametrize(("condition", "fulfilled"), CASES["conditions"])
def test_the_local_cloud_compares_the_conditions_of_a_statement_with_the_request(
    condition, fulfilled
):
    request = {"tag": "poc", "keys": ["a", "b"]}
    granted = [policy(allow("*", Condition=condition))]
    assert (local_clouds.decide(granted, READ, RDS_SECRET, request) == "allowed") is fulfilled
    refused = [policy(allow("*"), deny("*", Condition=condition))]
    assert (local_clouds.decide(refused, READ, RDS_SECRET, request) == "denied") is fulfilled


def test_an_operator_that_is_not_evaluated_is_an_error():
    granted = [policy(allow("*", Condition={"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}))]
    with pytest.raises(LookupError, match="IpAddress"):
        local_clouds.decide(granted, READ, RDS_SECRET, {})


@pytest.mark.parametrize(("principal", "trusted"), CASES["trusted"])
def test_a_trust_policy_names_the_service(principal, trusted):
    assert trust(principal=principal) is trusted


def trust(condition=None, principal=None, *more):
    """Whether ECS of the account 123456789012 may assume a role; None where that is not known."""
    statement = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": principal or ECS}
    statement |= {"Condition": condition} if condition else {}
    found = trusts({"Statement": [statement, *more]}, ECS["Service"], SENT)
    return getattr(found, "verdict", found)


ECS = {"Service": "ecs-tasks.amazonaws.com"}
SENT = {
    "aws:SourceAccount": "123456789012",
    "aws:SourceArn": "arn:aws:ecs:ap-northeast-1:123456789012:*",
}


@pytest.mark.parametrize(("condition", "trusted"), CASES["trusted if"])
def test_a_trust_policy_s_conditions_count(condition, trusted):
    """The local cloud has no unknown condition: it refuses such a policy, or knows that ECS does not send the key."""
    if trusted is not None or trusts is doctors.trusts:
        assert trust(condition) is trusted
        denied = {"Effect": "Deny", "Action": "sts:*", "Principal": "*", "Condition": condition}
        assert trust(None, None, denied) is (None if trusted is None else not trusted)


def test_what_a_trust_hangs_on_is_named():
    condition = {"StringEquals": {"aws:SourceAccount": ["1", "2"], "aws:PrincipalOrgID": "o-1"}}
    statement = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": ECS}
    found = doctors.trusts(
        {"Statement": statement | {"Condition": condition}}, ECS["Service"], SENT
    )
    assert found.verdict is False
    assert found.conditions == {
        "StringEquals aws:SourceAccount: 1, 2": False,
        "StringEquals aws:PrincipalOrgID: o-1": None,
    }
