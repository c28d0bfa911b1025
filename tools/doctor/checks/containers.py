"""Check containers that ended: exit codes, memory, and the cause in their log."""

from __future__ import annotations

import re
from collections.abc import Iterator

from stack.container import PASSWORD, RESERVED
from tools.diagnosis.case import Case
from tools.diagnosis.catalogue import CRASH, START, TASKS_NODE, Facts
from tools.diagnosis.findings import Finding, Fix
from tools.diagnosis.known_causes import VARIABLE, LoggedCause, logged_cause
from tools.diagnosis.log_lines import Raised, errors, killed_workers, raised
from tools.doctor.checks import capacity, databases, inputs, outbound, permissions
from tools.i18n import Text, t, verbatim
from tools.i18n.masking import names_a_secret
from tools.snapshot.records import Container, Definition, Sidecar, Task

# Memory may run out under load alone.
OUT_OF_MEMORY = Facts("out-of-memory", 50, {TASKS_NODE})
SIDECAR_EXITED = Facts("sidecar-exited", 51, {TASKS_NODE}, subject=CRASH)
CRASH_UNKNOWN = Facts("crash", 52, {TASKS_NODE}, subject=CRASH)
PROCESS_ENDS = Facts("process-ends", 52, {TASKS_NODE}, subject=CRASH)
CRASH_BY_PROGRAM = Facts("crash-by-program", 52, {TASKS_NODE}, subject=CRASH, certain=True)
TASK_CANNOT_START = Facts("task-cannot-start", 70, {TASKS_NODE}, {START}, repeats=True, result=True)
TASK_START_MENDED = Facts("task-start-mended", 70, {TASKS_NODE})

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
    *("AttributeError", "ImportError", "IndentationError", "NameError", "SyntaxError", "TypeError"),
}
"""Exceptions that say that the program is wrong, and not that it lacks what may come later."""


def memory(case: Case) -> Iterator[Finding]:
    """Find a container that was stopped because it ran out of memory, or one whose workers the kernel kills."""
    if not case.unsteady or case.definition is None:
        return
    for task in case.failed_tasks:
        for each in task.containers:
            if each.reason.startswith("OutOfMemory"):
                evidence = (each.reason, *last_lines(case, task))
                yield _out_of_memory(case, case.definition, _exit(task, each), evidence)
                return
    for task in (*case.active_tasks, *case.failed_tasks):
        killed = killed_workers(case.lines(task))
        if killed and not (task.over and _ended(case, task)):
            seen = t("Task {task}: gunicorn reports {count} worker that was killed.",
"Task {task}: gunicorn reports {count} workers that were killed.",
                     task=task.short, count=len(killed))  # fmt: skip
            yield _out_of_memory(case, case.definition, seen, killed[-3:])
            return


def _out_of_memory(
    case: Case, definition: Definition, seen: Text, evidence: tuple[str, ...]
) -> Finding:
    return Finding(
        OUT_OF_MEMORY,
        title=t("The task runs out of memory"),
        why=t(
            "Where the containers need more memory than the task has, the kernel kills the process that uses "
            "most. If it is a container's first, the container ends; a worker's server starts another one."
        ),
        seen=(_size(case, definition.memory), seen),
        fixes=(capacity.more_memory(case, definition.cpu, definition.memory),),
        evidence=evidence,
    )


def _size(case: Case, memory: int) -> Text:
    if case.process:
        return t("workers.{name}.memory is {memory} MiB.", name=case.process, memory=memory)
    return t("taskMemory is {memory} MiB.", memory=memory)


def crash(case: Case) -> Iterator[Finding]:
    """Find an essential container that exited."""
    if not case.unsteady:
        return
    for task in case.failed_tasks:
        container = _ended(case, task)
        sidecar = _sidecar(case, task, container) if container else None
        if sidecar is not None and container is not None:
            yield _sidecar_exited(case, task, container, sidecar)
            return
        if container is not None:
            yield _crash(case, task, container)
            return


TOLD = (0, 137, 143)
"""Exit codes of a container that ECS tells to end, as it does to the others when an essential one has exited."""

TOLD_TO_END = re.compile(r"(?i)handling signal: term|sigterm|signal 15")


def _ended(case: Case, task: Task) -> Container | None:
    """Return the container that exited first, other than for its memory. ECS does not say which it was."""
    if task.stop_code != EXITED and "Essential container" not in task.reason:
        return None
    definition = (case.now.definitions.value or {}).get(task.definition)
    spare = {each.name for each in definition.sidecars if not each.essential} if definition else ()
    found = [
        each
        for each in task.containers
        if each.exit_code is not None
        and not each.reason.startswith("OutOfMemory")
        and each.name not in spare
    ]
    found = [each for each in found if each.exit_code not in TOLD] or found
    if len(found) > 1 and any(TOLD_TO_END.search(each.text) for each in case.lines(task)):
        found = [each for each in found if not definition or each.name != definition.container]
    return next((each for each in found if each.exit_code), found[0] if found else None)


