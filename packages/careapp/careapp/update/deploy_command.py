"""Runs the setting `deployCommand` in a task of its own before the ECS service gets a new task definition."""

import asyncio
import shlex
import signal
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pulumi
from pulumi.resource import DependencyResource

from careapp import single_task
from careapp.additions.target import session_of
from careapp.settings.image import LOCK_TIMEOUT
from careapp.settings.names import DEPLOY_COMMAND_TASK
from careapp.settings.settings import Settings
from careapp.single_task import Following, OneOff, app_container, check_database, start
from ecs_gate.aws import local_cloud
from ecs_gate.aws.errors import AwsProblem
from ecs_gate.aws.pace import Pace
from ecs_gate.aws.session import Session
from ecs_gate.diagnosis.log_lines import LOCK_WAIT
from ecs_gate.parts import ecs
from ecs_gate.parts.records import Definition
from ecs_gate.parts.stack_secrets import learn
from ecs_gate.pulumi import ResourceLog, RolloutFailed
from ecs_gate.text import Refused, Text, t, verbatim

PGOPTIONS = "PGOPTIONS"

LAST_LINES = 10
"""Lines of the command's log in the text of a failure."""

ROLE_SECONDS = 60.0
"""How long a new role may be unknown to ECS: IAM is eventually consistent.

For the same reason a new service of ECS fails to start a task and tries again (pulumi/pulumi-awsx#927).
"""
NO_ROLE = "unable to assume the role"


def hooks(settings: Settings) -> list[pulumi.ResourceHook]:
    """Return the hook of the ECS service that runs the command before it is created or changed.

    A hook that raises fails the resource before it is changed, and the engine prints the text without a
    traceback. The state keeps the old task definition, so the next `pulumi up` runs the command again.
    A preview runs no hooks.
    """

    async def run_first(given: pulumi.ResourceHookArgs) -> None:
        inputs = given.new_inputs or {}
        if gets_another_definition(given.old_inputs, inputs):
            await _run(settings, inputs, ResourceLog(DependencyResource(given.urn)))

    return [pulumi.ResourceHook("deployCommand", run_first)]


def gets_another_definition(old: Mapping[str, Any] | None, new: Mapping[str, Any]) -> bool:
    """Return whether the service gets another task definition. A new service has no old inputs."""
    return bool((old or {}).get("taskDefinition") != new["taskDefinition"])


async def _run(settings: Settings, inputs: Mapping[str, Any], log: ResourceLog) -> None:
    """Run the command to its end. Raises RolloutFailed unless it ends with exit code 0."""
    loop = asyncio.get_running_loop()

    def say(text: Text) -> None:
        loop.call_soon_threadsafe(log.moment, text)

    try:
        session, speed = session_of(settings), Pace.of().speed
        await asyncio.to_thread(check_database, session, settings.names)
        run = CommandRun(
            session, settings.service.deploy_command, settings.rollout_minutes, speed, say
        )
        run.learn = partial(learn, session, settings.names)
        # The engine may send SIGINT before it kills the program after a Ctrl-C.
        loop.add_signal_handler(signal.SIGINT, run.interrupt)
        try:
            ended = await asyncio.to_thread(run.to_end, inputs)
        finally:
            loop.remove_signal_handler(signal.SIGINT)
    except (Refused, AwsProblem) as problem:
        raise RolloutFailed(_failed(str(problem))) from problem
    except Exception as mistake:
        raise RolloutFailed(_failed(f"{type(mistake).__name__}: {mistake}")) from mistake
    log.lasting(ended)


def _failed(why: str) -> str:
    after = t("The service was not changed. The next `pulumi up` runs the command again.")
    return f"{why}\n\n{after!s}"


