"""The functions by which a program finds what its account has."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from tools.local_cloud.providers.aws.functions import FUNCTIONS

AMAZON_LINUX = {"name": "name", "values": ["al2023-ami-2023.*-kernel-6.1-x86_64"]}


def ask(calls, token, **asked):
    """The answer of a function, as its Python class in pulumi_aws takes it."""
    return FUNCTIONS[token](calls, asked)


def vpc(calls, **asked):
    return ask(calls, "aws:ec2/getVpc:getVpc", **asked)


def subnets(calls, *filters, **asked):
    return ask(calls, "aws:ec2/getSubnets:getSubnets", filters=[*filters], **asked)


def ami(calls, *filters, **asked):
    return ask(calls, "aws:ec2/getAmi:getAmi", filters=[*filters], **asked)


@pytest.mark.usefixtures("closed_vpc")
def test_the_default_vpc_is_found_with_its_attributes(calls):
    found = vpc(calls, default=True)
    assert found["default"] is True
    assert (found["cidrBlock"], found["state"]) == ("172.31.0.0/16", "available")
    assert (found["enableDnsHostnames"], found["enableDnsSupport"]) == (True, True)
    assert [each["cidrBlock"] for each in found["cidrBlockAssociations"]] == ["172.31.0.0/16"]
    assert found["arn"].endswith(f":vpc/{found['id']}")
    assert found["mainRouteTableId"].startswith("rtb-")


def test_a_vpc_is_found_by_its_id_its_network_and_its_tags(calls, closed_vpc):
    tags = [{"Key": "Name", "Value": closed_vpc}]
    calls("ec2", "create_tags", {"Resources": [closed_vpc], "Tags": tags})
    by = (
        {"id": closed_vpc},
        {"tags": {"Name": closed_vpc}},
        {"filters": [{"name": "vpc-id", "values": [closed_vpc]}]},
    )
    found = [vpc(calls, cidrBlock="10.20.0.0/16", **each) for each in by]
    assert [each["id"] for each in found] == [closed_vpc] * 3
    assert (found[0]["default"], found[0]["tags"]) == (False, {"Name": closed_vpc})


def test_no_vpc_and_several_are_errors_of_the_provider(calls, closed_vpc):
    """``default`` false is no filter (terraform-provider-aws, vpc_data_source.go)."""
    with pytest.raises(ValueError, match="no matching EC2 VPC found"):
        vpc(calls, cidrBlock="10.99.0.0/16")
    with pytest.raises(ValueError, match="multiple EC2 VPCs matched"):
        vpc(calls, default=False)
    with pytest.raises(ClientError, match=r"InvalidVpcID.NotFound"):
        vpc(calls, id="vpc-0")


def test_subnets_are_found_by_filters_and_tags(calls, vpc, subnets):
    inside = {"name": "vpc-id", "values": [vpc]}
    find = FUNCTIONS["aws:ec2/getSubnets:getSubnets"]
    assert sorted(find(calls, {"filters": [inside]})["ids"]) == sorted(subnets)
    calls("ec2", "create_tags", {"Resources": subnets[:1], "Tags": [{"Key": "of", "Value": vpc}]})
    found = find(calls, {"tags": {"of": vpc}})
    assert (found["ids"], found["id"]) == (subnets[:1], calls.region)
    assert find(calls, {"filters": [inside], "tags": {"of": "none"}})["ids"] == []


def test_an_unknown_filter_is_refused(calls):
    words = "does not implement ec2:DescribeSubnets with the filter 'colour'"
    with pytest.raises(ClientError, match=words):
        subnets(calls, {"name": "colour", "values": ["red"]})


def test_the_newest_image_of_an_owner_is_found_with_its_root_device(calls):
    found = ami(calls, AMAZON_LINUX, mostRecent=True, owners=["amazon"])
    assert found["id"] == found["imageId"]
    assert found["name"].startswith("al2023-ami-2023.")
    assert (found["architecture"], found["rootDeviceName"]) == ("x86_64", "/dev/xvda")
    assert found["ownerId"] == "137112412989"
    [disk] = found["blockDeviceMappings"]
    assert disk["ebs"]["snapshotId"] == found["rootSnapshotId"]


class Images:
    """EC2 with one image of each month, not in their order."""

    region = "ap-northeast-1"

    def __call__(self, *_):
        months = (2, 3, 1)
        return {
            "Images": [
                {"ImageId": f"ami-{month}", "CreationDate": f"2026-{month:02}-01T00:00:00.000Z"}
                for month in months
            ]
        }


def test_the_newest_image_is_that_of_the_latest_date():
    assert ami(Images(), mostRecent=True, owners=["amazon"])["id"] == "ami-3"


def test_an_image_is_the_only_one_or_the_newest_of_a_known_owner(calls):
    """terraform-provider-aws, ec2_ami_data_source.go: anybody may publish an image by a name."""
    with pytest.raises(ValueError, match="more than one result"):
        ami(calls, owners=["amazon"])
    with pytest.raises(ValueError, match="returned no results"):
        ami(calls, AMAZON_LINUX, owners=["self"], mostRecent=True)
    with pytest.raises(ValueError, match="Most Recent Image Not Filtered"):
        ami(calls, AMAZON_LINUX, mostRecent=True)
    unsafe = ami(calls, AMAZON_LINUX, mostRecent=True, allowUnsafeFilter=True)
    only = {"name": "image-id", "values": [unsafe["id"]]}
    assert ami(calls, only, mostRecent=True)["id"] == ami(calls, only)["id"] == unsafe["id"]
    assert ami(calls, owners=["amazon"], nameRegex=f"^{unsafe['name']}$")["id"] == unsafe["id"]


def test_docker_logs_in_to_ecr_by_the_token(calls):
    found = ask(calls, "aws:ecr/getAuthorizationToken:getAuthorizationToken")
    assert found["userName"] == "AWS"
    assert found["proxyEndpoint"].endswith(f".dkr.ecr.{calls.region}.amazonaws.com")
    assert found["password"]


LIST, QUOTA = (
    "aws:ec2/getManagedPrefixList:getManagedPrefixList",
    "aws:servicequotas/getServiceQuota:getServiceQuota",
)


def test_a_prefix_list_is_found_by_id_and_by_name_with_its_weight(calls):
    office = {"PrefixListName": "office", "MaxEntries": 3, "AddressFamily": "IPv4"}
    entries = [{"Cidr": "203.0.113.0/24", "Description": "Osaka"}]
    made = calls("ec2", "create_managed_prefix_list", {**office, "Entries": entries})["PrefixList"]
    found = ask(calls, LIST, id=made["PrefixListId"])
    assert (found["name"], found["maxEntries"], found["addressFamily"]) == ("office", 3, "IPv4")
    assert found["entries"] == [{"cidr": "203.0.113.0/24", "description": "Osaka"}]
    aws = ask(calls, LIST, name="com.amazonaws.global.cloudfront.origin-facing")
    assert (aws["ownerId"], aws["maxEntries"], bool(aws["entries"])) == ("AWS", 0, True)
    with pytest.raises(ValueError, match="no matching EC2 Managed Prefix List found"):
        ask(calls, LIST, id="pl-0123456789abcdef0")


def test_a_quota_is_found_by_its_code(calls):
    found = ask(calls, QUOTA, serviceCode="vpc", quotaCode="L-0EA8095F")
    assert (found["value"], found["defaultValue"], found["adjustable"]) == (60.0, 60.0, True)
