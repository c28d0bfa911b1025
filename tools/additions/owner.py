"""A stack as the gate and the doctor are asked about it: with careapp's own parts, checks and cures."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from ecs_gate.aws.session import Session
from ecs_gate.owner import Check, Owner, OwnPart
from ecs_gate.parts import ecs, gather, task_inputs
from ecs_gate.parts.gather import Inquiry, Snapshot
from ecs_gate.parts.records import Part, read_part
from ecs_gate.parts.task_inputs import Bucket
from ecs_gate.text import t
from stack import file
from stack.settings import Settings
from stack.uploads import VARIABLE as UPLOADS_BUCKET
from tools.additions.advice import ADVICE
from tools.additions.checks import jobs, limits, restores, stages, uploads, workers
from tools.additions.parts import jobs as job_runs
from tools.additions.parts import remains
from tools.additions.parts.jobs import Jobs
from tools.additions.parts.remains import Remains
from tools.additions.parts.restores import Aside, aside
from tools.additions.parts.settings import StackOwner
from tools.additions.remedies import StackRemedies, try_again
from tools.additions.target import target_of


def session_of(stack: str, folder: Path) -> Session:
    """Return a session with the region and profile of a stack file. Raises StackError."""
    given = file.read(stack, folder)
    return Session(given.region, given.profile)


CHECKS: tuple[Check, ...] = (
    stages.is_paused,
    stages.missing,
    limits.near_limits,
    restores.interrupted_restore,
    uploads.bucket,
    workers.another_count,
    workers.workers,
    jobs.schedules,
    jobs.role,
    jobs.last_runs,
)
"""The checks of what only careapp has."""


class OldWorkers:
    """The workers that run and that the stack file has no more; read only for the problem in reading them."""


def inquiry_of(
    settings: Settings,
    session: Session,
    wanted: str | None = None,
    url: str = "",
    workers: Mapping[str, str] | None = None,
    **known: Any,
) -> Inquiry:
    """Return what the doctor is to be asked of a stack.

    ``wanted`` is the ARN of the task definition that is expected to run, ``url`` the output ``pageUrl``, ``workers``
    are those to read, with their task definitions; without them all that the stack file has, or that still run.
    """
    running: Part[list[str]] = Part()
    names = [each.name for each in settings.workers if settings.ecs_enabled or workers is not None]
    if workers is None:
        running = read_part(running_workers, session, settings)
        names += [each for each in running.value or () if each not in names]
    target = target_of(settings, url, map(settings.names.of_worker, names))
    owner = owner_of(settings, running)
    return Inquiry(target, session, owner, wanted, workers, **known)


def running_workers(session: Session, settings: Settings) -> list[str]:
    """Return the names of the workers that the cluster has. Raises AwsProblem."""
    prefix = settings.names.worker("")
    services = ecs.services(session, settings.names.cluster)
    return [each.removeprefix(prefix) for each in services if each.startswith(prefix)]


def overview(settings: Settings, session: Session) -> Snapshot:
    """Read the parts that the status shows."""
    return gather.overview(inquiry_of(settings, session))


def owner_of(settings: Settings, running: Part[list[str]] | None = None) -> Owner:
    """Return what careapp adds to the diagnosis of a stack."""
    return StackOwner(
        settings=settings,
        remedies=partial(StackRemedies, settings),
        parts=tuple(_parts(settings, running or Part())),
        checks=CHECKS,
        review=stages.review,
        apply=(f"pulumi up -s {settings.stack}",),
        retry=partial(try_again, settings.stack),
        rollback=lambda _: f"./careapp rollback -s {settings.stack}",
        advice=ADVICE,
        describe=stages.described,
    )


def _parts(settings: Settings, running: Part[list[str]]) -> Collection[OwnPart[Any]]:
    def of_jobs(now: Snapshot, session: Session) -> Jobs | None:
        declared = [each.name for each in settings.jobs]
        if not (declared and (settings.ecs_enabled or now.service.value)):
            return None
        return job_runs.jobs(session, settings.names, declared)

    def of_uploads(now: Snapshot, session: Session) -> Bucket | None:
        definition = (now.definitions.value or {}).get(now.wanted or "")
        name = definition.environment.get(UPLOADS_BUCKET) if definition else None
        return task_inputs.bucket(session, name) if name else None

    def left(now: Snapshot, session: Session) -> Remains | None:
        main = (now.service, now.balancer, now.group, now.database)
        return remains.remains(session, settings) if all(each.absent for each in main) else None

    def of_old_workers(_: Snapshot, __: Session) -> None:
        if running.problem:
            raise running.problem

    def of_stack_file(_: Snapshot, __: Session) -> None:
        if settings.guessed:
            raise stages.WRONG_FILE

    return (
        OwnPart(
            kind=OldWorkers, what=t("workers that the stack file has no more"), read=of_old_workers
        ),
        OwnPart(kind=Jobs, what=t("the jobs"), read=of_jobs, shown=False),
        OwnPart(
            kind=Bucket, what=t("the bucket for the app's files"), read=of_uploads, shown=False
        ),
        OwnPart(kind=Remains, what=t("what is left of the stack"), read=left),
        OwnPart(
            kind=Aside,
            what=t("the DB instances of a restore"),
            read=aside,
            essential=True,
            shown=False,
        ),
        OwnPart(
            kind=Settings, what=t("the stack file"), read=of_stack_file, essential=True, shown=False
        ),
    )
