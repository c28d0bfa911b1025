"""The input of the checks: the snapshot of a service, and what follows from it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property

from ecs_gate.diagnosis.findings import Finding, Fix
from ecs_gate.diagnosis.log_lines import Raised, raised
from ecs_gate.parts import elb
from ecs_gate.parts.elb import Listener
from ecs_gate.parts.gather import Snapshot
from ecs_gate.parts.records import Definition, Task
from ecs_gate.parts.rollout import Rollout
from ecs_gate.parts.task_logs import LogLine
from ecs_gate.parts.vpc import Network
from ecs_gate.remedies import Remedies
from ecs_gate.screen import short_time
from ecs_gate.target import HealthCheck, Target
from ecs_gate.text import Text, joined, t

UNHEALTHY = re.compile(r" is unhealthy in \(target-group .+?\) due to \(reason (?P<why>.+?)\)\.?$")

LACKS_RIGHT = re.compile(
    r"permission denied for (?P<kind>table|view|sequence|schema|relation) \"?(?P<name>[\w.$-]+)"
)
"""PostgreSQL's words (aclchk.c; errcode 42501), and what to grant for each kind of object."""
RIGHTS = {
    **dict.fromkeys(("table", "view", "relation"), ("SELECT, INSERT, UPDATE, DELETE", "TABLE")),
    "sequence": ("USAGE, SELECT", "SEQUENCE"),
    "schema": ("USAGE", "SCHEMA"),
}


