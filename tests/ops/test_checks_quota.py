"""Whether a roll-out fits into what AWS lets the account run at once."""

from pathlib import Path

import pytest

from ops.doctor.diagnose import judge
from ops.snapshot.cloudwatch import Quota
from stack import sizes
from stack.settings import Settings
from tests.ops import stacks as a


@pytest.mark.parametrize(
    ("quota", "service", "kind"),
    [
        (Quota(limit=1.0), {"desired": 2, "running": 2}, None),
        (Quota(limit=0.99), {"desired": 2, "running": 2}, "warning"),
        (Quota(limit=0.99), {"desired": 2, "running": 2, "maximum": 150}, None),
        (Quota(limit=0.49), {"desired": 2, "running": 2, "maximum": 150}, "cause"),
        (Quota(limit=6, elsewhere=5.5), {}, None),
        (Quota(limit=6, elsewhere=5.6), {}, "warning"),
        (Quota(limit=6, elsewhere=5.8), {}, "cause"),
    ],
)
def test_a_roll_out_must_fit_beside_what_else_the_account_runs(quota, service, kind):
    situation = a.stack(quota=quota, service=a.service(**service))
    found = {each.id: each for each in judge(situation).findings}
    assert (found["fargate-quota-small"].kind if kind else None) == kind
    assert ("fargate-quota-small" in found) is (kind is not None)


@pytest.mark.parametrize(
    ("limit", "most", "kind"), [(6, "6", None), (6, "7", "warning"), (5.9, "6", "warning")]
)
def test_with_scaling_the_roll_out_of_the_most_tasks_must_fit(limit, most, kind):
    settings = a.choices(
        taskCpu="512", taskMemory="1024", minCount="2", maxCount=most, scaleCpuTarget="60"
    )
    small = {"cpu": 512, "memory": 1024}
    situation = a.stack(
        settings,
        quota=Quota(limit=limit),
        main=a.definition(**small),
        service=a.service(desired=2, running=2),
    )
    found = {each.id: each for each in judge(situation).findings}
    assert (found["fargate-quota-small"].kind if kind else None) == kind
    assert ("fargate-quota-small" in found) is (kind is not None)


@pytest.mark.parametrize("name", ["poc", "prod"])
def test_the_stack_files_fit_into_a_new_account(name):
    settings = Settings.read(name, Path(__file__).parents[2])
    quota = Quota(limit=sizes.NEW_ACCOUNT_VCPUS)
    found = judge(a.stage1(settings, quota=quota)).findings
    assert [each.id for each in found if each.id in ("fargate-quota-small", "sizes-near")] == []


def test_the_fix_of_a_small_quota_asks_for_enough_of_the_right_kind():
    quota = Quota(limit=6, elsewhere=5.6, code="L-36FBB829")
    (found,) = [each for each in judge(a.stack(quota=quota)).findings if "quota" in each.id]
    assert [str(each) for each in found.seen] == [
        "Up to 6.1 vCPU are needed during a roll-out of 1; 6 are allowed in ap-northeast-1.",
        "Other tasks of the account have 5.6 of them.",
    ]
    assert found.fixes[0].commands == (
        "aws service-quotas request-service-quota-increase --region ap-northeast-1 --service-code fargate "
        "--quota-code L-36FBB829 --desired-value 7",
    )


def test_before_ecs_is_on_the_declared_size_must_fit():
    declared = a.choices(ecsEnabled="false", taskCpu="1024", taskMemory="2048", desiredCount="3")
    (found,) = [
        each
        for each in judge(a.stage1(declared, quota=Quota(limit=5))).findings
        if "quota" in each.id
    ]
    assert (found.id, found.kind) == ("fargate-quota-small", "warning")
