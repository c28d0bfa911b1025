"""A stack as the gate and the doctor are asked about it: with careapp's own parts, checks and cures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from careapp.additions.parts.jobs import JOBS
from careapp.additions.parts.remains import REMAINS
from careapp.additions.parts.restores import ASIDE
from careapp.additions.parts.settings import OLD_WORKERS, STACK_FILE, StackOwner
from careapp.additions.parts.uploads import UPLOADS
from careapp.additions.remedies import ADVICE, StackRemedies, try_again
from careapp.additions.target import target_of
from careapp.settings.settings import Settings
from ecs_gate.aws.session import Session
from ecs_gate.owner import Check, Owner
from ecs_gate.parts import ecs, gather
from ecs_gate.parts.gather import Inquiry, Snapshot
from ecs_gate.parts.records import Part, read_part
from ecs_gate.text import Text

if TYPE_CHECKING:
    from ecs_gate.diagnosis.case import Case
    from ecs_gate.diagnosis.findings import Finding


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
        names += [name for name in running.value or () if name not in names]
    target = target_of(settings, url, map(settings.names.of_worker, names))
    owner = owner_of(settings, running)
    return Inquiry(target, session, owner, wanted, workers, **known)


def running_workers(session: Session, settings: Settings) -> list[str]:
    """Return the names of the workers that the cluster has. Raises AwsProblem."""
    prefix = settings.names.worker("")
    services = ecs.services(session, settings.names.cluster)
    return [service.removeprefix(prefix) for service in services if service.startswith(prefix)]


def overview(settings: Settings, session: Session) -> Snapshot:
    """Read the parts that the status shows."""
    return gather.overview(inquiry_of(settings, session))


class _Owner(StackOwner):
    """What careapp adds. Its checks are loaded when a diagnosis asks for them."""

    def checks(self) -> tuple[Check, ...]:
        from careapp.additions import checks

        return checks.CHECKS

    def review(self, case: Case, finding: Finding) -> Iterator[Finding]:
        from careapp.additions.checks import stages

        return stages.review(case, finding)

    def describe(self, case: Case) -> Text:
        from careapp.additions.checks import stages

        return stages.described(case)


def owner_of(settings: Settings, running: Part[list[str]] | None = None) -> Owner:
    """Return what careapp adds to the diagnosis of a stack."""
    return _Owner(
        settings=settings,
        workers=running or Part(),
        remedies=partial(StackRemedies, settings),
        parts=(OLD_WORKERS, JOBS, UPLOADS, REMAINS, ASIDE, STACK_FILE),
        apply=(f"pulumi up -s {settings.stack}",),
        retry=partial(try_again, settings.stack),
        rollback=lambda _: f"./careapp rollback -s {settings.stack}",
        advice=ADVICE,
    )
