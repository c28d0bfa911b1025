"""Tasks that crash, do not start, were stopped or rolled back; their permissions, images and secrets."""

import json
from dataclasses import replace

from ecs_gate.checks import running
from ecs_gate.diagnosis.case import Case
from ecs_gate.diagnosis.findings import as_line
from ecs_gate.parts.records import Alarmed
from ecs_gate.parts.task_inputs import Image, Role, Secret
from ecs_gate.parts.task_logs import LogLine
from tests import stacks as a
from tests.doctor import situations as s
from tests.doctor.logged import CAUSES, TRACES

PULLED = "Service deployment rolled back because the circuit breaker threshold was exceeded."
BLIND = a.stack(
    tasks=(a.ended(f"{s.INIT}timeout", stop="TaskFailedToStart", started_by="ecs-svc/9"), a.task()),
    rollback_reason=PULLED,
)
TRACE, WORKER_CLASS = (
    tuple(TRACES[name].splitlines())
    for name in ("log-module-missing: a traceback", "log-worker-class: its traceback")
)
CRASHES = {
    name: tuple(text.splitlines()) for name, text in TRACES.items() if name.startswith("crash")
}
SYNTAX = CRASHES["crash-by-program: a syntax error"]
EXITS = {
    "sidecar-exited": ((1, 0, True), (1, 137, False), (0, 0, True), (143, 143, True), (2, 1, True)),
    "crash": ((0, 1, False), (143, 3, False)),
    "process-ends": ((0, 0, False),),
}
"""By the container that exited first: the exit codes of a sidecar and of the app, and whether the app was told to."""
CONTROL, GETS = TRACES["control"], TRACES["refused"]
NO_CACHE = "[28/Nov/2026 18:25] PermissionError: [Errno 13] Permission denied: '/app/cache'"
TERM = "[INFO] Handling signal: term"
KILLED = "[ERROR] Worker (pid:7) was sent SIGKILL! Perhaps out of memory?"
FULL = "OutOfMemoryError: Container killed due to memory usage"
REFUSED = 'FATAL:  password authentication failed for user "postgres"'


def as_json(lines):
    """The app's own line with a traceback, and another one."""
    return json.dumps({"message": "x", "traceback": "\n".join(lines)}), "bye"


def leaking(deployed, *killed):
    """Workers of gunicorn that were killed in a service that is steady since then."""
    service = a.service(deployments=(a.deployment(created=a.at(-9999), updated=a.at(deployed)),))
    lines = tuple(LogLine(a.at(time), KILLED) for time in killed)
    return a.stack(service=service, logs=replace(a.logs(), lines={"a" * 32: lines}))


def rolled_back(*messages, **changes):
    """A version whose task was healthy was rolled back, with these events, the newest first."""
    ended = a.ended("Scaling activity initiated by (deployment ecs-svc/3)", code=0)
    undone = a.failing(ended, rolled_back=True)
    events = tuple(
        a.event(f"(deployment ecs-svc/2) deployment failed: {message}") for message in messages
    )
    service = a.service(
        deployments=undone.service.value.deployments, definition=a.OLD, events=events
    )
    logs = a.logs(b=[a.LISTENS, *s.trace("AttributeError: no visit")])
    return a.failing(ended, rolled_back=True, **{"service": service, "logs": logs, **changes})


def requested(lines):
    """A version that was stopped, with its log; the version before answers requests for the page."""
    before = [a.LISTENS, s.asked("/", 200), s.asked("/wp-login.php", 404)]
    return rolled_back(STOPPED, logs=a.logs(b=[a.LISTENS, *lines], c=before))


REDIRECTS = next(running.page_fails(Case.of(a.stack(page=a.page(302, endless=True)))))
STOPPED, ALARMED = "stopped by StopServiceDeployment.", "alarm detected."
TRIPPED = "tasks failed to start."
NO_VISIT = s.trace("AttributeError: no visit")
NO_RIGHT = s.trace("psycopg.errors.InsufficientPrivilege: permission denied for table visits")
ALARM = "careapp-poc-deployment-errors"


def canary(older):
    """A canary whose tasks fail, over an older version or none."""
    deployments = (
        a.deployment(rollout="IN_PROGRESS", failed=9),
        a.deployment(definition=a.OLD, status="ACTIVE"),
    )
    return a.stack(service=a.service(deployments=deployments[: 1 + older], strategy="CANARY"))


def bare(*statements, boundary=None):
    """An execution role with one policy."""
    return Role(
        arn="arn:role/x", trust=a.TRUST, policies=(a.policy(*statements),), boundary=boundary
    )


