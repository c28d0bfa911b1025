"""What a finding's fixes do: what mends comes first, and what was done by hand or put right needs another try."""

import re

import pytest

from ecs_gate.checks.capacity import larger
from ecs_gate.checks.permissions import execution_needs
from ecs_gate.diagnosis.case import Case
from ecs_gate.doctor import judge
from ecs_gate.facts.fargate import MEMORY_BY_CPU
from tests import stacks as a
from tests.doctor.situations import SITUATIONS


@pytest.mark.parametrize("partition", ["aws", "aws-cn", "aws-us-gov"])
def test_what_a_role_must_allow_is_in_the_partition_of_the_task_definition(partition):
    arn = a.NEW.replace("arn:aws:", f"arn:{partition}:")
    needs = execution_needs(Case.of(a.stack()), a.definition(arn=arn, secrets={"A": "/shop/a"}))
    assert {need.resource.split(":")[1] for need in needs if need.resource != "*"} == {partition}


def test_pulumi_program_is_changed_itself_and_no_command_of_aws_makes_it_differ():
    for name, now in SITUATIONS.items():
        diagnosis = judge(a.of_another_program(now))
        assert not [part for part in diagnosis.unread if str(part.part).startswith("the check")], (
            name
        )
        fixes = [fix for finding in diagnosis.findings for fix in finding.fixes]
        commands = [one for fix in fixes for one in fix.commands]
        assert not re.search(
            r"--health-check-(path|grace)|--matcher|\./careapp|config set", str(commands)
        ), name


def test_every_larger_size_is_one_that_fargate_sells():
    sizes = [(cpu, memory) for cpu, memories in MEMORY_BY_CPU.items() for memory in memories]
    assert larger(*sizes.pop()) is None, "the largest"
    for cpu, memory in sizes:
        more_cpu, more = larger(cpu, memory)
        assert more_cpu >= cpu
        assert more > memory
        assert more in MEMORY_BY_CPU[more_cpu]
