"""Containers that end: exit codes, memory, and what their log says about it."""

from __future__ import annotations

from collections.abc import Iterator

from ops.checks import mended, sizes
from ops.checks.case import Case
from ops.checks.loglines import Told, own_frame, told
from ops.findings import Finding, Fix
from ops.snapshot.records import Container, Task
from ops.snapshot.surroundings import Line
from ops.snapshot.task_logs import AWAY, BACK
from ops.texts import Text, t, verbatim

EXITED = "EssentialContainerExited"
SHOWN = 8
EXIT_CODES: dict[int, Text] = {
    0: t("it ended by itself, as if it had nothing to do"),
    1: t("an error that nobody caught"),
    2: t("wrong use: an unknown option or argument"),
    3: t("gunicorn could not load the app or start its workers"),
    126: t("the command cannot be executed"),
    127: t("the command does not exist in the image"),
    132: t("SIGILL: an instruction that this processor does not know"),
    134: t("SIGABRT: it gave up by itself"),
    137: t("SIGKILL: out of memory, or it did not end within the stop timeout"),
    139: t("SIGSEGV: a crash inside native code"),
    143: t("SIGTERM: it was told to end"),
    255: t("an error outside the usual codes"),
}
"""What a container's exit code means: its own, or 128 and the number of the signal that ended it."""


def memory(case: Case) -> Iterator[Finding]:
    """A container that was killed for its memory."""
    main = case.main
    killed = [
        (task, each)
        for task in case.failed
        for each in task.containers
        if each.reason.startswith("OutOfMemory")
    ]
    if not case.unsteady or main is None or not killed:
        return
    task, container = killed[0]
    yield Finding(
        id="out-of-memory",
        kind="cause",
        rank=50,
        title=t("The task runs out of memory"),
        why=t("Fargate kills a container that takes more memory than the task has."),
        seen=(
            t("taskMemory is {memory} MiB.", memory=main.memory),
            _exit(task, container),
        ),
        fixes=(sizes.more_memory(case, main.cpu, main.memory),),
        evidence=(container.reason, *_last(case, task)),
    )


def crash(case: Case) -> Iterator[Finding]:
    """A container that ended by itself."""
    if not case.unsteady:
        return
    for task in case.failed:
        container = _ended(task)
        if container is not None:
            yield _crash(case, task, container)
            return


def _ended(task: Task) -> Container | None:
    """The container that ended by itself, and not for its memory."""
    if task.stop_code != EXITED and "Essential container" not in task.reason:
        return None
    found = [each for each in task.containers if each.exit_code is not None]
    found = [each for each in found if not each.reason.startswith("OutOfMemory")]
    return next((each for each in found if each.exit_code), found[0] if found else None)


def _crash(case: Case, task: Task, container: Container) -> Finding:
    cause = told(case.lines(task))
    count = sum(_ended(each) is not None for each in case.failed)
    seen = [_exit(task, container)]
    if count > 1:
        seen.append(t("{count} tasks of this deployment ended in this way.", count=count))
    return Finding(
        id=f"crash-{cause.known.id}" if cause else "crash",
        kind="cause",
        rank=52,
        title=_filled(cause, cause.known.title)
        if cause
        else t("The app ends right after its start"),
        why=cause.known.why if cause else t("ECS starts another task, which ends as well."),
        seen=tuple(seen),
        fixes=(*_fixes(case, cause), *case.mended()),
        evidence=_last(case, task) or (task.reason,),
    )


def _filled(cause: Told, text: Text) -> Text:
    return Text(text.template, (*text.values, ("what", cause.what)))


def _fixes(case: Case, cause: Told | None) -> tuple[Fix, ...]:
    stack = case.now.names.stack
    if cause is None:
        text = t("Mend what the last lines of its log say, and deploy:")
        commands = (f"./careapp logs --previous -s {stack}", f"pulumi up -s {stack}")
        return (Fix(text, commands),)
    if cause.known.about == "database":
        return (Fix(_filled(cause, cause.known.fix)), *case.tried_again())
    return (Fix(_filled(cause, cause.known.fix), (f"pulumi up -s {stack}",)),)


def _exit(task: Task, container: Container) -> Text:
    code = container.exit_code
    if code is None:
        return t(
            "Task {task}: container {container} was killed.",
            task=task.short,
            container=container.name,
        )
    meaning = EXIT_CODES.get(code) or t(
        "signal {number}", number=code - 128 if code > 128 else code
    )
    return t(
        "Task {task}: container {container} ended with exit code {code} ({meaning}).",
        task=task.short,
        container=container.name,
        code=code,
        meaning=meaning,
    )


def _last(case: Case, task: Task) -> tuple[str, ...]:
    texts = [each.text for each in case.lines(task)]
    last = texts[-SHOWN:]
    there = {each.strip() for each in last}
    return (*(each for each in own_frame(texts) if each not in there), *last)


def database_in_log(case: Case) -> Iterator[Finding]:
    """What a running app's log says of its database: /health does not ask it, so ECS is content."""
    for task in case.alive:
        cause = told(_standing(case, task))
        if cause is not None and cause.known.about == "database":
            yield Finding(
                id=f"app-{cause.known.id}",
                kind="cause",
                rank=45,
                title=_filled(cause, cause.known.title),
                why=cause.known.why,
                seen=(t("Task {task} runs, and its log says so.", task=task.short),),
                fixes=_fixes(case, cause),
                evidence=(cause.line,),
            )
            return


def _standing(case: Case, task: Task) -> tuple[Line, ...]:
    """The lines that the app has not taken back by a later one.

    Of before a gap only what it says of losing the database: what takes that back was looked for in it.
    """
    logs, lines = case.now.logs.value, case.lines(task)
    resumed = logs.resumed.get(task.id) if logs else None
    if resumed:
        lines = tuple(e for e in lines if e.at >= resumed or AWAY in e.text or BACK in e.text)
    back = [index for index, each in enumerate(lines) if BACK in each.text]
    return lines[back[-1] + 1 :] if back else lines


def unexplained(case: Case) -> Iterator[Finding]:
    """Tasks that could not start, for a reason that no other check knows."""
    words = case.reasons(
        r"^(CannotPull|CannotStart|CannotCreate|ResourceInit|Timeout|Task failed to)"
    )
    never = [each for each in case.failed if each.stop_code == "TaskFailedToStart"]
    words = words or tuple(dict.fromkeys(each.reason for each in never if each.reason))
    if words:
        yield mended.start(case, words) or Finding(
            id="task-cannot-start",
            kind="cause",
            rank=70,
            title=t("The tasks cannot start"),
            why=t("ECS says why in its own words below."),
            seen=(verbatim(words[0].partition(":")[0]),),
            fixes=(
                Fix(t("Mend what it names. If that is in order by now, tell ECS to try again.")),
                *case.tried_again(),
            ),
            evidence=words,
        )
