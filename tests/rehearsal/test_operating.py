"""What a person does to a running stack, typed in ``./careapp shell``."""

from __future__ import annotations

import json
import sys
import urllib.error
import urllib.request


def ops(running, *words, code=0):
    done = running.shell(sys.executable, "-m", "ops", *words)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


def page(running):
    [listener] = running.facts()["state"]["listeners"]
    try:
        with urllib.request.urlopen(listener["url"] + "/health/db", timeout=10) as answer:
            return answer.status
    except urllib.error.HTTPError as refused:
        return refused.code


def test_a_paused_stack_stays_paused_through_an_up_and_comes_back_whole(running):
    assert page(running) == 200
    paused = json.loads(ops(running, "pause", "--yes", "--json"))
    assert (paused["paused"], paused["database"], paused["running"]) == (True, "stopped", 0)
    state = running.facts()["state"]
    assert (state["tasks"], [each["pid"] for each in state["databases"]]) == ([], [None])
    assert page(running) == 503
    up = running.shell("pulumi", "up", "-s", "poc", "--yes", "--skip-preview")
    assert up.returncode == 0, up.stdout + up.stderr
    assert "the stack is paused and stays so" in up.stdout
    assert ops(running, "doctor").count("[note] The stack is paused") == 1
    assert "is paused." in ops(running, "pause"), (
        "a second pause asks nothing: nothing is to be done"
    )
    resumed = ops(running, "resume")
    assert f"runs: {paused['count']} of {paused['count']} tasks, all healthy" in resumed
    assert page(running) == 200
