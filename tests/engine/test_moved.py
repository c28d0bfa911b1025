"""Resources that hang from another component than they once did: the real engine keeps them."""

from __future__ import annotations

from tests.support.local_stack import local_stack

MOVED = {"infra/network.py": "FlowLogs", "infra/load_balancer.py": "AccessLogs"}
"""Components that once hung from the stack itself, and where they are declared now."""
INSIDE = "pulumi.ResourceOptions(parent=self, aliases=[moved])"


def test_logs_of_a_stack_put_up_by_an_earlier_program_are_neither_lost_nor_made_anew(tmp_path):
    with local_stack(tmp_path) as stack:
        for file in MOVED:
            stack.edit(file, INSIDE, "pulumi.ResourceOptions()")
        stack.up(ecsEnabled="false", flowLogs="true", accessLogs="true")
        for component in MOVED.values():
            assert f"::careapp:infra:{component}::careapp-poc" in stack.state()
        for file in MOVED:
            stack.edit(file, "pulumi.ResourceOptions()", INSIDE)
        later = stack.up()
        assert later.steps == ()
        for component in MOVED.values():
            assert f"::careapp:infra:{component}::careapp-poc" not in stack.state()
