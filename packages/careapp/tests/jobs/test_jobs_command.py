"""`./careapp jobs`: what ran, what comes, what differs; a run by hand; the log of a job."""

import json
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from careapp import single_task
from careapp.additions.owner import inquiry_of
from careapp.additions.parts.jobs import JOBS
from careapp.additions.parts.pauses import Pause
from careapp.settings.settings import Settings
from ecs_gate.parts.gather import gather
from ecs_gate.parts.records import Part
from tests import stacks as a
from tests.conftest import NAMES, STACK, client

NOW = datetime(2026, 11, 29, 6, 0, tzinfo=UTC)
CRON = "cron(0 3 * * ? *)"
REPORT = "  careapp:jobs:\n    report:\n      command: flask report\n      schedule: " + CRON + "\n"
ARN = "arn:aws:ecs:ap-northeast-1:123456789012:task/careapp-poc-cluster/"
TARGET = {
    "RoleArn": "arn:aws:iam::123456789012:role/careapp-poc-jobs",
    "Arn": "arn:aws:ecs:ap-northeast-1:123456789012:cluster/careapp-poc-cluster",
}


def task(letter, status="STOPPED", code=None, **changes):
    """DescribeTasks' answer: a run that began 40 min ago and took two."""
    container = {"name": NAMES.container, "lastStatus": status}
    ends = {"stoppingAt": NOW - timedelta(minutes=38), "stoppedAt": NOW - timedelta(minutes=37)}
    return {
        "taskArn": ARN + letter * 32, "lastStatus": status, "startedBy": "chronos-schedule/report",
        "taskDefinitionArn": "arn:x:task-definition/careapp-poc-job-report:1",
        "desiredStatus": "RUNNING" if status == "RUNNING" else "STOPPED",
        "startedAt": NOW - timedelta(minutes=40), **(ends if status == "STOPPED" else {}),
        "containers": [container if code is None else {**container, "exitCode": code}], **changes,
    }  # fmt: skip


@pytest.fixture(scope="module")
def definition(stack):
    """The job's task definition, its schedule group, and a log group with a run of yesterday."""
    client("scheduler").create_schedule_group(Name=NAMES.prefix)
    options = {"awslogs-group": NAMES.log_group, "awslogs-region": stack.session.region}
    options["awslogs-stream-prefix"] = "job-report"
    log = {"logDriver": "awslogs", "options": options}
    container = {"name": NAMES.container, "image": "x", "logConfiguration": log}
    made = client("ecs").register_task_definition(
        family=NAMES.job("report"), cpu="256", memory="512", executionRoleArn=stack.role,
        containerDefinitions=[container],
    )["taskDefinition"]["taskDefinitionArn"]  # fmt: skip
    for name, minutes, *lines in (
        ("job-report/app/" + "a" * 32, 9 * 60, "begins", "ends"),
        ("job-other/app/" + "b" * 32, 8 * 60, "of another job"),
        ("app/app/" + "c" * 32, 7 * 60, "of the web server"),
    ):
        place = {"logGroupName": NAMES.log_group, "logStreamName": name}
        client("logs").create_log_stream(**place)
        begun = int((datetime.now(UTC) - timedelta(minutes=minutes)).timestamp() * 1000)
        written = [{"timestamp": begun + 60_000 * n, "message": x} for n, x in enumerate(lines)]
        client("logs").put_log_events(**place, logEvents=written)
    return made


@pytest.fixture
def aws(definition, folder, calls, monkeypatch):
    """Schedules the job as declared, unless a test says more; ECS's tasks are those of ``tasks``."""
    (folder / "Pulumi.poc.yaml").write_text(STACK + REPORT)
    tasks = []

    def described(asked):
        return {"tasks": [each for each in tasks if each["taskArn"] in asked["tasks"]]}

    def listed(asked):
        mine = tasks if asked.get("family") == "careapp-poc-job-report" else []
        wanted = asked["desiredStatus"]
        return {"taskArns": [each["taskArn"] for each in mine if each["desiredStatus"] == wanted]}

    calls.answers |= {
        "describe_tasks": described,
        "list_tasks": listed,
        "run_task": lambda _: {"tasks": [tasks[0]], "failures": []},
    }
    monkeypatch.setattr(single_task, "POLL_SECONDS", 0.0)

    def schedule(**changes):
        values = {
            "GroupName": NAMES.prefix, "Name": "report", "ScheduleExpression": CRON,
            "ScheduleExpressionTimezone": "Asia/Tokyo", "FlexibleTimeWindow": {"Mode": "OFF"},
            "Target": {**TARGET, "EcsParameters": {"TaskDefinitionArn": definition}},
        }  # fmt: skip
        client("scheduler").create_schedule(**values | changes)

    yield SimpleNamespace(tasks=tasks, asked=calls, schedule=schedule)
    if client("scheduler").list_schedules(GroupName=NAMES.prefix)["Schedules"]:
        client("scheduler").delete_schedule(GroupName=NAMES.prefix, Name="report")


