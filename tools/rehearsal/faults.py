"""The named mistakes for ``rehearse --break NAME``.

After stage 1, or after stage 2, a fault changes a setting, the program, the app, or a resource in AWS, as a person
could by mistake.
The scheduler and the doctor know nothing of it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stack.image import APP_FOLDER
from tools.i18n import Text, t

if TYPE_CHECKING:
    from stack.names import StackNames
    from tools.local_cloud.calls import Calls

FRONT = "webapp/front.py"
VISIT = "    visit = Visit(datetime.now(UTC), texts.language(), task.current())\n"
HEALTH_ANSWER = "            await answer(send, 200, HEALTHY)\n"


class FaultError(Exception):
    """A fault cannot be applied: the program does not contain the text that it changes."""


@dataclass(frozen=True, kw_only=True)
class Edit:
    """A change of one file of the program or the app. The file must contain ``old`` exactly once."""

    file: str
    old: str
    new: str

    def apply(self, source: Path) -> None:
        """Change the file in ``source``. Raises ``FaultError``."""
        path = source / self.file
        text = path.read_text()
        if text.count(self.old) != 1:
            raise FaultError(
                t(
                    "{file} contains {old!r} {count} times, not once",
                    file=self.file,
                    old=self.old,
                    count=text.count(self.old),
                )
            )
        path.write_text(text.replace(self.old, self.new))

    def revert(self, source: Path) -> None:
        """Revert the change. Raises ``FaultError``."""
        Edit(file=self.file, old=self.new, new=self.old).apply(source)


def change(file: str, old: str, new: str) -> tuple[Edit, ...]:
    """Return the edits of a mistake that is one change of one file."""
    return (Edit(file=file, old=old, new=new),)


ManualChange = Callable[["Calls", "StackNames"], None]
"""A function that changes resources in AWS. Its second argument is the stack's names."""


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One mistake: its name, its description and its changes.

    ``fixed_in_code``: only an edit of the program or the app fixes it.
    ``read_by_webapp``: it sets a variable that only the app in webapp/ reads.
    ``needs_read_only_root``: it is a mistake only where the container's root file system is read-only.
    ``second_release``: it comes with an update of a healthy version, instead of with stage 2.
    ``before``: settings of the stack, which are no mistake.
    ``shows_later``: `up` succeeds with it, and it fails tasks or processes only after many visits, or a job.
    ``corrected``: settings as a person puts them right who reads what the doctor says.
    """

    name: str
    mistake: Text
    config: Mapping[str, str] = field(default_factory=dict)
    before: Mapping[str, str] = field(default_factory=dict)
    edits: tuple[Edit, ...] = ()
    manual_change: ManualChange | None = None
    fixed_in_code: bool = False
    read_by_webapp: bool = False
    needs_read_only_root: bool = False
    second_release: bool = False
    shows_later: bool = False
    corrected: Mapping[str, str] = field(default_factory=dict)

    @property
    def needs_webapp(self) -> bool:
        """Whether it works only with the app in webapp/."""
        return self.read_by_webapp or any(
            each.file.startswith(f"{APP_FOLDER.default}/") for each in self.edits
        )


def delete_default_route(calls: Calls, names: StackNames) -> None:
    """Delete the default route of the private subnets."""
    filters = [{"Name": "tag:Name", "Values": [f"{names.prefix}-private-*"]}]
    found = calls("ec2", "describe_route_tables", {"Filters": filters})
    for table in found["RouteTables"]:
        route = {"RouteTableId": table["RouteTableId"], "DestinationCidrBlock": "0.0.0.0/0"}
        calls("ec2", "delete_route", route)


def delete_images(calls: Calls, names: StackNames) -> None:
    """Delete all images of the stack's repository."""
    repository = {"repositoryName": names.repository}
    listed = calls("ecr", "list_images", repository)["imageIds"]
    calls("ecr", "batch_delete_image", {**repository, "imageIds": listed})


