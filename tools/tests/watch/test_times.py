"""Times: AWS answers in several time zones; people see the local one, scripts ISO 8601 with an offset."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from tools import screen
from tools.doctor.diagnose import judge
from tools.doctor.screen import plain
from tools.i18n import verbatim
from tools.pause import commands as pause_screen
from tools.rehearsal.page import state
from tools.rehearsal.page.state import tasks
from tools.rollout.say import Reporter
from tools.rollout.verdict import Outcome, Verdict
from tools.snapshot.rds import Pause
from tools.snapshot.task_logs import Line
from tools.tests import stacks as a
from tools.tests.conftest import Told
from tools.tests.doctor.situations import SITUATIONS
from tools.tests.doctor.variants.health import given_up
from tools.tests.rollout import rollout_answers as gate
from tools.waiting import Shown
from tools.watch import events as timeline_screen
from tools.watch import status as status_screen
from tools.watch.events import Timeline, of_database, of_tasks
from tools.watch.logs import LogLine, LogScreen

JST = timezone(timedelta(hours=9))
CRASHED = "Essential container in task exited"


@pytest.fixture(autouse=True)
def tokyo(clock_in, monkeypatch):
    clock_in("JST-9")
    monkeypatch.setattr(screen, "now", lambda: a.NOW)


def said(lines):
    return [each.text for each in lines]


def test_a_time_of_another_day_has_its_date():
    evening, night = (
        datetime(2026, 11, 25, 14, 59, tzinfo=UTC),
        datetime(2026, 11, 25, 15, tzinfo=UTC),
    )
    assert screen.short_time(evening, a.NOW) == "23:59:00"
    assert screen.short_time(night, a.NOW) == "11-26 00:00:00"
    assert screen.short_time(evening) == "23:59:00"
    assert screen.dated_time(night) == "11-26 00:00:00"
    assert screen.zoned_time(night) == "2026-11-26 00:00 JST"


def test_events_of_ecs_and_rds_are_in_local_time():
    task = replace(a.task(started=None), created=a.NOW.astimezone(JST))
    stopped = a.database(events=(Line(a.NOW + timedelta(seconds=5), "DB instance stopped"),))
    found = Timeline((*of_tasks([task]), *of_database(stopped)), ())
    assert [each[:14] for each in said(timeline_screen.lines(found))] == [
        "11-25 21:00:00",
        "11-25 21:00:05",
    ]
    times = [each["at"] for each in timeline_screen.as_dicts(found)["events"]]
    assert times == ["2026-11-25T21:00:00+09:00", "2026-11-25T12:00:05+00:00"]


def test_status_and_log_are_in_local_time():
    snapshot = a.stack(tasks=(a.task(), a.ended(CRASHED, code=1)))
    screen = said(status_screen.lines(snapshot))
    assert screen[3].endswith("since 20:51:40")
    assert screen[5].startswith("  Stopped: 20:58:20 bbbbbbbb")
    log = LogScreen()
    [line] = log.lines([LogLine(a.NOW, "b" * 32, "hello")], lambda: None)
    assert line.text == "11-25 21:00:00 bbbbbbbb hello"
    assert "stopped at 11-25 20:58:20" in log.ended(a.ended(CRASHED)).text


def test_a_pause_and_its_end_name_the_time_zone():
    paused = SITUATIONS["stack-paused"]
    assert "JST; ./careapp resume" in said(status_screen.lines(paused))[1]
    assert str(judge(paused).findings[0].why).endswith("stopped it at 2026-11-25 21:00 JST.")
    database = a.database(starts=a.NOW, pause=Pause(a.NOW))
    text = "\n".join(said(pause_screen._paused(a.choices(), database)))
    assert "AWS starts the database automatically on 2026-11-25 21:00 JST" in text


def test_doctor_is_in_local_time():
    stopped = a.database(status="stopped", events=(Line(a.NOW, "DB instance stopped"),))
    found = judge(a.stack(database=stopped)).causes[0]
    assert found.evidence == ("21:00:00 DB instance stopped",)
    text = plain(judge(given_up("nothing")))
    assert "after the last try (20:58:20)" in text
    unhealthy = (
        f"(task {'b' * 32}) (port 3000) is unhealthy in (target-group {a.GROUP_ARN}) due to "
    )
    events = (a.event(f"{unhealthy}(reason Health checks failed with these codes: [404]).", -90),)
    told = judge(
        a.stack(
            service=a.service(running=0, events=events),
            tasks=(a.ended("Task failed ELB health checks", code=143),),
            targets=(),
        )
    )
    assert any("20:58:30 task bbbbbbbb: " in words for f in told.findings for words in f.evidence)


def test_the_gate_is_in_local_time():
    told = Told()
    going = Verdict(outcome=Outcome.GOING, text=verbatim("Wait."))
    seen = gate.view(
        gate.deployment(gate.NEW, "IN_PROGRESS"), events=(gate.event(1, 0), gate.event(2, -86400))
    )
    reporter = Reporter(told, Shown(told.moment, 900), since=a.NOW - timedelta(days=2))
    reporter.report(seen, going, 0)
    assert sorted(told.lastings) == [
        "11-24 21:00:00 ECS: (service careapp-poc-service) event 2.",
        "21:00:00 ECS: (service careapp-poc-service) event 1.",
    ]


def test_the_rehearsal_s_page_is_in_local_time():
    from tools.diagnosis.case import Case

    task = a.ended(CRASHED, code=1)
    lines = state.timeline(tuple(of_tasks([task])))
    assert lines[0]["time"] == "20:58:20"
    assert lines[0]["at"] == task.stopped.isoformat()
    [ended] = tasks(Case(a.stack(tasks=(task,))))["ended"]
    assert ended["at"] == "20:58:20"


def test_times_for_scripts_are_iso_8601_with_an_offset():
    plain = status_screen.as_dict(a.stack())
    assert plain["service"]["deployments"][0]["updated"] == "2026-11-25T11:51:40+00:00"
    assert status_screen.plain(Pause(a.NOW))["since"] == "2026-11-25T12:00:00+00:00"


def test_the_stopped_task_and_its_lines_have_the_same_id():
    task, screen = a.ended(CRASHED, code=1), LogScreen(as_json=True)
    [line] = screen.lines([LogLine(a.NOW, task.id, "bye")], lambda: None)
    said = [screen.ended(task).text, line.text]
    assert [json.loads(each)["task"] for each in said] == ["b" * 32] * 2