def _sidecar(case: Case, task: Task, container: Container) -> Sidecar | None:
    """Return the sidecar of the task definition that the container is; None for the app."""
    definition = (case.now.definitions.value or {}).get(task.definition)
    found = definition.sidecars if definition else ()
    return next((each for each in found if each.name == container.name), None)


def _sidecar_exited(case: Case, task: Task, container: Container, sidecar: Sidecar) -> Finding:
    stack = case.now.names.stack
    # Both versions of the AWS CLI have it; `aws logs tail` is version 2's.
    asked = (
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
            Fix(
                t("Correct what its last lines say, or set essential to false for it, and deploy:"),
                (*((asked,) if sidecar.log_group else ()), f"pulumi up -s {stack}"),
            ),
            *case.retry_if_fixed(),
        ),
        evidence=(container.reason or task.reason,),
    )  # fmt: skip


def _crash(case: Case, task: Task, container: Container) -> Finding:
    lines = case.lines(task)
    cause, mistake = logged_cause(lines, case.serving_lines), raised(each.text for each in lines)
    count = sum(_ended(case, each) is not None for each in case.failed_tasks)
    seen = [_exit(task, container, by_gunicorn=any(GUNICORN.search(each.text) for each in lines))]
    if count > 1:
        seen.append(
            t(
                "{count} task of this deployment ended like this.",
                "{count} tasks of this deployment ended like this.",
                count=count,
            )
        )
    if cause is None and mistake is None and not errors(lines):
        return _without_error(case, task, container, tuple(seen))
    if cause:
        seen += databases.measured(case, cause.known)
        seen += [mistake.text] if mistake and cause.known.about == "app" else []
    return Finding(
        _facts(cause, mistake),
        title=_title(cause, mistake),
        why=databases.why(case, cause)
        if cause
        else t("ECS starts another task, which ends as well."),
        seen=tuple(seen),
        fixes=(*_fixes(case, cause, mistake), *case.retry_if_fixed()),
        evidence=last_lines(case, task, cause) or (task.reason,),
    )


def _without_error(case: Case, task: Task, container: Container, seen: tuple[Text, ...]) -> Finding:
    """Return the finding of a task whose log names no error."""
    shown, up = case.logs_command("--previous"), f"pulumi up -s {case.now.names.stack}"
    ended = container.exit_code == 0
    title = t("The app's process ends, and a service needs one that does not")
    text = t(
        "Run a command that does not end, in the foreground (gunicorn without --daemon), and deploy:"
    )
    unsaid = t("The last lines of its log show what ran last; correct what ended it, and deploy:")
    return Finding(
        PROCESS_ENDS if ended else CRASH_UNKNOWN,
        title=title if ended else _title(None, None),
        why=t("ECS starts another task, which ends as well."),
        seen=seen,
        fixes=(Fix(text if ended else unsaid, (shown, up)), *case.retry_if_fixed()),
        evidence=last_lines(case, task) or (task.reason,),
    )


def _facts(cause: LoggedCause | None, mistake: Raised | None) -> Facts:
    if cause:
        return cause.known.crash
    return CRASH_BY_PROGRAM if mistake and mistake.error in PROGRAM_ERRORS else CRASH_UNKNOWN


def _title(cause: LoggedCause | None, mistake: Raised | None) -> Text:
    if cause:
        return cause.title
    return mistake.text if mistake else t("The app ends right after its start")


def _fixes(case: Case, cause: LoggedCause | None, mistake: Raised | None) -> tuple[Fix, ...]:
    stack = case.now.names.stack
    if cause is None and mistake is not None:
        return (case.correct_line(mistake),)
    if cause is None:
        text = t("Fix the error in the last lines of its log, and deploy:")
        commands = (case.logs_command("--previous"), f"pulumi up -s {stack}")
        return (Fix(text, commands),)
    return known_fixes(case, cause)


def known_fixes(case: Case, cause: LoggedCause) -> tuple[Fix, ...]:
    """Return the fixes of a cause that the log names."""
    if cause.known.about == "database":
        return (databases.fix(case, cause), *case.then_retry())
    if cause.known.id == VARIABLE.id:
        return (_set_variable(case, cause),)
    return (case.deploy(cause.fix),)


