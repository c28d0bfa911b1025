"""The catalogue of findings: one row for each id, with what is always true of it."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

INTERNET, FORWARD, DATABASE = "internet", "forward", "database"

IMAGE, SECRETS, LOGS = "image", "secrets", "logs"

BALANCER_NODE, TASKS_NODE, DATABASE_NODE = "balancer-node", "tasks-node", "database-node"

WHOLE = "whole"
"""Of findings about the stack or the account as a whole, which no single place shows."""


@dataclass(frozen=True)
class Row:
    """What is always true of the findings with this id."""

    id: str
    depth: int
    """Orders findings of a kind: a lower one is nearer to the root and comes first."""
    places: Collection[str]
    """Where on the path from a browser to the database it shows."""
    explained_by: Collection[str] = ()
    """The causes, all of a lower depth, beside any of which it is a consequence."""
    repeats: bool = False
    """Whether it only says again, or wrongly, what such a cause says: beside one it is left out."""
    blocks: bool = True
    """Whether it, as a cause, makes `pulumi up` red although the targets are healthy."""
    warms_up: bool = False
    """Whether an app that is still warming up shows it: the gate gives it time before it is red."""
    certain: bool = False
    """Whether waiting never ends it: only a change of the program, the image, a setting or a resource does.

    False where any case of it may pass: what starts, is throttled or full, or fails under load alone.
    """


def row(id_: str) -> Row:
    """Return the row of a finding's id. Raises LookupError for an id that has none."""
    if id_ not in CATALOGUE:
        raise LookupError(f"{id_}: no row of tools.diagnosis.catalogue has this id")
    return CATALOGUE[id_]


def _ids(rows: Iterable[Row]) -> tuple[str, ...]:
    return tuple(each.id for each in rows)


# The rows stand by subject. After some subjects: the ids that explain what follows.

ACCOUNT = (
    # No roll-out meets these, so none of them is called certain.
    Row("docker-missing", 1, {WHOLE}),
    Row("pulumi-missing", 1, {WHOLE}),
    Row("pulumi-old", 1, {WHOLE}),
    Row("zones-missing", 2, {WHOLE}),
    Row("service-role-rds", 3, {WHOLE}),
    Row("service-role-ecs", 4, {WHOLE}),
    Row("quota-L-F678F1CE", 6, {WHOLE}),
    Row("quota-L-0263D0A3", 6, {WHOLE}),
    Row("quota-L-FE5A380F", 6, {WHOLE}),
    Row("names-taken", 8, {WHOLE}),
)

SERVICE = (
    Row("stack-paused", 0, {WHOLE}),
    Row("ecs-off", 1, {WHOLE}),
    Row("stack-missing", 1, {WHOLE}, certain=True),
    # For a moment ECS may not show a new service, or still show one that is replaced.
    Row("service-missing", 10, {WHOLE}),
    Row("service-going", 11, {WHOLE}),
    # A schedule or Application Auto Scaling may start tasks again.
    Row("scaled-to-zero", 12, {TASKS_NODE}),
    Row("scaled-to-zero-by-schedule", 12, {TASKS_NODE}),
    Row("scaled-to-zero-in-hours", 12, {TASKS_NODE}),
    Row("fargate-quota", 15, {TASKS_NODE}),
    # Only another roll-out would meet these three.
    Row("fargate-quota-small", 16, {TASKS_NODE}, blocks=False),
    Row("sizes-near", 17, {WHOLE}, blocks=False),
    Row("subnets-full", 18, {TASKS_NODE}, blocks=False),
)

