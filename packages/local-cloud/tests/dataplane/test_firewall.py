"""Security groups, routes and network ACLs as pure functions; ``firewall.txt`` has the cases."""

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest

from local_cloud.aws.ec2.firewall import (
    CLIENTS,
    INTERNET,
    LINUX,
    WIDE,
    Acl,
    Endpoint,
    Entry,
    Group,
    Map,
    Route,
    Rule,
    allows,
    passes,
)

ALL, LOCAL = "-1 - 0.0.0.0/0", "10.0.0.0/16 local"
TASK = Endpoint(address=IPv4Address("10.0.2.9"), groups=frozenset({"task"}), subnet="private")
DB = Endpoint(address=IPv4Address("10.0.4.9"), groups=frozenset({"db"}), subnet="isolated")
PUBLIC = Endpoint(address=IPv4Address("198.18.0.1"))
PORTS = {"linux": LINUX, "wide": WIDE, "clients": CLIENTS}


def ports(text: str):
    """Return the first and the last port; None for "-", which is all."""
    if text in PORTS:
        return PORTS[text]
    first, _, last = text.partition("-")
    return (int(first), int(last or first)) if first else None


def rule(text: str) -> Rule:
    protocol, span, source = text.split()
    peer = (
        {"networks": (IPv4Network(source),)} if "/" in source else {"groups": frozenset({source})}
    )
    return Rule(protocol=protocol, ports=ports(span), **peer)


def route(text: str) -> Route:
    destination, target = text.split()
    return Route(IPv4Network(destination), target)


def entry(text: str) -> Entry:
    number, action, protocol, span, source = text.split()
    where = {"network": IPv4Network(source), "ports": ports(span)}
    return Entry(number=int(number), allow=action == "allow", protocol=protocol, **where)


def acl(ingress: str, egress: str) -> Acl:
    both = (text.replace("open", "100 allow -1 - 0.0.0.0/0") for text in (ingress, egress))
    ways = [tuple(map(entry, filter(None, text.split(", ")))) for text in both]
    return Acl(ingress=ways[0], egress=ways[1])


def cases(part: str) -> pytest.MarkDecorator:
    """Return the rows of a part of the table; "yes" and "no" at a row's end are True and False."""
    text = Path(__file__).with_name("firewall.txt").read_text()
    lines = text.partition(f"[{part}]")[2].partition("\n[")[0].splitlines()[1:]
    rows = [line.split("|") for line in lines if line and not line.startswith("#")]
    found = [[*map(str.strip, row[:-1]), row[-1].strip() == "yes"] for row in rows]
    return pytest.mark.parametrize("row", found, ids=lambda row: " ".join(map(str, row)))


def network(task_out=(ALL,), db_in=(), routes=(LOCAL,)) -> Map:
    db = Group(ingress=tuple(map(rule, db_in)), egress=(rule(ALL),))
    groups = {"task": Group(egress=tuple(map(rule, task_out))), "db": db}
    return Map(groups, {"private": tuple(map(route, routes)), "isolated": (route(LOCAL),)}, {})


@cases("ingress")
def test_ingress_lets_in_whom_a_rule_names_on_its_ports(row):
    allowing, allowed = row
    assert allows(network(db_in=[allowing]), TASK, DB, 5432) is allowed


def test_egress_of_the_source_must_allow_it_as_well():
    for task_out, allowed in (["tcp 5432 db"], True), (["tcp 443 0.0.0.0/0"], False), ([], False):
        assert allows(network(task_out, ["tcp 5432 task"]), TASK, DB, 5432) is allowed


def test_group_that_was_deleted_allows_nothing_and_one_of_several_is_enough():
    opened = network(db_in=["tcp 5432 task"])
    assert not allows(opened, TASK, replace(DB, groups=frozenset({"gone"})), 5432)
    assert allows(opened, TASK, replace(DB, groups=frozenset({"gone", "db"})), 5432)


@cases("routes")
def test_route_that_is_most_specific_decides(row):
    routes, address, reaches = row
    declared = network(routes=[LOCAL, *filter(None, routes.split(", "))])
    task = replace(TASK, public=address == "public")
    assert allows(declared, task, PUBLIC, 443) is reaches


def test_internet_is_bound_by_the_destination_s_rules_only():
    assert allows(network(db_in=["tcp 5432 0.0.0.0/0"]), INTERNET, DB, 5432)
    assert not allows(network(db_in=["tcp 5432 10.0.0.0/16"]), INTERNET, DB, 5432)


ALB = Endpoint(address=IPv4Address("10.0.0.4"), subnet="public", ephemeral=WIDE)
TARGET = Endpoint(address=TASK.address, subnet="private")


@cases("acls")
def test_acls_let_the_load_balancer_reach_a_task(row):
    *private, public_in, public_out, reached = row
    acls = {"public": acl(public_in, public_out), "private": acl(*private)}
    assert passes(acls, ALB, TARGET, 3000) is reached


def test_acls_are_not_asked_within_a_subnet_and_where_there_are_none():
    closed = {"private": Acl()}
    neighbour = replace(TARGET, address=IPv4Address("10.0.2.10"))
    assert passes(closed, neighbour, TARGET, 3000)
    assert not passes(closed, ALB, TARGET, 3000)
    assert passes({}, ALB, TARGET, 3000)


@cases("nat")
def test_acls_of_both_subnets_let_a_task_out_by_a_nat_gateway(row):
    *private, public_in, public_out, out = row
    nat = Route(IPv4Network("0.0.0.0/0"), "nat", replace(ALB, address=IPv4Address("10.0.0.5")))
    routes, groups = {"private": (route(LOCAL), nat)}, {"task": Group(egress=(rule(ALL),))}
    acls = {"private": acl(*private), "public": acl(public_in, public_out)}
    assert allows(Map(groups, routes, {}, acls), TASK, PUBLIC, 443) is out


def test_acls_let_responses_to_a_client_s_own_ports():
    node = Endpoint(address=ALB.address, groups=frozenset({"alb"}), subnet="public")
    groups = {"alb": Group(ingress=(rule(ALL),))}
    for span, reached in (("clients", True), ("linux", False)):
        public = acl("100 allow 6 80 0.0.0.0/0", f"100 allow 6 {span} 0.0.0.0/0")
        assert allows(Map(groups, {}, {}, {"public": public}), INTERNET, node, 80) is reached
