"""What the doctor says of jobs: their schedules, their role, and how their last runs ended."""

import pytest

from tools.doctor.diagnose import judge
from tools.snapshot.rds import Pause
from tools.tests import stacks as a
from tools.tests.doctor.job_runs import DEFINITION, MAY, ROLE, SITUATIONS, run, schedule, stack
from tools.tests.doctor.situations import findings, kinds

TRY = ("pulumi up -s poc", "./careapp jobs run report -s poc")


def test_a_job_that_runs_as_declared_is_healthy_and_was_checked():
    found = judge(stack(run(0), run(1, ended=a.at(-4000))))
    assert (found.findings, found.exit_code) == ((), 0)
    assert "the jobs" in map(str, found.checked)


@pytest.mark.parametrize(
    ("code", "finding", "seen"),
    [
        (1, "job-failed", "an uncaught error"),
        (124, "job-timed-out", "it was not over after 30 minutes"),
        (127, "job-command-missing", "the command does not exist in the image"),
        (137, "job-failed", "SIGKILL: out of memory, or it did not end within the stop timeout"),
        (77, "job-failed", "Essential container in task exited"),
    ],
)
def test_the_last_run_s_exit_code_names_the_cause(code, finding, seen):
    [found] = findings(stack(run(code), lines={"d" * 32: ("no report",)}))
    assert (found.id, found.kind) == (finding, "cause")
    [words] = map(str, found.seen)
    assert words == f"report, ended at 11:58:20: exit code {code} ({seen})."
    assert found.evidence[-1] == "no report"
    assert found.fixes[0].commands == TRY


@pytest.mark.parametrize(("code", "started", "found"), [
    (137, -2000, "job-timed-out"), (143, -2000, "job-timed-out"), (143, -300, "job-failed"),
])  # fmt: skip
def test_a_signal_at_the_end_of_its_time_is_a_time_out(code, started, found):
    assert [each.id for each in findings(stack(run(code, started=a.at(started))))] == [found]


def test_what_did_not_start_is_said_in_ecs_s_words():
    [found] = findings(SITUATIONS["job-not-started"])
    assert str(found.seen[0]) == (
        "report, ended at 11:58:20: exit code - (CannotPullContainerError: x)."
    )


def test_a_failed_job_makes_doctor_end_with_1_and_no_roll_out_red():
    for name, snapshot in SITUATIONS.items():
        found = judge(snapshot)
        assert not any(each.facts.blocks for each in found.findings), name
        causes = name != "job-starts-refused"
        assert found.exit_code == int(causes), name


@pytest.mark.parametrize(
    "later",
    [
        run(0, ended=a.at(-50)),
        run(143, ended=a.at(-50), stopped_by_hand=True),
    ],
)
def test_only_the_last_run_counts_and_not_one_that_a_person_stopped(later):
    assert findings(stack(later, run(1))) == ()


def test_a_run_of_an_older_task_definition_is_no_evidence():
    assert findings(stack(run(1, definition=DEFINITION.replace(":3", ":2")))) == ()


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (None, "report is in the stack file and not on AWS"),
        (schedule(enabled=False), "the schedule of report is DISABLED on AWS"),
        (
            schedule(expression="rate(1 day)"),
            "report runs by rate(1 day) Asia/Tokyo on AWS, and by cron(0 3 * * ? *) Asia/Tokyo in the stack file",
        ),
    ],
)
def test_a_schedule_that_is_not_the_stack_file_s_is_restored(found, words):
    [cause] = findings(stack(schedule=found))
    assert (cause.id, list(map(str, cause.seen))) == ("job-schedule-differs", [words])
    assert cause.fixes[0].commands == ("pulumi up --refresh -s poc",)


def test_in_a_paused_stack_a_disabled_schedule_is_no_finding():
    paused = {
        "service": a.service(desired=0, running=0),
        "database": a.database(status="stopped", pause=Pause(a.NOW)),
    }
    found = kinds(stack(schedule=schedule(enabled=False), others=paused))
    assert found == [("stack-paused", "note")]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"may": MAY[1:]},
            f"No policy of careapp-poc-jobs allows ecs:RunTask on {DEFINITION}.",
        ),
        (
            {"may": (*MAY, {"Effect": "Deny", "Action": "ecs:TagResource", "Resource": "*"})},
            f"A policy of careapp-poc-jobs denies ecs:TagResource on {a.ECS}:task/careapp-poc-cluster/*.",
        ),
        ({"may": ()}, "The role careapp-poc-jobs does not exist."),
        (
            {"trust": a.TRUST},
            "The trust policy of careapp-poc-jobs does not let scheduler.amazonaws.com assume it.",
        ),
    ],
)
def test_a_role_that_may_not_start_the_jobs_is_a_cause(changes, words):
    found = findings(stack(**changes))[0]
    assert (found.id, str(found.seen[0])) == ("job-role-denied", words)


def test_the_role_gets_what_it_lacks():
    [found] = findings(stack(may=MAY[:1]))
    [command] = found.fixes[0].commands
    assert command.startswith("aws iam put-role-policy ")
    assert " --role-name careapp-poc-jobs " in command
    for arn in (a.definition().execution_role, a.definition().task_role):
        assert f'"Action":["iam:PassRole"],"Resource":"{arn}"' in command
    assert "ecs:RunTask" not in command
    assert ROLE.endswith("careapp-poc-jobs")


def test_jobs_that_could_not_be_read_are_said():
    found = judge(a.stack(jobs=a.DENIED))
    assert [str(each.part) for each in found.unread] == ["the jobs"]
