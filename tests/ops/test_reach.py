"""Security-group rules, evaluated as AWS does."""

from ipaddress import IPv4Network

import pytest

from ops.diagnosis.reachability import MissingRule, Side, covers, missing_rules
from ops.snapshot.vpc import Permission
from tests.ops import stacks as a

APP, NETS = ("sg-app",), (IPv4Network("10.0.16.0/20"),)
WIDE, NARROW, SMALL = (IPv4Network(each) for each in ("10.0.0.0/16", "10.0.0.0/24", "10.0.16.0/24"))


@pytest.mark.parametrize(
    ("rule", "open_"),
    [
        (Permission(protocol="tcp", first=3000, last=3000, groups=APP), True),
        (Permission(protocol="tcp", first=1, last=65535, groups=APP), True),
        (Permission(protocol="tcp", first=3001, last=3002, groups=APP), False),
        (Permission(protocol="udp", first=3000, last=3000, groups=APP), False),
        (Permission(protocol="-1", groups=APP), True),
        (Permission(protocol="-1", groups=("sg-other",)), False),
        (Permission(protocol="tcp", first=3000, last=3000, networks=(WIDE,)), True),
        (Permission(protocol="tcp", first=3000, last=3000, networks=(NARROW,)), False),
        (Permission(protocol="tcp", first=3000, last=3000, networks=(SMALL,)), False),
        (Permission(protocol="tcp", first=3000, last=3000, prefix_lists=("pl-1",)), True),
    ],
)
def test_a_rule_covers_a_peer_by_group_or_by_all_of_its_addresses(rule, open_):
    assert covers(rule, Side(APP, NETS), 3000) is open_


def test_both_ends_must_let_a_connection_through():
    net = a.network(groups=a.groups(alb_out=(), app_in=()))
    missing = missing_rules(net, Side(("sg-alb",)), Side(APP), 3000)
    assert missing == (MissingRule("egress", "sg-alb"), MissingRule("ingress", "sg-app"))


def test_one_group_of_several_is_enough():
    net = a.network(groups=a.groups(app_in=()))
    assert missing_rules(net, Side(("sg-db", "sg-alb")), Side(("sg-app", "sg-alb")), 80) != ()
    assert (
        missing_rules(a.network(), Side(("sg-db", "sg-alb")), Side(("sg-db", "sg-app")), 3000) == ()
    )
