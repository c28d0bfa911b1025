"""Check how many connections the database has, and end those whose locks others wait for.

An app that leaks connections works until there are no more.
"""

from collections.abc import Iterator
from datetime import timedelta

from ecs_gate.checks import databases
from ecs_gate.diagnosis.case import Case
from ecs_gate.diagnosis.catalogue import DATABASE, DATABASE_NODE, Facts
from ecs_gate.diagnosis.findings import Finding, Fix
from ecs_gate.facts.rds import RESERVED_CONNECTIONS
from ecs_gate.text import Text, t

FULL = {f"log-{databases.FULL}"}
NEAR = 80
"""Percent of the allowed connections above which a warning is shown: RDS allows fewer than its formula gives."""
CONNECTIONS_NEAR = Facts("connections-near", 47, {DATABASE_NODE}, FULL, repeats=True, blocks=False)
CONNECTION_LEAK = Facts("connection-leak", 47, {DATABASE}, blocks=False)

LATE = timedelta(minutes=5)
"""How long after its end a task's connections may be in the newest value: RDS publishes one a minute, later."""

OPEN = (
    "SELECT pid, usename, now() - xact_start AS open_for, state, left(query, 60) AS query, (SELECT "
    "string_agg(DISTINCT relation::regclass::text, ' ') FROM pg_locks WHERE pg_locks.pid = pg_stat_activity.pid) AS "
    "locked, pg_blocking_pids(pid) AS waits_for FROM pg_stat_activity WHERE datname = current_database() AND "
    "xact_start IS NOT NULL ORDER BY xact_start"
)
# Which session holds the lock shows only while another one waits for it; an open transaction shows always.
END_OPEN = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
    "AND pid <> pg_backend_pid() AND xact_start < now() - interval '10 seconds'"
)
END_THEM = t(
    "List the open transactions, and end those of more than 10 s if none of them is needed:"
)


def end_transactions(case: Case, text: Text = END_THEM) -> Fix:
    """Return the fix that lists the open transactions with the tables that they lock, and ends the old ones."""
    return Fix(text, case.remedies.sql(OPEN, END_OPEN))


def open_connections(case: Case) -> Iterator[Finding]:
    """Warn of more connections than the tasks' pools allow, and from NEAR percent of the database's limit on.

    CloudWatch has only their number: whose they are is a question to the database.
    """
    measured, database = case.now.measured.value, case.now.database.value
    count, limit = measured.connections if measured else None, databases.limit(case)
    if count is None or database is None or limit == 0:
        return
    pools, leaks = _pools(case), are_of_others(case)
    near = count * 100 >= (limit - RESERVED_CONNECTIONS) * NEAR
    if not (near or leaks):
        return
    title = t("The database has {count} connections of some {limit}", count=count, limit=limit)
    if leaks:
        title = t(
            "The database has {count} connections, and the tasks' pools have at most {pools}",
            count=count,
            pools=pools,
        )
    yield Finding(
        CONNECTION_LEAK if leaks else CONNECTIONS_NEAR,
        kind="warning",
        title=title,
        why=t("Once it has no more, every page that needs one fails. The health check does not, so ECS sees nothing."),
        seen=(
            *databases.numbers(case),
            *(
                t("Task {task} has the address {address}.", task=task.short, address=task.address)
                for task in case.current_tasks
                if task.address
            ),
        ),
        fixes=(
            Fix(
                t(
                    "List them by user and address. Those of a task that are more than its pool are a leak: have "
                    "the app close what it opens, or give it back. Others are of another client:"
                ),
                case.remedies.sql(databases.WHO),
            ),
        ),
    )  # fmt: skip


def are_of_others(case: Case) -> bool:
    """Return whether more connections are open than the pools of the service's own tasks allow."""
    measured = case.now.measured.value
    return 0 < _pools(case) < ((measured.connections or 0) if measured else 0)


def _pools(case: Case) -> int:
    """Return the most connections of the pools of tasks, workers, jobs and commands; 0 for another app, whose pools
    are not known.
    """
    if not case.target.app.connections or case.definition is None:
        return 0
    tasks = [task for task in case.tasks if not task.stopped or case.at - task.stopped < LATE]
    known = (case.now.definitions.value or {}).values()
    most = max(databases.pools_of_task(case.target.app, each) for each in (case.definition, *known))
    return len(tasks) * most + case.target.plan.other_connections
