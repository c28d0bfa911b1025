"""``./careapp rehearse --break NAME``: mistakes as people make them, and what the doctor says of them."""

import json
import re
import shutil
from dataclasses import replace
from html import escape
from types import SimpleNamespace
from urllib.parse import quote
from urllib.request import urlopen

import pytest

from careapp import ROOT
from careapp.rehearsal import fixes
from careapp.rehearsal.faults import FAULTS, Edit, FaultError
from careapp.rehearsal.rehearse import _check_root, check_settings, print_edits
from careapp.rehearsal.stages import Rehearsal, RehearsalFailed, Report
from careapp.settings.file import StackError, read
from ecs_gate.diagnosis.known_causes import KNOWN
from local_cloud.engine.pulumi import PulumiFailed
from local_cloud.run.client import Options
from tests.doctor.recorded import ALL
from tests.rehearsal.conftest import UP
from tests.rehearsal.terminal import JAPANESE, check_command, open_terminal, rehearsed


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_faults_edits_fit_the_program_as_it_is_and_leave_it_python(fault, tmp_path):
    for file in {edit.file for edit in fault.edits}:
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / file, tmp_path / file)
    for edit in fault.edits:
        edit.apply(tmp_path)
        text = (tmp_path / edit.file).read_text()
        if edit.file.endswith(".py"):
            compile(text, edit.file, "exec")


@pytest.mark.parametrize(
    "name", sorted(name for name, each in FAULTS.items() if each.config or each.before)
)
def test_a_fault_s_settings_and_those_that_correct_it_are_ones_of_the_stack_file(name):
    file, fault = read("poc", ROOT), FAULTS[name]
    given = {**fault.before, **fault.config}
    wrong = check_settings(file, tuple(given.items()))
    right = check_settings(file, tuple({**given, **fault.corrected}.items()))
    assert (wrong == right) == (not fault.corrected)


def test_edit_is_taken_back_and_refused_where_it_no_longer_fits(tmp_path):
    file = tmp_path / "file.py"
    file.write_text("x = 1\n")
    edit = Edit(file="file.py", old="x = 1", new="x = 2")
    edit.apply(tmp_path)
    assert file.read_text() == "x = 2\n"
    with pytest.raises(FaultError, match=r"file\.py contains 'x = 1' 0 times, not once"):
        edit.apply(tmp_path)
    edit.revert(tmp_path)
    assert file.read_text() == "x = 1\n"


@pytest.mark.parametrize(("name", "here"), [("login-secret", True), ("login-issuer", False)])
def test_login_of_a_fault_is_at_the_provider_here_if_there_is_one(name, here):
    run, asked = Rehearsal(None, "poc", lambda: SimpleNamespace(time=None), print), []
    run._set_all, run._register_login = list, lambda: asked.append("the provider")
    run.make_mistake(replace(FAULTS[name], manual_change=None), ROOT)
    assert asked == ["the provider"] * here


def test_cure_that_ecs_must_retry_ends_with_an_up_that_succeeds(monkeypatch):
    ups = [PulumiFailed(["up"], 255)] * 2
    retry = {"text": "", "commands": ["./careapp retry"], "then": False}
    told = {"findings": [{"fixes": [retry]}]}
    monkeypatch.setattr(fixes, "_up", lambda _: ups.pop())
    monkeypatch.setattr(fixes, "diagnosis", lambda *_: told)
    done = {"type": lambda *_: SimpleNamespace(returncode=0), "wait_for_page": lambda: 200}
    run = SimpleNamespace(say=print, report=Report(diagnosis=told), **done)
    with pytest.raises(RehearsalFailed, match="`pulumi up` still fails"):
        fixes.apply_fix(run, FAULTS["login-secret"], ROOT)
    assert ups == []


def test_the_cause_of_a_fault_is_a_finding_that_is_recorded():
    """With its certainty, its sentences and its cure."""
    known = {finding.partition(":")[0] for finding in ALL} | {cause.facts.id for cause in KNOWN}
    assert {fault.cause for fault in FAULTS.values()} <= known


def test_the_table_in_the_docs_has_every_fault():
    table = (ROOT / "docs" / "faults.md").read_text()
    assert re.findall(r"^\| `([\w-]+)` \|", table, re.MULTILINE) == list(FAULTS), (
        "the table of docs/faults.md has the faults of packages/careapp/careapp/rehearsal/faults.py, in their order"
    )


