"""Read the jobs: their schedules of EventBridge Scheduler, and their runs, which are tasks of ECS."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import islice

from careapp.additions.parts.settings import settings_of
from careapp.settings.jobs import Job
from careapp.settings.names import StackNames
from careapp.settings.schedule_expressions import next_time
from ecs_gate.aws.session import Session
from ecs_gate.parts import ecs, task_inputs, task_logs
from ecs_gate.parts.gather import Reading
from ecs_gate.parts.of_service import PartOf
from ecs_gate.parts.records import Definition, Task, read_existing
from ecs_gate.parts.task_inputs import Role
from ecs_gate.text import Text, t

STREAM_PAGES = 10
"""Pages of log streams that are read: 50 each."""
STARTING = datetime.max.replace(tzinfo=UTC)
"""The time of a run that has not begun."""
LINES = 8
"""Last log lines of a failed run."""
GIVEN_BY_AWS = ("Arn", "CreationDate", "LastModificationDate", "ResponseMetadata")
"""What GetSchedule returns and UpdateSchedule, which replaces the whole schedule, does not take."""


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """A schedule of EventBridge Scheduler. The cluster, the task definition and the role are ARNs.

    ``changed`` is when it was created or last changed: a rate counts from then.
    """

    expression: str
    time_zone: str
    enabled: bool
    cluster: str
    definition: str
    role: str
    changed: datetime

    def next_run(self, after: datetime) -> datetime | None:
        """Return the next run after a moment; None where there is none, or the schedule is disabled."""
        if not self.enabled:
            return None
        return next_time(self.expression, self.time_zone, self.changed)(after)


@dataclass(frozen=True, kw_only=True)
class Run:
    """A run of a job, by the schedule or by hand.

    ``ended`` is None while it runs. ``exit_code`` is None then, too, and where the command did not start. Unless
    ``known``, ECS has forgotten the task, and the times are those of its first and last log line.
    """

    job: str
    task: str
    started: datetime | None = None
    ended: datetime | None = None
    exit_code: int | None = None
    definition: str = ""
    reason: str = ""
    by_hand: bool = False
    stopped_by_hand: bool = False
    known: bool = True

    @property
    def at(self) -> datetime | None:
        """Return when it began; where its command did not start, when it ended."""
        return self.started or self.ended

    @property
    def took(self) -> timedelta | None:
        """Return how long it ran; None while it runs."""
        return self.ended - self.started if self.ended and self.started else None

    @property
    def failed(self) -> bool:
        """Return whether it is known to have failed: an exit code other than 0, or none."""
        return self.known and bool(self.ended) and self.exit_code != 0 and not self.stopped_by_hand


@dataclass(frozen=True, kw_only=True)
class Jobs:
    """The jobs: schedules by name, None where AWS has none; runs, newest first; roles and definitions by ARN.

    ``lines`` are the last log lines of each job's last run that failed, by the task's id.
    """

    schedules: Mapping[str, Schedule | None] = field(default_factory=dict)
    runs: tuple[Run, ...] = ()
    lines: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    roles: Mapping[str, Role | None] = field(default_factory=dict)
    definitions: Mapping[str, Definition] = field(default_factory=dict)

    def last(self, job: str) -> Run | None:
        """Return a job's last run of its schedule's task definition that has ended."""
        schedule = self.schedules.get(job)
        mine = (run for run in self.runs if run.job == job and run.ended)
        return next((e for e in mine if schedule and e.definition == schedule.definition), None)


def _jobs(now: Reading) -> Jobs | None:
    """Read the declared jobs, where there is a service or the stack file asks for one."""
    settings, session = settings_of(now), now.session
    names, declared = settings.names, [job.name for job in settings.jobs]
    if not (declared and (settings.ecs_enabled or now.service.value)):
        return None
    known = schedules(session, names, declared)
    jobs = Jobs(schedules=known, runs=runs(session, names, declared))
    failed = [last for job in declared if (last := jobs.last(job)) and last.failed]
    existing = [schedule for schedule in known.values() if schedule]
    roles = dict.fromkeys(schedule.role for schedule in existing)
    return replace(
        jobs,
        lines={run.task: _last_lines(session, names, run) for run in failed},
        roles={arn: read_existing(task_inputs.role, session, arn) for arn in roles},
        definitions={
            each.definition: ecs.definition(session, each.definition) for each in existing
        },
    )


JOBS = PartOf(t("the jobs"), _jobs, essential=False)


def schedules(
    session: Session, names: StackNames, declared: Iterable[str]
) -> dict[str, Schedule | None]:
    """Return the schedules of jobs, by name; None where AWS has none. Raises AwsProblem."""
    return {job: read_existing(_schedule, session, names, job) for job in declared}


def _schedule(session: Session, names: StackNames, name: str) -> Schedule:
    raw = session.call("scheduler", "get_schedule", GroupName=names.prefix, Name=name)
    target = raw["Target"]
    return Schedule(
        expression=raw["ScheduleExpression"],
        time_zone=raw.get("ScheduleExpressionTimezone") or "UTC",
        enabled=raw["State"] == "ENABLED",
        cluster=target["Arn"],
        definition=target["EcsParameters"]["TaskDefinitionArn"],
        role=target["RoleArn"],
        changed=raw["LastModificationDate"],
    )


def switch_schedules(session: Session, names: StackNames, enabled: Collection[str]) -> None:
    """Enable these schedules of jobs and disable the others. Raises AwsProblem."""
    for name in read_existing(_schedule_names, session, names) or ():
        schedule = session.call("scheduler", "get_schedule", GroupName=names.prefix, Name=name)
        state = "ENABLED" if name in enabled else "DISABLED"
        if schedule["State"] != state:
            kept = {key: schedule[key] for key in schedule if key not in GIVEN_BY_AWS}
            session.call("scheduler", "update_schedule", **{**kept, "State": state})


def _schedule_names(session: Session, names: StackNames) -> list[str]:
    arguments = {"GroupName": names.prefix}
    return [e["Name"] for e in session.all("scheduler", "list_schedules", "Schedules", **arguments)]


def runs(session: Session, names: StackNames, declared: Iterable[str]) -> tuple[Run, ...]:
    """Return the runs that ECS knows, newest first: those that go on or ended within the hour. Raises AwsProblem."""
    job_runs = [
        _run(names, job, task)
        for job in declared
        for task in ecs.tasks_of(session, names, family=names.job(job))
    ]
    return _newest_first(job_runs)


def _run(names: StackNames, job: str, task: Task) -> Run:
    container = next((each for each in task.containers if each.name == names.container), None)
    code = container.exit_code if container else None
    # Between its command's end and the task's, a run already has its exit code.
    ended = task.ended if task.status == "STOPPED" or code is not None else None
    reason = container.reason if container else ""
    return Run(
        job=job,
        task=task.id,
        started=task.started,
        ended=ended,
        exit_code=code,
        definition=task.definition,
        reason=reason or task.reason,
        by_hand=task.started_by == BY_HAND,
        stopped_by_hand=task.stop_code == "UserInitiated",
    )


BY_HAND = "careapp-run"
"""`startedBy` of the tasks of `./careapp run` and `./careapp jobs run`."""


def logged_runs(session: Session, names: StackNames, declared: Iterable[str]) -> tuple[Run, ...]:
    """Return the runs whose log streams are among the group's newest, newest first. Raises AwsProblem.

    CloudWatch Logs lists streams by a prefix or by their last event, not both (API reference, DescribeLogStreams),
    and a stack's log group may hold years of them.
    """
    prefixes = {f"{names.job_streams(each)}/": each for each in declared}
    pages = session.pages(
        "logs",
        "describe_log_streams",
        logGroupName=names.log_group,
        orderBy="LastEventTime",
        descending=True,
    )
    job_runs = []
    for page in islice(pages, STREAM_PAGES):
        for raw in page["logStreams"]:
            prefix, slash, task = raw["logStreamName"].rpartition("/")
            if (job := prefixes.get(prefix + slash)) and "lastEventTimestamp" in raw:
                first, last = raw["firstEventTimestamp"], raw["lastEventTimestamp"]
                started, ended = task_logs.at(first), task_logs.at(last)
                job_runs.append(Run(job=job, task=task, started=started, ended=ended, known=False))
    return _newest_first(job_runs)


def _newest_first(runs: Iterable[Run]) -> tuple[Run, ...]:
    return tuple(sorted(runs, key=lambda run: run.at or STARTING, reverse=True))


def _last_lines(session: Session, names: StackNames, run: Run) -> tuple[str, ...]:
    stream = f"{names.job_streams(run.job)}/{run.task}"
    events = read_existing(task_logs.tail, session, names.log_group, stream, LINES)
    return tuple(event["message"].rstrip() for event in events or ())


def differences(job: Job, schedule: Schedule | None, *, paused: bool) -> Iterator[Text]:
    """Yield what differs between a job of the stack file and its schedule on AWS, which a pause disables."""
    if schedule is None:
        yield t("{job} is in the stack file and not on AWS", job=job.name)
        return
    if schedule.enabled != job.enabled and not paused:
        state = "ENABLED" if schedule.enabled else "DISABLED"
        yield t("the schedule of {job} is {state} on AWS", job=job.name, state=state)
    declared, actual = (job.schedule, job.time_zone), (schedule.expression, schedule.time_zone)
    if declared != actual:
        yield t(
            "{job} runs by {found} on AWS, and by {declared} in the stack file",
            job=job.name,
            found=" ".join(actual),
            declared=" ".join(declared),
        )
