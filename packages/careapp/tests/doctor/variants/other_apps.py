"""A stack that runs another app than the one in webapp/: its variables, secrets, pages and its log's words."""

import json
from dataclasses import replace

from careapp.additions.parts.settings import settings_of
from ecs_gate.parts.task_inputs import Secret
from ecs_gate.parts.task_logs import LogLine
from tests import stacks as a
from tests.doctor.logged import CAUSES, RETRIED
from tests.doctor.situations import FAILED_WITH, OTHER_SECRET, SITUATIONS, asked, crashed, env
from tests.doctor.variants.app import REFUSED, UNTRUSTED

ARN = f"arn:aws:secretsmanager:{a.REGION}:{a.ACCOUNT}:secret:team-b/key-GhIjKl"
OWN = a.definition(secrets={"DB_PASSWORD": f"{a.SECRET}:password::", "API_KEY": f"{ARN}:key::"})
MAY_READ = a.role(a.TOKEN, a.PULL, a.WRITE, a.READ, a.allow(ARN, "secretsmanager:GetSecretValue"))
LACKING = {**a.HEALTHY["secrets"], ARN: None}
NO_KEY = "ResourceInitializationError: unable to pull secrets: did not contain json key key"
PARAMETER = f"arn:aws:ssm:{a.REGION}:{a.ACCOUNT}:parameter/shop/key"
BY_NAME = a.definition(secrets={"API_KEY": "/shop/key", "OTHER": PARAMETER})
NO_FOLDER = "FileNotFoundError: [Errno 2] No usable temporary directory found in ['/tmp', '/srv']"


def settings(variables=None, secrets=None, **values):
    maps = {"appVariables": json.dumps(variables or {}), "appSecrets": json.dumps(secrets or {})}
    return a.choices(**{"appFolder": "apps/mine", **maps, **values})


WITH_KEY = settings(secrets={"API_KEY": f"{ARN}:key::"})


def health_check(code, path, **changes):
    """The load balancer's check of a path ends with a code."""
    return a.unhealthy(
        f"{FAILED_WITH}: [{code}]",
        settings=settings(healthPath=path),
        group=a.target_group(path=path, matcher="200"),
        **changes,
    )


def lacks(name, project="careapp", **changes):
    """An app that misses an environment variable."""
    now = crashed(f"KeyError: '{name}'", **changes)
    return a.declaring(now, replace(settings_of(now), project=project))


SALT = f"arn:aws:secretsmanager:{a.REGION}:{a.ACCOUNT}:secret:careapp-poc/key-GhIjKl:salt::"
BEFORE = {a.OLD: a.definition(arn=a.OLD, secrets={"SIGNATURE_SALT": SALT}), a.NEW: a.definition()}
NAMES = (
    *("SECRET_KEY", "API_TOKEN", "MAIL_PASSWORD", "GREETING", "DB_PASSWORD"),
    *("DATABASE_URL", "POSTGRES_HOST", "DATABASE_PORT", "PGUSER", "POSTGRES_DB", "DJANGO_DB_NAME"),
    "SQL_PASSWORD",
)
NO_DB = 'could not translate host name "db" to address: Name or service not known'
LOCALHOST = 'connection to server at "localhost" (127.0.0.1), port 5432 failed: Connection refused'
ELSEWHERE = {
    "a variable of the host": {"SQL_DB": "mydb", "SQL_HOST": "db"},
    "a URL with a port": {"URL": "postgres://db@db:5432/db"},
    "a URL with a query": {"URL": "postgres://db@db/db?x=db"},
    "a URL of another host": {"URL": "postgres://db@dbs/db"},
}


def rotated(seconds, **settings):
    """RDS has rotated the password at this second, and the database refuses the app's."""
    secrets = {a.SECRET: Secret(rotated=a.at(seconds))}
    logs = a.logs(a=['FATAL:  password authentication failed for user "postgres"'])
    return a.stack(a.choices(**settings), logs=logs, page=a.page(500), secrets=secrets)


