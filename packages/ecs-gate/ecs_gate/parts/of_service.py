"""The parts that are read of a service: each one reads itself, once the others that it needs have been read."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar, overload

from ecs_gate.aws import local_cloud
from ecs_gate.aws.errors import AwsProblem
from ecs_gate.parts import cloudwatch, ecs, elb, rds, task_inputs, task_logs, verdicts, vpc
from ecs_gate.parts import login as logins
from ecs_gate.parts import page as pages
from ecs_gate.parts.cloudwatch import Measured
from ecs_gate.parts.elb import PageAnswer, TargetGroup
from ecs_gate.parts.login import Provider
from ecs_gate.parts.records import (
    ALARMED,
    Alarmed,
    Definition,
    Part,
    Service,
    Task,
    read_existing,
)
from ecs_gate.parts.task_inputs import Image, Secret
from ecs_gate.parts.task_logs import Logs
from ecs_gate.parts.vpc import Network
from ecs_gate.text import Text, t

if TYPE_CHECKING:
    from ecs_gate.parts.gather import Reading

T = TypeVar("T")


class Whose(Enum):
    """Whose a part is where the target has further services."""

    EACH = "each service has one of its own"
    ALL = "they share it"
    FIRST = "it is of the service with the page alone"


@dataclass(eq=False)
class PartOf(Generic[T]):
    """A part of what is read of a service, as an attribute of what has its value.

    An exception of ``read``, whatever it is, is the problem of this part alone.
    """

    what: Text
    """What a diagnosis calls it."""
    read: Callable[[Reading], T | None]
    """Reads it, and the parts that it needs before; None: it does not exist, or there is no reason to read it."""
    whose: Whose = Whose.ALL
    essential: bool = True
    """Whether a service is not called healthy without it."""
    shown: bool = False
    """Whether it is read for an overview, too, and not only for a diagnosis."""
    name: str = ""
    """What JSON calls it; "": the name of the attribute."""

    def __set_name__(self, owner: type[Any], name: str) -> None:
        self.name = name

    @overload
    def __get__(self, seen: None, owner: type[Any]) -> Self: ...
    @overload
    def __get__(self, seen: ServiceParts, owner: type[Any]) -> Part[T]: ...
    def __get__(self, seen: ServiceParts | None, owner: type[Any]) -> Self | Part[T]:
        return self if seen is None else seen.of(self)


def _need(*parts: Part[Any]) -> None:
    """Raise the problem in reading one of these parts, if there is one."""
    for part in parts:
        if part.problem:
            raise part.problem


def _service(now: Reading) -> Service | None:
    service, inputs = ecs.service(now.session, now.names), now.inquiry.declared
    if service is None or not inputs:
        return service
    network = inputs["networkConfiguration"]
    subnets, groups = tuple(network["subnets"]), tuple(network["securityGroups"])
    public = bool(network.get("assignPublicIp"))
    return replace(service, subnets=subnets, groups=groups, public_ip=public)


def _definitions(now: Reading) -> Mapping[str, Definition]:
    """Read the task definitions of the deployments and of the tasks, each once."""
    running, newest = now.running, now.newest.value
    arns = [now.wanted] if now.wanted else []
    arns += [deployment.definition for deployment in running.deployments] if running else []
    arns += [task.definition for task in now.tasks.value or ()]
    known = {newest.arn: newest} if newest else {}
    others = [each for each in dict.fromkeys(arns) if each not in known]

    def read(arn: str) -> Definition | None:
        return read_existing(ecs.definition, now.session, arn, now.names.container)

    with ThreadPoolExecutor() as pool:
        found = zip(others, pool.map(read, others), strict=True)
        return known | {arn: definition for arn, definition in found if definition is not None}


def _group(now: Reading) -> TargetGroup | None:
    """Read the target group, or, of two that alternate, the one that gets the requests."""
    first = elb.target_group(now.session, now.names.target_group)
    if first is None or not (now.full and now.running and now.running.alternate):
        return first
    other = read_existing(elb.target_group, now.session, now.names.alternate_group)
    return elb.busiest(now.balancer.value, (first, other)) if other else first


def _targets(now: Reading) -> tuple[elb.TargetHealth, ...] | None:
    """Read the targets of the target group, or of both that alternate."""
    _need(now.group)
    group, running = now.group.value, now.running
    if group is None:
        return None
    if running and not running.addressed:
        text = t("Its tasks have no address of their own, by which a target would be known.")
        raise AwsProblem("unseen", text, t("Look at it yourself."))
    others = running.target_groups if running and running.alternate else ()
    return elb.targets(now.session, *dict.fromkeys((group.arn, *others)))


def _page(now: Reading) -> PageAnswer | None:
    """Request the page only where a target is healthy: else the load balancer answers 503."""
    inquiry = now.inquiry
    if inquiry.page is not None:
        _need(inquiry.page)
        return inquiry.page.value
    balancer, targets = now.balancer.value, now.targets.value or ()
    if balancer is None or all(target.state != "healthy" for target in targets):
        return None
    primary = now.running.primary if now.running else None
    steady = primary is None or primary.rollout != "IN_PROGRESS"
    requests, before = inquiry.requests, inquiry.page_before
    return pages.page(balancer, now.target, requests=requests, before=before, database=steady)


def _rollback_reason(now: Reading) -> str | None:
    """Read why ECS went back from a completed deployment alone: others show their state themselves."""
    primary = now.running.primary if now.running else None
    if primary is None or primary.rollout != "COMPLETED":
        return None
    return ecs.rollback_reason(now.session, now.names, primary.definition)


def _given_up(now: Reading) -> bool:
    primary = now.running.primary if now.running else None
    if primary is None or now.definition is None:
        return False
    gone_back = primary.definition != now.definition.arn or now.rollback_reason.value
    return bool(gone_back) or primary.rollout == "FAILED"


def _verdict(now: Reading) -> str | None:
    """Read what the gate found of the newest deployment, where ECS has given that up."""
    if not now.owner.verdicts or now.wanted is not None or not _given_up(now):
        return None
    return verdicts.newest(now.session, now.names)


def _tried(now: Reading) -> str | None:
    """Read what the gate found of the roll-out before the newest one: its cures may have been tried."""
    by_up = now.inquiry.by_up or now.wanted is not None
    if not now.owner.verdicts or now.running is None or not (by_up or _given_up(now)):
        return None
    return verdicts.before(now.session, now.names, by_up)


def _was_deployed(now: Reading) -> bool | None:
    """Read whether the newest task definition was ever deployed, where the service's deployments lack it."""
    running, newest = now.running, now.newest.value
    # At the end of its update the program has deployed what it expects.
    declared = now.inquiry.declared
    done = now.wanted is not None and not declared
    if running is None or newest is None or done:
        return None
    if any(each.definition == (now.wanted or newest.arn) for each in running.deployments):
        return None
    return False if declared else ecs.was_deployed(now.session, now.names, newest.arn)


