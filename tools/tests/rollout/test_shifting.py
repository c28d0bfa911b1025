"""Strategies that shift requests, as gate, doctor and status read them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tools.diagnosis.case import Case
from tools.doctor.checks import load_balancer
from tools.rollout.look import look
from tools.rollout.verdict import Outcome, judge_view
from tools.snapshot import ecs, elb
from tools.snapshot.records import Traffic
from tools.tests import stacks as a
from tools.tests.rollout.rollout_answers import (
    EXPECTED,
    NEW,
    OLD,
    deployment,
    service,
    target,
    task,
    view,
)
from tools.watch.status import lines

SECOND = EXPECTED.target_group.replace("-tg/1", "-tg2/2")
BALANCER = {
    "targetGroupArn": EXPECTED.target_group,
    "containerName": "app",
    "containerPort": 3000,
    "advancedConfiguration": {"alternateTargetGroupArn": SECOND},
}
CANARY = {"loadBalancers": [BALANCER], "deploymentConfiguration": {"strategy": "CANARY"}}
BOTH = [deployment(NEW, "IN_PROGRESS"), deployment(OLD, "COMPLETED", primary=False)]


class Answers:
    """A session that answers with a canary in progress, and notes which target groups are read."""

    def __init__(
        self, stage: str = "PRODUCTION_TRAFFIC_SHIFT", status: str = "IN_PROGRESS"
    ) -> None:
        self.stage, self.status, self.groups = stage, status, []

    def all(self, _service, _operation, _key, **_):
        return []

    def call(self, _service, operation, **params):
        if operation == "describe_target_health":
            self.groups.append(params["TargetGroupArn"])
            return {"TargetHealthDescriptions": []}
        row = {
            "serviceDeploymentArn": "arn:deployment",
            "status": self.status,
            "createdAt": 1,
            "lifecycleStage": self.stage,
            "targetServiceRevision": {"requestedProductionTrafficWeight": 10.0},
            "sourceServiceRevisions": [{"arn": "arn:before"}],
        }
        return {
            "describe_services": {"services": [service(*BOTH, **CANARY)]},
            "list_service_deployments": {"serviceDeployments": [row]},
            "describe_service_deployments": {"serviceDeployments": [row]},
        }[operation]


def serving(stage, percent):
    """A canary whose tasks are all healthy."""
    now = view(*BOTH, **CANARY, tasks=[task(1), task(2)], targets=[target(1), target(2)])
    traffic = Traffic(stage=stage, percent=percent)
    return replace(now, service=replace(now.service, traffic=traffic))


def test_a_look_reads_the_targets_of_both_groups_and_the_share_of_the_requests():
    session = Answers()
    seen = look(session, EXPECTED)
    assert session.groups == [EXPECTED.target_group, SECOND]
    assert seen.service.traffic == Traffic(stage="PRODUCTION_TRAFFIC_SHIFT", percent=10.0)


def test_a_deployment_that_has_ended_has_no_share():
    assert look(Answers(status="ROLLBACK_IN_PROGRESS"), EXPECTED).service.traffic is None


@pytest.mark.parametrize(
    ("stage", "says"),
    [
        ("PRODUCTION_TRAFFIC_SHIFT", "careapp-poc:7 gets 12.5 % of the requests"),
        (
            "BAKE_TIME",
            "careapp-poc:7 gets all requests; ECS keeps the old tasks for the bake time",
        ),
        ("CLEAN_UP", "careapp-poc:7 gets all requests; ECS stops the old tasks"),
    ],
)
def test_the_gate_waits_through_shift_and_bake_time_and_says_how_far_it_is(stage, says):
    verdict = judge_view(serving(stage, 12.5), EXPECTED, sure=True)
    assert (verdict.outcome, str(verdict.text)) == (Outcome.GOING, says)


@pytest.mark.parametrize(
    ("stage", "alone"), [("PRODUCTION_TRAFFIC_SHIFT", False), ("BAKE_TIME", True)]
)
def test_the_gate_requests_the_page_when_the_new_version_alone_answers_it(stage, alone):
    assert serving(stage, 50.0).bakes is alone


def group(number: int) -> elb.TargetGroup:
    return replace(a.target_group(), arn=f"arn:{number}", name=f"tg{number}")


@pytest.mark.parametrize(("weights", "chosen"), [((90, 10), 1), ((10, 90), 2), ((0, 100), 2)])
def test_the_target_group_is_the_one_with_most_requests(weights, chosen):
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


def test_requests_to_the_second_target_group_are_no_cause_for_the_doctor():
    known = ecs.service_of(service(deployment(NEW, "COMPLETED"), **CANARY))
    second = replace(a.target_group(), arn=SECOND)
    case = Case(a.stack(service=known, group=second))
    assert list(load_balancer.target_group(case)) == []


def test_the_status_says_how_many_requests_go_to_the_new_version():
    known = replace(
        ecs.service_of(service(*BOTH, **CANARY)), traffic=Traffic(stage="X", percent=10.0)
    )
    shown = [str(each.text) for each in lines(a.stack(service=known))]
    assert "    careapp-poc:7 gets 10 % of the requests" in shown


@pytest.mark.parametrize(("failed", "strategy"), [(3, "CANARY"), (0, "CANARY"), (3, "ROLLING")])
def test_the_status_offers_to_end_a_deployment_that_ecs_does_not(failed, strategy):
    changes = {**CANARY, "deploymentConfiguration": {"strategy": strategy}}
    known = ecs.service_of(
        service(deployment(NEW, "IN_PROGRESS", failedTasks=failed), BOTH[1], **changes)
    )
    shown = [str(each.text) for each in lines(a.stack(service=known))]
    offer = "    ECS's circuit breaker does not end such a deployment: ./careapp rollback -s poc"
    assert (offer in shown) is (failed > 0 and strategy == "CANARY")


def test_the_status_offers_no_rollback_of_a_first_deployment():
    known = ecs.service_of(service(deployment(NEW, "IN_PROGRESS", failedTasks=3), **CANARY))
    shown = [str(each.text) for each in lines(a.stack(service=known))]
    assert "    ECS's circuit breaker does not end such a deployment: pulumi up -s poc" in shown
