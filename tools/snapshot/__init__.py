"""Read a stack from AWS at one moment, into frozen records."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from typing import Any, TypeVar

from stack.names import StackNames
from stack.settings import Settings
from tools.aws import rds_certificates
from tools.aws.errors import AwsProblem
from tools.aws.session import Place, Session
from tools.snapshot import cloudwatch, ecs, elb, rds, task_inputs, task_logs, vpc
from tools.snapshot import page as pages
from tools.snapshot.cloudwatch import Alarm, Measured, Quota
from tools.snapshot.elb import Balancer, Page, Target, TargetGroup
from tools.snapshot.rds import Database
from tools.snapshot.records import ALARMED, Definition, Part, Service, Task
from tools.snapshot.task_inputs import Image, Role, Secret
from tools.snapshot.task_logs import Logs
from tools.snapshot.vpc import Network

T = TypeVar("T")

ASK_AT_ONCE = 12


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """A stack as AWS shows it. ``wanted`` is the ARN of the task definition that is expected to run, if known.

    ``by_program`` says that the program named it, at the end of its `pulumi up`; else it is the family's
    newest, which may have been registered by hand, or the one that was deployed after it. ``at`` is when it was
    asked, by this machine's clock.
    """

    names: StackNames
    place: Place
    settings: Settings
    authorities: frozenset[str] | None = None
    """The certificate authorities that the app's image carries; None where that is not known."""
    wanted: str | None = None
    by_program: bool = False
    output_url: str = ""
    """The output ``pageUrl``, where the program passed it."""
    at: datetime = field(default_factory=lambda: datetime.now(UTC))
    service: Part[Service] = field(default_factory=Part)
    rollback_reason: Part[str] = field(default_factory=Part)
    """Why ECS went back to the service as it was before, of the same revision; empty: it did not."""
    was_deployed: Part[bool] = field(default_factory=Part)
    """Whether ECS has ever deployed the family's newest task definition; read where the service runs another one."""
    command_tasks: Part[tuple[Task, ...]] = field(default_factory=Part)
    """The tasks in which `pulumi up` ran deployCommand with a task definition that was not deployed, newest first."""
    ended_by: Part[tuple[str, ...]] = field(default_factory=Part)
    """The alarms that ended the newest deployment."""
    tasks: Part[tuple[Task, ...]] = field(default_factory=Part)
    newest: Part[Definition] = field(default_factory=Part)
    definitions: Part[Mapping[str, Definition]] = field(default_factory=Part)
    group: Part[TargetGroup] = field(default_factory=Part)
    targets: Part[tuple[Target, ...]] = field(default_factory=Part)
    balancer: Part[Balancer] = field(default_factory=Part)
    page: Part[Page] = field(default_factory=Part)
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

    @property
    def region(self) -> str:
        return self.place.region

    @property
    def page_url(self) -> str:
        """Return the page's URL without a path; "" without a load balancer."""
        balancer = self.balancer.value
        return self.output_url or (self.settings.https.url(balancer.dns) if balancer else "")

    def problems(self) -> dict[str, AwsProblem]:
        """Return the problems of the parts that could not be read, by the name of the part."""
        parts = {each.name: getattr(self, each.name) for each in fields(self)}
        return {
            name: part.problem
            for name, part in parts.items()
            if isinstance(part, Part) and part.problem is not None
        }


def gather(
    names: StackNames,
    session: Session,
    settings: Settings,
    wanted: str | None = None,
    page: Part[Page] | None = None,
    url: str = "",
) -> Snapshot:
    """Read all parts from AWS in parallel. A part that could not be read has the problem.

    ``url`` is the output ``pageUrl``; without one it is what the settings make of it.
    ``page`` is an earlier answer of the page, for callers that read often: each request counts as a visit.
    """
    with ThreadPoolExecutor(ASK_AT_ONCE) as pool:
        return _Gathering(names, session, settings, wanted, page, url, pool).snapshot()