def _command_tasks(now: Reading) -> tuple[Task, ...] | None:
    """Read the tasks of the command, newest first, where it has kept the newest task definition from the service."""
    newest, started_by = now.newest.value, now.target.plan.command_started_by
    if not started_by or newest is None:
        return None
    if not (now.service.absent or now.was_deployed.value is False):
        return None
    return ecs.command_tasks(now.session, now.names, newest.arn, started_by)


def _ended_by(now: Reading) -> Alarmed | None:
    """Read the alarms only when the service's events tell of one."""
    events = now.running.events if now.running else ()
    alarmed = any(ALARMED in event.message for event in events)
    return cloudwatch.alarms_that_ended(now.session, now.names) if alarmed else None


def _network(now: Reading) -> Network | None:
    balanced = now.group.value or now.balancer.value
    if balanced is not None:
        return vpc.network(now.session, balanced.vpc)
    if now.running and not (now.names.balancer or now.names.target_group):
        return vpc.network_of(now.session, now.running.subnets)
    _need(now.group, now.balancer)
    return None


def _image(now: Reading) -> Image | None:
    image, repository = now.definition.image if now.definition else None, now.names.repository
    return task_inputs.image(now.session, repository, image) if repository else None


def _secrets(now: Reading) -> Mapping[str, Secret | None] | None:
    """Read the task definition's secrets; without one those that it will have."""
    if now.definition:
        return task_inputs.secrets(now.session, list(now.definition.secrets.values()))
    _need(now.service, now.newest, now.definitions)
    database = now.database.value
    if database is None or not database.secret:
        return None
    return task_inputs.secrets(now.session, [database.secret, *now.target.plan.secrets.values()])


def _logs(now: Reading) -> Logs | None:
    expected, known = now.definition, now.definitions.value or {}
    tasks, commands = now.tasks.value or (), now.command_tasks.value or ()
    chosen = task_logs.choose_tasks(tasks, expected.arn if expected else "")
    group = (expected.log_group if expected else "") or now.names.log_group
    return task_logs.logs(now.session, group, [*chosen, *commands[:1]], known) if group else None


