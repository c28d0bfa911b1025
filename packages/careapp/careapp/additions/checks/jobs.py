"""Check the jobs: their schedules, the role that starts their tasks, and their last runs."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from functools import partial

from careapp.additions.parts.jobs import JOBS, Jobs, Run, Schedule, differences
from careapp.additions.parts.pauses import paused
from careapp.additions.parts.settings import settings_of
from careapp.settings.jobs import Job
from ecs_gate.checks import permissions
from ecs_gate.checks.containers import EXIT_CODES
from ecs_gate.checks.permissions import Need
from ecs_gate.diagnosis.case import Case
from ecs_gate.diagnosis.catalogue import JOB, START, TO_DATABASE, WHOLE, Facts
from ecs_gate.diagnosis.findings import Finding, Fix
from ecs_gate.facts.policy_evaluation import trusts
from ecs_gate.screen import short_time
from ecs_gate.text import Text, t

# A job that fails leaves the page as it is.
Of = partial(Facts, places={WHOLE}, subject=JOB, blocks=False)
SCHEDULE_DIFFERS = Of("job-schedule-differs", 68)
ROLE_DENIED = Of("job-role-denied", 68)
NOT_STARTED = Of("job-not-started", 69, explained_by={START})
COMMAND_MISSING = Of("job-command-missing", 69)
TIMED_OUT = Of("job-timed-out", 69, explained_by={TO_DATABASE})
FAILED = Of("job-failed", 69, explained_by={TO_DATABASE})

SCHEDULER = "scheduler.amazonaws.com"
NOT_FOUND, TIMEOUT = 127, 124
"""Exit codes of a command that does not exist, and of coreutils' `timeout`."""
ENDED = (143, 137)
"""Exit codes of a command that SIGTERM, or then SIGKILL, has ended: busybox' `timeout` returns the first, not 124."""


def _jobs(case: Case) -> Jobs:
    """Return the jobs; none without the service, with which they come."""
    return (case.now.of(JOBS).value if case.service else None) or Jobs()


def schedules(case: Case) -> Iterator[Finding]:
    """Find jobs whose schedule is missing, disabled or another one than the stack file's."""
    settings = settings_of(case)
    jobs, seen = _jobs(case), list[Text]()
    for job in settings.jobs:
        if job.name in jobs.schedules:
            seen += differences(job, jobs.schedules[job.name], paused=bool(paused(case)))
    if seen:
        yield Finding(
            SCHEDULE_DIFFERS,
            title=t("A job's schedule on AWS is not that of the stack file"),
            why=t("EventBridge Scheduler starts a job by the schedule that AWS has."),
            seen=tuple(seen),
            fixes=(case.restore(),),
        )


def role(case: Case) -> Iterator[Finding]:
    """Check that the role of the schedules may run the jobs' tasks and pass the tasks' roles."""
    jobs = _jobs(case)
    known = [schedule for schedule in jobs.schedules.values() if schedule]
    for arn in dict.fromkeys(job.role for job in known):
        mine = [job for job in known if job.role == arn]
        if finding := _role_denied(case, jobs, arn, mine):
            yield finding
            return


def _role_denied(case: Case, jobs: Jobs, arn: str, schedules: list[Schedule]) -> Finding | None:
    role, name = jobs.roles.get(arn), arn.rpartition("/")[2]
    group = f"schedule-group/{case.now.names.prefix}"
    sent = permissions.sent(schedules[0].definition, "scheduler", group)
    if role is None:
        seen: tuple[Text, ...] = (t("The role {role} does not exist.", role=name),)
        fixes: tuple[Fix, ...] = (case.restore(),)
    elif (trust := trusts(role.trust, SCHEDULER, sent)).verdict is False:
        seen, fixes = tuple(permissions.distrust(name, SCHEDULER, trust)), (case.restore(),)
    else:
        needs = dict.fromkeys(need for schedule in schedules for need in _needs(jobs, schedule))
        lacks = permissions.lacking(role, list(needs))
        if not lacks:
            return None
        seen = tuple(permissions.refusal(name, lack) for lack in lacks)
        fixes = (*permissions.given(name, lacks), case.or_restore())
    return Finding(
        ROLE_DENIED,
        title=t("The role of the schedules may not start the jobs"),
        why=t(
            "With this role EventBridge Scheduler runs the tasks of the jobs and passes them their two roles. Without "
            "it no job starts, and EventBridge Scheduler gives each run up after its last retry."
        ),
        seen=seen,
        fixes=fixes,
    )


