"""Rules of security groups, policies of roles and buckets: how they change, and what they refuse or hold up."""

import json

import pytest
from botocore.exceptions import ClientError

from local_cloud.providers.aws import ec2
from local_cloud.tests.providers.conftest import allow, document, refused, unique, where

TRUST = {
    "Effect": "Allow",
    "Action": "sts:AssumeRole",
    "Principal": {"Service": "ecs-tasks.amazonaws.com"},
}
INGRESS = "vpc/securityGroupIngressRule"


def rule(group, **peer):
    return {"securityGroupId": group, "ipProtocol": "tcp", "fromPort": 3000, "toPort": 3000, **peer}


@pytest.fixture
def permissions(aws):
    def read(group):
        return aws.ec2.describe_security_groups(GroupIds=[group])[0]["IpPermissions"]

    return read


def test_a_changed_source_group_is_named_and_then_the_old_one(make, make_group, permissions):
    group, first, second = make_group(), make_group(), make_group()
    made = make(INGRESS, **rule(group, referencedSecurityGroupId=first))
    for peer in (second, first):
        made.change(referencedSecurityGroupId=peer)
        [permission] = permissions(group)
        assert [pair["GroupId"] for pair in permission["UserIdGroupPairs"]] == [peer]


def test_a_rule_about_an_ipv6_network_takes_another_one(make, make_group, permissions):
    group = make_group()
    make(INGRESS, **rule(group, cidrIpv6="2001:db8::/32")).change(cidrIpv6="2001:db9::/32")
    assert permissions(group)[0]["Ipv6Ranges"] == [{"CidrIpv6": "2001:db9::/32"}]


def test_a_rule_about_a_network_never_becomes_one_of_a_group(make, make_group):
    made = make(INGRESS, **rule(make_group(), cidrIpv4="10.30.0.0/24"))
    with pytest.raises(ClientError, match="referenced group id for an existing IPv4 CIDR rule"):
        made.change(cidrIpv4=None, referencedSecurityGroupId=make_group())


@pytest.fixture
def prefix_list(aws):
    def make(most):
        named = {"PrefixListName": unique("list"), "AddressFamily": "IPv4"}
        return aws.ec2.create_managed_prefix_list(**named, MaxEntries=most)["PrefixListId"]

    return make


def test_a_prefix_list_counts_for_all_its_possible_entries(aws, make, make_group, prefix_list):
    """VPC user guide, "Amazon VPC quotas" and "AWS-managed prefix list weight"."""
    group, front = make_group(), "com.amazonaws.global.cloudfront.origin-facing"
    [found] = aws.ec2.describe_managed_prefix_lists(Filters=where(prefix_list_name=front))

    def add(**peer):
        make(INGRESS, **rule(group, **peer))

    add(prefixListId=found["PrefixListId"])  # 55
    add(cidrIpv4="198.51.100.0/24")  # 56
    full = "RulesPerSecurityGroupLimitExceeded"
    refused(add, full, prefixListId=prefix_list(5))
    add(prefixListId=prefix_list(4))  # 60
    refused(add, full, cidrIpv4="203.0.113.7/32")
    refused(add, "InvalidPrefixListID.NotFound", prefixListId="pl-0123456789abcdef0")


def test_a_rule_s_description_is_described_and_changed(
    aws, make, make_group, prefix_list, permissions
):
    """terraform-provider-aws reads it by DescribeSecurityGroupRules, and sends it in ModifySecurityGroupRules."""
    for peer in (
        {"referencedSecurityGroupId": make_group()},
        {"cidrIpv4": "10.30.0.0/24"},
        {"prefixListId": prefix_list(2)},
    ):
        group = make_group()
        made = make(INGRESS, **rule(group, **peer, description="tasks"))
        for words in ("tasks", "all tasks"):
            made.change(description=words)
            [found] = aws.ec2.describe_security_group_rules(SecurityGroupRuleIds=[made.id])
            assert found["Description"] == words
        [permission] = permissions(group)
        held = permission["UserIdGroupPairs"] + permission["IpRanges"]
        # moto leaves a prefix list's out of DescribeSecurityGroups.
        assert [each["Description"] for each in held] == ["all tasks"] * (
            "prefixListId" not in peer
        )


