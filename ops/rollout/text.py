"""The words of a roll-out: its progress, and the block that a failed one ends with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection

from i18n import Text, t
from ops.aws.session import Place
from ops.rollout.verdict import End, Outcome, Verdict
from ops.rollout.view import View, Wanted
from ops.snapshot.records import short


def progress(view: View | None, wanted: Wanted, verdict: Verdict) -> Text:
    """The state in a line, without the time: two equal lines mean that nothing has moved."""
    if view is None:
        return verdict.text
    mine = view.of(wanted.definition)
    return t(
        "{revision}: tasks {running} of {desired} running, {pending} starting, {failed} failed; "
        "targets {targets}; {why}",
        revision=wanted.revision,
        running=mine.running if mine else 0,
        desired=view.desired,
        pending=mine.pending if mine else 0,
        failed=mine.failed if mine else 0,
        targets=targets(view),
        why=verdict.text,
    )


def another_count(desired: int, counts: Collection[int], wanted: Wanted, place: Place) -> Text:
    """That ECS wants another number of tasks than the stack file: a scaler's, or a person's."""
    nearest = min(counts, key=lambda each: (abs(each - desired), -each))
    return t(
        "the service wants {desired} tasks, the stack file {counts}; to change that: {command}",
        desired=desired,
        counts=spelled(counts),
        command=place.told(
            f"aws ecs update-service --cluster {short(wanted.cluster)} "
            f"--service {short(wanted.service)} --desired-count {nearest}"
        ),
    )


def spelled(counts: Collection[int]) -> str:
    """`1`, `2-4`, or `0, 2-4` of numbers that hang together but for a zero."""
    above = sorted(set(counts) - {0})
    zero = ["0"] if 0 in counts else []
    if not above:
        return "0"
    span = f"{above[0]}-{above[-1]}" if len(above) > 1 else str(above[0])
    return ", ".join([*zero, span])


def targets(view: View) -> str:
    """The target group's states with ELB's own words, counted: `1 healthy, 2 unhealthy (…)`."""
    if not view.targets:
        return "0"
    states = Counter(
        f"{target.state} ({target.reason})" if target.reason else target.state
        for target in view.targets
    )
    return ", ".join(f"{count} {state}" for state, count in sorted(states.items()))


def timed(text: Text, elapsed: float, limit: float) -> Text:
    return t("{text} [{elapsed} of {limit}]", text=text, elapsed=clock(elapsed), limit=clock(limit))


def clock(seconds: float) -> str:
    """Minutes and seconds: `2:05`."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"


def unconfirmed(wanted: Wanted, problem: str) -> str:
    """The block of a roll-out at which nobody could look. `problem` names the way out, too."""
    head = t(
        "nobody knows whether {revision} runs: AWS could not be asked how its roll-out goes",
        revision=wanted.revision,
    )
    after = t(
        "What was changed is recorded. The next `pulumi up` looks again, with or without changes."
    )
    return _block(str(head), problem, str(after))


def running_but_ill(end: End, wanted: Wanted, found: str) -> str:
    """The block of a roll-out that ended well while something that the app needs is out of order."""
    head = t(
        "{revision} runs and its targets are healthy, but the doctor finds a cause that must be removed",
        revision=wanted.revision,
    )
    if end.view and end.view.desired == 0:
        head = t(
            "{revision} is in place, but no task of it is wanted, though the stack file asks for some",
            revision=wanted.revision,
        )
    after = t("What was changed is recorded. Each `pulumi up` is red until the cause is removed.")
    return _block(str(head), found, str(after))


WORTH_A_DIAGNOSIS = frozenset(
    {Outcome.GAVE_UP, Outcome.ROLLED_BACK, Outcome.FELL_ILL, Outcome.TOO_LATE}
)
"""The others, a deleted service say, are a cause themselves."""


def failed(end: End, wanted: Wanted, diagnosis: str, stack: str, *, deregistered: bool) -> str:
    """The block of a failed roll-out: what happened, the diagnosis, the way on."""
    verdict = end.verdict
    head = str(t("the roll-out failed: {what}", what=verdict.text))
    way_on = _anew(wanted) if deregistered else _way_on(end, wanted, stack)
    serving = _serving(end.view, wanted)
    if serving is not None:
        head = f"{head}\n{serving!s}"
    return _block(head, diagnosis, str(way_on))


def _block(*parts: str) -> str:
    return "\n\n".join(part.strip("\n") for part in parts if part.strip())


def _serving(view: View | None, wanted: Wanted) -> Text | None:
    others = [
        each
        for each in (view.service.deployments if view else ())
        if each.definition != wanted.definition and each.running
    ]
    if not others:
        return None
    return t(
        "Still running: {revision}, {running} of {desired} tasks.",
        revision=short(others[0].definition),
        running=others[0].running,
        desired=others[0].desired,
    )


def _anew(wanted: Wanted) -> Text:
    return t(
        "What to do: somebody has deregistered {revision}, so ECS deploys it no more. "
        "`pulumi up --refresh` registers it anew and rolls it out.",
        revision=wanted.revision,
    )


def _way_on(end: End, wanted: Wanted, stack: str) -> Text:
    verdict = end.verdict
    if verdict.outcome is Outcome.GONE:
        return t("What to do: `pulumi up --refresh` creates what is missing.")
    if verdict.outcome is Outcome.REPLACED:
        return t(
            "What to do: let the other deployment end, agree on one version, then "
            "`pulumi up --refresh` rolls this program's version out."
        )
    if verdict.outcome is Outcome.ROLLED_BACK and end.view and end.view.undone:
        return t(
            "What to do: remove the cause above, let ECS try again, and have Pulumi compare the "
            "service with what this stack declares:\n  {command}\n  pulumi up --refresh\n"
            "Each `pulumi up` is red until that has worked.",
            command=try_again(stack),
        )
    if verdict.outcome is Outcome.FELL_ILL:
        return t(
            "What to do: remove the cause above, then `pulumi up`. Each one is red until "
            "{revision} runs.",
            revision=wanted.revision,
        )
    if verdict.outcome is Outcome.TOO_LATE:
        return t(
            "What to do: remove the cause above, or, if the app only needs longer, "
            "`pulumi config set rolloutTimeoutMinutes MINUTES`. ECS goes on trying; the next "
            "`pulumi up` goes on watching, and is red until {revision} runs.",
            revision=wanted.revision,
        )
    return t(
        "What to do: remove the cause above, then `pulumi up`. Where that makes no new task "
        "definition, tell ECS to try again first, for it has given up:\n  {command}\n"
        "Each `pulumi up` is red until {revision} runs.",
        command=try_again(stack),
        revision=wanted.revision,
    )


def try_again(stack: str) -> str:
    """The command with which ECS tries the newest revision again."""
    return f"./careapp retry -s {stack}"
