"""Security groups and network ACLs along the path of a request: what they drop, and the fix."""

import shlex
from dataclasses import replace
from ipaddress import IPv4Network

import pytest

from ecs_gate.checks import network_path
from ecs_gate.diagnosis.reachability import (
    CLIENT_PORTS,
    ELB_PORTS,
    INTERNET,
    TASK_PORTS,
    AclDenial,
    HopEnd,
    MissingRule,
    Side,
    acl_denials,
    missing_rules,
    outbound_denials,
)
from ecs_gate.parts import vpc
from ecs_gate.parts.vpc import Group, Permission
from tests import stacks as a
from tests.conftest import client
from tests.doctor.variants.network import ANYWHERE, OPEN, acl
from tests.doctor.variants.network import entry as rule
from tests.doctor.variants.network import with_acls as network

APP, NETS = ("sg-app",), (HopEnd("private-1", IPv4Network("10.0.16.0/20")),)
WHOLE, OTHER, PART = (IPv4Network(cidr) for cidr in ("10.0.0.0/16", "10.0.0.0/24", "10.0.16.0/24"))


@pytest.mark.parametrize(
    ("rule", "open_"),
    [
        (a.permission(3000, APP), True),
        (Permission(protocol="tcp", first=1, last=65535, groups=APP), True),
        (Permission(protocol="tcp", first=3001, last=3002, groups=APP), False),
        (Permission(protocol="udp", first=3000, last=3000, groups=APP), False),
        (Permission(protocol="-1", groups=APP), True),
        (Permission(protocol="-1", groups=("sg-other",)), False),
        (a.permission(3000, networks=(WHOLE,)), True),
        (a.permission(3000, networks=(OTHER,)), False),
        (a.permission(3000, networks=(PART,)), False),
        (Permission(protocol="tcp", first=3000, last=3000, prefix_lists=("pl-1",)), True),
    ],
)
def test_a_rule_covers_a_peer_by_group_or_by_all_of_its_addresses(rule, open_):
    net = a.network(groups={"sg-1": Group(id="sg-1", name="near", egress=(rule,))})
    missing = missing_rules(net, Side(("sg-1",)), Side(APP, NETS), 3000)
    assert (MissingRule("egress", "sg-1") not in missing) is open_


def test_both_ends_must_let_a_connection_through_by_one_of_their_groups():
    net = a.network(groups=a.groups(alb_out=(), app_in=()))
    missing = missing_rules(net, Side(("sg-alb",)), Side(APP), 3000)
    assert missing == (MissingRule("egress", "sg-alb"), MissingRule("ingress", "sg-app"))
    sides = Side(("sg-db", "sg-alb")), Side(("sg-db", "sg-app"))
    assert missing_rules(a.network(), *sides, 3000) == ()


PUBLIC, PRIVATE = (IPv4Network(cidr) for cidr in ("10.0.0.0/24", "10.0.16.0/20"))


def to_task(**acls):
    net = network(**acls)
    return acl_denials(
        net, Side.of(net, ["public-1"]), Side.of(net, ["private-1"]), 3000, ELB_PORTS
    )


@pytest.mark.parametrize(
    ("ingress", "egress", "dropped"),
    [
        ((), OPEN, [("ingress", (3000, 3000), None)]),
        ((rule(100, 3000),), OPEN, []),
        ((rule(100, 3000, network=PUBLIC),), OPEN, []),
        ((rule(100, 3000, network=PRIVATE),), OPEN, [("ingress", (3000, 3000), None)]),
        ((rule(90, 3000, allow=False), rule(100)), OPEN, [("ingress", (3000, 3000), 90)]),
        ((rule(100), rule(110, 3000, allow=False)), OPEN, []),
        (OPEN, (), [("egress", ELB_PORTS, None)]),
        (OPEN, (rule(100, *TASK_PORTS),), [("egress", ELB_PORTS, None)]),
        (OPEN, (rule(100, *ELB_PORTS),), []),
        (OPEN, (rule(100, 1024, 32767), rule(110, 32768, 65535)), []),
        (OPEN, (rule(100, 1024, 32767), rule(110, 32769, 65535)), [("egress", ELB_PORTS, None)]),
        (OPEN, (rule(90, 5000, allow=False), rule(100)), [("egress", ELB_PORTS, 90)]),
        (OPEN, (rule(90, 1024, 2000, allow=False), rule(100)), [("egress", ELB_PORTS, 90)]),
        ((rule(90, 3000), rule(100, 3001, allow=False)), OPEN, []),
    ],
)
def test_numbers_decide_and_answers_need_the_ephemeral_ports(ingress, egress, dropped):
    found = to_task(private=acl(ingress, egress))
    assert [(denial.direction, denial.ports, denial.number) for denial in found] == dropped
    assert all(
        (each.acl, each.subnet, each.peer) == ("acl-1", "private-1", PUBLIC) for each in found
    )


def test_every_address_of_a_subnet_must_pass_and_halves_may_add_up():
    low, high = PUBLIC.subnets()
    assert to_task(private=acl((rule(100, network=low), rule(110, network=high)))) == ()
    (found,) = to_task(private=acl((rule(100, network=low),)))
    assert found.number is None
    one = IPv4Network("10.0.0.77/32")
    (found,) = to_task(private=acl((rule(90, network=one, allow=False), rule(100))))
    assert found.number == 90


def test_within_a_subnet_no_acl_is_asked():
    net = network(private=acl((), ()))
    inside = Side.of(net, ["private-1"])
    assert acl_denials(net, inside, inside, 3000, TASK_PORTS) == ()


