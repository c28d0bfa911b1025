"""Check the database: its status, and whether the task definition refers to it correctly."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches

from stack.container import PASSWORD
from stack.database import max_connections
from stack.image import APP_CONNECTIONS
from stack.sizes import SPARE_CONNECTIONS
from stack.statements import secret_arn
from tools.aws.rds_certificates import BUNDLE
from tools.diagnosis.case import Case
from tools.diagnosis.catalogue import DATABASE, DATABASE_NODE, SECRETS, START, TO_DATABASE, Facts
from tools.diagnosis.findings import Finding, Fix
from tools.diagnosis.known_causes import ANOTHER_HOST, Known, LoggedCause
from tools.i18n import Text, t
from tools.screen import short_time, zoned_time
from tools.shared.rds_roots import root
from tools.snapshot.rds import Database
from tools.snapshot.records import Definition
from tools.snapshot.task_logs import BACK

DATABASE_SECRET = Facts("database-secret", 25, {SECRETS}, subject=START, certain=True)
# A database may be starting, and RDS may give a full one more storage (MaxAllocatedStorage).
DATABASE_AWAY = Facts("database-away", 40, {DATABASE_NODE}, subject=TO_DATABASE, outside=True)
DATABASE_FULL = Facts("database-full", 40, {DATABASE_NODE}, subject=TO_DATABASE, outside=True)
DATABASE_MISSING = Facts(
    "database-missing", 40, {DATABASE_NODE}, subject=TO_DATABASE, certain=True, outside=True
)
DATABASE_CERTIFICATE_OUT_OF_TIME = Facts(
    "database-certificate-out-of-time", 41, {DATABASE}, subject=TO_DATABASE, outside=True
)
DATABASE_AUTHORITY = Facts("database-authority", 42, {DATABASE}, subject=TO_DATABASE, certain=True)
DATABASE_VARIABLES = Facts("database-variables", 42, {DATABASE}, subject=TO_DATABASE, certain=True)
DATABASE_ADDRESS = Facts("database-address", 43, {DATABASE}, subject=TO_DATABASE, certain=True)
DATABASE_WANTS_TLS = Facts("database-wants-tls", 44, {DATABASE}, subject=TO_DATABASE, certain=True)

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

PLAIN = ("disable",)
"""sslmodes that never use TLS (libpq documentation)."""


def status(case: Case) -> Iterator[Finding]:
    """Check that the database exists and is available."""
    part = case.now.database
    if part.problem:
        return
    found = part.value
    if found is None:
        if case.now.balancer.value is not None:
            yield _absent(case)
    elif found.status not in USABLE:
        yield Finding(
            DATABASE_FULL if found.status == "storage-full" else DATABASE_AWAY,
            title=t("The database is {status}", status=found.status),
            why=t("The database accepts no connections in this status. Pages that use it fail."),
            seen=(t("DB instance {id} is {status}.", id=found.id, status=found.status),),
            fixes=(_started(case, found), *case.then_retry()),
            evidence=tuple(
                f"{short_time(each.at, case.now.at)} {each.text}" for each in found.events[-3:]
            ),
        )


def _absent(case: Case) -> Finding:
    return Finding(
        DATABASE_MISSING,
        title=t("The database does not exist"),
        why=t("The app has no database to connect to."),
        seen=(t("RDS knows no DB instance {id}.", id=case.now.names.database),),
        fixes=(case.refresh(t("Let Pulumi create it:")),),
    )


def _started(case: Case, found: Database) -> Fix:
    which = f"--db-instance-identifier {found.id}"
    wait = f"aws rds wait db-instance-available {which}"
    if found.status == "stopped":
        return Fix(t("Start it:"), (f"aws rds start-db-instance {which}", wait))
    if found.status == "storage-full":
        more = str(max(found.storage_gb + 10, found.storage_gb * 3 // 2))
        return case.configure("databaseStorageGb", more, t("Give it more storage:"))
    if found.status in PASSING:
        return Fix(t("Wait until it is available:"), (wait,))
    return Fix(
        t("Read its RDS events, and fix the cause:"),
        (f"aws rds describe-events --source-type db-instance --source-identifier {found.id}",),
    )


def tls(case: Case) -> Iterator[Finding]:
    """Check that the app uses TLS where the database requires it."""
    definition, database = case.definition, case.now.database.value
    mode = definition.environment.get("DB_SSLMODE", "") if definition else ""
    if database is None or database.force_ssl is not True or mode not in PLAIN:
        return
    yield Finding(
        DATABASE_WANTS_TLS,
        title=t("The app connects without TLS, and the database refuses that"),
        why=t(
            "RDS for PostgreSQL refuses plain connections while rds.force_ssl is 1, its default "
            "from PostgreSQL 15 on."
        ),
        seen=(
            t("DB_SSLMODE is {mode} in {revision}.", mode=mode, revision=_revision(case)),
            t("rds.force_ssl is 1 for DB instance {id}.", id=database.id),
        ),
        fixes=(_without_mode(case),),
        evidence=case.matching_lines(r"(?i)no pg_hba\.conf entry|no encryption|SSL off"),
    )


def _without_mode(case: Case) -> Fix:
    stack, declared = case.now.names.stack, case.now.settings.service.variables
    text = t(
        "Remove DB_SSLMODE from the task definition (the app's default is verify-full), and deploy:"
    )
    if "DB_SSLMODE" not in declared:
        return case.deploy(text)
    text = t("Make the app connect with TLS (sslmode verify-full), and deploy:")
    changed = f"pulumi config set --path appVariables.DB_SSLMODE verify-full -s {stack}"
    return Fix(text, (changed, f"pulumi up -s {stack}"))


def authority(case: Case) -> Iterator[Finding]:
    """Check that the app's CA bundle has the CA that signed the database's certificate."""
    database, carried = case.now.database.value, case.now.authorities
    name = root(case.now.region, database.authority) if database else ""
    refused = _refused(case)
    if database is not None and refused and (expired := _out_of_time(case, database, refused)):
        yield expired
        return
    configured = case.definition is not None and "DB_SSLROOTCERT" in case.definition.environment
    lacking = not configured and carried is not None and name not in carried
    if database is None or not name or not (refused or lacking):
        return
    seen = [
        t(
            "The certificate of {id} is signed by {root} ({identifier}).",
            id=database.id,
            root=name,
            identifier=database.authority,
        )
    ]
    if lacking:
        seen.append(t("{file} does not hold it.", file=BUNDLE))
    yield Finding(
        DATABASE_AUTHORITY,
        title=t("The app's CA bundle lacks the authority of the database"),
        why=t(
            "With sslmode verify-full the app refuses a server whose certificate its "
            "CA bundle cannot verify."
        ),
        seen=tuple(seen),
        fixes=(case.deploy(_with_bundle(case)),),
        evidence=refused,
    )


OUT_OF_TIME = re.compile(r"certificate (has expired|is not yet valid)")
"""OpenSSL's words (x509_txt.c); libpq leaves them out, and then RDS's own date tells."""


def _out_of_time(case: Case, database: Database, refused: tuple[str, ...]) -> Finding | None:
    """Return the finding that the database's certificate has expired or is not valid yet; None for neither."""
    said = next((found[0] for each in refused if (found := OUT_OF_TIME.search(each))), "")
    until = database.certified_until
    if not said and (until is None or until > case.moment):
        return None
    seen = [t("The app's log: {words}.", words=said)] if said else []
    if until is not None:
        seen.append(
            t(
                "The certificate of {id} is valid until {time}.",
                id=database.id,
                time=zoned_time(until),
            )
        )
    early = said.endswith("not yet valid")
    return Finding(
        DATABASE_CERTIFICATE_OUT_OF_TIME,
        title=t("The database's certificate is not yet valid")
        if early
        else t("The database's certificate has expired"),
        why=t(
            "With sslmode verify-full the app refuses such a certificate, whatever its CA bundle holds."
        ),
        seen=tuple(seen),
        fixes=(
            Fix(
                t(
                    "Have RDS issue a new certificate; with some engine versions the instance restarts:"
                ),
                (
                    f"aws rds modify-db-instance --db-instance-identifier {database.id} "
                    f"--ca-certificate-identifier {database.authority or 'rds-ca-rsa2048-g1'} "
                    "--certificate-rotation-restart --apply-immediately",
                ),
            ),
            *case.then_retry(),
        ),
        evidence=refused,
    )