class _Gathering:
    def __init__(
        self,
        names: StackNames,
        session: Session,
        settings: Settings,
        wanted: str | None,
        page: Part[Page] | None,
        url: str,
        pool: ThreadPoolExecutor,
    ) -> None:
        self.names, self.session, self.settings, self.wanted = names, session, settings, wanted
        self._known_page, self._url, self._pool = page, url, pool

    def ask(self, question: Callable[..., T | None], *arguments: Any) -> Future[Part[T]]:
        return self._pool.submit(read_part, question, self.session, *arguments)

    def snapshot(self) -> Snapshot:
        names = self.names
        service = self.ask(ecs.service, names)
        tasks = self.ask(ecs.tasks, names)
        newest = self.ask(ecs.definition, names.family)
        group = self.ask(elb.target_group, names.target_group)
        balancer = self.ask(elb.balancer, names.balancer)
        database = self.ask(rds.database, names.database)
        alarms = self.ask(cloudwatch.alarms, names.prefix)
        group = self._serving(group, balancer)
        targets = self._targets(group, service)
        network = self._network(group, balancer)
        page = self._page(balancer.result().value, targets.result().value or ())
        running, latest = service.result(), newest.result()
        rollback_reason = self._rollback_reason(running.value)
        ended_by = self._ended_by(running.value)
        was_deployed = self._was_deployed(running.value, latest.value)
        command_tasks = self._command_tasks(running, was_deployed.result(), latest.value)
        measured = self._measured(running.value, balancer.result().value, group.result().value)
        quota = self.ask(cloudwatch.quota, names, bool(running.value and running.value.spot))
        known = self._definitions(running.value, tasks.result().value or (), latest.value)
        definition = self._expected(
            running.value, known.value or {}, latest.value, was_deployed.result()
        )
        commands = command_tasks.result().value or ()
        stored = self._stored(definition, known.value or {}, tasks.result().value or (), commands)
        if definition is None and (found := database.result().value) and found.secret:
            planned = self.settings.service.secrets.values()
            stored["secrets"] = self.ask(task_inputs.secrets, [found.secret, *planned])
        return Snapshot(
            names=names,
            place=self.session.place,
            settings=self.settings,
            authorities=rds_certificates.carried(self.settings),
            at=datetime.now(UTC),
            wanted=definition.arn if definition else None,
            by_program=self.wanted is not None,
            output_url=self._url,
            service=running,
            rollback_reason=rollback_reason.result(),
            was_deployed=was_deployed.result(),
            command_tasks=command_tasks.result(),
            ended_by=ended_by.result(),
            tasks=tasks.result(),
            newest=latest,
            definitions=known,
            group=group.result(),
            targets=targets.result(),
            balancer=balancer.result(),
            page=page.result(),
            network=network.result(),
            database=database.result(),
            alarms=alarms.result(),
            quota=quota.result(),
            measured=measured.result(),
            **{name: each.result() for name, each in stored.items()},
        )

    def _serving(
        self, first: Future[Part[TargetGroup]], balancer: Future[Part[Balancer]]
    ) -> Future[Part[TargetGroup]]:
        """Return the target group, or, of two that alternate, the one that gets the requests."""
        if not self.settings.service.deployment.shifts:
            return first
        other = self.ask(elb.target_group, self.names.alternate_group).result()
        found = first.result()
        if found.value is None or other.value is None:
            return self._given(Part(found.value, found.problem or other.problem))
        pair = (found.value, other.value)
        return self._given(Part(elb.busiest(balancer.result().value, pair)))

    def _targets(
        self, group: Future[Part[TargetGroup]], service: Future[Part[Service]]
    ) -> Future[Part[tuple[Target, ...]]]:
        """Read the targets of the target group, or of both that alternate."""

        def ask(found: TargetGroup) -> Future[Part[tuple[Target, ...]]]:
            known = service.result().value
            groups = known.target_groups if known and known.alternate else ()
            return self.ask(elb.targets, *dict.fromkeys((found.arn, *groups)))

        return self._after(group, ask)

    def _after(
        self, first: Future[Part[Any]], then: Callable[[Any], Future[Part[T]]]
    ) -> Future[Part[T]]:
        """Read what the first answer names; nothing if it names nothing."""
        found = first.result()
        return then(found.value) if found.value is not None else self._nothing(found.problem)

    def _nothing(self, problem: AwsProblem | None) -> Future[Part[Any]]:
        return self._given(Part(problem=problem))

    def _given(self, part: Part[T]) -> Future[Part[T]]:
        made: Future[Part[T]] = Future()
        made.set_result(part)
        return made

    def _page(self, balancer: Balancer | None, targets: Iterable[Target]) -> Future[Part[Page]]:
        """Request the page only where a target is healthy: else the load balancer answers 503."""
        if self._known_page is not None:
            return self._given(self._known_page)
        if balancer is None or all(each.state != "healthy" for each in targets):
            return self._nothing(None)
        return self._pool.submit(read_part, pages.page, balancer, self.settings, self._url)

    def _rollback_reason(self, service: Service | None) -> Future[Part[str]]:
        """Read the rollback of a completed deployment only: others show their state themselves."""
        primary = service.primary if service else None
        if service is None or primary is None or primary.rollout != "COMPLETED":
            return self._nothing(None)
        where = {"cluster": self.names.cluster, "service": self.names.service}
        return self.ask(ecs.rollback_reason, where, primary.definition)

    def _was_deployed(
        self, service: Service | None, newest: Definition | None
    ) -> Future[Part[bool]]:
        """Read whether the newest task definition was ever deployed, where the service's deployments lack it."""
        # At the end of its `pulumi up` the program has deployed what it expects.
        if service is None or newest is None or self.wanted is not None:
            return self._nothing(None)
        if any(each.definition == newest.arn for each in service.deployments):
            return self._nothing(None)
        where = {"cluster": self.names.cluster, "service": self.names.service}
        return self.ask(ecs.was_deployed, where, newest.arn)

    def _command_tasks(
        self, service: Part[Service], was_deployed: Part[bool], newest: Definition | None
    ) -> Future[Part[tuple[Task, ...]]]:
        """Read the tasks of deployCommand, where it has kept the newest task definition from the service."""
        kept_away = service.absent or was_deployed.value is False
        if not self.settings.service.deploy_command or newest is None or not kept_away:
            return self._nothing(None)
        return self.ask(ecs.command_tasks, self.names, newest.arn)

    def _ended_by(self, service: Service | None) -> Future[Part[tuple[str, ...]]]:
        """Read the alarms only when the service's events tell of one."""
        if service is None or not any(ALARMED in each.message for each in service.events):
            return self._nothing(None)
        where = {"cluster": self.names.cluster, "service": self.names.service}
        return self.ask(ecs.alarms_that_ended, where)

    def _measured(
        self, service: Service | None, balancer: Balancer | None, group: TargetGroup | None
    ) -> Future[Part[Measured]]:
        """Read the metrics while there is a service behind the load balancer."""
        if service is None or balancer is None or group is None:
            return self._nothing(None)
        moment = max([datetime.now(UTC), *(each.at for each in service.events)])
        return self.ask(cloudwatch.measured, self.names.database, balancer.arn, group.arn, moment)

    def _network(
        self, group: Future[Part[TargetGroup]], balancer: Future[Part[Balancer]]
    ) -> Future[Part[Network]]:
        found = group.result().value or balancer.result().value
        problem = group.result().problem or balancer.result().problem
        return self.ask(vpc.network, found.vpc) if found else self._nothing(problem)

    def _definitions(
        self, service: Service | None, tasks: Iterable[Task], newest: Definition | None
    ) -> Part[Mapping[str, Definition]]:
        arns = [self.wanted] if self.wanted else []
        arns += [each.definition for each in service.deployments] if service else []
        arns += [each.definition for each in tasks]
        found = {newest.arn: newest} if newest else {}
        asked = {
            arn: self.ask(ecs.definition, arn) for arn in dict.fromkeys(arns) if arn not in found
        }
        for arn, each in asked.items():
            part = each.result()
            if part.problem:
                return Part(found, part.problem)
            if part.value:
                found[arn] = part.value
        return Part(found)

    def _expected(
        self,
        service: Service | None,
        known: Mapping[str, Definition],
        newest: Definition | None,
        was_deployed: Part[bool],
    ) -> Definition | None:
        """Return the expected definition: the one given, or the newest while there is a service.

        Where ECS had the newest, and then completed a deployment of another one, that one was chosen.
        """
        if self.wanted and self.wanted in known:
            return known[self.wanted]
        if service and service.primary and was_deployed.value:
            where = {"cluster": self.names.cluster, "service": self.names.service}
            if self.ask(ecs.completed, where).result().value:
                return known.get(service.primary.definition)
        return newest if service else None

    def _stored(
        self,
        definition: Definition | None,
        known: Mapping[str, Definition],
        tasks: tuple[Task, ...],
        commands: tuple[Task, ...],
    ) -> dict[str, Future[Part[Any]]]:
        names = self.names
        chosen = task_logs.choose_tasks(tasks, definition.arn if definition else "")
        chosen = [*chosen, *commands[:1]]
        log_group = (definition.log_group if definition else "") or names.log_group
        asked: dict[str, Future[Part[Any]]] = {
            "image": self.ask(
                task_inputs.image, names.repository, definition.image if definition else None
            ),
            "logs": self.ask(task_logs.logs, log_group, chosen, known),
        }
        if definition:
            asked["execution"] = self.ask(task_inputs.role, definition.execution_role)
            asked["task_role"] = self.ask(task_inputs.role, definition.task_role)
            asked["secrets"] = self.ask(task_inputs.secrets, list(definition.secrets.values()))
        return asked


def read_part(question: Callable[..., T | None], *arguments: Any) -> Part[T]:
    """Return the answer as a part; a missing resource is an answer too."""
    try:
        return Part(question(*arguments))
    except AwsProblem as problem:
        return Part() if problem.kind == "missing" else Part(problem=problem)


def read_existing(question: Callable[..., T | None], *arguments: Any) -> T | None:
    """Return the answer, or None for a missing resource. Raises AwsProblem of every other kind."""
    part = read_part(question, *arguments)
    if part.problem:
        raise part.problem
    return part.value