START = (
    Row("vpc-without-dns", 19, {IMAGE, SECRETS, LOGS, DATABASE}, certain=True),
    # A NAT gateway may be pending.
    Row("task-cannot-reach-aws", 20, {IMAGE, SECRETS, LOGS}),
    Row("task-https-closed", 22, {IMAGE, SECRETS, LOGS}, certain=True),
    Row("execution-role-missing", 24, {IMAGE, SECRETS, LOGS}, certain=True),
    Row("execution-role-not-trusted", 24, {IMAGE, SECRETS, LOGS}, certain=True),
    Row("database-secret", 25, {SECRETS}, certain=True),
    Row("log-group-missing", 26, {LOGS}, certain=True),
    Row("secret-key-missing", 26, {SECRETS}, certain=True),
    Row("secret-missing", 26, {SECRETS}, certain=True),
    # After what does not exist: no role may write a log group that is missing.
    Row("execution-role-cannot-log", 27, {LOGS}, certain=True),
    Row("execution-role-cannot-secret", 27, {SECRETS}, certain=True),
    Row("image-architecture", 28, {IMAGE}, certain=True),
    Row("image-missing", 28, {IMAGE}, certain=True),
    Row("execution-role-cannot-pull", 29, {IMAGE}, certain=True),
)

ENTRANCE = (
    Row("balancer-cannot-reach-task", 30, {FORWARD}, certain=True),
    Row("no-listener", 30, {INTERNET}, certain=True),
    Row("balancer-cut-off", 31, {BALANCER_NODE}, certain=True),
    Row("balancer-lets-nobody-in", 31, {INTERNET}, ("no-listener",), certain=True),
    Row("balancer-missing", 31, {BALANCER_NODE}, certain=True),
    # A load balancer may be provisioning, a certificate in validation.
    Row("balancer-not-active", 31, {BALANCER_NODE}),
    Row("certificate-not-valid", 31, {INTERNET}),
    Row("no-rule-forwards", 32, {FORWARD}, certain=True),
    Row("rule-in-the-way", 32, {FORWARD}, certain=True),
    Row("rule-taken", 32, {FORWARD}, certain=True),
    Row("service-not-attached", 32, {FORWARD}, certain=True),
    Row("target-group-missing", 32, {FORWARD}, certain=True),
    Row("health-check-off", 33, {FORWARD}),
    # ECS registers the task that replaces it.
    Row("target-deregistered", 33, {FORWARD}),
    Row("internet-cannot-reach-balancer", 34, {INTERNET}),
)

TO_DATABASE = (
    # A database may be starting, and RDS may give a full one more storage (MaxAllocatedStorage).
    Row("database-away", 40, {DATABASE_NODE}),
    Row("database-full", 40, {DATABASE_NODE}),
    Row("database-missing", 40, {DATABASE_NODE}, certain=True),
    Row("database-certificate-out-of-time", 41, {DATABASE}),
    Row("database-authority", 42, {DATABASE}, certain=True),
    Row("database-variables", 42, {DATABASE}, certain=True),
    Row("task-cannot-reach-database", 42, {DATABASE}, certain=True),
    Row("database-address", 43, {DATABASE}, certain=True),
    Row("database-wants-tls", 44, {DATABASE}, certain=True),
)

NO_DATABASE = ("vpc-without-dns", "database-secret", *_ids(TO_DATABASE))
"""Why the app does not get into its database."""

NO_PASSWORD = (*NO_DATABASE, "task-role-cannot-read-secret")

APP = (
    Row("app-cannot-migrate", 45, {TASKS_NODE}, NO_DATABASE),
    Row("app-certificate", 45, {DATABASE}, NO_DATABASE, certain=True),
    Row("app-database-elsewhere", 45, {DATABASE}, NO_DATABASE, certain=True),
    Row("app-database-refused", 45, {DATABASE}, NO_DATABASE),
    Row("app-database-timeout", 45, {DATABASE}, NO_DATABASE),
    Row("app-database-unknown", 45, {DATABASE}, NO_DATABASE, certain=True),
    Row("app-host-unknown", 45, {DATABASE}, NO_DATABASE),
    Row("app-no-tls", 45, {DATABASE}, NO_DATABASE, certain=True),
    Row("app-pg-hba", 45, {DATABASE}, NO_DATABASE),
    Row("app-too-many-connections", 45, {DATABASE}, NO_DATABASE),
    Row("app-wrong-password", 45, {DATABASE}, NO_PASSWORD),
)

DEPLOYMENT = (
    # The command may have needed what was not there for a while.
    Row("deploy-command-failed", 51, {TASKS_NODE}, (*_ids(START), *_ids(TO_DATABASE))),
    Row("not-deployed", 52, {WHOLE}, ("deploy-command-failed",), repeats=True),
)

