"""Messages of libraries and servers with a known cause, and the cause that a log ends with.

Flask, Flask-Migrate, Alembic, SQLAlchemy, Django, Celery, gunicorn, uWSGI, Waitress and Uvicorn, as they say it
themselves: tests/doctor/logged.txt has their real lines, logged.py the versions.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ecs_gate.diagnosis.catalogue import DATABASE, LOG, NO_DATABASE, NO_PASSWORD, TASKS_NODE, Facts
from ecs_gate.text import Text, t


@dataclass(frozen=True, kw_only=True)
class Known:
    """A cause that a log line identifies, or a line with the one before it where the pattern has a line's end.

    ``about`` is app, database or system. A ``vague`` one counts only where the log names no other. One that
    ``passes`` may end by waiting. What ``drifts`` may have been changed outside the program.
    """

    id: str = field(kw_only=False)
    pattern: str = field(kw_only=False)
    title: str
    why: str
    fix: str
    about: str = "app"
    vague: bool = False
    warms_up: bool = False
    passes: bool = False
    explained_by: Collection[str] = ()
    outside: bool = False
    drifts: bool = False

    @property
    def facts(self) -> Facts:
        """Return the facts of its finding; what keeps the app out explains what the log says of the database."""
        of_database = self.about == "database"
        return Facts(
            f"log-{self.id}",
            45,
            {DATABASE if of_database else TASKS_NODE},
            self.explained_by or (NO_DATABASE if of_database else ()),
            subject=LOG,
            warms_up=self.warms_up,
            certain=not self.passes,
            outside=self.outside,
        )


DATABASE_URL = t(
    "Set it ({appVariables}; {secret}), or make the app build it from DB_HOST, DB_PORT, DB_NAME, DB_USER and "
    "DB_PASSWORD, where its task has them, and deploy."
)

ENDPOINT = t(
    "Correct the host in the app's variables, such as DB_HOST ({container}): it is the instance's endpoint. Then "
    "deploy."
)

NEW_CERTIFICATE = t(
    "Have RDS issue a new certificate; with some engine versions the instance restarts:"
)

ANOTHER_HOST = t("The app reads the host from another variable than that which has the database's.")

VARIABLE = Known(
    "variable-missing",
    r"(?-i:(?P<what>[A-Z][A-Z0-9_]{2,})) is missing\b|KeyError: '(?-i:(?P<also>[A-Z][A-Z0-9_]{2,}))'"
    # environs, python-decouple, django-environ.
    r"|Environment variable \"(?P<environs>\w+)\" not set|(?P<decouple>\w+) not found\. Declare it as envvar"
    r"|Set the (?P<environ>\w+) environment variable",
    title="The environment variable {what} is not set",
    why="The app refuses to start without it.",
    fix="Set it ({variable}), and deploy.",
    explained_by=NO_DATABASE,
)

REFUSED_BY_AWS = Known(
    "aws-refused",
    # Of IAM ("Troubleshoot access denied error messages"), and of S3 for HEAD, which names neither action nor role.
    r"assumed-role/(?P<role>[^/\s]+)/\S+ is not authorized to perform: (?P<what>[\w-]+:\w+)",
    title="AWS refuses {what} to the app's role {role}",
    why="A task role may do what its policies allow; the line says which one does not, or denies it.",
    fix="If the app is meant to do this, allow it ({access}). Then deploy; what was changed outside the program is "
    "restored:",
    explained_by={"task-role-cannot-read-secret"},
    passes=True,  # IAM may take some seconds to know a new policy.
    drifts=True,
)

KNOWN = (
    Known(
        "start-script",
        # runc, in its stopped reason of a task or in the log; the kernel says "no such file" of an interpreter, too.
        r"exec:? \"?(?P<what>[^\s\":]+)\"?: (?:stat \S+: )?(?:no such file or|executable file not|permission denied)"
        r"|exec (?P<script>\S+\.(?:sh|py)): exec format error|exec user process caused:? \"?no such file",
        title="The container's start command cannot be run: {what}",
        why="The image has no such program, it is not executable, or the first line of the script names an "
        "interpreter that the image lacks: most often it ends with CR LF, as editors on Windows write it.",
        fix="Have the image hold the file, with chmod +x, LF ends (in .gitattributes `*.sh text eol=lf`) and a first "
        "line as #!/bin/sh, or correct the command; then deploy:",
        about="system",
    ),
    Known(
        "exec-format",
        r"exec format error",
        title="The image is built for another processor than the task runs on",
        why="The processor cannot run the program in the image.",
        fix="Correct {cpuArchitecture}, or build the image for it, and deploy.",
        about="system",
        explained_by={"image-architecture"},
    ),
    Known(
        "driver-missing",
        r"ModuleNotFoundError: No module named '(?P<what>psycopg2?)'",
        title="The database's driver is missing in the image: {what}",
        why="SQLAlchemy takes psycopg for postgresql:// from 2.1 on, and psycopg2 before.",
        fix="Name the driver that the image has in the URL, as postgresql+psycopg2:// or "
        "postgresql+psycopg://, or add one, psycopg2-binary or psycopg[binary], to the "
        "packages that the Dockerfile installs; then deploy.",
    ),
    Known(
        "module-missing",
        r"ModuleNotFoundError: No module named '?(?P<what>[\w.]+)"
        # waitress-serve, Uvicorn, Celery, `flask --app`, Django.
        r"|^\d+\. No module named '(?P<waitress>[\w.]+)'|Could not import module \"(?P<uvicorn>[\w.]+)"
        r"|^The module (?P<celery>[\w.]+) was not found|^Error: Could not import '(?P<flask>[\w.]+)'"
        r"|ImproperlyConfigured: Error loading (?P<django>\w+) module",
        title="A Python module is missing in the image: {what}",
        why="The app ends while it loads.",
        fix="Add it to the packages that the Dockerfile installs ({packages}), or fix the import; then deploy.",
    ),
    Known(
        "worker-class",
        r"class uri '(?P<what>[^']+)' invalid or not found",
        title="gunicorn has no worker class {what}",
        why="gunicorn ends before it loads the app.",
        fix="Correct worker_class in gunicorn's configuration, or add the package that brings it; then deploy.",
    ),
    VARIABLE,
    # pydantic-settings names the field in the line before.
    replace(VARIABLE, pattern=r"^(?P<pydantic>\w+)\n  Field required \[type=missing"),
    Known(
        "setting-wrong",
        r"cannot start: (?P<what>[A-Z][A-Z0-9_]+ is [^;\"]+)",
        title="The app refuses a setting: {what}",
        why="The app checks its environment before it starts.",
        fix="Correct the variable ({variable}), and deploy.",
    ),
    Known(
        "address-in-use",
        r"Address already in use|\[Errno 98\]|That port is already in use",
        title="Two processes of the task use the same port",
        why="The second one cannot listen and ends.",
        fix="Make sure that only one process of the task listens on the port.",
    ),
    Known(
        "secret-key-empty",
        r"The SECRET_KEY setting must not be empty",
        title="Django's setting SECRET_KEY is empty",
        why="Django refuses to start, or answers 500 to each request that needs a session.",
        fix="Make the settings read SECRET_KEY from a variable, give it a secret as its value ({secret}), and deploy.",
    ),
    Known(
        "app-not-found",
        r"Failed to find attribute '(?P<what>\w+)'|Attribute \"(?P<uvicorn>\w+)\" not found in module"
        r"|^\d+\. module '[\w.]+' has no attribute '(?P<waitress>\w+)'",
        title="The server does not find the app: {what}",
        why="The module that the server loads has no such object or factory.",
        fix="Correct the name in the app's command, as in `gunicorn MODULE:NAME`, and deploy.",
    ),
    Known(
        "app-not-loaded",
        r"unable to load app \d+ \(mountpoint='[^']*'\) \(callable not found or import error\)",
        title="uWSGI does not load the app",
        why="The module that uWSGI loads cannot be imported, or has no such callable.",
        fix="Correct `module` or `callable` in uWSGI's configuration, and deploy.",
        vague=True,
        passes=True,
    ),
    Known(
        "program-missing",
        # dash, bash and busybox.
        r"^\S+: (?:line )?\d+: (?P<what>[^\s:]+): (?:command )?not found$",
        title="A script runs {what}, which the image does not have",
        why="Its shell finds no such program on PATH.",
        fix="Install it in the image, correct PATH, or name the script's shell in its first line, and deploy.",
        vague=True,
        passes=True,
    ),
    Known(
        "option-unknown",
        # getopt of glibc, musl and dash, argparse, click, Python and Node.js.
        r"^(?:\S+: (?:\d+: )?)?(?:unrecognized|unknown|invalid|illegal|bad) option:?(?: --)? '?(?P<what>[^\s']+)'?$"
        r"|: error: unrecognized arguments: (?P<argparse>\S+)|^Error: No such option:? '?(?P<click>-[^\s']+?)'?\.?$",
        title="The command has an option that its program does not know: {what}",
        why="The program ends before it has begun.",
        fix="Correct the command ({appCommand}), or have the image hold the version of the program that knows it, and "
        "deploy.",
        vague=True,
        passes=True,
    ),
    Known(
        "broker",
        r"consumer: Cannot connect to (?P<what>\w+://\S+?): ",
        title="Celery cannot reach its broker {what}",
        why="No broker answers there; the worker tries again and again.",
        fix="Set the URL of a broker that the tasks can reach ({appVariables}; with a password, {secret}), and deploy.",
        passes=True,  # A broker may come later.
    ),
    Known(
        "host-absent",
        # redis, urllib3 (requests, elasticsearch), pymongo. Error -3 is temporary.
        r"Error -[25] connecting to (?P<what>[^\s:]+)|Failed to resolve '(?P<urllib3>[^']+)' \(\[Errno -[25]\]"
        r"|(?P<mongo>[\w.-]+):\d+: \[Errno -[25]\]",
        title="The app asks for a host that its tasks do not find: {what}",
        why="No DNS name is that; a service of a compose file has its name in that network alone.",
        fix="Set the address of a service that the tasks can reach ({appVariables}; {secret}), or make the app do "
        "without it, and deploy.",
    ),
    REFUSED_BY_AWS,
    replace(
        REFUSED_BY_AWS,
        pattern=r"\((?:AccessDenied\w*|UnauthorizedOperation|403)\) when calling the (?P<what>\w+) operation",
        title="AWS refuses a call of the app: {what}",
    ),
    Known(
        "another-region",
        # S3's error codes and messages (API reference, "Error responses").
        r"AuthorizationHeaderMalformed|PermanentRedirect|IllegalLocationConstraint"
        r"|the region '(?P<what>[\w-]+)' is wrong; expecting",
        title="The app asks for its files in another region than the bucket's",
        why="S3 answers in a bucket's region alone; addresses signed for another region fail.",
        fix="Make the app's client for AWS_REGION as ECS sets it, without an AWS_REGION or AWS_DEFAULT_REGION of its "
        "own ({appVariables}), and deploy:",
    ),
    Known(
        "aws-throttles",
        # The codes that botocore calls throttling (botocore/retries/standard.py).
        r"\((?:\w*Thrott\w+|TooManyRequests\w+|ProvisionedThroughputExceeded\w+|SlowDown|(?:Request|Bandwidth)"
        r"LimitExceeded)\) when calling the (?P<what>\w+) operation",
        title="AWS throttles a call of the app: {what}",
        why="The app calls more often than AWS allows; botocore has tried again before it raised this.",
        fix="Call less often (keep the answer, send several items in one call), have the client wait for longer "
        "(botocore's Config(retries={{'mode': 'adaptive'}})), or request a higher quota; then deploy:",
        passes=True,
    ),
    Known(
        "disk-full",
        # What PostgreSQL could not write to its own disk RDS's status tells (storage-full).
        r"^(?!.*could not (?:extend|write|create)).*No space left on device",
        title="The task's disk is full",
        why='A Fargate task has 20 GiB for its image and for what the app writes (ECS developer guide, "Fargate task '
        'ephemeral storage").',
        fix="Have the app delete what it no longer needs below /tmp, or keep files in {files}; for a large image or "
        "more space, give the task definition ephemeral storage ({task}). Then deploy:",
        about="system",
        passes=True,
    ),
    Known(
        "too-many-files",
        r"Too many open files",
        title="The app has too many files and connections open",
        why="A process on Fargate may have 65535 (ECS API reference, Ulimit); most often something opens a file or a "
        "connection for each request and never closes it.",
        fix="Close what each request opens (`with`), and share one client or session between requests; then deploy:",
        about="system",
        passes=True,
    ),
    Known(
        "migration-exists",
        r"(?P<what>(?:column \\?\"[^\"]+\" of )?relation \\?\"[^\"]+\" already exists)",
        title="A migration creates what the database has already: {what}",
        why="Something else created it, such as another version or tool, and the migration is not recorded "
        "as applied. Each try fails in the same way.",
        fix="If the database has all that the migration creates, record it, in a task: `{run}flask db stamp REVISION`, "
        "or with Django `{run}python manage.py migrate --fake APP NAME`. If nothing needs what is there, drop it "
        "instead. Then deploy.",
        passes=True,
    ),
    Known(
        "migration-unknown",
        r"Can't locate revision identified by '(?P<what>\w+)'",
        title="The database is at migration {what}, which the image does not have",
        why="A newer version, or one of another branch, has migrated this database.",
        fix="Deploy a version that has this migration, or downgrade the database with that version first.",
        passes=True,
    ),
    Known(
        "migration-heads",
        r"Multiple head revisions are present"
        r"|multiple leaf nodes in the migration graph",
        title="Two migrations follow the same one, and no migration joins them",
        why="Alembic and Django do not choose between them, and apply none.",
        fix="Join them, by `flask db merge heads` or `python manage.py makemigrations --merge`, add the new file "
        "to the image, and deploy.",
    ),
    Known(
        "migration-parent",
        r"dependencies reference nonexistent parent node (?P<what>\([^)]+\))"
        r"|Revision (?P<alembic>\w+) referenced from .* is not present",
        title="A migration refers to one that the image does not have: {what}",
        why="The file of the earlier migration is missing, or was renamed.",
        fix="Add the missing file to the image, or correct the reference, and deploy.",
    ),
    Known(
        "migration-history",
        r"InconsistentMigrationHistory: Migration (?P<what>\S+ is applied before its dependency \S+)",
        title="The database's record of migrations contradicts the files: {what}",
        why="Django compares the table django_migrations with the files before it applies any.",
        fix="Record the missing one, in a task, if the database has what it creates: `{run}python manage.py migrate "
        "--fake APP NAME`. Then deploy.",
        passes=True,
    ),
    Known(
        "no-migrations",
        r"Path doesn't exist: (?P<what>\S+?)\.  Please use the 'init' command",
        title="The image has no folder of migrations: {what}",
        why="`flask db` looks for it below the working directory of the image.",
        fix="Copy the folder into the image; look into .dockerignore, too. Then deploy.",
    ),
    Known(
        "table-missing",
        r"relation \\?\"(?P<what>[^\"\\]+)\\?\" does not exist|no such table: (?P<sqlite>\w+)",
        title="The database has no table {what}",
        why="The migrations that create it have not run in this database.",
        fix="Have them run before each version ({migrations}), and deploy.",
        passes=True,
    ),
    Known(
        "dialect",
        r"Can't load plugin: sqlalchemy\.dialects:(?P<what>[\w.]+)",
        title="SQLAlchemy does not know the database {what}",
        why="The URL begins with another name than postgresql, such as postgres, which SQLAlchemy 1.4 removed.",
        fix="Make the URL begin with postgresql+psycopg:// or postgresql://, and deploy.",
    ),
    Known(
        "database-url",
        r"Could not parse (?:SQLAlchemy|rfc1738) URL|settings\.DATABASES is improperly configured"
        r"|Either 'SQLALCHEMY_DATABASE_URI' or 'SQLALCHEMY_BINDS' must be set",
        title="The app has no usable address of its database",
        why="The URL or the settings of the database are empty or incomplete.",
        fix=DATABASE_URL.template,
        explained_by=NO_DATABASE,
    ),
    Known(
        "read-only-root",
        # Programs and shells name the path before it, Python after it.
        r"(?:[ '\"](?P<also>/[^'\": ]+)['\"]?: )?Read-only file system:? ?'?(?P<what>[^'\"]*)",
        title="The app writes to the read-only root file system: {what}",
        why="A task can write below /tmp only, which is empty at its start and deleted with it.",
        fix="Make the app write below /tmp only; data that must persist belongs in the database or in S3. Then deploy.",
    ),
    Known(
        "sqlite",
        # SQLite's message names no file (sqlite.org/rescode.html, SQLITE_CANTOPEN and SQLITE_READONLY).
        r"sqlite.*(?P<what>unable to open database file|attempt to write a readonly database)",
        title="SQLite cannot write its database file: {what}",
        why="The container's root file system is read-only, and a file below /tmp is lost with its task.",
        fix="Make the app use PostgreSQL (DB_HOST, DB_NAME) instead of SQLite, and deploy.",
    ),
    Known(
        "permission",
        r"\[Errno 13\] Permission denied:? ?'?(?P<also>[^'\"]*)",
        title="The app has no permission to write to a path: {what}",
        why="The container's user may not write there, or its root file system is read-only.",
        fix="Make the app write to /tmp, or add a volume ({task}).",
    ),
    Known(
        "no-temporary-folder",
        r"No usable temporary directory",
        title="The app has no writable folder for temporary files",
        why="On Fargate /tmp belongs to root, unless the image declares it as a volume.",
        fix="Add VOLUME /tmp to the Dockerfile and deploy.",
    ),
    Known(
        "wrong-password",
        r"password authentication failed for user \\?\"(?P<what>[^\"\\]+)",
        title="The database refuses the password of {what}",
        why="The task's password is not the database's; it may be from before a change.",
        fix="Start new tasks, which read the password again; if the error persists, give the database that password, "
        "or let RDS rotate one that it manages.",
        about="database",
        # RDS may just have changed it: the next task reads the new one.
        explained_by=NO_PASSWORD,
        outside=True,
        passes=True,
    ),
    Known(
        "no-tls",
        r"no pg_hba\.conf entry .*?(?P<what>no encryption|SSL off)|server does not support SSL",
        title="The app connects without TLS, and the database refuses that",
        why="RDS for PostgreSQL refuses plain connections while rds.force_ssl is 1, its default from PostgreSQL 15 on.",
        fix="Make the app connect with TLS, by sslmode verify-full in its URL or in a variable like DB_SSLMODE "
        "({container}), and deploy:",
        about="database",
    ),
    Known(
        "pg-hba",
        r"no pg_hba\.conf entry for (?P<what>[^\"]+)",
        title="The database's pg_hba.conf has no entry for this connection: {what}",
        why="No rule allows this user, database and address.",
        fix="Check DB_USER and DB_NAME, and rds.force_ssl.",
        about="database",
        passes=True,
    ),
    Known(
        "certificate-time",
        # OpenSSL's words (x509_txt.c); libpq leaves them out.
        r"certificate verify failed: certificate (?P<what>has expired|is not yet valid)",
        title="The database's certificate is outside its time: it {what}",
        why="With sslmode verify-full the app refuses such a certificate, whatever its CA bundle holds.",
        fix=NEW_CERTIFICATE.template,
        about="database",
        outside=True,
        passes=True,
    ),
    Known(
        "certificate",
        r"certificate verify failed|root certificate file .* does not exist",
        title="The app does not trust the database's certificate",
        why="sslmode verify-full needs the CA that signed the certificate; RDS changes its CAs from time to time.",
        fix="Put RDS's CA bundle of the region (truststore.pki.rds.amazonaws.com) into the image, make the app use "
        "that file ({authority}), and deploy:",
        about="database",
    ),
    Known(
        "database-unknown",
        r"database \\?\"(?P<what>[^\"\\]+)\\?\" does not exist",
        title="There is no database named {what}",
        why="The server exists, but it has no such database.",
        fix="Correct its name in the app's variables, such as DB_NAME ({container}), or create the database.",
        about="database",
    ),
    Known(
        "database-elsewhere",
        r"connection to server at \"(?P<what>localhost|127\.0\.0\.1|::1)\".*(?:refused|Cannot assign)"
        r"|connection to server on socket \"(?P<socket>[^\"]+)\" failed",
        title="The app looks for its database in its own task: {what}",
        why="That is not the instance's endpoint: no task has a database.",
        fix=ENDPOINT.template,
        about="database",
    ),
    Known(
        "host-unknown",
        r"could not translate host name \\?\"(?P<what>[^\"\\]+)|failed to resolve host '(?P<also>[^']+)"
        # Scripts that wait by netcat: OpenBSD's, busybox's, the traditional one.
        r"|getaddrinfo for host \"(?P<nc>[^\"]+)|nc: bad address '(?P<busybox>[^']+)"
        r"|^(?P<traditional>\S+): forward host lookup failed",
        title="The database's host name does not resolve: {what}",
        why="It is misspelt, or the database was recreated under another name.",
        fix=ENDPOINT.template,
        about="database",
        passes=True,  # DNS may not have a new name yet.
    ),
    Known(
        "too-many-connections",
        r"too many (clients|connections)|remaining connection slots are reserved",
        title="The database has no free connection",
        why="max_connections are open, by the service's tasks or by other clients.",
        fix="psql gets no connection now either. Restart the database, which ends all sessions and loses no data that "
        "was committed; then list who takes the connections, and have the app close what it opens, run fewer "
        "tasks, or set {databaseInstanceClass} to a larger one:",
        about="database",
        passes=True,
    ),
    Known(
        "database-slow",
        # PostgreSQL's own words (errcodes 57014, 55P03 and 40P01), and those of an app for a cancelled statement.
        r"the database took too long|canceling statement due to (statement|lock) timeout|deadlock detected",
        title="The app waits for the database, which takes too long",
        why="Another session holds a lock that its statement needs, or the statement is slow.",
        fix="List the open transactions, and end those of more than 10 s if none of them is needed; where none is "
        "open, make the statement faster, by an index for example:",
        about="database",
        warms_up=True,
        passes=True,
    ),
    Known(
        "database-timeout",
        r"connection timeout expired|(could not connect|connection to server).*(timed out|timeout)",
        title="The app's connection to the database times out",
        why="There is no answer in time. Where the database runs and the security groups let the tasks in, "
        "it is busy: by its load, or with what holds a lock.",
        fix="List what runs in the database, and end what has run for more than 10 s if nobody needs it; where it "
        "is load, set {databaseInstanceClass} to a larger one:",
        about="database",
        passes=True,
    ),
    Known(
        "database-refused",
        r"connection to server.*Connection refused|could not connect.*Connection refused",
        title="The database refuses the connection",
        why="Its host answers, but no server listens on that port.",
        fix="Check DB_PORT and that the database is available.",
        about="database",
        passes=True,
    ),
    Known(
        "memory-error",
        r"MemoryError",
        title="The app runs out of memory",
        why="The kernel kills a process that uses more memory than the task has.",
        fix="Give the task more memory ({taskMemory}).",
        about="system",
        passes=True,
    ),
    Known(
        "worker-crash",
        # gunicorn 27 (arbiter.py, reap_workers) and uWSGI 2.0; SIGKILL is the kernel's, for memory.
        r"Worker \(pid:\d+\) was sent (?P<what>SIG(?:ABRT|BUS|FPE|ILL|SEGV|SYS|TRAP))\b"
        r"|worker \d+ \(pid: \d+\) died, killed by (?P<uwsgi>signal (?:4|5|6|7|8|11|31))\b",
        title="The app's process crashes in native code: {what}",
        why="It ends in the middle of its requests, which the load balancer answers with 502, and the server starts "
        "another worker.",
        fix="Set PYTHONFAULTHANDLER to 1 ({appVariables}), with which Python logs the line that was running, correct "
        "that (os.abort, or a package in C), and deploy.",
        passes=True,
    ),
    Known(
        "worker-timeout",
        r"WORKER TIMEOUT",
        title="The app hangs: gunicorn stopped a worker that did not respond",
        why="A worker was busy for longer than gunicorn's timeout.",
        fix="Find the blocking call; the preceding lines show where.",
        passes=True,
    ),
)


@dataclass(frozen=True)
class LoggedCause:
    """A known cause and the log line that identifies it."""

    known: Known
    named: Mapping[str, str]
    """What the line names, by the groups of the pattern."""
    line: str

    @property
    def what(self) -> str:
        """Return what the line names first. pydantic-settings reads a field from the variable in upper case."""
        name = self.named.get("what") or next(iter(self.named.values()), "")
        return name.upper() if "pydantic" in self.named else name

    @property
    def title(self) -> Text:
        """Return the cause's title, with what the line names."""
        return self._filled(Text(self.known.title))

    @property
    def fix(self) -> Text:
        """Return the cause's fix, with what the line names."""
        return self._filled(Text(self.known.fix))

    def _filled(self, text: Text) -> Text:
        return text.filled(**{**self.named, "what": self.what or "-"})