def _with_bundle(case: Case) -> Text:
    if case.now.settings.webapp:
        return t(
            "Put RDS's CA bundle of the region into the image as {file}, make the app and "
            "DB_SSLROOTCERT use this file, and deploy:",
            file=BUNDLE,
        )
    return t(
        "Put RDS's CA bundle of the region (truststore.pki.rds.amazonaws.com) into the "
        "image, make the app use that file, and deploy:"
    )


def _refused(case: Case) -> tuple[str, ...]:
    """Return the last log line with a failed certificate verification that no later connection follows."""
    for task in (*case.active_tasks, *case.failed_tasks):
        for line in reversed(case.lines(task)):
            if BACK in line.text:
                break
            if "certificate verify failed" in line.text:
                return (line.text,)
    return ()


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
    wrong = [
        name
        for name, right in wanted.items()
        if right and definition.environment.get(name) not in (None, right)
    ]
    seen: list[Text] = [
        t(
            "{variable} is {now} in {revision}; the database has {right}.",
            variable=name,
            now=definition.environment[name],
            revision=definition.revision,
            right=wanted[name],
        )
        for name in wrong
    ]
    if seen:
        yield Finding(
            DATABASE_ADDRESS,
            title=t("The task definition names another database"),
            why=t(
                "The app connects to the wrong host or database, or as a user that does not exist."
            ),
            seen=tuple(seen),
            fixes=case.correct_program(
                t(
                    "Set {values} in infra/container.py (environment), and deploy:",
                    values=", ".join(f"{name}={wanted[name]}" for name in wrong),
                ),
                # RDS changes its port where a person changes it; the others stay for ever.
                drifts="DB_PORT" in wrong,
            ),
        )


