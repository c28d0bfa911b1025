"""What a program no longer declares, and its page needs: `pulumi up` is red before Pulumi deletes it."""

from __future__ import annotations

from pathlib import Path

import pytest

from rehearsal.engine.pulumi import PulumiFailed
from tests.support.local_stack import LocalStack, local_stack

TAKEN_OUT = {
    "the listener rule": (
        ("infra/service.py", "return listener_rule(name, balancer, [action], self.child)",
         "return balancer"),
        "aws:lb/listenerRule:ListenerRule careapp-poc-app",
        "No rule of the load balancer forwards to the tasks",
    ),
    "the rules between load balancer and tasks": (
        ("infra/security_groups.py",
         '        rules.connect("alb", args.balancer_group_id, "app", task, args.container_port)\n', ""),
        "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule careapp-poc-alb-to-app-3000",
        "The load balancer cannot reach the tasks on port 3000",
    ),
    "the rule to AWS": (
        ("infra/security_groups.py", '        rules.allow_https("app", task)\n', ""),
        "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule careapp-poc-app-to-internet-443",
        "The tasks' security group does not allow outbound HTTPS",
    ),
    "the gateway and its routes": (
        ("infra/network.py", "strategy=NAT[network.nat]", 'strategy="None"'),
        "aws:ec2/route:Route careapp-poc-private-1",
        "The tasks' subnets have no route to the internet",
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    with local_stack(tmp_path_factory.mktemp("deletions")) as stack:
        stack.up(ecsEnabled="true")
        yield stack
        # A resource with a hook after its deletion would make this need --run-program.
        stack.destroy()
        assert stack.pulumi.resources(stack.name) == []


def refused(stack: LocalStack) -> str:
    """What a red `pulumi up` says."""
    with pytest.raises(PulumiFailed) as red:
        stack.up()
    return red.value.output


def resources(stack: LocalStack) -> set[str]:
    return {each["urn"] for each in stack.pulumi.resources(stack.name)}


@pytest.mark.parametrize("what", TAKEN_OUT)
def test_what_the_page_needs_is_not_deleted_and_the_update_is_red_until_it_is_back(stack, what):
    (file, old, new), label, title = TAKEN_OUT[what]
    before, text = resources(stack), (stack.source / file).read_text()
    stack.edit(file, old, new)
    for said in (refused(stack), refused(stack)):
        assert "this update would delete what its page needs; it was ended before that" in said
        assert title in said
        assert label in said
        assert "--refresh" not in said
        assert resources(stack) == before
    Path(stack.source / file).write_text(text)
    assert stack.up().steps == ()
    assert resources(stack) == before


def test_what_the_page_does_not_need_is_deleted(stack):
    more = '        rules.connect("app", task, "other", task, 9000)\n'
    keep = '        rules.allow_https("app", task)\n'
    stack.edit("infra/security_groups.py", keep, keep + more)
    stack.up()
    before = resources(stack)
    stack.edit("infra/security_groups.py", keep + more, keep)
    stack.up()
    assert len(before) - len(resources(stack)) == 2


def test_the_rules_of_another_port_take_the_place_of_the_old_ones(stack):
    assert stack.up(containerPort="8000").deleted > 0
