"""What to do next after a roll-out, in the words of whoever deploys the service."""

from __future__ import annotations

from dataclasses import dataclass

from ecs_gate.text import Text, t


@dataclass(frozen=True, kw_only=True)
class Advice:
    """What each end of a roll-out asks for. {revision} was expected; {command} starts a new deployment of it."""

    deleted: Text
    """The service is gone, or going."""
    replaced: Text
    """Another deployment took its place."""
    by_alarm: Text
    """ECS has rolled it back for a reason that it gives, like an alarm."""
    rolled_back: Text
    unhealthy: Text
    """It ran, and does no more, or it runs and users do not reach it."""
    too_late: Text
    wrong: Text
    """The gate has stopped it: the page was worse than before."""
    failed: Text
    completed: Text
    """ECS has completed a deployment with which the page does not work."""
    blocked: Text
    """It runs, and a cause is found all the same."""
    unread: Text
    """AWS could not be read."""


TRY_AGAIN = t("What to do: remove the cause above, then let ECS try again:\n  {command}")
CHECK_AGAIN = t("Once the cause is removed, check again.")

AWS = Advice(
    deleted=t("What to do: create the service again."),
    replaced=t(
        "What to do: wait for the other deployment, agree on one version, then deploy that."
    ),
    by_alarm=TRY_AGAIN,
    rolled_back=TRY_AGAIN,
    unhealthy=CHECK_AGAIN,
    too_late=t(
        "What to do: remove the cause above, or, if the app only needs longer, wait for longer. ECS goes on trying."
    ),
    wrong=t(
        "What to do: correct the app, or take its change back, then deploy. Where the cause lies outside of the app, "
        "remove it, and start a new deployment:\n"
        "  {command}"
    ),
    failed=t(
        "What to do: remove the cause above, then deploy. Where that makes no new task definition, and ECS has given "
        "up by then, start a new deployment:\n"
        "  {command}"
    ),
    completed=t(
        "ECS has completed the deployment, so it was not rolled back. Correct it, or deploy the earlier version again."
    ),
    blocked=CHECK_AGAIN,
    unread=t("Once AWS can be read, check again."),
)
"""Without a program that deploys the service."""
