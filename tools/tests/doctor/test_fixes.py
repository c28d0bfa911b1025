"""What a finding's fixes do: what mends comes first, and what was done by hand or put right needs another try."""

import json
import re
import shlex

import pytest

from ecs_gate.checks.capacity import larger
from ecs_gate.checks.permissions import execution_needs, lacking
from ecs_gate.diagnosis.case import Case
from ecs_gate.doctor import judge
from ecs_gate.facts.fargate import MEMORY_BY_CPU
from ecs_gate.parts.task_inputs import Role
from tools.tests import stacks as a
from tools.tests.doctor.situations import SITUATIONS

SECOND = a.SECRET.replace("rds!db-1", "careapp-poc-keys")


def given(command):
    """The name and the document of the policy that a command puts."""
    words = shlex.split(command)
    assert words[:3] == ["aws", "iam", "put-role-policy"]
    return words[words.index("--policy-name") + 1], json.loads(words[-1])


def bare(*policies, boundary=None):
    return Role(arn="arn:role/x", trust=a.TRUST, policies=policies, boundary=boundary)


def test_of_a_role_without_a_policy_the_first_fix_gives_all_that_is_needed():
    main = a.definition(secrets={"A": f"{a.SECRET}:a::", "B": f"{SECOND}:b::"})
    snapshot = a.stack(main=main, execution=bare())
    causes = [each for each in judge(snapshot).causes if "role-cannot" in each.id]
    assert [each.id for each in causes] == [
        "execution-role-cannot-secret",
        "execution-role-cannot-log",
        "execution-role-cannot-pull",
    ]
    needs = execution_needs(Case.of(snapshot), snapshot.newest.value)
    for cause in causes:
        _, document = given(cause.fixes[0].commands[0])
        assert not lacking(bare(document), needs)
    said = [str(each) for each in causes[0].seen]
    assert [SECOND in said[0], SECOND in said[1]] == [False, True]
    assert len(causes[2].seen) == 4


@pytest.mark.parametrize("partition", ["aws", "aws-cn", "aws-us-gov"])
def test_what_a_role_must_allow_is_in_the_partition_of_the_task_definition(partition):
    arn = a.NEW.replace("arn:aws:", f"arn:{partition}:")
    needs = execution_needs(Case.of(a.stack()), a.definition(arn=arn, secrets={"A": "/shop/a"}))
    assert {need.resource.split(":")[1] for need in needs if need.resource != "*"} == {partition}


def test_pulumi_program_is_changed_itself_and_no_command_of_aws_makes_it_differ():
    for name, now in SITUATIONS.items():
        diagnosis = judge(a.of_another_program(now))
        assert not [each for each in diagnosis.unread if str(each.part).startswith("the check")], (
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
