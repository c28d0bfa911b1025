"""Read a stack from AWS at one moment, into frozen records."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from functools import cached_property, partial
from typing import Any, TypeVar

from ecs_gate.aws import local_cloud
from ecs_gate.aws.errors import AwsProblem
from ecs_gate.aws.session import Place, Session
from ecs_gate.owner import Owner
from ecs_gate.parts import cloudwatch, ecs, elb, rds, task_inputs, task_logs, verdicts, vpc
from ecs_gate.parts import login as logins
from ecs_gate.parts import page as pages
from ecs_gate.parts.cloudwatch import Alarm, Measured, Quota
from ecs_gate.parts.elb import Balancer, PageAnswer, TargetGroup
from ecs_gate.parts.login import Provider
from ecs_gate.parts.rds import Database
from ecs_gate.parts.records import (
    ALARMED,
    Alarmed,
    Definition,
    Deletion,
    Part,
    Service,
    Task,
    read_part,
)
from ecs_gate.parts.task_inputs import Image, Role, Secret
from ecs_gate.parts.task_logs import Logs
from ecs_gate.parts.vpc import Network
from ecs_gate.target import Names, Target

T = TypeVar("T")

ASK_AT_ONCE = 12


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """A stack as AWS shows it. ``wanted`` is the ARN of the task definition that is expected to run, if known.

    ``by_program`` says that the program named it, at the end of its update; else it is the family's
    newest, which may have been registered by hand, or the one that was deployed after it. ``at`` is when it was
    asked, by this machine's clock.
    """

    target: Target
    place: Place
    wanted: str | None = None
    by_program: bool = False
    owner: Owner = field(default_factory=Owner)
    at: datetime = field(default_factory=local_cloud.now)
    service: Part[Service] = field(default_factory=Part)
    rollback_reason: Part[str] = field(default_factory=Part)
    """Why ECS went back to the service as it was before, of the same revision; empty: it did not."""
    verdict: Part[str] = field(default_factory=Part)
    """What the gate found of the newest deployment, which did not end well, as `diagnosis.kept` writes it."""
    tried: Part[str] = field(default_factory=Part)
    """What it found before that, as it is written, too: its cures may have been tried."""
    was_deployed: Part[bool] = field(default_factory=Part)
    """Whether ECS has ever deployed the family's newest task definition; read where the service runs another one."""
    command_tasks: Part[tuple[Task, ...]] = field(default_factory=Part)
    """The tasks that ran the plan's command with a task definition that was not deployed, newest first."""
    ended_by: Part[Alarmed] = field(default_factory=Part)
    """The alarms that ended the newest deployment."""
    tasks: Part[tuple[Task, ...]] = field(default_factory=Part)
    newest: Part[Definition] = field(default_factory=Part)
    definitions: Part[Mapping[str, Definition]] = field(default_factory=Part)
    group: Part[TargetGroup] = field(default_factory=Part)
    targets: Part[tuple[elb.Target, ...]] = field(default_factory=Part)
    balancer: Part[Balancer] = field(default_factory=Part)
    page: Part[PageAnswer] = field(default_factory=Part)
    network: Part[Network] = field(default_factory=Part)
    execution: Part[Role] = field(default_factory=Part)
    task_role: Part[Role] = field(default_factory=Part)
    image: Part[Image] = field(default_factory=Part)
    secrets: Part[Mapping[str, Secret | None]] = field(default_factory=Part)
    logs: Part[Logs] = field(default_factory=Part)
    database: Part[Database] = field(default_factory=Part)
    alarms: Part[tuple[Alarm, ...]] = field(default_factory=Part)
    quota: Part[Quota] = field(default_factory=Part)
    measured: Part[Measured] = field(default_factory=Part)
    workers: Mapping[str, Snapshot] = field(default_factory=dict)
    """Each further service of the target: its service, tasks, task definitions and log; the rest is the first one's."""
    login: Part[Provider] = field(default_factory=Part)
    """What the provider says to the load balancer's client, where users log in."""
    own: Mapping[type[Any], Part[Any]] = field(default_factory=dict)
    """What the owner reads besides."""

    @property
    def names(self) -> Names:
        return self.target.names

    def of(self, kind: type[T]) -> Part[T]:
        """Return a part of the owner's."""
        return self.own.get(kind, Part())

    @property
    def region(self) -> str:
        return self.place.region

    @property
    def page_url(self) -> str:
        """Return the page's URL without a path; "" without a load balancer."""
        balancer = self.balancer.value
        return self.target.page.url_of(balancer.dns) if balancer else self.target.page.url

    def problems(self) -> dict[str, AwsProblem]:
        """Return the problems of the parts that could not be read, by the name of the part."""
        parts = {each.name: getattr(self, each.name) for each in fields(self)}
        parts |= {kind.__name__: part for kind, part in self.own.items()}
        for worker, seen in self.workers.items():
            parts |= {f"{worker}/{name}": getattr(seen, name) for name in WORKER}
        return {
            name: part.problem
            for name, part in parts.items()
            if isinstance(part, Part) and part.problem is not None
        }

    def of_other(self, names: Names, wanted: str | None, **parts: Any) -> Snapshot:
        """Return this snapshot as that of another service, without a load balancer, with these parts of its own."""
        absent: dict[str, Any] = dict.fromkeys(
            ("group", "targets", "page", "ended_by", "command_tasks"), Part()
        )
        return replace(
            self, target=self.target.of(names), wanted=wanted, workers={}, **absent, **parts
        )


