"""Check containers that ended: exit codes, memory, and the cause in their log."""

import re
import shlex
from collections.abc import Iterator
from datetime import timedelta

from ecs_gate.checks import capacity, logged
from ecs_gate.diagnosis.case import Case
from ecs_gate.diagnosis.catalogue import CRASH, START, TASKS_NODE, Facts
from ecs_gate.diagnosis.findings import Finding, Fix
from ecs_gate.diagnosis.known_causes import LoggedCause, logged_cause, own_lines
from ecs_gate.diagnosis.log_lines import (
    ENDED,
    RAISED,
    errors,
    killed_workers,
    replaced_workers,
)
from ecs_gate.parts.records import Container, Definition, Sidecar, Task
from ecs_gate.text import Text, joined, t, verbatim

# Memory may run out under load alone.
OUT_OF_MEMORY = Facts("out-of-memory", 44, {TASKS_NODE})
OUT_OF_MEMORY_LATER = Facts("out-of-memory-later", 44, {TASKS_NODE}, blocks=False)
SIDECAR_EXITED = Facts("sidecar-exited", 51, {TASKS_NODE}, subject=CRASH)
CRASH_UNKNOWN = Facts("crash", 52, {TASKS_NODE}, subject=CRASH)
PROCESS_ENDS = Facts("process-ends", 52, {TASKS_NODE}, subject=CRASH)
CRASH_BY_PROGRAM = Facts("crash-by-program", 52, {TASKS_NODE}, subject=CRASH, certain=True)
KILLED_AT_STOP = Facts("killed-at-stop", 53, {TASKS_NODE}, blocks=False)
TASK_CANNOT_START = Facts("task-cannot-start", 70, {TASKS_NODE}, {START}, repeats=True, result=True)

ENDS = t("The app ends right after its start")

AGAIN_AND_AGAIN = 3
"""How many workers must end before that is no passing end of one."""

REMEMBERED = timedelta(hours=1)
"""How long a killed worker is a cause: as long as ECS remembers a stopped task."""

EXITED = "EssentialContainerExited"

SHOWN = 8

WORD = re.compile(r"\w")
"""Lines without a word, such as the end of a statement of SQL, tell nothing."""

EXIT_CODES: dict[int, Text] = {
    0: t("the process ended without an error"),
    1: t("an uncaught error"),
    2: t("usage error: an unknown option or argument"),
    126: t("the command cannot be executed"),
    127: t("the command does not exist in the image"),
    132: t("SIGILL: an instruction that this processor does not support"),
    134: t("SIGABRT: the process aborted"),
    137: t("SIGKILL: out of memory, or it did not end within the stop timeout"),
    139: t("SIGSEGV: a crash inside native code"),
    143: t("SIGTERM: it was asked to end"),
    255: t("an error outside the usual codes"),
}
"""What a container's exit code means: its own, or 128 and the number of the signal that ended it."""

SIGNALS = 128
GUNICORN = re.compile(r"\[ERROR\] (?:Reason|Shutting down|Worker \(pid)|gunicorn")
NOT_LOADED = 3
"""gunicorn's exit code where it could not load the app or start its workers (gunicorn/arbiter.py)."""

PROGRAM_ERRORS = {
    *("AttributeError", "ImportError", "IndentationError", "NameError", "SyntaxError", "TypeError")
}
"""Exceptions that say that the program is wrong, and not that it lacks what may come later."""


def memory(case: Case) -> Iterator[Finding]:
    """Find tasks that ran out of memory, and gunicorn's workers that the kernel killed for it.

    Where all is well again, those of the last hour, also of before ECS called the deployment completed; it comes again
    at once where so many were killed.
    """
    steady = case.steady
    if case.definition is None or not (steady or case.unsteady):
        return
    since = case.at - REMEMBERED if steady else None
    for task in (*case.failed_tasks, *case.active_tasks):
        full = [each for each in task.containers if each.reason.startswith("OutOfMemory")]
        lines = case.lines(task)
        killed = killed_workers(line for line in lines if since is None or line.at > since)
        if full:
            evidence = (full[0].reason, *last_lines(case, task))
            yield _out_of_memory(case, case.definition, _exit(task, full[0]), evidence, steady)
            return
        if killed:
            seen = t("Task {task}: gunicorn reports {count} worker that was killed.",
"Task {task}: gunicorn reports {count} workers that were killed.",
                     task=task.short, count=len(killed))  # fmt: skip
            later = steady and len(killed) < AGAIN_AND_AGAIN
            yield _out_of_memory(case, case.definition, seen, killed[-3:], later)
            return


def _out_of_memory(
    case: Case, definition: Definition, seen: Text, evidence: tuple[str, ...], later: bool
) -> Finding:
    more = capacity.more_memory(case, definition.cpu, definition.memory)
    limit = t("{taskMemory} is {memory} MiB.", memory=definition.memory)
    text = t(
        "It ran out of memory only after it had become healthy: under load, or by a leak ({leak}), where more "
        "memory ({taskMemory}) would only delay the next end."
    )
    return Finding(
        OUT_OF_MEMORY_LATER if later else OUT_OF_MEMORY,
        title=t("The task runs out of memory"),
        why=t(
            "Where the containers need more memory than the task has, the kernel kills the process that uses "
            "most. If it is a container's first, the container ends; a worker's server starts another one."
        ),
        seen=(*([limit] if definition.memory else []), seen),
        fixes=(Fix(text),) if later else (*_as_before(case, definition), more),
        evidence=evidence,
    )


