"""A target group that has to be replaced while a listener rule and a service hold on to it, and back."""

from __future__ import annotations

import pytest

from tests.support.local_stack import local_stack

FILE = "infra/load_balancer.py"
BEFORE, AFTER = "            port=TARGET_PORT,", "            port=TARGET_PORT + 1,"


@pytest.fixture(scope="module")
def did(tmp_path_factory):
    """The steps of each update, and afterwards where the rule and the service lead."""
    with local_stack(tmp_path_factory.mktemp("target-group")) as stack:
        stack.up(ecsEnabled="true")
        found = {}
        for name, old, new in (("changed", BEFORE, AFTER), ("undone", AFTER, BEFORE)):
            stack.edit(FILE, old, new)
            steps = stack.up().steps
            found[name] = (steps, *_leads(stack.calls))
        found["again"] = (stack.up().steps, *_leads(stack.calls))
        yield found


def _leads(calls):
    [group] = calls("elbv2", "describe_target_groups", {})["TargetGroups"]
    arn = group["TargetGroupArn"]
    [listener] = calls("elbv2", "describe_listeners", {"LoadBalancerArn": group["LoadBalancerArns"][0]})[
        "Listeners"
    ]  # fmt: skip
    rules = calls("elbv2", "describe_rules", {"ListenerArn": listener["ListenerArn"]})["Rules"]
    rule = next(each for each in rules if each["Priority"] == "100")
    where = {"cluster": "careapp-poc-cluster", "services": ["careapp-poc-service"]}
    [service] = calls("ecs", "describe_services", where)["services"]
    return (
        group["Port"],
        rule["Actions"][0]["TargetGroupArn"] == arn,
        [each["targetGroupArn"] for each in service["loadBalancers"]] == [arn],
    )


def test_the_rule_goes_before_the_target_group_that_elb_would_not_delete_under_it(did):
    gone = [each.split(" ", 1)[1] for each in did["changed"][0] if each.startswith("delete")]
    ends = [each.rsplit(" ", 1)[1] for each in gone]
    assert ends.index("careapp-poc-app") < ends.index("careapp-poc-tg")


@pytest.mark.parametrize(("update", "port"), [("changed", 81), ("undone", 80)])
def test_the_replacement_and_its_undoing_succeed_and_all_lead_to_the_new_group(did, update, port):
    assert did[update][1:] == (port, True, True)


def test_the_next_update_finds_nothing_to_do(did):
    assert did["again"][0] == ()
