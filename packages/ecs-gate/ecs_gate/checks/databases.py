"""Check the database: its status, and whether the task definition refers to it correctly."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace

from ecs_gate.diagnosis.case import Case
from ecs_gate.diagnosis.catalogue import (
    DATABASE,
    DATABASE_NODE,
    SECRETS,
    TO_DATABASE,
    AtStart,
    Facts,
    Outside,
)
from ecs_gate.diagnosis.findings import Finding, Fix
from ecs_gate.facts.rds import max_connections
from ecs_gate.facts.secrets import secret_arn
from ecs_gate.parts.rds import Database
from ecs_gate.parts.records import Definition
from ecs_gate.screen import short_time
from ecs_gate.target import App
from ecs_gate.text import Text, t

DATABASE_SECRET = AtStart("database-secret", 25, {SECRETS}, {"restore-interrupted"}, repeats=True)
# A database may be starting, and RDS may give a full one more storage (MaxAllocatedStorage).
DATABASE_AWAY = Facts("database-away", 40, {DATABASE_NODE}, subject=TO_DATABASE, outside=True)
DATABASE_FULL = Facts("database-full", 40, {DATABASE_NODE}, subject=TO_DATABASE, outside=True)
DATABASE_MISSING = Outside("database-missing", 40, {DATABASE_NODE}, subject=TO_DATABASE)
DATABASE_ADDRESS = Facts("database-address", 43, {DATABASE}, subject=TO_DATABASE, certain=True)

USABLE = {
    *("available", "backing-up", "configuring-enhanced-monitoring", "configuring-log-exports"),
    *("configuring-iam-database-auth", "configuring-activity-stream", "converting-to-vpc"),
    *("delete-precheck", "modifying", "moving-to-vpc", "renaming", "resetting-master-credentials"),
    *("storage-config-upgrade", "storage-initialization", "storage-optimization"),
}
"""Statuses in which the database takes connections (RDS user guide, "Viewing DB instance status")."""

PASSING = {
    *("creating", "maintenance", "rebooting", "starting", "upgrading", "stopping"),
    *("configuring-associated-roles", "insufficient-capacity"),
}


def status(case: Case) -> Iterator[Finding]:
    part = case.now.database
    if part.problem:
        return
    database = part.value
    if database is None:
        if case.now.balancer.value is not None and case.now.names.database:
            yield _absent(case)
    elif database.status not in USABLE:
        yield Finding(
            DATABASE_FULL if database.status == "storage-full" else DATABASE_AWAY,
            title=t("The database is {status}", status=database.status),
            why=t("The database accepts no connections in this status. Pages that use it fail."),
            seen=(t("DB instance {id} is {status}.", id=database.id, status=database.status),),
            fixes=(_started(case, database), *case.then_retry()),
            evidence=tuple(
                f"{short_time(each.at, case.now.at)} {each.text}" for each in database.events[-3:]
            ),
        )


def _absent(case: Case) -> Finding:
    snapshots = f"aws rds describe-db-snapshots --db-instance-identifier {case.now.names.database}"
    kept = t("Its data may be in a snapshot:")
    return Finding(
        DATABASE_MISSING,
        title=t("The database does not exist"),
        why=t("The app has no database to connect to."),
        seen=(t("RDS knows no DB instance {id}.", id=case.now.names.database),),
        fixes=(
            case.refresh(t("Let the program create it, without the data that was in it:")),
            Fix(kept, (snapshots,), then=True),
        ),
    )


def _started(case: Case, database: Database) -> Fix:
    which = f"--db-instance-identifier {database.id}"
    wait = f"aws rds wait db-instance-available {which}"
    if database.status == "stopped":
        return Fix(t("Start it:"), (f"aws rds start-db-instance {which}", wait))
    if database.status == "storage-full":
        more = str(max(database.storage_gb + 10, database.storage_gb * 3 // 2))
        return case.configure("databaseStorageGb", more, t("Give it more storage:"))
    if database.status in PASSING:
        return Fix(t("Wait until it is available:"), (wait,))
    return Fix(
        t("Read its RDS events, and fix the cause:"),
        (f"aws rds describe-events --source-type db-instance --source-identifier {database.id}",),
    )


def address(case: Case) -> Iterator[Finding]:
    """Check that the task definition names this database: host, port, name, user."""
    definition, database = case.definition, case.now.database.value
    if definition is None or database is None or not database.address:
        return
    wanted = {
        "DB_HOST": database.address,
        "DB_PORT": str(database.port),
        "DB_NAME": database.name,
        "DB_USER": database.user,
    }
    # What a person has named himself may be another database or user, on purpose.
    known = {k: v for k, v in definition.environment.items() if k in case.target.plan.made}
    wrong = {
        name: (known[name], right)
        for name, right in wanted.items()
        if right and known.get(name, right) != right
    }
    finding = Finding(
        DATABASE_ADDRESS,
        title=t("The task definition names another database"),
        why=t("The app connects to the wrong host or database, or as a user that does not exist."),
    )
    # RDS changes its port where a person changes it; the others stay for ever.
    yield from _corrected(case, finding, wrong, drifts="DB_PORT" in wrong)


def _corrected(
    case: Case, finding: Finding, wrong: Mapping[str, tuple[str, str]], *, drifts: bool = False
) -> Iterator[Finding]:
    """Yield the finding of variables of the task definition, each with its value and the right one, if there is one."""
    definition = case.definition
    if not wrong or definition is None:
        return
    correction = t(
        "Set {values} ({container}), and deploy:",
        values=", ".join(f"{name}={right}" for name, (_, right) in wrong.items()),
    )
    seen = tuple(
        t(
            "{variable} is {now} in {revision}; the database has {right}.",
            variable=name,
            now=now,
            revision=definition.revision,
            right=right,
        )
        for name, (now, right) in wrong.items()
    )
    yield replace(finding, seen=seen, fixes=case.correct_program(correction, drifts=drifts))


def other_secrets(case: Case) -> Mapping[str, str]:
    """Return the variables that name another secret than the one that RDS manages, with its ARN.

    RDS keeps the master password in that secret alone, and changes it every 7 days. An ARN without its
    last seven characters names the same secret (Secrets Manager user guide, "Secret ARN").
    """
    definition, database = case.definition, case.now.database.value
    plan = case.target.plan
    if definition is None or database is None or not (database.secret and plan.made):
        return {}
    passwords = ("DB_PASSWORD", *plan.passwords)
    named = {name: secret_arn(definition.secrets.get(name, "")) for name in passwords}
    named["DB_SECRET_ARN"] = definition.environment.get("DB_SECRET_ARN", "")
    own = ("", database.secret, database.secret[:-7])
    return {name: arn for name, arn in named.items() if arn not in own}


OF_DATABASE = re.compile(
    r"(?:\w+_)?(?:DB|DATABASE|SQL|PG|POSTGRES|POSTGRESQL)_?"
    r"(?:(?P<host>HOST|SERVER)|(?P<port>PORT)|(?P<user>USER|USERNAME)|(?P<name>NAME|DB|DATABASE)"
    r"|(?P<password>PASSWORD|PASS|PW))"
)
"""Variables in which apps expect one part of the database's address."""