@dataclass(frozen=True)
class Inquiry:
    """The stack to read, and what is known of it: all that a diagnosis rests on beside AWS."""

    target: Target
    session: Session
    owner: Owner = field(default_factory=Owner)
    wanted: str | None = None
    """The ARN of the task definition that is expected to run; None: the service's newest."""
    workers: Mapping[str, str] | None = None
    """The further services to read, with the task definitions that are expected to run; None: all."""
    page: Part[PageAnswer] | None = None
    """An earlier answer of the page, for callers that read often: each request counts as a visit."""
    page_before: PageAnswer | None = None
    """The page before this update."""
    gone: Sequence[Deletion] = ()
    """What is judged as if it were deleted."""
    declared: Mapping[str, Any] = field(default_factory=dict)
    """The inputs of the service, with ``wanted``, where ECS has not got them yet: its new tasks are judged."""
    by_up: bool = False
    """Whether a roll-out asks at its end, before it keeps its own verdict; with ``wanted`` it always does."""


def gather(inquiry: Inquiry) -> Snapshot:
    """Read all parts from AWS in parallel. A part that could not be read has the problem."""
    return _read(inquiry, ALL, WORKER, full=True)


def overview(inquiry: Inquiry) -> Snapshot:
    """Read the parts that the status shows. What ECS deploys is what is expected to run."""
    return _read(inquiry, STATUS, WORKER_STATUS, full=False)


def _read(inquiry: Inquiry, parts: Iterable[str], own: Iterable[str], *, full: bool) -> Snapshot:
    with ThreadPoolExecutor(ASK_AT_ONCE) as pool:
        reader = _Reader(inquiry, pool, full=full)
        now, wanted = reader.snapshot(parts), inquiry.workers
        others = {
            each.process: reader.of_other(each, (wanted or {}).get(each.process, ""))
            for each in inquiry.target.others
            if wanted is None or each.process in wanted
        }
        read = {name: each.read(own) for name, each in others.items()}
        workers = {
            name: now.of_other(each.names, each.expected, **read[name])
            for name, each in others.items()
        }
        now = replace(now, workers=workers)
        asked = [
            (part.kind, pool.submit(read_part, part.read, now, inquiry.session))
            for part in inquiry.owner.parts
            if full or part.shown
        ]
        return replace(now, own={kind: each.result() for kind, each in asked})


STATUS = ("service", "tasks", "balancer", "database", "alarms", "group", "targets")
"""The parts that the status shows, those that need no other part first."""

ALL = (
    *("service", "tasks", "newest", "balancer", "database", "alarms", "group", "targets"),
    *("network", "page", "rollback_reason", "ended_by", "was_deployed", "measured", "quota"),
    *("command_tasks", "definitions", "image", "logs", "execution", "task_role", "secrets"),
    *("verdict", "tried", "login"),
)


WORKER = (
    *("service", "tasks", "newest", "rollback_reason", "verdict", "tried", "was_deployed"),
    *("definitions", "logs"),
)
"""The parts that each worker has of its own; the image, the roles and the network are the stack's."""

