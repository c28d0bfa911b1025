"""Where a text leaves: the screen, JSON, a finding, `pulumi up`, a mistake, a rehearsal's console and report."""

import json
import sys
from dataclasses import replace

import click
import pytest

from careapp import command_line
from careapp.command_line import print_json
from careapp.database.commands import answered
from careapp.database.queries import QueryResult
from careapp.rehearsal.stages import Report
from ecs_gate.checks.running import APP_RAISES
from ecs_gate.diagnosis.findings import Diagnosis, Finding
from ecs_gate.diagnosis.screen import as_dict, plain
from ecs_gate.pulumi import RolloutFailed
from ecs_gate.screen import Line, display
from ecs_gate.text import t, verbatim
from ecs_gate.text.masking import mask_data, mask_lines, visible
from local_cloud import console

URL = "redis://app:p9w@h/0"
MASKED = "redis://app:***@h/0"
LONG = "redis://app:" + "p9w" * 200 + "@h/0"
"""Longer than what a screen shows of a line: shortened first, it would end within the password."""


def diagnosis():
    finding = Finding(
        APP_RAISES,
        title=t("the page"),
        why=t("{what}", what=URL),
        seen=(t("{what}", what=URL),),
        evidence=(LONG, "-----BEGIN PRIVATE KEY-----", "bm9uZQ=="),
    )
    return Diagnosis(
        names="careapp-poc", stage=t("{what}", what=URL), findings=(finding,), unread=()
    )


def test_the_doctor_shows_no_secret_on_its_screen_and_in_its_json():
    for shown in (plain(diagnosis()), json.dumps(as_dict(diagnosis()))):
        assert shown.count(MASKED) == 4
        assert "p9w" not in shown
        assert "bm9uZQ==" not in shown


def test_a_line_is_masked_when_it_is_made_unless_it_is_to_stay_whole(capsys):
    display([Line(URL), Line(URL, whole=True)])
    assert capsys.readouterr().out == f"{MASKED}\n{URL}\n"


DRIVES = "a\x1b[2Jb\x00c\x9bd\u202ee\u2066f\x7fg\rh\n\ti\r\n\N{FAMILY}\u200dend\r"
VISIBLE = r"a\u001b[2Jb\u0000c\u009bd\u202ee\u2066f\u007fg\u000dh" "\n\ti\r\n\N{FAMILY}\u200dend\r"
LEAVES = {
    "a line": lambda text: Line(text).text,
    "a line as it is": lambda text: Line(text, whole=True).text,
    "a text": lambda text: str(verbatim(text)),
    "data": lambda text: mask_data({"a": [text]})["a"][0],
    "a line of a log": lambda text: next(mask_lines([text])),
    "evidence": lambda text: replace(diagnosis().causes[0], evidence=(text,)).masked_evidence[0],
    "what up ends with": lambda text: str(RolloutFailed(text)),
}


@pytest.mark.parametrize("leaves", LEAVES.values(), ids=LEAVES)
def test_no_text_from_outside_drives_a_terminal_or_is_read_backwards(leaves):
    assert leaves(DRIVES) == leaves(VISIBLE) == VISIBLE


def test_what_would_drive_a_terminal_stays_the_same_for_who_reads_it_as_json():
    line = Line(json.dumps({"message": DRIVES}, ensure_ascii=False))
    assert json.loads(line.text) == {"message": DRIVES}
    assert visible(line.text) == line.text


def test_the_rows_of_a_query_stay_whole():
    lines = answered(QueryResult(columns=("url",), rows=((URL,),), status="SELECT 1"))
    assert [line.text for line in lines][-1] == URL


def test_json_and_what_pulumi_up_ends_with_are_masked(capsys):
    assert str(RolloutFailed(f"the roll-out failed: {URL}")) == f"the roll-out failed: {MASKED}"
    print_json({"password": "p9w", "text": URL, "count": 1})
    assert json.loads(capsys.readouterr().out) == {"password": "***", "text": MASKED, "count": 1}


def test_the_traceback_of_a_mistake_is_masked(monkeypatch, capsys):
    @click.command()
    def broken():
        raise ValueError(URL)

    monkeypatch.setattr(sys, "argv", ["./careapp"])
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    with pytest.raises(ValueError, match="redis") as mistake:
        command_line.run(broken)
    sys.excepthook(mistake.type, mistake.value, mistake.tb)
    shown = capsys.readouterr().err
    assert f"ValueError: {MASKED}" in shown
    assert "Traceback" in shown


def test_a_rehearsal_prints_and_writes_no_secret(capsys, tmp_path):
    console.print_heading(URL)
    console.print_line(URL)
    console.print_note(URL)
    Report(error=URL).write(tmp_path / "report.json")
    said = capsys.readouterr()
    assert "p9w" not in said.out + said.err + (tmp_path / "report.json").read_text()