def _measured(now: Reading) -> Measured | None:
    """Read the metrics while there is a service behind the load balancer."""
    running, balancer, group = now.running, now.balancer.value, now.group.value
    if running is None or balancer is None or group is None:
        return None
    moment = max([local_cloud.now(), *(event.at for event in running.events)])
    return cloudwatch.measured(now.session, now.names.database, balancer.arn, group.arn, moment)


def _login(now: Reading) -> Provider | None:
    """Ask the provider at which users log in, or where the load balancer has no login yet, whether it answers."""
    balancer, group, login = now.balancer.value, now.group.value, now.target.login
    if balancer is None or not login.enabled:
        return None
    listener = elb.serving(balancer, now.target.page.url)
    oidc = elb.login(listener, group.arn if group else "")
    if oidc is None:
        logins.read_document(login.issuer)
        return None
    url = now.target.page.url_of(balancer.dns)
    return logins.provider(now.session, oidc, login.secret_arn, url)


class ServiceParts(ABC):
    """The parts of a service, in the order in which a diagnosis names them."""

    service = PartOf(t("the service"), _service, Whose.EACH, shown=True)
    tasks = PartOf(
        t("the tasks"), lambda now: ecs.tasks(now.session, now.names), Whose.EACH, shown=True
    )
    newest = PartOf(
        t("the newest task definition"),
        lambda now: ecs.definition(now.session, now.names.family, now.names.container),
        Whose.EACH,
    )
    definitions = PartOf(t("the task definitions"), _definitions, Whose.EACH)
    group = PartOf(t("the target group"), _group, Whose.FIRST, shown=True)
    targets = PartOf(t("the health of the targets"), _targets, Whose.FIRST, shown=True)
    balancer = PartOf(
        t("the load balancer"),
        lambda now: elb.balancer(now.session, now.names.balancer, now.full),
        shown=True,
    )
    page = PartOf(t("the page"), _page, Whose.FIRST, essential=False)
    rollback_reason = PartOf(t("the service's last deployments"), _rollback_reason, Whose.EACH)
    """Why ECS went back to the service as it was before, of the same revision; empty: it did not."""
    verdict = PartOf(t("what the gate found"), _verdict, Whose.EACH, essential=False)
    """As `diagnosis.kept` writes it."""
    tried = PartOf(t("what the gate found before"), _tried, Whose.EACH, essential=False)
    was_deployed = PartOf(
        t("whether the newest task definition was deployed"), _was_deployed, Whose.EACH
    )
    command_tasks = PartOf(
        t("the tasks of the command before a deployment"), _command_tasks, Whose.FIRST
    )
    ended_by = PartOf(
        t("the alarms of the last deployment"), _ended_by, Whose.FIRST, essential=False
    )
    network = PartOf(t("security groups and routes"), _network)
    execution = PartOf(
        t("the execution role"),
        lambda now: (
            task_inputs.role(now.session, now.definition.execution_role) if now.definition else None
        ),
    )
    task_role = PartOf(
        t("the task role"),
        lambda now: (
            task_inputs.role(now.session, now.definition.task_role) if now.definition else None
        ),
    )
    image = PartOf(t("the image"), _image)
    secrets = PartOf(t("the secrets"), _secrets)
    logs = PartOf(t("the log"), _logs, Whose.EACH)
    database = PartOf(
        t("the database"),
        lambda now: rds.database(now.session, now.names.database, now.full),
        shown=True,
    )
    alarms = PartOf(
        t("the alarms"),
        lambda now: cloudwatch.alarms(now.session, now.names.prefix, now.target.alarms),
        essential=False,
        shown=True,
    )
    quota = PartOf(
        t("Fargate's quota of vCPUs"),
        lambda now: (
            None
            if now.running and not now.running.fargate
            else cloudwatch.quota(now.session, now.names, bool(now.running and now.running.spot))
        ),
        essential=False,
    )
    measured = PartOf(t("the metrics"), _measured, essential=False)
    login = PartOf(t("the provider of the login"), _login, essential=False)
    """What the provider says to the load balancer's client, where users log in."""

    @abstractmethod
    def of(self, part: PartOf[T]) -> Part[T]:
        """Return one of these parts, or of its owner's."""


PARTS: tuple[PartOf[Any], ...] = tuple(
    part for part in vars(ServiceParts).values() if isinstance(part, PartOf)
)