@dataclass(frozen=True, kw_only=True)
class Case(Rollout):
    """The roll-out of a snapshot, the snapshot itself, and what the checks derive from both."""

    now: Snapshot = field(compare=False)
    at: datetime
    """The snapshot's time, or that of the newest event if it is later: a local cloud's clock runs ahead."""

    @classmethod
    def of(cls, now: Snapshot) -> Case:
        """Return the case of a snapshot."""
        service = now.service.value
        return cls(
            now=now,
            at=max([now.at, *(event.at for event in (service.events if service else ()))]),
            expected=now.wanted or "",
            service=service,
            tasks=now.tasks.value or (),
            targets=now.targets.value or (),
            rollback_reason=now.rollback_reason.value or "",
            not_deployed=now.was_deployed.value is False,
            unread=any(part.problem for part in (now.tasks, now.group, now.targets)),
            process=now.names.process,
        )

    @property
    def network(self) -> Network | None:
        return self.now.network.value

    @cached_property
    def workers(self) -> tuple[Case, ...]:
        return tuple(map(Case.of, self.now.workers.values()))

    @property
    def listener(self) -> Listener | None:
        """Return the page's listener; a load balancer may have others of other services."""
        balancer = self.now.balancer.value
        return elb.serving(balancer, self.target.page.url) if balancer else None

    @property
    def target(self) -> Target:
        return self.now.target

    @cached_property
    def remedies(self) -> Remedies:
        return self.now.owner.remedies(self)

    @cached_property
    def definition(self) -> Definition | None:
        return (self.now.definitions.value or {}).get(self.expected)

    def definition_of(self, task: Task) -> Definition | None:
        return (self.now.definitions.value or {}).get(task.definition)

    @property
    def health_check(self) -> HealthCheck | None:
        return self.now.group.value.check if self.now.group.value else None

    @property
    def health_path(self) -> str:
        """Return the path meant for health checks: the app's, else the declared one, else the checked one."""
        declared = self.target.check or self.health_check
        return self.target.app.health_path or (declared.path if declared else "")

    @cached_property
    def failed_checks(self) -> tuple[FailedCheck, ...]:
        """Return failed health checks of the expected revision: of current targets, then from ECS's events."""
        if not self.unsteady:
            return ()
        mine = {task.address for task in self.deployment_tasks}
        checks = [
            failed_check(
                each.description or each.reason, f"{each.address}:{each.port} {each.state}: "
            )
            for each in self.task_targets
            if each.state == "unhealthy" and each.address in mine
        ]
        return tuple([*checks, *self._reported()])

    def _reported(self) -> Iterator[FailedCheck]:
        mine = {task.id for task in self.deployment_tasks}
        # ECS forgets stopped tasks after an hour; its events tell of them for longer.
        forgotten = not mine and not self.rolled_back
        for event in self.events:
            match = UNHEALTHY.search(event.message)
            if match and (forgotten or event.task in mine):
                yield failed_check(
                    match["why"], f"{short_time(event.at, self.now.at)} task {event.task[:8]}: "
                )

    @cached_property
    def running_lines(self) -> tuple[LogLine, ...]:
        """Return the log lines that were read of the tasks that answer requests.

        After a rollback those are of an earlier revision.
        """
        return self.lines_of(self.current_tasks) if self.rolled_back else self.active_lines

    @cached_property
    def active_lines(self) -> tuple[LogLine, ...]:
        """Return the log lines that were read of the newest deployment's running tasks."""
        return self.lines_of(self.active_tasks)

    @cached_property
    def serving_texts(self) -> tuple[str, ...]:
        """Return the log lines that were read of the tasks of other revisions, which serve."""
        others = (task for task in self.current_tasks if task.definition != self.expected)
        return tuple(line.text for line in self.lines_of(others))

    def lines_of(self, tasks: Iterable[Task]) -> tuple[LogLine, ...]:
        """Return the log lines of tasks that were read."""
        return tuple(line for task in tasks for line in self.lines(task))

    def lines(self, task: Task) -> tuple[LogLine, ...]:
        """Return a task's log lines that were read."""
        logs = self.now.logs.value
        return logs.lines.get(task.id, ()) if logs else ()

    def stop_reasons(self, pattern: str) -> tuple[str, ...]:
        """Return the stop reasons of failed tasks that match, while the service is known not to be steady."""
        if not self.unsteady:
            return ()
        reasons = [
            reason
            for task in self.failed_tasks
            for reason in (task.reason, *(container.reason for container in task.containers))
        ]
        return tuple(dict.fromkeys(reason for reason in reasons if re.search(pattern, reason)))

    def matching_lines(self, pattern: str) -> tuple[str, ...]:
        """Return the last three log lines of failed or running tasks that match."""
        lines = [
            line.text
            for task in (*self.failed_tasks, *self.active_tasks)
            for line in self.lines(task)
            if re.search(pattern, line.text)
        ]
        return tuple(dict.fromkeys(lines[-3:]))

    def then_retry(self) -> tuple[Fix, ...]:
        """Return the fix that starts the roll-out again, where ECS has given up or is backing off."""
        if not self.unsteady or self.service is None or self.definition is None:
            return ()
        return (Fix(t("Then let ECS try again:"), self._retry_commands, then=True),)

    @property
    def _retry_commands(self) -> tuple[str, ...]:
        return self._and_up(self.remedies.retry(), self.remedies.apply())

    def _and_up(self, before: tuple[str, ...], up: tuple[str, ...]) -> tuple[str, ...]:
        """Return the commands, and those that apply the program unless they have done so already."""
        applied = {*before} & {*self.remedies.refresh(), *up}
        return before if applied else (*before, *up)

    @property
    def up_after_change(self) -> tuple[str, ...]:
        """Return how the program is applied after commands that make no new task definition, like a setting's.

        Where ECS has gone back from the expected revision, or still may, it comes with a refresh. The program's state
        has that revision all the same, and UpdateService gets the task definition only where it differs from the state
        (terraform-provider-aws, resourceServiceUpdate): ECS would deploy the version before once more.
        """
        going = self.primary is not None and self.primary.rollout == "IN_PROGRESS"
        back = self.rolled_back or (going and (self.bakes or self.other_deployments))
        return self.remedies.refresh() if back else self.remedies.apply()

    def retry_if_fixed(self) -> tuple[Fix, ...]:
        """Return the fix for a cause that may be fixed already: ECS has given up and does not try again."""
        if not self.given_up or any(target.state == "unhealthy" for target in self.task_targets):
            return ()
        ends = [end for task in self.failed_tasks if (end := task.stopped or task.stopping)]
        last = short_time(max(ends), self.now.at) if ends else "-"
        text = t(
            "If the cause was fixed after the last try ({time}), let ECS try again:", time=last
        )
        return (Fix(text, self._retry_commands),)

    def configure(self, key: str, value: str, text: Text, *, retried: bool = False) -> Fix:
        """Return the fix that sets a setting; a refresh where the program declares the value already.

        ``retried`` is for a setting that makes no new task definition. Where tasks have failed, ECS may
        give up any moment; only another try, which takes the setting along, starts counting again.
        """
        drifted = self.remedies.has(key, value)
        commands = () if drifted else self.remedies.set(key, value)
        if not (drifted or commands) and self.remedies.apply():
            setting = self.remedies.called(key)
            change = t("set {setting} to {value} in the program:", setting=setting, value=value)
            text = joined(" ", (text, change))
        if retried and (self.given_up or self.failed_tasks):
            commands = (*commands, *self.remedies.retry())
        if drifted:
            return Fix(text, (*commands, *self.remedies.refresh()))
        return self.deploy(text, *commands)

    def deploy(self, text: Text, *before: str, then: bool = False) -> Fix:
        """Return the fix that deploys, after the commands that come ``before``."""
        changed = any(map(CHANGES.match, before))
        last = self.up_after_change if changed else self.remedies.apply()
        return Fix(text, self._and_up(before, last), then=then)

    def grant(self, line: str, *, migrates: bool = False) -> Fix | None:
        """Return the fix for a right that PostgreSQL says the app's user lacks; None for other words.

        Of a schema PostgreSQL does not say which one: what ``migrates`` needs CREATE, too.
        """
        match = LACKS_RIGHT.search(line)
        user = self.definition.environment.get("DB_USER", "") if self.definition else ""
        user = user or (self.now.database.value.user if self.now.database.value else "")
        if match is None or not user:
            return None
        kind, name = match["kind"].lower(), match["name"]
        rights, noun = RIGHTS[kind]
        if migrates and noun == "SCHEMA":
            rights = "USAGE, CREATE"
        statement = f"GRANT {rights} ON {noun} {name} TO {user}"
        text = t(
            "Give the app's user {user} the right, as the owner of {name} or a member of that role:",
            user=user,
            name=name,
        )
        return Fix(text, self.remedies.sql(statement))

    def raised(self, texts: Iterable[str]) -> Raised | None:
        """Return the last traceback of a log that passes through the app's own code; None without one."""
        return raised(texts, self.target.app.folder)

    def correct_line(self, mistake: Raised) -> Fix:
        """Return the fix of what the app raised: the right that its user lacks, or the line that is wrong."""
        if (grant := self.grant(mistake.words)) is not None:
            return grant
        text = t("Correct {file}, line {line}, and deploy:", file=mistake.file, line=mistake.line)
        return self.deploy(text)

    def worded(self, finding: Finding) -> Finding:
        """Return a finding with the owner's words for the places and settings that its texts name in braces."""
        words = self.remedies.named
        return replace(
            finding,
            title=finding.title.worded(words),
            why=finding.why.worded(words),
            seen=tuple(text.worded(words) for text in finding.seen),
            fixes=tuple(replace(fix, text=fix.text.worded(words)) for fix in finding.fixes),
        )

    def read_log(self) -> Fix:
        return Fix(t("Read the app's log:"), self.remedies.logs())

    def restore(self) -> Fix:
        """Return the fix that restores what was changed or deleted outside the program."""
        return self.refresh(self.remedies.restored())

    def restore_rules(self) -> Fix:
        """Return the fix for missing rules of security groups: that of the program that declares them.

        A rule that is added by hand has an id that the program does not know: the next refresh would make it a second
        time, which EC2 refuses (InvalidPermission.Duplicate).
        """
        return self.refresh(
            t(
                "Declare it ({rules}), if it is not there; what the program declares comes back with:"
            )
        )

    def or_restore(self) -> Fix:
        """Return the alternative fix that restores what was changed outside the program."""
        return self.refresh(t("Or restore what the program declares:"))

    def correct_program(self, text: Text, *, drifts: bool = True) -> tuple[Fix, ...]:
        """Return the fix that corrects the program, and a refresh as the alternative.

        A refresh deploys a mistake of the program again, so it is left out where the program itself has just
        registered this task definition, unless the compared value ``drifts`` on AWS without the program.
        """
        fix = self.deploy(text)
        if self.now.by_program and not drifts:
            return (fix,)
        otherwise = t("If the program declares this already, AWS differs from it; restore it:")
        return (fix, self.refresh(otherwise))

    def own_tables(self, subnets: Iterable[str]) -> tuple[Fix, ...]:
        """Return the fix for subnets that have another route table than their own.

        EC2 refuses a second association of a subnet (Resource.AlreadyAssociated), so no program can make it before.
        """
        known = self.network.subnets if self.network else {}
        associations = [known[subnet].other_association for subnet in subnets if subnet in known]
        away = [
            f"aws ec2 disassociate-route-table --association-id {association}"
            for association in associations
            if association
        ]
        text = t("Associate the subnets with their own route tables again:")
        return (Fix(text, (*away, *self.remedies.refresh())),) if away else ()

    def refresh(self, text: Text) -> Fix:
        """Return the fix that restores what the program declares."""
        return Fix(text, self.remedies.refresh())


CHANGES = re.compile(r"\S+ config |aws (?!\S+ (get|describe|list)-)")
"""Commands of a fix that change something themselves; without one a person's edit is deployed."""

CODES = re.compile(r"codes: \[(?P<codes>[\d, ]+)\]")


@dataclass(frozen=True)
class FailedCheck:
    """A failed health check of the load balancer, in AWS's words; ``codes`` are HTTP statuses."""

    kind: str
    codes: tuple[int, ...]
    words: str


def failed_check(text: str, where: str) -> FailedCheck:
    """Return the failed health check that AWS's words describe; ``where`` names the target."""
    codes = CODES.search(text)
    if codes:
        numbers = tuple(int(number) for number in re.findall(r"\d+", codes["codes"]))
        return FailedCheck("codes", numbers, where + text)
    return FailedCheck("timeout" if "timed out" in text.lower() else "failed", (), where + text)
