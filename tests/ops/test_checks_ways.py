"""The ways from hop to hop: security groups, routes, NAT gateways, endpoints."""

from dataclasses import replace

import pytest

from ops.snapshot.vpc import Endpoint, Nat
from tests.ops import stacks as a
from tests.ops.situations import NO_ROUTE, crashed, findings, kinds, rules


def test_a_rule_that_is_missing_explains_the_time_out():
    timed_out = a.unhealthy("Request timed out", "Target.Timeout", network=rules(alb_out=()))
    assert kinds(timed_out) == [
        ("balancer-cannot-reach-task", "cause"),
        ("targets-unhealthy", "consequence"),
        ("roll-out-going-on", "note"),
    ]


def test_the_missing_rule_is_named_with_the_command_that_adds_it():
    found = findings(a.stack(network=rules(app_in=())))[0]
    assert [str(each) for each in found.seen] == [
        "Security group sg-app (careapp-poc-app) has no inbound rule for TCP 3000 from "
        "sg-alb (careapp-poc-alb)."
    ]
    assert found.fixes[0].commands == (
        "aws ec2 authorize-security-group-ingress --region ap-northeast-1 --group-id sg-app --ip-permissions "
        "'IpProtocol=tcp,FromPort=3000,ToPort=3000,UserIdGroupPairs=[{GroupId=sg-alb}]'",
    )


def test_a_database_behind_a_closed_rule_explains_the_app_s_time_outs():
    snapshot = crashed("connection timeout expired", network=rules(db_in=()))
    assert kinds(snapshot) == [
        ("task-cannot-reach-database", "cause"),
        ("roll-out-going-on", "warning"),
        ("crash-database-timeout", "consequence"),
    ]


def test_a_database_problem_that_the_app_has_got_over_is_none():
    lines = [a.LISTENS, "connection timeout expired", '{"message": "database connected"}']
    assert findings(a.stack(logs=a.logs(a=lines))) == ()


def leading(kind, target, state="active"):
    return a.subnet("private-1", "10.0.16.0/20", a.route(kind, target, state))


@pytest.mark.parametrize(
    ("private", "nat", "said"),
    [
        (NO_ROUTE, {}, "has no route to 0.0.0.0/0"),
        (leading("nat", "nat-1", "blackhole"), {}, "leads to nat-1, which does not exist"),
        (leading("nat", "nat-9"), {}, "leads to nat-9, which does not exist"),
        (leading("igw", "igw-1"), {}, "assignPublicIp is DISABLED"),
        (None, {"state": "failed"}, "NAT gateway nat-1 is failed"),
        (None, {"subnet": "database-1"}, "is in a subnet that has no route"),
        (None, {"subnet": "private-1"}, "is in a subnet that has no route"),
    ],
)
def test_each_way_in_which_tasks_are_cut_off_is_told_apart(private, nat, said):
    gateway = Nat(**{"id": "nat-1", "state": "available", "subnet": "public-1", **nat})
    found = findings(a.stack(network=a.network(private, nats={"nat-1": gateway})))[0]
    assert found.id == "task-cannot-reach-aws"
    assert said in str(found.seen[0])


def test_tasks_with_a_public_address_need_no_nat_gateway():
    public = a.network(leading("igw", "igw-1"))
    assert findings(a.stack(network=public, service=a.service(public_ip=True))) == ()


def test_endpoints_in_the_vpc_stand_in_for_the_way_to_the_internet():
    doors = tuple(
        Endpoint(service=f"com.amazonaws.ap-northeast-1.{each}", state="available",
                 private_dns=True, subnets=("private-1",), groups=("sg-db",))
        for each in ("ecr.api", "ecr.dkr", "logs", "secretsmanager")
    )  # fmt: skip
    open_ = a.groups(
        db_in=(a.permission(5432, ["sg-app"]), a.permission(443, ["sg-app"])),
    )
    net = a.network(NO_ROUTE, endpoints=doors, groups=open_)
    assert findings(a.stack(network=net)) == ()
    fewer = replace(net, endpoints=doors[1:])
    assert findings(a.stack(network=fewer))[0].id == "task-cannot-reach-aws"
