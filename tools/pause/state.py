"""What of a database decides whether it can be paused, resumed or destroyed."""

from __future__ import annotations

from stack.settings import Settings
from tools.aws.session import Session
from tools.doctor.checks.databases import PASSING, USABLE
from tools.i18n import Refused, Text, t
from tools.snapshot import rds, read_existing
from tools.snapshot.rds import Database, keeps_snapshot

STOPPED = ("stopping", "stopped")


def database_of(session: Session, settings: Settings) -> Database:
    """Return the stack's database. Raises AwsProblem, and Refused where there is none."""
    name = settings.names.database
    if (found := read_existing(_read, session, name)) is None:
        raise Refused(
            t(
                "There is no database {id} in {region}: nothing to pause or resume; `pulumi up -s "
                "{stack}` creates the stack.",
                id=name,
                region=session.region,
                stack=settings.stack,
            )
        )
    return found


def _read(session: Session, name: str) -> Database | None:
    return rds.database(session, name, full=False)


def not_waiting(database: Database) -> Refused | None:
    """Return a refusal for a status that neither accepts the operation nor ends on its own."""
    if database.status in USABLE | PASSING | {"stopped"}:
        return None
    return Refused(
        t(
            "The database {id} is {status}, which does not change without action; ./careapp "
            "doctor shows how to fix it.",
            id=database.id,
            status=database.status,
        )
    )


def check_pausable(database: Database, settings: Settings) -> None:
    """Raise Refused for a database that cannot be stopped now, or that a destroy could not delete any more.

    RDS does not modify a stopped instance (RDS user guide, limitations of stopping). So protection stays on
    during a pause, and Pulumi refuses to destroy a protected stack before it deletes anything.
    """
    if keeps_snapshot(settings) and not database.protected:
        name = settings.stack
        raise Refused(
            t(
                "A stack that keeps a final snapshot (databaseFinalSnapshot) can be paused only "
                "while it is protected: pulumi destroy would delete service and load balancer and "
                "then fail, because RDS takes no snapshot of a stopped database. Protect it: "
                "{protect}; or keep no snapshot: {drop}. Nothing was changed.",
                protect=f"pulumi config set protect true -s {name} && pulumi up -s {name}",
                drop=f"pulumi config set databaseFinalSnapshot '' -s {name} && pulumi up -s {name}",
            )
        )
    if refused := not_waiting(database):
        raise refused


def stopped_database(session: Session, settings: Settings) -> Text | None:
    """Return why a destroy of the stack would fail: its database is stopped and keeps a final snapshot.

    RDS takes no snapshot of a stopped DB instance (RDS API, DeleteDBInstance: InvalidDBInstanceState),
    and `pulumi destroy` asks for it last, when service and load balancer are gone. Raises AwsProblem.
    """
    if not keeps_snapshot(settings):
        return None
    found = read_existing(_read, session, settings.names.database)
    if found is None or found.status not in STOPPED:
        return None
    return t(
        "The database {id} is {status}, and RDS takes no final snapshot of it (databaseFinalSnapshot): a "
        "destroy would delete the service and the load balancer, then fail. Start it first: "
        "./careapp resume -s {stack}",
        id=found.id,
        status=found.status,
        stack=settings.stack,
    )
