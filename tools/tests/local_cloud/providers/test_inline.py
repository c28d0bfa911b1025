"""Rules inside a security group, routes inside a route table, and the default VPC that programs put them into."""

from __future__ import annotations

from threading import Event

import pytest

from tools.local_cloud.calls import UnknownInput
from tools.local_cloud.providers import lifecycle
from tools.local_cloud.providers.aws import elb, groups, routes
from tools.local_cloud.providers.lifecycle import Incomplete
from tools.tests.local_cloud.providers.conftest import counter, refused

EVERYWHERE = ["0.0.0.0/0"]
OUT = {"protocol": "-1", "fromPort": 0, "toPort": 0, "cidrBlocks": EVERYWHERE}


def rule(port, *networks, **more):
    return {"protocol": "tcp", "fromPort": port, "toPort": port, "cidrBlocks": [*networks], **more}


def make(calls, kind, **inputs):
    """The id and outputs of a new resource."""
    return lifecycle.create(calls, kind, inputs, Event())


@pytest.fixture
def group(calls):
    """Makes groups with inline rules in the default VPC; each is deleted after the test."""
    made = []

    def build(**inputs):
        named = {"name": f"inline-{next(counter)}", **inputs}
        made.append(make(calls, groups.GROUP, **named)[0])
        return made[-1], named

    yield build
    for each in made:
        calls("ec2", "delete_security_group", {"GroupId": each})


def held(calls, identity, way="ingress"):
    """The rules of a group as EC2 has them: protocol, first port, peer and description."""
    asked = {"Filters": [{"Name": "group-id", "Values": [identity]}]}
    return {
        (
            each["IpProtocol"],
            each.get("FromPort"),
            each.get("CidrIpv4") or each["ReferencedGroupInfo"]["GroupId"],
            each.get("Description", ""),
        )
        for each in calls("ec2", "describe_security_group_rules", asked)["SecurityGroupRules"]
        if each["IsEgress"] is (way == "egress")
    }


def test_inline_rules_are_all_that_a_new_group_has(calls, group):
    """The provider revokes AWS's outbound rule (terraform-provider-aws, resourceSecurityGroupCreate)."""
    web = rule(80, "0.0.0.0/0", "10.0.0.0/8", description="web", self=True)
    one, _ = group(ingress=[web], egress=[{**OUT, "cidrBlocks": ["10.0.0.0/8"]}])
    other, _ = group(ingress=[rule(443, "0.0.0.0/0")])
    peers = ("0.0.0.0/0", "10.0.0.0/8", one)
    assert held(calls, one) == {("tcp", 80, each, "web") for each in peers}
    assert {each[2] for each in held(calls, one, "egress")} == {"10.0.0.0/8"}
    assert held(calls, other, "egress") == set()


def test_a_changed_list_revokes_what_is_gone_and_authorizes_what_is_new(calls, group):
    identity, old = group(ingress=[rule(80, "0.0.0.0/0", "10.0.0.0/8")], egress=[OUT])
    # Another client's rule is none of the program's until a refresh has read it.
    params = {"GroupId": identity, "IpProtocol": "tcp", "CidrIp": "10.9.0.0/16"}
    calls("ec2", "authorize_security_group_ingress", {**params, "FromPort": 22, "ToPort": 22})
    new = {**old, "ingress": [rule(80, "0.0.0.0/0", description="web"), rule(443, "0.0.0.0/0")]}
    lifecycle.update(calls, groups.GROUP, identity, old, new)
    foreign = ("tcp", 22, "10.9.0.0/16", "")
    wanted = {("tcp", 80, "0.0.0.0/0", "web"), ("tcp", 443, "0.0.0.0/0", "")}
    assert held(calls, identity) == {foreign, *wanted}
    assert len(held(calls, identity, "egress")) == 1
    read = lifecycle.read(calls, groups.GROUP, identity, new)
    assert {each["fromPort"] for each in read["ingress"]} == {22, 80, 443}
    lifecycle.update(calls, groups.GROUP, identity, {**new, "ingress": read["ingress"]}, new)
    assert held(calls, identity) == wanted
    assert lifecycle.read(calls, groups.GROUP, identity, new)["ingress"] == new["ingress"]