NOT_ASSUMED = (
    f"ECS was unable to assume the role '{a.definition().execution_role}' that was provided for this task. Please "
    "verify that the role being passed has the proper trust relationship"
)
DENY = {"Effect": "Deny", "Action": "ecr:*", "Resource": a.ECR_ARN}
OTHER_IMAGE = a.definition(image=f"{a.IMAGE.partition('/')[0]}/other:1")


def by_hand(rollout="COMPLETED"):
    """A service whose task a person stopped."""
    task = a.ended("Task stopped by user", stop="UserInitiated")
    return a.stack(service=a.going(rollout), tasks=(task,), targets=())


def start_failed(rollout="FAILED", **changes):
    reason = s.INIT + "failed to validate logger args: log group does not exist"
    return a.failing(a.ended(reason, stop="TaskFailedToStart"), service=a.going(rollout), **changes)


def starved(cpu, memory, **settings):
    """A task of this size that runs out of memory."""
    declared = a.choices(taskCpu=str(cpu), taskMemory=str(memory), **settings)
    task = a.ended(s.CRASHED, code=137, container=FULL)
    return a.failing(task, main=a.definition(cpu=cpu, memory=memory), settings=declared)


LARGE = {"databaseInstanceClass": "db.m7g.large"}
"""For the connections of so many workers."""
DIED = a.ended(s.CRASHED, name="d" * 32, code=137, container=FULL)
INTERRUPTED = [
    a.ended("Your Spot Task was interrupted.", name=letter * 32, stop="SpotInterruption")
    for letter in "bc"
]
NEW_BESIDE_OLD = {
    "service": a.service(
        deployments=(
            a.deployment(rollout="IN_PROGRESS", running=0, failed=1),
            a.deployment(id="ecs-svc/1", status="ACTIVE", definition=a.OLD),
        )
    ),
    "tasks": (
        a.ended(s.CRASHED, code=1, stop=s.EXITED),
        a.task(definition=a.OLD, started_by="ecs-svc/1"),
    ),
}
NO_PROGRAM = (
    "CannotStartContainerError: OCI runtime create failed: unable to start container process:"
)
ROOT = {"AWS": f"arn:aws:iam::{a.ACCOUNT}:root"}


def guarded(*statements):
    """A stack whose repository has a policy of its own."""
    return a.stack(image=Image(present=True, policy=a.policy(*statements)))


