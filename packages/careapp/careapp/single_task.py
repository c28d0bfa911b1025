"""One ECS task with a command of its own, and the image, variables, secrets and network of the service."""

import time
import uuid
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from careapp.additions.parts.jobs import BY_HAND
from careapp.additions.parts.pauses import GOING_OFF
from careapp.settings.names import StackNames
from careapp.settings.settings import Settings
from ecs_gate.aws.errors import AwsProblem
from ecs_gate.aws.session import Session
from ecs_gate.parts import ecs, rds
from ecs_gate.parts.records import Container, Definition, Service, Task, read_existing
from ecs_gate.text import Refused, Text, t
from ecs_gate.text.masking import visible

POLL_SECONDS = 1.0

VISIBLE_SECONDS = 60.0
"""DescribeTasks may not know a new task at once (API reference, RunTask: eventual consistency)."""


@dataclass(frozen=True, kw_only=True)
class OneOff:
    """A task to run: its task definition, the service's network, and the command; () for the definition's own.

    ``environment`` are variables beside those of the task definition, or in their place.
    """

    cluster: str
    definition: Definition
    network: dict[str, Any]
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)


def planned(
    session: Session, settings: Settings, command: Sequence[str], definition: str = ""
) -> OneOff:
    """Return the task to run, from the service's configuration. Raises Refused without one, and AwsProblem.

    ``definition`` is a task definition in place of the service's.
    """
    names = settings.names
    service = read_existing(ecs.service, session, names)
    if service is None:
        why = t(
            "stage 2 is off. `pulumi config set ecsEnabled true -s {stack}`, then `pulumi up -s {stack}`.",
            stack=names.stack,
        )
        if settings.ecs_enabled:
            why = t(
                "the `pulumi up` that makes it has not come so far. See `./careapp doctor -s {stack}`.",
                stack=names.stack,
            )
        raise Refused(
            "There is no service {name}, whose image, variables and network the command would get: {why}",
            name=names.service,
            why=why,
        )
    network = {
        "subnets": list(service.subnets),
        "securityGroups": list(service.groups),
        "assignPublicIp": "ENABLED" if service.public_ip else "DISABLED",
    }
    return OneOff(
        cluster=names.cluster,
        definition=ecs.definition(session, definition or _running(service)),
        network={"awsvpcConfiguration": network},
        command=tuple(command),
    )


def check_database(session: Session, names: StackNames) -> None:
    """Raise Refused while the database is stopped, as in a paused stack. Raises AwsProblem."""
    database = read_existing(rds.database, session, names.database, False)
    if database is not None and database.status in GOING_OFF:
        raise Refused(
            "The database {id} is {status}, and the command would run without it: `./careapp resume -s "
            "{stack}` first.",
            id=database.id,
            status=database.status,
            stack=names.stack,
        )


def _running(service: Service) -> str:
    """Return the ARN of the task definition that serves: during a roll-out the previous one."""
    serving = [each for each in service.deployments if each.running and each.rollout == "COMPLETED"]
    return serving[0].definition if serving else service.definition


def start(session: Session, one_off: OneOff, started_by: str = BY_HAND) -> str:
    """Start the task and return its ARN. Raises Refused with ECS's reason, and AwsProblem."""
    override: dict[str, Any] = {"name": one_off.definition.container}
    override |= {"command": list(one_off.command)} if one_off.command else {}
    variables = [{"name": name, "value": value} for name, value in one_off.environment.items()]
    override |= {"environment": variables} if variables else {}
    answer = session.call(
        "ecs",
        "run_task",
        cluster=one_off.cluster,
        taskDefinition=one_off.definition.arn,
        launchType="FARGATE",
        startedBy=started_by,
        clientToken=uuid.uuid4().hex,
        networkConfiguration=one_off.network,
        overrides={"containerOverrides": [override] if len(override) > 1 else []},
        propagateTags="TASK_DEFINITION",
    )
    for failure in answer["failures"]:
        raise Refused("ECS started no task: {reason}.", reason=failure.get("reason", ""))
    return str(answer["tasks"][0]["taskArn"])


def stop(session: Session, one_off: OneOff, arn: str, reason: str) -> None:
    """Stop the task: ECS sends SIGTERM, and SIGKILL after `stopTimeout`. Raises AwsProblem."""
    session.call("ecs", "stop_task", cluster=one_off.cluster, task=arn, reason=reason)


class LogStream:
    """Reads the lines of one log stream, each once."""

    def __init__(self, session: Session, group: str, stream: str) -> None:
        self._session = session
        self._asked: dict[str, Any] = {"logGroupName": group, "logStreamName": stream}
        self._asked["startFromHead"] = True
        self._read: deque[str] = deque()

    def new(self) -> Iterator[str]:
        """Yield the lines since the last call, also one that was interrupted. A stream that does not exist has none."""
        at_end = False
        while True:
            while self._read:
                yield self._read.popleft()
            if at_end:
                return
            try:
                page = self._session.call("logs", "get_log_events", **self._asked)
            except AwsProblem as problem:
                if problem.temporary or problem.kind == "missing":
                    return
                raise
            self._read.extend(event["message"].rstrip("\n") for event in page["events"])
            # A token that comes back as it was sent is the end (botocore, GetLogEvents).
            token, before = page["nextForwardToken"], self._asked.get("nextToken")
            self._asked["nextToken"] = token
            at_end = token == before


def _print(line: str) -> None:
    print(visible(line), flush=True)


class Following:
    """Follows one task, and shows its log and each new status once, also after an interrupt."""

    def __init__(
        self,
        session: Session,
        one_off: OneOff,
        arn: str,
        say: Callable[[Text], None],
        show: Callable[[str], None] = _print,
    ) -> None:
        definition = one_off.definition
        self._session, self._one_off, self._arn, self._say = session, one_off, arn, say
        self._show, self._status = show, ""
        self._log = LogStream(
            session, definition.log_group, definition.stream(arn.rpartition("/")[2])
        )

    def to_end(self, why_stop: Callable[[], str] = str) -> Task:
        """Show what is new until the task has stopped, and return the task. Raises Refused and AwsProblem.

        ``why_stop`` is called with each read. Once it returns a reason, the task is stopped with it.
        """
        seen, stopping = time.monotonic(), False
        while True:
            if not stopping and (reason := why_stop()):
                stop(self._session, self._one_off, self._arn, reason)
                stopping = True
            task = _asked(self._session, self._one_off.cluster, self._arn)
            if task is not None:
                seen = time.monotonic()
            elif time.monotonic() - seen > VISIBLE_SECONDS:
                raise Refused("ECS no longer knows the task {task}.", task=self._arn)
            if task is not None and task.status != self._status:
                self._status = task.status
                self._say(t("{task} of {revision}: {status}", task=task.short, revision=task.revision,
                            status=task.status))  # fmt: skip
            self._show_new()
            time.sleep(POLL_SECONDS)
            if task is not None and task.status == "STOPPED":
                self._show_new()  # the last lines may reach CloudWatch after the end
                return task

    def _show_new(self) -> None:
        for line in self._log.new():
            self._show(line)


def _asked(session: Session, cluster: str, arn: str) -> Task | None:
    try:
        return ecs.task(session, cluster, arn)
    except AwsProblem as problem:
        if problem.temporary:
            return None
        raise


def app_container(one_off: OneOff, task: Task) -> Container:
    """Return the container that ran the command."""
    [container] = [each for each in task.containers if each.name == one_off.definition.container]
    return container
