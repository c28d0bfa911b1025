"""Apply the doctor's fix after a failed roll-out and check that the next ``pulumi up`` succeeds."""

import difflib
import json
import shlex
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from careapp import ROOT
from careapp.rehearsal.faults import Fault
from careapp.rehearsal.stages import Rehearsal, RehearsalFailed
from ecs_gate.text import t, text_of
from local_cloud.engine.pulumi import PulumiFailed

HEALTHY, CAUSE_FOUND = 0, 1
"""Exit codes of ``./careapp doctor``."""


def changes(fault: Fault, source: Path) -> Iterator[tuple[str, list[str]]]:
    """Yield each file in ``source`` that ``fault`` changed, with the line, and the diff without its header."""
    for file in dict.fromkeys(edit.file for edit in fault.edits):
        before, after = ((folder / file).read_text().splitlines() for folder in (ROOT, source))
        codes = difflib.SequenceMatcher(None, before, after).get_opcodes()
        line = next((at + 1 for tag, _, _, at, _ in codes if tag != "equal"), 1)
        diff = difflib.unified_diff(before, after, n=1, lineterm="")
        marks = ("---", "+++", "@@")
        yield f"{source / file}:{line}", [x for x in diff if not x.startswith(marks)]


VISITS, LONGEST = 20, 180.0
"""Visits of the page between two diagnoses, and seconds of this machine until the doctor has to find a cause."""


def visit_until_cause(run: Rehearsal) -> None:
    """Visit the page until ``./careapp doctor`` finds a cause, and report it. Raises ``RehearsalFailed``."""
    run.say(t("Visits of the page, until ./careapp doctor finds a cause"))
    begun = time.monotonic()
    while time.monotonic() - begun < LONGEST:
        run.visit(VISITS)
        doctor = run.careapp("doctor", "--json")
        if doctor.returncode == CAUSE_FOUND:
            run.report.diagnosis = json.loads(doctor.stdout)
            return
    raise RehearsalFailed(
        "after visits for {seconds:.0f} s the doctor finds no cause: {words}",
        seconds=LONGEST,
        words=f"{doctor.stdout}{doctor.stderr}",
    )


def apply_fix(run: Rehearsal, fault: Fault, source: Path) -> None:
    """Apply the first finding's fix, and check that ``up`` succeeds.

    For a fix in the program or the app, the fault's edit is reverted before the commands of the fix run; settings that
    only a person can correct are set.
    Raises ``RehearsalFailed`` and ``FaultError``.
    """
    fixes = _first_fix(run.report.diagnosis or {})
    texts = [fix["text"] for fix in fixes]
    commands = [command for fix in fixes for command in fix["commands"]]
    run.report.mend = {"told": texts, "commands": commands, "edited": []}
    if fault.fixed_in_code:
        for edit in fault.edits:
            run.say(t("Fix: the mistake in {file} is reverted", file=edit.file))
            edit.revert(source)
            run.report.mend["edited"].append(edit.file)
    for key, value in fault.corrected.items():
        run.say(t("Fix: {key} is set to {value}", key=key, value=value))
        run.set(key, value)
        run.report.mend["edited"].append(key)
    if not (_run_commands(run, commands) or _succeeds(run)):
        # ECS may have given the deployment up before the fix: then the doctor says to try again.
        again = _first_fix(diagnosis(run))
        more = [command for fix in again for command in fix["commands"]]
        run.report.mend["commands"] += more
        if not _run_commands(run, more):
            _succeeds(run, required=True)
    _check_success(run)


def require_failure(run: Rehearsal) -> None:
    """Check that a second ``up`` without a fix fails. Raises ``RehearsalFailed``."""
    run.say(t("Again: pulumi up, without a fix"))
    if not (problem := _up(run)):
        raise RehearsalFailed("the second `pulumi up` succeeded although nothing was fixed")
    run.report.second_up = {"red": True, "exit_code": problem.status}


def _up(run: Rehearsal, *more: str) -> PulumiFailed | None:
    """Run `pulumi up`, and return why it failed."""
    try:
        run.pulumi.update("up", run.stack, *more)
    except PulumiFailed as problem:
        return problem
    return None


def _first_fix(found: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the first finding's first fix and the fixes that continue it, without the alternatives."""
    first, *others = found["findings"][0]["fixes"]
    return [first, *(other for other in others if other["then"])]


def _run_commands(run: Rehearsal, commands: list[str]) -> bool:
    """Run the commands of the fix. Return whether the last one is a `pulumi up` that succeeded."""
    succeeded = False
    for command in commands:
        run.say(t("Fix: {command}", command=command))
        succeeded = _run_command(run, command)
    return succeeded


def _run_command(run: Rehearsal, command: str) -> bool:
    """Run a command of the fix and return whether it is a `pulumi up` that succeeded.

    A `pulumi up` before the last step may still fail.
    """
    arguments = shlex.split(command)
    if arguments[:2] == ["pulumi", "up"]:
        if problem := _up(run, *(word for word in arguments if word == "--refresh")):
            run.say(t("still failing: {why}", why=str(problem).splitlines()[0]))
        return not problem
    if arguments[0] == "pulumi":
        run.pulumi.run(*arguments[1:])
        return False
    try:
        done = run.type(*arguments)
    except FileNotFoundError as problem:
        raise RehearsalFailed(
            "the fix needs {program}, which is not on PATH: `{command}`",
            program=arguments[0],
            command=command,
        ) from problem
    if done.returncode:
        raise RehearsalFailed(
            "`{command}` ended with {code}: {words}",
            command=command,
            code=done.returncode,
            words=(done.stderr or done.stdout).strip(),
        )
    return False


def _succeeds(run: Rehearsal, *, required: bool = False) -> bool:
    """Return whether `pulumi up` succeeds. Raises ``RehearsalFailed`` where it is ``required`` to."""
    run.say(t("Again: pulumi up, which must succeed now"))
    if problem := _up(run):
        message = t(
            "fixed as the doctor says, and `pulumi up` still fails: {why}", why=text_of(problem)
        )
        if required:
            raise RehearsalFailed(message)
        run.say(message)
    return not problem


def _check_success(run: Rehearsal) -> None:
    status = run.wait_for_page()
    diagnosis(run, HEALTHY)
    if run.report.mend is not None:
        run.report.mend |= {"green": True, "page": status}
    run.say(
        t("`pulumi up` succeeds again, the page answers, and the doctor calls the stack healthy.")
    )


def diagnosis(run: Rehearsal, expected: int = CAUSE_FOUND) -> dict[str, Any]:
    """Return the diagnosis of ``./careapp doctor``. Raises ``RehearsalFailed`` for another exit code."""
    doctor = run.careapp("doctor", "--json")
    if doctor.returncode != expected:
        raise RehearsalFailed(
            "doctor ended with {code}, not {expected}: {words}",
            code=doctor.returncode,
            expected=expected,
            words=f"{doctor.stdout}{doctor.stderr}",
        )
    found: dict[str, Any] = json.loads(doctor.stdout)
    return found
