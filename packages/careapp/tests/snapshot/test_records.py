"""How AWS's answers become records, and how a task's log is read: its newest word about the database counts."""

import functools
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from careapp.watch.logs import LogQuery, previous, stream_end
from ecs_gate.parts import ecs, task_logs
from ecs_gate.parts.records import Container, Sidecar
from ecs_gate.parts.task_logs import LogLine, Logs
from tests import stacks as a
from tests.conftest import NAMES, Answering, client
from tests.doctor.situations import FOUND, MIGRATED, MIGRATING, UNMIGRATED, causes
from tests.rollout import rollout_answers as answers

END = {"events": [{"timestamp": 0, "message": "boom"}], "nextBackwardToken": "b/0"}


def described(**changes):
    """DescribeServices' answer."""
    network = {"subnets": ["s"], "securityGroups": ["g"], "assignPublicIp": "ENABLED"}
    made = answers.service(
        answers.deployment(answers.NEW, "FAILED", failedTasks=3),
        healthCheckGracePeriodSeconds=60,
        networkConfiguration={"awsvpcConfiguration": network},
        **changes,
    )
    return Answering(describe_services={"services": [made]})


def test_a_stopped_task_is_read_with_its_reasons_and_exit_codes():
    raw = answers.task(
        4, lastStatus="STOPPED", stoppedReason="Essential container in task exited",
        containers=[{"name": "app", "exitCode": 137, "reason": "OutOfMemoryError: x"}],
    )  # fmt: skip
    listed = [
        {"taskArns": []},
        {"taskArns": [raw["taskArn"]]},
    ]  # of those that run, and of the others
    session = Answering(list_tasks=listed, describe_tasks={"tasks": [raw]})
    (found,) = ecs.tasks(session, NAMES)
    assert (found.short, found.over, found.address) == ("4", True, "10.0.64.4")
    assert found.containers == (Container(name="app", exit_code=137, reason="OutOfMemoryError: x"),)
    assert found.reason == "Essential container in task exited"


CRASHED = a.ended(
    "Essential container in task exited", "1" * 32, 1, stop="EssentialContainerExited"
)
PENDING = a.ended("Scaling activity initiated by (deployment ecs-svc/2)", "2" * 32, started=None)


def test_a_rollback_s_pending_tasks_do_not_hide_the_log_of_those_that_crashed():
    pending = [PENDING, a.ended(PENDING.reason, "3" * 32, started=None)]
    scaled = a.ended(PENDING.reason, "4" * 32)
    running = [a.task(name * 32) for name in "567"]
    found = task_logs.choose_tasks([*pending, scaled, CRASHED, *running], a.NEW)
    assert found == [CRASHED, scaled, *running[:2]]
    assert task_logs.choose_tasks([CRASHED], a.OLD) == []


def test_a_task_that_never_started_its_app_is_not_the_previous_one(monkeypatch):
    later = replace(PENDING, stopped=a.at(-10))
    monkeypatch.setattr(ecs, "tasks", lambda *_: (later, CRASHED))
    monkeypatch.setattr(ecs, "definition", lambda *_: a.definition())
    session = Answering(get_log_events=END)
    task, [line] = previous(session, NAMES, LogQuery(last=1))
    assert (task, line.task) == (CRASHED, CRASHED.id)


@pytest.mark.parametrize(
    ("strategy", "spot"),
    [
        (None, False),
        ([{"capacityProvider": "FARGATE", "weight": 1}], False),
        ([{"capacityProvider": "FARGATE_SPOT", "weight": 1}], True),
        ([{"capacityProvider": "FARGATE_SPOT", "base": 1}], True),
        ([{"capacityProvider": "FARGATE_SPOT", "weight": 3},
          {"capacityProvider": "FARGATE", "weight": 0}], True),
        ([{"capacityProvider": "FARGATE_SPOT", "weight": 3},
          {"capacityProvider": "FARGATE", "base": 1}], False),
    ],
)  # fmt: skip
def test_a_service_is_on_spot_where_all_of_its_tasks_are(strategy, spot):
    more = {"capacityProviderStrategy": strategy} if strategy else {}
    answer = described(deploymentConfiguration={"maximumPercent": 150}, **more)
    found = ecs.service(answer, NAMES)
    assert (found.spot, found.maximum) == (spot, 150)


GROUP, STREAM = "/ecs/of-a-test", "app/app/{}"
LOST = '{"level": "error", "message": "database away", "reason": "connection timeout expired"}'
HALF = task_logs.HEAD


@functools.cache
def begun():
    """CloudWatch Logs takes no line of another year."""
    return datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)


@pytest.fixture(scope="module")
def written(account):
    """Writes a task's log of so many lines, some of them given by number, and reads it."""
    logs = client("logs")
    logs.create_log_group(logGroupName=GROUP)
    begin = int(begun().timestamp() * 1000)

    def write(session, name, count, **said):
        stream = STREAM.format(name * 32)
        logs.create_log_stream(logGroupName=GROUP, logStreamName=stream)
        lines = {int(key[1:]): words for key, words in said.items()}
        events = [
            {"timestamp": begin + 1000 * number, "message": lines.get(number, f"line {number}")}
            for number in range(count)
        ]
        logs.put_log_events(logGroupName=GROUP, logStreamName=stream, logEvents=events)
        main = a.definition(log_group=GROUP)
        found = task_logs.logs(session, GROUP, [a.task(name * 32)], {a.NEW: main})
        resumed = found.resumed.get(name * 32)
        return Logs(
            group=GROUP,
            exists=True,
            lines={"a" * 32: found.lines[name * 32]},
            resumed={"a" * 32: resumed} if resumed else {},
        )

    return write