def stop_database(calls: Calls, names: StackNames) -> None:
    """Stop the database, as a person does to save cost over a weekend."""
    name = {"DBInstanceIdentifier": names.database}
    calls("rds", "stop_db_instance", name)


def read_and_stay(calls: Calls, names: StackNames) -> None:
    """Read a table in a transaction and leave it open until it is ended, as a person's session does."""
    stay = "import select; select.select([session], [], [])"
    run_sql(calls, names, "TABLE visits", stay)


def change_password(calls: Calls, names: StackNames) -> None:
    """Change the password of the app's user without the secret."""
    run_sql(calls, names, "ALTER USER CURRENT_USER PASSWORD $$of-another-secret$$; COMMIT")


def run_sql(calls: Calls, names: StackNames, sql: str, after: str = "") -> None:
    """Start a task that runs this in a session, and then a line of Python."""
    where = {"cluster": names.cluster, "services": [names.service]}
    [service] = calls("ecs", "describe_services", where)["services"]
    connect = f"import os, psycopg; session = psycopg.connect({FROM_ENVIRONMENT})"
    run = f"{connect}; session.execute('{sql}'); {after}"
    task = {
        "cluster": names.cluster,
        "taskDefinition": service["taskDefinition"],
        "launchType": "FARGATE",
        "networkConfiguration": service["networkConfiguration"],
        "overrides": {
            "containerOverrides": [{"name": names.container, "command": ["python", "-c", run]}]
        },
    }
    calls("ecs", "run_task", task)


def add_catch_all_rule(calls: Calls, names: StackNames) -> None:
    """Create a listener rule with a lower priority number that matches every path."""
    name = {"Names": [names.balancer]}
    [found] = calls("elbv2", "describe_load_balancers", name)["LoadBalancers"]
    where = {"LoadBalancerArn": found["LoadBalancerArn"]}
    listener = calls("elbv2", "describe_listeners", where)["Listeners"][0]["ListenerArn"]
    answer = {"StatusCode": "404", "ContentType": "text/plain", "MessageBody": "not here"}
    rule = {
        "ListenerArn": listener,
        "Priority": 1,
        "Conditions": [{"Field": "path-pattern", "Values": ["/*"]}],
        "Actions": [{"Type": "fixed-response", "FixedResponseConfig": answer}],
    }
    calls("elbv2", "create_rule", rule)


def shut_clients_out(calls: Calls, names: StackNames) -> None:
    """Revoke the inbound rules of the load balancer's security group."""
    name = {"Names": [names.balancer]}
    [found] = calls("elbv2", "describe_load_balancers", name)["LoadBalancers"]
    group = {"Name": "group-id", "Values": found["SecurityGroups"]}
    rules = calls("ec2", "describe_security_group_rules", {"Filters": [group]})[
        "SecurityGroupRules"
    ]
    ids = [each["SecurityGroupRuleId"] for each in rules if not each["IsEgress"]]
    where = {"GroupId": found["SecurityGroups"][0], "SecurityGroupRuleIds": ids}
    calls("ec2", "revoke_security_group_ingress", where)


def delete_listeners(calls: Calls, names: StackNames) -> None:
    """Delete the listeners of the load balancer, and with them their rules."""
    name = {"Names": [names.balancer]}
    [found] = calls("elbv2", "describe_load_balancers", name)["LoadBalancers"]
    where = {"LoadBalancerArn": found["LoadBalancerArn"]}
    for each in calls("elbv2", "describe_listeners", where)["Listeners"]:
        calls("elbv2", "delete_listener", {"ListenerArn": each["ListenerArn"]})


def before_health_answer(line: str) -> tuple[Edit, ...]:
    """Return the edit that runs ``line`` before the app answers /health."""
    return change(FRONT, HEALTH_ANSWER, f"            {line}\n{HEALTH_ANSWER}")