def other_secrets(case: Case) -> Mapping[str, str]:
    """Return the variables that name another secret than the one that RDS manages, with its ARN.

    RDS keeps the master password in that secret alone, and changes it every 7 days. An ARN without its
    last seven characters names the same secret (Secrets Manager user guide, "Secret ARN").
    """
    definition, database = case.definition, case.now.database.value
    if definition is None or database is None or not database.secret:
        return {}
    passwords = ("DB_PASSWORD", *case.now.settings.service.passwords)
    named = {name: secret_arn(definition.secrets.get(name, "")) for name in passwords}
    named["DB_SECRET_ARN"] = definition.environment.get("DB_SECRET_ARN", "")
    own = ("", database.secret, database.secret[:-7])
    return {name: arn for name, arn in named.items() if arn not in own}


def secret(case: Case) -> Iterator[Finding]:
    """Check that the task definition names the secret that RDS manages for this database."""
    definition, database, others = case.definition, case.now.database.value, other_secrets(case)
    if definition is None or database is None or not others:
        return
    password = f"{database.secret}:password::"
    values = {**dict.fromkeys(others, password), "DB_SECRET_ARN": database.secret}
    yield Finding(
        DATABASE_SECRET,
        title=t("The task definition names another secret than the database's"),
        why=t("Its password is another database's, or expires within 7 days."),
        seen=tuple(
            t(
                "{variable} is {now} in {revision}; RDS keeps the password in {right}.",
                variable=name,
                now=arn,
                revision=definition.revision,
                right=database.secret,
            )
            for name, arn in others.items()
        ),
        fixes=case.correct_program(
            t(
                "Set {values} in infra/container.py, and deploy:",
                values=", ".join(f"{name}={values[name]}" for name in others),
            ),
            drifts=False,
        ),
        evidence=case.matching_lines(r"(?i)authentication failed"),
    )


DEMANDED = ("DB_HOST", "DB_NAME", "DB_USER")
"""Variables without which the app in webapp/ does not start (webapp/settings.py; a test compares them)."""


