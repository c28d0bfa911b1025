"""Check the workers: the checks of tasks and roll-outs on each of them, and whether its service is as declared."""

from collections.abc import Iterator
from dataclasses import replace

from careapp.additions.checks import stages
from careapp.additions.parts.pauses import paused
from careapp.additions.parts.settings import settings_of
from ecs_gate.checks import ROLL_OUT, capacity, containers
from ecs_gate.checks.rollouts import set_desired_count
from ecs_gate.diagnosis.case import Case
from ecs_gate.diagnosis.catalogue import WHOLE, Facts
from ecs_gate.diagnosis.findings import Finding, Fix
from ecs_gate.text import t

# Workers change after deployCommand.
WORKER_MISSING = Facts(
    "worker-missing", 53, {WHOLE}, {"deploy-command-failed", "not-deployed"}, repeats=True
)
# A person or a schedule may set it again.
COUNT_DIFFERS = Facts("count-differs", 54, {WHOLE})


def workers(case: Case) -> Iterator[Finding]:
    """Find what is wrong with each worker, and name it in the title."""
    if case.service is None:
        return
    for worker in case.workers:
        for check in (another_count, *CHECKS):
            for finding in map(worker.worded, check(worker)):
                title = t("Worker {name}: {what}", name=worker.process, what=finding.title)
                yield replace(finding, title=title, process=worker.process)


def _missing(case: Case) -> Iterator[Finding]:
    names, service = case.now.names, case.now.service
    if service.absent or (case.service and case.service.status != "ACTIVE"):
        yield Finding(
            WORKER_MISSING,
            title=t("the service {name} does not exist", name=names.service),
            why=t("The stack file declares the worker, and ECS has no such service."),
            seen=(t("Cluster {cluster} holds no service of that name.", cluster=names.cluster),),
            fixes=(case.refresh(t("Create it:")),),
        )


def another_count(case: Case) -> Iterator[Finding]:
    """Find a desired count other than the stack file's; in a pause and outside the hours it is 0.

    A worker that the stack file has no more has none, nor has a file that is wrong.
    """
    settings = settings_of(case)
    service, process = case.service, case.now.names.process
    worker = next((each for each in settings.workers if each.name == process), None)
    if settings.guessed or (process and not worker):
        return
    count = worker.count if worker else settings.service.desired_count
    if service is None or service.desired == count or service.status != "ACTIVE":
        return
    # Of the web service 0 has a finding of its own, and scaling sets it.
    if not worker and (service.desired == 0 or settings.service.scaling.enabled):
        return
    if service.desired == 0 and (
        paused(case) or (settings.service.scaling.hours and not stages.in_hours(case))
    ):
        return
    yield Finding(
        COUNT_DIFFERS,
        kind="warning" if service.desired else "cause",
        title=t(
            "{desired} tasks are desired, and the stack file says {count}",
            desired=service.desired,
            count=str(count),
        ),
        why=t("It was changed outside Pulumi."),
        seen=(t("{running} tasks run.", running=service.running),),
        fixes=(
            Fix(t("Set it again:"), (set_desired_count(case, str(count)),)),
            case.configure("desiredCount", str(service.desired), t("Or declare it:")),
        ),
    )


CHECKS = (
    _missing,
    capacity.cannot_place,
    containers.memory,
    containers.crash,
    containers.unexplained,
    *ROLL_OUT,
)
