"""Judges a roll-out: wait, ended well, ended badly, or certain that it cannot end well.

Each rule says what a look and the looks before it mean; none reads or changes anything.
"""

from collections.abc import Collection
from dataclasses import replace

from ecs_gate.diagnosis.catalogue import CRASH, LOG, PAGE, TASKS_NODE
from ecs_gate.diagnosis.findings import Diagnosis, Finding
from ecs_gate.facts.elb import breaker_limit
from ecs_gate.parts.records import Task
from ecs_gate.parts.rollout import Rollout
from ecs_gate.rollout.look import Answer, Look, Question
from ecs_gate.rollout.verdict import History, Outcome, Terms, Verdict, judge_ecs
from ecs_gate.text import Text, joined, t

WARM_UP_SECONDS = 30.0
"""How long the page may answer 503, in seconds of this machine: an app may wait for its database."""

CRASHES = 2
"""Tasks of a worker that end by themselves before its roll-out has failed: one may end for a passing reason."""

FALLS = 2
"""Looks that show tasks fail after they were healthy, before that is the version's failure.

ELB has failed such a task several times in a row (HealthSettings.unhealthy), and ECS replaces it; but one of several
may fail for a reason of AWS's, such as its host. So a look counts that shows another task, or that still none serves.
"""

PAGE_SECONDS = 10.0
"""AWS's seconds between two requests for the page of a version that ECS can still roll back."""

STILL_SECONDS = 45.0
"""AWS's seconds without a change after which the doctor is asked why."""

UNUSED_SECONDS = 10.0
"""AWS's seconds without a change after which it is asked where no listener leads to a target's group."""

RESOURCES = range(19, 35)
"""The depths of what a task needs to start and of the load balancer: they show whether or not a task has failed."""

GRACE_SECONDS = 60
"""An app with a longer grace period may answer a health check wrongly while it starts."""

OUTSIDE = t(
    "That lies outside of the version, and no task of the version before runs any more, so a rollback would not help"
)

NO_TASK = "scaled-to-zero"
PAGE_FAILS = "page-errors"
WRONG = frozenset({"app-raises", PAGE_FAILS})
"""The root causes of a failing page that are the version's own, whether the page worked before or not.

A 503 is none: an app may wait for its database.
"""


def asks(seen: Look, history: History, terms: Terms) -> Question | None:
    """Return what a look has to ask beside ECS: the page of healthy tasks, the doctor where something is wrong."""
    view = seen.view
    if view.service is None or view.given_up:
        return None
    if _with_falls(view, history).falls >= FALLS:
        return Question.DOCTOR
    if hook := view.hook:
        return None if hook.id in history.answered else Question.TEST_PAGE
    if _fails(view, _failed(view, _older(view, history, terms))):
        return Question.DOCTOR
    if view.bakes or view.shifts:
        failing, before = history.failing is not None, history.page_at
        due = failing or before is None or seen.at - before >= PAGE_SECONDS
        page = Question.TEST_PAGE if view.traffic else Question.PAGE
        return page if due else None
    changing = seen.noticed is not None and seen.at < seen.noticed
    unused = any(target.state == "unused" for target in view.task_targets)
    still = seen.at - history.moved >= (UNUSED_SECONDS if unused else STILL_SECONDS)
    same = _state(view) == history.state and not view.process
    return Question.DOCTOR if same and still and not changing else None


def judge_rollout(seen: Look, history: History, terms: Terms) -> tuple[Verdict, History]:
    """Return the verdict after one more look, and what to remember of it."""
    question, view = asks(seen, history, terms), seen.view
    verdict, history = judge_ecs(seen, history, terms)
    if (state := _state(view)) != history.state:
        history = replace(history, moved=seen.at, state=state)
    history = _with_falls(view, replace(history, older=_older(view, history, terms)))
    if verdict.final or seen.answer is None:
        return verdict, history if question else replace(history, certain=frozenset())
    if history.falls >= FALLS:
        return _by_falls(seen.answer, view), history
    if question is Question.DOCTOR:
        return _by_doctor(seen.answer, verdict, seen, history)
    return _by_page(seen.answer, verdict, seen, history)


def _state(view: Rollout) -> object:
    """Return what changes while a roll-out moves."""
    tasks = {(task.id, task.status, task.desired) for task in view.tasks}
    targets = {(target.address, target.state) for target in view.targets}
    return tasks, targets, view.deployment, view.traffic


