"""What servers and libraries say when they fail: their real lines, shortened, with the app in /srv.

Run with Python 3.11: Flask 3.1.3, Flask-Migrate 4.1.0, Alembic 1.20.1, SQLAlchemy 2.1.9, psycopg 3.3.9, psycopg2
2.9.13, Django 5.2.19, Celery 5.7.0, gunicorn 27.0.1, uWSGI 2.0.31, Waitress 3.0.2, Uvicorn 0.54.0, environs 15.2.0,
python-decouple 3.8, django-environ 0.14.0 and pydantic-settings 2.16.3.
"""

from __future__ import annotations

SERVER = 'connection to server at "10.0.33.7", port 5432 failed: '
LINK = "(Background on this error at: https://sqlalche.me/e/21/e3q8)"
NO_BOOT = (
    "[2026-11-28 18:25:54 +0000] [7] [ERROR] Worker (pid:9) exited with code 3.",
    "[2026-11-28 18:25:54 +0000] [7] [ERROR] Shutting down: Master",
    "[2026-11-28 18:25:54 +0000] [7] [ERROR] Reason: Worker failed to boot.",
)
NO_APP = (
    "unable to load app 0 (mountpoint='') (callable not found or import error)",
    "*** no app loaded. GAME OVER ***",
)
IMPORTS = (
    "Traceback (most recent call last):",
    '  File "/srv/app.py", line 1, in <module>',
    "    import pandas",
)
NO_PANDAS = "ModuleNotFoundError: No module named 'pandas'"

RETRIED = (
    "INFO  [alembic.runtime.migration] Running upgrade  -> 921855b126a7, one",
    "Traceback (most recent call last):",
    '  File "/usr/local/lib/python3.11/site-packages/sqlalchemy/engine/default.py", line 1192, in do_execute',
    "    cursor.execute(statement, parameters)",
    'sqlalchemy.exc.ProgrammingError: (psycopg2.errors.DuplicateTable) relation "post" already exists',
    "",
    "[SQL: ",
    "CREATE TABLE post (",
    "\tid SERIAL NOT NULL, ",
    "\tbody VARCHAR(140), ",
    "\tPRIMARY KEY (id)",
    ")",
    "",
    "]",
    "(Background on this error at: https://sqlalche.me/e/21/f405)",
    "Upgrade command failed, retrying in 5 secs...",
)
"""A script that runs `flask db upgrade` until it succeeds, which it never does."""

