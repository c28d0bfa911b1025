"""Strategies that shift requests, as the doctor and the status read them."""

from dataclasses import replace

import pytest

from ecs_gate.checks import load_balancer
from ecs_gate.diagnosis.case import Case
from ecs_gate.parts import ecs, elb
from tests import stacks as a
from tests.rollout.rollout_answers import NEW, deployment, service
from tests.rollout.test_look import CANARY, SECOND


def group(number: int) -> elb.TargetGroup:
    return replace(a.target_group(), arn=f"arn:{number}", name=f"tg{number}")


@pytest.mark.parametrize(("weights", "chosen"), [((90, 10), 1), ((10, 90), 2), ((0, 100), 2)])
def test_target_group_is_the_one_with_most_requests(weights, chosen):
    shares = [
        {"TargetGroupArn": f"arn:{number}", "Weight": weight}
        for number, weight in zip((1, 2), weights, strict=True)
    ]
    forward = {"Type": "forward", "ForwardConfig": {"TargetGroups": shares}}
    rule = elb._rule({"Priority": "100", "Actions": [forward]})
    # The rule of the test requests, which leads elsewhere, is in front of it.
    header = elb.Condition("http-header", ("drawn",))
    test = replace(rule, priority="50", conditions=(header,), groups=(f"arn:{3 - chosen}",))
    listener = elb.Listener(arn="l", port=80, protocol="HTTP", rules=(test, rule))
    balancer = replace(a.balancer(), listeners=(listener,))
    assert elb.busiest(balancer, (group(1), group(2))).arn == f"arn:{chosen}"


def test_requests_to_the_second_target_group_are_no_cause():
    known = ecs.service_of(service(deployment(NEW, "COMPLETED"), **CANARY))
    case = Case.of(a.stack(service=known, group=replace(a.target_group(), arn=SECOND)))
    assert list(load_balancer.target_group(case)) == []
