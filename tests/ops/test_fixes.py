"""What a finding's first fix does: it mends, wholly, and with what AWS sells."""

import json
import shlex

import pytest

from ops.diagnosis.case import Case
from ops.doctor.checks.capacity import larger
from ops.doctor.checks.permissions import decided, execution_needs
from ops.doctor.diagnose import judge
from ops.snapshot.task_inputs import Image, Role
from stack.service import MEMORY_BY_CPU
from stack.statements import ALLOWED
from tests.ops import stacks as a
from tests.ops.situations import CRASHED, SITUATIONS

AGAIN = "./careapp retry -s poc"
SECOND = a.SECRET.replace("rds!db-1", "careapp-poc-keys")
KILLED = "OutOfMemoryError: Container killed due to memory usage"


def given(command):
    """The name and the document of the policy that a command puts."""
    words = shlex.split(command)
    assert words[:3] == ["aws", "iam", "put-role-policy"]
    return words[words.index("--policy-name") + 1], json.loads(words[-1])


def allows_all(role, snapshot):
    needs = execution_needs(Case(snapshot), snapshot.newest.value)
    return all(decided(role, each.action, each.resource) == ALLOWED for each in needs)


def bare(*policies, boundary=None):
    return Role(arn="arn:role/x", trust=a.TRUST, policies=policies, boundary=boundary)


def test_of_a_role_without_a_policy_the_first_fix_gives_all_that_is_needed():
    main = a.definition(secrets={"A": f"{a.SECRET}:a::", "B": f"{SECOND}:b::"})
    snapshot = a.stack(main=main, execution=bare())
    lacking = [each for each in judge(snapshot).causes if "role-cannot" in each.id]
    assert [each.id for each in lacking] == [
        "execution-role-cannot-secret",
        "execution-role-cannot-log",
        "execution-role-cannot-pull",
    ]
    for each in lacking:
        _, document = given(each.fixes[0].commands[0])
        assert allows_all(bare(document), snapshot)
    said = [str(each) for each in lacking[0].seen]
    assert [SECOND in said[0], SECOND in said[1]] == [False, True]
    assert len(lacking[2].seen) == 4


def test_only_what_is_lacking_is_given_and_never_in_the_place_of_what_was_given():
    first = a.stack(execution=bare(a.policy(a.PULL, a.WRITE, a.READ)))
    [found] = judge(first).causes
    name, document = given(found.fixes[0].commands[0])
    assert document["Statement"] == [
        {"Effect": "Allow", "Action": ["ecr:GetAuthorizationToken"], "Resource": "*"}
    ]
    second = a.stack(execution=bare(a.policy(a.TOKEN, a.PULL, a.WRITE)))
    [found] = judge(second).causes
    assert given(found.fixes[0].commands[0])[0] != name
    assert json.loads(json.dumps(document)) == document


def test_a_refusal_and_a_boundary_are_told_after_what_a_policy_can_give():
    refused = {"Effect": "Deny", "Action": "ecr:*", "Resource": a.ECR_ARN}
    denied = a.stack(execution=bare(a.policy(a.TOKEN, a.WRITE, a.READ, refused)))
    [found] = judge(denied).causes
    assert str(found.fixes[0].text).startswith("Remove the Deny of ecr:")
    bound = a.stack(
        execution=bare(a.policy(a.TOKEN, a.PULL, a.WRITE, a.READ),
                       boundary=a.policy(a.TOKEN, a.PULL, a.WRITE))
    )  # fmt: skip
    [found] = judge(bound).causes
    text = "Add secretsmanager:GetSecretValue to the role's permissions boundary."
    assert str(found.fixes[0].text) == text
    both = a.stack(execution=bare(a.policy(a.TOKEN, a.READ, refused)))
    fixes = next(each for each in judge(both).causes if each.id.endswith("log")).fixes
    assert given(fixes[0].commands[0])
    assert [each.then for each in fixes[:4]] == [False, True, True, True]


@pytest.mark.parametrize(
    "changes",
    [{"execution": None}, {"execution": a.role(trust={"Statement": []})},
     {"secrets": {a.SECRET: None}}],
)  # fmt: skip
def test_what_mends_comes_before_another_try(changes):
    found = judge(a.stack(service=a.going("FAILED"), targets=(), **changes)).causes[0]
    mends, again = found.fixes
    assert (str(mends.text), mends.commands) == (
        "Let Pulumi restore it:",
        ("pulumi up --refresh -s poc",),
    )
    assert again.then
    assert again.commands[0] == AGAIN


def test_no_first_fix_is_an_alternative():
    for name, snapshot in SITUATIONS.items():
        for each in judge(snapshot).findings:
            if each.fixes and each.id != "cannot-place-tasks":
                first = each.fixes[0]
                assert not str(first.text).startswith("Or "), name
                assert not first.then, (name, each.id)


def test_without_a_repository_pulumi_must_look_again():
    found = judge(a.stack(image=None)).causes[0]
    assert found.fixes[0].commands == (
        "pulumi config set imageRevision 2 -s poc",
        "pulumi up --refresh -s poc",
    )
    assert "There is no repository for" in str(found.seen[0])
    emptied = Image(repository="careapp/hello-ecs", present=False)
    found = judge(a.stack(image=emptied)).causes[0]
    assert found.fixes[0].commands[-1] == "pulumi up -s poc"


LARGE = {"databaseInstanceClass": "db.m7g.large"}
"""For the connections of so many workers."""


def starved(cpu, memory, **settings):
    task = a.ended(CRASHED, code=137, container=KILLED)
    declared = a.choices(taskCpu=str(cpu), taskMemory=str(memory), **settings)
    failed = a.failing(task, main=a.definition(cpu=cpu, memory=memory), settings=declared)
    return next(each for each in judge(failed).causes if each.id == "out-of-memory").fixes[0]


def test_every_larger_size_is_one_that_fargate_sells():
    for cpu, memories in MEMORY_BY_CPU.items():
        for memory in memories:
            found = larger(cpu, memory)
            if (cpu, memory) == (32768, 249856):
                assert found is None
                continue
            assert found is not None
            assert found[1] > memory
            assert found[1] in MEMORY_BY_CPU[found[0]]
            assert found[0] >= cpu


def test_more_memory_than_the_cpu_takes_needs_more_cpu():
    assert starved(256, 512).commands == (
        "pulumi config set taskMemory 1024 -s poc",
        "pulumi up -s poc",
    )
    assert starved(256, 2048).commands == (
        "pulumi config set taskCpu 512 -s poc",
        "pulumi config set taskMemory 3072 -s poc",
        "pulumi up -s poc",
    )
    assert starved(8192, 61440, **LARGE).commands[1] == "pulumi config set taskMemory 65536 -s poc"
    largest = starved(32768, 249856, **LARGE)
    assert (largest.commands, "no larger task" in str(largest.text)) == ((), True)