@dataclass
class CommandRun:
    """One run of the command: its words, its limit in minutes of AWS's clock, and that clock's speed."""

    session: Session
    command: tuple[str, ...]
    minutes: int
    speed: float
    say: Callable[[Text], None]
    unread: AwsProblem | None = None
    lines: deque[str] = field(default_factory=lambda: deque(maxlen=LAST_LINES))
    why_stopped: Text | None = None
    learn: Callable[[], AwsProblem | None] = lambda: None
    """Reads the values to mask in the log, or returns why one could not be read."""

    def to_end(self, inputs: Mapping[str, Any]) -> Text:
        """Run the command with the inputs of the ECS service. Return how it ended.

        Raises Refused unless it ended with exit code 0, and AwsProblem.
        """
        one_off = self._planned(inputs)
        self._stop_left_over(one_off)
        arn, begun = self._started(one_off), local_cloud.monotonic()

        def why_stop() -> str:
            if (local_cloud.monotonic() - begun) * self.speed > 60 * self.minutes:
                self._stop(t("it had not ended after {minutes} min (rolloutTimeoutMinutes)",
                             minutes=self.minutes))  # fmt: skip
            return str(self.why_stopped or "")

        task = Following(self.session, one_off, arn, self.say, self._show).to_end(why_stop)
        container = app_container(one_off, task)
        names = {"command": shlex.join(self.command), "task": task.short, "revision": task.revision}
        if container.exit_code == 0 and not self.why_stopped:
            return t(
                "deployCommand: {command} ended with exit code 0 in {task} of {revision}", **names
            )
        reason = self.why_stopped or verbatim(container.reason or task.reason)
        raise Refused(self._with_lines(_how(container.exit_code, reason, names)))

    def interrupt(self) -> None:
        """Have the task stopped, as after Ctrl-C."""
        self._stop(t("`pulumi up` was interrupted"))

    def _stop(self, why: Text) -> None:
        self.why_stopped = self.why_stopped or why

    def _show(self, line: str) -> None:
        self.lines.append(line)
        self.unread = self.learn()
        self.say(verbatim(line))

    def _planned(self, inputs: Mapping[str, Any]) -> OneOff:
        definition = ecs.definition(self.session, inputs["taskDefinition"])
        network = dict(inputs["networkConfiguration"])
        public = network.pop("assignPublicIp", False)
        network = {**network, "assignPublicIp": "ENABLED" if public else "DISABLED"}
        return OneOff(
            cluster=inputs["cluster"],
            definition=definition,
            network={"awsvpcConfiguration": network},
            command=self.command,
            environment=with_lock_timeout(definition),
        )

    def _stop_left_over(self, one_off: OneOff) -> None:
        """Stop the task of a `pulumi up` that was killed: two migrations must not run at once."""
        session, why = self.session, "Stopped by the next pulumi up"
        # ECS lists running tasks unless asked otherwise, and takes no other filter beside `startedBy` (botocore).
        chosen = {"cluster": one_off.cluster, "startedBy": DEPLOY_COMMAND_TASK}
        for arn in session.all("ecs", "list_tasks", "taskArns", **chosen):
            self.say(
                t("{task} of an interrupted `pulumi up` still runs; ECS is stopping it", task=arn)
            )
            Following(session, one_off, arn, self.say, lambda _line: None).to_end(lambda: why)

    def _started(self, one_off: OneOff) -> str:
        """Start the task and return its ARN. Raises Refused and AwsProblem."""
        begun = time.monotonic()
        while True:
            try:
                return start(self.session, one_off, DEPLOY_COMMAND_TASK)
            except AwsProblem as problem:
                if NO_ROLE not in problem.message or time.monotonic() - begun > ROLE_SECONDS:
                    raise
                self.say(t("ECS does not know the new role yet; trying again"))
                time.sleep(single_task.POLL_SECONDS)

    def _with_lines(self, how: Text) -> Text:
        if any(LOCK_WAIT in line for line in self.lines):
            how = t(
                "{how}\nAnother session's open transaction held a lock that it needed for longer than lock_timeout "
                "allows. `./careapp doctor` has the commands that list and end it.",
                how=how,
            )
        if not self.lines:
            return how
        said = [f"  {line}" for line in self.lines]
        said += [self.unread.as_text()] if self.unread else []
        lines = verbatim("\n".join(said))
        return t("{how}\nThe last lines of its log:\n{lines}", how=how, lines=lines)


def with_lock_timeout(definition: Definition) -> dict[str, str]:
    """Return PGOPTIONS with a lock_timeout, before the app's own options: of two values PostgreSQL takes the last.

    Where they are a secret their text is not known, so they stay as they are. A client that is given `options` in its
    DSN does not read PGOPTIONS (PostgreSQL documentation, "Environment Variables" of libpq).
    """
    if PGOPTIONS in definition.secrets:
        return {}
    own = definition.environment.get(PGOPTIONS, "")
    return {PGOPTIONS: f"{LOCK_TIMEOUT} {own}".rstrip()}


def _how(code: int | None, reason: Text, names: Mapping[str, str]) -> Text:
    """Return how a command failed, with ECS's reason or ours."""
    if code is None:
        return t("{task} of {revision} did not run {command}: {reason}", reason=reason, **names)
    return t(
        "{command} ended with exit code {code} in {task} of {revision}: {reason}",
        code=code,
        reason=reason,
        **names,
    )
