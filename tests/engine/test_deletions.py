"""What a program no longer declares, and its page needs: `pulumi up` is red before Pulumi deletes it."""

import pytest

from local_cloud.engine.pulumi import PulumiFailed
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
         '        rules.connect("alb", balancer.security_group_id, "app", task, port)\n', ""),
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


GROUPS = "infra/security_groups.py"
KEEP = '        rules.allow_https("app", task)\n'
MORE = '        rules.connect("app", task, "other", task, 9000)\n'
"""Two rules that no page needs."""


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    with local_stack(tmp_path_factory.mktemp("deletions")) as stack:
        stack.edit(GROUPS, KEEP, KEEP + MORE)
        stack.up(ecsEnabled="true")
        yield stack
        # A resource with a hook after its deletion would make this need --run-program.
        stack.destroy()
        assert stack.resources() == []


def refused(stack: LocalStack) -> str:
    with pytest.raises(PulumiFailed) as red:
        stack.up()
    return red.value.output


def resources(stack: LocalStack) -> set[str]:
    return {each["urn"] for each in stack.resources()}


def test_what_the_page_needs_is_not_deleted_and_the_update_is_red_until_it_is_back(stack):
    before = resources(stack)
    texts = {file: (stack.source / file).read_text() for (file, *_), _, _ in TAKEN_OUT.values()}
    for edit, _, _ in TAKEN_OUT.values():
        stack.edit(*edit)
    for said in (refused(stack), refused(stack)):
        assert "this update would delete what its page needs; it was stopped before that" in said
        assert [what for what, (_, _, title) in TAKEN_OUT.items() if title not in said] == []
        assert [what for what, (_, label, _) in TAKEN_OUT.items() if label not in said] == []
        assert "--refresh" not in said
        assert resources(stack) == before
    for file, text in texts.items():
        (stack.source / file).write_text(text)
    assert stack.up().steps == ()
    assert resources(stack) == before


def test_what_the_page_does_not_need_is_deleted(stack):
    before = resources(stack)
    stack.edit(GROUPS, KEEP + MORE, KEEP)
    stack.up()
    assert len(before) - len(resources(stack)) == 2
