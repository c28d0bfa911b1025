"""Check failed health checks without an answer: wrong port, address or protocol, or a slow start."""

from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_address
from itertools import pairwise
from math import ceil

from ecs_gate.checks import containers
from ecs_gate.diagnosis.case import Case
from ecs_gate.diagnosis.catalogue import CRASH, FORWARD, LOG, TASKS_NODE, Facts
from ecs_gate.diagnosis.findings import Finding, Fix
from ecs_gate.diagnosis.log_lines import Listening, errors, listening
from ecs_gate.parts.records import ContainerHealth, Definition, Task
from ecs_gate.target import HealthCheck
from ecs_gate.text import Text, t

NO_ANSWER = {
    *(
        "balancer-cannot-reach-task",
        "balancer-not-in-zone",
        "out-of-memory",
        "port-mismatch",
        "wrong-address",
    ),
    *("app-raises", LOG, CRASH),
}
"""Why the load balancer gets no answer, however long it waits."""

PORT_MISMATCH = Facts("port-mismatch", 58, {FORWARD}, certain=True)
# The command fails as well where the app is only slow.
CONTAINER_CHECK_FAILED = Facts("container-check-failed", 59, {TASKS_NODE}, {"out-of-memory", LOG})
WRONG_ADDRESS = Facts("wrong-address", 60, {FORWARD}, certain=True)
NOT_LISTENING = Facts("not-listening", 64, {FORWARD}, NO_ANSWER, repeats=True)
# A line of the log shows when the app listened.
SLOW_START = Facts("slow-start", 64, {FORWARD}, NO_ANSWER, repeats=True)

LOOPBACK = ("127.0.0.1", "localhost", "::1", "[::1]")

ROUND = 30
"""Seconds to which a proposed grace period is rounded up."""

SLACK = 1.25
"""By how much a later start may be slower than the one that was measured."""

UNKNOWN = 300
"""The shortest grace period in seconds that is proposed where no start was measured: an app that does not listen by
then hangs."""

ROLL_OUT = 300
"""Seconds that a roll-out takes besides the start: image, health checks, the end of the old tasks."""

SHOWN = 160
"""Characters of a log line that are quoted in a sentence."""


def refused(case: Case) -> Iterator[Finding]:
    """Find why the health check gets no answer: wrong port, wrong protocol, or the app was not listening yet."""
    checks = [check for check in case.failed_checks if check.kind == "failed"]
    container = case.stop_reasons("failed container health checks")
    if (
        (not checks and not container)
        or case.definition is None
        or any(check.codes for check in case.failed_checks)
    ):
        return
    evidence = tuple(check.words for check in checks) or container
    if container and not checks:
        yield _own_check(case, case.definition, container)
        return
    for task in (*case.active_tasks, *case.failed_tasks):
        heard = listening(case.lines(task))
        if heard is not None:
            yield from _elsewhere(case, heard, evidence)
            yield from _wrong_address(case, task, heard, evidence)
            yield from _late(case, task, heard, evidence)
            return
    inside = [task for task in case.active_tasks if task.health == "HEALTHY"]
    for task in (inside or case.failed_tasks or case.active_tasks)[:1]:
        yield _silent(case, task, evidence, inside=bool(inside))


def _elsewhere(case: Case, heard: Listening, evidence: tuple[str, ...]) -> Iterator[Finding]:
    service, definition, check = case.service, case.definition, case.health_check
    port = service.port if service else None
    if service is None or definition is None or port is None or check is None:
        return
    checked = int(check.port) if check.port.isdigit() else port
    if heard.port != checked:
        yield Finding(
            PORT_MISMATCH,
            title=t(
                "The app listens on port {heard}, but the load balancer connects to port {asked}",
                heard=heard.port,
                asked=checked,
            ),
            why=t(
                "No process listens on the port that the load balancer connects to: the connection is refused."
            ),
            seen=(
                t("Container port {port}, health check port {check}.", port=port, check=check.port),
                t(
                    "PORT is {value} in {revision}.",
                    value=definition.environment.get("PORT", "-"),
                    revision=definition.revision,
                ),
            ),
            fixes=_ports(case, heard.port, port, check),
            evidence=(heard.line, *evidence),
        )


