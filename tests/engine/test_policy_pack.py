"""The engine checks the policy pack before it makes anything."""

import re

import pytest

from local_cloud.engine.pulumi import PulumiFailed
from tests.support.local_stack import local_stack

EDITS = (
    ("infra/database.py", "publicly_accessible=False", "publicly_accessible=True"),
    ("infra/registry.py", "aws.ecr.LifecyclePolicy(", "(lambda *_, **__: None)("),
)
UP = ("up", "--yes", "--stack", "poc", "--policy-pack", "policy")


def test_a_violation_ends_the_up_before_anything_is_made(tmp_path):
    """Of one resource, and of two. What the stack leaves out (RDS.5), or a setting (ECS.2), is no violation."""
    with local_stack(tmp_path) as stack:
        for edit in EDITS:
            stack.edit(*edit)
        with pytest.raises(PulumiFailed) as failed:
            stack.pulumi.run(*UP)
        said = failed.value.output
        assert re.findall(r"\[mandatory\]  (\S+)  \(\S+: (\S+)\)", said) == [
            ("ECR.3", "careapp-poc-app"),
            ("RDS.2", "careapp-poc-database"),
        ]
        assert "leave it out for this stack in policy/left_out.yaml, with the reason" in said
        assert "RDS.5" not in said
        made = stack.calls("ec2", "describe_vpcs", {})["Vpcs"]
        assert [one for one in made if not one["IsDefault"]] == []
        assert stack.resources() == []
        for file, old, new in EDITS:
            stack.edit(file, new, old)
        stack.configure({"ecsEnabled": "true", "natStrategy": "none"})
        fine = stack.pulumi.run("preview", "--stack", "poc", "--policy-pack", "policy")
        assert "✅ careapp@v1.0.0" in fine
