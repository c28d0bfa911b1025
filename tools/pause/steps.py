"""The steps of pause and resume. Each can be repeated, so an interrupt at any point loses nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from stack.settings import Settings
from tools.aws import local_cloud
from tools.aws.session import Session
from tools.diagnosis.case import Case
from tools.doctor.checks.databases import USABLE
from tools.i18n import Text, t
from tools.pause.processes import STOPPED, declared, left, scale, services, switch_schedules
from tools.pause.state import database_of, not_waiting
from tools.snapshot import overview, rds
from tools.snapshot.rds import Database, Pause
from tools.waiting import Waiting

DATABASE_MINUTES, TASKS_MINUTES, HEALTH_MINUTES = 45, 10, 15
"""A Multi-AZ instance takes longest to stop."""


@dataclass(frozen=True)
class Pausable:
    """A stack, and the wait for its parts. Every method raises AwsProblem and Refused."""

    session: Session
    settings: Settings
    waiting: Waiting

    def database(self) -> Database:
        """Return the database; Refused without one."""
        return database_of(self.session, self.settings)

    def services(self) -> dict[str, dict[str, Any]]:
        """Return the web service and the workers by name."""
        return services(self.session, self.settings.names)

    def is_paused(self) -> bool:
        """Return whether a pause is complete: nothing is left to stop."""
        database, found = self.database(), self.services().values()
        running = any(each["desiredCount"] or each["runningCount"] for each in found)
        return database.pause is not None and database.status == "stopped" and not running

    def pause(self) -> None:
        """Stop schedules and tasks, then their database.

        The tag is written first, so that `resume`, `status` and `doctor` know of the pause after any interrupt.
        """
        database = self.database()
        if database.pause is None:
            tags = Pause.now().tags()
            self.session.call("rds", "add_tags_to_resource", ResourceName=database.arn, Tags=tags)
        switch_schedules(self.session, self.settings.names, ())
        self._set_alarm_actions(False)
        for name in self.services():
            scale(self.session, self.settings.names, name, STOPPED)
        self.waiting.until_done(self._stop_tasks, TASKS_MINUTES)
        self._change_database("stop_db_instance", "available", {"stopped"})

    def resume(self) -> None:
        """Start the database, then tasks and schedules, and wait until the web service's tasks are healthy.

        The tag is deleted last: until then an interrupted resume goes on from its beginning.
        """
        names, settings = self.settings.names, self.settings
        self._change_database("start_db_instance", "stopped", USABLE)
        database, found = self.database(), self.services()
        web = found.get(names.service)
        if database.pause is not None or (web and not web["desiredCount"]):
            counts = declared(settings, local_cloud.now())
            for name in found:
                # What the stack file has no more stays stopped: the next `pulumi up` deletes it.
                scale(self.session, names, name, counts.get(name, STOPPED))
        if database.pause is not None:
            jobs = {each.name for each in settings.jobs if each.enabled}
            switch_schedules(self.session, names, jobs)
            self._set_alarm_actions(True)
            where = {"ResourceName": database.arn, "TagKeys": [rds.AT]}
            self.session.call("rds", "remove_tags_from_resource", **where)
        self.waiting.until_done(self._not_healthy, HEALTH_MINUTES)

    def _set_alarm_actions(self, enabled: bool) -> None:
        """Switch the actions of the alarms that a pause sets off. CloudWatch ignores names without an alarm."""
        operation = "enable_alarm_actions" if enabled else "disable_alarm_actions"
        names = list(self.settings.names.alarms_of_a_pause)
        self.session.call("cloudwatch", operation, AlarmNames=names)

    def _stop_tasks(self) -> Text | None:
        """Return what is left to stop."""
        tasks = left(self.session, self.settings.names)
        return t("tasks still to stop: {count}", count=tasks) if tasks else None

    def _change_database(self, operation: str, begins: str, ends: set[str]) -> None:
        """Call the operation once RDS accepts it, and wait until it is done."""
        asked = False

        def undone() -> Text | None:
            nonlocal asked
            database = self.database()
            if database.status in ends:
                return None
            if refused := not_waiting(database):
                raise refused
            # What RDS does with the instance just now has to end first.
            if database.status == begins and not asked:
                self.session.call("rds", operation, DBInstanceIdentifier=database.id)
                asked = True
            return t("the database is {status}", status=database.status)

        self.waiting.until_done(undone, DATABASE_MINUTES)

    def _not_healthy(self) -> Text | None:
        now = overview(self.settings, self.session)
        for part in (now.service, now.tasks, now.targets):
            if part.problem:
                raise part.problem
        service, why = now.service.value, why_no_task(self.settings, local_cloud.now())
        if service is None or Case(now).steady or why:
            return None
        return t(
            "{running} of {desired} tasks run, and not all are healthy",
            running=service.running,
            desired=service.desired,
        )


def why_no_task(settings: Settings, at: datetime) -> Text | None:
    """Return why the stack file allows no task at a time; None where it allows some."""
    scaling = settings.service.scaling
    if scaling.hours is None or scaling.includes(at):
        return None if settings.service.least_count else t("the stack file's desiredCount is 0")
    return t(
        "it is outside of the hours {hours} ({zone}), and the schedule starts the tasks",
        hours=scaling.hours.text,
        zone=scaling.time_zone,
    )