CAUSES: dict[str, tuple[str, str, str, tuple[str, ...]]] = {
    # name: the known cause, what it names, the telling line, the log
    "sqlalchemy password": (
        "wrong-password", "postgres", "sqlalchemy.exc.OperationalError",
        (f'sqlalchemy.exc.OperationalError: (psycopg2.OperationalError) {SERVER}FATAL:  password authentication '
         'failed for user "postgres"', "", LINK),
    ),
    "sqlalchemy refused": (
        "database-refused", "", "sqlalchemy.exc.OperationalError",
        (f"sqlalchemy.exc.OperationalError: (psycopg2.OperationalError) {SERVER}Connection refused",
         "\tIs the server running on that host and accepting TCP/IP connections?", "", LINK),
    ),
    "sqlalchemy localhost": (
        "database-elsewhere", "localhost", "sqlalchemy.exc.OperationalError",
        ('sqlalchemy.exc.OperationalError: (psycopg2.OperationalError) connection to server at "localhost" '
         "(127.0.0.1), port 5432 failed: Connection refused",
         "\tIs the server running on that host and accepting TCP/IP connections?", "", LINK),
    ),
    "psycopg socket": (
        "database-elsewhere", "/var/run/postgresql/.s.PGSQL.5432", "psycopg.OperationalError",
        ('psycopg.OperationalError: connection failed: connection to server on socket '
         '"/var/run/postgresql/.s.PGSQL.5432" failed: No such file or directory',
         "\tIs the server running locally and accepting connections on that socket?"),
    ),
    "sqlalchemy host": (
        "host-unknown", "db.nowhere.invalid", "sqlalchemy.exc.OperationalError",
        ('sqlalchemy.exc.OperationalError: (psycopg2.OperationalError) could not translate host name '
         '"db.nowhere.invalid" to address: Name or service not known', "", LINK),
    ),
    "psycopg host": (
        "host-unknown", "db.nowhere.invalid", "sqlalchemy.exc.OperationalError",
        ("sqlalchemy.exc.OperationalError: (psycopg.OperationalError) failed to resolve host 'db.nowhere.invalid': "
         "[Errno -2] Name or service not known", LINK),
    ),
    "netcat of OpenBSD": (
        "host-unknown", "db", "nc: getaddrinfo", ("Waiting for postgres...",
         'nc: getaddrinfo for host "db" port 5432: Name or service not known'),
    ),
    "netcat of busybox": ("host-unknown", "db", "nc: bad address", ("nc: bad address 'db'",)),
    "netcat, traditional": (
        "host-unknown", "db", "db: forward", ("db: forward host lookup failed: Unknown host",),
    ),
    "sqlalchemy driver": (
        "driver-missing", "psycopg", "ModuleNotFoundError",
        ('  File "/usr/local/lib/python3.11/site-packages/sqlalchemy/dialects/postgresql/psycopg.py", line 497, in '
         "import_dbapi", "    import psycopg", "    ^^^^^^^^^^^^^^",
         "ModuleNotFoundError: No module named 'psycopg'", *NO_BOOT),
    ),
    "sqlalchemy database": (
        "database-unknown", "nope", "sqlalchemy.exc.OperationalError",
        (f'sqlalchemy.exc.OperationalError: (psycopg2.OperationalError) {SERVER}FATAL:  database "nope" does not '
         "exist", "", LINK),
    ),
    "sqlalchemy scheme": (
        "dialect", "postgres", "sqlalchemy.exc.NoSuchModuleError",
        ("sqlalchemy.exc.NoSuchModuleError: Can't load plugin: sqlalchemy.dialects:postgres",),
    ),
    "sqlalchemy empty": (
        "database-url", "", "sqlalchemy.exc.ArgumentError",
        ("sqlalchemy.exc.ArgumentError: Could not parse SQLAlchemy URL from given URL string",),
    ),
    "sqlalchemy sqlite": (
        "sqlite", "unable to open database file", "sqlalchemy.exc.OperationalError",
        ("sqlalchemy.exc.OperationalError: (sqlite3.OperationalError) unable to open database file", LINK),
    ),
    "sqlalchemy table": (
        "table-missing", "post", "sqlalchemy.exc.ProgrammingError",
        ('sqlalchemy.exc.ProgrammingError: (psycopg2.errors.UndefinedTable) relation "post" does not exist', "",
         "[SQL: ALTER TABLE post ADD COLUMN a INTEGER]", LINK),
    ),
    "alembic table": ("migration-exists", 'relation "post" already exists', RETRIED[4], RETRIED),
    "alembic column": (
        "migration-exists", 'column "a" of relation "post" already exists', "sqlalchemy.exc.ProgrammingError",
        ('sqlalchemy.exc.ProgrammingError: (psycopg2.errors.DuplicateColumn) column "a" of relation "post" already '
         "exists", "", "[SQL: ALTER TABLE post ADD COLUMN a INTEGER]", LINK),
    ),
    "alembic revision": (
        "migration-unknown", "deadbeef0000", "ERROR [flask_migrate]",
        ("INFO  [alembic.runtime.migration] Will assume transactional DDL.",
         "ERROR [flask_migrate] Error: Can't locate revision identified by 'deadbeef0000'"),
    ),
    "alembic heads": (
        "migration-heads", "", "ERROR [flask_migrate]",
        ("ERROR [flask_migrate] Error: Multiple head revisions are present for given argument 'head'; please specify a "
         "specific target revision, '<branchname>@head' to narrow to a specific head, or 'heads' for all heads",),
    ),
    "flask-migrate folder": (
        "no-migrations", "migrations", "Error: Path",
        ("Error: Path doesn't exist: migrations.  Please use the 'init' command to create a new scripts folder.",),
    ),
    "flask module": ("module-missing", "nope", "Error:", ("Error: Could not import 'nope'.",)),
    "flask import": (
        "module-missing", "pandas", NO_PANDAS,
        ("Error: While importing 'nomod', an ImportError was raised:", "", *IMPORTS, NO_PANDAS, ""),
    ),
    "django password": (
        "wrong-password", "postgres", "django.db.utils.OperationalError",
        (f'django.db.utils.OperationalError: connection failed: {SERVER}FATAL:  password authentication failed for '
         'user "postgres"',),
    ),
    "django refused": (
        "database-refused", "", "django.db.utils.OperationalError",
        (f"django.db.utils.OperationalError: connection failed: {SERVER}Connection refused",
         "\tIs the server running on that host and accepting TCP/IP connections?"),
    ),
    "django key": (
        "secret-key-empty", "", "django.core.exceptions.ImproperlyConfigured",
        ("django.core.exceptions.ImproperlyConfigured: The SECRET_KEY setting must not be empty.",),
    ),
    "django settings": (
        "database-url", "", "django.core.exceptions.ImproperlyConfigured",
        ("django.core.exceptions.ImproperlyConfigured: settings.DATABASES is improperly configured. Please supply the "
         "NAME or OPTIONS['service'] value.",),
    ),
    "django driver": (
        "module-missing", "MySQLdb", "django.core.exceptions.ImproperlyConfigured",
        ("django.core.exceptions.ImproperlyConfigured: Error loading MySQLdb module.", "Did you install mysqlclient?"),
    ),
    "django table": (
        "migration-exists", 'relation "blog_post" already exists', "django.db.utils.ProgrammingError",
        ('django.db.utils.ProgrammingError: relation "blog_post" already exists',),
    ),
    "django heads": (
        "migration-heads", "", "CommandError",
        ("CommandError: Conflicting migrations detected; multiple leaf nodes in the migration graph: (0002_a, 0002_b "
         "in blog).", "To fix them run 'python manage.py makemigrations --merge'"),
    ),
    "django parent": (
        "migration-parent", "('blog', '0001_gone')", "django.db.migrations",
        ("django.db.migrations.exceptions.NodeNotFoundError: Migration blog.0002_a dependencies reference nonexistent "
         "parent node ('blog', '0001_gone')",),
    ),
    "django history": (
        "migration-history", "admin.0001_initial is applied before its dependency auth.0001_initial",
        "django.db.migrations",
        ("django.db.migrations.exceptions.InconsistentMigrationHistory: Migration admin.0001_initial is applied before "
         "its dependency auth.0001_initial on database 'default'.",),
    ),
    "django port": ("address-in-use", "", "Error: That", ("Error: That port is already in use.",)),
    "celery redis": (
        "broker", "redis://:**@10.0.16.9:6379/0", "[2026-11-28 18:41:41,385: ERROR",
        ("[2026-11-28 18:41:41,385: ERROR/MainProcess] consumer: Cannot connect to redis://:**@10.0.16.9:6379/0: Error "
         "111 connecting to 10.0.16.9:6379. Connection refused..", "Trying again in 6.00 seconds... (3/100)", ""),
    ),
    "celery amqp": (
        "broker", "amqp://guest:**@10.0.16.9:5672//", "[2026-11-28 18:30:21,097: ERROR",
        ("[2026-11-28 18:30:21,097: ERROR/MainProcess] consumer: Cannot connect to amqp://guest:**@10.0.16.9:5672//: "
         "[Errno 111] Connection refused.", "Trying again in 2.00 seconds... (1/100)", ""),
    ),
    "celery module": (
        "module-missing", "nothere", "The module",
        ("Error: ", "Unable to load celery application.", "The module nothere was not found."),
    ),
    "gunicorn port": (
        "address-in-use", "", "[2026-11-28 18:25:50 +0000] [7] [ERROR] connection",
        ("[2026-11-28 18:25:50 +0000] [7] [ERROR] Connection in use: ('127.0.0.1', 3000)",
         "[2026-11-28 18:25:50 +0000] [7] [ERROR] connection to ('127.0.0.1', 3000) failed: [Errno 98] Address already "
         "in use", "[2026-11-28 18:25:51 +0000] [7] [ERROR] Can't connect to ('127.0.0.1', 3000)"),
    ),
    "gunicorn module": (
        "module-missing", "pandas", NO_PANDAS,
        (*IMPORTS, NO_PANDAS, "No module named 'pandas'",
         "[2026-11-28 18:25:54 +0000] [9] [INFO] Worker exiting (pid: 9)", *NO_BOOT),
    ),
    "gunicorn app": (
        "app-not-found", "nope", "Failed to find",
        ("Failed to find attribute 'nope' in 'plain'.",
         "[2026-11-28 18:25:56 +0000] [7] [ERROR] Reason: App failed to load."),
    ),
    "gunicorn variable": (
        "variable-missing", "SECRET_KEY", "KeyError",
        ('  File "/srv/app.py", line 2, in <module>', '    SECRET = os.environ["SECRET_KEY"]',
         '  File "<frozen os>", line 679, in __getitem__', "KeyError: 'SECRET_KEY'", "'SECRET_KEY'", *NO_BOOT),
    ),
    "uwsgi port": (
        "address-in-use", "", "bind()",
        ("probably another instance of uWSGI is running on the same address (127.0.0.1:3000).",
         "bind(): Address already in use [core/socket.c line 769]"),
    ),
    "uwsgi module": ("module-missing", "pandas", NO_PANDAS, (*IMPORTS, NO_PANDAS, *NO_APP)),
    "uwsgi app": ("app-not-loaded", "", "unable to load", NO_APP),
    "waitress port": (
        "address-in-use", "", "OSError",
        ("    return self.socket.bind(addr)", "OSError: [Errno 98] Address already in use"),
    ),
    "waitress module": (
        "module-missing", "pandas", "1. No module",
        ("There was an exception (ModuleNotFoundError) importing your module.", "", "It had these arguments: ",
         "1. No module named 'pandas'", ""),
    ),
    "waitress app": (
        "app-not-found", "nope", "1. module",
        ("There was an exception (AttributeError) importing your module.", "", "It had these arguments: ",
         "1. module 'plain' has no attribute 'nope'", ""),
    ),
    "uvicorn port": (
        "address-in-use", "", "ERROR:",
        ("ERROR:    [Errno 98] error while attempting to bind on address ('127.0.0.1', 3000): address already in use",
         "INFO:     Application shutdown complete."),
    ),
    "uvicorn module": (
        "module-missing", "nothere", "ERROR:",
        ('ERROR:    Error loading ASGI app. Could not import module "nothere".',),
    ),
    "uvicorn app": (
        "app-not-found", "nope", "ERROR:",
        ('ERROR:    Error loading ASGI app. Attribute "nope" not found in module "asgi".',),
    ),
    "uvicorn lifespan": (
        "wrong-password", "postgres", "psycopg.OperationalError",
        ("ERROR:    Traceback (most recent call last):", '  File "/srv/asgi.py", line 7, in lifespan',
         f'psycopg.OperationalError: connection failed: {SERVER}FATAL:  password authentication failed for user '
         '"postgres"', "", "ERROR:    Application startup failed. Exiting."),
    ),
    "environs": (
        "variable-missing", "SECRET_KEY", "environs",
        ('environs.exceptions.EnvNotSetError: Environment variable "SECRET_KEY" not set',),
    ),
    "decouple": (
        "variable-missing", "SECRET_KEY", "decouple",
        ("decouple.UndefinedValueError: SECRET_KEY not found. Declare it as envvar or define a default value.",),
    ),
    "django-environ": (
        "variable-missing", "SECRET_KEY", "django.core.exceptions.ImproperlyConfigured",
        ("KeyError: 'SECRET_KEY'", "",
         "django.core.exceptions.ImproperlyConfigured: Set the SECRET_KEY environment variable"),
    ),
    "pydantic-settings": (
        "variable-missing", "SECRET_KEY", "  Field required",
        ("pydantic_core._pydantic_core.ValidationError: 2 validation errors for Settings", "database_url",
         "  Field required [type=missing, input_value={}, input_type=dict]",
         "    For further information visit https://errors.pydantic.dev/2.14/v/missing", "secret_key",
         "  Field required [type=missing, input_value={}, input_type=dict]",
         "    For further information visit https://errors.pydantic.dev/2.14/v/missing", *NO_BOOT),
    ),
}  # fmt: skip

