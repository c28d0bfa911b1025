"""The stack as a whole: paused, scaled, quotas, schedules, jobs, workers, files, a login, what was not deployed."""

from dataclasses import replace

from careapp.additions.parts.pauses import Pause
from careapp.additions.parts.restores import RESTORED, Aside
from careapp.additions.parts.settings import settings_of
from ecs_gate.aws.errors import AwsProblem
from ecs_gate.parts.cloudwatch import Quota
from ecs_gate.parts.elb import TargetHealth
from ecs_gate.text import t
from tests import stacks as a
from tests.doctor import job_runs
from tests.doctor import situations as s
from tests.doctor.job_runs import MAY, run, schedule

QUIET = {"service": a.service(desired=0, running=0)}
STOPPED = a.database(status="stopped", tags=Pause(a.NOW).tags)
NO_PROVIDER = AwsProblem("refused", t("AWS did not return it."), t("Try again."))
UNREACHABLE = AwsProblem("unreachable", t("AWS did not return it."), t("Try again."))
PAUSED = {**QUIET, "database": STOPPED}
NEW_DATABASE = a.database(id="careapp-poc-restored", tags={RESTORED: "s"})
PROVISIONING = a.task(status="PROVISIONING", started=None, health="UNKNOWN", address="")
TWO_TASKS = (a.task(), a.task("c" * 32, address="10.0.16.5"))


def rolling(running=0, desired=1, healthy=(), **changes):
    """A roll-out under way with these healthy addresses."""
    primary = a.deployment(rollout="IN_PROGRESS", running=running, desired=desired, pending=1)
    service = a.service(running=running, desired=desired, pending=1, deployments=(primary,))
    targets = tuple(TargetHealth(address=each, port=3000, state="healthy") for each in healthy)
    settings = a.choices(desiredCount=str(desired))
    return a.stack(settings, service=service, targets=targets, **changes)


def tick_of(hours, zone="Asia/Tokyo"):
    """No task runs, with these hours; NOW is a Wednesday, 21:00 in Tokyo."""
    return a.stack(a.choices(schedule=hours, scheduleTimeZone=zone, desiredCount="2"), **s.NONE_RUN)


def two_tasks(**service):
    targets = [TargetHealth(address=task.address, port=3000, state="healthy") for task in TWO_TASKS]
    running = a.service(desired=2, running=2, **service)
    two = a.choices(desiredCount="2")
    return {"settings": two, "service": running, "tasks": TWO_TASKS, "targets": tuple(targets)}


FIVE = {
    "tasks": tuple(a.task(str(digit) * 32, address=f"10.0.16.{digit}") for digit in range(5)),
    "targets": tuple(
        TargetHealth(address=f"10.0.16.{number}", port=3000, state="healthy") for number in range(5)
    ),
}
TWO = two_tasks()
QUOTAS = {
    "nothing: two tasks and two new ones fit": (Quota(limit=1.0), TWO),
    "fargate-quota-small: two tasks and two new ones": (Quota(limit=0.99), TWO),
    "nothing: it fits beside others": (Quota(limit=6, elsewhere=5.5), {}),
    "fargate-quota-small: a task beside others": (Quota(limit=6, elsewhere=5.8), {}),
}
LARGE_WORKER = a.choices(workers='{"mail": {"command": "sh", "cpu": 4096, "memory": 8192}}')


BY_SCHEDULE = ("mon,wed 20:56-22:00", "thu 08:00-22:00")
LOST_WORKER = {"service": a.worker_service(desired=0, running=0), "tasks": ()}
FULL = "OutOfMemoryError: Container killed due to memory usage"


def rolled_back_worker(**changes):
    older = a.MAIL.replace(":3", ":2")
    back = a.worker_service(
        definition=older, deployments=(a.deployment(definition=older, id="ecs-svc/9"),)
    )
    task = a.task("d" * 32, definition=older, started_by="ecs-svc/9")
    return a.with_worker(service=back, tasks=(task,), **changes)


