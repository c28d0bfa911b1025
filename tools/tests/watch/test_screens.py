"""What the screens say, as recorded, and their exit codes."""

import json

import pytest

from tools import screen
from tools.aws.local_cloud import FACTS
from tools.doctor.diagnose import judge
from tools.doctor.screen import plain
from tools.tests import stacks as a
from tools.tests.doctor.situations import crashed
from tools.tests.watch.screens import SCREENS, STATUSES, recorded, section
from tools.watch import status as status_screen


@pytest.mark.parametrize("name", SCREENS)
def test_a_screen_is_as_recorded(name, monkeypatch):
    monkeypatch.setattr(screen, "now", lambda: a.NOW)
    said = recorded()[name]
    assert section(name) == said, "python -m tools.tests.watch.screens writes screens.txt anew"


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


def test_a_very_long_line_of_evidence_is_cut_on_the_screen_only():
    snapshot = a.failing(
        a.ended("CannotStartContainerError: " + "x" * 900, stop="TaskFailedToStart")
    )
    diagnosis = judge(snapshot)
    assert max(map(len, plain(diagnosis).splitlines())) < 420
    assert len(diagnosis.first.evidence[0]) > 900


@pytest.mark.parametrize(("hours", "inside"), [("20:00", False), ("22:00", True)])
def test_the_status_for_scripts_says_whether_it_is_within_the_hours(hours, inside):
    assert status_screen.as_dict(STATUSES[f"hours until {hours}"])["in_hours"] is inside


@pytest.mark.parametrize(
    ("snapshot", "code"),
    [
        (a.stack(), 0),
        (a.unhealthy("Request timed out"), 1),
        (a.stack(database=a.database(status="stopped")), 1),
        (a.stack(database=a.database(status="storage-full")), 1),
        *((a.stack(**{part: a.DENIED}), 2) for part in ("tasks", "group", "targets")),
        (a.stage1(), 0),
        (a.stage1(a.choices()), 1),
        (STATUSES["hours until 20:00"], 0),
        (STATUSES["hours until 22:00"], 1),
        (STATUSES["a worker"], 0),
        (STATUSES["a worker that crashes"], 1),
        (STATUSES["a worker without tasks"], 0),
        (STATUSES["a worker that is missing"], 1),
        (STATUSES["a worker that cannot be read"], 2),
    ],
)
def test_the_exit_code_of_status_separates_unhealthy_from_unknown(snapshot, code):
    assert status_screen.exit_code(snapshot) == code