def _wrong_address(
    case: Case, task: Task, heard: Listening, evidence: tuple[str, ...]
) -> Iterator[Finding]:
    own = [each for each in heard.hosts if not _reachable(each, task.address, heard.line)]
    if not own or len(own) < len(heard.hosts) or case.definition is None:
        return
    host, definition = own[0], case.definition
    variables = [name for name, value in definition.environment.items() if value == host]
    yield Finding(
        WRONG_ADDRESS,
        title=t("The app listens on {host}, where the load balancer cannot reach it", host=host),
        why=t(
            "The load balancer connects to the task's private address ({address}), and is refused. "
            "A check from inside the container may pass all the same.",
            address=task.address or "-",
        ),
        seen=tuple(
            t(
                "{name} is {value} in {revision}.",
                name=name,
                value=host,
                revision=definition.revision,
            )
            for name in variables
        ),
        fixes=(_everywhere(case, variables),),
        evidence=(heard.line, *evidence),
    )


def _everywhere(case: Case, variables: list[str]) -> Fix:
    """Return the fix that makes the app listen on all addresses; it names the variables with another address."""
    declared = case.target.plan.variables
    text = t(
        "Have the app listen on 0.0.0.0, all addresses of the task, and on the port in PORT (gunicorn: bind; Flask and "
        "uvicorn: --host, --port), and deploy:"
    )
    if variables:
        own = declared.keys() >= set(variables)
        text = t(
            "Remove {name} from the task definition ({place}), or set it to 0.0.0.0, and deploy:",
            place=case.remedies.called("appVariables") if own else case.remedies.place("container"),
            name=", ".join(variables),
        )
    removed = [
        command
        for name in variables
        if name in declared
        for command in case.remedies.unset(f"appVariables.{name}")
    ]
    return case.deploy(text, *removed)


def _reachable(host: str, private_address: str, line: str) -> bool:
    """Return whether a connection to the task's private address reaches a server on ``host``, by its line."""
    if host == "localhost":
        return False
    try:
        address = ip_address(host)
    except ValueError:
        return True  # A name: which address it stands for is not known here.
    # On :: Linux takes IPv4, too (bindv6only is 0), but not for a server that asyncio binds: that is IPV6_V6ONLY.
    alone = address.version == 6 and "Uvicorn running on" in line
    if host == private_address or (address.is_unspecified and not alone):
        return True
    return not private_address and not address.is_loopback


def _ports(case: Case, heard: int, port: int, check: HealthCheck) -> tuple[Fix, ...]:
    if check.port.isdigit() and heard == port:
        group = case.now.group.value.arn if case.now.group.value else ""
        option = "--health-check-port traffic-port"
        command = f"aws elbv2 modify-target-group --target-group-arn {group} {option}"
        return (Fix(t("Check the port that gets the traffic:"), (command,)), case.or_restore())
    return (
        case.deploy(
            t(
                "Make the app listen on port {port}, which the task definition opens and most apps read from PORT, and "
                "deploy:",
                port=port,
            )
        ),
        case.configure("containerPort", str(heard), t("Or declare the port that it listens on:")),
    )


def _late(case: Case, task: Task, heard: Listening, evidence: tuple[str, ...]) -> Iterator[Finding]:
    service = case.service
    if service is None or task.started is None:
        return
    took = (heard.at - task.started).total_seconds()
    if took <= service.grace:
        return
    checks = case.health_check.healthy * case.health_check.interval if case.health_check else 0
    text = t(
        "Find the slow step in the log. If the start cannot be faster, extend the grace period:"
    )
    yield Finding(
        SLOW_START,
        title=t("The app starts more slowly than ECS waits"),
        why=t(
            "ECS ignores failed health checks for the grace period ({grace} s) after "
            "the start of a task. Then it stops the task.",
            grace=service.grace,
        ),
        seen=(t("The app listened {took} s after its task's start.", took=round(took)),),
        fixes=(
            _wait(case, text, ceil((took * SLACK + checks) / ROUND) * ROUND),
            Fix(t("Or make the app listen sooner: move slow work behind the start.")),
        ),
        evidence=(heard.line, *evidence),
    )


def _own_check(case: Case, definition: Definition, evidence: tuple[str, ...]) -> Finding:
    """Return the finding of a failed container health check, where no load balancer's check fails."""
    check = definition.health or ContainerHealth(command=())
    command = " ".join(check.command[1:] if check.command[:1] != ("NONE",) else ())
    balanced = bool(case.service and case.service.target_groups)
    return Finding(
        CONTAINER_CHECK_FAILED,
        title=t("The container's health check fails: {command}", command=command),
        why=t(
            "ECS runs this command inside the container. A program that the image does not have "
            "(curl, in a slim image) fails like an app that does not answer, and ECS replaces the task."
        ),
        seen=(
            t(
                "healthCheck of container {container} in {revision}: every {interval} s, {retries} "
                "failures in a row count.",
                container=definition.container,
                revision=definition.revision,
                interval=check.interval,
                retries=check.retries,
            ),
            *((t("The load balancer's check did not fail."),) if balanced else ()),
            t("ECS does not log the output of the command."),
        ),
        fixes=case.correct_program(
            t(
                "Delete healthCheck ({container}), so that only the load balancer checks, or give it a command that "
                "the image has; then deploy:"
            )
            if balanced
            else t("Correct the command of healthCheck ({container}), or what it asks, and deploy:")
        ),
        evidence=evidence,
    )


