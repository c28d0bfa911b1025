"""Rules of security groups, policies of roles and buckets: how they change, and what they refuse or hold up."""

from __future__ import annotations

import json
from threading import Event

import pytest
from botocore.exceptions import ClientError

from infra.logs import access_logs_policy
from rehearsal.providers import lifecycle
from rehearsal.providers.aws import KINDS
from rehearsal.providers.aws.groups import GROUP
from rehearsal.providers.aws.iam import ROLE
from tests.providers.conftest import REGION, counter

INGRESS = KINDS["aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"]
TRUST = json.dumps({"Version": "2012-10-17", "Statement": []})
READ = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}],
    }
)
ARN = "arn:aws:s3:::logs"


@pytest.fixture
def make_group(calls, closed_vpc):
    def make():
        name = f"rules-{next(counter)}"
        params = {"GroupName": name, "Description": name, "VpcId": closed_vpc}
        return calls("ec2", "create_security_group", params)["GroupId"]

    return make


def permissions(calls, group):
    answer = calls("ec2", "describe_security_groups", {"GroupIds": [group]})
    return answer["SecurityGroups"][0]["IpPermissions"]


def rule(group, **peer):
    return {"securityGroupId": group, "ipProtocol": "tcp", "fromPort": 3000, "toPort": 3000, **peer}


def test_a_rule_whose_source_group_is_changed_names_the_new_group_and_then_the_old_one_again(
    calls, make_group
):
    group, first, second = make_group(), make_group(), make_group()
    right = rule(group, referencedSecurityGroupId=first)
    wrong = rule(group, referencedSecurityGroupId=second)
    identity, _ = lifecycle.create(calls, INGRESS, right, Event())
    for before, after, peer in ((right, wrong, second), (wrong, right, first)):
        lifecycle.update(calls, INGRESS, identity, before, after)
        (permission,) = permissions(calls, group)
        assert [pair["GroupId"] for pair in permission["UserIdGroupPairs"]] == [peer]


def test_a_rule_about_an_ipv6_network_takes_another_one(calls, make_group):
    group = make_group()
    before, after = rule(group, cidrIpv6="2001:db8::/32"), rule(group, cidrIpv6="2001:db9::/32")
    identity, _ = lifecycle.create(calls, INGRESS, before, Event())
    lifecycle.update(calls, INGRESS, identity, before, after)
    (permission,) = permissions(calls, group)
    assert permission["Ipv6Ranges"] == [{"CidrIpv6": "2001:db9::/32"}]


def test_a_rule_about_a_network_cannot_become_one_about_a_group(calls, make_group):
    group = make_group()
    before = rule(group, cidrIpv4="10.30.0.0/24")
    after = rule(group, referencedSecurityGroupId=make_group())
    identity, _ = lifecycle.create(calls, INGRESS, before, Event())
    with pytest.raises(ClientError, match="referenced group id for an existing IPv4 CIDR rule"):
        lifecycle.update(calls, INGRESS, identity, before, after)


@pytest.fixture
def group(calls):
    """A security group that a rule of another one names."""
    made = [
        calls("ec2", "create_security_group", {"GroupName": name, "Description": name})["GroupId"]
        for name in ("named", "naming")
    ]
    named, naming = made
    rule = {
        "IpProtocol": "tcp",
        "FromPort": 3000,
        "ToPort": 3000,
        "UserIdGroupPairs": [{"GroupId": named}],
    }
    params = {"GroupId": naming, "IpPermissions": [rule]}
    calls("ec2", "authorize_security_group_egress", params)
    yield named
    calls("ec2", "delete_security_group", {"GroupId": naming})


@pytest.fixture
def role(calls):
    """A role with a policy of its own."""
    calls("iam", "create_role", {"RoleName": "held", "AssumeRolePolicyDocument": TRUST})
    params = {"RoleName": "held", "PolicyName": "by-hand", "PolicyDocument": READ}
    calls("iam", "put_role_policy", params)
    return "held"


def test_a_group_that_a_rule_names_stays(calls, group):
    with pytest.raises(ClientError, match=f"resource {group} has a dependent object"):
        lifecycle.delete(calls, GROUP, group, {"name": "named"})
    lifecycle.delete(calls, GROUP, group, {"name": "named", "revokeRulesOnDelete": True})
    with pytest.raises(ClientError, match="does not exist"):
        calls("ec2", "describe_security_groups", {"GroupIds": [group]})


def test_a_role_with_a_policy_stays(calls, role):
    inputs = {"name": role, "assumeRolePolicy": TRUST}
    with pytest.raises(ClientError, match="must delete policies first"):
        lifecycle.delete(calls, ROLE, role, inputs)
    lifecycle.delete(calls, ROLE, role, {**inputs, "forceDetachPolicies": True})
    with pytest.raises(ClientError, match=r"not found|cannot be found"):
        calls("iam", "get_role", {"RoleName": role})


@pytest.fixture
def bucket(calls):
    made = {"Bucket": "logs"}
    calls(
        "s3", "create_bucket", made | {"CreateBucketConfiguration": {"LocationConstraint": REGION}}
    )
    yield lambda policy: calls("s3", "put_bucket_policy", made | {"Policy": json.dumps(policy)})
    calls("s3", "delete_bucket_policy", made)
    for each in calls("s3", "list_objects_v2", made).get("Contents", []):
        calls("s3", "delete_object", made | {"Key": each["Key"]})
    calls("s3", "delete_bucket", made)


def write(calls):
    calls("s3", "put_object", {"Bucket": "logs", "Key": "one", "Body": b"a request"})


def test_a_policy_that_wants_tls_is_met(bucket, calls):
    bucket(access_logs_policy(ARN, "123456789012"))
    write(calls)
    assert calls("s3", "list_objects_v2", {"Bucket": "logs"})["KeyCount"] == 1


def test_what_is_denied_with_tls_too_stays_denied(bucket, calls):
    policy = access_logs_policy(ARN, "123456789012")
    deny = {"Effect": "Deny", "Principal": "*", "Action": "s3:PutObject", "Resource": f"{ARN}/*"}
    bucket(policy | {"Statement": [*policy["Statement"], deny]})
    with pytest.raises(ClientError, match="403"):
        write(calls)
