"""The steps of pause and resume, and what refuses them. Each can be repeated: an interrupt loses nothing."""

from dataclasses import dataclass
from datetime import datetime
from typing import Self

from careapp.additions.owner import overview, running_workers
from careapp.additions.parts import pauses
from careapp.additions.parts.jobs import switch_schedules
from careapp.additions.parts.pauses import Pause, pause_of
from careapp.additions.target import session_of
from careapp.pause.processes import STOPPED, declared, scale
from careapp.settings.settings import Settings
from ecs_gate.aws import local_cloud
from ecs_gate.aws.session import Session
from ecs_gate.checks.databases import PASSING, USABLE
from ecs_gate.diagnosis.case import Case
from ecs_gate.parts import ecs, rds
from ecs_gate.parts.rds import Database
from ecs_gate.parts.records import Service, read_existing
from ecs_gate.text import Refused, Text, t
from ecs_gate.waiting import Waiting

DATABASE_MINUTES, TASKS_MINUTES, HEALTH_MINUTES = 45, 10, 15
"""A Multi-AZ instance takes longest to stop."""


@dataclass(frozen=True)
class Pausable:
    """A stack, and the wait for its parts. Every method raises AwsProblem and Refused."""

    session: Session
    settings: Settings
    waiting: Waiting

    @classmethod
    def of(cls, settings: Settings, as_json: bool) -> Self:
        return cls(session_of(settings), settings, Waiting.printing(as_json))

    def database(self) -> Database:
        """Return the database; Refused without one."""
        name = self.settings.names.database
        database = read_existing(rds.database, self.session, name, False)
        if database is None:
            raise Refused(
                "There is no database {id} in {region}: nothing to pause or resume; `pulumi up -s "
                "{stack}` creates the stack.",
                id=name,
                region=self.session.region,
                stack=self.settings.stack,
            )
        return database

    def services(self) -> dict[str, Service]:
        """Return the web service and the workers by name; none in stage 1."""
        session, names = self.session, self.settings.names
        every = (
            names,
            *map(names.of_worker, read_existing(running_workers, session, self.settings) or ()),
        )
        services = {each.service: read_existing(ecs.service, session, each) for each in every}
        return {name: each for name, each in services.items() if each and each.status == "ACTIVE"}

    def is_paused(self) -> bool:
        """Return whether a pause is complete: nothing is left to stop."""
        database, services = self.database(), self.services().values()
        running = any(service.desired or service.running for service in services)
        return pause_of(database) is not None and database.status == "stopped" and not running

    def pause(self) -> None:
        """Stop schedules and tasks, then their database.

        The tag is written first, so that `resume`, `status` and `doctor` know of the pause after any interrupt.
        """
        database, names, call = self.database(), self.settings.names, self.session.call
        if pause_of(database) is None:
            tags = [{"Key": key, "Value": value} for key, value in Pause.now().tags.items()]
            call("rds", "add_tags_to_resource", ResourceName=database.arn, Tags=tags)
        switch_schedules(self.session, names, ())
        # CloudWatch ignores names without an alarm.
        call("cloudwatch", "disable_alarm_actions", AlarmNames=names.alarms_of_a_pause)
        for name in self.services():
            scale(self.session, names, name, STOPPED)
        self.waiting.until_done(self._stop_tasks, TASKS_MINUTES)
        self._change_database("stop_db_instance", "available", {"stopped"})

    def resume(self) -> None:
        """Start the database, then tasks and schedules, and wait until the web service's tasks are healthy.

        The tag is deleted last: until then an interrupted resume goes on from its beginning.
        """
        names, settings, call = self.settings.names, self.settings, self.session.call
        self._change_database("start_db_instance", "stopped", USABLE)
        database, services = self.database(), self.services()
        web = services.get(names.service)
        if pause_of(database) is not None or (web and not web.desired):
            counts = declared(settings, local_cloud.now())
            for name in services:
                # What the stack file has no more stays stopped: the next `pulumi up` deletes it.
                scale(self.session, names, name, counts.get(name, STOPPED))
        if pause_of(database) is not None:
            jobs = {job.name for job in settings.jobs if job.enabled}
            switch_schedules(self.session, names, jobs)
            call("cloudwatch", "enable_alarm_actions", AlarmNames=names.alarms_of_a_pause)
            call("rds", "remove_tags_from_resource", ResourceName=database.arn, TagKeys=[pauses.AT])
        self.waiting.until_done(self._not_healthy, HEALTH_MINUTES)

    def _stop_tasks(self) -> Text | None:
        """Return how many of the cluster's tasks have not stopped."""
        tasks = read_existing(ecs.tasks_of, self.session, self.settings.names) or ()
        left = sum(task.status != "STOPPED" for task in tasks)
        return t("tasks still to stop: {count}", count=left) if left else None

    def _change_database(self, operation: str, begins: str, ends: set[str]) -> None:
        """Call the operation once RDS accepts it, and wait until it is done."""
        changed = False

        def undone() -> Text | None:
            nonlocal changed
            database = self.database()
            if database.status in ends:
                return None
            refuse_stuck(database)
            # What RDS does with the instance just now has to end first.
            if database.status == begins and not changed:
                self.session.call("rds", operation, DBInstanceIdentifier=database.id)
                changed = True
            return t("the database is {status}", status=database.status)

        self.waiting.until_done(undone, DATABASE_MINUTES)

    def _not_healthy(self) -> Text | None:
        now = overview(self.settings, self.session)
        if problem := now.service.problem or now.tasks.problem or now.targets.problem:
            raise problem
        service, why = now.service.value, why_no_task(self.settings, local_cloud.now())
        if service is None or Case.of(now).steady or why:
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