NO_DATA = (*NO_DATABASE, *_ids(APP), "app-database-away")
"""Why a running app gets nothing out of its database."""

CRASH = (
    Row("sidecar-exited", 51, {TASKS_NODE}),
    Row("crash", 52, {TASKS_NODE}),
    Row("crash-by-program", 52, {TASKS_NODE}, certain=True),
    Row("crash-address-in-use", 52, {TASKS_NODE}, certain=True),
    Row("crash-certificate", 52, {DATABASE}, NO_DATABASE, certain=True),
    Row("crash-database-elsewhere", 52, {DATABASE}, NO_DATABASE, certain=True),
    Row("crash-database-refused", 52, {DATABASE}, NO_DATABASE),
    Row("crash-database-timeout", 52, {DATABASE}, NO_DATABASE),
    Row("crash-database-unknown", 52, {DATABASE}, NO_DATABASE, certain=True),
    Row("crash-driver-missing", 52, {TASKS_NODE}, certain=True),
    Row("crash-exec-format", 52, {TASKS_NODE}, ("image-architecture",), certain=True),
    # DNS may not have a new name yet.
    Row("crash-host-unknown", 52, {DATABASE}, NO_DATABASE),
    Row("crash-module-missing", 52, {TASKS_NODE}, certain=True),
    Row("crash-no-temporary-folder", 52, {TASKS_NODE}, certain=True),
    Row("crash-no-tls", 52, {DATABASE}, NO_DATABASE, certain=True),
    Row("crash-permission", 52, {TASKS_NODE}, certain=True),
    Row("crash-read-only-root", 52, {TASKS_NODE}, certain=True),
    Row("crash-sqlite", 52, {TASKS_NODE}, certain=True),
    Row("crash-pg-hba", 52, {DATABASE}, NO_DATABASE),
    Row("crash-setting-wrong", 52, {TASKS_NODE}, certain=True),
    Row("crash-too-many-connections", 52, {DATABASE}, NO_DATABASE),
    Row("crash-variable-missing", 52, {TASKS_NODE}, NO_DATABASE, certain=True),
    Row("crash-app-not-found", 52, {TASKS_NODE}, certain=True),
    Row("crash-app-not-loaded", 52, {TASKS_NODE}),
    # A broker may come later; a person corrects what a migration has met in the database.
    Row("crash-broker", 52, {TASKS_NODE}),
    Row("crash-database-url", 52, {TASKS_NODE}, NO_DATABASE, certain=True),
    Row("crash-dialect", 52, {TASKS_NODE}, certain=True),
    Row("crash-migration-exists", 52, {TASKS_NODE}),
    Row("crash-migration-heads", 52, {TASKS_NODE}, certain=True),
    Row("crash-migration-history", 52, {TASKS_NODE}),
    Row("crash-migration-parent", 52, {TASKS_NODE}, certain=True),
    Row("crash-migration-unknown", 52, {TASKS_NODE}),
    Row("crash-no-migrations", 52, {TASKS_NODE}, certain=True),
    Row("crash-secret-key-empty", 52, {TASKS_NODE}, certain=True),
    Row("crash-table-missing", 52, {TASKS_NODE}),
    Row("crash-worker-class", 52, {TASKS_NODE}, certain=True),
    Row("crash-worker-killed", 52, {TASKS_NODE}),
    Row("crash-worker-timeout", 52, {TASKS_NODE}),
    # RDS may just have changed it: the next task reads the new one.
    Row("crash-wrong-password", 52, {DATABASE}, NO_PASSWORD),
)

NO_ANSWER = (
    *("balancer-cannot-reach-task", "out-of-memory", "port-mismatch", "wrong-address"),
    *_ids(CRASH),
)
"""Why the load balancer gets no answer, however long it waits."""

