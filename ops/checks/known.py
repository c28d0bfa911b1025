"""Known causes of failure, by what the app's log says of them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from i18n import Text, t


@dataclass(frozen=True)
class Known:
    """A cause that a log line gives away. ``about`` is app, database or system."""

    id: str
    pattern: re.Pattern[str]
    title: Text
    why: Text
    fix: Text
    about: str = "app"


def _known(id_: str, pattern: str, title: Text, why: Text, fix: Text, about: str = "app") -> Known:
    return Known(id_, re.compile(pattern, re.I), title, why, fix, about)


KNOWN = (
    _known(
        "exec-format",
        r"exec format error",
        t("The image is built for another processor than the task runs on"),
        t("The processor cannot run the program in the image."),
        t("Set cpuArchitecture in the stack file; it decides both, the image and the task."),
        "system",
    ),
    _known(
        "module-missing",
        r"ModuleNotFoundError: No module named '?(?P<what>[\w.]+)",
        t("A Python module is missing in the image: {what}"),
        t("The app ends while it loads."),
        t(
            "Add it to the packages that the Dockerfile installs (in webapp: requirements.in, then "
            "`make lock`), or mend the import; then deploy."
        ),
    ),
    _known(
        "variable-missing",
        r"(?P<what>[A-Z][A-Z0-9_]{2,}) is missing\b|KeyError: '(?P<also>[A-Z][A-Z0-9_]{2,})'",
        t("The app misses the environment variable {what}"),
        t("The app refuses to start without it."),
        t(
            "Set it by `pulumi config set --path appVariables.{what} VALUE`, or, where the stack sets "
            "it, in infra/container.py; then deploy."
        ),
    ),
    _known(
        "setting-wrong",
        r"cannot start: (?P<what>[A-Z][A-Z0-9_]+ is [^;\"]+)",
        t("The app refuses a setting: {what}"),
        t("The app checks its environment before it starts."),
        t("Correct the variable, in appVariables or in infra/container.py, and deploy."),
    ),
    _known(
        "address-in-use",
        r"Address already in use|\[Errno 98\]",
        t("Two processes of the task want the same port"),
        t("The second one cannot listen and ends."),
        t("Let only one process of the task listen on the port."),
    ),
    _known(
        "permission",
        r"Read-only file system:? ?'?(?P<what>[^'\"]*)|\[Errno 13\] Permission denied:? ?'?(?P<also>[^'\"]*)",
        t("The app may not write where it wants to: {what}"),
        t("The container's root is read-only and its user is 10001; only /tmp can be written."),
        t("Let the app write to /tmp, or add a volume in infra/task.py."),
    ),
    _known(
        "no-temporary-folder",
        r"No usable temporary directory",
        t("The app finds no folder for temporary files"),
        t("On Fargate /tmp is root's, unless the image declares it as a volume."),
        t("Write VOLUME /tmp into the Dockerfile and deploy."),
    ),
    _known(
        "wrong-password",
        r"password authentication failed for user \\?\"(?P<what>[^\"\\]+)",
        t("The database refuses the password of {what}"),
        t("The password in the secret is not the database's, or the task holds an old one."),
        t(
            "Start new tasks, which read the secret anew; if that does not help, let RDS make a "
            "new password."
        ),
        "database",
    ),
    _known(
        "no-tls",
        r"no pg_hba\.conf entry .*?(?P<what>no encryption|SSL off)|server does not support SSL",
        t("The app connects without TLS, and the database refuses that"),
        t(
            "RDS for PostgreSQL refuses plain connections while rds.force_ssl is 1, its default "
            "from PostgreSQL 15 on."
        ),
        t("Take DB_SSLMODE out of the task definition; the app's default is verify-full."),
        "database",
    ),
    _known(
        "pg-hba",
        r"no pg_hba\.conf entry for (?P<what>[^\"]+)",
        t("The database lets nobody in from there: {what}"),
        t("Its rules name neither this address nor this user for that database."),
        t("Check DB_USER and DB_NAME, and rds.force_ssl."),
        "database",
    ),
    _known(
        "certificate",
        r"certificate verify failed|root certificate file .* does not exist",
        t("The app does not trust the database's certificate"),
        t("sslmode verify-full wants the CA that signed it; RDS has changed it before."),
        t(
            "Renew RDS's CA bundle in the image (in webapp: certs/rds-ca.pem) and deploy; check which "
            "file the app names (DB_SSLROOTCERT)."
        ),
        "database",
    ),
    _known(
        "database-unknown",
        r"database \\?\"(?P<what>[^\"\\]+)\\?\" does not exist",
        t("There is no database named {what}"),
        t("The server is there; the database in it is not."),
        t("Correct DB_NAME in infra/container.py, or create the database."),
        "database",
    ),
    _known(
        "host-unknown",
        r"could not translate host name \\?\"(?P<what>[^\"\\]+)|failed to resolve host '(?P<also>[^']+)",
        t("The name of the database is unknown: {what}"),
        t("DB_HOST is misspelt, or the database was made anew under another name."),
        t("Correct DB_HOST in infra/container.py: it is the instance's endpoint. Then deploy."),
        "database",
    ),
    _known(
        "too-many-connections",
        r"too many (clients|connections)|remaining connection slots are reserved",
        t("The database has no connection left"),
        t("max_connections of them are open: by the tasks of this stack, or by others."),
        t(
            "End the sessions that should not be there, run fewer tasks, or set a larger "
            "databaseInstanceClass. This says who holds them, by user and address:"
        ),
        "database",
    ),
    _known(
        "database-timeout",
        r"connection timeout expired|(could not connect|connection to server).*(timed out|timeout)",
        t("The app does not reach the database: the connection times out"),
        t("Nobody answers there: a security group drops it, or the database is not up."),
        t("Let the tasks' security group into the database's on its port."),
        "database",
    ),
    _known(
        "database-refused",
        r"connection to server.*Connection refused|could not connect.*Connection refused",
        t("The database refuses the connection"),
        t("Its host answers, but no server listens on that port."),
        t("Check DB_PORT and that the database is available."),
        "database",
    ),
    _known(
        "worker-killed",
        r"Worker \(pid:\d+\) was sent SIGKILL! Perhaps out of memory|MemoryError",
        t("The app runs out of memory"),
        t("The kernel kills a process that asks for more than the task has."),
        t("Set a larger taskMemory."),
        "system",
    ),
    _known(
        "worker-timeout",
        r"WORKER TIMEOUT",
        t("The app hangs: gunicorn ends a worker that does not answer"),
        t("A worker was busy with one thing for longer than gunicorn's timeout."),
        t("Find what blocks it; the lines before tell where."),
    ),
)