def before_page(line: str) -> tuple[Edit, ...]:
    """Return the edit that runs ``line`` before the app makes its page."""
    return change("webapp/pages.py", VISIT, f"    {line}\n{VISIT}")


def create_other_secret(calls: Calls, _names: StackNames) -> None:
    """Create the secret of another team."""
    login = {"username": "postgres", "password": "of-another-database"}
    secret = {"Name": "team-b/database", "SecretString": json.dumps(login)}
    calls("secretsmanager", "create_secret", secret)


def store_another_secret(calls: Calls, names: StackNames) -> None:
    """Store the secret of another client, as a person does who copies the wrong line."""
    secret = {"SecretId": f"{names.prefix}/login", "SecretString": "of-another-client"}
    calls("secretsmanager", "put_secret_value", secret)


ANOTHER_RELEASE = change("webapp/pages.py", VISIT, f"{VISIT}    # Another release.\n")
"""A harmless edit, for mistakes that lie outside of the version."""

CANARY = {"deployStrategy": "canary", "bakeMinutes": "1"}
"""The settings of a canary."""

LOGIN = {
    "certificateArn": "arn:aws:acm:ap-northeast-1:111122223333:certificate/0a",
    "loginIssuer": "https://login.example.com",
    "loginClientId": "client",
    "loginSecretArn": "arn:aws:secretsmanager:ap-northeast-1:111122223333:secret:careapp-poc/login-AbCdEf",
}
"""A login, at the local cloud's provider."""


def job(name: str, mistake: Text, command: str = "python -V", **changes: Any) -> Fault:
    """Return a mistake in a job, which runs as soon as it is deployed: a rate counts from the schedule's creation."""
    return Fault(
        name=name,
        mistake=mistake,
        config={
            "jobs.report.command": command,
            "jobs.report.schedule": "rate(1 hour)",
            "jobs.report.timeoutMinutes": "1",
        },
        second_release=True,
        shows_later=True,
        **changes,
    )


