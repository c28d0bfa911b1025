"""What a person does to a running stack, typed in ``./careapp shell``, and what its screens say of it.

Also a new version over a running one, under load: no request fails, whether the version is good or bad.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from careapp import ROOT
from local_cloud.calls import Calls
from local_cloud.run.client import require
from tests.dataplane.stack import until
from tests.rehearsal.conftest import UP
from tests.rehearsal.load import broken, definition, failed, load

NOT_MEASURED = {("AWS/RDS", "FreeableMemory")}
"""Metrics of the dashboard that cannot be measured in the local cloud."""
WHEN_IT_HAPPENS = {
    ("AWS/ApplicationELB", "HTTPCode_ELB_5XX_Count"),
    ("AWS/ApplicationELB", "HTTPCode_Target_5XX_Count"),
    ("AWS/ApplicationELB", "TargetConnectionErrorCount"),
    ("AWS/Events", "TriggeredRules"),
    ("AWS/Scheduler", "InvocationDroppedCount"),
    ("AWS/Scheduler", "TargetErrorCount"),
}
"""Metrics that are published only when an event occurs, as on AWS."""
STACK = "careapp-poc"
DAY = timedelta(days=1)
"""The rehearsal's clock is ahead of the wall's."""


@pytest.fixture
def cloudwatch(running):
    return Calls(require(running.home).access).client("cloudwatch")


@dataclass(frozen=True)
class Line:
    """A line of one of the dashboard's graphs, and the values of its metric."""

    label: str
    metric: tuple[str, str]
    values: list[float]


@pytest.fixture
def shown(cloudwatch) -> Callable[[], list[Line]]:
    """Every line of every graph, as the dashboard's body declares it."""
    body = json.loads(cloudwatch.get_dashboard(DashboardName=STACK)["DashboardBody"])
    now = datetime.now(UTC)

    def read(period: int, row: list) -> Line:
        namespace, name, *pairs, how = row
        dimensions = [
            {"Name": key, "Value": value}
            for key, value in zip(pairs[::2], pairs[1::2], strict=True)
        ]
        metric = {"Namespace": namespace, "MetricName": name, "Dimensions": dimensions}
        stat = {"Metric": metric, "Period": period, "Stat": how["stat"]}
        answer = cloudwatch.get_metric_data(
            MetricDataQueries=[{"Id": "line", "MetricStat": stat}],
            StartTime=now - DAY,
            EndTime=now + DAY,
        )
        return Line(how["label"], (namespace, name), answer["MetricDataResults"][0]["Values"])

    graphs = [widget["properties"] for widget in body["widgets"]]
    return lambda: [
        read(graph["period"], row) for graph in graphs for row in graph.get("metrics", ())
    ]


def test_every_line_has_data_or_says_why_not(shown):
    until(lambda: any(line.values for line in shown() if line.label == "p95"), 60)
    silent = {line.metric for line in shown() if not line.values}
    assert NOT_MEASURED <= silent <= NOT_MEASURED | WHEN_IT_HAPPENS


def test_metrics_that_are_not_measured_are_documented():
    words = (ROOT / "packages" / "local-cloud" / "README.md").read_text()
    assert [name for _, name in NOT_MEASURED if f"`{name}`" not in words] == []


def test_every_alarm_says_what_its_metric_says(running, cloudwatch):
    def states() -> dict[str, str]:
        found = cloudwatch.describe_alarms()["MetricAlarms"]
        return {each["AlarmName"].removeprefix(f"{STACK}-"): each["StateValue"] for each in found}

    quiet = dict.fromkeys(states(), "OK") | {"database-memory": "INSUFFICIENT_DATA"}
    assert len(quiet) > 1
    until(lambda: states() == quiet, 60)
    assert running.facts()["state"]["problems"] == []


TIMED = """
import json, subprocess, sys, time
def busy():
    wall, own = time.monotonic(), time.process_time()
    while time.process_time() - own < 0.3:
        pass
    return (time.monotonic() - wall) / 0.3
def seconds(*words):
    before, begun = busy(), time.monotonic()
    subprocess.run([sys.executable, "-m", "careapp.cli", *words], check=True, capture_output=True)
    wall = time.monotonic() - begun
    return wall / max(1, (before + busy()) / 2), wall
print(json.dumps({each: min(seconds(each) for _ in range(3)) for each in ("doctor", "status")}))
"""
"""Of each the best of three, and what the wall clock said: where other processes take their share of
the processors, a second of the wall is no second of the command's."""
LONGEST = {"doctor": 3.0, "status": 1.5}
"""Seconds from Enter to the screen."""


def test_doctor_and_status_answer_before_a_person_wonders(running):
    took = json.loads(running.python(TIMED).splitlines()[-1])
    late = {name: times for name, times in took.items() if times[0] > LONGEST[name]}
    assert (sorted(took), late) == (["doctor", "status"], {}), took


