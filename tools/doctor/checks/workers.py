"""Check the workers: the checks of tasks and roll-outs on each of them, and whether its service is as declared."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from tools.diagnosis.case import Case
from tools.diagnosis.catalogue import WHOLE, Facts
from tools.diagnosis.findings import Finding, Fix
from tools.doctor.checks import capacity, containers, rollouts, stages
from tools.i18n import t

# Workers change after deployCommand.
WORKER_MISSING = Facts(
    "worker-missing", 53, {WHOLE}, {"deploy-command-failed", "not-deployed"}, repeats=True
)
# A person or a schedule may set it again.
WORKER_COUNT = Facts("worker-count", 54, {WHOLE})


def workers(case: Case) -> Iterator[Finding]:
    """Find what is wrong with each worker, and name it in the title."""
    if case.service is None:
        return
    for worker in case.workers:
        for check in CHECKS:
            for found in check(worker):
                title = t("Worker {name}: {what}", name=worker.process, what=found.title)
                yield replace(found, title=title, process=worker.process)


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


def _another_count(case: Case) -> Iterator[Finding]:
    """Find a desired count other than the stack file's; in a pause and outside the hours it is 0."""
    service, worker = case.service, case.worker
    if service is None or worker is None or service.desired == worker.count:
        return
    hours = case.now.settings.service.scaling.hours
    if service.desired == 0 and (case.paused or (hours and not stages.in_hours(case))):
        return
    yield Finding(
        WORKER_COUNT,
        kind="warning" if service.desired else "cause",
        title=t(
            "the desired count is {desired}, the stack file says {count}",
            desired=service.desired,
            count=worker.count,
        ),
        why=t("It was changed outside Pulumi."),
        seen=(t("{running} tasks run.", running=service.running),),
        fixes=(
            Fix(t("Set it again:"), (stages.set_desired_count(case, str(worker.count)),)),
            case.configure("desiredCount", str(service.desired), t("Or declare it:")),
        ),
    )


CHECKS: tuple[Callable[[Case], Iterator[Finding]], ...] = (
    _missing,
    _another_count,
    capacity.cannot_place,
    containers.memory,
    containers.crash,
    containers.unexplained,
    rollouts.not_deployed,
    rollouts.deployed_after,
    rollouts.rolled_back,
    rollouts.in_progress,
    capacity.tasks_died,
    capacity.spot_interrupted,
    capacity.too_few_tasks,
)
