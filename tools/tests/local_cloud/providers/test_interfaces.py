"""The network interfaces that EC2 makes itself: in their subnet, and gone with what they were made for."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

import pytest


def interface(calls, name):
    found = calls("ec2", "describe_network_interfaces", {"NetworkInterfaceIds": [name]})
    return found["NetworkInterfaces"][0]


def network(calls, subnet):
    [found] = calls("ec2", "describe_subnets", {"SubnetIds": [subnet]})["Subnets"]
    return IPv4Network(found["CidrBlock"])


def default_group(calls, vpc):
    named = [
        {"Name": "vpc-id", "Values": [vpc]},
        {"Name": "group-name", "Values": ["default"]},
    ]
    return calls("ec2", "describe_security_groups", {"Filters": named})["SecurityGroups"][0]


@pytest.fixture
def gateway(calls, subnets):
    """A NAT gateway with an Elastic IP address, which is released at the end."""
    address = calls("ec2", "allocate_address", {"Domain": "vpc"})["AllocationId"]
    asked = {"SubnetId": subnets[0], "AllocationId": address}
    yield calls("ec2", "create_nat_gateway", asked)["NatGateway"]
    calls("ec2", "release_address", {"AllocationId": address})


def described(calls, gateway):
    asked = {"NatGatewayIds": [gateway["NatGatewayId"]]}
    return calls("ec2", "describe_nat_gateways", asked)["NatGateways"][0]


def test_a_nat_gateway_has_an_address_of_its_subnet(calls, gateway, subnets):
    [address] = described(calls, gateway)["NatGatewayAddresses"]
    made = interface(calls, address["NetworkInterfaceId"])
    assert IPv4Address(made["PrivateIpAddress"]) in network(calls, subnets[0])
    assert made["PrivateIpAddress"] == address["PrivateIp"]
    assert (made["InterfaceType"], made["Groups"], made["Status"]) == ("nat_gateway", [], "in-use")
    calls("ec2", "delete_nat_gateway", {"NatGatewayId": gateway["NatGatewayId"]})


def test_a_nat_gateway_s_interface_goes_with_it(calls, gateway, vpc):
    calls("ec2", "delete_nat_gateway", {"NatGatewayId": gateway["NatGatewayId"]})
    mine = [{"Name": "vpc-id", "Values": [vpc]}]
    assert calls("ec2", "describe_network_interfaces", {"Filters": mine})["NetworkInterfaces"] == []
    [address] = [
        each
        for each in calls("ec2", "describe_addresses", {})["Addresses"]
        if each["PublicIp"] == gateway["NatGatewayAddresses"][0]["PublicIp"]
    ]
    assert "AssociationId" not in address
    attached = {"Name": "attachment.vpc-id", "Values": [vpc]}
    [internet] = calls("ec2", "describe_internet_gateways", {"Filters": [attached]})[
        "InternetGateways"
    ]
    name = {"InternetGatewayId": internet["InternetGatewayId"], "VpcId": vpc}
    calls("ec2", "detach_internet_gateway", name)


def endpoint(calls, vpc, subnets, **more):
    return calls(
        "ec2",
        "create_vpc_endpoint",
        {
            "VpcId": vpc,
            "ServiceName": "com.amazonaws.ap-northeast-1.logs",
            "VpcEndpointType": "Interface",
            "SubnetIds": subnets,
            **more,
        },
    )["VpcEndpoint"]


def test_an_endpoint_has_an_interface_in_each_subnet(calls, vpc, subnets):
    made = endpoint(calls, vpc, subnets[:2])
    found = [interface(calls, each) for each in made["NetworkInterfaceIds"]]
    assert [each["SubnetId"] for each in found] == subnets[:2]
    default = default_group(calls, vpc)
    for each in found:
        assert IPv4Address(each["PrivateIpAddress"]) in network(calls, each["SubnetId"])
        assert [group["GroupId"] for group in each["Groups"]] == [default["GroupId"]]
        assert each["InterfaceType"] == "vpc_endpoint"
    name = {"VpcEndpointIds": [made["VpcEndpointId"]]}
    [now] = calls("ec2", "describe_vpc_endpoints", name)["VpcEndpoints"]
    assert [each["GroupId"] for each in now["Groups"]] == [default["GroupId"]]
    calls("ec2", "delete_vpc_endpoints", name)


def test_an_endpoint_s_interfaces_follow_its_subnets_and_groups(calls, vpc, subnets):
    made = endpoint(calls, vpc, subnets[:1])
    own = calls(
        "ec2", "create_security_group", {"GroupName": "own", "Description": "own", "VpcId": vpc}
    )["GroupId"]
    change = {
        "VpcEndpointId": made["VpcEndpointId"],
        "AddSubnetIds": subnets[1:2],
        "RemoveSubnetIds": subnets[:1],
        "AddSecurityGroupIds": [own],
        "RemoveSecurityGroupIds": [default_group(calls, vpc)["GroupId"]],
    }
    calls("ec2", "modify_vpc_endpoint", change)
    name = {"VpcEndpointIds": [made["VpcEndpointId"]]}
    [now] = calls("ec2", "describe_vpc_endpoints", name)["VpcEndpoints"]
    [only] = [interface(calls, each) for each in now["NetworkInterfaceIds"]]
    assert only["SubnetId"] == subnets[1]
    assert [group["GroupId"] for group in only["Groups"]] == [own]
    calls("ec2", "delete_vpc_endpoints", name)
