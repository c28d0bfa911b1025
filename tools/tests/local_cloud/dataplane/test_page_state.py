"""The data of the rehearsal's page: the verdict, the facts, and no secrets."""

import json
import os
import re
import subprocess
import sys
import time
from dataclasses import replace

import pytest

from tests.support.pages import backend, seen
from tools.i18n import LANGUAGES, in_language, verbatim
from tools.local_cloud.paths import Home
from tools.rehearsal.page import server, watching
from tools.rehearsal.page.state import SHOWN, state
from tools.rehearsal.page.watching import EngineWork, Work
from tools.snapshot.ecs import Activity
from tools.snapshot.rds import Pause
from tools.snapshot.records import ContainerHealth, Part, Traffic
from tools.tests import stacks as a
from tools.tests.doctor.situations import SITUATIONS
from tools.watch.events import Event

BUILDING = Work(project="careapp", stack="poc", busy=True, resources=12)
REMOVING = Work(project="careapp", stack="poc", busy=True, removing=True, resources=7)
STARTING = a.stack(
    service=a.service(running=0, deployments=(a.deployment(rollout="IN_PROGRESS", running=0),)),
    tasks=(a.task(status="PENDING"),),
    targets=(),
)
NOTHING = SITUATIONS["stack-missing"]
VERDICTS = {
    "nobody": (None, Work(project="careapp", stack="poc"), "calm", "Nothing is deployed"),
    "empty": (NOTHING, Work(project="careapp", stack="poc"), "calm", "Nothing is deployed"),
    "begun": (None, BUILDING, "busy", "Stage 1 is being built"),
    "half": (NOTHING, BUILDING, "busy", "Stage 1 is being built"),
    "stage1": (
        a.stage1(),
        Work(project="careapp", stack="poc"),
        "calm",
        "Stage 1 is deployed, ECS is off",
    ),
    "second": (a.stage1(a.choices()), BUILDING, "busy", "Stage 2 is being built"),
    "rolling": (STARTING, BUILDING, "busy", "The roll-out is under way"),
    "healthy": (a.stack(), Work(project="careapp", stack="poc"), "good", "Everything works"),
    "broken": (SITUATIONS["health-path-missing"], BUILDING, "bad", "The health check's path /"),
    "going": (a.stack(), REMOVING, "busy", "Pulumi is destroying the stack"),
    "unsure": (
        a.stack(service=a.DENIED),
        Work(project="careapp", stack="poc"),
        "busy",
        "Some parts could not be read",
    ),
    "paused": (
        a.stack(
            service=a.service(desired=0, running=0),
            database=a.database(status="stopped", pause=Pause(a.NOW)),
        ),
        Work(project="careapp", stack="poc"),
        "calm",
        "The stack is paused",
    ),
}


@pytest.mark.parametrize("name", VERDICTS)
def test_the_verdict_summarizes_the_state_in_english_and_japanese(name):
    snapshot, work, tone, headline = VERDICTS[name]
    look = seen(snapshot, work)
    said = state(look)["verdict"]
    assert (said["tone"], said["headline"][: len(headline)]) == (tone, headline)
    with in_language("ja"):
        japanese = state(look)["verdict"]["headline"]
    assert re.search("[ぁ-ヿ一-鿿]", japanese)
    assert not japanese.startswith(headline)


def test_a_page_that_answers_is_asked_again_only_when_a_glance_shows_a_change(
    monkeypatch, tmp_path
):
    given, glance, answers = [], ["one"], [500, 200]

    def gather(*_, page):
        given.append(page.value.status if page else "asked")
        return a.stack(page=page.value if page else a.page(answers.pop(0)))

    monkeypatch.setattr(watching, "FULL_EVERY", 0)
    monkeypatch.setattr(watching, "gather", gather)
    monkeypatch.setattr(watching, "overview", lambda *_: glance[0])
    watcher, memory = watching.Watcher(Home(tmp_path), None), watching._Memory()
    for told in ("one", "one", "one", "two"):
        glance[0] = told
        answers = answers or [200]
        now, diagnosis = watcher._gathered(a.choices(), memory)
        memory.seen = replace(seen(now), now=now, diagnosis=diagnosis)
    assert given == ["asked", "asked", 200, "asked"]