def refused_secret(case: Case, user: str) -> Iterator[Finding]:
    """Find where an app has its refused password from, if nothing of it is in the secret that RDS manages.

    Of an app whose variables its owner has named himself: its ``user`` is the one whose password RDS keeps there.
    """
    definition, database = case.definition, case.now.database.value
    if definition is None or database is None or case.target.plan.made:
        return
    named = {name: secret_arn(value) for name, value in definition.secrets.items()}
    own = {database.secret, database.secret[:-7]} & {*named.values()}
    if database.secret and database.user == user and not own:
        of_password = {n: m for n in named if (m := OF_DATABASE.fullmatch(n)) and m["password"]}
        yield from _of_secrets(case, database, {name: named[name] for name in of_password})


def secret(case: Case) -> Iterator[Finding]:
    """Check that the task definition names the secret that RDS manages for this database."""
    if database := case.now.database.value:
        yield from _of_secrets(case, database, other_secrets(case))


def _of_secrets(case: Case, database: Database, others: Mapping[str, str]) -> Iterator[Finding]:
    rights = dict.fromkeys(others, f"{database.secret}:password::")
    rights["DB_SECRET_ARN"] = database.secret
    finding = Finding(
        DATABASE_SECRET,
        title=t("The task definition names another secret than the database's"),
        why=t("Its password is another database's, or expires within 7 days."),
        evidence=case.matching_lines(r"(?i)authentication failed"),
    )
    yield from _corrected(
        case, finding, {name: (arn, rights[name]) for name, arn in others.items()}
    )


WHO = "SELECT usename, client_addr, count(*) FROM pg_stat_activity GROUP BY 1, 2 ORDER BY 3 DESC"

FULL = "too-many-connections"


def rotated(case: Case, database: Database) -> Fix:
    """Return the fix that lets RDS write a new password into its secret, and starts tasks with it."""
    rotate = (
        f"aws rds modify-db-instance --db-instance-identifier {database.id} "
        "--rotate-master-user-password --apply-immediately"
    )
    text = t("Let RDS rotate the password, then start new tasks, which read it:")
    return Fix(text, (rotate, *case.remedies.retry()))


def numbers(case: Case) -> Iterator[Text]:
    """Yield how many connections are open and allowed, and, where it is known, how many the tasks may open."""
    database, definition = case.now.database.value, case.definition
    if database is None or definition is None:
        return
    count = case.now.measured.value.connections if case.now.measured.value else None
    if count is not None:
        yield t("DatabaseConnections is {count} (CloudWatch).", count=count)
    if most := limit(case):
        yield t("{kind} allows some {limit}.", kind=database.kind, limit=most)
    if case.target.app.connections:
        yield t(
            "{count} task runs; it opens {each} at most.",
            "{count} tasks run; each opens {each} at most.",
            count=len(case.current_tasks),
            each=pools_of_task(case.target.app, definition),
        )


def pools_of_task(app: App, definition: Definition) -> int:
    """Return the most connections that a task of an app opens, of which it is known."""
    workers = definition.environment.get("WEB_CONCURRENCY", "1")
    pool = definition.environment.get("DB_POOL_SIZE", "")
    pool_size = (int(pool) if pool.isdigit() else app.connections) + app.spare_connections
    return pool_size * (int(workers) if workers.isdigit() else 1)


def limit(case: Case) -> int:
    """Return about how many connections the database allows; 0 where no rule for its engine or class is known."""
    database = case.now.database.value
    try:
        return max_connections(database.kind) if database and database.engine == "postgres" else 0
    except ValueError:
        return 0