def _silent(case: Case, task: Task, evidence: tuple[str, ...], *, inside: bool) -> Finding:
    """Return the finding of a task of which nothing shows whether, and where, a process listens: what fits, in order.

    It answers ``inside`` where the container's own check passes. Of an app that else says where it listens, a task that
    does not has probably not begun to.
    """
    lines, port = case.lines(task), (case.service and case.service.port) or "-"
    lived = ((task.ended or case.at) - task.started).total_seconds() if task.started else 0.0
    environment = case.definition.environment if case.definition else {}
    variables = [name for name, value in environment.items() if value in LOOPBACK]
    elsewhere, later, tells = _everywhere(case, variables), _later(case, task, lived), _tells(case)
    first = later.commands == case.remedies.retry() or (tells and not variables)
    last = [line.text for line in lines if containers.WORD.search(line.text)][-4:]
    seen = [t("Task {task}: in {lived} s its log does not say that a process listens.",
              task=task.short, lived=round(lived))]  # fmt: skip
    if inside:
        seen.append(t("The container's own health check passes: the app answers inside the task."))
    elif tells:
        seen.append(t("This app says where it listens once it does: it has probably not begun to."))
    return Finding(
        NOT_LISTENING,
        title=t("Nothing shows that the app listens on port {port} of the task", port=port),
        why=t(
            "The load balancer connects to the task's private address ({address}), and is refused: the app listens on "
            "127.0.0.1 only, on another port, or not yet.",
            address=task.address or "-",
        ),
        seen=(*seen, *_pause(case, task)),
        fixes=(elsewhere,) if inside else (later, elsewhere) if first else (elsewhere, later),
        evidence=(*dict.fromkeys((*errors(lines), *last)), *evidence),
    )


def _tells(case: Case) -> bool:
    """Return whether the app is known to log where it listens: one that is known to does, or one of its tasks did."""
    logs, definition = case.now.logs.value, case.definition
    own = case.target.app.tells_address and not (definition and definition.command)
    return own or any(map(listening, logs.lines.values() if logs else ()))


def _later(case: Case, task: Task, lived: float) -> Fix:
    """Return the fix of an app that has not begun to listen: how long that would have taken is not known."""
    grace = case.service.grace if case.service else 0
    needed = ceil(max(lived * 3, UNKNOWN) / ROUND) * ROUND
    if task.ended and needed <= grace:
        text = t("The service waits {grace} s by now. Let ECS try again:", grace=grace)
        return Fix(text, case.remedies.retry())
    if lived >= max(grace, UNKNOWN):
        text = t(
            "If it has not begun to listen yet, it hangs: see where its log stops, correct what the app waits for, and "
            "deploy:"
        )
        return case.deploy(text, *case.remedies.logs("--previous"))
    text = t(
        "If it has not begun to listen yet: find the slow step in the log, and where the start cannot be faster, "
        "extend the grace period:"
    )
    return _wait(case, text, needed)


def _pause(case: Case, task: Task) -> tuple[Text, ...]:
    """Return the longest time in which the starting app logged nothing, and its line before."""
    lines = case.lines(task)
    end = task.ended
    if not lines or task.started is None:
        return ()
    texts = ["-", *(line.text for line in lines)]
    times = [task.started, *(line.at for line in lines), *([end] if end else [])]
    pauses = [(after - before).total_seconds() for before, after in pairwise(times)]
    longest = max(range(len(pauses)), key=pauses.__getitem__)
    return (
        t(
            "Its log is silent for {gap} s after the line: {line}",
            gap=round(pauses[longest]),
            line=texts[longest][:SHOWN],
        ),
    )


def _wait(case: Case, text: Text, grace: int) -> Fix:
    """Return the fix with a longer grace period, and a roll-out timeout that includes it.

    A change of the service starts a new deployment, so applying it is a try itself.
    """
    fix = case.configure("healthGracePeriod", str(grace), text)
    minutes = ceil((grace + ROLL_OUT) / 60)
    if case.target.minutes >= minutes:
        return fix
    longer = case.remedies.set("rolloutTimeoutMinutes", str(minutes))
    return replace(fix, commands=(*longer, *fix.commands))
