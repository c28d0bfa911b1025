"""`./careapp run`: one command in a task of its own."""

import sys
from collections.abc import Callable, Sequence

from careapp.additions.target import session_of
from careapp.command_line import INTERRUPTED, exit_code_of
from careapp.settings.settings import Settings
from careapp.single_task import (
    Following,
    OneOff,
    app_container,
    check_database,
    planned,
    start,
    stop,
)
from ecs_gate.aws.session import Session
from ecs_gate.parts.records import Task
from ecs_gate.text import Text, t

NOT_RUN = 125
"""The exit code when the command did not run or could not be followed, as `docker run` has it."""


def run(stack: str, command: Sequence[str]) -> int:
    """Run the command and return its exit code; NOT_RUN when it did not run, 130 after Ctrl-C."""
    return run_planned(stack, lambda session, settings: planned(session, settings, command))


def run_planned(stack: str, plan: Callable[[Session, Settings], OneOff]) -> int:
    """Run the task that ``plan`` returns; return an exit code like ``run``."""
    codes: list[int] = []

    def say(text: Text) -> None:
        print(str(text), file=sys.stderr, flush=True)

    def work() -> int:
        settings = Settings.read(stack)
        session = session_of(settings)
        one_off = plan(session, settings)
        check_database(session, settings.names)
        say(t("ECS is starting a task of {revision}; on Fargate that takes about a minute.",
              revision=one_off.definition.arn.rpartition("/")[2]))  # fmt: skip
        codes.append(_followed(session, one_off, start(session, one_off), say))
        return codes[0]

    code = exit_code_of(work)
    return code if codes or code == INTERRUPTED else NOT_RUN


def _followed(session: Session, one_off: OneOff, arn: str, say: Callable[[Text], None]) -> int:
    """Follow the task until it stops. The first Ctrl-C stops the task, a second one ends this command."""
    following = Following(session, one_off, arn, say)
    try:
        return _ended(one_off, following.to_end(), say)
    except KeyboardInterrupt:
        stop(session, one_off, arn, "Stopped by Ctrl-C in ./careapp run")
        say(t("Ctrl-C: ECS is stopping the task; the command has {seconds} s to end.",
              seconds=one_off.definition.stop_timeout))  # fmt: skip
        following.to_end()
        return INTERRUPTED


def _ended(one_off: OneOff, task: Task, say: Callable[[Text], None]) -> int:
    """Print how the command ended and return its exit code."""
    container = app_container(one_off, task)
    if container.exit_code is None:
        say(t("The command did not run: {reason}", reason=container.reason or task.reason))
        return NOT_RUN
    say(t("The command ended with exit code {code}.", code=container.exit_code))
    return container.exit_code