def test_rules_stay_without_the_list_and_go_with_an_empty_one(calls, group):
    """``ingress`` is computed in the provider, so that leaving it out leaves the rules to others."""
    identity, old = group(ingress=[rule(80, "0.0.0.0/0")])
    without = {name: value for name, value in old.items() if name != "ingress"}
    lifecycle.update(calls, groups.GROUP, identity, old, without)
    assert len(held(calls, identity)) == 1
    assert lifecycle.read(calls, groups.GROUP, identity, without)["ingress"] is None
    lifecycle.update(calls, groups.GROUP, identity, old, {**old, "ingress": []})
    assert held(calls, identity) == set()


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        ({"fromPort": 80, "toPort": 80}, "must both be 0"),
        ({"cidr": EVERYWHERE}, "a rule has no cidr"),
    ],
)
def test_a_rule_that_the_provider_refuses_is_refused(calls, broken, words):
    name = f"inline-{next(counter)}"
    with pytest.raises(Incomplete, match=words) as problem:
        make(calls, groups.GROUP, name=name, ingress=[{**OUT, **broken}])
    calls("ec2", "delete_security_group", {"GroupId": problem.value.identity})


def test_the_default_group_of_a_vpc_has_the_inline_rules_alone(calls, closed_vpc):
    identity, _ = make(
        calls, groups.DEFAULT_GROUP, vpcId=closed_vpc, ingress=[rule(80, "10.0.0.0/8")]
    )
    assert held(calls, identity) == {("tcp", 80, "10.0.0.0/8", "")}
    assert held(calls, identity, "egress") == set()


def gateway(calls, vpc):
    made = calls("ec2", "describe_internet_gateways", {})["InternetGateways"]
    [found] = [each for each in made if vpc in str(each["Attachments"])]
    return found["InternetGatewayId"]


def leads(calls, table):
    """The gateway of each destination in a route table."""
    asked = {"RouteTableIds": [table]}
    [found] = calls("ec2", "describe_route_tables", asked)["RouteTables"]
    return {each["DestinationCidrBlock"]: each.get("GatewayId") for each in found["Routes"]}


def test_inline_routes_are_created_replaced_and_deleted(calls, vpc):
    door = gateway(calls, vpc)
    first = {"cidrBlock": "0.0.0.0/0", "gatewayId": door}
    second = {"cidrBlock": "192.0.2.0/24", "gatewayId": door}
    old = {"vpcId": vpc, "routes": [first]}
    table, made = make(calls, routes.ROUTE_TABLE, **old)
    local = {"10.20.0.0/16": "local"}
    assert leads(calls, table) == {**local, "0.0.0.0/0": door}
    assert made["routes"] == [first]
    new = {**old, "routes": [second]}
    lifecycle.update(calls, routes.ROUTE_TABLE, table, old, new)
    assert leads(calls, table) == {**local, "192.0.2.0/24": door}
    calls(
        "ec2",
        "create_route",
        {"RouteTableId": table, "DestinationCidrBlock": "0.0.0.0/0", "GatewayId": door},
    )
    drifted = lifecycle.read(calls, routes.ROUTE_TABLE, table, new)["routes"]
    assert drifted == [second, first]
    lifecycle.update(calls, routes.ROUTE_TABLE, table, {**new, "routes": drifted}, new)
    assert leads(calls, table) == {**local, "192.0.2.0/24": door}
    without = {"vpcId": vpc}
    lifecycle.update(calls, routes.ROUTE_TABLE, table, new, without)
    assert leads(calls, table) == {**local, "192.0.2.0/24": door}
    lifecycle.delete(calls, routes.ROUTE_TABLE, table, without)