def _as_before(case: Case, definition: Definition) -> Iterator[Fix]:
    """Yield the fix of a version that needs more memory than the one that serves, in a task as large."""
    for task in case.current_tasks:
        other = case.definition_of(task)
        if other and other.arn != definition.arn and other.memory <= definition.memory:
            text = t(
                "{revision} runs in as much memory: correct what this version keeps or reads at once, and deploy:",
                revision=task.revision,
            )
            yield case.deploy(text)
            return


def killed_at_stop(case: Case) -> Iterator[Finding]:
    """Find a task that ECS stopped as usual, and had to kill (exit code 137) after stopTimeout."""
    for task in case.tasks:
        killed = [each for each in task.containers if each.exit_code == 137 and not each.reason]
        if task.over and not task.failed and killed:
            text = t(
                "Have the command end within its seconds after SIGTERM (a start script ends with `exec` of the "
                "server), or give it more ({stopSeconds}). Then deploy:"
            )
            yield Finding(
                KILLED_AT_STOP,
                kind="warning",
                title=t("The app does not end when ECS tells it to, and is killed"),
                why=t("Requests and work under way are lost, and each roll-out waits for it."),
                seen=(_exit(task, killed[0]),),
                fixes=(case.deploy(text),),
                evidence=(task.reason,),
            )
            return


def crash(case: Case) -> Iterator[Finding]:
    """Find the container that ended in a task, where tasks are missing or were, a moment ago, and nothing answers."""
    for task in case.failed_tasks:
        lately = task.ended is not None and case.at - task.ended <= LATELY
        if not (case.unsteady or (lately and _unanswered(case))):
            return
        if container := _ended(case, task):
            definition = case.definition_of(task)
            sidecars = definition.sidecars if definition else ()
            mine = [sidecar for sidecar in sidecars if sidecar.name == container.name]
            yield (
                _sidecar_exited(case, task, container, mine[0])
                if mine
                else _crash(case, task, container)
            )
            return


LATELY = timedelta(minutes=10)


def _unanswered(case: Case) -> bool:
    page = case.now.page.value
    return page is not None and page.unanswered


def workers_end(case: Case) -> Iterator[Finding]:
    """Find gunicorn's workers that end by themselves again and again: its main process lives on.

    Where nothing fails now, a worker must have ended with an error: of others nothing but their start is known.
    """
    failing = bool(case.failed_checks) or _unanswered(case)
    for task in (*case.failed_tasks, *case.active_tasks):
        lines = case.lines(task)
        codes = [found["code"] for line in lines if (found := ENDED.search(line.text))]
        if len(replaced_workers(lines)) < AGAIN_AND_AGAIN or not (failing or codes):
            continue
        text = t(
            "Have the app not end its own process (sys.exit, os._exit, raise SystemExit, a script's last line), and "
            "deploy:"
        )
        yield Finding(
            PROCESS_ENDS,
            title=t(
                "gunicorn's workers end by themselves with code {code}", code=(codes or ["0"])[-1]
            ),
            why=t("gunicorn starts another one each time; what it was answering is lost."),
            fixes=(case.deploy(text, *case.remedies.logs("--previous")), *case.retry_if_fixed()),
            evidence=last_lines(case, task),
        )
        return


TOLD = (0, 137, 143)
"""Exit codes of a container that ECS tells to end, as it does to the others when an essential one has exited."""

TOLD_TO_END = re.compile(r"(?i)handling signal: term|sigterm|signal 15")


def _ended(case: Case, task: Task) -> Container | None:
    """Return the container that exited first, other than for its memory. ECS does not say which it was."""
    if task.stop_code != EXITED and "Essential container" not in task.reason:
        return None
    definition = case.definition_of(task)
    spare = {each.name for each in definition.sidecars if not each.essential} if definition else ()
    containers = [
        container
        for container in task.containers
        if container.exit_code is not None
        and not container.reason.startswith("OutOfMemory")
        and container.name not in spare
    ]
    containers = [each for each in containers if each.exit_code not in TOLD] or containers
    if len(containers) > 1 and any(TOLD_TO_END.search(line.text) for line in case.lines(task)):
        containers = [
            each for each in containers if not definition or each.name != definition.container
        ]
    return next(
        (each for each in containers if each.exit_code), containers[0] if containers else None
    )


