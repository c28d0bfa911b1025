"""Check the service as a whole: scaled to zero, deleted, rolled back, or in a roll-out."""

import re
import shlex
from collections.abc import Iterable, Iterator
from dataclasses import replace

from ecs_gate.checks import containers, logged
from ecs_gate.diagnosis.case import Case
from ecs_gate.diagnosis.catalogue import (
    FAILED,
    OUTCOME,
    START,
    TASKS_NODE,
    TO_DATABASE,
    WHOLE,
    Facts,
)
from ecs_gate.diagnosis.findings import Finding, Fix, from_line
from ecs_gate.diagnosis.known_causes import logged_cause
from ecs_gate.diagnosis.log_lines import FailingPath, Raised, failing_paths, is_no_page, requests
from ecs_gate.parts.records import PauseHook
from ecs_gate.parts.rollout import FAILED_DEPLOYMENT
from ecs_gate.parts.task_logs import LogLine
from ecs_gate.remedies import of_service
from ecs_gate.screen import zoned_time
from ecs_gate.text import Text, joined, t

# For a moment ECS may not show a new service, or still show one that is replaced.
SERVICE_MISSING = Facts("service-missing", 10, {WHOLE})
SERVICE_GOING = Facts("service-going", 11, {WHOLE})
# A schedule or Application Auto Scaling may start tasks again.
SCALED_TO_ZERO = Facts("scaled-to-zero", 12, {TASKS_NODE})
# The command may have needed what was not there for a while.
DEPLOY_COMMAND_FAILED = Facts("deploy-command-failed", 51, {TASKS_NODE}, {START, TO_DATABASE})
NOT_DEPLOYED = Facts("not-deployed", 52, {WHOLE}, {"deploy-command-failed"}, repeats=True)
ROLL_OUT_FAILED = Facts("roll-out-failed", 80, {WHOLE}, FAILED, OUTCOME, blocks=False, result=True)
ROLLED_BACK = Facts("rolled-back", 80, {WHOLE}, FAILED, OUTCOME, blocks=False, result=True)
ROLL_OUT_GOING_ON = Facts("roll-out-going-on", 82, {WHOLE}, subject=OUTCOME)
DEREGISTERED = Facts("revision-deregistered", 81, {WHOLE}, subject=OUTCOME)
DEPLOYED_AFTER = Facts("deployed-after", 83, {WHOLE}, subject=OUTCOME)

BREAKER = "tasks failed to start"
ENDED = re.compile(rf"{FAILED_DEPLOYMENT}|rolling back to deployment")


def missing(case: Case) -> Iterator[Finding]:
    """Find a service that does not exist."""
    names = case.now.names
    if case.now.service.absent:
        yield Finding(
            SERVICE_MISSING,
            title=t("The service {name} does not exist", name=names.service),
            why=t("ECS has no such service."),
            seen=(t("Cluster {cluster} holds no service of that name.", cluster=names.cluster),),
            fixes=(case.refresh(t("Create it:")),),
        )


def scaled_down(case: Case) -> Iterator[Finding]:
    """Find a service with the desired count 0."""
    service = case.service
    if service is None or service.desired > 0 or service.status != "ACTIVE":
        return
    if service.daemon:
        yield _without_instances()
        return
    declared = case.target.plan.tasks
    count = str(declared or 1)
    fix = Fix(
        t("Set the desired count to {count} again:", count=count), (set_desired_count(case, count),)
    )
    if declared == 0:
        fix = case.configure("desiredCount", "1", t("Set the desired count to 1:"))
    text = t("If that sets it to 0 again, correct it ({service}), and deploy:", )  # fmt: skip
    yield Finding(
        SCALED_TO_ZERO,
        title=t("The service is set to run no task"),
        why=t("With a desired count of 0 the load balancer has no target: it answers 503.")
        if service.target_groups
        else t("With a desired count of 0 ECS starts no task."),
        seen=(
            t("Desired count 0, running {running}.", running=service.running),
            *(() if declared is None else (t("Declared: {count}.", count=declared),)),
        ),
        fixes=(fix,) if declared == 0 else (fix, case.deploy(text)),
    )