def test_the_timeline_has_what_scaled_the_service(monkeypatch, tmp_path):
    done = Activity(
        at=a.NOW, text="Setting desired count to 2.", cause="minimum capacity was set to 2"
    )
    monkeypatch.setattr(watching.ecs, "scaling_activities", lambda *_: (done,))
    monkeypatch.setattr(watching.logs, "read", lambda *_: ())
    found = watching.Watcher(Home(tmp_path), None)._events(a.stack())
    [event] = [each for each in found if each.kind == "scaling"]
    assert str(event.text) == "Setting desired count to 2. (minimum capacity was set to 2)"


def test_while_a_stage_is_half_built_nothing_is_called_broken():
    half = a.stage1(database=None)
    found = state(seen(half, BUILDING))
    assert "blocked" not in {each["state"] for each in found["links"].values()}
    assert found["doctor"]["findings"] == []
    assert state(seen(half))["links"]["database-node"]["state"] == "blocked"


def test_a_broken_stack_names_cause_and_commands():
    found = state(seen(SITUATIONS["health-path-missing"]))
    first = found["doctor"]["findings"][0]
    assert (first["kind"], found["links"]["forward"]["state"]) == ("cause", "blocked")
    assert first["fixes"][0]["commands"] == ["pulumi up --refresh -s poc"]


def test_a_roll_out_is_shown_with_numbers_and_its_duration():
    [now] = state(seen(STARTING))["rollouts"]
    assert (now["state"], now["desired"], now["running"], now["seconds"]) == (
        "IN_PROGRESS", 1, 0, 600,
    )  # fmt: skip
    [done] = state(seen(a.stack()))["rollouts"]
    assert (done["state"], done["seconds"], done["shifted"]) == ("COMPLETED", 100, "")


def test_a_shifting_roll_out_shows_its_share_of_the_requests():
    new = a.deployment(rollout="IN_PROGRESS")
    old = a.deployment(id="ecs-svc/1", status="ACTIVE", definition=a.OLD)
    traffic = Traffic(stage="PRODUCTION_TRAFFIC_SHIFT", percent=10)
    service = a.service(deployments=(new, old), traffic=traffic)
    shown = [each["shifted"] for each in state(seen(a.stack(service=service)))["rollouts"]]
    assert shown == ["careapp-poc:7 gets 10 % of the requests", ""]


def test_no_value_of_environment_or_secret_is_in_it():
    values = {**a.definition().environment, "TOKEN": "marked-token", "DB_USER": "marked-user"}
    marked = a.definition(environment=values)
    database = a.database(user="marked-user")
    for lang in LANGUAGES:
        with in_language(lang):
            found = json.dumps(state(seen(a.stack(main=marked, database=database))))
        assert "marked" not in found
        assert "rds!db-1-AbCdEf" in found, "the secret's name is there"


def test_the_timeline_tells_the_newest_first_and_takes_the_app_s_lines_apart():
    line = {"time": "x", "level": "error", "message": "database away", "host": "db"}
    log = [
        Event(a.at(-10), "log", "aaaaaaaa", verbatim(json.dumps(line))),
        Event(a.at(-9), "log", "aaaaaaaa", verbatim("plain words")),
    ]
    plain, told, *_ = state(seen(a.stack(), events=log))["timeline"]
    assert (plain["text"], plain["bad"], plain["more"]) == ("plain words", False, "")
    assert (told["text"], told["level"], told["more"], told["bad"]) == (
        "database away", "error", "host=db", True,
    )  # fmt: skip


def test_a_timeline_of_several_days_names_each_day_once_and_its_times_stay_short(monkeypatch):
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "UTC0")
        time.tzset()
        _several_days()
    time.tzset()


def _several_days():
    night = 12 * 3600  # a.at(0) is noon
    log = [Event(a.at(each), "log", "a", verbatim("x")) for each in (-60, night - 1, night + 1)]
    told = state(seen(a.stack(service=None, tasks=(), database=None), events=log))["timeline"]
    assert [(each["day"], each["time"]) for each in told] == [
        ("2026-11-26", "00:00:01"),
        ("2026-11-25", "23:59:59"),
        ("", "11:59:00"),
    ]
    one = state(seen(a.stack(), events=log[:2]))["timeline"]
    assert {each["day"] for each in one} == {""}