def test_a_part_of_the_internet_may_be_kept_out_but_not_all_of_it():
    bad = IPv4Network("93.184.0.0/16")
    net = network(public=acl((rule(50, network=bad, allow=False), rule(100))))
    assert acl_denials(net, INTERNET, Side.of(net, ["public-1"]), 80, CLIENT_PORTS) == ()
    net = network(public=acl((rule(100, 443),)))
    (found,) = acl_denials(net, INTERNET, Side.of(net, ["public-1"]), 80, CLIENT_PORTS)
    assert found == AclDenial("acl-1", "public-1", "ingress", (80, 80), ANYWHERE, None)


@pytest.mark.parametrize(
    ("acls", "dropped"),
    [
        ({"private": acl(egress=(rule(100, 443),))}, []),
        ({"private": acl(egress=(rule(100, 80),))}, [("private-1", "egress", (443, 443))]),
        ({"private": acl(ingress=(rule(100, 3000),))}, [("private-1", "ingress", TASK_PORTS)]),
        ({"public": acl(ingress=(rule(100, *ELB_PORTS),))}, [("public-1", "ingress", (443, 443))]),
        ({"public": acl(egress=(rule(100, 443),))}, [("public-1", "egress", TASK_PORTS)]),
        ({"public": acl(ingress=(rule(90, 443), rule(100, *TASK_PORTS)))},
         [("public-1", "ingress", ELB_PORTS)]),
    ],
)  # fmt: skip
def test_the_way_out_passes_the_nat_gateway_s_subnet_too(acls, dropped):
    found = outbound_denials(network(**acls), ["private-1"])
    assert [(denial.subnet, denial.direction, denial.ports) for denial in found] == dropped


def test_before_the_first_number_there_is_no_room_and_the_rule_must_go():
    net = network(private=acl((rule(1, 3000, allow=False), rule(100))))
    (fix,) = network_path.acl_fixes(to_task(private=net.subnets["private-1"].acl), net)
    assert fix.commands == (
        "aws ec2 delete-network-acl-entry --network-acl-id acl-1 --ingress --rule-number 1",
    )


def test_two_rules_for_one_acl_get_numbers_of_their_own():
    closed = acl((rule(20, 1, 6000, allow=False), rule(100)))
    net = network(private=closed)
    net = replace(net, subnets={**net.subnets, "public-2": replace(
        net.subnets["public-1"], id="public-2", network=IPv4Network("10.0.1.0/24"))})  # fmt: skip
    near, far = Side.of(net, ["public-1", "public-2"]), Side.of(net, ["private-1"])
    (fix,) = network_path.acl_fixes(acl_denials(net, near, far, 3000, ELB_PORTS), net)
    assert [shlex.split(command)[7] for command in fix.commands] == ["19", "18"]


def test_the_fix_lets_through_what_the_acl_dropped(stack):
    """Against an account: EC2's own shapes, and the command's values as a call."""
    ec2, everything = client("ec2"), {"Protocol": "-1", "CidrBlock": "0.0.0.0/0"}
    acl = ec2.create_network_acl(VpcId=stack.vpc)["NetworkAcl"]["NetworkAclId"]
    mine = {"NetworkAclId": acl, "RuleAction": "allow"}
    ec2.create_network_acl_entry(**mine, **everything, RuleNumber=100, Egress=True)
    chosen = [{"Name": "association.subnet-id", "Values": [stack.private_a]}]
    [before] = ec2.describe_network_acls(Filters=chosen)["NetworkAcls"]
    [old] = [each for each in before["Associations"] if each["SubnetId"] == stack.private_a]
    place = {"AssociationId": old["NetworkAclAssociationId"], "NetworkAclId": acl}
    moved = ec2.replace_network_acl_association(**place)["NewAssociationId"]
    try:
        net, [dropped] = dropped_now(stack)
        assert (dropped.acl, dropped.direction, dropped.number) == (acl, "ingress", None)
        [fix] = network_path.acl_fixes([dropped], net)
        words = shlex.split(fix.commands[0])
        assert words[3:7] == ["--network-acl-id", acl, "--ingress", "--rule-number"]
        ports = {key: int(value) for key, value in (p.split("=") for p in words[11].split(","))}
        ec2.create_network_acl_entry(
            **mine, RuleNumber=int(words[7]), Protocol="6", PortRange=ports, CidrBlock=words[13],
            Egress=False,
        )  # fmt: skip
        assert dropped_now(stack)[1] == ()
    finally:
        back = {"AssociationId": moved, "NetworkAclId": before["NetworkAclId"]}
        ec2.replace_network_acl_association(**back)


def dropped_now(stack):
    net = vpc.network(stack.session, stack.vpc)
    near, far = Side.of(net, [stack.public_a]), Side.of(net, [stack.private_a])
    return net, acl_denials(net, near, far, 3000, ELB_PORTS)


@pytest.mark.parametrize(
    ("name", "association"), [("private-1", ""), ("public-1", "rtbassoc-1"), ("", "rtbassoc-1")]
)
def test_route_table_of_another_name_is_not_the_subnet_s_own(name, association):
    ends = [{"SubnetId": "s", "RouteTableAssociationId": "rtbassoc-1"}]
    table = {"RouteTableId": "t", "Associations": ends, "Tags": [{"Key": "Name", "Value": name}]}
    tags = [{"Key": "Name", "Value": "private-1"}]
    raw = {"SubnetId": "s", "CidrBlock": "10.0.16.0/20", "Tags": tags}
    assert vpc._subnet(raw, [table], []).other_association == association
