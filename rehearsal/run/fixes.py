"""After a red roll-out: it stays red, then what the doctor says is done, and it is green."""

from __future__ import annotations

import difflib
import json
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from i18n import said, t
from rehearsal.engine.pulumi import PulumiFailed
from rehearsal.paths import ROOT
from rehearsal.run.faults import Fault
from rehearsal.run.stages import Rehearsal, RehearsalFailed

HEALTHY, CAUSE_FOUND = 0, 1
"""Exit codes of ``./careapp doctor``."""


@dataclass(frozen=True)
class Change:
    """What a fault changed in a file: where, and as a diff without its head."""

    file: Path
    line: int
    diff: tuple[str, ...]


def changes(fault: Fault, source: Path) -> Iterator[Change]:
    """What ``fault`` has changed below ``source``, against the project itself."""
    for file in dict.fromkeys(edit.file for edit in fault.edits):
        before, after = ((folder / file).read_text().splitlines() for folder in (ROOT, source))
        codes = difflib.SequenceMatcher(None, before, after).get_opcodes()
        line = next((at + 1 for tag, _, _, at, _ in codes if tag != "equal"), 1)
        told = difflib.unified_diff(before, after, n=1, lineterm="")
        marks = ("---", "+++", "@@")
        yield Change(source / file, line, tuple(x for x in told if not x.startswith(marks)))


def diagnose(run: Rehearsal) -> None:
    """Note what ``./careapp doctor`` finds. Raises ``RehearsalFailed`` when it finds no cause."""
    run.report.diagnosis = _doctor(run, CAUSE_FOUND)


def mend(run: Rehearsal, fault: Fault, source: Path) -> None:
    """A second ``up`` must be red, too; then the first finding's fix must make it green.

    Where the fix is one of the program or the app, the mistaken edit is taken back before its
    commands run. Raises ``RehearsalFailed`` and ``FaultError``.
    """
    _still_red(run)
    fixes = _chosen(run)
    told = [each["text"] for each in fixes]
    commands = [command for each in fixes for command in each["commands"]]
    run.report.mend = {"told": told, "commands": commands, "edited": []}
    if fault.mended_in_code:
        for edit in fault.edits:
            run.say(t("Mend: {file} is put right", file=edit.file))
            edit.back(source)
            run.report.mend["edited"].append(edit.file)
    for command in commands:
        run.say(t("Mend: {command}", command=command))
        _type(run, command)
    _green(run)


def _still_red(run: Rehearsal) -> None:
    run.say(t("Once more: pulumi up, with nothing mended"))
    try:
        run.pulumi.update("up", run.stack)
    except PulumiFailed as problem:
        run.report.second_up = {"red": True, "exit_code": problem.status}
        return
    raise RehearsalFailed(t("the second `pulumi up` is green although nothing was mended"))


def _chosen(run: Rehearsal) -> list[dict[str, Any]]:
    """The first finding's first fix, and those that follow on it; the rest are other ways."""
    finding = (run.report.diagnosis or {})["findings"][0]
    first, *others = finding["fixes"]
    return [first, *(each for each in others if each["then"])]


def _type(run: Rehearsal, command: str) -> None:
    """Run a command as it is told. A `pulumi up` before the last step may still be red."""
    words = shlex.split(command)
    if words[:2] == ["pulumi", "up"]:
        try:
            run.pulumi.update("up", run.stack, *(word for word in words if word == "--refresh"))
        except PulumiFailed as problem:
            run.say(t("red as yet: {why}", why=str(problem).splitlines()[0]))
        return
    if words[0] == "pulumi":
        run.pulumi.run(*words[1:])
        return
    try:
        _run(run, words)
    except FileNotFoundError as problem:
        raise RehearsalFailed(
            t(
                "the fix needs {program}, which is not on PATH: `{command}`",
                program=words[0],
                command=command,
            )
        ) from problem


def _run(run: Rehearsal, words: list[str]) -> None:
    done = subprocess.run(
        words,
        cwd=run.pulumi.folder,
        env=dict(run.pulumi.environment),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RehearsalFailed(
            t(
                "`{command}` ended with {code}: {words}",
                command=shlex.join(words),
                code=done.returncode,
                words=(done.stderr or done.stdout).strip(),
            )
        )


def _green(run: Rehearsal) -> None:
    run.say(t("Once more: pulumi up, which must be green now"))
    try:
        run.pulumi.update("up", run.stack)
    except PulumiFailed as problem:
        raise RehearsalFailed(
            t("mended as the doctor says, and still red: {why}", why=said(problem))
        ) from problem
    status = run.wait_for_page()
    _doctor(run, HEALTHY)
    if run.report.mend is not None:
        run.report.mend |= {"green": True, "page": status}
    run.say(t("Green again, the page answers, and the doctor calls the stack healthy."))


def _doctor(run: Rehearsal, expected: int) -> dict[str, Any]:
    asked = subprocess.run(
        [sys.executable, "-m", "cli", "doctor", "--json", "--stack", run.stack],
        cwd=run.pulumi.folder,
        env={**run.pulumi.environment, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    if asked.returncode != expected:
        raise RehearsalFailed(
            t(
                "doctor ended with {code}, not {expected}: {words}",
                code=asked.returncode,
                expected=expected,
                words=f"{asked.stdout}{asked.stderr}",
            )
        )
    found: dict[str, Any] = json.loads(asked.stdout)
    return found
