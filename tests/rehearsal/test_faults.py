"""``./careapp rehearse --break NAME``: mistakes as people make them, and what the doctor says of them."""

from __future__ import annotations

import json
import re

import pytest

from rehearsal.faults import FAULTS, Edit, FaultError
from rehearsal.paths import ROOT
from rehearsal.project import copy_program

FOUND = {
    "health-path": "health-path-missing",
    "task-cannot-reach-db": "task-cannot-reach-database",
}


@pytest.mark.parametrize("name", sorted(FAULTS))
def test_a_faults_edits_fit_the_program_as_it_is_and_leave_it_python(name, tmp_path):
    copy_program(tmp_path / "source")
    for edit in FAULTS[name].edits:
        edit.apply(tmp_path / "source")
        text = (tmp_path / "source" / edit.file).read_text()
        compile(text, edit.file, "exec")


def test_an_edit_that_no_longer_fits_is_refused_with_what_it_looks_for(tmp_path):
    (tmp_path / "file.py").write_text("x = 1\n")
    with pytest.raises(FaultError, match=r"file\.py has 'y = 1' 0 times, not once"):
        Edit(file="file.py", old="y = 1", new="z = 1").apply(tmp_path)


def test_the_table_in_the_docs_has_every_fault():
    table = (ROOT / "docs" / "faults.md").read_text()
    assert re.findall(r"^\| `([\w-]+)` \|", table, re.MULTILINE) == list(FAULTS)


@pytest.mark.parametrize("name", sorted(FOUND))
def test_a_fault_is_red_and_the_doctor_names_its_cause(careapp, tmp_path, name):
    file = tmp_path / "report.json"
    how = ("--exit", "--tasks", "process", "--port", "0", "--json", str(file))
    done = careapp.run("rehearse", "--break", name, *how)
    assert done.returncode == 1, done.stdout + done.stderr
    report = json.loads(file.read_text())
    assert report["diagnosis"]["findings"][0]["id"] == FOUND[name]
    assert report["destroy"]["left"] == 0
