"""One stack's situation as the checks see it: the snapshot, and what follows from it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from i18n import Text, t
from ops.doctor.findings import Fix
from ops.rollout.text import try_again
from ops.screen import of_day
from ops.snapshot import Snapshot
from ops.snapshot.elb import Check, Target
from ops.snapshot.rds import Pause
from ops.snapshot.records import Definition, Deployment, Service, Task
from ops.snapshot.task_logs import Line
from ops.snapshot.vpc import Network
from stack.entrance import HEALTH_PATH

UNHEALTHY = re.compile(
    r"\(task (?P<task>\w+)\).* is unhealthy in \(target-group .+?\) due to \(reason (?P<why>.+?)\)\.?$"
)


@dataclass(frozen=True)
class Case:
    """The snapshot with its consequences."""

    now: Snapshot

    @property
    def service(self) -> Service | None:
        return self.now.service.value

    @property
    def moment(self) -> datetime:
        """Now, or the time of the newest event where that is later: a local cloud's clock runs ahead."""
        events = self.service.events if self.service else ()
        return max([self.now.at, *(each.at for each in events)])

    @property
    def network(self) -> Network | None:
        return self.now.network.value

    @cached_property
    def definition(self) -> Definition | None:
        """The task definition that should run."""
        return (self.now.definitions.value or {}).get(self.now.wanted or "")

    @property
    def paused(self) -> Pause | None:
        """The pause, while it lasts: a service that is to run tasks is not paused."""
        database = self.now.database.value
        if database is None or (self.service is not None and self.service.desired > 0):
            return None
        return database.pause

    @property
    def health_check(self) -> Check | None:
        """The load balancer's health check."""
        return self.now.group.value.check if self.now.group.value else None

    @property
    def health_path(self) -> str:
        """The page that is meant for health checks: of the app in webapp/ its own, else what the stack file says."""
        settings = self.now.settings
        return HEALTH_PATH.default if settings.webapp else settings.health.path

    @property
    def primary(self) -> Deployment | None:
        return self.service.primary if self.service else None

    @cached_property
    def deployment_tasks(self) -> tuple[Task, ...]:
        """Tasks of the newest deployment that tried the wanted revision, newest first."""
        wanted = [each for each in self.now.tasks.value or () if each.definition == self.now.wanted]
        primary = self.primary
        if primary and not self.rolled_back:
            return tuple(each for each in wanted if each.started_by == primary.id)
        others = [each for each in wanted if not primary or each.started_by != primary.id]
        return tuple(each for each in others if each.started_by == others[0].started_by)

    @cached_property
    def failed_tasks(self) -> tuple[Task, ...]:
        """Of `mine`, those that ended otherwise than by a person or a scaling activity."""
        return tuple(each for each in self.deployment_tasks if each.failed)

    @cached_property
    def active_tasks(self) -> tuple[Task, ...]:
        """Of `mine`, those that are to run."""
        return tuple(each for each in self.deployment_tasks if not each.over)

    @cached_property
    def targets(self) -> tuple[Target, ...]:
        """The targets of tasks that are to run."""
        kept = {each.address for each in self.now.tasks.value or () if not each.over}
        return tuple(each for each in self.now.targets.value or () if each.address in kept)

    @property
    def rolled_back(self) -> bool:
        """Whether ECS's choice now is another revision, or another service, than the wanted one: it rolled back."""
        if self.primary is None or not self.now.wanted:
            return False
        return bool(self.now.rollback_reason.value) or self.primary.definition != self.now.wanted

    @property
    def steady(self) -> bool:
        """Whether the wanted revision runs as often as it should, and every target is healthy."""
        return self._steadiness is True

    @property
    def unsteady(self) -> bool:
        """Whether it was seen that it does not run as it should: no word of what nobody could look at."""
        return self._steadiness is False

    @cached_property
    def _steadiness(self) -> bool | None:
        """None where that was not seen."""
        service, primary, now = self.service, self.primary, self.now
        if service is None or primary is None or self.rolled_back or service.desired == 0:
            return False
        if primary.rollout not in ("COMPLETED", "") or service.running < service.desired:
            return False
        wanted = service.desired if service.targets else 0
        if sum(each.state == "healthy" for each in self.targets) >= wanted:
            return True
        unread = now.tasks.problem or now.group.problem or now.targets.problem
        return None if unread else False

    @cached_property
    def unfinished(self) -> bool:
        """Whether a roll-out goes on while fewer targets are healthy than there are to be."""
        service, primary = self.service, self.primary
        if service is None or primary is None or primary.rollout != "IN_PROGRESS":
            return False
        return sum(each.state == "healthy" for each in self.targets) < service.desired

    @cached_property
    def failed_checks(self) -> tuple[FailedCheck, ...]:
        """What the load balancer says of the wanted revision's tasks: of live targets, then of past ones."""
        if not self.unsteady:
            return ()
        mine = {each.address for each in self.deployment_tasks}
        found = [
            failed_check(
                each.description or each.reason, f"{each.address}:{each.port} {each.state}: "
            )
            for each in self.targets
            if each.state == "unhealthy" and each.address in mine
        ]
        return tuple([*found, *self._reported()])

    @property
    def has_wrong_status(self) -> bool:
        """Whether some task answered the load balancer's check, with a status that is not wanted."""
        return any(each.codes for each in self.failed_checks)

    def _reported(self) -> Iterator[FailedCheck]:
        mine = {each.id for each in self.deployment_tasks}
        primary = self.primary
        # ECS forgets stopped tasks after an hour; its events tell of them for longer.
        since = primary.created if primary and not mine and not self.rolled_back else None
        for event in self.service.events if self.service else ():
            match = UNHEALTHY.search(event.message)
            if match and (match["task"] in mine or (since and event.at >= since)):
                yield failed_check(
                    match["why"], f"{of_day(event.at, self.now.at)} task {match['task'][:8]}: "
                )

    def lines(self, task: Task) -> tuple[Line, ...]:
        """A task's log lines that were read."""
        logs = self.now.logs.value
        return logs.lines.get(task.id, ()) if logs else ()

    def stop_reasons(self, pattern: str) -> tuple[str, ...]:
        """The stop reasons of failed tasks that fit, while the service is seen not to be steady."""
        if not self.unsteady:
            return ()
        words = [
            each
            for task in self.failed_tasks
            for each in (task.reason, *(container.reason for container in task.containers))
        ]
        return tuple(dict.fromkeys(each for each in words if re.search(pattern, each)))

    def matching_lines(self, pattern: str, most: int = 3) -> tuple[str, ...]:
        """The last log lines of failed or running tasks that fit."""
        found = [
            each.text
            for task in (*self.failed_tasks, *self.active_tasks)
            for each in self.lines(task)
            if re.search(pattern, each.text)
        ]
        return tuple(dict.fromkeys(found[-most:]))

    @property
    def given_up(self) -> bool:
        """Whether ECS tries the wanted revision no more."""
        return self.rolled_back or bool(self.primary and self.primary.rollout == "FAILED")

    @property
    def retry_command(self) -> str:
        """The command that lets ECS try the wanted revision again, with the stack file's health check."""
        return try_again(self.now.names.stack)

    def then_retry(self) -> tuple[Fix, ...]:
        """Start the roll-out again, where ECS has given up or waits longer and longer."""
        if not self.unsteady or self.service is None or self.definition is None:
            return ()
        return (Fix(t("Then let ECS try again:"), self._retry_commands, then=True),)

    @property
    def _retry_commands(self) -> tuple[str, ...]:
        """The next ``pulumi up`` says whether that has worked."""
        return (self.retry_command, f"pulumi up -s {self.now.names.stack}")

    def retry_if_fixed(self) -> tuple[Fix, ...]:
        """For what only the past tells: it may be in order by now, and ECS does not try again by itself."""
        if not self.given_up or any(each.state == "unhealthy" for each in self.targets):
            return ()
        text = t(
            "If that was mended since the last try ({time}), let ECS try again:",
            time=self.last_stop,
        )
        return (Fix(text, self._retry_commands),)

    @property
    def last_stop(self) -> str:
        """When the last task of the wanted revision ended."""
        ends = [each.stopped or each.stopping for each in self.failed_tasks]
        return of_day(max(each for each in ends if each), self.now.at) if any(ends) else "-"

    def configure(self, key: str, value: str, text: Text, *, retried: bool = False) -> Fix:
        """Change a setting; where the stack file says so already, AWS has drifted from it.

        ``retried`` is for a setting that makes no new task definition. Where tasks have failed, ECS may
        give up any moment; only another try, which takes the setting along, starts counting anew.
        """
        stack = self.now.names.stack
        drifted = self.now.settings.texts.get(key) == value
        commands = [] if drifted else [f"pulumi config set {key} {value} -s {stack}"]
        if retried and (self.given_up or self.failed_tasks):
            commands.append(self.retry_command)
        commands.append(self.refresh_command if drifted else f"pulumi up -s {stack}")
        return Fix(text, tuple(commands))

    def modify_health_check(self, option: str) -> str:
        """The command that changes the target group's health check at once."""
        arn = self.now.group.value.arn if self.now.group.value else ""
        return f"aws elbv2 modify-target-group --target-group-arn {arn} {option}"

    def restore(self) -> Fix:
        """Let Pulumi mend what somebody has changed or deleted by hand, where nothing else does."""
        return self.refresh(t("Let Pulumi put it right:"))

    def or_restore(self) -> Fix:
        """Let Pulumi put back what somebody changed by hand."""
        return self.refresh(t("Or let Pulumi put back what the program declares:"))

    def correct_program(self, text: Text, *, drifts: bool = True) -> tuple[Fix, ...]:
        """Correct the program and deploy. `--refresh` would deploy a mistake of the program again.

        It helps only where AWS differs from the program. That is ruled out where the program itself has
        just named this task definition, unless what is compared with it ``drifts`` on AWS by itself.
        """
        fix = Fix(text, (f"pulumi up -s {self.now.names.stack}",))
        if self.now.by_program and not drifts:
            return (fix,)
        otherwise = t(
            "If the program says so already, AWS differs from it; let Pulumi put that back:"
        )
        return (fix, self.refresh(otherwise))

    def refresh(self, text: Text) -> Fix:
        """Let Pulumi look at what there is, and make what is declared of it."""
        return Fix(text, (self.refresh_command,))

    @property
    def refresh_command(self) -> str:
        """The command for that."""
        return f"pulumi up --refresh -s {self.now.names.stack}"


CODES = re.compile(r"codes: \[(?P<codes>[\d, ]+)\]")


@dataclass(frozen=True)
class FailedCheck:
    """A failed health check of the load balancer, in AWS's words. ``codes`` are HTTP statuses."""

    kind: str
    codes: tuple[int, ...]
    words: str


def failed_check(words: str, where: str) -> FailedCheck:
    """The check that these words tell of; `where` says whose it was."""
    codes = CODES.search(words)
    if codes:
        numbers = tuple(int(each) for each in re.findall(r"\d+", codes["codes"]))
        return FailedCheck("codes", numbers, where + words)
    return FailedCheck("timeout" if "timed out" in words.lower() else "failed", (), where + words)