def _without_instances() -> Finding:
    return Finding(
        SCALED_TO_ZERO,
        title=t("The cluster has no instance on which the service runs a task"),
        why=t("A service of the strategy DAEMON has one task on each instance of the cluster."),
        fixes=(Fix(t("Give the cluster an instance that meets its placement constraints.")),),
    )


def set_desired_count(case: Case, count: str) -> str:
    """Return the command that gives the service another desired count."""
    return f"aws ecs update-service {of_service(case.now.names)} --desired-count {count}"


def draining(case: Case) -> Iterator[Finding]:
    service = case.service
    if service is not None and service.status != "ACTIVE":
        yield Finding(
            SERVICE_GOING,
            title=t("The service is {status}", status=service.status),
            why=t("ECS is deleting it: it stops its tasks and starts none."),
            seen=(
                t("{count} task still runs.", "{count} tasks still run.", count=service.running),
            ),
            fixes=(case.refresh(t("When it is deleted, create it again:")),),
        )


def rolled_back(case: Case) -> Iterator[Finding]:
    definition, mine = case.definition, case.deployment
    if definition is None or not case.unsteady or not case.given_up or case.not_deployed:
        return
    reason = mine.reason if mine and mine.rollout == "FAILED" else ""
    facts = ROLLED_BACK if case.rolled_back else ROLL_OUT_FAILED
    title, seen = _gone_back(case, definition.revision)
    if cause := from_line(case.now.verdict.value or "", replace(facts, result=False)):
        title = joined(": ", (title, cause.title))
        yield replace(cause, title=title, seen=(seen, *cause.seen))
        return
    ends = [event.message for event in case.events if ENDED.search(event.message)]
    lines = case.lines_of(case.deployment_tasks)
    mistake = None if _by_breaker(ends) else case.raised(line.text for line in lines)
    raised = (mistake.text,) if mistake else ()
    if failed := next(_failed_paths(case, lines), None):
        title = joined(": ", (title, failed.text(mistake)))
        facts = replace(facts, result=False)
        raised = () if failed.cause(mistake) else raised
    yield Finding(
        facts,
        title=title,
        why=_why(case, ends),
        seen=(seen, *raised),
        fixes=_once_more(case, ends, mistake),
        evidence=(
            *(mistake.frame if mistake else ()),
            *dict.fromkeys(each for each in (reason, case.rollback_reason) if each),
            *ends[:2],
        ),
    )


def _failed_paths(case: Case, lines: Iterable[LogLine]) -> Iterator[FailingPath]:
    """Yield the paths whose requests failed in the log of the version that ECS took back, the worst first.

    Of one that the version before answers, any other status than 2xx is a failure.
    """
    before = requests(case.running_lines) if case.rolled_back else ()
    answered = {request.path for request in before if not is_no_page(request)}
    return (path for path in failing_paths(requests(lines), answered) if path.fails)


def _by_breaker(ends: list[str]) -> bool:
    """Return whether tasks failed, as far as the newest event about the end tells; it may be forgotten."""
    failures = [end for end in ends if FAILED_DEPLOYMENT in end]
    return not failures or BREAKER in failures[0]


def _why(case: Case, ends: list[str]) -> Text:
    if _by_breaker(ends):
        return t(
            "The deployment circuit breaker ends a roll-out after a few failed tasks "
            "(three for a desired count of up to six)."
        )
    if (ended := case.now.ended_by.value) and ended.names:
        names = ", ".join(ended.names)
        if ended.blameless:
            return t(
                "ECS rolls a deployment back when the alarm {names} goes to ALARM. It measures the targets of the "
                "version before: this release was not at fault.",
                names=names,
            )
        return t(
            "The tasks were healthy, and their responses set the alarm {names} to ALARM: ECS "
            "rolls such a deployment back.",
            names=names,
        )
    return t(
        "The tasks were healthy. The deployment was stopped: by the gate, which requests the page, or by a person."
    )