WORKER_STATUS = ("service", "tasks")


class _Reader:
    """Asks AWS for the parts of a snapshot: each when it is first needed, and not again.

    Unless ``full``, listeners come without their rules, and the database without its events.
    """

    def __init__(self, inquiry: Inquiry, pool: ThreadPoolExecutor, *, full: bool = True) -> None:
        self.inquiry, self.target, self.session = inquiry, inquiry.target, inquiry.session
        self.wanted, self.full, self._pool = inquiry.wanted, full, pool
        self.names = self.target.names

    def of_other(self, names: Names, wanted: str) -> _Reader:
        """Return the reader of another service; without ``wanted`` its newest task definition should run."""
        inquiry = replace(self.inquiry, target=self.target.of(names), wanted=wanted or None)
        return _Reader(inquiry, self._pool, full=self.full)

    def read(self, names: Iterable[str]) -> dict[str, Any]:
        """Return these parts, after all of them have been asked for; one that fails is one part that was not read."""
        asked = {name: read_part(getattr, self, name) for name in names}
        return {name: each.value.result() if each.value else each for name, each in asked.items()}

    def snapshot(self, names: Iterable[str]) -> Snapshot:
        parts = self.read(names)
        return Snapshot(
            target=self.target,
            owner=self.inquiry.owner,
            place=self.session.place,
            wanted=self.expected,
            by_program=self.wanted is not None,
            **parts,
        )

    def _ask(self, question: Callable[..., T | None], *arguments: Any) -> Future[Part[T]]:
        return self._pool.submit(read_part, question, self.session, *arguments)

    @cached_property
    def service(self) -> Future[Part[Service]]:
        return self._ask(self._service)

    def _service(self, session: Session) -> Service | None:
        service, inputs = ecs.service(session, self.names), self.inquiry.declared
        if service is None or not inputs:
            return service
        network = inputs["networkConfiguration"]
        subnets, groups = tuple(network["subnets"]), tuple(network["securityGroups"])
        public = bool(network.get("assignPublicIp"))
        return replace(service, subnets=subnets, groups=groups, public_ip=public)

    @cached_property
    def tasks(self) -> Future[Part[tuple[Task, ...]]]:
        return self._ask(ecs.tasks, self.names)

    @cached_property
    def newest(self) -> Future[Part[Definition]]:
        return self._ask(ecs.definition, self.names.family, self.names.container)

    @cached_property
    def balancer(self) -> Future[Part[Balancer]]:
        return self._ask(elb.balancer, self.names.balancer, self.full)

    @cached_property
    def database(self) -> Future[Part[Database]]:
        return self._ask(rds.database, self.names.database, self.full)

    @cached_property
    def alarms(self) -> Future[Part[tuple[Alarm, ...]]]:
        return self._ask(cloudwatch.alarms, self.names.prefix, self.target.alarms)

    @cached_property
    def group(self) -> Future[Part[TargetGroup]]:
        """Ask for the target group, or, of two that alternate, for the one that gets the requests."""
        first = self._ask(elb.target_group, self.names.target_group)
        if not (self.full and self.running and self.running.alternate):
            return first
        other = self._ask(elb.target_group, self.names.alternate_group).result()
        part = first.result()
        if part.value is None or other.value is None:
            return _answered(Part(part.value, part.problem or other.problem))
        pair = (part.value, other.value)
        return _answered(Part(elb.busiest(self.balancer.result().value, pair)))

    @cached_property
    def targets(self) -> Future[Part[tuple[elb.Target, ...]]]:
        """Ask for the targets of the target group, or of both that alternate."""
        group, running = self.group.result(), self.running
        if group.value is None:
            return _answered(Part(problem=group.problem))
        others = running.target_groups if running and running.alternate else ()
        return self._ask(elb.targets, *dict.fromkeys((group.value.arn, *others)))

    @cached_property
    def network(self) -> Future[Part[Network]]:
        group, balancer = self.group.result(), self.balancer.result()
        balanced = group.value or balancer.value
        if balanced is not None:
            return self._ask(vpc.network, balanced.vpc)
        if self.running and not (self.names.balancer or self.names.target_group):
            return self._ask(vpc.network_of, self.running.subnets)
        return _answered(Part(problem=group.problem or balancer.problem))

    @cached_property
    def page(self) -> Future[Part[PageAnswer]]:
        """Request the page only where a target is healthy: else the load balancer answers 503."""
        if self.inquiry.page is not None:
            return _answered(self.inquiry.page)
        balancer, targets = self.balancer.result().value, self.targets.result().value or ()
        if balancer is None or all(each.state != "healthy" for each in targets):
            return _answered(Part())
        inquiry, primary = self.inquiry, self.running.primary if self.running else None
        question = partial(
            pages.page,
            balancer,
            self.target,
            before=inquiry.page_before,
            database=primary is None or primary.rollout != "IN_PROGRESS",
        )
        return self._pool.submit(read_part, question)

    @cached_property
    def login(self) -> Future[Part[Provider]]:
        """Ask the provider at which users log in, or where the load balancer has no login yet, whether it answers."""
        balancer, login = self.balancer.result().value, self.target.login
        if balancer is None or not login.enabled:
            return _answered(Part())
        oidc = elb.login(balancer)
        if oidc is None:
            return self._pool.submit(read_part, logins.read_document, login.issuer)
        url = self.target.page.url_of(balancer.dns)
        return self._ask(logins.provider, oidc, login.secret_arn, url)

    @property
    def running(self) -> Service | None:
        return self.service.result().value

    @property
    def expected(self) -> str | None:
        """Return the ARN of the task definition that is expected to run; None where a part that tells it failed."""
        return read_part(self._expected).value

    def _expected(self) -> str | None:
        # For the status what ECS deploys.
        if self.full:
            return self.definition.arn if self.definition else None
        return self.running.primary.definition if self.running and self.running.primary else None

    @cached_property
    def rollback_reason(self) -> Future[Part[str]]:
        """Ask for the rollback of a completed deployment only: others show their state themselves."""
        primary = self.running.primary if self.running else None
        if primary is None or primary.rollout != "COMPLETED":
            return _answered(Part())
        return self._ask(ecs.rollback_reason, self.names, primary.definition)

    @cached_property
    def verdict(self) -> Future[Part[str]]:
        """Ask for what an earlier roll-out found, where ECS has given up what it deployed."""
        kept = self.inquiry.owner.verdicts
        if not kept or self.wanted is not None or not self._given_up:
            return _answered(Part())
        return self._ask(verdicts.newest, self.names)

    @cached_property
    def _given_up(self) -> bool:
        primary = self.running.primary if self.running else None
        if primary is None or self.definition is None:
            return False
        gone_back = primary.definition != self.definition.arn or self.rollback_reason.result().value
        return bool(gone_back) or primary.rollout == "FAILED"

    @cached_property
    def tried(self) -> Future[Part[str]]:
        by_up, kept = self.inquiry.by_up or self.wanted is not None, self.inquiry.owner.verdicts
        if not kept or self.running is None or not (by_up or self._given_up):
            return _answered(Part())
        return self._ask(verdicts.before, self.names, by_up)

    @cached_property
    def ended_by(self) -> Future[Part[Alarmed]]:
        """Ask for the alarms only when the service's events tell of one."""
        events = self.running.events if self.running else ()
        if not any(ALARMED in each.message for each in events):
            return _answered(Part())
        return self._ask(cloudwatch.alarms_that_ended, self.names)

    @cached_property
    def was_deployed(self) -> Future[Part[bool]]:
        """Ask whether the newest task definition was ever deployed, where the service's deployments lack it."""
        running, newest = self.running, self.newest.result().value
        # At the end of its update the program has deployed what it expects.
        declared = self.inquiry.declared
        done = self.wanted is not None and not declared
        if running is None or newest is None or done:
            return _answered(Part())
        if any(each.definition == (self.wanted or newest.arn) for each in running.deployments):
            return _answered(Part())
        if declared:
            return _answered(Part(False))
        return self._ask(ecs.was_deployed, self.names, newest.arn)

    @cached_property
    def command_tasks(self) -> Future[Part[tuple[Task, ...]]]:
        """Ask for the tasks of the command, where it has kept the newest task definition from the service."""
        newest = self.newest.result().value
        kept_away = self.service.result().absent or self.was_deployed.result().value is False
        started_by = self.target.plan.command_started_by
        if not started_by or newest is None or not kept_away:
            return _answered(Part())
        return self._ask(ecs.command_tasks, self.names, newest.arn, started_by)

    @cached_property
    def measured(self) -> Future[Part[Measured]]:
        """Ask for the metrics while there is a service behind the load balancer."""
        running = self.running
        balancer, group = self.balancer.result().value, self.group.result().value
        if running is None or balancer is None or group is None:
            return _answered(Part())
        moment = max([local_cloud.now(), *(each.at for each in running.events)])
        database = self.names.database
        return self._ask(cloudwatch.measured, database, balancer.arn, group.arn, moment)

    @cached_property
    def quota(self) -> Future[Part[Quota]]:
        spot = bool(self.running and self.running.spot)
        return self._ask(cloudwatch.quota, self.names, spot)

    @cached_property
    def definitions(self) -> Future[Part[Mapping[str, Definition]]]:
        """Ask for the task definitions of the deployments and of the tasks, each once."""
        running, newest = self.running, self.newest.result().value
        arns = [self.wanted] if self.wanted else []
        arns += [each.definition for each in running.deployments] if running else []
        arns += [each.definition for each in self.tasks.result().value or ()]
        known = {newest.arn: newest} if newest else {}
        futures = {
            arn: self._ask(ecs.definition, arn, self.names.container)
            for arn in dict.fromkeys(arns)
            if arn not in known
        }
        for arn, each in futures.items():
            part = each.result()
            if part.problem:
                return _answered(Part(known, part.problem))
            if part.value:
                known[arn] = part.value
        return _answered(Part(known))

    @cached_property
    def definition(self) -> Definition | None:
        """Return the expected definition: the one given, or the newest while there is a service.

        Where ECS had the newest, and then completed a deployment of another one, that one was chosen. One that is
        deregistered is not the family's newest any more.
        """
        running, known = self.running, self.definitions.result().value or {}
        if self.wanted and self.wanted in known:
            return known[self.wanted]
        newest = self.newest.result().value
        deployed = known.get(running.primary.definition) if running and running.primary else None
        if deployed and not deployed.active and (newest is None or newest.number < deployed.number):
            return deployed
        primary = running.primary if running and self.was_deployed.result().value else None
        if primary and self._ask(ecs.completed, self.names).result().value:
            return known.get(primary.definition)
        return newest if running else None

    @cached_property
    def image(self) -> Future[Part[Image]]:
        if not self.names.repository:
            return _answered(Part())
        image = self.definition.image if self.definition else None
        return self._ask(task_inputs.image, self.names.repository, image)

    @cached_property
    def logs(self) -> Future[Part[Logs]]:
        expected, known = self.definition, self.definitions.result().value or {}
        tasks, commands = self.tasks.result().value or (), self.command_tasks.result().value or ()
        chosen = task_logs.choose_tasks(tasks, expected.arn if expected else "")
        group = (expected.log_group if expected else "") or self.names.log_group
        if not group:
            return _answered(Part())
        return self._ask(task_logs.logs, group, [*chosen, *commands[:1]], known)

    @cached_property
    def execution(self) -> Future[Part[Role]]:
        return self._role(self.definition.execution_role if self.definition else None)

    @cached_property
    def task_role(self) -> Future[Part[Role]]:
        return self._role(self.definition.task_role if self.definition else None)

    def _role(self, arn: str | None) -> Future[Part[Role]]:
        return _answered(Part()) if arn is None else self._ask(task_inputs.role, arn)

    @cached_property
    def secrets(self) -> Future[Part[Mapping[str, Secret | None]]]:
        """Ask for the task definition's secrets; without one for those that it will have."""
        if self.definition:
            return self._ask(task_inputs.secrets, list(self.definition.secrets.values()))
        for each in (self.service, self.newest, self.definitions):
            if problem := each.result().problem:
                return _answered(Part(problem=problem))
        database = self.database.result().value
        if database is None or not database.secret:
            return _answered(Part())
        planned = self.target.plan.secrets.values()
        return self._ask(task_inputs.secrets, [database.secret, *planned])


def _answered(part: Part[T]) -> Future[Part[T]]:
    future: Future[Part[T]] = Future()
    future.set_result(part)
    return future