def test_an_inline_route_leads_to_another_gateway(calls, vpc, monkeypatch):
    """EC2 replaces the route in one call, so that it is never missing."""
    sent = []
    monkeypatch.setattr(type(calls), "__call__", lambda *words: sent.append(words[2]) or {})
    subject = routes.Subject(
        kind=routes.ROUTE_TABLE,
        calls=calls,
        identity="rtb-1",
        inputs={"routes": [{"cidrBlock": "0.0.0.0/0", "natGatewayId": "nat-1"}]},
        before={"routes": [{"cidrBlock": "0.0.0.0/0", "gatewayId": "igw-1"}]},
    )
    routes._change_routes(subject)
    assert sent == ["replace_route"]


def test_a_gateway_endpoint_has_a_route_in_each_of_its_tables_which_are_none_of_the_table_s_own(
    calls, vpc
):
    """The provider leaves them out of the table's inline routes (terraform-provider-aws, flattenRoutes)."""
    door = gateway(calls, vpc)
    own = [{"cidrBlock": "0.0.0.0/0", "gatewayId": door}]
    tables = [make(calls, routes.ROUTE_TABLE, vpcId=vpc, routes=own)[0] for _ in range(2)]
    s3 = "com.amazonaws.ap-northeast-1.s3"
    given = {"vpcId": vpc, "serviceName": s3, "vpcEndpointType": "Gateway", "tags": {"a": "1"}}

    def leading():
        asked = calls("ec2", "describe_route_tables", {"RouteTableIds": tables})["RouteTables"]
        return {
            table["RouteTableId"]
            for table in asked
            for each in table["Routes"]
            if each.get("GatewayId") == endpoint and each["DestinationPrefixListId"]
        }

    old, new = ({**given, "routeTableIds": [each]} for each in tables)
    endpoint, made = make(calls, routes.ENDPOINT, **old)
    assert (made["state"], made["arn"].rpartition(":")[2]) == (
        "available",
        f"vpc-endpoint/{endpoint}",
    )
    assert leading() == {tables[0]}
    read = lifecycle.read(calls, routes.ROUTE_TABLE, tables[0], {"vpcId": vpc, "routes": own})
    assert read["routes"] == own
    params = {"VpcId": vpc, "ServiceName": s3, "RouteTableIds": tables}
    error = refused(calls, "ec2", "create_vpc_endpoint", params)
    assert error["Code"] == "RouteAlreadyExists"
    lifecycle.update(calls, routes.ENDPOINT, endpoint, old, {**new, "tags": {"a": "2"}})
    assert leading() == {tables[1]}
    lifecycle.delete(calls, routes.ENDPOINT, endpoint, new)
    assert leading() == set()
    assert lifecycle.read(calls, routes.ENDPOINT, endpoint, new) is None
    for table in tables:
        calls("ec2", "delete_route_table", {"RouteTableId": table})


@pytest.mark.parametrize(
    ("route", "problem"),
    [
        ({"cidrBlock": "0.0.0.0/0"}, "one destination and one target"),
        ({"gatewayId": "igw-1"}, "one destination and one target"),
        ({"cidrBlock": "0.0.0.0/0", "gatewayId": "a", "natGatewayId": "b"}, "one destination"),
        ({"cidrBlock": "0.0.0.0/0", "door": "igw-1"}, "a route has no door"),
    ],
)
def test_a_route_that_leads_nowhere_is_refused(route, problem):
    subject = routes.Subject(kind=routes.ROUTE_TABLE, calls=None, identity="rtb-1", inputs={})
    with pytest.raises((ValueError, UnknownInput), match=problem):
        routes._ends(subject, [route])