def _once_more(case: Case, ends: list[str], mistake: Raised | None) -> tuple[Fix, ...]:
    if _by_breaker(ends):
        text = t("Correct what made the tasks fail, as their log says, then let ECS try again:")
        refresh = case.remedies.refresh() if case.rollback_reason else ()
        commands = (*case.remedies.logs("--since 2h"), *case.remedies.retry(), *refresh)
        return (Fix(text, commands),)
    if (ended := case.now.ended_by.value) and ended.blameless:
        text = t(
            "See why the version before set off {names}, then let ECS try again:",
            names=", ".join(ended.names),
        )
        return (case.deploy(text, *case.remedies.retry()),)
    if mistake and (grant := case.grant(mistake.words)):
        return (grant, *case.then_retry())
    text = t("Correct the app, or take its change back, and deploy:")
    correct = case.correct_line(mistake) if mistake else case.deploy(text)
    otherwise = t(
        "If the cause lay outside of the app, as a lock in the database does, and is fixed, let ECS try again:"
    )
    return (correct, case.deploy(otherwise, *case.remedies.retry()))


def _gone_back(case: Case, wanted: str) -> tuple[Text, Text]:
    if case.primary is None or not case.rolled_back:
        return (
            t("The roll-out of {wanted} failed", wanted=wanted),
            t("There is no earlier revision to roll back to; ECS starts no more tasks."),
        )
    running = case.primary.revision
    if running == wanted:
        return (
            t("ECS rolled the service back, with the same {wanted}", wanted=wanted),
            t("A change of the service itself (its subnets, its capacity, …) was rolled back."),
        )
    return (
        t("ECS runs {running} instead of {wanted}", running=running, wanted=wanted),
        t(
            "{wanted} is the newest revision; ECS rolled back to {running}.",
            wanted=wanted,
            running=running,
        ),
    )


def deploy_command(case: Case) -> Iterator[Finding]:
    """Find a command before the deployment that failed, which keeps the newest task definition from the service."""
    command = shlex.join(case.target.plan.command)
    task = next((each for each in case.now.command_tasks.value or () if each.over), None)
    if task is None:
        return
    name = case.now.names.container
    code = next((each.exit_code for each in task.containers if each.name == name), None)
    if code == 0:
        return
    title = t("{deployCommand} did not run: {command}", command=command)
    if code is not None:
        title = t(
            "{deployCommand} ended with exit code {code}: {command}",
            code=code,
            command=command,
        )
    cause = logged_cause([line.text for line in case.lines(task)])
    seen = [t("Task {task} ran it: {reason}", task=task.short, reason=task.reason)]
    text = t("Correct the command, or what it needs; the next deployment runs it again:")
    fixes = [case.deploy(text)]
    if cause:
        again = case.deploy(t("Then let it run again:"), then=True)
        fixes = [logged.fix(case, cause), *([again] if cause.known.about == "database" else [])]
    yield Finding(
        DEPLOY_COMMAND_FAILED,
        title=title,
        why=t(
            "It must succeed before ECS gets {revision}: the service was not changed.",
            revision=task.revision,
        ),
        seen=(*((cause.title,) if cause else ()), *seen),
        fixes=tuple(fixes),
        evidence=containers.last_lines(case, task, cause),
    )


def not_deployed(case: Case) -> Iterator[Finding]:
    """Find a newest task definition that ECS never got: a deployment ended before it changed the service."""
    primary, definition = case.primary, case.definition
    if primary is None or definition is None or not case.not_deployed:
        return
    seen = [t("The service runs {running}.", running=primary.revision)]
    running = [task for task in case.now.command_tasks.value or () if not task.over]
    if case.target.plan.command and not running:
        seen.append(t("ECS knows no task of the last hour in which {deployCommand} failed."))
    seen += [t("Task {task} runs {deployCommand}.", task=task.short) for task in running]
    yield Finding(
        NOT_DEPLOYED,
        kind="note" if running else "cause",
        title=t("ECS was never told to deploy {wanted}", wanted=definition.revision),
        why=t(
            "A deployment registers a task definition, runs a command of its own if there is one, and then changes "
            "the service. It has not come that far."
        ),
        seen=tuple(seen),
        fixes=(case.deploy(t("Deploy it:")),),
    )


