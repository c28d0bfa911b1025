"""What the owner of a service adds to its diagnosis: parts to read, checks, cures in the words of his program."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from ecs_gate.remedies import Remedies, new_deployment, stopped_deployment
from ecs_gate.text import Text, t

if TYPE_CHECKING:
    from ecs_gate.diagnosis.case import Case
    from ecs_gate.diagnosis.findings import Finding, Unread
    from ecs_gate.parts.of_service import PartOf
    from ecs_gate.target import Names

Check: TypeAlias = "Callable[[Case], Iterable[Finding]]"
"""A check: a pure function from a case to findings. Its name is shown where it fails itself."""


@dataclass(frozen=True, kw_only=True)
class Advice:
    """What each end of a roll-out asks for; {revision} was expected, and {command} starts a new deployment of it.

    ``by_alarm``: ECS gives a reason why it rolled back. ``unhealthy``: it ran, or runs where users do not reach it.
    ``wrong``: the gate stopped it for its page. ``completed``: ECS did not roll a page back that fails. ``blocked``:
    it runs, and a cause is found. ``unread``: AWS could not be read. ``worker``: what that of a worker leaves as it is.
    """

    deleted: Text
    replaced: Text
    by_alarm: Text
    rolled_back: Text
    unhealthy: Text
    too_late: Text
    wrong: Text
    failed: Text
    completed: Text
    blocked: Text
    unread: Text
    worker: Text | None = None


TRY_AGAIN = t(
    "What to do: remove the cause above, and deploy; or let ECS try the same again:\n  {command}"
)
CHECK_AGAIN = t("What to do: remove the cause above, then check again.")

AWS = Advice(
    deleted=t("What to do: create the service again."),
    replaced=t("What to do: wait for the other deployment, agree on one version, and deploy it."),
    by_alarm=TRY_AGAIN,
    rolled_back=TRY_AGAIN,
    unhealthy=CHECK_AGAIN,
    too_late=t("What to do: remove the cause above, or wait for longer. ECS goes on trying."),
    wrong=TRY_AGAIN,
    failed=TRY_AGAIN,
    completed=t("ECS has completed the deployment, so it was not rolled back."),
    blocked=CHECK_AGAIN,
    unread=t("What to do: check again, once AWS can be read."),
)
"""Of a service whose program is not known."""


@dataclass(frozen=True, kw_only=True)
class Owner:
    """What the owner of a service adds. Without anything it is diagnosed by what AWS says alone."""

    remedies: Callable[[Case], Remedies] = Remedies
    """His cures."""
    parts: tuple[PartOf[Any], ...] = ()
    """What he reads besides."""
    apply: tuple[str, ...] = ()
    """The commands with which his program is applied."""
    retry: Callable[[Names], str] = new_deployment
    """The command that makes ECS try a service's newest revision again."""
    rollback: Callable[[Names], str] = stopped_deployment
    """The command that ends a service's roll-out under way and goes back."""
    advice: Advice = AWS
    """What he is told to do after a roll-out."""
    unseen: tuple[Unread, ...] = ()
    """What no part of a snapshot reads, though the service has it."""
    verdicts: bool = True
    """Whether the gate keeps what it finds in the service's log group, and reads what it has kept there."""

    def checks(self) -> tuple[Check, ...]:
        """Return his checks, which are asked after all others."""
        return ()

    def review(self, case: Case, finding: Finding) -> Iterator[Finding]:  # noqa: ARG002 - nothing more is known
        """Yield what he makes of another check's finding: it, another one, or none where he expects what it says."""
        yield finding

    def describe(self, case: Case) -> Text:
        """Return what a diagnosis says first of a service: whether it is there."""
        if case.now.service.value is not None:
            return t("the service is there")
        return t("unknown") if case.now.service.problem else t("there is no service")