def refuse_stuck(database: Database) -> None:
    """Raise Refused for a status that neither accepts an operation nor ends on its own."""
    if database.status not in USABLE | PASSING | {"stopped"}:
        raise Refused(
            "The database {id} is {status}, which does not change without action; ./careapp "
            "doctor shows how to fix it.",
            id=database.id,
            status=database.status,
        )


def check_pausable(database: Database, settings: Settings) -> None:
    """Raise Refused for a database that cannot be stopped now, or that a destroy could not delete any more.

    RDS does not modify a stopped instance (RDS user guide, limitations of stopping). So protection stays on
    during a pause, and Pulumi refuses to destroy a protected stack before it deletes anything.
    """
    if settings.database.final_snapshot and not database.protected:
        name = settings.stack
        raise Refused(
            "A stack that keeps a final snapshot (databaseFinalSnapshot) can be paused only "
            "while it is protected: pulumi destroy would delete service and load balancer and "
            "then fail, because RDS takes no snapshot of a stopped database. Protect it: "
            "{protect}; or keep no snapshot: {drop}. Nothing was changed.",
            protect=f"pulumi config set protect true -s {name} && pulumi up -s {name}",
            drop=f"pulumi config set databaseFinalSnapshot '' -s {name} && pulumi up -s {name}",
        )
    refuse_stuck(database)


def stopped_database(session: Session, settings: Settings) -> Text | None:
    """Return why a destroy of the stack would fail: its database is stopped and keeps a final snapshot.

    RDS takes no snapshot of a stopped DB instance (RDS API, DeleteDBInstance: InvalidDBInstanceState),
    and `pulumi destroy` asks for it last, when service and load balancer are gone. Raises AwsProblem.
    """
    if not settings.database.final_snapshot:
        return None
    database = read_existing(rds.database, session, settings.names.database, False)
    if database is None or database.status not in ("stopping", "stopped"):
        return None
    return t(
        "The database {id} is {status}, and RDS takes no final snapshot of it (databaseFinalSnapshot): a "
        "destroy would delete the service and the load balancer, then fail. Start it first: "
        "./careapp resume -s {stack}",
        id=database.id,
        status=database.status,
        stack=settings.stack,
    )