def _sidecar_exited(case: Case, task: Task, container: Container, sidecar: Sidecar) -> Finding:
    # Both versions of the AWS CLI have it; `aws logs tail` is version 2's.
    commands = (
        f"aws logs get-log-events --log-group-name {sidecar.log_group} --log-stream-name "
        f"{sidecar.stream(task.id)} --limit {SHOWN} --query 'events[].[message]' --output text"
    )
    return Finding(
        SIDECAR_EXITED,
        title=t("The container {name} exits, and ECS stops the app with it", name=sidecar.name),
        why=t("It is essential in {revision}: when it exits, ECS stops the task.",
              revision=task.revision),
        seen=(_exit(task, container),),
        fixes=(
            case.deploy(
                t("Correct what its last lines say, or set essential to false for it, and deploy:"),
                *((commands,) if sidecar.log_group else ()),
            ),
            *case.retry_if_fixed(),
        ),
        evidence=(container.reason or task.reason,),
    )  # fmt: skip


def _crash(case: Case, task: Task, container: Container) -> Finding:
    lines, healthy = [line.text for line in case.lines(task)], case.serving_texts
    cause, mistake = logged_cause(lines, healthy), case.raised(own_lines(lines, healthy))
    seen = [_exit(task, container, by_gunicorn=any(map(GUNICORN.search, lines)))]
    if (definition := case.definition_of(task)) and definition.command:
        ran = verbatim(shlex.join(definition.command))
        seen.append(
            t(
                "It ran {command} ({appCommand}).",
                command=ran,
            )
        )
    if cause:
        seen += [mistake.text] if mistake and cause.known.about == "app" else []
        return logged.of_log(case, cause, tuple(seen), last_lines(case, task, cause))
    facts, title = CRASH_UNKNOWN, ENDS
    text = t("The last lines of its log show what ran last; correct what ended it, and deploy:")
    if found := errors(case.lines(task)):
        text = t("Fix the error in the last lines of its log, and deploy:")
        title = joined(": ", (ENDS, *[verbatim(line) for line in found if RAISED.match(line)][-1:]))
    elif container.exit_code == 0:
        facts = PROCESS_ENDS
        title = t(
            "The app's process ends by itself with code 0, and a service needs one that does not"
        )
        text = t(
            "Run a command that does not end, in the foreground (gunicorn without --daemon), in place of the image's "
            "CMD, as compose does ({appCommand}). Where the app ends it (sys.exit, raise SystemExit), correct that. "
            "Then deploy:"
        )
    fix = case.deploy(text, *case.remedies.logs("--previous"))
    if mistake:
        facts = CRASH_BY_PROGRAM if mistake.error in PROGRAM_ERRORS else CRASH_UNKNOWN
        title, fix = mistake.text, case.correct_line(mistake)
    return Finding(
        facts,
        title=title,
        why=t("ECS starts another task, which ends as well."),
        seen=tuple(seen),
        fixes=(fix, *case.retry_if_fixed()),
        evidence=last_lines(case, task) or (task.reason,),
    )


def _exit(task: Task, container: Container, *, by_gunicorn: bool = False) -> Text:
    """Return how a container ended. Only gunicorn's logs give 3 its meaning; other programs have their own codes."""
    code = container.exit_code
    if code is None:
        return t(
            "Task {task}: container {container} was killed.",
            task=task.short,
            container=container.name,
        )
    meaning = EXIT_CODES.get(code) or t("signal {number}", number=code - 128)
    if code not in EXIT_CODES and code <= SIGNALS:
        meaning = t("a code of the program's own")
    if code == NOT_LOADED and by_gunicorn:
        meaning = t("gunicorn could not load the app or start its workers")
    return t(
        "Task {task}: container {container} ended with exit code {code} ({meaning}).",
        task=task.short,
        container=container.name,
        code=code,
        meaning=meaning,
    )


def last_lines(case: Case, task: Task, cause: LoggedCause | None = None) -> tuple[str, ...]:
    """Return the last lines of a task's log, after those that tell the cause where they lack them.

    These are the app's own line that raised, and the line that names a known ``cause``.
    """
    texts = [line.text for line in case.lines(task)]
    last = [text for text in texts if WORD.search(text)][-SHOWN:]
    there = {text.strip() for text in last}
    mistake = case.raised(texts)
    telling = (*(mistake.frame if mistake else ()), *((cause.line,) if cause else ()))
    return (*(text for text in telling if text.strip() not in there), *last)


def unexplained(case: Case) -> Iterator[Finding]:
    """Find tasks that failed to start for a reason that no other check covers."""
    reasons = case.stop_reasons(
        r"^(CannotPull|CannotStart|CannotCreate|ResourceInit|Timeout|Task failed to)"
    )
    never = [e for e in case.failed_tasks if case.unsteady and e.stop_code == "TaskFailedToStart"]
    reasons = reasons or tuple(dict.fromkeys(task.reason for task in never if task.reason))
    cause = logged_cause(reasons)
    if cause and cause.known.about == "system":
        yield logged.of_log(case, cause, (verbatim(reasons[0].partition(": ")[0]),), reasons)
    elif reasons:
        yield Finding(
            TASK_CANNOT_START,
            title=t("The tasks cannot start"),
            why=t("ECS gives the reason below."),
            seen=(verbatim(reasons[0].partition(": ")[0]),),
            fixes=(
                Fix(t("Fix the cause in the message. If it is fixed already, let ECS try again.")),
                *case.then_retry(),
            ),
            evidence=reasons,
        )
