"""Security groups, routes and network ACLs as pure functions."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network

import pytest

from tools.local_cloud.aws.ec2.firewall import (
    CLIENTS,
    INTERNET,
    LINUX,
    WIDE,
    Acl,
    Endpoint,
    Entry,
    Group,
    Map,
    Ports,
    Route,
    Rule,
    Stop,
    allows,
    passes,
)

ANYWHERE = IPv4Network("0.0.0.0/0")
VPC = IPv4Network("10.0.0.0/16")
ALL = Rule(protocol="-1", networks=(ANYWHERE,))
LOCAL = Route(VPC, "local")
TASK = Endpoint(address=IPv4Address("10.0.2.9"), groups=frozenset({"task"}), subnet="private")
DB = Endpoint(address=IPv4Address("10.0.4.9"), groups=frozenset({"db"}), subnet="isolated")
PUBLIC = Endpoint(address=IPv4Address("198.18.0.1"))


def tcp(first: int, last: int | None = None, network: IPv4Network | None = None, group: str = ""):
    return Rule(
        protocol="tcp",
        first_port=first,
        last_port=last or first,
        networks=(network,) if network else (),
        groups=frozenset({group} if group else ()),
    )


def network(
    task_out: tuple[Rule, ...] = (ALL,),
    db_in: tuple[Rule, ...] = (),
    routes: tuple[Route, ...] = (LOCAL,),
) -> Map:
    groups = {"task": Group(egress=task_out), "db": Group(ingress=db_in, egress=(ALL,))}
    return Map(groups, {"private": routes, "isolated": (LOCAL,)}, {})


@pytest.mark.parametrize(
    ("rule", "allowed"),
    [
        (tcp(5432, group="task"), True),
        (tcp(5432, group="other"), False),
        (tcp(5432, network=IPv4Network("10.0.2.0/24")), True),
        (tcp(5432, network=IPv4Network("10.0.3.0/24")), False),
        (tcp(5431, 5433, group="task"), True),
        (tcp(5433, 6000, group="task"), False),
        (tcp(1, 5431, group="task"), False),
        (Rule(protocol="-1", groups=frozenset({"task"})), True),
        (Rule(protocol="udp", first_port=5432, last_port=5432, groups=frozenset({"task"})), False),
        (Rule(protocol="icmp", first_port=-1, last_port=-1, groups=frozenset({"task"})), False),
    ],
)
def test_an_ingress_rule_lets_in_whom_it_names_on_its_ports(rule, allowed):
    assert allows(network(db_in=(rule,)), TASK, DB, 5432) is allowed


def test_the_sources_egress_must_allow_it_as_well():
    open_door = (tcp(5432, group="task"),)
    assert allows(network((tcp(5432, group="db"),), open_door), TASK, DB, 5432)
    assert not allows(network((tcp(443, network=ANYWHERE),), open_door), TASK, DB, 5432)
    assert not allows(network((), open_door), TASK, DB, 5432)


def test_a_group_that_was_deleted_allows_nothing():
    assert not allows(network(), TASK, replace(DB, groups=frozenset({"gone"})), 5432)


def test_one_of_several_groups_is_enough():
    both = replace(DB, groups=frozenset({"gone", "db"}))
    assert allows(network(db_in=(tcp(5432, group="task"),)), TASK, both, 5432)


@pytest.mark.parametrize(
    ("routes", "public", "reaches"),
    [
        ((LOCAL, Route(ANYWHERE, "nat")), False, True),
        ((LOCAL, Route(ANYWHERE, "blackhole")), False, False),
        ((LOCAL,), True, False),
        ((LOCAL, Route(ANYWHERE, "igw")), False, False),
        ((LOCAL, Route(ANYWHERE, "igw")), True, True),
        ((LOCAL, Route(ANYWHERE, "nat"), Route(IPv4Network("198.18.0.0/15"), "igw")), False, False),
    ],
)
def test_the_most_specific_route_decides(routes, public, reaches):
    assert allows(network(routes=routes), replace(TASK, public=public), PUBLIC, 443) is reaches


def test_the_internet_is_bound_by_the_destinations_rules_only():
    assert allows(network(db_in=(tcp(5432, network=ANYWHERE),)), INTERNET, DB, 5432)
    assert not allows(network(db_in=(tcp(5432, network=VPC),)), INTERNET, DB, 5432)


PUBLIC_SUBNET, PRIVATE_SUBNET = IPv4Network("10.0.0.0/24"), IPv4Network("10.0.2.0/24")
ALB = Stop("public", IPv4Address("10.0.0.4"))
TARGET = Stop("private", TASK.address)


def entry(
    number: int,
    ports: Ports | None = None,
    network: IPv4Network = ANYWHERE,
    allow: bool = True,
    protocol: str = "6",
) -> Entry:
    kind = protocol if ports else "-1"
    return Entry(number=number, allow=allow, protocol=kind, network=network, ports=ports)


OPEN = Acl(ingress=(entry(100),), egress=(entry(100),))


def let(private: Acl, public: Acl = OPEN) -> bool:
    """Return whether the load balancer reaches the task."""
    return passes({"public": public, "private": private}, ALB, TARGET, 3000, WIDE)


BACK = (entry(100, WIDE),)


@pytest.mark.parametrize(
    ("ingress", "reached"),
    [
        ((entry(100),), True),
        ((), False),
        ((entry(100, (3000, 3000)),), True),
        ((entry(100, (3001, 3001)),), False),
        ((entry(100, (3000, 3000), PUBLIC_SUBNET),), True),
        ((entry(100, (3000, 3000), PRIVATE_SUBNET),), False),
        ((entry(100, (3000, 3000), protocol="17"),), False),
        ((entry(90, (3000, 3000), allow=False), entry(100)), False),
        ((entry(100), entry(110, (3000, 3000), allow=False)), True),
        ((entry(90, (3000, 3000), PRIVATE_SUBNET, allow=False), entry(100)), True),
    ],
)
def test_the_lowest_number_that_fits_decides(ingress, reached):
    assert let(Acl(ingress=ingress, egress=BACK)) is reached


@pytest.mark.parametrize(
    ("egress", "reached"),
    [
        ((), False),
        ((entry(100, (3000, 3000)),), False),
        ((entry(100, LINUX),), False),
        ((entry(100, WIDE),), True),
        ((entry(100, (1024, 32767)), entry(110, (32768, 65535))), True),
        ((entry(100, (1024, 32767)), entry(110, (32769, 65535))), False),
        ((entry(90, (50000, 50001), allow=False), entry(100)), False),
        ((entry(100, WIDE, PRIVATE_SUBNET),), False),
    ],
)
def test_the_answers_need_all_ephemeral_ports(egress, reached):
    assert let(Acl(ingress=(entry(100, (3000, 3000)),), egress=egress)) is reached


def test_the_source_s_subnet_must_let_out_and_take_back():
    assert not let(OPEN, Acl(ingress=(entry(100),)))
    assert not let(OPEN, Acl(egress=(entry(100),)))
    assert let(OPEN, Acl(ingress=(entry(100, WIDE),), egress=(entry(100, (3000, 3000)),)))


def test_within_a_subnet_and_without_an_acl_nothing_is_asked():
    closed = {"private": Acl()}
    neighbour = replace(TARGET, address=IPv4Address("10.0.2.10"))
    assert passes(closed, neighbour, TARGET, 3000, LINUX)
    assert not passes(closed, ALB, TARGET, 3000, LINUX)
    assert passes({}, ALB, TARGET, 3000, LINUX)


HTTPS, WEB = (443, 443), IPv4Network("198.18.0.0/15")


def leaves(private: Acl, public: Acl = OPEN) -> bool:
    """Return whether a task reaches an AWS API through the NAT gateway of the public subnet."""
    nat = Stop("public", IPv4Address("10.0.0.5"))
    routes = {"private": (LOCAL, Route(ANYWHERE, "nat", nat))}
    acls = {"private": private, "public": public}
    return allows(Map({"task": Group(egress=(ALL,))}, routes, {}, acls), TASK, PUBLIC, 443)


@pytest.mark.parametrize(
    ("private", "public", "out"),
    [
        (OPEN, OPEN, True),
        (Acl(egress=(entry(100, HTTPS, WEB),), ingress=(entry(100, LINUX, WEB),)), OPEN, True),
        (Acl(egress=(entry(100, HTTPS, WEB),), ingress=(entry(100, LINUX, VPC),)), OPEN, False),
        (Acl(egress=(entry(100, HTTPS, PUBLIC_SUBNET),), ingress=(entry(100),)), OPEN, False),
        (
            OPEN,
            Acl(
                ingress=(entry(100, HTTPS, PRIVATE_SUBNET), entry(110, WIDE)), egress=(entry(100),)
            ),
            True,
        ),
        (OPEN, Acl(ingress=(entry(110, WIDE),), egress=(entry(100),)), False),
        (OPEN, Acl(ingress=(entry(100, HTTPS), entry(110, LINUX)), egress=(entry(100),)), False),
        (
            OPEN,
            Acl(ingress=(entry(100),), egress=(entry(100, HTTPS), entry(110, LINUX, VPC))),
            True,
        ),
        (OPEN, Acl(ingress=(entry(100),), egress=(entry(100, HTTPS),)), False),
        (OPEN, Acl(ingress=(entry(100),), egress=(entry(110, LINUX),)), False),
    ],
)
def test_a_connection_through_a_nat_gateway_passes_the_acls_of_both_subnets(private, public, out):
    assert leaves(private, public) is out


def test_a_client_on_the_internet_needs_responses_to_its_own_ports():
    node = Endpoint(address=ALB.address, groups=frozenset({"alb"}), subnet="public")
    groups = {"alb": Group(ingress=(ALL,))}
    for back, reached in ((CLIENTS, True), (LINUX, False)):
        acl = Acl(ingress=(entry(100, (80, 80)),), egress=(entry(100, back),))
        assert allows(Map(groups, {}, {}, {"public": acl}), INTERNET, node, 80) is reached
