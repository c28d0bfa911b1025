"""Changes of a security-group rule, through the provider's stand-in."""

from __future__ import annotations

import itertools
from threading import Event

import pytest
from botocore.exceptions import ClientError

from rehearsal.providers import lifecycle
from rehearsal.providers.aws import KINDS

INGRESS = KINDS["aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"]
numbers = itertools.count(1)


@pytest.fixture
def make_group(calls):
    vpc = calls("ec2", "create_vpc", {"CidrBlock": "10.30.0.0/16"})["Vpc"]["VpcId"]

    def make():
        name = f"rules-{next(numbers)}"
        params = {"GroupName": name, "Description": name, "VpcId": vpc}
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