def variables(case: Case) -> Iterator[Finding]:
    """Check that the task definition sets the variables that the app in webapp/ requires.

    What another app than the one in webapp/ demands is not known.
    """
    definition = case.definition
    if definition is None or not case.unsteady or not case.now.settings.webapp:
        return
    variables = {**definition.environment, **definition.secrets}
    missing = [name for name in DEMANDED if not variables.get(name)]
    if not variables.get("DB_PASSWORD") and not variables.get("DB_SECRET_ARN"):
        missing.append("DB_PASSWORD")
    if not missing:
        return
    near = {name: get_close_matches(name, variables, 1) for name in missing}
    yield Finding(
        DATABASE_VARIABLES,
        title=t("The task definition does not set {names}", names=", ".join(missing)),
        why=t("The app refuses to start without it."),
        seen=tuple(
            t("{revision} sets {near}; the app reads {name}.", revision=definition.revision,
              near=found[0], name=name)
            if found
            else t("{revision} sets no {name}.", revision=definition.revision, name=name)
            for name, found in near.items()
        ),
        fixes=case.correct_program(
            t("Set {names} in infra/container.py, and deploy:", names=", ".join(missing)),
            drifts=False,
        ),
    )  # fmt: skip


WHO = "SELECT usename, client_addr, count(*) FROM pg_stat_activity GROUP BY 1, 2 ORDER BY 3 DESC"

FULL = "too-many-connections"


def fix(case: Case, cause: LoggedCause) -> Fix:
    """Return the fix of what a line of the log says of the database, with the commands that help."""
    if cause.known.id == FULL:
        return Fix(cause.fix, case.psql(WHO))
    if cause.known.id == "wrong-password":
        return _other_password(case, cause)
    if _is_another_host(case, cause):
        return _other_host(case, cause)
    return Fix(cause.fix)


OF_HOST = ("database-elsewhere", "host-unknown")
"""Causes whose ``what`` is the host for which the app asks."""


def _other_host(case: Case, cause: LoggedCause) -> Fix:
    """Return the fix of a host that is not the database's, which the app reads from a variable of its own."""
    text = t(
        "Set the variable from which the app reads the host to the database's host, and deploy:"
    )
    declared = case.now.settings.service.variables
    return Fix(text, set_to_stack_s(case, _with_host(declared, cause.what)))


def _is_another_host(case: Case, cause: LoggedCause) -> bool:
    """Return whether the app, which is not the one in webapp/, asks for another host than the database's."""
    database = case.now.database.value
    if cause.known.id not in OF_HOST or database is None or case.now.settings.webapp:
        return False
    return cause.what != database.address


def _with_host(declared: Mapping[str, str], host: str) -> dict[str, str]:
    """Return the variable that has another host, in a URL or alone, with the database's; NAME where it is not known."""
    of_url = re.compile(rf"(?<=@){re.escape(host)}(?=[:/?]|$)")
    for name, text in declared.items():
        if text == host or of_url.search(text):
            return {name: of_url.sub("${DB_HOST}", text) if text != host else "${DB_HOST}"}
    return {"NAME": "${DB_HOST}"}


def set_to_stack_s(case: Case, values: Mapping[str, str]) -> tuple[str, ...]:
    """Return the commands that give variables of the app what the stack has, and deploy."""
    stack = case.now.names.stack
    kinds = {name: "Secrets" if text == PASSWORD else "Variables" for name, text in values.items()}
    changes = (
        f"pulumi config set --plaintext --path app{kinds[name]}.{name} '{text}' -s {stack}"
        for name, text in values.items()
    )
    return (*changes, f"pulumi up -s {stack}")


