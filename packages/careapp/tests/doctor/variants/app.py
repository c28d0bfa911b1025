"""What a running app's log and page tell: its database, requests that fail, certificates, rights, passwords."""

import json
from dataclasses import replace

from ecs_gate.checks.connections import NEAR
from ecs_gate.facts.rds import RESERVED_CONNECTIONS, max_connections
from ecs_gate.parts import task_logs
from ecs_gate.parts.cloudwatch import Measured, Minute
from ecs_gate.parts.task_inputs import Role, Secret
from ecs_gate.parts.task_logs import LogLine, Logs
from tests import stacks as a
from tests.doctor import situations as s
from tests.doctor.logged import CAUSES, TRACES

REFUSED = 'FATAL: password authentication failed for user "postgres"'


def said(*lines, **changes):
    """The one task's log ends with these lines."""
    return a.stack(logs=a.logs(a=[a.LISTENS, *lines]), **changes)


FAILS = [s.asked("/", 500)] * 3
UNAVAILABLE = [s.asked("/", 503)] * 3
RAISED, NO_VISIT = TRACES["raised"], TRACES["no visit"]


def counted(*minutes, lines=(), since=-500):
    """So many requests and failures in each minute from ``since`` on."""
    moments = (a.at(since + 60 * number) for number in range(len(minutes)))
    measured = Measured(minutes=tuple(map(Minute, moments, *zip(*minutes, strict=True))))
    logs = Logs(group="x", exists=True, lines={"a" * 32: tuple(LogLine(a.NOW, e) for e in lines)})
    return a.stack(measured=measured, logs=logs)


FULL = "FATAL: remaining connection slots are reserved for roles with privileges"
MANY = tuple(a.task(f"{number:032}", address=f"10.0.17.{number}") for number in range(40))


def full(count, **changes):
    return said(FULL, measured=Measured(connections=count), **changes)


