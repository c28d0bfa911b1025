"""Security groups and routes as pure functions."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

import pytest

from rehearsal.aws.ec2.firewall import INTERNET, Endpoint, Group, Map, Route, Rule, allows

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
def test_an_ingress_rule_lets_in_whom_it_names_on_its_ports(rule: Rule, allowed: bool) -> None:
    assert allows(network(db_in=(rule,)), TASK, DB, 5432) is allowed


def test_the_sources_egress_must_allow_it_as_well() -> None:
    open_door = (tcp(5432, group="task"),)
    assert allows(network((tcp(5432, group="db"),), open_door), TASK, DB, 5432)
    assert not allows(network((tcp(443, network=ANYWHERE),), open_door), TASK, DB, 5432)
    assert not allows(network((), open_door), TASK, DB, 5432)


def test_a_group_that_was_deleted_allows_nothing() -> None:
    stranger = Endpoint(address=DB.address, groups=frozenset({"gone"}), subnet="isolated")
    assert not allows(network(), TASK, stranger, 5432)


def test_one_of_several_groups_is_enough() -> None:
    both = Endpoint(address=DB.address, groups=frozenset({"gone", "db"}), subnet="isolated")
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
def test_the_most_specific_route_decides(
    routes: tuple[Route, ...], public: bool, reaches: bool
) -> None:
    source = Endpoint(address=TASK.address, groups=TASK.groups, subnet=TASK.subnet, public=public)
    assert allows(network(routes=routes), source, PUBLIC, 443) is reaches


def test_the_internet_is_bound_by_the_destinations_rules_only() -> None:
    assert allows(network(db_in=(tcp(5432, network=ANYWHERE),)), INTERNET, DB, 5432)
    assert not allows(network(db_in=(tcp(5432, network=VPC),)), INTERNET, DB, 5432)