def _other_password(case: Case, cause: LoggedCause) -> Fix:
    """Return the fix that makes the app's password and the database's the same.

    RDS keeps the master user's password in the secret; that of another user is set by psql, which asks for it.
    """
    database, user = case.now.database.value, cause.what
    if database is None or not user:
        return Fix(cause.fix)
    if user != database.user:
        text = t(
            "Set the password of {user} to the one in the app's secret; psql asks for it:",
            user=user,
        )
        return Fix(text, case.psql(f"\\password {user}"))
    if _older_than_password(case, database):
        text = t(
            "RDS has rotated the password since these tasks started, and the app keeps the one that it started with "
            "(docs/your-app.md). Start new tasks, which read it:"
        )
        return Fix(text, (case.retry_command,))
    return rotated(case, database)


def _older_than_password(case: Case, database: Database) -> bool:
    """Return whether the running tasks started before the last rotation; webapp/ reads the password again."""
    secret = (case.now.secrets.value or {}).get(database.secret)
    started = [each.started for each in case.current_tasks]
    if case.now.settings.webapp or secret is None or secret.rotated is None or not started:
        return False
    return all(each is not None and each < secret.rotated for each in started)


def rotated(case: Case, database: Database) -> Fix:
    """Return the fix that lets RDS write a new password into its secret, and starts tasks with it."""
    rotate = (
        f"aws rds modify-db-instance --db-instance-identifier {database.id} "
        "--rotate-master-user-password --apply-immediately"
    )
    text = t("Let RDS rotate the password, then start new tasks, which read it:")
    return Fix(text, (rotate, case.retry_command))


def why(case: Case, cause: LoggedCause) -> Text:
    """Return why it fails; for too many connections, which clients use them, as far as the numbers show.

    How many another app than the one in webapp/ opens is not known.
    """
    known, own, most = cause.known, _own(case), limit(case)
    count = case.now.measured.value.connections if case.now.measured.value else None
    if _is_another_host(case, cause):
        return ANOTHER_HOST
    if known.id != FULL or not most or not case.now.settings.webapp:
        return known.why
    if own >= most:
        return t(
            "The tasks of this stack may open more connections than the instance class allows."
        )
    if count is not None and count > own:
        return t(
            "At least {count} of them does not belong to this stack's tasks.",
            "At least {count} of them do not belong to this stack's tasks.",
            count=count - own,
        )
    return t("The tasks of this stack cannot use all of them: other clients use some.")


def measured(case: Case, known: Known) -> tuple[Text, ...]:
    """Return the numbers of connections: open, allowed, and what the tasks of the stack may open."""
    return tuple(numbers(case)) if known.id == FULL else ()


def numbers(case: Case) -> Iterator[Text]:
    """Yield how many connections are open and allowed, and how many the tasks of the app in webapp/ may open."""
    database, definition = case.now.database.value, case.definition
    if database is None or definition is None:
        return
    count = case.now.measured.value.connections if case.now.measured.value else None
    if count is not None:
        yield t("DatabaseConnections is {count} (CloudWatch).", count=count)
    if most := limit(case):
        yield t("{kind} allows some {limit}.", kind=database.kind, limit=most)
    if case.now.settings.webapp:
        yield t(
            "{count} task runs; it opens {each} at most.",
            "{count} tasks run; each opens {each} at most.",
            count=len(case.current_tasks),
            each=pools_of_task(definition),
        )


def pools_of_task(definition: Definition) -> int:
    """Return the most connections that a task of the app in webapp/ opens."""
    workers = definition.environment.get("WEB_CONCURRENCY", "1")
    pool = definition.environment.get("DB_POOL_SIZE", APP_CONNECTIONS.default)
    each = int(pool if pool.isdigit() else APP_CONNECTIONS.default) + SPARE_CONNECTIONS
    return each * (int(workers) if workers.isdigit() else 1)


def _own(case: Case) -> int:
    return len(case.current_tasks) * pools_of_task(case.definition) if case.definition else 0


def limit(case: Case) -> int:
    """Return RDS's default of max_connections; 0 for an unknown instance class."""
    database = case.now.database.value
    try:
        return max_connections(database.kind) if database else 0
    except ValueError:
        return 0


def _revision(case: Case) -> str:
    return case.definition.revision if case.definition else ""


def away(case: Case) -> bool:
    """Return whether the database is known to accept no connections."""
    found = case.now.database.value
    return found is not None and found.status not in USABLE
