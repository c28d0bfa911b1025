"""The messages of a roll-out: its progress, and the text that a failed one ends with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection

from tools.aws.session import Place
from tools.diagnosis.findings import try_again
from tools.i18n import Text, joined, t
from tools.rollout.verdict import End, Outcome, Verdict
from tools.rollout.view import Expected
from tools.snapshot.rollout import Rollout


def progress(view: Rollout, verdict: Verdict) -> Text:
    """Return the state in a line, without the time: an equal line means that nothing has changed."""
    if view.service is None:
        return verdict.text
    mine = view.deployment
    values: dict[str, str | int | Text] = {
        "revision": view.revision,
        "running": mine.running if mine else 0,
        "desired": view.desired,
        "pending": mine.pending if mine else 0,
        "why": verdict.text,
    }
    if view.process:
        # ECS counts only tasks that did not start.
        return t(
            "{revision}: tasks {running} of {desired} running, {pending} starting, {failed} failed; {why}",
            failed=len(view.failed_tasks),
            **values,
        )
    return t(
        "{revision}: tasks {running} of {desired} running, {pending} starting, {failed} failed; "
        "targets {targets}; {why}",
        failed=mine.failed if mine else 0,
        targets=targets(view),
        **values,
    )


def another_count(
    desired: int, counts: Collection[int], expected: Expected, place: Place
) -> Text | None:
    """Return that the desired count is none of the stack file's ``counts``; None where it is.

    It is None for 0, too: the doctor says why no task runs, and that ./careapp resume ends a pause.
    """
    if desired == 0 or desired in counts:
        return None
    nearest = min(counts, key=lambda each: (abs(each - desired), -each))
    return t(
        "the desired count of the service is {desired}, the stack file says {counts}; to change it: {command}",
        desired=desired,
        counts=spelled(counts),
        command=place.complete(
            f"aws ecs update-service --cluster {expected.names.cluster} "
            f"--service {expected.names.service} --desired-count {nearest}"
        ),
    )


def spelled(counts: Collection[int]) -> str:
    """Return `1`, `2-4`, or `0, 2-4` for numbers without a gap but for a zero."""
    above = sorted(set(counts) - {0})
    zero = ["0"] if 0 in counts else []
    if not above:
        return "0"
    span = f"{above[0]}-{above[-1]}" if len(above) > 1 else str(above[0])
    return ", ".join([*zero, span])


def targets(view: Rollout) -> str:
    """Count the states of the targets: `1 healthy, 2 unhealthy (Target.Timeout)`."""
    if not view.targets:
        return "0"
    states = Counter(
        f"{target.state} ({target.reason})" if target.reason else target.state
        for target in view.targets
    )
    return ", ".join(f"{count} {state}" for state, count in sorted(states.items()))


def unconfirmed(expected: Expected, problem: str) -> str:
    """Return the text of a roll-out that could not be read. ``problem`` says what to do, too."""
    head = t(
        "it is not known whether {revision} runs: its roll-out could not be read from AWS",
        revision=expected.revision,
    )
    after = t(
        "The changes are recorded. The next `pulumi up` checks again, with or without changes."
    )
    return _block(str(head), problem, str(after))


NOT_ROLLED_BACK = t(
    "ECS has completed the deployment, so it was not rolled back. Correct it, or put the earlier version back in "
    "the program, as section 7 of docs/runbook.md says; then `pulumi up`."
)


def running_with_a_cause(
    end: End, expected: Expected, found: str, *, page_worked: bool = False
) -> str:
    """Return the text of a completed roll-out for which the doctor finds a cause.

    ``page_worked``: before this update it did.
    """
    head = t(
        "{revision} runs and its targets are healthy, but the doctor finds a cause that must be removed",
        revision=expected.revision,
    )
    if end.view.desired == 0:
        head = t(
            "{revision} is deployed, but the desired count is 0, and the stack file says more",
            revision=expected.revision,
        )
    after = t("The changes are recorded. Each `pulumi up` fails until the cause is removed.")
    note = str(NOT_ROLLED_BACK) if page_worked else ""
    return _block(str(head), found, note, str(after))


def would_delete(expected: Expected, found: str) -> str:
    """Return the text of an update that would delete what the page needs."""
    head = t(
        "{revision} runs, but this update would delete what its page needs; it was stopped "
        "before that",
        revision=expected.revision,
    )
    after = t(
        "Nothing was deleted yet, because Pulumi deletes at the end of an update: the page "
        "still works. Each `pulumi up` fails until the program declares it again."
    )
    return _block(str(head), found, str(after))


WEB_STAYS = t("The web service stays as it is: it is not rolled back with a worker.")

WORTH_A_DIAGNOSIS = frozenset(
    {Outcome.GAVE_UP, Outcome.ROLLED_BACK, Outcome.BECAME_UNHEALTHY, Outcome.TOO_LATE}
)
"""Outcomes that need the doctor; a deleted service, for example, is the cause itself."""


def failed(
    end: End,
    expected: Expected,
    diagnosis: str,
    *,
    deregistered: bool,
    back: Text | None = None,
) -> str:
    """Return the text of a failed roll-out: what happened, the diagnosis, what to do.

    ``back`` is what the gate's own rollback has done.
    """
    verdict = end.verdict
    head = str(t("the roll-out failed: {what}", what=verdict.text))
    what_to_do = _register_again(expected) if deregistered else _what_to_do(end, expected)
    serving = back or _serving(end.view)
    if expected.names.process:
        what_to_do = joined("\n", (what_to_do, WEB_STAYS))
    if serving is not None:
        head = f"{head}\n{serving!s}"
    return _block(head, diagnosis, str(what_to_do))


def _block(*parts: str) -> str:
    return "\n\n".join(part.strip("\n") for part in parts if part.strip())


def _serving(view: Rollout) -> Text | None:
    others = [each for each in view.other_deployments if each.running]
    if not others:
        return None
    return t(
        "Still running: {revision} (running tasks: {running}, desired: {desired}).",
        revision=others[0].revision,
        running=others[0].running,
        # The deployment's own count may be 0 already: it is the one that is replaced.
        desired=view.desired,
    )


def _register_again(expected: Expected) -> Text:
    return t(
        "What to do: {revision} was deregistered, so ECS does not deploy it any more. "
        "`pulumi up --refresh` registers a new revision and rolls it out.",
        revision=expected.revision,
    )


def _what_to_do(end: End, expected: Expected) -> Text:
    verdict = end.verdict
    if verdict.outcome is Outcome.DELETED:
        return t("What to do: `pulumi up --refresh` creates what is missing.")
    if verdict.outcome is Outcome.REPLACED:
        return t(
            "What to do: wait for the other deployment, agree on one version, then `pulumi up "
            "--refresh` rolls this program's version out."
        )
    if verdict.outcome is Outcome.ROLLED_BACK and end.view.rollback_reason:
        return t(
            "What to do: remove the cause above, let ECS try again, and have Pulumi compare the "
            "service with what this stack declares:\n"
            "  {command}\n"
            "  pulumi up --refresh\n"
            "Each `pulumi up` fails until that has worked.",
            command=try_again(expected.names),
        )
    if verdict.outcome is Outcome.BECAME_UNHEALTHY:
        return t(
            "What to do: remove the cause above, then `pulumi up`. Each one fails until "
            "{revision} runs.",
            revision=expected.revision,
        )
    if verdict.outcome is Outcome.TOO_LATE:
        return t(
            "What to do: remove the cause above, or, if the app only needs longer, `pulumi "
            "config set rolloutTimeoutMinutes MINUTES`. ECS goes on trying; the next `pulumi up` "
            "waits again, and fails until {revision} runs.",
            revision=expected.revision,
        )
    if verdict.outcome is Outcome.WRONG:
        return t(
            "What to do: correct the app, then `pulumi up`. Each one fails until the program's "
            "version runs. To go back to the sources of an earlier image, change imageRevision, "
            "too, because ECR has that image's tag already. Where the cause lies outside of the "
            "app, remove it, and start a new deployment:\n"
            "  {command}",
            command=try_again(expected.names),
        )
    if verdict.outcome is Outcome.CERTAIN:
        return t(
            "What to do: remove the cause above, then `pulumi up`. Where that makes no new task "
            "definition, and ECS has given up by then, start a new deployment first:\n"
            "  {command}\n"
            "Each `pulumi up` fails until {revision} runs.",
            command=try_again(expected.names),
            revision=expected.revision,
        )
    return t(
        "What to do: remove the cause above, then `pulumi up`. Where that makes no new task "
        "definition, start a new deployment first, because ECS has given up:\n"
        "  {command}\n"
        "Each `pulumi up` fails until {revision} runs.",
        command=try_again(expected.names),
        revision=expected.revision,
    )


def undiagnosed(mistake: Exception) -> Text:
    """Return that the doctor itself failed, with the error."""
    why = f"{type(mistake).__name__}: {mistake}"
    return t("The diagnosis itself failed ({why}); try `./careapp doctor`.", why=why)