def _with_falls(view: Rollout, history: History) -> History:
    """Return the history with the tasks that were healthy and fail, as long as ECS can still roll back.

    Tasks of other deployments, and those that a person, scaling or Spot ends, are none of them. A worker has no target.
    """
    mine = view.deployment
    if mine is None or not mine.primary or mine.rollout != "IN_PROGRESS":
        return history
    healthy = {target.address for target in view.targets if target.state == "healthy"}
    served = {task.arn for task in view.active_tasks if task.address in healthy}
    failing = {task.arn for task in (*view.failed_tasks, *view.unhealthy_tasks)}
    fallen = history.served & failing
    shown = fallen - history.fallen or (fallen and not view.serving)
    falls = history.falls + bool(shown)
    return replace(history, served=history.served | served, fallen=fallen, falls=falls)


def _by_falls(answer: Answer, view: Rollout) -> Verdict:
    """Judge a version whose tasks were healthy and fail; the cause says what the health check got, or the log."""
    diagnosis = answer.diagnosis
    causes = [cause for cause in diagnosis.causes if not cause.process] if diagnosis else []
    text = t("{revision}: its tasks were healthy, and then failed", revision=view.revision)
    if causes:
        text = joined(": ", (text, causes[0].title))
    return _stopped(text, causes[0] if causes else None, diagnosis, view)


def _stopped(
    text: Text, cause: Finding | None, diagnosis: Diagnosis | None, view: Rollout
) -> Verdict:
    """Return the verdict on a version that has served and fails: ECS is to roll it back.

    Where the cause lies outside of the version and the old tasks are gone, the version before would fail as well: a
    rollback would only restart tasks.
    """
    others = any(deployment.running for deployment in view.other_deployments)
    if cause is None or not cause.facts.outside or others:
        return Verdict(Outcome.WRONG, text, diagnosis, stop=True)
    return Verdict(Outcome.OUTSIDE, joined(". ", (text, OUTSIDE)), diagnosis)


def _by_page(
    answer: Answer, verdict: Verdict, seen: Look, history: History
) -> tuple[Verdict, History]:
    """Judge healthy tasks by their page, and let ECS go on where it works; two answers have to agree."""
    view, history = seen.view, replace(history, page_at=seen.at)
    worked = answer.worked or history.passed
    cause = _page_cause(answer.diagnosis, worked=worked) if answer.diagnosis else None
    if cause is None:
        history = replace(history, failing=None, passed=history.passed or answer.works)
        return replace(verdict, go_on=view.hook), history
    before, since = history.failing, seen.monotonic if history.failing is None else history.failing
    history = replace(history, failing=since)
    warms_up = cause.facts.warms_up and seen.monotonic - since < WARM_UP_SECONDS
    if before is None or warms_up:
        return verdict, history
    text = t(
        "{revision}: its tasks are healthy, but its page fails: {cause}",
        revision=view.revision,
        cause=cause.title,
    )
    return _stopped(text, cause, answer.diagnosis, view), history


def _page_cause(diagnosis: Diagnosis, *, worked: bool) -> Finding | None:
    """Return why the page fails; None where it does not, or where that is no reason to roll back.

    Where it worked before, any failure of it is one, whatever the cause. Where it did not, only an error whose root
    cause is the version itself.
    """
    failures = [finding for finding in diagnosis.findings if finding.facts.subject == PAGE]
    if worked and failures and failures[0].kind != "cause":
        explaining = (e for e in diagnosis.causes if e.facts.explains(failures[0].facts))
        return next(explaining, failures[0])
    if worked:
        return failures[0] if failures else None
    own = any(failure.id == PAGE_FAILS for failure in failures)
    return next((cause for cause in diagnosis.causes[:1] if own and _is_wrong(cause)), None)


def _is_wrong(cause: Finding) -> bool:
    """Return whether the version itself is the cause: by the page, its end, or a line of its log about itself."""
    facts = cause.facts
    by_log = facts.subject == LOG and TASKS_NODE in facts.places
    return by_log or facts.subject == CRASH or cause.id in WRONG