def test_paused_stack_stays_paused_through_an_up_and_comes_back(running):
    assert running.page("/health/db")[0] == 200
    paused = json.loads(running.tool("pause", "--yes", "--json").stdout)
    assert (paused["paused"], paused["database"], paused["running"]) == (True, "stopped", 0)
    state = running.facts()["state"]
    assert (state["tasks"], [database["pid"] for database in state["databases"]]) == ([], [None])
    assert running.page("/health/db")[0] == 503
    up = running.expect(0, *UP).stdout
    assert "The stack is paused: Resume it" in up
    assert "./careapp resume" in up
    assert "update-service" not in up
    refused = running.tool("run", "--", "true", code=125).stderr
    assert "`./careapp resume -s poc` first" in refused
    assert running.tool("doctor").stdout.count("[note] The stack is paused") == 1
    assert "is paused." in running.tool("pause").stdout, "it asks nothing: nothing is to be done"
    assert "runs: 1 of 1 tasks; the database is available" in running.tool("resume").stdout
    assert running.page("/health/db")[0] == 200


ONCE = """
import os, psycopg
from webapp.settings import RDS_BUNDLE
told = {key: os.environ[f"DB_{key.upper()}"] for key in ("host", "port", "user", "password")}
with psycopg.connect(dbname=os.environ["DB_NAME"], sslmode="verify-full",
                     sslrootcert=str(RDS_BUNDLE), **told) as connection:
    print("visits:", connection.execute("SELECT count(*) >= 0 FROM visits").fetchone()[0])
raise SystemExit(5)
"""


def test_command_runs_beside_the_service_and_reaches_the_database(running):
    done = running.tool("run", "--", "python", "-c", ONCE, code=5)
    assert done.stdout == "visits: True\n"
    assert done.stderr.endswith("The command ended with exit code 5.\n")


def running_tasks(running):
    """The tasks of a service at rest: a roll-out is over, and the tasks before it have left."""

    def at_rest():
        tasks = running.facts()["state"]["tasks"]
        return all(task["state"] == "RUNNING" for task in tasks) and tasks

    return until(at_rest, 60)


def test_the_page_shows_rows_of_the_database_and_who_answered(running):
    tasks = running_tasks(running)
    status, text = running.page()
    assert (status, any(task["id"] in text for task in tasks)) == (200, True)
    status, text = running.page("/health/db")
    assert (status, json.loads(text)) == (200, {"status": "healthy", "db": "connected"})


@pytest.mark.usefixtures("running")
def test_the_users_own_stack_file_is_not_written():
    assert not re.search('ecsEnabled: "?true', (ROOT / "Pulumi.poc.yaml").read_text())


def test_the_status_is_a_line_for_each_thing_that_runs(running):
    tasks = running_tasks(running)
    [listener] = running.facts()["state"]["listeners"]
    told = json.loads(running.run("cloud", "status", "--json").stdout)
    assert told["state"]["listeners"] == [listener]
    assert told.keys() == running.facts().keys()
    lines = running.run("cloud", "status").stdout.splitlines()
    assert f"listener HTTP:80 of careapp-poc-alb: {listener['url']}" in lines
    [database] = [line for line in lines if line.startswith("database ")]
    assert database.startswith("database careapp-poc: available, 127.0.0.1:")
    shown = [line.partition(" of careapp-poc-service: ")[2] for line in lines]
    assert {f"RUNNING at {task['address']}" for task in tasks} <= set(shown)
    assert any(re.fullmatch(r"metrics of \d+ minutes \(AWS's time\)", line) for line in lines)
    assert "nothing runs in it yet" not in lines
    assert "{" not in "".join(lines)


def test_a_command_s_options_need_no_dashes_and_its_exit_code_comes_through(running):
    words = ("sh", "-c", "echo $0 $*; exit 7", "-s", "poc", "--help")
    done = running.run("shell", "--tasks", "process", "--port", "0", *words)
    assert (done.returncode, done.stdout) == (7, "-s poc --help\n")


def test_good_version_over_a_running_one_fails_no_request(running):
    before = definition(running)
    running.shell("pulumi", "config", "set", "imageRevision", "2")
    with load(running) as visitors:
        done = running.up()
    assert done.returncode == 0, done.stdout + done.stderr
    assert definition(running) != before
    assert failed(visitors) == {}
    assert {len(visitor.versions) for visitor in visitors} != {1}, "nobody saw the new version"


def test_bad_version_is_rolled_back_and_the_page_never_fails(running):
    before = definition(running)
    with broken(running, "crash-on-start"), load(running) as visitors:
        done, again = running.up(), running.up()
    assert done.returncode != 0
    assert "pandas" in done.stdout, done.stdout
    assert again.returncode != 0, "the second up is green, and the bad version does not run"
    assert definition(running) == before
    assert failed(visitors) == {}
    assert {len(visitor.versions) for visitor in visitors} == {1}