@pytest.mark.parametrize("direction", ["ingress", "egress"])
@pytest.mark.parametrize(
    ("members", "peer"),
    [
        ("UserIdGroupPairs", {}),
        ("IpRanges", {"CidrIp": "10.1.0.0/16"}),
        ("Ipv6Ranges", {"CidrIpv6": "2001:db8::/32"}),
    ],
)
def test_a_rule_that_the_group_has_is_refused(aws, make_group, direction, members, peer):
    """EC2 compares peer, protocol and ports (API reference, AuthorizeSecurityGroupIngress)."""
    own, peer = make_group(), peer or {"GroupId": make_group()}
    authorize = getattr(aws.ec2, f"authorize_security_group_{direction}")

    def params(port, **more):
        rule = {"IpProtocol": "tcp", "FromPort": port, "ToPort": port, members: [{**peer, **more}]}
        return {"GroupId": own, "IpPermissions": [rule]}

    authorize(**params(3000, Description="of the program"))
    for more in ({}, {"Description": "by hand"}):
        refused(authorize, "InvalidPermission.Duplicate", **params(3000, **more))
    authorize(**params(3001))


def test_the_same_permission_twice_in_one_call_is_refused(aws, make_group):
    permission = {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80}
    twice = [
        {**permission, "IpRanges": [{"CidrIp": "0.0.0.0/0", "Description": each}]} for each in "ab"
    ]
    words = "The same permission must not appear multiple times"
    params = {"GroupId": make_group(), "IpPermissions": twice}
    refused(aws.ec2.authorize_security_group_ingress, "InvalidParameterValue", words, **params)


def test_the_groups_of_a_vpc_are_listed_and_filtered(aws, make_group, closed_vpc):
    made = {make_group() for _ in range(2)}
    list_groups = aws.ec2.get_security_groups_for_vpc

    def listed(**filters):
        found = list_groups(VpcId=closed_vpc, Filters=where(**filters))
        assert {each["PrimaryVpcId"] for each in found} <= {closed_vpc}
        return {each["GroupId"] for each in found}

    assert made < listed()  # the VPC's default group, too
    assert listed(group_id=min(made)) == {min(made)}
    refused(list_groups, "InvalidVpcID.NotFound", VpcId="vpc-0")
    refused(listed, "InvalidParameterValue", color="red")


@pytest.mark.parametrize("public", [True, False])
def test_an_instance_has_the_groups_of_its_interface(aws, make_group, subnets, public):
    groups = [make_group(), make_group()]
    interface = {"DeviceIndex": 0, "SubnetId": subnets[0], "Groups": groups}
    interface["AssociatePublicIpAddress"] = public
    params = {"ImageId": "ami-12c6146b", "MinCount": 1, "MaxCount": 1}
    [launched] = aws.ec2.run_instances(**params, NetworkInterfaces=[interface])["Instances"]
    named = {"InstanceIds": [launched["InstanceId"]]}

    def instance():
        return aws.ec2.describe_instances(**named)[0]["Instances"][0]

    for found in (launched, instance()):
        [shown] = found["NetworkInterfaces"]
        for held in (found["SecurityGroups"], shown["Groups"]):
            assert {each["GroupId"] for each in held} == set(groups)
        # EC2 has no Association without a public address (terraform-provider-aws: associate_public_ip_address).
        assert ("Association" in shown) is public
    change = {"NetworkInterfaceId": shown["NetworkInterfaceId"], "Groups": groups[:1]}
    aws.ec2.modify_network_interface_attribute(**change)
    assert [each["GroupId"] for each in instance()["SecurityGroups"]] == groups[:1]
    aws.ec2.terminate_instances(**named)