ADDRESS = re.compile(r"(DATABASE|DB|POSTGRES\w*|SQLALCHEMY\w*)_(URL|URI|DSN)")
"""Variables with the whole address of the database. The password, which RDS changes, is not in it."""


OF_DATABASE = re.compile(
    r"(?:\w+_)?(?:DB|DATABASE|SQL|PG|POSTGRES|POSTGRESQL)_?"
    r"(?:(?P<host>HOST|SERVER)|(?P<port>PORT)|(?P<user>USER|USERNAME)|(?P<name>NAME|DB|DATABASE)"
    r"|(?P<password>PASSWORD|PASS|PW))"
)
"""Variables in which apps expect one part of the database's address."""


def _of_database(name: str) -> dict[str, str]:
    """Return the settings that give a variable its part of the database's address; none for another variable."""
    if ADDRESS.fullmatch(name):
        address = "postgresql://${DB_USER}@${DB_HOST}:${DB_PORT}/${DB_NAME}?sslmode=require"
        return {name: address, "PGPASSWORD": PASSWORD}
    found = OF_DATABASE.fullmatch(name)
    return {name: f"${{DB_{str(found.lastgroup).upper()}}}"} if found else {}


def _set_variable(case: Case, cause: LoggedCause) -> Fix:
    """Return the fix of a missing variable: as a secret where it was one before, or its name is that of one."""
    stack, name = case.now.names.stack, cause.what
    before = [
        each.secrets[name]
        for each in (case.now.definitions.value or {}).values()
        if name in each.secrets
    ]
    if name in RESERVED:
        text = t("Set {name} in infra/container.py again, and deploy:", name=name)
        return case.deploy(text)
    if values := _of_database(name):
        text = t("Set it to the stack's value for its database (docs/your-app.md), and deploy:")
        return Fix(text, databases.set_to_stack_s(case, values))
    secret = f"pulumi config set --plaintext --path appSecrets.{name} {before[0] if before else 'ARN'} -s {stack}"
    if before:
        text = t("{name} was a secret of an earlier version; set it again, and deploy:", name=name)
        return Fix(text, (secret, f"pulumi up -s {stack}"))
    if not names_a_secret(name):
        return case.deploy(cause.fix)
    text = t(
        "{name} is a secret by its name: store it in Secrets Manager, set the ARN that the first command prints, "
        "and deploy:",
        name=name,
    )
    stored = f"aws secretsmanager create-secret --name {case.now.names.prefix}/{name} --secret-string file://FILE"
    return Fix(text, (stored, secret, f"pulumi up -s {stack}"))


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
    texts = [each.text for each in case.lines(task)]
    last = [each for each in texts if WORD.search(each)][-SHOWN:]
    there = {each.strip() for each in last}
    mistake = raised(texts)
    telling = (*(mistake.frame if mistake else ()), *((cause.line,) if cause else ()))
    return (*(each for each in telling if each.strip() not in there), *last)


def unexplained(case: Case) -> Iterator[Finding]:
    """Find tasks that failed to start for a reason that no other check covers."""
    words = case.stop_reasons(
        r"^(CannotPull|CannotStart|CannotCreate|ResourceInit|Timeout|Task failed to)"
    )
    never = [each for each in case.failed_tasks if each.stop_code == "TaskFailedToStart"]
    words = words or tuple(dict.fromkeys(each.reason for each in never if each.reason))
    if words:
        yield start(case, words) or Finding(
            TASK_CANNOT_START,
            title=t("The tasks cannot start"),
            why=t("ECS gives the reason below."),
            seen=(verbatim(words[0].partition(":")[0]),),
            fixes=(
                Fix(t("Fix the cause in the message. If it is fixed already, let ECS try again.")),
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
    outbound.vpc_dns,
    outbound.task_to_aws,
)

PARTS = ("execution", "image", "secrets", "logs", "network")


def start(case: Case, words: tuple[str, ...]) -> Finding | None:
    """Return the finding that all inputs of a start are correct now; None where one is not, or was not read."""
    if not case.given_up or not all(map(LOOKED_AT.match, words)):
        return None
    wrong = any(each.kind == "cause" for check in CHECKS for each in check(case))
    if wrong or any(getattr(case.now, part).problem for part in PARTS):
        return None
    return Finding(
        TASK_START_MENDED,
        title=t("The cause of the failed starts is fixed, and ECS has not tried again since"),
        why=t("ECS has given up and starts no more tasks."),
        seen=(
            t(
                "The image, the secrets, the log group, the execution role's permissions "
                "and the route to AWS are correct now. The last try ended at {time}.",
                time=case.last_stop,
            ),
        ),
        fixes=(case.retry(),),
        evidence=words,
    )
