"""Judges a roll-out: wait, ended well, ended badly, or certain that it cannot end well.

Each rule says what a look and the looks before it mean; none reads or changes anything.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import replace

from tools.diagnosis.catalogue import PAGE
from tools.diagnosis.findings import Diagnosis, Finding
from tools.i18n import Text, joined, t
from tools.rollout.look import Answer, Question, Seen
from tools.rollout.verdict import History, Outcome, Terms, Verdict, judge_ecs
from tools.screen import short_time
from tools.shared.aws_rules import breaker_limit
from tools.snapshot.records import Task
from tools.snapshot.rollout import Rollout

WARM_UP_SECONDS = 30.0
"""How long the page may answer 503, in seconds of this machine: an app may wait for its database."""

CRASHES = 2
"""Tasks of a worker that end by themselves before its roll-out has failed: one may end for a passing reason."""

WITHOUT_BREAKER = ("CANARY", "LINEAR")
"""Strategies for which the circuit breaker is not documented (Amazon ECS developer guide, "Deployment
failure detection", names rolling update and blue/green deployments)."""

NO_TASK = "scaled-to-zero"
PAGE_FAILS = "page-errors"
WRONG = frozenset({"app-raises", PAGE_FAILS})
"""The root causes of a failing page that are the version's own, whether the page worked before or not.

A 503 is none: an app may wait for its database.
"""


def asks(seen: Seen, history: History, terms: Terms) -> Question | None:
    """Return what a look has to ask beside ECS: the page of healthy tasks, the doctor where something is wrong."""
    view = seen.view
    if view.service is None or view.given_up:
        return None
    if hook := view.hook:
        return None if hook.id in history.answered else Question.TEST_PAGE
    if view.bakes:
        return None if history.passed else Question.PAGE
    failed = _failed(view, _older(view, history, terms))
    return Question.DOCTOR if failed and (view.process or not view.serving) else None


def judge(seen: Seen, history: History, terms: Terms) -> tuple[Verdict, History]:
    """Return the verdict after one more look, and what to remember of it."""
    verdict, history = judge_ecs(seen, history, terms)
    history = replace(history, older=_older(seen.view, history, terms))
    answer, view = seen.answer, seen.view
    if verdict.final or answer is None:
        if not verdict.final and asks(seen, history, terms) is None:
            history = replace(history, certain=frozenset())
        return verdict, history
    if view.hook or view.bakes:
        return _by_page(answer, verdict, seen, history, terms)
    assert answer.diagnosis is not None  # noqa: S101 - the doctor was asked
    return _by_doctor(answer.diagnosis, verdict, seen, history, terms)


def _by_page(
    answer: Answer, verdict: Verdict, seen: Seen, history: History, terms: Terms
) -> tuple[Verdict, History]:
    """Judge healthy tasks by their page, and let ECS go on where it works."""
    hook, worked = seen.view.hook, answer.worked or terms.page_worked
    cause = _page_cause(answer.diagnosis, worked=worked) if answer.diagnosis else None
    if cause is None:
        history = replace(history, failing=None, passed=history.passed or hook is None)
        return replace(verdict, go_on=hook), history
    before, since = history.failing, seen.moment if history.failing is None else history.failing
    history = replace(history, failing=since)
    warms_up = cause.facts.warms_up and seen.moment - since < WARM_UP_SECONDS
    if before is None or warms_up:
        return verdict, history
    text = t(
        "{revision}: its tasks are healthy, but its page fails: {cause}",
        revision=terms.expected.revision,
        cause=cause.title,
    )
    wrong = Verdict(outcome=Outcome.WRONG, text=text, diagnosis=answer.diagnosis, stop=True)
    return wrong, history


def _page_cause(diagnosis: Diagnosis, *, worked: bool) -> Finding | None:
    """Return why the page fails; None where it does not, or where that is no reason to roll back.

    Where it worked before this update, any failure of it is one, whatever the cause. Where it did not, only an
    error whose root cause is the version itself.
    """
    failures = [each for each in diagnosis.findings if each.facts.subject == PAGE]
    if worked:
        return _root(failures[0], diagnosis) if failures else None
    own = any(each.id == PAGE_FAILS for each in failures)
    return next((each for each in diagnosis.causes[:1] if own and each.id in WRONG), None)


def _root(failure: Finding, diagnosis: Diagnosis) -> Finding:
    """Return the cause beside which a failure of the page is a consequence; the failure where it is a cause."""
    explaining = (each for each in diagnosis.causes if each.facts.explains(failure.facts))
    return failure if failure.kind == "cause" else next(explaining, failure)


def _by_doctor(
    diagnosis: Diagnosis, verdict: Verdict, seen: Seen, history: History, terms: Terms
) -> tuple[Verdict, History]:
    """Judge failed tasks, of which none is healthy, by the causes that are certain; two diagnoses have to agree."""
    view, revision = seen.view, terms.expected.revision
    mine = [each for each in diagnosis.causes if each.process in ("", view.process)]
    ends = sum(each.ran for each in _failed(view, history.older or frozenset()))
    if view.process and ends >= CRASHES:
        # ECS replaces a worker's tasks without end.
        text = t(
            "{count} tasks of {revision} have ended by themselves, and ECS starts others without end",
            count=ends,
            revision=revision,
        )
        if own := next((each for each in mine if each.process), None):
            text = joined(". ", (text, own.title))
        return Verdict(outcome=Outcome.CERTAIN, text=text, diagnosis=diagnosis), history
    certain = [each for each in mine if each.facts.certain]
    agreed = [each for each in certain if each.id in history.certain]
    history = replace(history, certain=frozenset(each.id for each in certain))
    if not agreed:
        return verdict, history
    text = t(
        "{revision} cannot become healthy, and waiting does not change that: {cause}. {ecs}",
        revision=revision,
        cause=agreed[0].title,
        ecs=what_ecs_does(view),
    )
    return Verdict(outcome=Outcome.CERTAIN, text=text, diagnosis=diagnosis), history


def _older(view: Rollout, history: History, terms: Terms) -> frozenset[str]:
    """Return the tasks that say nothing of what this update deploys.

    A task that runs or has stopped at the first look is older: what failed it, like the health check's path, may be
    what this update has corrected. Of a deployment that this update has made, none is.
    """
    if terms.since and view.deployment and view.deployment.created >= terms.since:
        return frozenset()
    if history.older is not None:
        return history.older
    return frozenset(task.arn for task in view.tasks if task.status == "RUNNING" or task.over)


def _failed(view: Rollout, older: Collection[str]) -> list[Task]:
    """Return the tasks that failed under what this update deploys."""
    return [each for each in (*view.failed_tasks, *view.replaced_tasks) if each.arn not in older]


def reasons(found: Diagnosis, counts: Collection[int]) -> list[Finding]:
    """Return the causes that make `pulumi up` red though the revision runs.

    Healthy targets rule out none of them: /health must not ask the database, a rule may lead the page
    elsewhere, the next task may not start. A desired count of 0 is one unless 0 is among the ``counts`` of the
    stack file.
    """
    blocking = [each for each in found.causes if each.facts.blocks]
    return [each for each in blocking if not (each.id == NO_TASK and 0 in counts)]


def what_ecs_does(view: Rollout) -> Text:
    """Return what ECS does next with a deployment whose tasks fail, and about when."""
    if view.service and view.service.strategy in WITHOUT_BREAKER:
        return t(
            "No request goes to it. ECS does not give it up: it starts tasks until the next `pulumi up`, "
            "or `./careapp rollback`."
        )
    limit = breaker_limit(view.desired)
    values: dict[str, str | int] = {"limit": limit, "time": _about(view, limit)}
    if older := view.other_deployments:
        return t(
            "ECS starts tasks until {limit} have failed, at about {time}, and then rolls back to {older}.",
            older=older[0].revision,
            **values,
        )
    return t(
        "ECS starts tasks until {limit} have failed, at about {time}, and then gives up.", **values
    )


def _about(view: Rollout, limit: int) -> str:
    """Return when the limit is reached if each further round of tasks takes as long as the first one."""
    mine, failed = view.deployment, (*view.failed_tasks, *view.replaced_tasks)
    newest = max(filter(None, (each.created for each in view.deployment_tasks)), default=None)
    # A task that ECS is replacing has not ended: the newest task is its replacement.
    ends = sorted(filter(None, (each.ended or newest for each in failed)))
    if mine is None or not ends:
        return "-"
    first, last = ends[0], ends[-1]
    count = max(mine.failed, len(failed))
    rounds = math.ceil(max(0, limit - count) / max(1, view.desired))
    at = last + rounds * (first - mine.created)
    return short_time(at, today=last)
