"""Check that a restore of the database has ended."""

from collections.abc import Iterator

from careapp.additions.parts.restores import ASIDE, RESTORED
from careapp.additions.parts.settings import settings_of
from ecs_gate.checks.databases import other_secrets
from ecs_gate.diagnosis.case import Case
from ecs_gate.diagnosis.catalogue import DATABASE_NODE, TO_DATABASE, Outside
from ecs_gate.diagnosis.findings import Finding, Fix
from ecs_gate.text import t

RESTORE_INTERRUPTED = Outside("restore-interrupted", 24, {DATABASE_NODE}, subject=TO_DATABASE)


def interrupted_restore(case: Case) -> Iterator[Finding]:
    """Find a restore that has not ended and without which the app gets into no database.

    The fix keeps all data: what Pulumi would create in the place of a renamed instance is empty.
    """
    settings = settings_of(case)
    database, left = (
        case.now.database.value,
        aside.instances if (aside := case.now.of(ASIDE).value) else (),
    )
    if database is not None and RESTORED in database.tags and case.definition is not None:
        # Until it has been given to Pulumi the tasks have the password of the instance before.
        left = (database,) if not database.secret or other_secrets(case) else ()
    if left:
        stack = settings.stack
        text = t("Let the restore go on where it was interrupted; it keeps the old data, too:")
        yield Finding(
            RESTORE_INTERRUPTED,
            title=t("A restore of the database has not ended"),
            why=t(
                "Until it does the app has no database; the data is in instances of other names."
            ),
            seen=tuple(
                t("DB instance {id} is {status}.", id=each.id, status=each.status) for each in left
            ),
            fixes=(Fix(text, (f"./careapp db restore --yes -s {stack}",)),),
        )