@pytest.mark.parametrize(
    ("check", "health", "said"),
    [
        (None, "UNKNOWN", "no check of its own"),
        (ContainerHealth(command=("CMD", "true")), "UNKNOWN", "not checked yet"),
        (ContainerHealth(command=("CMD", "true")), "UNHEALTHY", "UNHEALTHY"),
    ],
)
def test_the_health_of_a_container_that_ecs_does_not_know_is_said_in_words(check, health, said):
    snapshot = a.stack(main=a.definition(health=check), tasks=(a.task(health=health),))
    [task] = state(seen(snapshot))["tasks"]["running"]
    assert task["health"] == said


def test_a_request_is_shown_in_words():
    line = {"level": "info", "message": "request", "method": "GET", "path": "/x", "status": 404,
            "duration_ms": 0.7, "request_id": "1"}  # fmt: skip
    log = [Event(a.at(-1), "log", "a", verbatim(json.dumps(line)))]
    told = state(seen(a.stack(), events=log))["timeline"][0]
    assert (told["text"], told["more"]) == ("GET /x → 404", "0.7 ms")


def test_the_timeline_has_an_end_and_keys_of_its_own():
    log = [Event(a.at(-10), "log", "a", verbatim(str(each))) for each in range(SHOWN + 50)]
    found = state(seen(a.stack(), events=log))["timeline"]
    assert len(found) == len({each["key"] for each in found}) == SHOWN


def test_the_labels_are_in_the_page_s_language():
    english = server.spoken(server.LABELS)
    with in_language("ja"):
        japanese = server.spoken(server.LABELS)
    assert english["tls"] == japanese["tls"] == "TLS"
    assert english != japanese


def test_the_engine_s_lock_and_checkpoint_show_its_work(tmp_path):
    engine = EngineWork(Home(tmp_path))
    assert (engine.stacks(), engine.of("poc")) == ((), Work(project="careapp", stack="poc"))
    backend(tmp_path, resources=3, pending=["creating"], pid=os.getpid())
    assert engine.of("poc") == Work(project="careapp", stack="poc", busy=True, resources=3)
    backend(tmp_path, resources=2, pending=["deleting"], pid=os.getpid())
    assert engine.of("poc").removing is False, "an update that also deletes takes nothing down"
    backend(tmp_path, resources=2)
    assert engine.of("poc") == Work(project="careapp", stack="poc", resources=2)
    assert engine.stacks() == ("poc",)


def test_a_destroy_is_one_that_only_deletes(tmp_path):
    engine = EngineWork(Home(tmp_path))
    backend(tmp_path, resources=9, pid=os.getpid())
    assert engine.of("poc").removing is False
    backend(tmp_path, resources=8, pending=["deleting"], pid=os.getpid())
    assert engine.of("poc").removing is True
    backend(tmp_path, resources=7, pid=os.getpid())
    assert engine.of("poc").removing is True, "between two operations it goes on"


def test_a_lock_whose_engine_is_dead_counts_for_nothing(tmp_path):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    backend(tmp_path, resources=3, pid=dead.pid)
    assert EngineWork(Home(tmp_path)).of("poc").busy is False


def test_a_file_that_is_just_being_written_is_no_trouble(tmp_path):
    backend(tmp_path)
    (tmp_path / "state/.pulumi/stacks/careapp/poc.json").write_text('{"checkpoint": {')
    assert EngineWork(Home(tmp_path)).of("poc") == Work(project="careapp", stack="poc")


def test_the_stack_that_changed_last_comes_first(tmp_path):
    for age, name in ((100, "old"), (1, "new")):
        backend(tmp_path, name)
        file = tmp_path / f"state/.pulumi/stacks/careapp/{name}.json"
        os.utime(file, (file.stat().st_mtime - age,) * 2)
    assert EngineWork(Home(tmp_path)).stacks() == ("new", "old")


def test_tasks_targets_and_parts_are_those_of_the_snapshot():
    gone = a.ended("Essential container in task exited", code=3)
    found = state(seen(a.stack(tasks=(a.task(), gone))))
    [running], [ended] = found["tasks"]["running"], found["tasks"]["ended"]
    assert (running["id"], running["target"]) == ("a" * 8, {"state": "open", "reason": "healthy"})
    assert (ended["id"], ended["codes"]) == ("b" * 8, "3")
    assert found["balancer"]["listeners"][0]["rules"][0]["then"] == "forward → careapp-poc-tg"
    assert found["group"]["check"].startswith("HTTP /health, expects 200; every 10 s")
    assert found["database"]["status"] == "available"
    bare = replace(a.stage1(), alarms=Part(None), image=Part(None))
    assert state(seen(bare))["stores"]["image"] is None
