"""Every finding: the situation that it names comes first, and a healthy stack has none."""

from dataclasses import replace

import pytest

from ops.doctor.diagnose import judge
from ops.snapshot.rds import Pause
from ops.snapshot.records import Part
from tests.ops import stacks as a
from tests.ops.situations import AMONG, CRASHED, KINDS, SITUATIONS, findings, rules


def test_a_healthy_stack_has_no_findings_and_all_of_it_was_checked():
    diagnosis = judge(a.stack())
    assert (diagnosis.findings, diagnosis.unread, diagnosis.healthy) == ((), (), True)
    assert len(diagnosis.checked) == 18


@pytest.mark.parametrize("name", SITUATIONS)
def test_the_first_finding_is_the_root_cause(name):
    found = findings(SITUATIONS[name])
    if name in AMONG:
        assert name in [each.id for each in found]
    else:
        assert (found[0].id, found[0].kind) == (name, KINDS.get(name, "cause"))


@pytest.mark.parametrize("name", SITUATIONS)
def test_a_finding_says_what_was_seen_and_how_to_mend_it(name):
    finding = next(each for each in findings(SITUATIONS[name]) if each.id == name)
    assert finding.seen or finding.evidence or name in {"stack-missing", "ecs-off"} | {
        "target-group-missing", "health-check-off", "balancer-not-active",
    }  # fmt: skip
    assert finding.fixes or name in {"targets-unhealthy", "cannot-place-tasks"}


def test_a_database_that_aws_started_again_on_a_paused_stack_is_told():
    [found] = findings(
        a.stack(service=a.service(desired=0, running=0), database=a.database(pause=Pause(a.NOW, 1)))
    )
    assert found.id == "stack-paused"
    assert "AWS starts a stopped database automatically after seven days." in map(str, found.seen)
    assert [each.commands for each in found.fixes][1] == ("./careapp pause -s poc",)


def test_doctor_says_that_a_paused_stack_with_a_final_snapshot_cannot_be_destroyed():
    paused = {"service": a.service(desired=0, running=0)}
    paused["database"] = a.database(status="stopped", pause=Pause(a.NOW, 1))
    for kept, told in (("", False), ("final", True)):
        [found] = findings(a.stack(**paused, settings=a.choices(databaseFinalSnapshot=kept)))
        assert any("takes no final snapshot" in str(each) for each in found.seen) is told


def test_a_stack_whose_tasks_run_again_is_not_paused_whatever_the_tags_say():
    found = findings(a.stack(database=a.database(status="stopped", pause=Pause(a.NOW, 1))))
    assert [each.id for each in found] == ["database-away"]


def test_a_paused_stack_s_other_causes_are_still_told():
    database = a.database(status="failed", pause=Pause(a.NOW, 1))
    found = findings(a.stack(service=a.service(desired=0, running=0), database=database))
    assert found[0].id == "database-away"


def test_what_could_not_be_looked_at_forbids_to_say_healthy():
    diagnosis = judge(a.stack(execution=a.DENIED))
    assert (diagnosis.findings, diagnosis.healthy, diagnosis.exit_code) == ((), False, 2)
    assert [str(each.part) for each in diagnosis.unread] == ["the execution role"]


@pytest.mark.parametrize("unseen", ["tasks", "targets", "group"])
def test_what_could_not_be_looked_at_is_no_cause_either(unseen):
    """Nobody saw that too few tasks are healthy: a quota of days ago and a death since got over stay the past."""
    past = a.event("has reached the limit on the number of vCPUs", seconds=-3 * 24 * 3600)
    known = a.stack(service=a.service(events=(past,)), tasks=(a.task(), a.ended(CRASHED, code=1)))
    diagnosis = judge(replace(known, **{unseen: Part(problem=a.DENIED)}))
    assert ([each.id for each in diagnosis.causes], diagnosis.exit_code) == ([], 2)


def test_alarms_and_quota_are_listed_but_do_not_decide():
    diagnosis = judge(a.stack(quota=a.DENIED, alarms=a.DENIED))
    assert (diagnosis.healthy, diagnosis.exit_code, len(diagnosis.unread)) == (True, 0, 2)


def test_a_cause_decides_the_exit_code_even_where_something_was_not_seen():
    assert judge(a.stack(execution=a.DENIED, network=rules(app_in=()))).exit_code == 1
