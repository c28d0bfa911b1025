"""What the screens say, line by line."""

import json

import pytest

from tools.aws.local_cloud import FACTS
from tools.diagnosis.case import Case
from tools.doctor.diagnose import judge
from tools.doctor.screen import as_dict, plain
from tools.i18n import in_language
from tools.rehearsal.page import state as page
from tools.snapshot import ecs
from tools.snapshot.records import Event
from tools.snapshot.task_logs import Line
from tools.tests import stacks as a
from tools.tests.conftest import NAMES
from tools.tests.doctor import job_runs
from tools.tests.doctor.situations import crashed
from tools.tests.snapshot.test_records import Answering
from tools.watch import events as timeline_screen
from tools.watch import status as status_screen
from tools.watch.events import Timeline, of_database, of_scaling, of_service, of_tasks


def said(lines):
    return [each.text for each in lines]


def test_the_cause_stands_first_with_reason_and_command():
    closed = a.network(groups=a.groups(app_in=()))
    text = plain(judge(a.stack(network=closed))).splitlines()
    assert text[:5] == [
        "careapp-poc · stage 2: the app on ECS",
        "One cause found.",
        "",
        "1. [cause] The load balancer cannot reach the tasks on port 3000",
        "   Security group sg-app (careapp-poc-app) has no inbound rule for TCP 3000 from sg-alb "
        "(careapp-poc-alb).",
    ]
    assert text[-1] == "       pulumi up --refresh -s poc"


def test_what_a_local_cloud_left_out_stands_below_evidence_of_something_missing(
    tmp_path, monkeypatch
):
    facts = tmp_path / "cloud.json"
    facts.write_text(json.dumps({"state": {"left_out": ["app/Dockerfile:5: RUN apt-get update"]}}))
    missing = crashed("OSError: libpango.so.0: cannot open shared object file", "Shutting down")
    below = [
        "It may be missing here only, because a Docker engine is needed for:",
        "  app/Dockerfile:5: RUN apt-get update",
    ]
    assert plain(judge(missing)).splitlines()[-2:] != below
    monkeypatch.setenv(FACTS, str(facts))
    assert plain(judge(missing)).splitlines()[-2:] == below
    other = plain(judge(crashed("KeyError: 'DB_HOST'"))).splitlines()
    assert not set(below) & set(other)


def test_a_healthy_screen_lists_what_was_checked():
    text = plain(judge(a.stack()))
    assert text.startswith("careapp-poc · stage 2: the app on ECS\nHealthy. Checked: the service, ")
    assert "Not read" not in text


def test_unread_parts_are_listed_once_for_each_reason():
    text = plain(judge(a.stack(execution=a.DENIED, task_role=a.DENIED))).splitlines()
    assert text[1:] == [
        "No cause found, but some parts could not be read: the stack may still be unhealthy.",
        "",
        "Not read:",
        "  the execution role, the task role: me has no permission for iam:GetRole on *. "
        "Allow iam:GetRole in IAM, or use another profile.",
    ]


def test_the_screen_in_japanese_has_no_english_sentence_left():
    snapshot = a.stack(network=a.network(groups=a.groups(app_in=())))
    with in_language("ja"):
        lines = plain(judge(snapshot)).splitlines()
    assert lines[:4] == [
        "careapp-poc · ステージ 2: ECS 上のアプリ",
        "原因が 1 つ見つかりました。",
        "",
        "1. [原因] ロードバランサーがポート 3000 でタスクに接続できません",
    ]


def test_the_diagnosis_for_scripts_can_be_written_as_json():
    found = json.loads(json.dumps(as_dict(judge(a.stack(database=None, quota=a.DENIED)))))
    assert (found["stack"], found["healthy"], found["exitCode"]) == ("careapp-poc", False, 1)
    assert [each["id"] for each in found["findings"]] == ["database-missing"]
    assert [(each["part"], each["kind"], each["essential"]) for each in found["unread"]] == [
        ("Fargate's quota of vCPUs", "denied", False)
    ]