def test_the_default_vpc_reaches_the_internet_and_has_a_public_subnet_in_each_zone(calls):
    """VPC user guide, "Default VPC components": moto has no internet gateway there."""
    [found] = calls(
        "ec2", "describe_vpcs", {"Filters": [{"Name": "is-default", "Values": ["true"]}]}
    )["Vpcs"]
    assert found["CidrBlock"] == "172.31.0.0/16"
    main = [
        {"Name": "vpc-id", "Values": [found["VpcId"]]},
        {"Name": "association.main", "Values": ["true"]},
    ]
    [table] = calls("ec2", "describe_route_tables", {"Filters": main})["RouteTables"]
    door = gateway(calls, found["VpcId"])
    assert leads(calls, table["RouteTableId"]) == {"172.31.0.0/16": "local", "0.0.0.0/0": door}
    public = [
        {"Name": "vpc-id", "Values": [found["VpcId"]]},
        {"Name": "map-public-ip-on-launch", "Values": ["true"]},
    ]
    subnets = calls("ec2", "describe_subnets", {"Filters": public})["Subnets"]
    zones = ["ap-northeast-1a", "ap-northeast-1c", "ap-northeast-1d"]
    assert sorted(each["AvailabilityZone"] for each in subnets) == zones
    public[1]["Values"] = ["false"]
    assert calls("ec2", "describe_subnets", {"Filters": public})["Subnets"] == []


def test_a_listener_of_an_application_load_balancer_has_http_by_default(calls, balancer):
    action = {
        "type": "fixed-response",
        "fixedResponse": {"contentType": "text/plain", "statusCode": "200"},
    }
    inputs = {"loadBalancerArn": balancer, "port": 80, "defaultActions": [action]}
    identity, made = make(calls, elb.LISTENER, **inputs)
    assert (made["protocol"], made["port"]) == ("HTTP", 80)
    calls("elbv2", "delete_listener", {"ListenerArn": identity})
    network = balancer.replace("loadbalancer/app/", "loadbalancer/net/")
    assert "protocol" not in elb.LISTENER.prepare({**inputs, "loadBalancerArn": network})


def test_a_health_check_has_the_provider_s_defaults_and_without_one_those_of_elb(calls, vpc):
    def described(**inputs):
        named = {"name": f"tg{next(counter)}", "port": 80, "protocol": "HTTP", "targetType": "ip"}
        arn, _ = make(calls, elb.TARGET_GROUP, vpcId=vpc, **named, **inputs)
        found = calls("elbv2", "describe_target_groups", {"TargetGroupArns": [arn]})["TargetGroups"]
        calls("elbv2", "delete_target_group", {"TargetGroupArn": arn})
        return found[0]["HealthyThresholdCount"], found[0]["UnhealthyThresholdCount"]

    assert described(healthCheck={"path": "/health"}) == (3, 3)
    assert described(healthCheck={"path": "/health", "unhealthyThreshold": 4}) == (3, 4)
    assert described() == (5, 2)


def test_a_load_balancer_goes_up_in_the_default_vpc(calls):
    [found] = calls(
        "ec2", "describe_vpcs", {"Filters": [{"Name": "is-default", "Values": ["true"]}]}
    )["Vpcs"]
    only = {"Filters": [{"Name": "vpc-id", "Values": [found["VpcId"]]}]}
    subnets = [each["SubnetId"] for each in calls("ec2", "describe_subnets", only)["Subnets"]]
    params = {"Name": f"b{next(counter)}", "Subnets": subnets}
    made = calls("elbv2", "create_load_balancer", params)["LoadBalancers"][0]
    assert made["VpcId"] == found["VpcId"]
    calls("elbv2", "delete_load_balancer", {"LoadBalancerArn": made["LoadBalancerArn"]})


def test_the_same_permission_twice_is_refused(calls, group):
    identity, _ = group()
    permission = {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80}
    twice = [
        {**permission, "IpRanges": [{"CidrIp": "0.0.0.0/0", "Description": each}]} for each in "ab"
    ]
    params = {"GroupId": identity, "IpPermissions": twice}
    error = refused(calls, "ec2", "authorize_security_group_ingress", params)
    assert error["Code"] == "InvalidParameterValue"
    assert error["Message"] == "The same permission must not appear multiple times"