def test_a_job_s_runs_and_its_next_one_in_both_time_zones(run, aws, clock_in):
    clock_in("UTC")
    aws.schedule()
    going = {"startedBy": "careapp-run", "startedAt": NOW - timedelta(minutes=30)}
    aws.tasks += [task("e", code=0), task("d", "RUNNING", **going)]
    code, shown, _ = run("jobs")
    head, following, *runs = shown.splitlines()
    assert (code, head) == (0, "report  cron(0 3 * * ? *)  Asia/Tokyo")
    assert following.startswith("  Next run: 20")
    assert following.endswith("18:00 UTC here.")
    assert " 03:00 JST in Asia/Tokyo, " in following
    assert runs[:2] == [
        "  11-29 05:30:00 dddddddd runs  by hand",
        "  11-29 05:20:00 eeeeeeee 2 min 00 s  exit code 0",
    ]


def test_runs_at_the_same_time_are_said(run, aws):
    aws.schedule()
    aws.tasks += [task("f", code=0), task("d", "RUNNING")]
    assert "same time" not in run("jobs")[1]
    assert "The job report runs already: both" in run("jobs", "run", "report")[2]
    aws.tasks += [task("e", "RUNNING")]
    assert "  2 runs at the same time.\n" in run("jobs")[1]


def last_run(run):
    """The only run in the data for scripts, and the exit code."""
    code, shown, _ = run("jobs", "--json")
    [[found]] = [job["runs"] for job in json.loads(shown)["jobs"]]
    return code, found


def test_of_an_older_run_the_log_tells_the_times_and_no_exit_code(run, aws):
    aws.schedule()
    code, found = last_run(run)
    assert (code, found["task"], found["seconds"]) == (0, "a" * 32, 60.0)
    assert (found["exitCode"], found["known"]) == (None, False)
    assert "exit code ? (ECS forgets it after an hour)" in run("jobs")[1]
    # A task that ECS knows is not told again by its log.
    aws.tasks += [task("a", code=3)]
    code, found = last_run(run)
    assert (code, found["exitCode"], found["seconds"]) == (1, 3, 120.0)


def test_run_that_did_not_start_is_said_with_ecs_s_reason(run, aws):
    aws.schedule()
    aws.tasks += [task("d", stoppedReason="CannotPullContainerError: x", startedAt=None)]
    code, shown, _ = run("jobs")
    assert (code, "dddddddd did not start: CannotPullContainerError: x" in shown) == (1, True)


def test_job_of_a_paused_stack_is_well(run, aws, monkeypatch):
    database = a.database(status="stopped", tags=Pause(a.NOW).tags)
    monkeypatch.setattr("careapp.jobs.commands.rds.database", lambda *_: database)
    aws.schedule(State="DISABLED")
    code, shown, _ = run("jobs")
    assert (code, "No next run while the stack is paused." in shown) == (0, True)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (None, "report is in the stack file and not on AWS"),
        ({"State": "DISABLED"}, "the schedule of report is DISABLED on AWS"),
        ({"ScheduleExpression": "rate(1 day)", "ScheduleExpressionTimezone": "UTC"},
         "report runs by rate(1 day) UTC on AWS, and by cron(0 3 * * ? *) Asia/Tokyo in the stack file"),
    ],
)  # fmt: skip
def test_what_aws_has_otherwise_is_said_with_the_way_out(run, aws, changes, words):
    if changes is not None:
        aws.schedule(**changes)
    code, shown, _ = run("jobs", "-s", "poc")
    assert (code, f"  {words}\n" in shown, "`pulumi up -s poc`" in shown) == (1, True, True)


