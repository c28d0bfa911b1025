"""What a finding's fixes do: what mends comes first, and what was done by hand or put right needs another try."""

import json
import shlex
from dataclasses import replace

import pytest

from stack.service import MEMORY_BY_CPU
from tools.diagnosis.case import Case
from tools.doctor.checks.capacity import larger
from tools.doctor.checks.permissions import decided, execution_needs
from tools.doctor.diagnose import judge
from tools.preflight.checklist import BAD, GOOD, LATER, tick
from tools.shared.policy_evaluation import ALLOWED
from tools.snapshot.elb import Condition, Rule, Target
from tools.snapshot.records import Part
from tools.snapshot.task_inputs import Image, Role
from tools.tests import stacks as a
from tools.tests.doctor.situations import (
    CRASHED,
    FAILED_WITH,
    ILL,
    INIT,
    SITUATIONS,
    causes,
    findings,
)

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
        execution=bare(
            a.policy(a.TOKEN, a.PULL, a.WRITE, a.READ), boundary=a.policy(a.TOKEN, a.PULL, a.WRITE)
        )
    )
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


@pytest.mark.parametrize("image", [None, Image(repository="other", present=False)])
def test_an_image_of_another_repository_is_not_pushed_but_corrected_in_the_program(image):
    registry = a.IMAGE.partition("/")[0]
    named = a.definition(image=f"{registry}/other:1")
    first = next(
        e for e in judge(a.stack(image=image, main=named)).causes if e.id == "image-missing"
    )
    assert "infra/container.py" in str(first.fixes[0].text)
    assert [each.commands for each in first.fixes] == [
        ("pulumi up -s poc",),
        ("pulumi up --refresh -s poc",),
    ]


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


ENTRANCE = "The load balancer is active and reachable from the internet"


def by_hand(**changes):
    return a.ended(**{"reason": "Task stopped by user", "stop": "UserInitiated", **changes})


@pytest.mark.parametrize("reason", ["Task stopped by user", "maintenance of the rack"])
@pytest.mark.parametrize("rollout", ["COMPLETED", "IN_PROGRESS"])
def test_tasks_stopped_by_hand_are_named_with_the_code_and_the_reason_that_was_given(
    reason, rollout
):
    tasks = (by_hand(reason=reason),)
    first, *others = findings(a.stack(service=a.going(rollout), tasks=tasks, targets=()))
    assert (first.id, str(first.seen[0])) == (
        "stopped-by-hand",
        f"Task bbbbbbbb: UserInitiated, {reason}",
    )
    assert "too-few-tasks" not in [each.id for each in others]
    assert first.fixes[0].commands == ("./careapp status --watch -s poc",)


def test_what_was_stopped_by_hand_and_is_replaced_by_now_is_no_finding():
    assert findings(a.stack(tasks=(a.task(), by_hand()))) == ()


@pytest.mark.parametrize(
    "targets", [(), (Target(address="10.0.16.4", port=3000, state="draining"),)]
)
def test_a_running_task_that_somebody_took_out_of_the_target_group_is_named(targets):
    [found] = findings(a.stack(targets=targets))
    assert (found.id, str(found.seen[0])) == (
        "target-deregistered",
        "Task aaaaaaaa has the address 10.0.16.4, which is not registered in careapp-poc-tg.",
    )
    assert found.fixes[0].commands == ("./careapp retry -s poc",)


def test_a_task_that_has_only_just_started_need_not_be_registered_yet():
    young = a.task(started=a.at(-20))
    assert "target-deregistered" not in causes(a.stack(tasks=(young,), targets=()))
    rolling = a.going(running=1)
    assert "target-deregistered" not in causes(a.stack(service=rolling, targets=()))


def test_a_container_check_that_fails_while_the_load_balancer_is_content_is_named_with_its_command():
    found = findings(SITUATIONS["container-check-failed"])[0]
    assert str(found.title) == (
        "The container's health check fails: curl -f http://localhost:3000/health"
    )
    assert "healthCheck" in str(found.fixes[0].text)
    assert found.evidence == ("Task failed container health checks",)


def test_where_the_load_balancer_fails_too_the_container_check_is_not_what_is_wrong():
    both = a.failing(
        a.ended("Task failed container health checks", code=143),
        service=a.going(events=(a.failed_check(),)),
    )
    assert causes(both)[0] == "slow-start"


def test_a_matcher_that_was_put_right_only_needs_another_try():
    running = a.going("FAILED", events=(a.failed_check(f"{FAILED_WITH}: [200]"),))
    snapshot = a.failing(a.ended(ILL, code=0), service=running)
    found = findings(snapshot)[0]
    assert (found.id, str(found.seen[0])) == (
        "health-check-mended",
        "The last try failed with 200 on /health; the health check now uses /health "
        "and expects 200.",
    )
    assert found.fixes[0].commands == ("./careapp retry -s poc",)
    wrong = replace(snapshot, group=Part(a.target_group(matcher="204,301-302")))
    assert findings(wrong)[0].id == "health-matcher"