LISTENING = {
    "gunicorn": (
        "[2026-11-28 18:26:11 +0000] [7] [INFO] Listening at: http://127.0.0.1:8000 (7)",
        "127.0.0.1",
        8000,
    ),
    "waitress": ("INFO:waitress:Serving on http://127.0.0.1:8000", "127.0.0.1", 8000),
    "uvicorn": (
        "INFO:     Uvicorn running on http://127.0.0.1:8000 (Press CTRL+C to quit)",
        "127.0.0.1",
        8000,
    ),
    "django": ("Starting development server at http://127.0.0.1:8000/", "127.0.0.1", 8000),
    "uwsgi": ("uwsgi socket 0 bound to TCP address 127.0.0.1:8000 fd 3", "127.0.0.1", 8000),
    "uwsgi --http": ("uWSGI http bound on 127.0.0.1:8000 fd 4", "127.0.0.1", 8000),
}
BETWEEN_UWSGI = "uwsgi socket 0 bound to TCP address 127.0.0.1:43559 (port auto-assigned) fd 3"
"""The socket between uWSGI's router and its workers."""

REQUESTS = {
    "gunicorn": (
        '127.0.0.1 - - [28/Nov/2026:18:42:33 +0000] "GET / HTTP/1.1" 500 0 "-" "-"',
        "/",
        500,
    ),
    "uvicorn": ('INFO:     127.0.0.1:54132 - "GET / HTTP/1.1" 500 Internal Server Error', "/", 500),
    "uwsgi": (
        "[pid: 9363|app: 0|req: 1/1] 127.0.0.1 () {24 vars in 248 bytes} [Sat Nov 28 18:42:15 2026] GET /x?a=1 => "
        "generated 0 bytes in 0 msecs (HTTP/1.1 500) 0 headers in 0 bytes (0 switches on core 0)",
        "/x",
        500,
    ),
}