def _needs(jobs: Jobs, schedule: Schedule) -> Iterator[Need]:
    """Yield what a schedule's role does (ECS developer guide, "Amazon ECS EventBridge IAM Role")."""
    yield Need("ecs:RunTask", schedule.definition, "job")
    definition = jobs.definitions[schedule.definition]
    for passed in filter(None, (definition.execution_role, definition.task_role)):
        yield Need("iam:PassRole", passed, "job")
    yield Need("ecs:TagResource", f"{schedule.cluster.replace(':cluster/', ':task/')}/*", "job")


WORDS = {
    NOT_STARTED: (
        t("A run of the job {job} could not start"),
        t("Correct what ECS names, and try the job {job}:"),
    ),
    COMMAND_MISSING: (
        t("The command of the job {job} does not exist in the image"),
        t("Correct jobs.{job}.command, or install its program in the image, deploy, and try it:"),
    ),
    TIMED_OUT: (
        t("The job {job} was stopped after its timeoutMinutes"),
        t(
            "Correct what it waits for (./careapp jobs logs {job} -s {stack}), or give it more "
            "jobs.{job}.timeoutMinutes, deploy, and try it:"
        ),
    ),
    FAILED: (
        t("The last run of the job {job} failed"),
        t(
            "Correct it (./careapp jobs logs {job} -s {stack} has its whole log), deploy, and try it:"
        ),
    ),
}
"""How a run ended: the title, and what to do before the next try."""


def last_runs(case: Case) -> Iterator[Finding]:
    """Find jobs whose last run failed, one finding for each way to end."""
    settings = settings_of(case)
    jobs, by_end = _jobs(case), dict[Facts, list[tuple[Job, Run]]]()
    for job in settings.jobs:
        run = jobs.last(job.name)
        if run is not None and run.failed:
            by_end.setdefault(_end(job, run), []).append((job, run))
    for facts, failed in by_end.items():
        title, _ = WORDS[facts]
        yield Finding(
            facts,
            title=_about(title, case, failed[0][0]),
            why=t(
                "The stack file says what it runs, and until when. ECS keeps its exit code for an hour."
            ),
            seen=tuple(_seen(case, job, run) for job, run in failed),
            fixes=tuple(_fixes(case, facts, failed)),
            evidence=tuple(
                line
                for _, run in failed
                for line in (run.reason, *jobs.lines.get(run.task, ()))
                if line
            ),
        )


def _end(job: Job, run: Run) -> Facts:
    longest = timedelta(minutes=job.timeout_minutes)
    late = run.exit_code in ENDED and run.took is not None and run.took >= longest
    if run.exit_code is None:
        return NOT_STARTED
    if run.exit_code == NOT_FOUND:
        return COMMAND_MISSING
    return TIMED_OUT if run.exit_code == TIMEOUT or late else FAILED


def _about(text: Text, case: Case, job: Job) -> Text:
    settings = settings_of(case)
    return replace(text, values=(("job", job.name), ("stack", settings.stack)))


def _seen(case: Case, job: Job, run: Run) -> Text:
    meaning = EXIT_CODES.get(run.exit_code) if run.exit_code is not None else None
    if run.exit_code == TIMEOUT:
        meaning = t("it was not over after {minutes} min", minutes=job.timeout_minutes)
    return t(
        "{job}, ended at {time}: exit code {code} ({meaning}).",
        job=job.name,
        time=short_time(run.ended, case.at) if run.ended else "-",
        code="-" if run.exit_code is None else run.exit_code,
        meaning=meaning or run.reason or "-",
    )


def _fixes(case: Case, facts: Facts, failed: list[tuple[Job, Run]]) -> Iterator[Fix]:
    settings = settings_of(case)
    stack, (_, todo) = settings.stack, WORDS[facts]
    for number, (job, _) in enumerate(failed):
        commands = (f"pulumi up -s {stack}", f"./careapp jobs run {job.name} -s {stack}")
        yield Fix(_about(todo, case, job), commands, then=number > 0)
