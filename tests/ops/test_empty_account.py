"""An account in which there is nothing."""

from pathlib import Path

import pytest

from ops import stack as stacks
from ops.names import StackNames
from ops.snapshot import gather

NAMES = StackNames.of("poc")


@pytest.mark.usefixtures("account")
def test_doctor_without_a_stack_says_so(run):
    code, shown, _ = run("doctor")
    assert code == 1
    assert "There is no stack careapp-poc in ap-northeast-1" in shown


@pytest.mark.usefixtures("account")
def test_status_of_nothing_says_how_to_make_it(run):
    code, shown, _ = run("status")
    assert (code, shown) == (
        1,
        "careapp-poc · nothing is there · ap-northeast-1\n  Make it: pulumi up -s poc\n",
    )


@pytest.mark.usefixtures("account")
def test_logs_without_a_log_group_say_what_that_means(run):
    code, _, complaint = run("logs")
    assert (code, complaint) == (
        2,
        "careapp: There is no log group /ecs/careapp-poc: ECS is off, or somebody deleted it. "
        "See `./careapp status` and `./careapp doctor`.\n",
    )


@pytest.mark.usefixtures("folder")
def test_an_empty_account_has_nothing_and_that_is_an_answer(session):
    now = gather(NAMES, session, stacks.read("poc", Path()))
    assert set(now.problems()) == {"quota"}
    assert [each.absent for each in (now.service, now.balancer, now.group, now.database)] == [
        True
    ] * 4
    assert now.network.absent
