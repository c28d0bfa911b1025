"""Containers that end: exit codes, memory, and what their log says about it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from i18n import Text, t, verbatim
from ops.doctor.case import Case
from ops.doctor.checks import capacity, databases, inputs, outbound, permissions
from ops.doctor.findings import Finding, Fix
from ops.doctor.log_lines import LoggedCause, Raised, logged_cause, raised
from ops.snapshot.records import Container, Task

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


PROGRAM_ERRORS = {
    *("AttributeError", "ImportError", "IndentationError", "NameError", "SyntaxError", "TypeError"),
}
"""Exceptions that say that the program is wrong, and not that it lacks what may come later."""


def memory(case: Case) -> Iterator[Finding]:
    """A container that was killed for its memory."""
    definition = case.definition
    killed = [
        (task, each)
        for task in case.failed_tasks
        for each in task.containers
        if each.reason.startswith("OutOfMemory")
    ]
    if not case.unsteady or definition is None or not killed:
        return
    task, container = killed[0]
    yield Finding(
        id="out-of-memory",
        title=t("The task runs out of memory"),
        why=t("Fargate kills a container that takes more memory than the task has."),
        seen=(
            t("taskMemory is {memory} MiB.", memory=definition.memory),
            _exit(task, container),
        ),
        fixes=(capacity.more_memory(case, definition.cpu, definition.memory),),
        evidence=(container.reason, *_last(case, task)),
    )


def crash(case: Case) -> Iterator[Finding]:
    """A container that ended by itself."""
    if not case.unsteady:
        return
    for task in case.failed_tasks:
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
    cause, mistake = logged_cause(case.lines(task)), _raised(case, task)
    count = sum(_ended(each) is not None for each in case.failed_tasks)
    seen = [_exit(task, container)]
    if count > 1:
        seen.append(t("{count} tasks of this deployment ended in this way.", count=count))
    if cause:
        seen += databases.measured(case, cause.known)
        seen += [mistake.text] if mistake and cause.known.about == "app" else []
    return Finding(
        id=_id(cause, mistake),
        title=_title(cause, mistake),
        why=databases.why(case, cause.known)
        if cause
        else t("ECS starts another task, which ends as well."),
        seen=tuple(seen),
        fixes=(*_fixes(case, cause, mistake), *case.retry_if_fixed()),
        evidence=_last(case, task) or (task.reason,),
    )


def _id(cause: LoggedCause | None, mistake: Raised | None) -> str:
    if cause:
        return f"crash-{cause.known.id}"
    return "crash-by-program" if mistake and mistake.error in PROGRAM_ERRORS else "crash"


def _raised(case: Case, task: Task) -> Raised | None:
    return raised(each.text for each in case.lines(task))


def _title(cause: LoggedCause | None, mistake: Raised | None) -> Text:
    if cause:
        return cause.title
    return mistake.text if mistake else t("The app ends right after its start")


def _fixes(case: Case, cause: LoggedCause | None, mistake: Raised | None) -> tuple[Fix, ...]:
    stack = case.now.names.stack
    if cause is None and mistake is not None:
        text = t("Correct {file}, line {line}, and deploy:", file=mistake.file, line=mistake.line)
        return (Fix(text, (f"pulumi up -s {stack}",)),)
    if cause is None:
        text = t("Mend what the last lines of its log say, and deploy:")
        commands = (f"./careapp logs --previous -s {stack}", f"pulumi up -s {stack}")
        return (Fix(text, commands),)
    if cause.known.about == "database":
        return (Fix(cause.fix, databases.commands(case, cause.known)), *case.then_retry())
    return (Fix(cause.fix, (f"pulumi up -s {stack}",)),)


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
    mistake = raised(texts)
    return (*(each for each in (mistake.frame if mistake else ()) if each not in there), *last)


def unexplained(case: Case) -> Iterator[Finding]:
    """Tasks that could not start, for a reason that no other check knows."""
    words = case.stop_reasons(
        r"^(CannotPull|CannotStart|CannotCreate|ResourceInit|Timeout|Task failed to)"
    )
    never = [each for each in case.failed_tasks if each.stop_code == "TaskFailedToStart"]
    words = words or tuple(dict.fromkeys(each.reason for each in never if each.reason))
    if words:
        yield start(case, words) or Finding(
            id="task-cannot-start",
            title=t("The tasks cannot start"),
            why=t("ECS says why in its own words below."),
            seen=(verbatim(words[0].partition(":")[0]),),
            fixes=(
                Fix(t("Mend what it names. If that is in order by now, tell ECS to try again.")),
                *case.then_retry(),
            ),
            evidence=words,
        )


LOOKED_AT = re.compile(r"CannotPull|ResourceInitializationError|Task failed to start")
"""Reasons whose causes the checks below look at: image, secrets, log, rights, and the way to AWS."""


CHECKS = (
    permissions.execution_role,
    inputs.image,
    inputs.secrets,
    databases.secret,
    inputs.log_group,
    outbound.task_to_aws,
)


PARTS = ("execution", "image", "secrets", "logs", "network")


def start(case: Case, words: tuple[str, ...]) -> Finding | None:
    """That everything which the start needs was seen to be in order; None where it was not."""
    if not case.given_up or not all(map(LOOKED_AT.match, words)):
        return None
    if any(getattr(case.now, part).problem for part in PARTS) or _wrong(case):
        return None
    return Finding(
        id="task-start-mended",
        title=t("What kept the tasks from starting is in order now; ECS has not tried again since"),
        why=t("ECS has given up, and starts no task by itself any more."),
        seen=(
            t(
                "Image, secrets, log group, the execution role's rights and the way to AWS are in "
                "order now. The last try ended at {time}.",
                time=case.last_stop,
            ),
        ),
        fixes=(Fix(t("Let ECS try again:"), (case.retry_command,)),),
        evidence=words,
    )


def _wrong(case: Case) -> Iterable[Finding]:
    return [each for check in CHECKS for each in check(case) if each.kind == "cause"]