def test_without_stage_2_the_way_out_is_to_turn_it_on(run, aws, folder):
    file = folder / "Pulumi.poc.yaml"
    file.write_text(file.read_text().replace("ecsEnabled: 'true'", "ecsEnabled: 'false'"))
    words = "Jobs belong to stage 2: `pulumi config set ecsEnabled true -s poc`, then `pulumi up`."
    code, shown, _ = run("jobs")
    assert (code, words in shown, "restores it" in shown) == (1, True, False)
    code, _, complaint = run("jobs", "run", "report")
    assert (code, complaint) == (125, f"careapp: {words}\n")


def test_a_rate_counts_from_the_schedule_s_last_change(run, aws):
    aws.schedule(ScheduleExpression="rate(2 hours)")
    changed = client("scheduler").get_schedule(GroupName=NAMES.prefix, Name="report")
    [job] = json.loads(run("jobs", "--json")[1])["jobs"]
    following = datetime.fromisoformat(job["next"])
    assert following - changed["LastModificationDate"] in (timedelta(0), timedelta(hours=2))


def test_a_run_by_hand_is_a_task_of_the_schedule_s_definition(run, aws, definition):
    aws.schedule()
    aws.tasks += [task("d", code=4)]
    code, _, said = run("jobs", "run", "report")
    [asked] = aws.asked.of("run_task")
    assert asked["taskDefinition"] == definition
    assert asked["overrides"] == {"containerOverrides": []}
    assert (code, "The command ended with exit code 4." in said) == (4, True)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("report", "The job report is not on AWS yet: `pulumi up -s poc` first."),
        ("raport", "The stack poc has no job raport; its stack file has: report."),
    ],
)
def test_a_job_that_cannot_run_is_refused(run, aws, name, words):
    code, _, complaint = run("jobs", "run", name)
    assert (code, complaint) == (125, f"careapp: {words}\n")


def test_the_log_of_a_job_has_its_own_streams_only(run, aws):
    code, shown, _ = run("jobs", "logs", "report")
    assert (code, [line[-6:] for line in shown.splitlines()]) == (0, ["begins", "a ends"])
    assert run("jobs", "logs", "report", "--task", "b")[1] == ""
    assert run("jobs", "logs", "nightly")[0] == 1


def test_the_stack_may_stand_before_the_subcommand(run, aws):
    assert "Pulumi.prod.yaml" in run("jobs", "-s", "prod", "logs", "report")[2]
    code, _, complaint = run("jobs", "--json", "logs", "report")
    assert (code, "--json belongs after the name of the command" in complaint) == (2, True)


def test_events_show_the_runs_of_jobs(run, aws):
    aws.schedule()
    aws.tasks += [task("d", code=4)]
    aws.tasks += [task("e", stoppedReason="CannotPullContainerError: x", startedAt=None)]
    code, shown, _ = run("events", "--json")
    found = [event for event in json.loads(shown)["events"] if event["kind"] == "job"]
    assert code == 0
    assert sorted((event["text"], event["bad"]) for event in found) == [
        ("report did not start: CannotPullContainerError: x", True),
        ("report ended with exit code 4", True),
        ("report started", False),
    ]


@pytest.fixture
def gathered(aws, folder, stack):
    """What the doctor reads of the jobs."""
    return lambda: gather(inquiry_of(Settings.read("poc", folder), stack.session)).of(JOBS)


def test_the_doctor_reads_the_last_lines_of_a_failed_run(aws, gathered, stack, definition):
    aws.schedule()
    aws.tasks += [task("a", code=1, taskDefinitionArn=definition)]
    found = gathered().value
    assert found.last("report").exit_code == 1
    assert found.lines == {"a" * 32: ("begins", "ends")}
    assert found.definitions[definition].execution_role == stack.role
    assert found.roles == {TARGET["RoleArn"]: None}


def test_without_jobs_in_the_stack_file_the_doctor_asks_for_none(aws, folder, gathered):
    (folder / "Pulumi.poc.yaml").write_text(STACK)
    assert (gathered(), aws.asked.of("get_schedule")) == (Part(), [])
