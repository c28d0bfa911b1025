"""Network ACLs: the order of rules, statelessness, and the ports of responses."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network

import pytest

from rehearsal.aws.ec2.firewall import (
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

ANYWHERE, VPC = IPv4Network("0.0.0.0/0"), IPv4Network("10.0.0.0/16")
PUBLIC, PRIVATE = IPv4Network("10.0.0.0/24"), IPv4Network("10.0.2.0/24")
ALB = Stop("public", IPv4Address("10.0.0.4"))
TASK = Stop("private", IPv4Address("10.0.2.9"))


def rule(
    number: int,
    ports: Ports | None = None,
    network: IPv4Network = ANYWHERE,
    allow: bool = True,
    protocol: str = "6",
) -> Entry:
    kind = protocol if ports else "-1"
    return Entry(number=number, allow=allow, protocol=kind, network=network, ports=ports)


OPEN = Acl(ingress=(rule(100),), egress=(rule(100),))


def let(private: Acl, public: Acl = OPEN) -> bool:
    """Return whether the load balancer reaches the task."""
    return passes({"public": public, "private": private}, ALB, TASK, 3000, WIDE)


BACK = (rule(100, WIDE),)


@pytest.mark.parametrize(
    ("ingress", "reached"),
    [
        ((rule(100),), True),
        ((), False),
        ((rule(100, (3000, 3000)),), True),
        ((rule(100, (3001, 3001)),), False),
        ((rule(100, (3000, 3000), PUBLIC),), True),
        ((rule(100, (3000, 3000), PRIVATE),), False),
        ((rule(100, (3000, 3000), protocol="17"),), False),
        ((rule(90, (3000, 3000), allow=False), rule(100)), False),
        ((rule(100), rule(110, (3000, 3000), allow=False)), True),
        ((rule(90, (3000, 3000), PRIVATE, allow=False), rule(100)), True),
    ],
)
def test_the_lowest_number_that_fits_decides(ingress: tuple[Entry, ...], reached: bool) -> None:
    assert let(Acl(ingress=ingress, egress=BACK)) is reached


@pytest.mark.parametrize(
    ("egress", "reached"),
    [
        ((), False),
        ((rule(100, (3000, 3000)),), False),
        ((rule(100, LINUX),), False),
        ((rule(100, WIDE),), True),
        ((rule(100, (1024, 32767)), rule(110, (32768, 65535))), True),
        ((rule(100, (1024, 32767)), rule(110, (32769, 65535))), False),
        ((rule(90, (50000, 50001), allow=False), rule(100)), False),
        ((rule(100, WIDE, PRIVATE),), False),
    ],
)
def test_the_answers_need_all_ephemeral_ports(egress: tuple[Entry, ...], reached: bool) -> None:
    assert let(Acl(ingress=(rule(100, (3000, 3000)),), egress=egress)) is reached


def test_the_source_s_subnet_must_let_out_and_take_back() -> None:
    assert not let(OPEN, Acl(ingress=(rule(100),)))
    assert not let(OPEN, Acl(egress=(rule(100),)))
    assert let(OPEN, Acl(ingress=(rule(100, WIDE),), egress=(rule(100, (3000, 3000)),)))


def test_within_a_subnet_and_without_an_acl_nothing_is_asked() -> None:
    closed = {"private": Acl()}
    neighbour = replace(TASK, address=IPv4Address("10.0.2.10"))
    assert passes(closed, neighbour, TASK, 3000, LINUX)
    assert not passes(closed, ALB, TASK, 3000, LINUX)
    assert passes({}, ALB, TASK, 3000, LINUX)


API = Endpoint(address=IPv4Address("198.18.0.1"))
HTTPS, WEB = (443, 443), IPv4Network("198.18.0.0/15")


def leaves(private: Acl, public: Acl = OPEN) -> bool:
    """Return whether a task reaches an AWS API through the NAT gateway of the public subnet."""
    nat = Stop("public", IPv4Address("10.0.0.5"))
    routes = {"private": (Route(VPC, "local"), Route(ANYWHERE, "nat", nat))}
    groups = {"task": Group(egress=(Rule(protocol="-1", networks=(ANYWHERE,)),))}
    acls = {"private": private, "public": public}
    source = Endpoint(address=TASK.address, groups=frozenset({"task"}), subnet="private")
    return allows(Map(groups, routes, {}, acls), source, API, 443)


@pytest.mark.parametrize(
    ("private", "public", "out"),
    [
        (OPEN, OPEN, True),
        (Acl(egress=(rule(100, HTTPS, WEB),), ingress=(rule(100, LINUX, WEB),)), OPEN, True),
        (Acl(egress=(rule(100, HTTPS, WEB),), ingress=(rule(100, LINUX, VPC),)), OPEN, False),
        (Acl(egress=(rule(100, HTTPS, PUBLIC),), ingress=(rule(100),)), OPEN, False),
        (
            OPEN,
            Acl(ingress=(rule(100, HTTPS, PRIVATE), rule(110, WIDE)), egress=(rule(100),)),
            True,
        ),
        (OPEN, Acl(ingress=(rule(110, WIDE),), egress=(rule(100),)), False),
        (OPEN, Acl(ingress=(rule(100, HTTPS), rule(110, LINUX)), egress=(rule(100),)), False),
        (OPEN, Acl(ingress=(rule(100),), egress=(rule(100, HTTPS), rule(110, LINUX, VPC))), True),
        (OPEN, Acl(ingress=(rule(100),), egress=(rule(100, HTTPS),)), False),
        (OPEN, Acl(ingress=(rule(100),), egress=(rule(110, LINUX),)), False),
    ],
)
def test_a_connection_through_a_nat_gateway_passes_the_acls_of_both_subnets(
    private: Acl, public: Acl, out: bool
) -> None:
    assert leaves(private, public) is out


def test_a_client_on_the_internet_needs_responses_to_its_own_ports() -> None:
    node = Endpoint(address=ALB.address, groups=frozenset({"alb"}), subnet="public")
    groups = {"alb": Group(ingress=(Rule(protocol="-1", networks=(ANYWHERE,)),))}
    for back, reached in ((CLIENTS, True), (LINUX, False)):
        acl = Acl(ingress=(rule(100, (80, 80)),), egress=(rule(100, back),))
        assert allows(Map(groups, {}, {}, {"public": acl}), INTERNET, node, 80) is reached
