"""What to do next after a roll-out, in the words of whoever deploys the service."""

from __future__ import annotations

from dataclasses import dataclass

from ecs_gate.text import Text, t


@dataclass(frozen=True, kw_only=True)
class Advice:
    """What each end of a roll-out asks for; {revision} was expected, and {command} starts a new deployment of it.

    ``by_alarm``: ECS gives a reason why it rolled back. ``unhealthy``: it ran, or runs where users do not reach it.
    ``wrong``: the gate stopped it for its page. ``completed``: ECS did not roll a page back that fails. ``blocked``:
    it runs, and a cause is found. ``unread``: AWS could not be read.
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