MINE = {"appFolder": "apps/mine"}
OLD_NAMES = dict.fromkeys(("DB_PASSWORD", "PGPASSWORD"), f"{OTHER_SECRET}:password::")
VARIANTS = {
    **{
        f"log-{log.cause}: {name}": crashed("starting", *log.lines)
        for name, log in CAUSES.items()
    },
    **{f"log-variable-missing: {name}": lacks(name) for name in NAMES},
    "log-variable-missing: a secret before": lacks("SIGNATURE_SALT", definitions=BEFORE),
    "log-variable-missing: another project": lacks("SECRET_KEY", "acme"),
    "log-variable-missing: of appSecrets": lacks("API_KEY", settings=WITH_KEY),
    "log-database-elsewhere: localhost": crashed(LOCALHOST, settings=settings()),
    "log-database-elsewhere: localhost in webapp": crashed(LOCALHOST),
    **{
        f"log-host-unknown: {name}": crashed(NO_DB, settings=settings(variables))
        for name, variables in ELSEWHERE.items()
    },
    "log-wrong-password: rotated since the task's start": rotated(-300, **MINE),
    "log-wrong-password: rotated before": rotated(-900, **MINE),
    "log-wrong-password: webapp reads it again": rotated(-300),
    "log-migration-exists: retried for ever": a.unhealthy(
        "Health checks failed", lines=["INFO  [alembic] 0", *RETRIED * 3], tasks=(a.task(health="UNKNOWN"),)),
    "database-secret: the app's own name of it": a.stack(
        a.choices(**MINE, appSecrets='{"PGPASSWORD": "${DB_PASSWORD}"}'),
        main=a.definition(secrets=OLD_NAMES)),
    "secret-missing: of appSecrets": a.stack(WITH_KEY, main=OWN, secrets=LACKING, execution=MAY_READ),
    "secret-missing: of appSecrets before stage 2": a.stage1(
        settings(secrets={"API_KEY": f"{ARN}:key::"}, ecsEnabled="false"), secrets=LACKING),
    "secret-key-missing: of appSecrets": a.failing(
        a.ended(NO_KEY, stop="TaskFailedToStart"), settings=WITH_KEY, main=OWN, execution=MAY_READ),
    "execution-role-cannot-secret: of appSecrets": a.stack(WITH_KEY, main=OWN),
    "execution-role-cannot-secret: a parameter of Parameter Store": a.stack(settings(), main=BY_NAME),
    "nothing: a parameter that the role may read": a.stack(
        settings(), main=BY_NAME,
        execution=a.role(a.TOKEN, a.PULL, a.WRITE, a.allow(PARAMETER, "ssm:GetParameters"))),
    "wrong-address: of appVariables": a.unhealthy(
        "Health checks failed", main=env(HOST="127.0.0.1"), settings=settings({"HOST": "127.0.0.1"}),
        lines=["Listening at: http://127.0.0.1:3000 (7)"]),
    "log-no-temporary-folder: another app": crashed(NO_FOLDER, settings=settings()),
    "health-path-missing: the usual path": health_check(404, "/health"),
    "health-path-missing: the declared path": health_check(404, "/up"),
    "database-away, health-errors: by another path": health_check(500, "/up", database=a.database(status="stopped")),
    "health-matcher: another good status": health_check(204, "/up"),
    "log-no-tls: of appVariables": crashed(
        'no pg_hba.conf entry for host "10.0.16.4", no encryption', settings=settings({"DB_SSLMODE": "disable"})),
    "log-certificate: another image": a.stack(
        settings(), logs=a.logs(a=[f"connection failed: {UNTRUSTED}"]), page=a.page(500),
        database=a.database(authority="rds-ca-rsa2048-g1")),
    "database-secret: the database refuses what another program's app got from it": a.of_another_program(
        a.stack(main=a.definition(secrets={"DB_PASSWORD": f"{OTHER_SECRET}:password::"}),
                logs=a.logs(a=[REFUSED]), page=a.page(500))),
    "log-wrong-password: what another program's app got from RDS's secret": a.of_another_program(
        a.stack(logs=a.logs(a=[REFUSED]), page=a.page(500))),
    "log-wrong-password: of new connections, and another app's page works": a.stack(
        settings(), logs=a.logs(a=[a.LISTENS, REFUSED, asked("/", 200)])),
    "nothing: refused an hour ago, and another app's page works": a.stack(
        settings(), logs=replace(a.logs(), lines={"a" * 32: (LogLine(a.at(-3600), REFUSED),)})),
    "log-wrong-password: a page that fails": a.stack(settings(), logs=a.logs(a=[REFUSED]), page=a.page(500)),
    **{
        f"{name}: by another program of Pulumi": a.of_another_program(SITUATIONS[name])
        for name in ("health-path-missing", "health-matcher", "service-missing", "slow-start", "rolled-back")
    },
    "crash: only webapp demands DB_HOST": crashed(
        main=a.definition(environment={"PORT": "3000"}), settings=settings()),
}  # fmt: skip