HARMLESS = re.compile(r"Control server error: |Failed to start control socket: ")
"""gunicorn cannot write its control socket where the root is read-only, and says so in every healthy task."""


def logged_cause(lines: Sequence[str], healthy: Iterable[str] = ()) -> LoggedCause | None:
    """Return the known cause of the last log line that has one.

    What ``healthy`` tasks log too ends no task, but for what the database refuses: every version may be refused.
    """
    survived, vague = set(map(_unnumbered, healthy)), None
    for number in reversed(range(len(lines))):
        text, two = lines[number], "\n".join(lines[max(number - 1, 0) : number + 1])
        for known in KNOWN:
            match = re.search(known.pattern, two if "\\n" in known.pattern else text, re.I)
            if not match or (known.about != "database" and is_survived(text, survived)):
                continue
            named = {name: value.strip() for name, value in match.groupdict().items() if value}
            cause = LoggedCause(known, named, text)
            if not known.vague:
                return cause
            vague = vague or cause
    return vague


def own_lines(lines: Iterable[str], healthy: Iterable[str]) -> list[str]:
    """Return the lines that no healthy task logs too."""
    survived = set(map(_unnumbered, healthy))
    return [line for line in lines if not is_survived(line, survived)]


def is_survived(text: str, survived: Collection[str]) -> bool:
    return bool(HARMLESS.search(text)) or _unnumbered(text) in survived


def _unnumbered(text: str) -> str:
    """Return a log line without its numbers: times, process IDs and addresses differ in each task."""
    return re.sub(r"\d+", "0", text)
