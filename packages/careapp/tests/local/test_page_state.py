"""The data of the rehearsal's page: the verdict, the facts, and no secrets."""

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from careapp.rehearsal.page import watching
from careapp.rehearsal.page.state import SHOWN, state
from careapp.rehearsal.page.watching import EngineWork, Work
from careapp.watch import events
from ecs_gate.parts.elb import Condition, Oidc, Rule
from ecs_gate.text import LANGUAGES, in_language, verbatim
from local_cloud.paths import Home
from tests import stacks as a
from tests.doctor.situations import SITUATIONS
from tests.local.pages import backend, logged, seen

PARTS = Path(watching.__file__).with_name("templates") / "parts.html"
IDLE = Work(project="careapp", stack="poc")
BUILDING = replace(IDLE, busy=True, resources=12)
REMOVING = replace(IDLE, busy=True, removing=True, resources=7)
WRONG_FILE = a.stack(replace(a.choices(), guessed=True))
STARTING = a.stack(service=a.going(), tasks=(a.task(status="PENDING"),), targets=())
NOTHING = SITUATIONS["stack-missing"]
BROKEN = SITUATIONS["health-path-missing"]
VERDICTS = {
    "nobody": (None, IDLE, "calm", "Nothing is deployed"),
    "empty": (NOTHING, IDLE, "calm", "Nothing is deployed"),
    "begun": (None, BUILDING, "busy", "Stage 1 is being built"),
    "half": (NOTHING, BUILDING, "busy", "Stage 1 is being built"),
    "stage1": (a.stage1(), IDLE, "calm", "Stage 1 is deployed, ECS is off"),
    "second": (a.stage1(a.choices()), BUILDING, "busy", "Stage 2 is being built"),
    "rolling": (STARTING, BUILDING, "busy", "The roll-out is under way"),
    "healthy": (a.stack(), IDLE, "good", "Everything works"),
    "broken": (BROKEN, BUILDING, "bad", "The health check's path /"),
    "going": (a.stack(), REMOVING, "busy", "Pulumi is destroying the stack"),
    "wrong file": (WRONG_FILE, IDLE, "busy", "Some parts could not be read"),
    "no service": (
        a.stage1(a.choices(), command_tasks=(a.ended("", code=0),)),
        IDLE,
        "busy",
        "The roll-out is under way",
    ),
    "unsure": (a.stack(service=a.DENIED), IDLE, "busy", "Some parts could not be read"),
    "paused": (SITUATIONS["stack-paused"], IDLE, "calm", "The stack is paused"),
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


def test_page_that_answers_is_asked_again_after_a_change_only(monkeypatch, tmp_path):
    given, glance, answers = [], ["one"], [500, 200]

    def gather(inquiry):
        page = inquiry.page
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


def test_timeline_has_what_scaled_the_service(monkeypatch, tmp_path):
    text = verbatim("Setting desired count to 2. (minimum capacity was set to 2)")
    done = events.Event(a.NOW, "scaling", "", text)
    monkeypatch.setattr(watching.events, "of_scaling", lambda *_: [done])
    monkeypatch.setattr(watching.logs, "read", lambda *_: ())
    found = watching.Watcher(Home(tmp_path), None)._events(a.stack())
    [event] = [each for each in found if each.kind == "scaling"]
    assert str(event.text) == "Setting desired count to 2. (minimum capacity was set to 2)"


def test_stage_that_is_half_built_has_nothing_broken():
    half = a.stage1(database=None)
    found = state(seen(half, BUILDING))
    assert "blocked" not in {link["state"] for link in found["links"].values()}
    assert found["doctor"]["findings"] == []
    assert state(seen(half))["links"]["database-node"]["state"] == "blocked"


def test_values_of_environment_and_secrets_are_not_shown():
    values = {**a.definition().environment, "TOKEN": "marked-token", "DB_USER": "marked-user"}
    marked = a.definition(environment=values)
    database = a.database(user="marked-user")
    for lang in LANGUAGES:
        with in_language(lang):
            found = json.dumps(state(seen(a.stack(main=marked, database=database))))
        assert "marked" not in found
        assert "rds!db-1-AbCdEf" in found, "the secret's name is there"


def timeline(*events, **parts):
    return state(seen(a.stack(**parts), events=events))["timeline"]


def test_timeline_has_an_end_and_keys_of_its_own():
    found = timeline(*logged(*map(str, range(SHOWN + 50))))
    assert len(found) == len({event["key"] for event in found}) == SHOWN


@pytest.fixture
def work(tmp_path):
    """Return a function that writes the engine's lock and checkpoint, and returns its work as the page reads it."""
    engine = EngineWork(Home(tmp_path))

    def work(resources, *pending, pid=None):
        backend(tmp_path, resources=resources, pending=pending, pid=pid)
        return engine.of("poc")

    assert (engine.stacks(), engine.of("poc")) == ((), IDLE)
    yield work
    assert engine.stacks() == ("poc",)


def test_engine_s_lock_and_checkpoint_show_its_work(work):
    assert work(3, "creating", pid=os.getpid()) == replace(IDLE, busy=True, resources=3)
    assert work(2, "deleting", pid=os.getpid()).removing is False, "an update that deletes, too"
    assert work(2) == replace(IDLE, resources=2)
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    assert work(3, pid=dead.pid).busy is False


def test_engine_that_only_deletes_destroys(work):
    assert work(9, pid=os.getpid()).removing is False
    assert work(8, "deleting", pid=os.getpid()).removing is True
    assert work(7, pid=os.getpid()).removing is True, "between two operations it goes on"


def test_checkpoint_that_is_being_written_is_no_trouble(tmp_path):
    backend(tmp_path)
    (tmp_path / "state/.pulumi/stacks/careapp/poc.json").write_text('{"checkpoint": {')
    assert EngineWork(Home(tmp_path)).of("poc") == IDLE


def test_rule_is_shown_with_all_conditions_and_without_secrets():
    header, host = Condition("http-header", ("p9w",)), Condition("host-header", ("a.example",))
    conditions = (header, host, a.EVERY)
    oidc = Oidc(authorization="", token="", userinfo="", client="me", scope="openid")
    new = Rule(
        priority="50", action="forward", groups=(a.GROUP_ARN,), conditions=conditions, login=oidc
    )
    [listener] = a.balancer().listeners
    shown = state(seen(a.stack(balancer=a.entrance(new, *listener.rules))))
    assert [tuple(rule.values()) for rule in shown["balancer"]["listeners"][0]["rules"]] == [
        (
            "50",
            "http-header; host-header: a.example; /*",
            "authenticate-oidc, forward → careapp-poc-tg",
        ),
        ("100", "/*", "forward → careapp-poc-tg"),
        ("default", "everything else", "fixed-response"),
    ]


def test_image_is_that_of_the_service_s_task_definition():
    image = state(seen(a.stack()))["stores"]["image"]
    assert image["name"] == a.definition().image.rpartition("/")[2]
    assert set(re.findall(r"now\.stores\.image\.(\w+)", PARTS.read_text())) <= image.keys()