VARIANTS = {
    **{
        f"{first}: sidecar {sidecar}, app {app}{', after SIGTERM' if told else ''}": s.sidecar_exited(
            sidecar, app, *[TERM] * told
        )
        for first, exits in EXITS.items()
        for sidecar, app, told in exits
    },
    "crash-by-program: behind gunicorn's control socket": s.crashed(CONTROL, *SYNTAX),
    "log-read-only-root: another program's control server": s.crashed(
        "OSError: [Errno 30] Read-only file system: '/srv/control server'"),
    "crash-by-program: behind what the version before writes, too": s.crashed(
        *(NO_CACHE, *SYNTAX), serving=[NO_CACHE]),
    "log-wrong-password: of the version before, too": s.crashed(REFUSED, serving=[REFUSED]),
    "crash: exit 0 with an error in its log": s.crashed("ERROR: no broker", code=0),
    "crash: exit 3 of a shell script": s.crashed("no configuration", code=3),
    "crash: exit 3 of gunicorn": s.crashed("[7] [ERROR] Reason: Worker failed to boot.", code=3),
    "crash-by-program: a type error": s.crashed(*s.trace("TypeError: create() takes 0 arguments")),
    "image-architecture: the task's processor": a.stack(main=a.definition(architecture="ARM64")),
    "image-architecture: the program's processor": replace(
        a.stack(main=a.definition(architecture="ARM64")), by_program=True),
    "log-variable-missing: rolled back": s.crashed("KeyError: 'DB_HOST'", rolled_back=True),
    "log-variable-missing: the old version serves on": a.stack(
        **NEW_BESIDE_OLD, logs=a.logs(b=["KeyError: 'DB_HOST'"])),
    "task-cannot-start, rolled-back: to the same revision": BLIND,
    "nothing: a task of before the last deployment": a.but(BLIND, rollback_reason=""),
    "log-module-missing: a traceback in one line of JSON": s.crashed(*as_json(TRACE)),
    "log-module-missing: cut off by later lines": s.crashed(*TRACE, *"abcdefgh"),
    "log-module-missing: a traceback of a library": s.crashed(*TRACE[:3], TRACE[-1]),
    **{name: s.crashed(*lines) for name, lines in CRASHES.items()},
    "crash-by-program: a syntax error in JSON": s.crashed(*as_json(SYNTAX)),
    **{f"crash: ended by signal {code - 128}": s.crashed("x", code=code) for code in (138, 143)},
    "log-worker-class: its traceback": s.crashed(*WORKER_CLASS),
    "task-cannot-reach-aws: ECS's words": s.never_started(
        f"{s.INIT}There is a connection issue between the task and AWS Secrets Manager.",
        network=a.network(s.NO_ROUTE)),
    "secret-key-missing: keys that cannot be read": s.never_started(
        f"{s.INIT}retrieved secret from Secrets Manager did not contain json key password",
        secrets={a.SECRET: Secret()}),
    "secret-key-missing: RDS's own": a.stack(
        secrets={a.SECRET: Secret(keys=frozenset({"username"}))}),
    "secret-missing: marked for deletion": a.stack(secrets={a.SECRET: Secret(deleted=a.NOW)}),
    "nothing: a failure before the service was steady": a.stack(
        tasks=(
            a.task(),
            # It drained meanwhile.
            a.ended(s.CRASHED, code=1, stop=s.EXITED, stopping=a.at(-510), stopped=a.at(-490)),
        )
    ),
    "nothing: tasks that ECS or a person ended": a.stack(
        tasks=(
            a.task(), a.ended("Scaling activity initiated by (deployment ecs-svc/2)"),
            a.ended("bye", name="d" * 32, stop="UserInitiated"),
            a.ended(
                "Service web: ECS is performing maintenance on the underlying infrastructure hosting the task.",
                name="e" * 32))),
    "task-role-cannot-read-secret: the app was refused": a.stack(
        task_role=a.role(a.TOKEN), logs=a.logs(a=[a.LISTENS, GETS, REFUSED])),
    "process-ends: a sidecar that is not essential": s.sidecar_exited(1, 0, sidecar=replace(s.PROXY, essential=False)),
    "out-of-memory: stopped by its own check": a.failing(
        a.ended("Task failed container health checks", code=0), logs=a.logs(b=[a.LISTENS, KILLED])),
    "log-worker-timeout: gunicorn kills a slow worker": a.unhealthy(
        "Request timed out", lines=[a.LISTENS, "[CRITICAL] WORKER TIMEOUT (pid:7)", KILLED]),
    "killed-at-stop: by a person": a.stack(
        tasks=(a.task(), a.ended("Task stopped by user", code=137, stop="UserInitiated"))),
    "killed-at-stop: a worker": a.with_worker(
        tasks=(a.ended("Scaling activity initiated by x", code=137, definition=a.MAIL),)),
    "nothing: out of memory while it was stopped": a.stack(
        tasks=(a.task(), a.ended("Scaling activity initiated by x", code=137, container=FULL))),
    "out-of-memory: the smallest task": starved(256, 512),
    "out-of-memory: more than its CPU takes": starved(256, 2048),
    "fargate-quota-small, out-of-memory: 8 vCPU": starved(8192, 61440, **LARGE),
    "fargate-quota-small, out-of-memory: the largest task": starved(32768, 249856, **LARGE),
    "out-of-memory-later: a worker": leaking(-500, -60),
    "out-of-memory: the version before runs in as much": a.failing(
        a.ended(s.CRASHED, code=137, stop=s.EXITED, container=FULL), rolled_back=True,
        definitions={a.NEW: a.definition(), a.OLD: a.definition(arn=a.OLD)}),
    "crash: a command in place of the image's": s.crashed(
        "Error: 'x.py' doesn't exist", main=a.definition(command=("gunicorn", "--config", "x.py"))),
    "out-of-memory: workers, again and again": leaking(-500, -90, -60, -30),
    "out-of-memory-later, tasks-die: a task": a.stack(tasks=(a.task(), DIED)),
    "out-of-memory-later: before the deployment had completed": a.stack(
        tasks=(a.task(), replace(DIED, stopping=a.at(-700), stopped=a.at(-690)))),
    "nothing: Spot took two tasks": a.stack(a.choices(fargateSpot="true"), tasks=(a.task(), *INTERRUPTED)),
    "rolled-back: by an alarm": rolled_back(ALARMED, TRIPPED, ended_by=Alarmed((ALARM,))),
    "rolled-back: stopped": rolled_back(STOPPED),
    "rolled-back: as pulumi up found": rolled_back(STOPPED, verdict=as_line(REDIRECTS)),
    "rolled-back: its page raised": requested([*NO_VISIT, s.asked("/", 500)] * 3),
    "rolled-back: a path that the version before answers": requested([s.asked("/", 404)] * 3),
    "rolled-back: a redirect of what the version before answers": requested([s.asked("/", 302)] * 3),
    "rolled-back: a limit after some answers": requested([s.asked("/", 200), *[s.asked("/", 429)] * 3]),
    "rolled-back: paths that no version has": requested([s.asked("/wp-login.php", 404)] * 3),
    "rolled-back: twice in a row": requested([s.asked("/", 404)] * 2),
    "rolled-back: for a missing right": rolled_back(STOPPED, logs=a.logs(b=[a.LISTENS, *NO_RIGHT])),
    "rolled-back: by an alarm of the old version": rolled_back(ALARMED, ended_by=Alarmed((ALARM,), True)),
    "roll-out-going-on: a canary over an older version": canary(True),
    "roll-out-going-on: a canary alone": canary(False),
    "repository-denies: one statement of two": guarded(
        {"Effect": "Allow", "Principal": "*", "Action": "ecr:*"},
        {"Effect": "Deny", "NotPrincipal": {"AWS": "arn:role/x"}, "NotAction": "ecr:Describe*"}),
    "repository-denies: all roles of the account": guarded({**s.DENY_PULL, "Principal": ROOT}),
    "nothing: the repository denies another role, other actions, and on a condition": guarded(
        {**s.DENY_PULL, "Principal": {"AWS": ["arn:role/x"]}}, {**s.DENY_PULL, "Action": "ecr:PutImage"},
        {**s.DENY_PULL, "Condition": {"Bool": {"aws:SecureTransport": "false"}}}),
    "execution-role-not-trusted: another account": a.stack(
        execution=a.role(trust=a.trust_if(StringEquals=("aws:SourceAccount", "210987654321")))),
    "execution-role-not-trusted: a condition that is not judged": s.never_started(
        NOT_ASSUMED, execution=a.role(trust=a.trust_if(StringEquals=("aws:PrincipalOrgID", "o-1")))),
    "nothing: this account and region, and a condition that is not judged": a.stack(
        execution=a.role(trust=a.trust_if(
            StringEquals=("aws:SourceAccount", a.ACCOUNT), ArnLike=("aws:SourceArn", f"{a.ECS}:*"),
            IpAddress=("aws:SourceIp", "10.0.0.0/8")))),
    "task-cannot-start: a reason with an ARN": s.never_started(NOT_ASSUMED),
    "tasks-die: that did not start, and one runs since": a.stack(
        tasks=(a.task(), a.ended("CannotStartContainerError: something new", stop="TaskFailedToStart"))),
    "execution-role-cannot-pull: no token": a.stack(execution=bare(a.PULL, a.WRITE, a.READ)),
    "execution-role-cannot-secret: a boundary": a.stack(
        execution=bare(a.TOKEN, a.PULL, a.WRITE, a.READ, boundary=a.policy(a.TOKEN, a.PULL, a.WRITE))),
    "execution-role-cannot-log: a refusal of another": a.stack(execution=bare(a.TOKEN, a.READ, DENY)),
    "execution-role-missing: after the roll-out": a.stack(
        service=a.going("FAILED"), targets=(), execution=None),
    "execution-role-missing: none is named": a.stack(main=a.definition(execution_role=""), execution=None),
    "image-missing: another repository": a.stack(image=None, main=OTHER_IMAGE),
    "too-few-tasks: stopped by hand": by_hand(),
    "roll-out-going-on: a task is stopped by hand": by_hand("IN_PROGRESS"),
    "log-start-script: a file that the image lacks": s.never_started(
        f'{NO_PROGRAM} exec: "/srv/start.sh": stat /srv/start.sh: no such file or directory: unknown'),
    "log-start-script: a program that the image lacks": s.never_started(
        f'{NO_PROGRAM} exec: "gunicorm": executable file not found in $PATH: unknown'),
    "log-disk-full: an image that does not fit": s.never_started(CAUSES["fargate image disk"].telling),
    "task-cannot-start: while ECS tries": start_failed("IN_PROGRESS"),
    "execution-role-cannot-log: while ECS has given up": start_failed(
        execution=a.role(a.TOKEN, a.PULL, a.READ)),
}  # fmt: skip
