"""What else keeps `pulumi up` from being green: what the doctor finds once the wanted revision runs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Protocol

from i18n import Text, joined, t, verbatim

if TYPE_CHECKING:
    from ops.aws.session import Session
    from ops.doctor.findings import Diagnosis, Finding, Unread


NO_TASK = "scaled-to-zero"


WARM_UP_SECONDS = 30.0
"""How long a page may answer 503, of the wall: an app says so until it has its database, say."""


PAUSED = t("the stack is paused and stays so: no task runs; ./careapp resume brings it back")


class Tells(Protocol):
    """Where it is told what does not make it red."""

    def lasting(self, text: Text) -> None: ...

    def warning(self, text: Text) -> None: ...


async def causes(
    stack: str, session: Session, log: Tells, wanted: str, counts: Collection[int]
) -> str:
    """The doctor's screen when it finds a cause behind healthy targets; "" when it finds none.

    That no task is wanted is one, unless 0 is among the stack file's `counts`.

    It looks again before it says so, for AWS is eventually consistent. That the revision runs has
    been seen: a doctor that breaks, or may not look everywhere, is told, but does not unsay it.
    """
    try:
        found = await _settled(stack, session, wanted, counts)
    except Exception as mistake:
        log.lasting(_undiagnosed(mistake))
        return ""
    if _reasons(found, counts):
        from ops.doctor.screen import plain

        return plain(found)
    _tell(found, log)
    return ""


async def _settled(stack: str, session: Session, wanted: str, counts: Collection[int]) -> Diagnosis:
    """The diagnosis on which two looks agree; a page that only answers 503 has time to warm up."""
    from ops.rollout.follow import Pace

    begun, pace = time.monotonic(), Pace.of()
    found = await asyncio.to_thread(_diagnosed, stack, session, wanted)
    again = bool(_reasons(found, counts))
    while again:
        await asyncio.sleep(pace.poll)
        found = await asyncio.to_thread(_diagnosed, stack, session, wanted)
        reasons = _reasons(found, counts)
        warming_up = bool(reasons) and all(each.row.warms_up for each in reasons)
        again = warming_up and time.monotonic() - begun < WARM_UP_SECONDS
    return found


def _tell(found: Diagnosis, log: Tells) -> None:
    """Log what does not make it red: warnings, what was not seen, and what the page answers."""
    from ops.doctor.diagnose import PAGE

    for each in found.findings:
        if each.id == "stack-paused":
            log.lasting(PAUSED)
        if each.kind == "warning":
            log.warning(_warned(each))
    for text in _unseen(found):
        log.lasting(text)
    for unseen in found.unread:
        if unseen.part == PAGE:
            log.lasting(t("the page was not asked for: {problem}", problem=unseen.problem.text))
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


def _unseen(found: Diagnosis) -> Iterator[Text]:
    """What matters and could not be looked at, each reason once."""
    told: dict[str, list[Unread]] = {}
    for each in found.unread:
        if each.essential:
            told.setdefault(str(each.problem), []).append(each)
    for together in told.values():
        problem = together[0].problem
        yield t(
            "it runs, but nobody knows whether all is in order, for this could not be looked at: "
            "{parts}. {problem} {way_out}",
            parts=joined(", ", (each.part for each in together)),
            problem=problem.text,
            way_out=problem.way_out,
        )


def diagnosis(stack: str, session: Session) -> str:
    """The doctor's screen, or why there is none: a failure to explain must not hide what failed."""
    from ops.doctor.screen import plain

    try:
        return plain(_diagnosed(stack, session))
    except Exception as mistake:
        return str(_undiagnosed(mistake))


def _diagnosed(stack: str, session: Session, wanted: str | None = None) -> Diagnosis:
    from ops.doctor.diagnose import diagnose
    from stack.names import StackNames

    return diagnose(StackNames.of(stack), session, wanted=wanted)


def _undiagnosed(mistake: Exception) -> Text:
    why = f"{type(mistake).__name__}: {mistake}"
    return t("The diagnosis itself failed ({why}); try `./careapp doctor`.", why=why)
