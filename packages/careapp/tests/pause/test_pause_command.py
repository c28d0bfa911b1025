"""Pause and resume as commands, over an account of moto: words, refusals, data for scripts."""

import json
from datetime import UTC, datetime
from unittest.mock import Mock

import pytest

from careapp.pause import commands
from careapp.pause.steps import Pausable
from tests import stacks as a
from tests.conftest import Terminal, client

WEB, NONE = a.service(desired=2, running=2), a.service(desired=0, running=0)


def database_status():
    return client("rds").describe_db_instances()["DBInstances"][0]["DBInstanceStatus"]


@pytest.mark.usefixtures("stack")
def test_without_a_terminal_pause_is_refused(run):
    code, shown, complaint = run("pause")
    assert (code, shown, database_status()) == (1, "", "available")
    words = "before it stops careapp-poc, but there is no terminal; use --yes"
    assert words in complaint


@pytest.mark.usefixtures("stack")
def test_pause_without_consent_changes_nothing(run, monkeypatch):
    monkeypatch.setattr("sys.stdin", Terminal("n"))
    monkeypatch.setattr("click.termui.visible_prompt_func", lambda _: "n")
    code, shown, _ = run("pause")
    assert (code, database_status()) == (1, "available")
    assert "careapp-poc in ap-northeast-1: all tasks and the schedules of jobs stop" in shown


@pytest.mark.slow
@pytest.mark.usefixtures("stack")
def test_pause_prints_json_and_status_and_doctor_report_it(run, monkeypatch):
    monkeypatch.setenv("LOCAL_CLOUD_POLL_SECONDS", "0.01")
    code, shown, progress = run("pause", "--yes", "--json")
    found = json.loads(shown)
    assert (code, found["paused"], found["desired"], found["database"]) == (0, True, 0, "stopped")
    assert "the database is available" in progress
    code, shown, _ = run("pause")
    assert (code, "careapp-poc is paused." in shown) == (0, True), "a second pause asks nothing"
    code, shown, _ = run("status")
    assert (code, "Paused: since " in shown) == (0, True)
    code, shown, _ = run("doctor")
    assert "The stack is paused" in shown
    assert "./careapp resume -s poc" in shown
    assert "The database is stopped" not in shown
    assert "set to run no task" not in shown
    assert "✗ The database is available" in run("preflight")[1]


@pytest.mark.parametrize(
    ("words", "other"), [(("pause", "--yes"), "resume"), (("resume",), "pause")]
)
def test_an_interrupt_says_how_to_continue(run, monkeypatch, stack, words, other):
    monkeypatch.setattr(Pausable, "database", Mock(side_effect=KeyboardInterrupt))
    code, _, complaint = run(*words)
    text = (
        f"continue with `./careapp {words[0]} -s poc`, or go back with `./careapp {other} -s poc`"
    )
    assert (code, text in complaint) == (130, True)


def test_a_missing_stack_cannot_be_paused(run, account, monkeypatch):
    monkeypatch.setattr("careapp.pause.steps.rds.database", lambda *_, **__: None)
    code, _, complaint = run("pause", "--yes")
    assert code == 1
    assert "There is no database careapp-poc in ap-northeast-1" in complaint


@pytest.mark.parametrize(
    ("choices", "web", "tasks", "why"),
    [
        ({}, WEB, "2 of 2", ""),
        ({"desiredCount": "0"}, None, "0 of 0", ""),
        ({"desiredCount": "0"}, NONE, "0 of 0", " (the stack file's desiredCount is 0)"),
        ({"schedule": "mon-fri 08:00-20:00"}, NONE, "0 of 0",
         " (it is outside of the hours mon-fri 08:00-20:00 (Asia/Tokyo), and the schedule starts the tasks)"),
    ],
)  # fmt: skip
def test_a_resumed_stack_says_how_many_tasks_run_or_why_none(choices, web, tasks, why, monkeypatch):
    monkeypatch.setattr(commands.local_cloud, "now", lambda: datetime(2026, 11, 29, tzinfo=UTC))
    said = commands._running(a.choices(**choices), a.database(), web).text
    assert said == f"careapp-poc runs: {tasks} tasks; the database is available.{why}"