def test_a_group_that_a_rule_names_stays(aws, make, closed_vpc, make_group, monkeypatch):
    monkeypatch.setattr(ec2, "DETACH_SECONDS", 0.3)
    made = make("ec2/securityGroup", name=unique("named"), vpcId=closed_vpc)
    peer = {"IpProtocol": "tcp", "FromPort": 3000, "ToPort": 3000}
    peer["UserIdGroupPairs"] = [{"GroupId": made.id}]
    aws.ec2.authorize_security_group_egress(GroupId=make_group(), IpPermissions=[peer])
    words = f"resource {made.id} has a dependent object"
    refused(made.delete, "DependencyViolation", words)
    made.inputs["revokeRulesOnDelete"] = True
    made.delete()


def test_a_role_with_a_policy_stays(aws, make):
    made = make("iam/role", name=unique("held"), assumeRolePolicy=document())
    policy = {"PolicyName": "by-hand", "PolicyDocument": document(allow("s3:GetObject"))}
    aws.iam.put_role_policy(RoleName=made.id, **policy)
    refused(made.delete, "DeleteConflict", "must delete policies first")
    made.inputs["forceDetachPolicies"] = True
    made.delete()


def test_trust_policy_by_hand_is_read_and_taken_back(aws, make):
    made = make("iam/role", name=unique("trusting"), assumeRolePolicy=document(TRUST))
    assert made.read()["assumeRolePolicy"] == document(TRUST)
    by_hand = document({**TRUST, "Principal": {"Service": "ec2.amazonaws.com"}})
    aws.iam.update_assume_role_policy(RoleName=made.id, PolicyDocument=by_hand)
    made.inputs["assumeRolePolicy"] = made.read()["assumeRolePolicy"]
    assert json.loads(made.inputs["assumeRolePolicy"]) == json.loads(by_hand)
    made.change(assumeRolePolicy=document(TRUST))
    assert made.read()["assumeRolePolicy"] == document(TRUST)


def test_a_bucket_s_policy_about_tls_is_met_and_a_deny_holds(aws, make):
    """As the load balancer's access logs are written."""
    bucket = make("s3/bucket", bucket=unique("logs"), forceDestroy=True)
    arn = f"arn:aws:s3:::{bucket.id}"
    everyone = {"Principal": "*", "Resource": [arn, f"{arn}/*"]}
    without_tls = {"Bool": {"aws:SecureTransport": "false"}}
    policy = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Deny", "Action": "s3:*", "Condition": without_tls, **everyone}],
    }
    deny = {"Effect": "Deny", "Principal": "*", "Action": "s3:PutObject", "Resource": f"{arn}/*"}
    named = {"Bucket": bucket.id}
    write = {**named, "Key": "one", "Body": b"a request"}
    aws.s3.put_bucket_policy(**named, Policy=json.dumps(policy))
    aws.s3.put_object(**write)
    assert aws.s3.list_objects_v2(**named)["KeyCount"] == 1
    denying = policy | {"Statement": [*policy["Statement"], deny]}
    aws.s3.put_bucket_policy(**named, Policy=json.dumps(denying))
    with pytest.raises(ClientError, match="403"):
        aws.s3.put_object(**write)
    aws.s3.delete_bucket_policy(**named)
    bucket.delete()


@pytest.mark.parametrize("way", ["ingress", "egress"])
def test_revoked_rule_that_is_gone_is_named_by_its_id(aws, make_group, way):
    revoke = getattr(aws.ec2, f"revoke_security_group_{way}")
    gone = {"GroupId": make_group(), "SecurityGroupRuleIds": ["sgr-0123456789abcdef0"]}
    refused(revoke, "InvalidSecurityGroupRuleId.NotFound", "sgr-0123456789abcdef0", **gone)
