"""Ends the wait for a roll-out as soon as the doctor is certain of a cause, or the page of healthy tasks fails."""

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
    from ops.diagnosis.findings import Diagnosis, Finding

WITHOUT_BREAKER = ("CANARY", "LINEAR")
"""Strategies for which the circuit breaker is not documented (Amazon ECS developer guide, "Deployment
failure detection", names rolling update and blue/green deployments)."""

Diagnose = Callable[[], "Diagnosis"]

PAGE_FAILS = "page-errors"
WRONG = frozenset({"app-raises", PAGE_FAILS})
"""The root causes of a failing page that are the version's own. A 503 is none: an app may wait for its database."""


class Certainty:
    """Asks the doctor while tasks fail or ECS watches healthy ones; two diagnoses in a row have to agree."""

    def __init__(self, expected: Expected, diagnose: Diagnose) -> None:
        self._expected, self._diagnose = expected, diagnose
        self._before: frozenset[str] = frozenset()
        self._passed = False
        """Whether a diagnosis of the healthy tasks has found nothing: each one requests the page."""
        self._older: frozenset[str] | None = None

    async def judge(self, view: View | None) -> Verdict | None:
        """Return the verdict of a roll-out that cannot succeed, or whose page fails; None for any other.

        Raises what the doctor raises.
        """
        if view is not None and view.bakes(self._expected.definition):
            return None if self._passed else await self._judge_pages()
        if view is None or not self._failed(view) or view.serving(self._expected.definition):
            self._before = frozenset()
            return None
        return await self._judge_failures(view)

    async def _judge_pages(self) -> Verdict | None:
        """Judge healthy tasks by the page, whose error must have the version itself as its root cause."""
        diagnosis = await asyncio.to_thread(self._diagnose)
        fails = any(each.id == PAGE_FAILS for each in diagnosis.findings)
        found = [each for each in diagnosis.causes[:1] if fails and each.id in WRONG]
        self._passed = not found
        if not (agreed := self._agreed(found)):
            return None
        text = t(
            "the tasks of {revision} are healthy, but {cause}",
            revision=self._expected.revision,
            cause=agreed[0].title,
        )
        return Verdict(outcome=Outcome.WRONG, text=text, diagnosis=diagnosis)

    def _agreed(self, found: list[Finding]) -> list[Finding]:
        """Return the findings that the diagnosis before has had, too, and remember these."""
        agreed = [each for each in found if each.id in self._before]
        self._before = frozenset(each.id for each in found)
        return agreed

    async def _judge_failures(self, view: View) -> Verdict | None:
        """Judge failed tasks, of which none is healthy, by the causes that the catalogue calls certain."""
        diagnosis = await asyncio.to_thread(self._diagnose)
        agreed = self._agreed([each for each in diagnosis.causes if each.row.certain])
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
    ends = sorted(filter(None, (each.ended or newest for each in failed)))
    if mine is None or not ends:
        return "-"
    first, last = ends[0], ends[-1]
    count = max(mine.failed, len(failed))
    rounds = math.ceil(max(0, limit - count) / max(1, view.desired))
    at: datetime = last + rounds * (first - mine.created)
    return short_time(at, today=last)