def test_a_very_long_line_of_evidence_is_cut_on_the_screen_only():
    snapshot = a.failing(
        a.ended("CannotStartContainerError: " + "x" * 900, stop="TaskFailedToStart")
    )
    diagnosis = judge(snapshot)
    assert max(map(len, plain(diagnosis).splitlines())) < 420
    assert len(diagnosis.first.evidence[0]) > 900


def test_the_status_is_one_screen():
    snapshot = a.stack(tasks=(a.task(), a.ended("Essential container in task exited", code=1)))
    assert said(status_screen.lines(snapshot)) == [
        "careapp-poc · stage 2: the app on ECS · ap-northeast-1",
        "  Page: http://careapp-poc-alb.example",
        "  Service: ACTIVE, 1 of 1 running, 0 starting",
        "    PRIMARY careapp-poc:7: COMPLETED, 1 of 1 running, 0 failed, since 11:51:40",
        "  Task: aaaaaaaa RUNNING, container HEALTHY, target healthy, careapp-poc:7, 10.0.16.4",
        "  Stopped: 11:58:20 bbbbbbbb Essential container in task exited [1]",
        "  Database: available, PostgreSQL 17.6, db.t4g.micro",
        "  Alarms: none",
    ]
    assert status_screen.exit_code(snapshot) == 0


# NOW is a Wednesday, 21:00 in Tokyo.
@pytest.mark.parametrize(("until", "inside"), [("20:00", False), ("22:00", True)])
def test_the_status_of_a_service_with_hours_says_them_and_whether_it_is_outside(until, inside):
    settings = a.choices(schedule=f"mon-fri 08:00-{until}")
    idle = a.service(desired=0, running=0, deployments=(a.deployment(desired=0, running=0),))
    snapshot = a.stack(settings, service=idle, tasks=(), targets=(), page=None)
    said_here = said(status_screen.lines(snapshot))
    after = "" if inside else (
        "; it is outside of them, and the schedule starts the tasks when they begin"
    )  # fmt: skip
    assert said_here[1] == f"  Hours: mon-fri 08:00-{until} (Asia/Tokyo){after}"
    assert status_screen.exit_code(snapshot) == (1 if inside else 0)
    assert status_screen.as_dict(snapshot)["in_hours"] is inside


def test_the_exit_code_of_status_separates_unhealthy_from_unknown():
    ill = a.unhealthy("Request timed out")
    assert status_screen.exit_code(ill) == 1
    assert status_screen.exit_code(a.stack(database=a.database(status="stopped"))) == 1
    assert status_screen.exit_code(a.stack(database=a.database(status="storage-full"))) == 1
    for part in ("tasks", "group", "targets"):
        assert status_screen.exit_code(a.stack(**{part: a.DENIED})) == 2
    assert status_screen.exit_code(a.stage1()) == 0
    assert status_screen.exit_code(a.stage1(a.choices())) == 1


def test_the_status_has_a_line_for_each_worker():
    name = "careapp-poc-worker-mail:3"
    for seen, line, code in (
        (a.with_worker(), f"ACTIVE, 1 of 1 running, 0 starting, 0 failed; {name}: COMPLETED", 0),
        (a.crashing_worker(),
         f"ACTIVE, 1 of 1 running, 0 starting, 2 failed; {name}: COMPLETED", 1),
        (a.with_worker(service=a.worker_service(desired=0, running=0), tasks=()),
         f"ACTIVE, 0 of 0 running, 0 starting, 0 failed; {name}: COMPLETED", 0),
        (a.with_worker(service=None), "none", 1),
        (a.with_worker(service=a.DENIED), "none", 2),
    ):  # fmt: skip
        assert f"  Worker mail: {line}" in said(status_screen.lines(seen))
        assert status_screen.exit_code(seen) == code
    mail = status_screen.as_dict(a.crashing_worker())["workers"]["mail"]
    assert (mail["steady"], mail["service"]["running"], len(mail["tasks"])) == (False, 1, 3)