NEARLY = -(-(max_connections("db.t4g.micro") - RESERVED_CONNECTIONS) * NEAR // 100)
WORKER = a.choices(workers='{"mail": {"command": "sleep 9"}}')
OTHER_APP = a.choices(appFolder="apps/mine")


def connections(count, *declared, tasks=1, other=None, **changes):
    """The database has so many connections while so many tasks run, and another one."""
    running = (a.task(), *(a.task(f"{number:032}") for number in range(tasks - 1)))
    return a.stack(
        *declared,
        measured=Measured(connections=count),
        tasks=(*running, *([other] if other else [])),
        **changes,
    )


OLD = s.trace("ZeroDivisionError: of a fault that is repaired")
SLOW = '{"level": "warning", "message": "the database took too long", "reason": "canceling"}'
AFTER_A_FAULT = [*OLD, s.asked("/", 500), s.asked("/", 200)]
WAITS = json.dumps(
    json.loads(s.UNMIGRATED)
    | {"level": "warning", "reason": "canceling statement due to lock timeout"}
)
NO_COLUMN = s.trace('psycopg.errors.UndefinedColumn: column "footer" does not exist')
NEEDED = [WAITS, *[*NO_COLUMN, s.asked("/", 500)] * 3]


def refused(reason, **changes):
    """The page works, and /health/db gets no connection for a reason."""
    line = json.dumps({"level": "error", "message": task_logs.REFUSED, "reason": reason})
    return said(line, **{"page": a.page(database=500), **changes})


SCALED = a.ended("Scaling activity initiated by (deployment ecs-svc/3)", code=0)
IMAGE = "was unable to place a task. Reason: CannotPullContainerError: manifest not found."
STEADY = "has reached a steady state."
FAILED = "(deployment ecs-svc/2) deployment failed: tasks failed to start."


def with_events(snapshot, *events):
    """The snapshot with other events of the service, newest first."""
    service = replace(snapshot.service.value, events=events)
    return a.but(snapshot, service=service)


def failed_before(definition):
    """A roll-out under way beside a deployment of this revision that failed."""
    old = a.deployment(id="ecs-svc/1", status="ACTIVE", definition=definition, rollout="FAILED")
    both = (a.deployment(rollout="IN_PROGRESS"), old)
    return a.stack(service=a.service(deployments=both, running=0), targets=())


COMPLETED = a.stack(service=a.service(running=0), tasks=(), targets=())
OLD_CRASH = a.ended(
    s.CRASHED, name="c" * 32, code=1, stop=s.EXITED, started_by="ecs-svc/1", definition=a.OLD
)


def untrusted(line, until=None):
    """The app does not trust the database's certificate, which is valid until then."""
    return said(line, database=a.database(authority="rds-ca-rsa2048-g1", certified_until=until))


UNTRUSTED = "SSL error: certificate verify failed"


def lacks(words):
    """The four ways in which an app shows that its user lacks a right."""
    raises = s.trace(f"psycopg.errors.InsufficientPrivilege: permission denied for {words}")
    main = s.env(DB_USER="app")
    migration = json.dumps(json.loads(s.UNMIGRATED) | {"reason": f"permission denied for {words}"})
    return {
        "database-address, app-raises: {}": said(*raises, *FAILS, main=main),
        "database-address, page-errors: {}": said(*raises, main=main, page=a.page(500)),
        "database-address, app-cannot-migrate: {}": said(migration, main=main),
        "database-address, crash: {}": s.crashed(*raises, main=main),
    }


BARE = Role(arn="arn:role/x", trust=a.TRUST, policies=(a.policy(a.TOKEN, a.PULL, a.WRITE),))


def foreign(**changes):
    """A stack whose task definition names another team's secret for DB_PASSWORD."""
    return a.stack(
        main=a.definition(secrets={"DB_PASSWORD": f"{s.OTHER_SECRET}:password::"}), **changes
    )


DENIED = s.never_started(
    "ResourceInitializationError: unable to pull secrets: AccessDenied", main=foreign().newest.value
)
TWO_SECRETS = a.definition(secrets={"DB_PASSWORD": f"{a.SECRET}:password::", "KEY": s.OTHER_SECRET})
TWO_OWN = a.definition(
    secrets={
        "A": f"{a.SECRET}:password::",
        "B": f"{a.SECRET.replace('rds!db-1', 'careapp-poc-keys')}:b::",
    }
)
WRONG = {name: {name: value} for name, value in (("DB_PORT", "5433"), ("DB_NAME", "other"))}
NO_PUT = CAUSES["boto3 refused, in JSON"].telling
AWS_REFUSES = {
    "another resource": CAUSES["boto3 refused"].telling,
    "a resource of the stack": NO_PUT,
    "without a reason": CAUSES["boto3 refused without a reason"].telling,
}  # fmt: skip
THROTTLED = CAUSES["boto3 throttled"].telling
VARIANTS = {
    "nothing: the database is back": said(s.LOST, s.FOUND),
    "app-database-away: away again": said(s.LOST, s.FOUND, s.LOST),
    "nothing: migrated at last": said(s.UNMIGRATED, s.MIGRATED),
    "app-cannot-migrate: waits for a lock, and the page works": said(WAITS),
    "app-cannot-migrate: waits for a lock, and the page needs it": said(*NEEDED, page=a.page(500)),
    "app-cannot-migrate: waits for a lock, and requests need it": said(*NEEDED, page=None),
    "app-cannot-migrate: waited for a lock, and was rolled back": a.failing(
        SCALED, rolled_back=True, logs=a.logs(b=[a.LISTENS, *NEEDED])),
    "app-cannot-migrate: takes long, and the page works": said(s.MIGRATING),
    "app-cannot-migrate: takes long, and the page needs it": said(
        s.MIGRATING, *NEEDED[1:], page=a.page(500)),
    "app-database-away: while it migrates": said(
        s.MIGRATING, s.LOST, *UNAVAILABLE, page=a.page(503)),
    "log-wrong-password: of new connections, and the page works": refused(
        'FATAL: password authentication failed for user "postgres"'),
    "log-too-many-connections: of others, and the page works": refused(
        FULL, measured=Measured(connections=90)),
    "log-too-many-connections: of its own pool, and the page works": refused(
        FULL, measured=Measured(connections=6)),
    "nothing: new connections are refused, and it is not known why": refused("it took 0.8 s"),
    "nothing: new connections were refused": refused(REFUSED, page=a.page()),
    "nothing: migrated at once": said(s.MIGRATING, s.MIGRATED),
    "nothing: the lock was given back": said(WAITS, s.MIGRATED),
    "app-cannot-migrate: with its consequences": said(s.UNMIGRATED, s.LOST, *UNAVAILABLE),
    "nothing: recovered": said(*[s.asked("/", 500)] * 50, s.asked("/", 200)),
    "app-requests-failed: one among many": said(
        *[s.asked("/", 200)] * 50, s.asked("/rare", 500), *[s.asked("/", 200)] * 50),
    "app-requests-fail: one page of two": said(*[s.asked("/page", 500)] * 3, *[s.asked("/other", 200)] * 9),
    "app-requests-fail: another server's log": said(
        *['10.0.0.1 - - [x] "GET / HTTP/1.1" 500 3 "-" "curl"'] * 3),
    "app-raises: the page, too": said(*[RAISED, s.asked("/", 500)] * 3, page=a.page(500)),
    "page-errors: raised": said(NO_VISIT, s.asked("/", 500), page=a.page(500, tries=3, database=500)),
    "page-errors: a limiter": a.stack(page=a.page(429)),
    "page-errors: another good status": a.stack(page=a.page(204, matcher="200")),
    "page-errors: another encoding": a.stack(
        page=a.page(200, problem="its Content-Encoding is gzip, and its body is not (Error -3)")),
    "page-errors: a stream without an end": a.stack(
        page=a.page(200, problem="its body does not end within 10 s")),
    "page-silent: https without a listener": a.stack(
        page=a.page(0, ended_at=f"https://{a.balancer().dns}/", problem="no listener on port 443")),
    "page-silent: behind a redirect": a.stack(
        page=a.page(0, ended_at="http://careapp-poc-alb.example/home", problem="timed out after 10 s")),
    "page-errors: redirects without end": a.stack(page=a.page(301, matcher="200-399", endless=True)),
    "nothing: another deployment's log": a.stack(
        tasks=(a.task(), a.task("c" * 32, started_by="ecs-svc/1", definition=a.OLD)),
        logs=a.logs(a=[a.LISTENS], c=[s.LOST, s.UNMIGRATED, *FAILS])),
    "app-requests-fail: the last two minutes": counted((4, 0), (2, 2), (1, 1)),
    "app-requests-failed: some of a minute's": counted((4, 0), (4, 1)),
    "app-requests-failed: too few": counted((2, 2)),
    "nothing: minutes before the deployment": counted((9, 9), since=-600),
    "nothing: minutes before the log's": counted((9, 9), lines=[s.asked("/", 200)]),
    "log-too-many-connections: of others": full(101),
    "log-too-many-connections: exec": full(101, settings=a.choices(execEnabled="true")),
    "log-too-many-connections: a larger pool": full(101, main=s.env(DB_POOL_SIZE="9", WEB_CONCURRENCY="2")),
    "log-too-many-connections: many tasks": full(112, tasks=(a.task(), *MANY)),
    "log-too-many-connections: a class that is not known": full(112, database=a.database(kind="db.z9.odd")),
    # A task of the app in webapp/ opens 6; 2 are the doctor's own.
    "nothing: as many connections as a pool": connections(8),
    "connection-leak: one more than a pool": connections(9),
    "tasks-die, connection-leak: a task that stopped before": connections(
        14, other=a.ended("Scaling activity", stopped=a.at(-310))),
    "connection-leak: one more than a pool and a worker": connections(
        7 + WORKER.sizes.other_connections, WORKER),
    "nothing: connections below 80 %": connections(NEARLY - 1, OTHER_APP),
    "connections-near: of another app": connections(NEARLY, OTHER_APP),
    "nothing: a module that is missing, and the page works": said("ModuleNotFoundError: No module named 'pandas'"),
    "nothing: connections of another engine": connections(NEARLY, OTHER_APP, database=a.database(engine="mysql")),
    "nothing: the password of before an answer": said("connection timeout expired", s.FOUND),
    "page-errors: a traceback of before an answer": said(*AFTER_A_FAULT, *FAILS, page=a.page(500)),
    "nothing: slow once, and the page works": said(SLOW),
    "log-database-slow: after another fault": said(
        *AFTER_A_FAULT, *[SLOW, s.asked("/", 503)] * 3, page=a.page(503)),
    "page-unavailable: raised since a lock": said(SLOW, *OLD, page=a.page(503)),
    "page-unavailable: an answer since a lock": said(SLOW, s.asked("/", 200), page=a.page(503)),
    "log-database-slow: after a rollback": a.failing(
        SCALED, rolled_back=True, logs=a.logs(b=[a.LISTENS], c=[a.LISTENS, *[SLOW, s.asked("/", 503)] * 3]),
        page=a.page(503)),
    "roll-out-going-on: a crash of another version": a.failing(OLD_CRASH, logs=a.logs(c=list(OLD))),
    "cannot-place-tasks: an image": s.unable(IMAGE),
    "roll-out-going-on: an event of days ago": with_events(s.unable(IMAGE), a.event(IMAGE, -3 * 24 * 3600)),
    "too-few-tasks: steady since the event": with_events(
        COMPLETED, a.event(STEADY, -200), a.event(IMAGE, -300)),
    "cannot-place-tasks: since it was steady": with_events(
        COMPLETED, a.event(IMAGE, -100), a.event(STEADY, -200)),
    "rolled-back: events of another day": with_events(
        a.failing(rolled_back=True), a.event("was unable to place a task. Reason: x", -90100)),
    "roll-out-failed: the end of an earlier one": with_events(
        a.stack(service=a.service(deployments=(a.deployment(rollout="FAILED"),))), a.event(FAILED, -100),
        a.event("(deployment ecs-svc/0) deployment failed: alarm detected.", -9000)),
    **s.named("roll-out-going-on: a failed deployment of", {"another revision": a.OLD, "an earlier try": a.NEW},
            failed_before),
    "log-certificate-time: not yet valid": untrusted(
        "[SSL] certificate verify failed: certificate is not yet valid (_ssl.c:1000)"),
    "log-certificate: expired by RDS's date": untrusted(UNTRUSTED, a.at(-60)),
    "log-certificate: of another authority": untrusted(UNTRUSTED, a.at(60)),
    **{where.format("a right on a table"): now for where, now in lacks("table visits").items()},
    **{
        f"database-address, crash: a right on a {kind}": lacks(words)["database-address, crash: {}"]
        for kind, words in (("sequence", "sequence visits_id_seq"), ("schema", "schema private"))
    },
    "app-cannot-migrate: in a schema as the database's user": said(
        json.dumps(json.loads(s.UNMIGRATED) | {"reason": "permission denied for schema public"})),
    "crash: a right of the database's user": s.crashed(
        *s.trace("psycopg.errors.InsufficientPrivilege: permission denied for table visits"),
        main=s.env(DB_USER=None)),
    **s.named("log-aws-refused", AWS_REFUSES, lambda line: said(line, page=a.page(500))),
    **s.named("log-aws-throttles", {"GetSecretValue": THROTTLED}, lambda line: said(line, page=a.page(500))),
    "log-wrong-password: of the database's user": said(REFUSED),
    "log-wrong-password: of another user": said(REFUSED.replace("postgres", "app")),
    "database-away: the page, too": a.stack(database=a.database(status="stopped"), page=a.page(503)),
    "database-secret: another that may be read": foreign(
        secrets={s.OTHER_SECRET: Secret()}, execution=BARE),
    "database-secret: another without the key": foreign(
        secrets={s.OTHER_SECRET: Secret(keys=frozenset({"pin"}))}, execution=BARE),
    "database-secret: denied": DENIED,
    "task-role-cannot-read-secret: an ARN without its random end": a.stack(
        main=s.env(DB_SECRET_ARN=a.SECRET[:-7])),
    "execution-role-cannot-secret: of another team": a.stack(main=TWO_SECRETS),
    "execution-role-cannot-secret: its own and another": a.stack(main=TWO_SECRETS, execution=BARE),
    "execution-role-cannot-secret: two of its own, and no policy": a.stack(
        main=TWO_OWN, execution=replace(BARE, policies=())),
    **s.named("database-address", WRONG, lambda wrong: a.stack(main=s.env(**wrong))),
    **s.named("database-address: by the program", WRONG,
            lambda wrong: replace(a.stack(main=s.env(**wrong)), by_program=True)),
    "nothing: an app that needs no DB_HOST": a.stack(main=s.env(DB_HOST=None)),
}  # fmt: skip