def _by_doctor(
    answer: Answer, verdict: Verdict, seen: Look, history: History
) -> tuple[Verdict, History]:
    """Judge tasks that fail, or a roll-out in which nothing moves, by the causes that are certain.

    Two diagnoses have to agree. A deployment that ECS's circuit breaker does not watch is stopped: ECS would start
    tasks without end.
    """
    view, diagnosis = seen.view, answer.diagnosis
    assert diagnosis is not None  # noqa: S101 - the doctor was asked
    failed = _failed(view, history.older or frozenset())
    fails = _fails(view, failed)
    mine = [cause for cause in diagnosis.causes if cause.process in ("", view.process)]
    certain = [
        each for each in mine if each.facts.certain and (fails or each.facts.depth in RESOURCES)
    ]
    agreed = [finding for finding in certain if finding.id in history.certain]
    history = replace(history, certain=frozenset(finding.id for finding in certain))
    if not certain:
        history = replace(history, moved=seen.at)
    text = _without_end(view, failed, [each for each in mine if each.process == view.process])
    if text is None and agreed:
        text = t(
            "{revision} cannot become healthy, and waiting does not change that: {cause}",
            revision=view.revision,
            cause=agreed[0].title,
        )
        if fails and view.breaks:
            text = joined(". ", (text, what_ecs_does(view)))
    if text is None:
        return verdict, history
    going = view.deployment is not None and view.deployment.rollout == "IN_PROGRESS"
    stop = going and not view.breaks
    return Verdict(outcome=Outcome.CERTAIN, text=text, diagnosis=diagnosis, stop=stop), history


def _without_end(view: Rollout, failed: list[Task], causes: list[Finding]) -> Text | None:
    """Return that so many tasks have failed that others will; None where ECS ends that, or as long as one may not."""
    ends = sum(task.ran for task in failed)
    if view.process and ends >= CRASHES:
        text = t(
            "{count} tasks of {revision} have ended by themselves, and ECS starts others without end",
            count=ends,
            revision=view.revision,
        )
    elif _broken(view, failed):
        text = t(
            "{count} tasks of {revision} have failed, and ECS's circuit breaker does not end such a deployment",
            count=_count(view),
            revision=view.revision,
        )
    else:
        return None
    return joined(". ", (text, causes[0].title)) if causes else text


def _count(view: Rollout) -> int:
    """Return how many tasks of the deployment have failed in a row, as far as ECS still tells."""
    mine = view.deployment.failed if view.deployment else 0
    return mine if view.serving else max(mine, len(view.failed_tasks))


def _fails(view: Rollout, failed: list[Task]) -> bool:
    """Return whether tasks fail and none serves, or so many of a worker's or of a deployment without a breaker."""
    return bool(failed and (view.process or not view.serving)) or _broken(view, failed)


def _broken(view: Rollout, failed: list[Task]) -> bool:
    """Return whether as many tasks have failed as ECS's circuit breaker allows, where it does not watch."""
    if view.breaks or not (view.deployment and view.deployment.rollout == "IN_PROGRESS"):
        return False
    return any(task.over for task in failed) and _count(view) >= breaker_limit(view.desired)


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
    """Return the tasks that failed under what this update deploys, or that the load balancer calls unhealthy.

    ECS replaces an unhealthy task much later.
    """
    patient = view.service is not None and view.service.grace > GRACE_SECONDS
    unhealthy = view.replaced_tasks if patient else view.unhealthy_tasks
    return [task for task in (*view.failed_tasks, *unhealthy) if task.arn not in older]


def reasons(diagnosis: Diagnosis, counts: Collection[int]) -> list[Finding]:
    """Return the causes that fail a roll-out though the revision runs.

    Healthy targets rule out none of them: the health check must not ask the database, a rule may lead the page
    elsewhere, the next task may not start. A desired count of 0 is one unless 0 is among the declared ``counts``.
    """
    blocking = [cause for cause in diagnosis.causes if cause.facts.blocks]
    return [finding for finding in blocking if not (finding.id == NO_TASK and 0 in counts)]


def what_ecs_does(view: Rollout) -> Text:
    """Return what ECS's circuit breaker does next with a deployment whose tasks fail."""
    limit = breaker_limit(view.desired)
    if older := view.other_deployments:
        return t(
            "ECS starts tasks until {limit} have failed, and then rolls back to {older}.",
            limit=limit,
            older=older[0].revision,
        )
    return t("ECS starts tasks until {limit} have failed, and then gives up.", limit=limit)
