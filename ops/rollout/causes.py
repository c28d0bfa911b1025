"""Asks the doctor once the revision runs: a cause behind healthy targets makes `pulumi up` red, too."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Protocol

from i18n import Text, joined, t, verbatim
from ops.rollout.text import undiagnosed

if TYPE_CHECKING:
    from ops.aws.session import Session
    from ops.diagnosis.findings import Diagnosis, Finding, Unread


NO_TASK = "scaled-to-zero"

WARM_UP_SECONDS = 30.0
"""How long the page may answer 503, in seconds of this machine: an app may wait for its database."""

PAUSED = t("the stack is paused and stays so: no task runs; ./careapp resume brings it back")


class Log(Protocol):
    """Shows what does not make `pulumi up` red."""

    def lasting(self, text: Text) -> None: ...

    def warning(self, text: Text) -> None: ...


async def causes(
    stack: str, session: Session, log: Log, expected: str, counts: Collection[int]
) -> str:
    """Return the doctor's screen when it finds a cause behind healthy targets, else "".

    A desired count of 0 is a cause unless 0 is among the ``counts`` of the stack file. Two
    diagnoses have to agree, for AWS is eventually consistent. The revision runs: a doctor that
    fails or may not read everything is shown and does not make `pulumi up` red.
    """
    try:
        found = await _settled(stack, session, expected, counts)
    except Exception as mistake:
        log.lasting(undiagnosed(mistake))
        return ""
    if _reasons(found, counts):
        from ops.doctor.screen import plain

        return plain(found)
    _report(found, log)
    return ""


async def _settled(
    stack: str, session: Session, expected: str, counts: Collection[int]
) -> Diagnosis:
    """Return the diagnosis on which two agree; a page that only answers 503 has time to warm up."""
    from ops.rollout.follow import Pace

    begun, pace = time.monotonic(), Pace.of()
    found = await asyncio.to_thread(diagnosed, stack, session, expected)
    again = bool(_reasons(found, counts))
    while again:
        await asyncio.sleep(pace.poll)
        found = await asyncio.to_thread(diagnosed, stack, session, expected)
        reasons = _reasons(found, counts)
        warming_up = bool(reasons) and all(each.row.warms_up for each in reasons)
        again = warming_up and time.monotonic() - begun < WARM_UP_SECONDS
    return found


def _report(found: Diagnosis, log: Log) -> None:
    """Log what does not make `pulumi up` red: warnings, unread parts, the answer of the page."""
    from ops.doctor.diagnose import PAGE

    for each in found.findings:
        if each.id == "stack-paused":
            log.lasting(PAUSED)
        if each.kind == "warning":
            log.warning(_warned(each))
    for text in _unread(found):
        log.lasting(text)
    for unread in found.unread:
        if unread.part == PAGE:
            log.lasting(t("the page was not requested: {problem}", problem=unread.problem.text))
    if found.page:
        log.lasting(found.page)


def _warned(finding: Finding) -> Text:
    """Return a warning in one line: its title, and its first fix with the commands."""
    parts = [finding.title]
    for fix in finding.fixes[:1]:
        commands = verbatim(" && ".join(fix.commands))
        parts.append(joined(" ", (fix.text, commands)) if fix.commands else fix.text)
    return joined(": ", parts)


def _reasons(found: Diagnosis, counts: Collection[int]) -> list[Finding]:
    """Return the causes that make `pulumi up` red.

    Healthy targets rule out none of them: /health must not ask the database, a rule may lead the page
    elsewhere, the next task may not start.
    """
    blocking = [each for each in found.causes if each.row.blocks]
    return [each for each in blocking if not (each.id == NO_TASK and 0 in counts)]


def _unread(found: Diagnosis) -> Iterator[Text]:
    """Return the essential parts that could not be read, each reason once."""
    by_reason: dict[str, list[Unread]] = {}
    for each in found.unread:
        if each.essential:
            by_reason.setdefault(str(each.problem), []).append(each)
    for together in by_reason.values():
        problem = together[0].problem
        yield t(
            "it runs, but the doctor could not read everything. Missing: {parts}. {problem} {way_out}",
            parts=joined(", ", (each.part for each in together)),
            problem=problem.text,
            way_out=problem.way_out,
        )


def diagnosis(stack: str, session: Session) -> str:
    """Return the doctor's screen, or why the doctor failed: the failed roll-out must still be reported."""
    from ops.doctor.screen import plain

    try:
        return plain(diagnosed(stack, session))
    except Exception as mistake:
        return str(undiagnosed(mistake))


def diagnosed(stack: str, session: Session, expected: str | None = None) -> Diagnosis:
    """Diagnose a stack. ``expected`` is the ARN of the task definition that has to run."""
    from ops.doctor.diagnose import diagnose
    from stack.names import StackNames

    return diagnose(StackNames.of(stack), session, wanted=expected)