def deregistered(case: Case) -> Iterator[Finding]:
    """Find a task definition that runs and was deregistered.

    Services that have it run and scale on, and none can be updated to it (ECS API, DeregisterTaskDefinition).
    """
    definition = case.definition
    if definition is None or definition.active or case.primary is None:
        return
    text = t("Register a new one, and deploy it:")
    yield Finding(
        DEREGISTERED,
        kind="warning",
        title=t("{revision} runs, and was deregistered", revision=definition.revision),
        why=t(
            "ECS goes on with its tasks, but does not deploy it again: no change of the service succeeds, and no "
            "rollback to it."
        ),
        seen=(t("{running} tasks run.", running=case.running),),
        fixes=(case.refresh(text),),
    )


def deployed_after(case: Case) -> Iterator[Finding]:
    """Find a newest task definition that ECS had, and after which somebody deployed the one that runs."""
    newest, definition = case.now.newest.value, case.definition
    if newest is None or definition is None or case.now.by_program or newest.arn == definition.arn:
        return
    values = {"newest": newest.revision, "running": definition.revision}
    yield Finding(
        DEPLOYED_AFTER,
        kind="note",
        title=t("{running} was deployed after {newest}, the newest revision", **values),
        why=t(
            "ECS has completed that deployment: it did not roll back, so {running} is what is expected to run.",
            running=definition.revision,
        ),
        seen=(t("A roll-out of {newest} is not finished by that.", newest=newest.revision),),
        fixes=(
            Fix(
                t("If {newest} should run, make ECS try it:", newest=newest.revision),
                case.remedies.retry(),
            ),
        ),
    )


def in_progress(case: Case) -> Iterator[Finding]:
    primary = case.primary
    if primary is None or primary.rollout != "IN_PROGRESS" or case.rolled_back:
        return
    if (traffic := case.traffic) and traffic.hook:
        yield _waits(case, traffic.hook)
        return
    yield Finding(
        ROLL_OUT_GOING_ON,
        kind="warning" if primary.failed else "note",
        title=t("A roll-out is in progress"),
        why=t("ECS starts new tasks, waits until they are healthy, and then stops the old ones."),
        seen=(
            t(
                "{running} of {desired} run, {pending} start, {failed} failed in a row.",
                running=primary.running,
                desired=primary.desired,
                pending=primary.pending,
                failed=primary.failed,
            ),
        ),
        fixes=(
            *_ends(case),
            Fix(t("Watch it:"), case.remedies.follow()),
        ),
    )


def _ends(case: Case) -> Iterator[Fix]:
    """Yield how a deployment is ended whose tasks fail and that ECS's circuit breaker does not watch."""
    primary = case.primary
    if case.breaks or primary is None or not primary.failed or case.now.by_program:
        return
    if case.other_deployments:
        text = t("ECS's circuit breaker does not end such a deployment. Go back:")
        yield Fix(text, case.remedies.rollback())
    else:
        text = t("ECS's circuit breaker does not end such a deployment; the next one does:")
        yield case.deploy(text)


def _waits(case: Case, hook: PauseHook) -> Finding:
    """Return what to do with a deployment that nobody answers. The gate's own look needs no advice."""
    until = zoned_time(hook.expires) if hook.expires else "-"
    answer = (
        case.deploy(t("Let the gate request its page and answer:")),
        Fix(t("Or go back at once:"), case.remedies.rollback()),
    )
    return Finding(
        ROLL_OUT_GOING_ON,
        kind="note",
        title=t("A roll-out waits for an answer"),
        why=t(
            "The new tasks are healthy and get no requests of users until the gate has requested their page."
        ),
        seen=(t("ECS waits until {time}, and then rolls back.", time=until),),
        fixes=() if case.now.by_program else answer,
    )