RUNS = {"jobs.report.command": "python -V"}
TEAM_B = '{inputs.db_secret_arn.partition("rds!")[0]}team-b/database'
FROM_ENVIRONMENT = (
    "host=os.environ['DB_HOST'], dbname=os.environ['DB_NAME'], user=os.environ['DB_USER'], "
    "password=os.environ['DB_PASSWORD'], connect_timeout=3"
)
HEALTH_ASKS_DATABASE = (
    f"import psycopg, os; await psycopg.AsyncConnection.connect({FROM_ENVIRONMENT})"
)
REDIRECT = '            await answer(send, 301, b"", (b"location", b"/healthz"))\n'
PAGE_RAISES = change("webapp/pages.py", "{book.visits:,}", "{book.visit:,}")
FAULTS: Mapping[str, Fault] = {
    fault.name: fault
    for fault in (
        Fault(
            name="health-path",
            mistake=t("the health check requests a path that the app does not have"),
            config={"healthPath": "/healthz"},
        ),
        Fault(
            name="health-needs-db",
            mistake=t("/health queries the database, which is stopped"),
            edits=before_health_answer(HEALTH_ASKS_DATABASE),
            manual_change=stop_database,
        ),
        Fault(
            name="port-mismatch",
            mistake=t("the app listens on a port other than that of the task definition"),
            fixed_in_code=True,
            edits=change(
                "webapp/gunicorn.conf.py",
                'bind = f"{host}:{settings.port}"',
                'bind = f"{host}:8000"',
            ),
        ),
        Fault(
            name="listens-on-loopback",
            read_by_webapp=True,
            mistake=t("the task definition makes the app listen on 127.0.0.1"),
            fixed_in_code=True,
            edits=change(
                "infra/container.py",
                '        "DB_USER": inputs.db_user,\n',
                '        "DB_USER": inputs.db_user,\n        "BIND_HOST": "127.0.0.1",\n',
            ),
        ),
        Fault(
            name="alb-cannot-reach-task",
            mistake=t("the security-group rules between load balancer and task allow another port"),
            fixed_in_code=True,
            edits=change(
                "infra/security_groups.py",
                '"app", task, args.container_port)',
                '"app", task, args.container_port + 1)',
            ),
        ),
        Fault(
            name="https-to-http-app",
            mistake=t(
                "the target group's protocol is HTTPS; the health check and the app speak HTTP"
            ),
            fixed_in_code=True,
            edits=change(
                "infra/load_balancer.py",
                'protocol="HTTP",\n            port=TARGET_PORT,',
                'protocol="HTTPS",\n            port=TARGET_PORT,',
            ),
        ),
        Fault(
            name="task-cannot-reach-db",
            mistake=t("the security-group rules between task and database allow another port"),
            fixed_in_code=True,
            edits=change(
                "infra/security_groups.py",
                "args.database_group_id, args.database_port)",
                "args.database_group_id, args.database_port + 1)",
            ),
        ),
        Fault(
            name="no-nat",
            mistake=t("the private subnets have no route to the internet"),
            manual_change=delete_default_route,
        ),
        Fault(
            name="no-dns",
            mistake=t("the VPC's DNS is turned off"),
            fixed_in_code=True,
            edits=change(
                "infra/network.py",
                "        enable_dns_hostnames=True,\n",
                "        enable_dns_hostnames=True,\n        enable_dns_support=False,\n",
            ),
        ),
        Fault(
            name="secret-key",
            mistake=t("the task definition names a key that the secret does not have"),
            fixed_in_code=True,
            edits=change(
                "infra/container.py",
                "{inputs.db_secret_arn}:password::",
                "{inputs.db_secret_arn}:passwd::",
            ),
        ),
        Fault(
            name="another-secret",
            mistake=t("the task definition names another team's secret, which its roles may read"),
            fixed_in_code=True,
            manual_change=create_other_secret,
            edits=(
                Edit(
                    file="infra/container.py",
                    old='f"{inputs.db_secret_arn}:password::"',
                    new=f"f'{TEAM_B}:password::'",
                ),
                Edit(
                    file="infra/container.py",
                    old='"DB_SECRET_ARN": inputs.db_secret_arn,',
                    new=f"\"DB_SECRET_ARN\": f'{TEAM_B}',",
                ),
                Edit(
                    file="infra/iam.py",
                    old='        allow(secret_arn, "secretsmanager:GetSecretValue"),\n',
                    new='        allow("*", "secretsmanager:GetSecretValue"),\n',
                ),
                Edit(
                    file="infra/iam.py",
                    old='    secret = allow(secret_arn, "secretsmanager:GetSecretValue")\n',
                    new='    secret = allow("*", "secretsmanager:GetSecretValue")\n',
                ),
            ),
        ),
        Fault(
            name="secret-denied",
            mistake=t("the execution role has no permission to read the secret"),
            edits=change(
                "infra/iam.py", '        allow(secret_arn, "secretsmanager:GetSecretValue"),\n', ""
            ),
        ),
        Fault(
            name="migration-fails",
            mistake=t("a migration adds a column without a default to a table that has rows"),
            fixed_in_code=True,
            edits=change(
                "webapp/migrations/0002_greetings.sql",
                "    ('ja', 'こんにちは、ECS');\n",
                "    ('ja', 'こんにちは、ECS');\n"
                "\nALTER TABLE greetings ADD COLUMN footer text NOT NULL;\n",
            ),
        ),
        Fault(
            name="crash-on-start",
            mistake=t("the app needs a module that is not in its lock file"),
            fixed_in_code=True,
            edits=change(
                "webapp/__init__.py",
                "from flask import Flask\n",
                "import pandas\nfrom flask import Flask\n",
            ),
        ),
        Fault(
            name="sidecar-exits",
            mistake=t("an essential container beside the app ends for lack of its configuration"),
            fixed_in_code=True,
            edits=change(
                "infra/task.py",
                "return json.dumps([container.container_definition(inputs, settings, process)])",
                "app = container.container_definition(inputs, settings, process)\n"
                '            proxy = {"name": "proxy", "command": ["sh", "-c", "echo no configuration; exit 3"]}\n'
                '            return json.dumps([app, {**app, **proxy, "portMappings": []}])',
            ),
        ),
        Fault(
            name="read-only-root",
            mistake=t("the app opens a log file in its own folder"),
            fixed_in_code=True,
            needs_read_only_root=True,
            edits=change(
                "webapp/__init__.py",
                "    app = Flask(__name__)\n",
                "    app = Flask(__name__)\n"
                '    open(os.path.join(os.path.dirname(__file__), "app.log"), "a").close()\n',
            ),
        ),
        Fault(
            # The clock runs 20 times as fast: 10 s are more than three minutes of AWS's time.
            name="slow-start",
            mistake=t("the app waits for minutes before it listens, longer than the grace period"),
            edits=change(
                "webapp/gunicorn.conf.py",
                'wsgi_app = "webapp.front:create_front()"',
                'import time; time.sleep(10)\nwsgi_app = "webapp.front:create_front()"',
            ),
        ),
        Fault(
            name="slow-health",
            mistake=t("/health takes longer than the health check waits"),
            fixed_in_code=True,
            edits=before_health_answer("import asyncio; await asyncio.sleep(8)"),
        ),
        Fault(
            name="redirecting-health",
            mistake=t("/health redirects"),
            fixed_in_code=True,
            edits=change(FRONT, HEALTH_ANSWER, REDIRECT),
        ),
        Fault(
            name="healthcheck-command",
            mistake=t("the container health check runs a module that the image does not have"),
            fixed_in_code=True,
            edits=change(
                "infra/container.py",
                '{"portMappings": [port]}',
                '{"portMappings": [port], "healthCheck": {"command": ["CMD-SHELL", "python -m webapp.health"]}}',
            ),
        ),
        Fault(
            name="rule-shadowed",
            mistake=t("another listener rule, with a lower priority number, matches every path"),
            manual_change=add_catch_all_rule,
        ),
        Fault(
            name="clients-shut-out",
            mistake=t(
                "the load balancer's security group lost its rules for the clients of allowedCidrs"
            ),
            manual_change=shut_clients_out,
        ),
        Fault(
            name="page-raises",
            mistake=t("the page raises an error; /health answers"),
            fixed_in_code=True,
            edits=PAGE_RAISES,
        ),
        Fault(
            name="update-raises",
            mistake=t("an update of a healthy version: the page raises an error; /health answers"),
            fixed_in_code=True,
            second_release=True,
            edits=PAGE_RAISES,
        ),
        Fault(
            name="listener-moves",
            mistake=t("the listener is on port 8080, and pageUrl names no port"),
            fixed_in_code=True,
            edits=change(
                "infra/listeners.py", "            port=HTTP,\n", "            port=8080,\n"
            ),
        ),
        Fault(
            name="update-moves-page",
            mistake=t(
                "an update of a healthy version: / answers 404, because its route was renamed"
            ),
            fixed_in_code=True,
            second_release=True,
            edits=change("webapp/pages.py", '@bp.get("/")', '@bp.get("/home")'),
        ),
        Fault(
            name="update-redirects",
            mistake=t("an update of a healthy version: the page redirects to itself for ever"),
            fixed_in_code=True,
            second_release=True,
            edits=before_page('from flask import redirect; return redirect("/")'),
        ),
        Fault(
            name="update-refuses-host",
            mistake=t("an update of a healthy version: the page answers 400 to its own host name"),
            fixed_in_code=True,
            second_release=True,
            edits=before_page(
                'from flask import abort, request; request.host == "www.example.com" or abort(400)'
            ),
        ),
        Fault(
            name="update-hangs",
            mistake=t("an update of a healthy version: the page never answers; /health does"),
            fixed_in_code=True,
            second_release=True,
            edits=before_page("import time; time.sleep(3600)"),
        ),
        Fault(
            name="update-misspells-column",
            mistake=t(
                "an update of a healthy version: the page reads a column that does not exist"
            ),
            fixed_in_code=True,
            second_release=True,
            edits=change(
                "webapp/pages.py",
                "SELECT visited_at, language, task",
                "SELECT visited_on, language, task",
            ),
        ),
        Fault(
            name="update-claims-gzip",
            mistake=t(
                "an update of a healthy version: the page says that it is compressed, and is not"
            ),
            fixed_in_code=True,
            second_release=True,
            edits=change(
                "webapp/pages.py",
                "visit=visit, count=count)\n",
                'visit=visit, count=count), {"Content-Encoding": "gzip"}\n',
            ),
        ),
        Fault(
            name="update-loses-stylesheet",
            mistake=t(
                "an update of a healthy version: the stylesheet to which the page links was moved"
            ),
            fixed_in_code=True,
            second_release=True,
            edits=change(
                "webapp/__init__.py",
                "app = Flask(__name__)\n",
                'app = Flask(__name__, static_folder="assets", static_url_path="/static")\n',
            ),
        ),
        Fault(
            name="canary-raises-at-import",
            mistake=t("a canary: the app raises an error while it is imported"),
            before=CANARY,
            fixed_in_code=True,
            second_release=True,
            edits=change(
                "webapp/__init__.py",
                "from flask import Flask\n",
                'from flask import Flask\n\nraise RuntimeError("nobody tried this")\n',
            ),
        ),
        Fault(
            name="page-fails-later",
            mistake=t(
                "a canary: the page answers 429 after a few requests, as a rate limiter does"
            ),
            before=CANARY,
            fixed_in_code=True,
            second_release=True,
            edits=before_page(
                "from flask import abort; globals().setdefault('seen', []).append(1); len(seen) < 6 or abort(429)"
            ),
        ),
        Fault(
            name="listener-deleted",
            mistake=t("somebody deleted the load balancer's listener; an update follows"),
            second_release=True,
            manual_change=delete_listeners,
            edits=ANOTHER_RELEASE,
        ),
        Fault(
            name="password-changed",
            mistake=t("somebody changed the database's password by hand; an update follows"),
            second_release=True,
            manual_change=change_password,
            edits=ANOTHER_RELEASE,
        ),
        Fault(
            name="out-of-memory",
            mistake=t("the app uses more memory than the task has"),
            edits=change(
                "webapp/__init__.py",
                "    settings = settings or Settings.load(os.environ)\n",
                "    global model; model = b'x' * (900 << 20)\n"
                "    settings = settings or Settings.load(os.environ)\n",
            ),
        ),
        Fault(
            name="leak",
            mistake=t("an update of a healthy version: the app leaks some memory on each visit"),
            fixed_in_code=True,
            second_release=True,
            shows_later=True,
            edits=before_page("globals().setdefault('seen', []).append(b'x' * (16 << 20))"),
        ),
        Fault(
            name="connection-leak",
            mistake=t(
                "an update of a healthy version: the app opens a database connection on each visit, and closes none"
            ),
            fixed_in_code=True,
            second_release=True,
            shows_later=True,
            edits=before_page(
                "import os, psycopg; globals().setdefault('open_', []).append(psycopg.connect("
                f"{FROM_ENVIRONMENT}))"
            ),
        ),
        Fault(
            name="image-missing",
            mistake=t("all images in the repository were deleted"),
            manual_change=delete_images,
        ),
        Fault(
            name="wrong-architecture",
            mistake=t("the image is built for ARM64, the task runs on X86_64"),
            fixed_in_code=True,
            edits=change(
                "infra/registry.py",
                "PLATFORMS[image.architecture]",
                '"linux/arm64"',
            ),
        ),
        Fault(
            name="no-tls",
            read_by_webapp=True,
            mistake=t("the app connects to the database without TLS"),
            fixed_in_code=True,
            edits=change(
                "infra/container.py",
                '        "DB_USER": inputs.db_user,\n',
                '        "DB_USER": inputs.db_user,\n        "DB_SSLMODE": "disable",\n',
            ),
        ),
        Fault(
            name="another-authority",
            mistake=t(
                "the app trusts the public certificate authorities, and RDS's is not among them"
            ),
            fixed_in_code=True,
            edits=change(
                "webapp/settings.py",
                'RDS_BUNDLE = Path(__file__).with_name("certs") / "rds-ca.pem"\n',
                'import botocore\nRDS_BUNDLE = Path(botocore.__file__).with_name("cacert.pem")\n',
            ),
        ),
        Fault(
            name="db-stopped",
            mistake=t("the database is stopped"),
            manual_change=stop_database,
        ),
        Fault(
            name="command-waits-for-lock",
            mistake=t(
                "deployCommand changes a table that a person's open transaction has read, so that it waits"
            ),
            config={
                "deployCommand": f'python -c "import os, psycopg; psycopg.connect({FROM_ENVIRONMENT}, '
                "autocommit=True).execute('ALTER TABLE visits ADD IF NOT EXISTS page text')\"",
                "imageRevision": "9",
            },
            manual_change=read_and_stay,
            read_by_webapp=True,
            second_release=True,
        ),
        Fault(
            name="worker-crashes",
            mistake=t("a worker's command gets an option that it does not know; the page works"),
            config={"workers.mail.command": "sleep infinity"},
            fixed_in_code=True,
            edits=change(
                "infra/workers.py",
                "command=worker.command,",
                'command=(*worker.command, "--mailbox=1"),',
            ),
        ),
        Fault(
            name="worker-out-of-memory",
            mistake=t("a worker uses more memory than its task has; the page works"),
            config={
                "workers.mail.command": "python -c 'import time; mail = b\"x\" * (900 << 20); time.sleep(9e6)'",
                "workers.mail.memory": "512",
            },
        ),
        Fault(
            name="log-group-missing",
            mistake=t("the task definition names a log group that does not exist"),
            fixed_in_code=True,
            edits=change(
                "infra/container.py",
                '"awslogs-group": inputs.log_group,',
                '"awslogs-group": inputs.log_group + "-app",',
            ),
        ),
        Fault(
            name="login-secret",
            mistake=t("the secret of the login is that of another client"),
            config=LOGIN,
            manual_change=store_another_secret,
        ),
        Fault(
            name="login-cut-off",
            mistake=t("the load balancer may not connect to the provider of the login"),
            config=LOGIN,
            fixed_in_code=True,
            edits=change(
                "infra/login.py",
                "            from_port=port,\n            to_port=port,\n",
                "            from_port=port + 1,\n            to_port=port + 1,\n",
            ),
        ),
        job(
            "job-command-missing",
            t("the command of a job does not exist in the image"),
            "pyhton -V",
            corrected=RUNS,
        ),
        job(
            "job-fails",
            t("a job ends with an error"),
            "python -c 'raise SystemExit(\"there is no report\")'",
            corrected=RUNS,
        ),
        job(
            "job-hangs",
            t("a job waits for something that does not come, longer than its timeoutMinutes"),
            "sleep infinity",
            corrected=RUNS,
        ),
        job(
            "job-role-denied",
            t("the role of the schedules has no permission to run tasks"),
            edits=change(
                "infra/jobs.py",
                '        {**allow(family, "ecs:RunTask"), "Condition": in_cluster},\n',
                "",
            ),
        ),
    )
}
"""Every fault by its name."""