HEALTH = (
    Row("health-needs-database", 38, {FORWARD}),
    Row("target-protocol", 57, {FORWARD}, certain=True),
    Row("port-mismatch", 58, {FORWARD}, certain=True),
    # The command fails as well where the app is only slow.
    Row("container-check-failed", 59, {TASKS_NODE}, ("out-of-memory",)),
    Row("health-protocol", 60, {FORWARD}, certain=True),
    Row("wrong-address", 60, {FORWARD}, certain=True),
    # An app that starts slowly refuses, too.
    Row("wrong-address-likely", 63, {FORWARD}, NO_ANSWER, repeats=True),
    Row("health-check-drifted", 61, {FORWARD}),
    # An app that is warming up may answer 503, a busy one 429.
    Row("health-errors", 62, {FORWARD}),
    Row("health-matcher", 62, {FORWARD}),
    Row("health-check-mended", 62, {FORWARD}),
    Row("health-host", 62, {FORWARD}),
    Row("health-forbidden", 62, {FORWARD}, certain=True),
    Row("health-path-missing", 62, {FORWARD}, certain=True),
    Row("health-redirects", 62, {FORWARD}, certain=True),
    Row(
        "health-slow", 64, {FORWARD}, ("balancer-cannot-reach-task", "out-of-memory"), repeats=True
    ),
    Row("slow-start", 64, {FORWARD}, NO_ANSWER, repeats=True),
    Row("slow-start-mended", 64, {FORWARD}, NO_ANSWER, repeats=True),
)

NO_PAGE = (
    *(*NO_DATA, "app-raises", "task-role-cannot-read-secret"),
    *("no-listener", "no-rule-forwards", "rule-in-the-way", "target-protocol"),
    "page-waits-for-database",
)
"""Why a visitor gets an error in place of the page."""

PAGE = (
    Row("page-waits-for-database", 62, {DATABASE}, NO_DATA, warms_up=True),
    Row("page-errors", 66, {TASKS_NODE}, NO_PAGE),
    Row("page-silent", 66, {TASKS_NODE}, NO_PAGE),
    Row("page-unavailable", 66, {TASKS_NODE}, NO_PAGE, warms_up=True),
)

TASKS = (
    # The execution role reads the password for the next task all the same.
    Row("task-role-cannot-read-secret", 42, {SECRETS}),
    Row("app-database-away", 47, {DATABASE}, (*NO_PASSWORD, *_ids(APP)), warms_up=True),
    # Memory may run out under load alone.
    Row("out-of-memory", 50, {TASKS_NODE}),
    Row("app-raises", 63, {TASKS_NODE}, NO_DATA),
    Row("app-requests-fail", 67, {TASKS_NODE}, (*NO_DATA, *_ids(PAGE))),
    Row("app-requests-failed", 67, {TASKS_NODE}),
    Row("task-cannot-start", 70, {TASKS_NODE}, _ids(START), repeats=True),
    Row("task-start-mended", 70, {TASKS_NODE}),
    Row("cannot-place-tasks", 72, {TASKS_NODE}, _ids(START), repeats=True),
    Row("stopped-by-hand", 74, {TASKS_NODE}),
)

REASONS = (*ACCOUNT, *SERVICE, *START, *ENTRANCE, *TO_DATABASE,
           *APP, *DEPLOYMENT, *CRASH, *HEALTH, *PAGE, *TASKS)  # fmt: skip

FAILED = (*_ids(REASONS), "tasks-die")
"""Why a roll-out fails: anything above."""

OUTCOME = (
    # Targets that are healthy now show that the roll-out got over those that do not block.
    Row("tasks-die", 75, {TASKS_NODE}, _ids(REASONS), blocks=False),
    Row("workers-die", 75, {TASKS_NODE}, _ids(REASONS), blocks=False),
    Row("spot-interrupted", 76, {TASKS_NODE}),
    Row("roll-out-failed", 80, {WHOLE}, FAILED, blocks=False),
    Row("rolled-back", 80, {WHOLE}, FAILED, blocks=False),
    Row("roll-out-going-on", 82, {WHOLE}),
    Row("deployed-after", 83, {WHOLE}),
    Row("targets-unhealthy", 90, {FORWARD}),
    Row("too-few-tasks", 95, {TASKS_NODE}, (*FAILED, "roll-out-failed", "rolled-back"), repeats=True,
        blocks=False),
)  # fmt: skip

CATALOGUE = {each.id: each for each in (*REASONS, *OUTCOME)}
