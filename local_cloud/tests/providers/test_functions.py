"""The functions by which a program finds what its account has."""

from functools import partial

import pytest
from botocore.exceptions import ClientError

from local_cloud.providers.aws.functions import FUNCTIONS
from local_cloud.tests.providers.conftest import where

AMAZON_LINUX = {"name": "name", "values": ["al2023-ami-2023.*-kernel-6.1-x86_64"]}


def asked(calls, token, *filters, **given):
    """The answer of a function, as its Python class in pulumi_aws takes it."""
    return FUNCTIONS[token](calls, {**given, **({"filters": [*filters]} if filters else {})})


@pytest.fixture
def find_vpc(calls):
    return partial(asked, calls, "aws:ec2/getVpc:getVpc")


@pytest.fixture
def find_subnets(calls):
    return partial(asked, calls, "aws:ec2/getSubnets:getSubnets")


@pytest.fixture
def find_ami(calls):
    return partial(asked, calls, "aws:ec2/getAmi:getAmi")


def test_the_default_vpc_is_found_with_its_attributes(find_vpc):
    found = find_vpc(default=True)
    assert found["default"] is True
    assert (found["cidrBlock"], found["state"]) == ("172.31.0.0/16", "available")
    assert (found["enableDnsHostnames"], found["enableDnsSupport"]) == (True, True)
    assert [each["cidrBlock"] for each in found["cidrBlockAssociations"]] == ["172.31.0.0/16"]
    assert found["arn"].endswith(f":vpc/{found['id']}")
    assert found["mainRouteTableId"].startswith("rtb-")


def test_a_vpc_is_found_by_its_id_network_and_tags_or_is_none(aws, find_vpc, closed_vpc):
    """``default`` false is no filter (terraform-provider-aws, vpc_data_source.go)."""
    tags = {"Name": closed_vpc}
    aws.ec2.create_tags(Resources=[closed_vpc], Tags=[{"Key": "Name", "Value": closed_vpc}])
    found = [
        find_vpc(cidrBlock="10.20.0.0/16", id=closed_vpc),
        find_vpc(cidrBlock="10.20.0.0/16", tags=tags),
        find_vpc({"name": "vpc-id", "values": [closed_vpc]}, cidrBlock="10.20.0.0/16"),
    ]
    assert [each["id"] for each in found] == [closed_vpc] * 3
    assert (found[0]["default"], found[0]["tags"]) == (False, tags)
    with pytest.raises(ValueError, match="no matching EC2 VPC found"):
        find_vpc(cidrBlock="10.99.0.0/16")
    with pytest.raises(ValueError, match="multiple EC2 VPCs matched"):
        find_vpc(default=False)
    with pytest.raises(ClientError, match=r"InvalidVpcID.NotFound"):
        find_vpc(id="vpc-0")


def test_subnets_are_found_by_filters_and_tags(aws, calls, find_subnets, vpc, subnets):
    inside = {"name": "vpc-id", "values": [vpc]}
    assert sorted(find_subnets(inside)["ids"]) == sorted(subnets)
    aws.ec2.create_tags(Resources=subnets[:1], Tags=[{"Key": "of", "Value": vpc}])
    found = find_subnets(tags={"of": vpc})
    assert (found["ids"], found["id"]) == (subnets[:1], calls.region)
    assert find_subnets(inside, tags={"of": "none"})["ids"] == []
    words = "does not implement ec2:DescribeSubnets with the filter 'colour'"
    with pytest.raises(ClientError, match=words):
        aws.ec2.describe_subnets(Filters=where(colour="red"))
    with pytest.raises(ClientError, match=words):
        find_subnets({"name": "colour", "values": ["red"]})


class Images:
    """EC2 with one image of each month, not in their order."""

    region = "ap-northeast-1"

    def __call__(self, *_):
        dates = {month: f"2026-{month:02}-01T00:00:00.000Z" for month in (2, 3, 1)}
        images = [{"ImageId": f"ami-{month}", "CreationDate": dates[month]} for month in dates]
        return {"Images": images}


def test_the_newest_image_is_that_of_the_latest_date():
    newest = asked(Images(), "aws:ec2/getAmi:getAmi", mostRecent=True, owners=["amazon"])
    assert newest["id"] == "ami-3"


def test_an_image_is_the_only_one_or_the_newest_of_an_owner(find_ami):
    """terraform-provider-aws, ec2_ami_data_source.go: anybody may publish an image by a name."""
    found = find_ami(AMAZON_LINUX, mostRecent=True, owners=["amazon"])
    assert found["id"] == found["imageId"]
    assert found["name"].startswith("al2023-ami-2023.")
    assert (found["architecture"], found["rootDeviceName"]) == ("x86_64", "/dev/xvda")
    assert found["ownerId"] == "137112412989"
    [disk] = found["blockDeviceMappings"]
    assert disk["ebs"]["snapshotId"] == found["rootSnapshotId"]
    with pytest.raises(ValueError, match="more than one result"):
        find_ami({"name": "name", "values": ["al2023-ami-*"]}, owners=["amazon"])
    with pytest.raises(ValueError, match="returned no results"):
        find_ami(AMAZON_LINUX, owners=["self"], mostRecent=True)
    with pytest.raises(ValueError, match="Most Recent Image Not Filtered"):
        find_ami(AMAZON_LINUX, mostRecent=True)
    only = {"name": "image-id", "values": [found["id"]]}
    for same in (
        find_ami(AMAZON_LINUX, mostRecent=True, allowUnsafeFilter=True),
        find_ami(only, mostRecent=True),
        find_ami(only),
        find_ami(AMAZON_LINUX, owners=["amazon"], nameRegex=f"^{found['name']}$"),
    ):
        assert same["id"] == found["id"]


def test_docker_logs_in_to_ecr_by_the_token(calls):
    found = asked(calls, "aws:ecr/getAuthorizationToken:getAuthorizationToken")
    assert found["userName"] == "AWS"
    assert found["proxyEndpoint"].endswith(f".dkr.ecr.{calls.region}.amazonaws.com")
    assert found["password"]


def test_a_prefix_list_is_found_by_id_and_by_name(aws, calls):
    find = partial(asked, calls, "aws:ec2/getManagedPrefixList:getManagedPrefixList")
    office = {"PrefixListName": "office", "MaxEntries": 3, "AddressFamily": "IPv4"}
    entries = [{"Cidr": "203.0.113.0/24", "Description": "Osaka"}]
    made = aws.ec2.create_managed_prefix_list(**office, Entries=entries)
    found = find(id=made["PrefixListId"])
    assert (found["name"], found["maxEntries"], found["addressFamily"]) == ("office", 3, "IPv4")
    assert found["entries"] == [{"cidr": "203.0.113.0/24", "description": "Osaka"}]
    front = find(name="com.amazonaws.global.cloudfront.origin-facing")
    assert (front["ownerId"], front["maxEntries"], bool(front["entries"])) == ("AWS", 0, True)
    with pytest.raises(ValueError, match="no matching EC2 Managed Prefix List found"):
        find(id="pl-0123456789abcdef0")


def test_a_quota_is_found_by_its_code(calls):
    token = "aws:servicequotas/getServiceQuota:getServiceQuota"
    found = asked(calls, token, serviceCode="vpc", quotaCode="L-0EA8095F")
    assert (found["value"], found["defaultValue"], found["adjustable"]) == (60.0, 60.0, True)
