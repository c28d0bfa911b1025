"""Ends the wait for a roll-out that cannot succeed, as soon as the doctor is certain of the cause."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

from i18n import Text, t
from ops.rollout.verdict import Outcome, Verdict
from ops.rollout.view import Expected, View
from ops.screen import short_time
from ops.snapshot.records import Task, short

if TYPE_CHECKING:
    from ops.diagnosis.findings import Diagnosis

WITHOUT_BREAKER = ("CANARY", "LINEAR")
"""Strategies for which the circuit breaker is not documented (Amazon ECS developer guide, "Deployment
failure detection", names rolling update and blue/green deployments)."""

Diagnose = Callable[[], "Diagnosis"]


class Certainty:
    """Asks the doctor while tasks fail, and says when two diagnoses in a row agree on a certain cause."""

    def __init__(self, expected: Expected, diagnose: Diagnose) -> None:
        self._expected, self._diagnose = expected, diagnose
        self._before: frozenset[str] = frozenset()
        self._older: frozenset[str] | None = None

    async def judge(self, view: View | None) -> Verdict | None:
        """Return the verdict of a roll-out that cannot succeed; None while it may.

        A task that this update started has to have failed, none may be healthy in the target group,
        and the catalogue has to call the cause certain. Raises what the doctor raises.
        """
        if view is None or not self._failed(view) or view.serving(self._expected.definition):
            self._before = frozenset()
            return None
        diagnosis = await asyncio.to_thread(self._diagnose)
        found = [each for each in diagnosis.causes if each.row.certain]
        agreed = [each for each in found if each.id in self._before]
        self._before = frozenset(each.id for each in found)
        if not agreed:
            return None
        text = t(
            "{revision} cannot become healthy, and waiting does not change that: {cause}. {ecs}",
            revision=self._expected.revision,
            cause=agreed[0].title,
            ecs=what_ecs_does(view, self._expected),
        )
        return Verdict(outcome=Outcome.CERTAIN, text=text, diagnosis=diagnosis)

    def _failed(self, view: View) -> list[Task]:
        """Return the tasks that failed under what this update deploys.

        A task that runs or has stopped at the first look is older: what failed it, like the health
        check's path, may be what this update has corrected.
        """
        if self._older is None:
            self._older = frozenset(
                task.arn for task in view.tasks if task.status == "RUNNING" or task.over
            )
        failed = view.failed(self._expected.definition)
        return [task for task in failed if task.arn not in self._older]


def failures_until_ecs_gives_up(desired: int) -> int:
    """Return at how many failed tasks ECS's circuit breaker ends a deployment.

    Half of the desired count, at least 3 and at most 200 (Amazon ECS developer guide, "How the
    Amazon ECS deployment circuit breaker detects failures"; API reference,
    DeploymentCircuitBreaker).
    """
    return min(200, max(3, math.ceil(desired / 2)))


def what_ecs_does(view: View, expected: Expected) -> Text:
    """Return what ECS does next with a deployment whose tasks fail, and about when."""
    if view.service.strategy in WITHOUT_BREAKER:
        return t(
            "No request goes to it. ECS does not give it up: it starts tasks until the next `pulumi up`, "
            "or `./careapp rollback`."
        )
    limit = failures_until_ecs_gives_up(view.desired)
    older = [each for each in view.service.deployments if each.definition != expected.definition]
    values: dict[str, str | int] = {"limit": limit, "time": _about(view, expected, limit)}
    if older:
        return t(
            "ECS starts tasks until {limit} have failed, at about {time}, and then rolls back to {older}.",
            older=short(older[0].definition),
            **values,
        )
    return t(
        "ECS starts tasks until {limit} have failed, at about {time}, and then gives up.", **values
    )


def _about(view: View, expected: Expected, limit: int) -> str:
    """Return when the limit is reached if each further round of tasks takes as long as the first one."""
    mine, failed = view.of(expected.definition), view.failed(expected.definition)
    newest = max(
        filter(None, (each.created for each in view.started(expected.definition))), default=None
    )
    # A task that ECS is replacing has not ended: the newest task is its replacement.
    ends = sorted(filter(None, (each.stopping or each.stopped or newest for each in failed)))
    if mine is None or not ends:
        return "-"
    first, last = ends[0], ends[-1]
    count = max(mine.failed, len(failed))
    rounds = math.ceil(max(0, limit - count) / max(1, view.desired))
    at: datetime = last + rounds * (first - mine.created)
    return short_time(at, today=last)