def test_a_fault_of_a_read_only_root_is_refused_where_the_root_is_writable():
    fault = FAULTS["read-only-root"]
    how = {"region": "x", "speed": 20, "port": 0, "namespaces": True}
    for docker, mounts in ((False, True), (True, False)):
        options = Options(**how, docker=docker, mounts=mounts)
        _check_root(options, fault)
    with pytest.raises(StackError, match="--break read-only-root needs a read-only root"):
        _check_root(Options(**how, docker=False, mounts=False), fault)


PRINTS_ITS_URL = """\
import os
url = "postgresql://{DB_USER}:{DB_PASSWORD}@{DB_HOST}/{DB_NAME}".format(**os.environ)
raise RuntimeError(f"cannot connect to {url}")
"""
COMMANDS = (
    *("doctor", "doctor --json", "status", "status --json", "events --logs"),
    *("events --logs --json", "logs", "logs --json", "logs --previous", "retry --dry-run"),
)
RECORD = "cloud"
"""The folder of the home with what the local cloud itself keeps: the database's files, the log."""


def shows_no_password(careapp, file):
    """An app prints its database URL and ends: nothing that is printed, written or served has the password."""
    before = file.read_text()
    file.write_text(before + PRINTS_ITS_URL)
    up = careapp.up()
    assert up.returncode != 0
    raw = careapp.shell("./careapp", "logs", "--raw").stdout
    [password] = set(re.findall(r"RuntimeError: cannot connect to postgresql://\w+:(\S+)@", raw))
    shown = {"pulumi up": up.stdout + up.stderr}
    for words in COMMANDS:
        done = careapp.shell("./careapp", *words.split())
        shown[words] = done.stdout + done.stderr
    shown["stack export"] = careapp.shell("pulumi", "stack", "export", "-s", "poc").stdout
    address = careapp.facts()["page"]
    for path in ("/", "/state"):
        with urlopen(f"{address}{path}?lang=en") as answer:
            shown[path] = answer.read().decode()
    with urlopen(f"{address}/live?lang=en") as answer:
        shown["/live"] = answer.readline().decode()
    for written in careapp.home.folder.rglob("*"):
        if written.is_file() and written.relative_to(careapp.home.folder).parts[0] != RECORD:
            shown[str(written)] = written.read_bytes().decode(errors="replace")
    forms = (password, json.dumps(password)[1:-1], escape(password), quote(password))
    assert [name for name, text in shown.items() if any(form in text for form in forms)] == []
    quoted = (
        "pulumi up",
        "doctor",
        "doctor --json",
        "events --logs",
        "logs",
        "/",
        "/state",
        "/live",
    )
    masked = "RuntimeError: cannot connect to postgresql://postgres:***@"
    assert [name for name in quoted if masked not in shown[name]] == []
    file.write_text(before)


def test_while_a_fault_stands_the_shell_has_its_program_and_mending_it_is_green(tmp_path):
    """The README's second command, in Japanese."""
    [command] = rehearsed("README")[1][2].commands

    def examine():
        careapp = terminal.alone
        shows_no_password(careapp, careapp.home.source / "webapp" / "__init__.py")
        careapp.expect(0, *["pulumi", "config", "set", "healthPath", "/health"])
        careapp.expect(0, *UP)

    with open_terminal(tmp_path) as terminal:
        terminal.meanwhile = examine
        check_command(terminal, command, JAPANESE)
    assert "careapp: stage2 が失敗しました: pulumi up" in terminal.said
    assert "すべて削除されました" in terminal.said


def test_a_changed_line_is_shown_with_its_file(tmp_path, capsys):
    fault = FAULTS["crash-on-start"]
    [file] = {tmp_path / edit.file for edit in fault.edits}
    file.parent.mkdir()
    shutil.copy(ROOT / "webapp" / "__init__.py", file)
    fault.edits[0].apply(tmp_path)
    print_edits(fault, tmp_path, "")
    number = file.read_text().splitlines().index("import pandas") + 1
    said = capsys.readouterr().out
    assert f"The mistake is in {file}:{number}:" in said
    assert "\n  +import pandas\n   from flask import Flask\n" in said