CRASHING, [BACK] = a.crashing_worker(), rolled_back_worker().workers.values()
SMS = replace(BACK, target=BACK.target.of(settings_of(BACK).names.of_worker("sms")))
WEB = a.failing(
    a.ended(s.CRASHED, code=1, stop=s.EXITED), logs=a.logs(b=["ValueError: what nobody knows"])
)
NEVER = a.ended(
    "CannotPullContainerError: not found", "e" * 32, stop="TaskFailedToStart", definition=a.MAIL
)
NO_WORKER_YET = a.worker_service(
    running=0, deployments=(a.deployment(definition=a.MAIL, rollout="FAILED", running=0),)
)
LOCKED = "psycopg.errors.LockNotAvailable: canceling statement due to lock timeout"
UPGRADE = ["Running upgrade 1 -> 2", "psycopg.errors.UndefinedColumn: column x does not exist"]
BASTION = a.choices(deployCommand=s.COMMAND, bastionEnabled="true")
NOT_ASKED = s.SITUATIONS["login-not-asked"]
PUBLIC = replace(settings_of(NOT_ASKED), login=replace(settings_of(NOT_ASKED).login, public=("/",)))
VARIANTS = {
    "nothing: healthy": a.stack(),
    "nothing: quota and alarms that cannot be read": a.stack(quota=a.DENIED, alarms=a.DENIED),
    "nothing: a page that cannot be reached": a.stack(page=UNREACHABLE),
    "balancer-cannot-reach-task: beside a role that cannot be read": a.stack(
        execution=a.DENIED, network=s.rules(app_in=())),
    "nothing: stage 1, and a stack file that is wrong": a.stage1(
        replace(a.choices(ecsEnabled="false"), guessed=True)),
    "stack-paused: AWS started its database": a.stack(**QUIET, database=a.database(tags=Pause(a.NOW).tags)),
    "stack-paused: without a final snapshot": a.stack(a.choices(databaseFinalSnapshot=""), **PAUSED),
    "restore-interrupted: both are there": a.stack(database=None, aside=Aside((NEW_DATABASE, s.OLD_DATABASE))),
    "restore-interrupted: it has the name and no password": a.stack(
        database=a.database(secret="", tags={RESTORED: "s"})),
    "restore-interrupted: tasks have the old password": a.stack(
        database=a.database(secret=f"{a.SECRET[:-1]}z", tags={RESTORED: "s"})),
    "nothing: the restored database has not replaced the other": a.stack(database=a.database(tags={RESTORED: "s"})),
    "nothing: the instances of a restore cannot be read": a.stack(database=None, aside=UNREACHABLE),
    "database-away: tasks run again": a.stack(database=STOPPED),
    "database-away: in a pause": a.stack(**QUIET, database=a.database(status="failed", tags=Pause(a.NOW).tags)),
    **{
        name: a.stack(quota=quota, **running) for name, (quota, running) in QUOTAS.items()
    },
    # Of a worker that runs, AWS counts the old task among the account's tasks.
    "fargate-quota-small: a worker that runs": a.stack(LARGE_WORKER, quota=Quota(limit=8, elsewhere=4)),
    "fargate-quota-small: before ECS is on": a.stage1(
        a.choices(ecsEnabled="false", taskCpu="1024", taskMemory="2048", desiredCount="3"),
        quota=Quota(limit=5)),
    "scaled-to-zero: by the stack file": a.stack(a.choices(desiredCount="0"), **s.NONE_RUN),
    **{f"scaled-to-zero-by-schedule: {action}": tick_of(action) for action in BY_SCHEDULE},
    "scaled-to-zero: within mon,wed 20:55-22:00": tick_of("mon,wed 20:55-22:00"),
    "scaled-to-zero: within hours of UTC": tick_of("mon-fri 08:00-20:00", "UTC"),
    "roll-out-going-on: provisioning": rolling(tasks=(PROVISIONING,)),
    "nothing: jobs as declared": job_runs.stack(run(0), run(1, ended=a.at(-4000))),
    "job-failed: exit code 137": job_runs.stack(run(137), lines={"d" * 32: ("no report",)}),
    "job-timed-out: killed at the end of its time": job_runs.stack(run(137, started=a.at(-2000))),
    "job-failed: ended within its time": job_runs.stack(run(143, started=a.at(-300))),
    "nothing: a later run of the job": job_runs.stack(run(0, ended=a.at(-50)), run(1)),
    "job-schedule-differs: disabled": job_runs.stack(schedule=schedule(enabled=False)),
    "job-role-denied: a refusal": job_runs.stack(
        may=(*MAY, {"Effect": "Deny", "Action": "ecs:TagResource", "Resource": "*"})),
    "job-role-denied: no role": job_runs.stack(may=()),
    "job-role-denied: not trusted": job_runs.stack(trust=a.TRUST),
    "nothing: jobs that cannot be read": a.stack(jobs=a.DENIED),
    "nothing: a worker": a.with_worker(),
    "crash: a worker": a.crashing_worker("connecting", "ValueError: no broker"),
    "log-module-missing: a worker": a.crashing_worker("ModuleNotFoundError: No module named 'celery'"),
    "out-of-memory: a worker": a.crashing_worker(container=FULL, code=137),
    "crash: the web tasks and a worker": replace(WEB, workers=CRASHING.workers),
    "image-missing: a worker, too": a.with_worker(
        a.stack(image=replace(a.HEALTHY["image"], present=False)), service=NO_WORKER_YET, tasks=(NEVER,)),
    "rolled-back: a worker": rolled_back_worker(),
    "crash: a worker beside one that was rolled back": replace(
        CRASHING, workers={**CRASHING.workers, "sms": SMS}),
    "stack-paused: a worker": a.with_worker(
        a.stack(
            a.choices(workers='{"mail": {"command": "sleep infinity"}}'),
            **{**s.NONE_RUN, "database": a.database(status="stopped", tags=Pause(a.at(-600)).tags)}), **LOST_WORKER),
    "nothing: a worker that the stack file has no more": a.with_worker(a.stack(
        a.choices(desiredCount="2"), service=a.service(desired=2, running=2),
        **{name: value[:2] for name, value in FIVE.items()})),
    "nothing: a worker that cannot be read": a.with_worker(service=a.DENIED, tasks=a.DENIED),
    "service-missing: a worker, too": replace(
        a.stage1(a.choices()), workers=a.with_worker(service=None).workers),
    "nothing: a bucket": s.with_bucket(),
    "nothing: a login": s.logs_in(),
    "nothing: a login whose secret may not be read": s.logs_in(replace(s.PROVIDER, error="")),
    "login-not-asked: its provider does not answer": a.but(NOT_ASKED, login=UNREACHABLE),
    "login-not-asked: its provider cannot be read": a.but(NOT_ASKED, login=NO_PROVIDER),
    "nothing: a public page beside a login": a.declaring(NOT_ASKED, PUBLIC),
    "deploy-command-failed: its last lines": s.not_deployed(s.command_task(3), logs=a.logs(b=UPGRADE)),
    "deploy-command-failed: a lock": s.not_deployed(s.command_task(1), settings=BASTION, logs=a.logs(b=[LOCKED])),
    "task-cannot-reach-database: deployCommand": s.not_deployed(s.command_task(), network=s.rules(db_in=())),
    "deploy-command-failed: not started": s.not_deployed(s.command_task(None, name="b" * 32)),
    "not-deployed: deployCommand runs": s.not_deployed(a.task(started_by="careapp-deploy")),
    "deploy-command-failed: before the first roll-out": a.stage1(
        a.choices(deployCommand=s.COMMAND), command_tasks=(s.command_task(),), logs=a.logs(b=["no"])),
}  # fmt: skip
