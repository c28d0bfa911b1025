"""What the screens say, as recorded, and their exit codes."""

import json

import pytest

from careapp import command_line
from ecs_gate import screen
from ecs_gate.aws.local_cloud import FACTS
from ecs_gate.diagnosis.screen import plain
from ecs_gate.doctor import judge
from tests import stacks as a
from tests.doctor.situations import SITUATIONS, crashed
from tests.watch.screens import SCREENS, recorded, section_of


@pytest.mark.parametrize("name", SCREENS)
def test_a_screen_is_as_recorded(name, monkeypatch):
    monkeypatch.setattr(screen, "now", lambda: a.NOW)
    said = recorded()[name]
    assert section_of(name) == said, "python -m tests.watch.screens writes screens.txt anew"


def test_what_a_local_cloud_left_out_stands_below_evidence_of_something_missing(
    tmp_path, monkeypatch
):
    facts = tmp_path / "cloud.json"
    facts.write_text(json.dumps({"state": {"left_out": ["app/Dockerfile:5: RUN apt-get update"]}}))
    missing = crashed("OSError: libpango.so.0: cannot open shared object file", "Shutting down")
    below = [
        "It may be so here only, because a Docker engine is needed for:",
        "  app/Dockerfile:5: RUN apt-get update",
    ]
    assert plain(judge(missing)).splitlines()[-2:] != below
    monkeypatch.setenv(FACTS, str(facts))
    for failed in (missing, crashed("SyntaxError: invalid syntax")):
        assert plain(judge(failed)).splitlines()[-2:] == below
    for other in (crashed("KeyError: 'DB_HOST'"), SITUATIONS["health-path-missing"]):
        assert not set(below) & set(plain(judge(other)).splitlines())


def test_a_very_long_line_of_evidence_is_cut_on_the_screen_only():
    snapshot = a.failing(
        a.ended("CannotStartContainerError: " + "x" * 900, stop="TaskFailedToStart")
    )
    diagnosis = judge(snapshot)
    assert max(map(len, plain(diagnosis).splitlines())) < 420
    assert len(diagnosis.first.evidence[0]) > 900


@pytest.mark.usefixtures("stack")
@pytest.mark.parametrize(
    "command", [["doctor"], ["status"], ["jobs"], ["events"], ["doctor", "--json"]]
)
def test_stack_file_that_is_wrong_blinds_no_command_that_looks(run, folder, command):
    well = run(*command)
    with (folder / "Pulumi.poc.yaml").open("a") as file:
        file.write("  careapp:healthPath: nowhere\n  careapp:tasksCpu: '256'\n")
    command_line._warn.cache_clear()
    code, shown, complaint = run(*command)
    # The doctor has not read the file, and calls nothing healthy.
    doctor = command[0] == "doctor"
    assert (code, "the stack file: " in shown or '"the stack file"' in shown) == (well[0], doctor)
    assert doctor or len(shown.splitlines()) == len(well[1].splitlines())
    assert "the settings of stack poc are invalid (2 problems):" in complaint
    assert complaint.count("What follows is what AWS has") == 1


@pytest.mark.usefixtures("stack")
def test_stack_file_without_a_region_is_refused(run, folder):
    (folder / "Pulumi.poc.yaml").write_text("config:\n  careapp:healthPath: nowhere\n")
    code, shown, complaint = run("status")
    assert (code, shown, "aws:region" in complaint) == (2, "", True)


def test_time_of_this_day_here_has_no_date(clock_in):
    """In Tokyo a day ends at 15:00 UTC."""
    clock_in("JST-9")
    evening = a.NOW.replace(hour=14, minute=59)
    assert screen.short_time(evening, a.NOW) == "23:59:00"
    assert screen.short_time(evening.replace(hour=15), a.NOW) == "11-26 00:59:00"