def test_a_timeline_joins_tasks_events_and_deployments_in_order():
    task = a.ended("Essential container in task exited", code=1)
    running = a.service(events=(a.event(
        f"(task {'b' * 32}) (port 3000) is unhealthy in (target-group {a.GROUP_ARN}) due to (reason "
        "Request timed out).", seconds=-120,
    ),))  # fmt: skip
    found = sorted([*of_service(running), *of_tasks([task])], key=lambda each: each.at)
    assert said(timeline_screen.lines(Timeline(tuple(found), ()))) == [
        "11-25 11:50:00 deploy   ecs-svc/2 deployment of careapp-poc:7 begins".replace(
            "ecs-svc/2", "2       "
        ),
        "11-25 11:50:00 task     bbbbbbbb created from careapp-poc:7",
        "11-25 11:51:40 deploy   2        deployment of careapp-poc:7: COMPLETED "
        "ECS deployment ecs-svc/2 completed.",
        "11-25 11:56:10 task     bbbbbbbb started, address 10.0.16.9",
        "11-25 11:58:00 target   bbbbbbbb (task bbbbbbbb) (port 3000) is unhealthy in "
        "(target-group careapp-poc-tg) due to (reason Request timed out).",
        "11-25 11:58:10 task     bbbbbbbb stops: Essential container in task exited",
        "11-25 11:58:20 task     bbbbbbbb stopped; exit codes: app: 1",
    ]
    assert [each.bad for each in found] == [False, False, False, False, True, True, True]


def test_a_timeline_shows_rds_events_and_failed_calls():
    ill = a.database(status="stopped", events=(Line(a.NOW, "DB instance stopped"),))
    found = Timeline(tuple(of_database(ill)), (a.DENIED,))
    assert said(timeline_screen.lines(found)) == [
        "11-25 12:00:00 database          DB instance stopped",
        "Not read: me has no permission for iam:GetRole on *. "
        "Allow iam:GetRole in IAM, or use another profile.",
    ]


def activity(code, cause):
    return {
        "StartTime": a.NOW,
        "Description": "Setting desired count to 4.",
        "Cause": cause,
        "StatusCode": code,
        "StatusMessage": "Failed to set desired count to 4.",
    }


def test_a_timeline_shows_the_scaling_activities_and_their_causes():
    alarm = (
        "monitor alarm TargetTracking-service/c/s-AlarmHigh-1b2c in state ALARM triggered policy x"
    )
    rows = [activity("Successful", alarm), activity("Failed", "minimum capacity was set to 4")]
    read = ecs.scaling_activities(
        Answering(describe_scaling_activities={"ScalingActivities": rows}), NAMES
    )
    found = Timeline(tuple(of_scaling(read)), ())
    assert said(timeline_screen.lines(found)) == [
        "11-25 12:00:00 scaling           Setting desired count to 4. (alarm of policy x)",
        "11-25 12:00:00 scaling           Failed to set desired count to 4. "
        "(minimum capacity was set to 4)",
    ]
    assert [each.bad for each in found.events] == [False, True]


def test_an_empty_timeline_says_so():
    assert said(timeline_screen.lines(Timeline((), ()))) == ["AWS has no events of this stack."]


def test_the_page_has_a_line_for_each_worker_and_job():
    now = a.with_worker(job_runs.stack(job_runs.run(1)))
    mail, report = page.processes(Case(now))
    assert (mail["name"], report["name"]) == ("mail", "report")
    assert mail["text"].endswith("careapp-poc-worker-mail:3: COMPLETED")
    assert report["text"].startswith("cron(0 3 * * ? *). ")
    assert report["text"].endswith("exit code 1")
    [never] = page.processes(Case(job_runs.stack()))
    assert never["text"] == "cron(0 3 * * ? *). No run is known."


def test_the_events_of_a_worker_begin_with_its_name():
    told = Event(a.NOW, "(service careapp-poc-worker-mail) has reached a steady state.")
    [found] = of_service(a.worker_service(events=(told,), deployments=()), "mail")
    assert str(found.text) == "mail: has reached a steady state."
