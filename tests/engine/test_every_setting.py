"""Every setting of a running poc stack, to another value and back, by the real engine (prod: test_prod)."""

import pytest

from tests.support.every_setting import (
    KEPT,
    ONE_WAY,
    allow_boundary,
    changes,
    left_to_do,
    others,
    values,
)
from tests.support.local_stack import local_stack

HAD, OTHERS = values("poc"), others("poc")
UNPROTECTED = {key: OTHERS[key] for key in (*KEPT, "protect")}
"""What only an unprotected stack gives up again; and the protection itself."""
WANTED = changes("poc") | UNPROTECTED


PORT, ANOTHER = "            port=TARGET_PORT,", "            port=TARGET_PORT + 1,"


def leads(stack):
    """The target group's port, and whether the rule and the service lead to it."""
    [group] = stack.calls("elbv2", "describe_target_groups", {})["TargetGroups"]
    arn, rule = group["TargetGroupArn"], stack.rules()["100"]
    registered = [each["targetGroupArn"] for each in stack.service()["loadBalancers"]]
    return group["Port"], rule["Actions"][0]["TargetGroupArn"] == arn, registered == [arn]


def endpoint(calls):
    """The route tables of the gateway endpoint, and those of the private subnets."""
    [found] = calls("ec2", "describe_vpc_endpoints", {})["VpcEndpoints"]
    named = [{"Name": "tag:Name", "Values": ["careapp-poc-private-*"]}]
    tables = calls("ec2", "describe_route_tables", {"Filters": named})["RouteTables"]
    return sorted(found["RouteTableIds"]), sorted(each["RouteTableId"] for each in tables)


class Life:
    """Stage 2, every setting changed and put back, then the target group's port; and what was refused.

    The service is created without alarms, which are there when the settings are put back.
    """

    def __init__(self, stack):
        self.created = stack.up(ecsEnabled="true", alarmsEnabled="false").steps
        allow_boundary(stack)
        self.changed = stack.up(**WANTED, **ONE_WAY)
        self.endpoint, self.private = endpoint(stack.calls)
        self.after_change = left_to_do(stack)
        stack.up(protect="false")  # what lies in a log group or a bucket is let go of only then
        self.back = stack.up(**{key: HAD[key] for key in WANTED})
        self.after_back = left_to_do(stack)
        self.moved, self.leads = {}, {}
        for port, old, new in ((81, PORT, ANOTHER), (80, ANOTHER, PORT)):
            stack.edit("infra/load_balancer.py", old, new)
            self.moved[port], self.leads[port] = stack.up().steps, leads(stack)
        stack.destroy()
        self.left = stack.resources()


@pytest.fixture(scope="module")
def life(tmp_path_factory):
    with local_stack(tmp_path_factory.mktemp("every")) as stack:
        yield Life(stack)


def test_the_gateway_endpoint_is_in_the_route_tables_of_the_tasks_subnets_and_in_no_other(life):
    assert life.endpoint == life.private
    assert len(life.private) == 3


def test_nothing_is_left_to_change_after_all_of_them_changed_and_after_they_were_put_back(life):
    assert (life.after_change, life.after_back) == ([], [])


def test_rules_of_new_clients_are_made_before_those_of_former_ones_go_in_both_directions(life):
    """At each moment the clients of one of the two settings get in; with HTTPS on two ports."""
    for steps, made, gone in ((life.changed.steps, 4, 1), (life.back.steps, 1, 4)):
        rules = [each for each in steps if "IngressRule" in each and "-to-alb-" in each]
        done = [each.split()[0] for each in rules]
        assert done == ["create"] * made + ["delete"] * gone, rules
    assert "lets more clients in" not in life.changed.said, "the gate warns of a rule that goes"


def test_a_service_is_created_without_alarms(life):
    created = [each for each in life.created if each.startswith("create")]
    assert [each for each in created if "aws:ecs/service:Service" in each]
    assert [each for each in created if "MetricAlarm" in each] == []


def test_the_rule_goes_before_the_target_group_that_elb_would_not_delete_under_it(life):
    gone = [each.split(" ", 1)[1] for each in life.moved[81] if each.startswith("delete")]
    ends = [each.rsplit(" ", 1)[1] for each in gone]
    assert ends.index("careapp-poc-app") < ends.index("careapp-poc-tg")


@pytest.mark.parametrize("port", [81, 80])
def test_another_target_group_and_its_undoing_succeed_and_all_lead_to_the_new_one(life, port):
    assert life.leads[port] == (port, True, True)


def test_a_destroy_then_leaves_nothing(life):
    assert life.left == []