def start_failed(rollout="FAILED", **changes):
    reason = INIT + "failed to validate logger args: log group does not exist"
    return a.failing(a.ended(reason, stop="TaskFailedToStart"), service=a.going(rollout), **changes)


def test_a_right_or_log_group_that_was_put_right_only_needs_another_try():
    found = findings(start_failed())[0]
    assert (found.id, found.fixes[0].commands) == ("task-start-mended", ("./careapp retry -s poc",))
    assert "The last try ended at 11:58:20." in str(found.seen[0])
    assert causes(start_failed(rollout="IN_PROGRESS")) == ["task-cannot-start"]
    cannot_log = a.role(a.TOKEN, a.PULL, a.READ)
    assert causes(start_failed(execution=cannot_log))[0] == "execution-role-cannot-log"
    assert "task-start-mended" not in causes(start_failed(execution=a.DENIED))


def test_a_longer_grace_period_that_ecs_has_not_tried_yet_is_not_made_longer_once_more():
    found = findings(SITUATIONS["slow-start-mended"])[0]
    assert [fix.commands for fix in found.fixes] == [("./careapp retry -s poc",)]
    assert str(found.why) == "The service waits 600 s after a task's start now."


def test_a_grace_period_that_no_roll_out_has_time_for_brings_a_longer_roll_out():
    slow = SITUATIONS["slow-start"]
    settings = a.choices(rolloutTimeoutMinutes="10")
    commands = findings(replace(slow, settings=settings))[0].fixes[0].commands
    assert commands == (
        "pulumi config set rolloutTimeoutMinutes 11 -s poc",
        "pulumi config set healthGracePeriod 360 -s poc",
        "pulumi up -s poc",
    )


def test_a_slow_start_tells_after_which_line_the_log_was_silent_longest():
    slow = replace(
        SITUATIONS["slow-start"], logs=Part(a.logs(b=["importing", "loading the model"]))
    )
    logs = slow.logs.value
    first, second = logs.lines["b" * 32]
    lines = (replace(first, at=a.at(-228)), replace(second, at=a.at(-225)))
    told = replace(slow, logs=Part(replace(logs, lines={"b" * 32: lines})))
    seen = [str(each) for each in findings(told)[0].seen]
    assert seen[1] == "Its log is silent for 115 s after the line: loading the model"


def listener(*rules):
    return a.stage1(balancer=a.entrance(*rules, Rule(priority="default", action="fixed-response")))


def entrance(snapshot):
    states = {str(each.text): each.state for each in tick(snapshot).items}
    assert states["A rule forwards to the target group, on the container's port"] == LATER
    return states[ENTRANCE]


def rule(priority, path="/*"):
    conditions = (Condition("path-pattern", (path,)),)
    return Rule(priority=priority, action="redirect", conditions=conditions, arn="arn:rule")


def test_preflight_sees_a_rule_that_is_going_to_answer_in_place_of_the_app():
    shadowed = listener(rule("7"))
    assert (entrance(shadowed), tick(shadowed).exit_code) == (BAD, 1)
    found = findings(shadowed)[0]
    assert (found.id, found.fixes[0].commands) == (
        "rule-in-the-way",
        ("aws elbv2 delete-rule --region ap-northeast-1 --rule-arn arn:rule",),
    )


def test_preflight_sees_that_the_number_of_the_app_s_rule_is_taken():
    taken = listener(rule("100", "/other"))
    assert (entrance(taken), findings(taken)[0].id) == (BAD, "rule-taken")


@pytest.mark.parametrize("other", [rule("101"), rule("7", "/other/*")])
def test_a_rule_behind_the_app_s_or_for_other_paths_is_none_of_preflight_s_business(other):
    assert entrance(listener(other)) == GOOD


def first_fixes(snapshot):
    found = findings(snapshot)[0]
    return found.id, [each.commands for each in found.fixes]


@pytest.mark.parametrize("name", ["service-not-attached", "health-protocol", "port-mismatch"])
def test_what_the_program_may_say_wrongly_is_corrected_there_before_it_is_deployed_again(name):
    up, refreshed = ("pulumi up -s poc",), ("pulumi up --refresh -s poc",)
    assert first_fixes(SITUATIONS[name]) == (name, [up, refreshed])
    assert "infra/" in str(findings(SITUATIONS[name])[0].fixes[0].text)


def test_a_load_balancer_in_private_subnets_is_moved_in_the_program_and_not_by_a_refresh():
    misplaced = a.stage1(balancer=a.balancer(subnets=("private-1",)))
    found = findings(misplaced)[0]
    assert str(found.title) == "The load balancer is not in the public subnets"
    assert str(found.seen[0]) == (
        "Subnet private-1 (careapp-poc-private-1) has no route to an internet gateway."
    )
    assert "subnets=self.args.network.public_subnet_ids" in str(found.fixes[0].text)
    assert found.fixes[0].commands == ("pulumi up -s poc",)
    assert entrance(misplaced) == BAD


def test_a_public_subnet_that_lost_its_route_is_put_back_by_a_refresh():
    assert first_fixes(SITUATIONS["balancer-cut-off"]) == (
        "balancer-cut-off",
        [("pulumi up --refresh -s poc",)],
    )
