"""Rules inside a security group, routes inside a route table, and the default VPC that programs put them into."""

import pytest

from local_cloud.calls import UnknownInput
from local_cloud.providers.aws import elb, routes
from local_cloud.providers.lifecycle import Incomplete
from local_cloud.tests.providers.conftest import REGION, gateway_of, refused, unique, where

GROUP, TABLE, ENDPOINT = "ec2/securityGroup", "ec2/routeTable", "ec2/vpcEndpoint"
OUT = {"protocol": "-1", "fromPort": 0, "toPort": 0, "cidrBlocks": ["0.0.0.0/0"]}
S3 = f"com.amazonaws.{REGION}.s3"


def rule(port, *networks, **more):
    return {"protocol": "tcp", "fromPort": port, "toPort": port, "cidrBlocks": [*networks], **more}


@pytest.fixture
def held(aws):
    """Reads the rules of a group as EC2 has them: protocol, first port, peer and description."""

    def read(identity, *, egress=False):
        found = aws.ec2.describe_security_group_rules(Filters=where(group_id=identity))
        return {
            (
                each["IpProtocol"],
                each.get("FromPort"),
                each.get("CidrIpv4") or each["ReferencedGroupInfo"]["GroupId"],
                each.get("Description", ""),
            )
            for each in found
            if each["IsEgress"] is egress
        }

    return read


def test_inline_rules_are_all_that_a_new_group_has(make, held):
    """The provider revokes AWS's outbound rule (terraform-provider-aws, resourceSecurityGroupCreate)."""
    web = rule(80, "0.0.0.0/0", "10.0.0.0/8", description="web", self=True)
    inner = {**OUT, "cidrBlocks": ["10.0.0.0/8"]}
    one = make(GROUP, name=unique("inline"), ingress=[web], egress=[inner])
    other = make(GROUP, name=unique("inline"), ingress=[rule(443, "0.0.0.0/0")])
    peers = ("0.0.0.0/0", "10.0.0.0/8", one.id)
    assert held(one.id) == {("tcp", 80, each, "web") for each in peers}
    assert {each[2] for each in held(one.id, egress=True)} == {"10.0.0.0/8"}
    assert held(other.id, egress=True) == set()
    one.delete()
    other.delete()


def test_a_changed_list_revokes_the_old_and_authorizes_the_new(aws, make, held):
    old = [rule(80, "0.0.0.0/0", "10.0.0.0/8")]
    made = make(GROUP, name=unique("inline"), ingress=old, egress=[OUT])
    # Another client's rule is none of the program's until a refresh has read it.
    params = {"GroupId": made.id, "IpProtocol": "tcp", "CidrIp": "10.9.0.0/16"}
    aws.ec2.authorize_security_group_ingress(**params, FromPort=22, ToPort=22)
    new = [rule(80, "0.0.0.0/0", description="web"), rule(443, "0.0.0.0/0")]
    made.change(ingress=new)
    wanted = {("tcp", 80, "0.0.0.0/0", "web"), ("tcp", 443, "0.0.0.0/0", "")}
    assert held(made.id) == {("tcp", 22, "10.9.0.0/16", ""), *wanted}
    assert len(held(made.id, egress=True)) == 1
    read = made.read()["ingress"]
    assert {each["fromPort"] for each in read} == {22, 80, 443}
    made.inputs["ingress"] = read
    made.change(ingress=new)
    assert held(made.id) == wanted
    assert made.read()["ingress"] == new
    # ``ingress`` is computed in the provider, so that leaving it out leaves the rules to others.
    made.change(ingress=None)
    assert held(made.id) == wanted
    assert {each["fromPort"] for each in made.read()["ingress"]} == {80, 443}
    made.inputs["ingress"] = new
    made.change(ingress=[])
    assert held(made.id) == set()
    made.delete()


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        ({"fromPort": 80, "toPort": 80}, "must both be 0"),
        ({"cidr": ["0.0.0.0/0"]}, "a rule has no cidr"),
    ],
)
def test_a_rule_that_the_provider_refuses_is_refused(aws, make, broken, words):
    with pytest.raises(Incomplete, match=words) as problem:
        make(GROUP, name=unique("inline"), ingress=[{**OUT, **broken}])
    aws.ec2.delete_security_group(GroupId=problem.value.identity)


def test_the_default_group_of_a_vpc_has_the_inline_rules_alone(make, held, closed_vpc):
    made = make("ec2/defaultSecurityGroup", vpcId=closed_vpc, ingress=[rule(80, "10.0.0.0/8")])
    assert held(made.id) == {("tcp", 80, "10.0.0.0/8", "")}
    assert held(made.id, egress=True) == set()


@pytest.fixture
def leads(aws):
    """Reads the gateway of each destination in a route table."""

    def read(table):
        [found] = aws.ec2.describe_route_tables(RouteTableIds=[table])
        return {each.get("DestinationCidrBlock"): each.get("GatewayId") for each in found["Routes"]}

    return read


