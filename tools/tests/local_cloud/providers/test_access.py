"""Rules of security groups, policies of roles and buckets: how they change, and what they refuse or hold up."""

from __future__ import annotations

import json
from threading import Event

import pytest
from botocore.exceptions import ClientError

from infra.logs import access_logs_policy
from tools.local_cloud.providers import lifecycle
from tools.local_cloud.providers.aws import KINDS, ec2
from tools.local_cloud.providers.aws.groups import GROUP
from tools.local_cloud.providers.aws.iam import ROLE
from tools.tests.local_cloud.providers.conftest import REGION, counter

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


def prefix_list(calls, most):
    named = {"PrefixListName": f"list-{next(counter)}", "MaxEntries": most, "AddressFamily": "IPv4"}
    return calls("ec2", "create_managed_prefix_list", named)["PrefixList"]["PrefixListId"]


def aws_list(calls, name):
    filters = [{"Name": "prefix-list-name", "Values": [name]}]
    found = calls("ec2", "describe_managed_prefix_lists", {"Filters": filters})["PrefixLists"]
    return found[0]["PrefixListId"]


def test_a_prefix_list_counts_for_all_the_entries_that_it_may_have(calls, make_group):
    """VPC user guide, "Amazon VPC quotas" and "AWS-managed prefix list weight"."""
    group, full = make_group(), "RulesPerSecurityGroupLimitExceeded"
    front = aws_list(calls, "com.amazonaws.global.cloudfront.origin-facing")
    lifecycle.create(calls, INGRESS, rule(group, prefixListId=front), Event())  # 55
    lifecycle.create(calls, INGRESS, rule(group, cidrIpv4="198.51.100.0/24"), Event())  # 56
    with pytest.raises(ClientError, match=full):
        lifecycle.create(calls, INGRESS, rule(group, prefixListId=prefix_list(calls, 5)), Event())
    lifecycle.create(calls, INGRESS, rule(group, prefixListId=prefix_list(calls, 4)), Event())  # 60
    with pytest.raises(ClientError, match=full):
        lifecycle.create(calls, INGRESS, rule(group, cidrIpv4="203.0.113.7/32"), Event())


def test_a_rule_for_a_prefix_list_that_does_not_exist_is_refused(calls, make_group):
    inputs = rule(make_group(), prefixListId="pl-0123456789abcdef0")
    with pytest.raises(ClientError, match=r"InvalidPrefixListID\.NotFound"):
        lifecycle.create(calls, INGRESS, inputs, Event())


def described(calls, identity):
    asked = {"SecurityGroupRuleIds": [identity]}
    [found] = calls("ec2", "describe_security_group_rules", asked)["SecurityGroupRules"]
    return found.get("Description")


@pytest.mark.parametrize("peer", ["group", "network", "prefix list"])
def test_a_rule_s_description_is_described_and_changed_whatever_its_peer_is(
    calls, make_group, peer
):
    """terraform-provider-aws reads it by DescribeSecurityGroupRules, and sends it in ModifySecurityGroupRules."""
    group = make_group()
    peers = {
        "group": {"referencedSecurityGroupId": make_group()},
        "network": {"cidrIpv4": "10.30.0.0/24"},
        "prefix list": {"prefixListId": prefix_list(calls, 2)},
    }[peer]
    before, after = (rule(group, **peers, description=words) for words in ("tasks", "all tasks"))
    identity, _ = lifecycle.create(calls, INGRESS, before, Event())
    assert described(calls, identity) == "tasks"
    lifecycle.update(calls, INGRESS, identity, before, after)
    assert described(calls, identity) == "all tasks"
    (permission,) = permissions(calls, group)
    if peer == "prefix list":
        return  # moto leaves it out of DescribeSecurityGroups
    [held] = permission["UserIdGroupPairs"] + permission["IpRanges"]
    assert held["Description"] == "all tasks"


def test_the_same_rule_with_another_description_is_a_duplicate(calls, make_group):
    """EC2 compares peer, protocol and ports (API reference, AuthorizeSecurityGroupIngress)."""
    group, peer = make_group(), make_group()
    inputs = rule(group, referencedSecurityGroupId=peer, description="tasks")
    lifecycle.create(calls, INGRESS, inputs, Event())
    with pytest.raises(ClientError, match=r"InvalidPermission\.Duplicate"):
        lifecycle.create(calls, INGRESS, {**inputs, "description": "others"}, Event())


def test_the_groups_of_a_vpc_are_listed_and_filtered(calls, make_group, closed_vpc):
    made = {make_group() for _ in range(2)}

    def listed(*filters):
        asked = {"VpcId": closed_vpc, "Filters": list(filters)}
        found = calls("ec2", "get_security_groups_for_vpc", asked)["SecurityGroupForVpcs"]
        assert {each["PrimaryVpcId"] for each in found} <= {closed_vpc}
        return {each["GroupId"] for each in found}

    one = min(made)
    assert made < listed()  # the VPC's default group, too
    assert listed({"Name": "group-id", "Values": [one]}) == {one}
    with pytest.raises(ClientError, match=r"InvalidVpcID\.NotFound"):
        calls("ec2", "get_security_groups_for_vpc", {"VpcId": "vpc-0"})
    with pytest.raises(ClientError, match="InvalidParameterValue"):
        listed({"Name": "color", "Values": ["red"]})


@pytest.mark.parametrize("public", [True, False])
def test_an_instance_has_its_interface_s_groups_and_an_address_only_if_it_is_public(
    calls, make_group, subnets, public
):
    groups = [make_group(), make_group()]
    interface = {"DeviceIndex": 0, "SubnetId": subnets[0], "Groups": groups}
    interface["AssociatePublicIpAddress"] = public
    params = {"ImageId": "ami-12c6146b", "MinCount": 1, "MaxCount": 1}
    params["NetworkInterfaces"] = [interface]
    [launched] = calls("ec2", "run_instances", params)["Instances"]
    asked = {"InstanceIds": [launched["InstanceId"]]}

    def instance():
        [reservation] = calls("ec2", "describe_instances", asked)["Reservations"]
        return reservation["Instances"][0]

    for found in (launched, instance()):
        [shown] = found["NetworkInterfaces"]
        for held in (found["SecurityGroups"], shown["Groups"]):
            assert {each["GroupId"] for each in held} == set(groups)
        # EC2 has no Association without a public address (terraform-provider-aws: associate_public_ip_address).
        assert ("Association" in shown) is public
    change = {"NetworkInterfaceId": shown["NetworkInterfaceId"], "Groups": groups[:1]}
    calls("ec2", "modify_network_interface_attribute", change)
    assert [each["GroupId"] for each in instance()["SecurityGroups"]] == groups[:1]
    calls("ec2", "terminate_instances", asked)


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


def test_a_group_that_a_rule_names_stays(calls, group, monkeypatch):
    monkeypatch.setattr(ec2, "DETACH_SECONDS", 0.3)
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