AWAY, STUCK = ["log-database-timeout"], ["app-cannot-migrate"]


@pytest.mark.parametrize(
    ("name", "lines", "found"),
    [
        ("b", {"n10": LOST, "n200": FOUND}, []),
        ("c", {"n10": LOST}, AWAY),
        ("d", {"n10": LOST, "n150": FOUND, "n200": LOST}, AWAY),
        ("e", {"n10": FOUND, "n390": LOST}, AWAY),
        ("11", {"n10": UNMIGRATED, "n200": MIGRATED}, []),
        ("12", {"n10": UNMIGRATED}, STUCK),
        ("14", {"n10": MIGRATING, "n200": MIGRATED}, []),
        ("15", {"n10": MIGRATING, "n20": MIGRATED}, []),
        ("13", {"n9": LOST, "n10": UNMIGRATED, "n200": MIGRATED, "n390": FOUND}, []),
    ],
)
def test_what_the_gap_between_head_and_tail_took_back_is_no_cause(
    written, session, name, lines, found
):
    logs = written(session, name, 400, **lines)
    assert causes(a.stack(logs=logs)) == found


def test_the_gap_is_asked_for_only_where_it_matters(written, session, calls):
    written(session, "f", 400, n10=FOUND)
    written(session, "0", 400, n10=LOST, n20=FOUND)
    written(session, "1", 400, n10=LOST, n399=FOUND)
    written(session, "2", 2 * HALF - 1, n10=LOST)
    assert "filter_log_events" not in dict(calls)
    written(session, "3", 400, n10=LOST)
    assert "filter_log_events" in dict(calls)


def test_where_head_and_tail_meet_no_line_is_missing_or_double(written, session):
    for name, count in (("4", HALF - 1), ("5", HALF), ("6", HALF + 1), ("7", 2 * HALF - 1)):
        logs = written(session, name, count)
        assert [line.text for line in logs.lines["a" * 32]] == [f"line {n}" for n in range(count)]
        assert logs.resumed == {}
    assert written(session, "8", 400).resumed == {"a" * 32: begun() + timedelta(seconds=400 - HALF)}


def test_an_error_before_a_gap_that_nothing_would_take_back_does_not_count():
    error = 'FATAL: password authentication failed for user "postgres"'
    lines = (LogLine(a.at(0), error), LogLine(a.at(100), "fine"))
    held = Logs(group="x", exists=True, lines={"a" * 32: lines})
    assert causes(a.stack(logs=held)) == ["log-wrong-password"]
    resumed = replace(held, resumed={"a" * 32: a.at(100)})
    assert causes(a.stack(logs=resumed)) == []


class Paged:
    """A session over one stream, whose pages may be empty though more follow (API reference, GetLogEvents)."""

    def __init__(self, *pages, ends=True):
        self.book, self.asked, self.ends = pages, 0, ends

    def all(self, *_, **__):
        return [{"logGroupName": GROUP}]

    def call(self, _service, operation, startFromHead=False, nextToken=None, limit=0, **_):
        assert operation == "get_log_events"
        self.asked += 1
        pages = [*self.book] if startFromHead else [*reversed(self.book)]
        at = int(nextToken or 0)
        page = pages[at] if at < len(pages) else []
        token = str(at if self.ends and at >= len(pages) else at + 1)
        events = page[:limit] if startFromHead else page[-limit:]
        return {"events": events, "nextForwardToken": token, "nextBackwardToken": token}


def page(*numbers):
    return [{"timestamp": 1000 * number, "message": f"line {number}"} for number in numbers]


def read(session):
    found = task_logs.logs(session, GROUP, [a.task()], {a.NEW: a.definition(log_group=GROUP)})
    return [line.text for line in found.lines[a.task().id]]


def test_an_empty_page_is_not_the_end_of_a_stream():
    session = Paged([], page(1, 2), [], [], page(3), [])
    assert read(session) == ["line 1", "line 2", "line 3"]
    assert session.asked == 7


def test_the_last_lines_of_a_task_are_read_behind_empty_pages():
    found = stream_end(Paged(page(1, 2), [], page(3), []), NAMES, "app/app/x", 2)
    assert [line.text for line in found] == ["line 2", "line 3"]


def test_a_stream_of_nothing_but_empty_pages_comes_to_an_end():
    session = Paged(ends=False)
    assert read(session) == []
    assert session.asked <= 2 * task_logs.PAGES


def test_a_head_that_is_not_found_does_not_hide_the_tail():
    session = Paged(*[[]] * 2 * task_logs.PAGES, page(1))
    assert read(session) == ["line 1"]


def test_the_other_containers_of_a_task_definition_are_read_with_their_logs():
    options = {"awslogs-group": "/ecs/proxy", "awslogs-stream-prefix": "proxy"}
    containers = [
        {"name": "proxy", "image": "p", "logConfiguration": {"options": options}},
        {"name": "app", "image": "a", "portMappings": [{"containerPort": 3000}]},
        {"name": "once", "image": "o", "essential": False},
    ]
    raw = {"taskDefinitionArn": a.NEW, "containerDefinitions": containers, "status": "ACTIVE"}
    found = ecs.definition(Answering(describe_task_definition={"taskDefinition": raw}), a.NEW)
    proxy = Sidecar(name="proxy", log_group="/ecs/proxy", log_prefix="proxy")
    assert found.container == "app"
    assert found.sidecars == (proxy, Sidecar(name="once", essential=False))