def test_inline_routes_are_created_replaced_and_deleted(aws, make, vpc, leads):
    gateway = gateway_of(aws, vpc)["InternetGatewayId"]
    first, second = (
        {"cidrBlock": block, "gatewayId": gateway} for block in ("0.0.0.0/0", "192.0.2.0/24")
    )
    local = {"10.20.0.0/16": "local"}
    made = make(TABLE, vpcId=vpc, routes=[first])
    assert leads(made.id) == {**local, "0.0.0.0/0": gateway}
    assert made.outputs["routes"] == [first]
    changed = {**local, "192.0.2.0/24": gateway}
    made.change(routes=[second])
    assert leads(made.id) == changed
    by_hand = {"DestinationCidrBlock": "0.0.0.0/0", "GatewayId": gateway}
    aws.ec2.create_route(RouteTableId=made.id, **by_hand)
    made.inputs["routes"] = made.read()["routes"]
    assert made.inputs["routes"] == [second, first]
    made.change(routes=[second])
    assert leads(made.id) == changed
    made.change(routes=None)
    assert leads(made.id) == changed
    made.delete()


def test_an_inline_route_leads_to_another_gateway(calls, monkeypatch):
    """EC2 replaces the route in one call, so that it is never missing."""
    sent = []
    monkeypatch.setattr(type(calls), "__call__", lambda *words: sent.append(words[2]) or {})
    old, new = (
        {"routes": [{"cidrBlock": "0.0.0.0/0", name: "to-1"}]}
        for name in ("gatewayId", "natGatewayId")
    )
    table = {"kind": routes.ROUTE_TABLE, "calls": calls, "identity": "rtb-1"}
    routes._change_routes(routes.Subject(**table, inputs=new, before=old))
    assert sent == ["replace_route"]


def test_a_gateway_endpoint_has_a_route_in_each_of_its_tables(aws, make, vpc, leads):
    """The provider leaves them out of the table's inline routes (terraform-provider-aws, flattenRoutes)."""
    own = [{"cidrBlock": "0.0.0.0/0", "gatewayId": gateway_of(aws, vpc)["InternetGatewayId"]}]
    tables = [make(TABLE, vpcId=vpc, routes=own) for _ in range(2)]
    ids = [table.id for table in tables]
    given = {"vpcId": vpc, "serviceName": S3, "vpcEndpointType": "Gateway", "tags": {"a": "1"}}
    made = make(ENDPOINT, **given, routeTableIds=ids[:1])

    def leading():
        return [table for table in ids if made.id in leads(table).values()]

    arn = made.outputs["arn"].rpartition(":")[2]
    assert (made.outputs["state"], arn) == ("available", f"vpc-endpoint/{made.id}")
    assert leading() == ids[:1]
    assert tables[0].read()["routes"] == own
    again = {"VpcId": vpc, "ServiceName": S3, "RouteTableIds": ids}
    refused(aws.ec2.create_vpc_endpoint, "RouteAlreadyExists", **again)
    made.change(routeTableIds=ids[1:], tags={"a": "2"})
    assert leading() == ids[1:]
    made.delete()
    assert leading() == []
    for table in tables:
        table.delete()


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


def test_the_default_vpc_is_public_and_takes_a_balancer(aws, leads):
    """VPC user guide, "Default VPC components": moto has no internet gateway there."""
    [found] = aws.ec2.describe_vpcs(Filters=where(is_default="true"))
    vpc = found["VpcId"]
    assert found["CidrBlock"] == "172.31.0.0/16"
    [table] = aws.ec2.describe_route_tables(Filters=where(vpc_id=vpc, association__main="true"))
    gateway = gateway_of(aws, vpc)["InternetGatewayId"]
    assert leads(table["RouteTableId"]) == {"172.31.0.0/16": "local", "0.0.0.0/0": gateway}

    def subnets(public):
        filters = where(vpc_id=vpc, map_public_ip_on_launch=public)
        return aws.ec2.describe_subnets(Filters=filters)

    zones = sorted(each["AvailabilityZone"] for each in subnets("true"))
    assert (zones, subnets("false")) == ([f"{REGION}{letter}" for letter in "acd"], [])
    ids = [each["SubnetId"] for each in subnets("true")]
    [made] = aws.elbv2.create_load_balancer(Name=unique("b"), Subnets=ids)
    assert made["VpcId"] == vpc
    aws.elbv2.delete_load_balancer(LoadBalancerArn=made["LoadBalancerArn"])


def test_a_listener_of_an_application_load_balancer_has_http(make, balancer):
    answer = {"contentType": "text/plain", "statusCode": "200"}
    action = {"type": "fixed-response", "fixedResponse": answer}
    inputs = {"loadBalancerArn": balancer, "port": 80, "defaultActions": [action]}
    made = make("lb/listener", **inputs)
    assert (made.outputs["protocol"], made.outputs["port"]) == ("HTTP", 80)
    made.delete()
    network = balancer.replace("loadbalancer/app/", "loadbalancer/net/")
    assert "protocol" not in elb.LISTENER.prepare({**inputs, "loadBalancerArn": network})


def test_a_health_check_has_the_provider_s_defaults(aws, make, vpc):
    """A group without one has those of ELB."""
    for more, thresholds in (
        ({"healthCheck": {"path": "/health"}}, (3, 3)),
        ({"healthCheck": {"path": "/health", "unhealthyThreshold": 4}}, (3, 4)),
        ({}, (5, 2)),
    ):
        port = {"port": 80, "protocol": "HTTP", "targetType": "ip"}
        made = make("lb/targetGroup", name=unique("tg"), vpcId=vpc, **port, **more)
        [found] = aws.elbv2.describe_target_groups(TargetGroupArns=[made.id])
        assert (found["HealthyThresholdCount"], found["UnhealthyThresholdCount"]) == thresholds
        made.delete()
