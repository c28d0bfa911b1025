"""Judges a roll-out from what AWS has said so far: going on, done, or failed and how."""

from __future__ import annotations

from dataclasses import dataclass

from i18n import Text, t
from ops.rollout_seen import Outcome, Verdict, going, seen
from ops.rollout_view import View, Wanted

LOOKS_UNTIL_SURE = 2
"""Looks in a row that must agree: ECS is eventually consistent, and may for a moment show what was before."""


@dataclass(frozen=True)
class End:
    """How a roll-out ended, and what was seen last."""

    verdict: Verdict
    view: View | None


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How long things may take, in seconds on AWS's side.

    `settle` is how long ECS may show the world as it was before the update: its answers are
    eventually consistent. `notice` is how long the load balancer takes to notice that it does not
    reach the targets any more, or gets other answers.
    """

    limit: float
    settle: float
    notice: float = 0.0

    @property
    def recovery(self) -> float:
        """How long tasks that were healthy once may take to be so again: no roll-out is under way."""
        return self.limit / 3

    def told(self, changed: float | None, begun: float, speed: float) -> float | None:
        """How much has to have elapsed since `begun` for a change to have been noticed."""
        return None if changed is None else (changed - begun) * speed + self.notice


@dataclass(frozen=True, kw_only=True)
class Memory:
    """What earlier looks have shown."""

    appeared: bool = False
    """Whether the wanted revision has had a deployment."""
    ran: bool = False
    """Whether it has been seen to run."""
    ended: float | None = None
    """Since when looks in a row have shown that ECS rolls nothing out any more."""
    outcome: Outcome = Outcome.GOING
    looks: int = 0
    """How many looks in a row have shown `outcome`."""


def judge(
    view: View | None,
    wanted: Wanted,
    memory: Memory,
    elapsed: float,
    patience: Patience,
    told: float | None = None,
) -> tuple[Verdict, Memory]:
    """The verdict after one more look (None: no such service), and what to remember.

    `told`: this update has changed something on the way to the tasks, and only when so much has
    elapsed has the load balancer said what it makes of that.
    """
    appeared = memory.appeared or (view is not None and view.of(wanted.definition) is not None)
    found = seen(view, wanted, sure=appeared or elapsed >= patience.settle)
    verdict = found if told is None else _checked(found, view, wanted, memory, elapsed < told)
    memory = Memory(
        appeared=appeared,
        ran=memory.ran or found.outcome is Outcome.RUNS,
        ended=_since(memory.ended, elapsed) if _has_ended(view, wanted) else None,
        outcome=verdict.outcome,
        looks=memory.looks + 1 if verdict.outcome is memory.outcome else 1,
    )
    if not verdict.final:
        return _in_time(verdict, wanted, memory, elapsed, patience), memory
    if memory.looks < LOOKS_UNTIL_SURE:
        # Even past the limit: one more look costs less than a wrong answer.
        verdict = going(t("looking once more to be sure: {what}", what=verdict.text))
    return verdict, memory


def _since(before: float | None, elapsed: float) -> float:
    return elapsed if before is None else before


def _has_ended(view: View | None, wanted: Wanted) -> bool:
    """Whether ECS rolls nothing out: then it replaces tasks that end, and never gives up."""
    mine = view.of(wanted.definition) if view else None
    return mine is not None and mine.primary and mine.rollout == "COMPLETED"


def _checked(
    found: Verdict, view: View | None, wanted: Wanted, memory: Memory, early: bool
) -> Verdict:
    """What is to be thought of a look after a change on the way to tasks that ran before it."""
    if found.outcome is Outcome.RUNS and early:
        return going(t("{what}; the load balancer checks what was changed", what=found.text))
    sick = view is not None and any(each.state == "unhealthy" for each in view.targets)
    if found.final or not memory.ran or not sick:
        return found
    text = t(
        "{revision} ran until this update changed the way to its tasks: {why}",
        revision=wanted.revision,
        why=found.text,
    )
    return Verdict(outcome=Outcome.FELL_ILL, text=text)


def _in_time(
    verdict: Verdict, wanted: Wanted, memory: Memory, elapsed: float, patience: Patience
) -> Verdict:
    """The verdict, or that it lasts too long."""
    if memory.ended is not None and elapsed - memory.ended >= patience.recovery:
        text = t(
            "{revision} was rolled out, but does not recover within {minutes} minutes: {why}",
            **_lasting(verdict, wanted, patience.recovery),
        )
        return Verdict(outcome=Outcome.FELL_ILL, text=text)
    if elapsed < patience.limit:
        return verdict
    text = t(
        "{revision} does not run after {minutes} minutes: {why}",
        **_lasting(verdict, wanted, patience.limit),
    )
    return Verdict(outcome=Outcome.TOO_LATE, text=text)


def _lasting(verdict: Verdict, wanted: Wanted, seconds: float) -> dict[str, str | Text]:
    return {
        "revision": wanted.revision,
        "minutes": f"{seconds / 60:.3g}",
        "why": verdict.text,
    }
