"""The named mistakes for ``rehearse --break NAME``.

After stage 1, or after stage 2, a fault changes a setting, the program, the app, or a resource in AWS, as a person
could by mistake.
The scheduler and the doctor know nothing of it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from careapp.settings.image import APP_FOLDER
from ecs_gate.text import Refused, Text, t

if TYPE_CHECKING:
    from careapp.settings.names import StackNames
    from local_cloud.calls import Calls

APP, FRONT, PAGES = "webapp/__init__.py", "webapp/front.py", "webapp/pages.py"
CONTAINER = "infra/container.py"
GUNICORN = "webapp/gunicorn.conf.py"
VISIT = "    visit = Visit(datetime.now(UTC), texts.language(), task.current())\n"
HEALTH_ANSWER = "            await answer(send, 200, HEALTHY)\n"


class FaultError(Refused):
    """A fault cannot be applied: the program does not contain the text that it changes."""


@dataclass(frozen=True)
class Edit:
    """A change of one file of the program or the app. The file must contain ``old`` exactly once."""

    file: str
    old: str
    new: str

    def apply(self, source: Path) -> None:
        """Change the file in ``source``. Raises ``FaultError``."""
        path = source / self.file
        text = path.read_text()
        if (count := text.count(self.old)) != 1:
            raise FaultError(
                "{file} contains {old!r} {count} times, not once",
                file=self.file,
                old=self.old,
                count=count,
            )
        path.write_text(text.replace(self.old, self.new))

    def revert(self, source: Path) -> None:
        """Revert the change. Raises ``FaultError``."""
        Edit(self.file, self.new, self.old).apply(source)


ManualChange = Callable[["Calls", "StackNames"], None]
"""A function that changes resources in AWS. Its second argument is the stack's names."""


@dataclass(frozen=True)
class Fault:
    """One mistake: its name, the id of the doctor's first finding, its description and its changes.

    ``fixed_in_code``: only an edit of the program or the app fixes it.
    ``read_by_webapp``: it sets a variable that only the app in webapp/ reads.
    ``needs_read_only_root``: it is a mistake only where the container's root file system is read-only.
    ``second_release``: it comes with an update of a healthy version, instead of with stage 2.
    ``before``: settings of the stack, which are no mistake.
    ``shows_later``: `up` succeeds with it, and it fails tasks or processes only after many visits, or a job.
    ``corrected``: settings as a person puts them right who reads what the doctor says.
    """

    name: str
    cause: str
    mistake: Text
    _: KW_ONLY
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

    def lacks(self, project: Path) -> list[str]:
        """Return the files that it changes and the project has not."""
        files = dict.fromkeys(edit.file for edit in self.edits)
        return [file for file in files if not (project / file).exists()]

    @property
    def needs_webapp(self) -> bool:
        """Whether it works only with the app in webapp/."""
        return self.read_by_webapp or any(
            edit.file.startswith(f"{APP_FOLDER.default}/") for edit in self.edits
        )


def route_tables(calls: Calls, names: StackNames, kind: str) -> list[dict[str, Any]]:
    """Return the route tables of the private or the public subnets."""
    where = {"Filters": [{"Name": "tag:Name", "Values": [f"{names.prefix}-{kind}-*"]}]}
    found: list[dict[str, Any]] = calls("ec2", "describe_route_tables", where)["RouteTables"]
    return found


def delete_default_route(calls: Calls, names: StackNames) -> None:
    """Delete the default route of the private subnets."""
    for table in route_tables(calls, names, "private"):
        route = {"RouteTableId": table["RouteTableId"], "DestinationCidrBlock": "0.0.0.0/0"}
        calls("ec2", "delete_route", route)


def swap_route_tables(calls: Calls, names: StackNames) -> None:
    """Associate the private subnets with the public ones' route table."""
    public = route_tables(calls, names, "public")[0]["RouteTableId"]
    for table in route_tables(calls, names, "private"):
        for each in table["Associations"]:
            which = {"AssociationId": each["RouteTableAssociationId"], "RouteTableId": public}
            calls("ec2", "replace_route_table_association", which)


def role_of(calls: Calls, names: StackNames, kind: str) -> dict[str, Any]:
    """Return the role of that kind: execution or task."""
    roles = calls("iam", "list_roles", {})["Roles"]
    return next(e for e in roles if e["RoleName"].startswith(f"{names.prefix}-{kind}"))


def trust_another_service(calls: Calls, names: StackNames) -> None:
    """Let EC2 assume the execution role instead of ECS."""
    role = role_of(calls, names, "execution")
    trust = json.dumps(role["AssumeRolePolicyDocument"]).replace("ecs-tasks.", "ec2.")
    who = {"RoleName": role["RoleName"], "PolicyDocument": trust}
    calls("iam", "update_assume_role_policy", who)


def service_of(calls: Calls, names: StackNames) -> dict[str, Any]:
    """Return the service."""
    where = {"cluster": names.cluster, "services": [names.service]}
    service: dict[str, Any] = calls("ecs", "describe_services", where)["services"][0]
    return service


def delete_service(calls: Calls, names: StackNames) -> None:
    """Delete the service with its tasks."""
    which = {"cluster": names.cluster, "service": names.service, "force": True}
    calls("ecs", "delete_service", which)


def delete_images(calls: Calls, names: StackNames) -> None:
    """Delete all images of the stack's repository."""
    repository = {"repositoryName": names.repository}
    listed = calls("ecr", "list_images", repository)["imageIds"]
    calls("ecr", "batch_delete_image", {**repository, "imageIds": listed})


def stop_database(calls: Calls, names: StackNames) -> None:
    """Stop the database, as a person does to save cost over a weekend."""
    calls("rds", "stop_db_instance", {"DBInstanceIdentifier": names.database})


def read_and_stay(calls: Calls, names: StackNames) -> None:
    """Read a table in a transaction and leave it open until it is ended, as a person's session does."""
    stay = "import select; select.select([session], [], [])"
    run_sql(calls, names, "TABLE visits", stay)


def change_password(calls: Calls, names: StackNames) -> None:
    """Change the password of the app's user without the secret."""
    run_sql(calls, names, "ALTER USER CURRENT_USER PASSWORD $$of-another-secret$$; COMMIT")


def run_sql(calls: Calls, names: StackNames, sql: str, after: str = "") -> None:
    """Start a task that runs this in a session, and then a line of Python."""
    service = service_of(calls, names)
    connect = f"import os, psycopg; session = psycopg.connect({FROM_ENVIRONMENT})"
    command = ["python", "-c", f"{connect}; session.execute('{sql}'); {after}"]
    task = {
        "cluster": names.cluster,
        "taskDefinition": service["taskDefinition"],
        "launchType": "FARGATE",
        "networkConfiguration": service["networkConfiguration"],
        "overrides": {"containerOverrides": [{"name": names.container, "command": command}]},
    }
    calls("ecs", "run_task", task)


def balancer_of(calls: Calls, names: StackNames) -> dict[str, Any]:
    """Return the load balancer."""
    found = calls("elbv2", "describe_load_balancers", {"Names": [names.balancer]})
    balancer: dict[str, Any] = found["LoadBalancers"][0]
    return balancer


def group_of(calls: Calls, names: StackNames) -> dict[str, Any]:
    """Return the target group."""
    found = calls("elbv2", "describe_target_groups", {"Names": [names.target_group]})
    group: dict[str, Any] = found["TargetGroups"][0]
    return group


def listeners_of(calls: Calls, names: StackNames) -> list[dict[str, str]]:
    """Return the ARNs of the load balancer's listeners, as a call takes them."""
    where = {"LoadBalancerArn": balancer_of(calls, names)["LoadBalancerArn"]}
    listeners = calls("elbv2", "describe_listeners", where)["Listeners"]
    return [{"ListenerArn": listener["ListenerArn"]} for listener in listeners]


def rules_of(calls: Calls, names: StackNames) -> list[dict[str, Any]]:
    """Return the rules of the listeners, without the default ones."""
    listeners = listeners_of(calls, names)
    found = [rule for e in listeners for rule in calls("elbv2", "describe_rules", e)["Rules"]]
    return [rule for rule in found if not rule["IsDefault"]]


def add_catch_all_rule(calls: Calls, names: StackNames) -> None:
    """Create a listener rule with a lower priority number that matches every path."""
    add_rule(calls, names, {"Field": "path-pattern", "Values": ["/*"]}, "404")


def add_rule(calls: Calls, names: StackNames, condition: Mapping[str, Any], status: str) -> None:
    """Create a listener rule with a lower priority number than the app's, and a fixed response."""
    answer = {"StatusCode": status, "ContentType": "text/plain", "MessageBody": "not here"}
    rule = {
        "Priority": 1,
        "Conditions": [condition],
        "Actions": [{"Type": "fixed-response", "FixedResponseConfig": answer}],
    }
    calls("elbv2", "create_rule", {**listeners_of(calls, names)[0], **rule})


def revoke(calls: Calls, group: str, direction: str, port: int | None = None) -> None:
    """Revoke a security group's ingress or egress rules, of one port or of all."""
    where = {"Filters": [{"Name": "group-id", "Values": [group]}]}
    rules = calls("ec2", "describe_security_group_rules", where)["SecurityGroupRules"]
    rules = [e for e in rules if e["IsEgress"] == (direction == "egress")]
    ids = [e["SecurityGroupRuleId"] for e in rules if port in (None, e.get("FromPort"))]
    which = {"GroupId": group, "SecurityGroupRuleIds": ids}
    calls("ec2", f"revoke_security_group_{direction}", which)


def shut_clients_out(calls: Calls, names: StackNames) -> None:
    """Revoke the inbound rules of the load balancer's security group."""
    revoke(calls, balancer_of(calls, names)["SecurityGroups"][0], "ingress")


def delete_listeners(calls: Calls, names: StackNames) -> None:
    """Delete the listeners of the load balancer, and with them their rules."""
    for listener in listeners_of(calls, names):
        calls("elbv2", "delete_listener", listener)


def delete_target_group(calls: Calls, names: StackNames) -> None:
    """Delete the target group, and before it the rules that forward to it."""
    for rule in rules_of(calls, names):
        calls("elbv2", "delete_rule", {"RuleArn": rule["RuleArn"]})
    group = {"TargetGroupArn": group_of(calls, names)["TargetGroupArn"]}
    calls("elbv2", "delete_target_group", group)


def create_other_secret(calls: Calls, _names: StackNames) -> None:
    """Create the secret of another team."""
    login = {"username": "postgres", "password": "of-another-database"}
    secret = {"Name": "team-b/database", "SecretString": json.dumps(login)}
    calls("secretsmanager", "create_secret", secret)


def store_another_secret(calls: Calls, names: StackNames) -> None:
    """Store the secret of another client, as a person does who copies the wrong line."""
    secret = {"SecretId": f"{names.prefix}/login", "SecretString": "of-another-client"}
    calls("secretsmanager", "put_secret_value", secret)


def after(file: str, text: str, more: str) -> Edit:
    """Return the edit that adds ``more`` after a text."""
    return Edit(file, text, text + more)


def before(file: str, text: str, more: str) -> Edit:
    """Return the edit that adds ``more`` before a text."""
    return Edit(file, text, more + text)


def before_health_answer(line: str) -> Edit:
    """Return the edit that runs ``line`` before the app answers /health."""
    return before(FRONT, HEALTH_ANSWER, f"            {line}\n")


def before_page(line: str) -> Edit:
    """Return the edit that runs ``line`` before the app makes its page."""
    return before(PAGES, VISIT, f"    {line}\n")


def variable(name: str, value: str) -> Edit:
    """Return the edit that gives the container a variable, or another value of it."""
    end = '"WEB_CONCURRENCY": str(settings.workers),\n    }'
    return after(CONTAINER, end, f" | {{{name!r}: {value!r}}}")


def container(**fields: Any) -> Edit:
    """Return the edit that gives the container other fields."""
    end = '"max-buffer-size": LOG_BUFFER,\n            },\n        },\n    }'
    return after(CONTAINER, end, f" | {fields!r}")


ANOTHER_RELEASE = {"appVariables.RELEASE": "another"}
"""A harmless update, for mistakes that lie outside of the version, in whatever app."""

CANARY = {"deployStrategy": "canary", "bakeMinutes": "1"}
"""The settings of a canary."""

LOGIN = {
    "certificateArn": "arn:aws:acm:ap-northeast-1:111122223333:certificate/0a",
    "loginIssuer": "https://login.example.com",
    "loginClientId": "client",
    "loginSecretArn": "arn:aws:secretsmanager:ap-northeast-1:111122223333:secret:careapp-poc/login-AbCdEf",
}
"""A login, at the local cloud's provider."""


def in_code(name: str, cause: str, mistake: Text, *edits: Edit, **more: Any) -> Fault:
    """Return a mistake that only an edit of the program or the app fixes."""
    return Fault(name, cause, mistake, edits=edits, fixed_in_code=True, **more)


def update(name: str, mistake: Text, *edits: Edit) -> Fault:
    """Return a mistake in an update of a healthy version, which the gate rolls back for its page."""
    return in_code(name, "rolled-back", mistake, *edits, second_release=True)


def by_hand(name: str, cause: str, mistake: Text, change: ManualChange) -> Fault:
    """Return a mistake that a person made in AWS before a harmless update of a healthy version."""
    return Fault(
        name, cause, mistake, manual_change=change, config=ANOTHER_RELEASE, second_release=True
    )


def job(name: str, cause: str, mistake: Text, command: str = "python -V", **more: Any) -> Fault:
    """Return a mistake in a job, which runs as soon as it is deployed: a rate counts from the schedule's creation."""
    config = {
        "jobs.report.command": command,
        "jobs.report.schedule": "rate(1 hour)",
        "jobs.report.timeoutMinutes": "1",
    }
    return Fault(name, cause, mistake, config=config, second_release=True, shows_later=True, **more)


RUNS = {"jobs.report.command": "python -V"}
TEAM_B = '{variables["DB_SECRET_ARN"].partition("rds!")[0]}team-b/database'
FROM_ENVIRONMENT = (
    "host=os.environ['DB_HOST'], dbname=os.environ['DB_NAME'], user=os.environ['DB_USER'], "
    "password=os.environ['DB_PASSWORD'], connect_timeout=3"
)
HEALTH_ASKS_DATABASE = (
    f"import psycopg, os; await psycopg.AsyncConnection.connect({FROM_ENVIRONMENT})"
)
REDIRECT = '            await answer(send, 301, b"", (b"location", b"/healthz"))\n'
PAGE_RAISES = Edit(PAGES, "{book.visits:,}", "{book.visit:,}")
ALLOW_ONE = 'allow(secret_arn, "secretsmanager:GetSecretValue")'
ALLOW_ALL = 'allow("*", "secretsmanager:GetSecretValue")'
_ALL = (
    Fault("health-path", "health-path-missing",
        t("the health check requests a path that the app does not have"), config={"healthPath": "/healthz"}),
    Fault("health-needs-db", "database-away", t("/health queries the database, which is stopped"),
        manual_change=stop_database, edits=(before_health_answer(HEALTH_ASKS_DATABASE),)),
    in_code("port-mismatch", "port-mismatch", t("the app listens on a port other than that of the task definition"),
        Edit(GUNICORN, 'bind = f"{host}:{settings.port}"', 'bind = f"{host}:8000"')),
    in_code("listens-on-loopback", "wrong-address", t("the task definition makes the app listen on 127.0.0.1"),
        variable("BIND_HOST", "127.0.0.1"), read_by_webapp=True),
    in_code("alb-cannot-reach-task", "balancer-cannot-reach-task",
        t("the security-group rules between load balancer and task allow another port"),
        Edit("infra/security_groups.py", '"app", task, port)', '"app", task, port + 1)')),
    in_code("https-to-http-app", "target-protocol",
        t("the target group's protocol is HTTPS; the health check and the app speak HTTP"), Edit(
            "infra/load_balancer.py", 'protocol="HTTP",\n            port=TARGET_PORT,',
            'protocol="HTTPS",\n            port=TARGET_PORT,')),
    in_code("task-cannot-reach-db", "task-cannot-reach-database",
        t("the security-group rules between task and database allow another port"),
        Edit("infra/security_groups.py", "rds, database.port)", "rds, database.port + 1)")),
    Fault("no-nat", "task-cannot-reach-aws", t("the private subnets have no route to the internet"),
        manual_change=delete_default_route),
    in_code("no-dns", "vpc-without-dns", t("the VPC's DNS is turned off"), after(
            "infra/network.py", "        enable_dns_hostnames=True,\n", "        enable_dns_support=False,\n")),
    in_code("secret-key", "secret-key-missing", t("the task definition names a key that the secret does not have"),
        Edit(CONTAINER, "DB_SECRET_ARN']}:password::", "DB_SECRET_ARN']}:passwd::")),
    in_code("another-secret", "database-secret",
        t("the task definition names another team's secret, which its roles may read"),
        Edit(CONTAINER, "        **variables,\n", f"        **variables,\n        'DB_SECRET_ARN': f'{TEAM_B}',\n"),
        Edit("infra/iam.py", f"        {ALLOW_ONE},\n", f"        {ALLOW_ALL},\n"),
        Edit("infra/iam.py", f"    secret = {ALLOW_ONE}\n", f"    secret = {ALLOW_ALL}\n"),
        manual_change=create_other_secret),
    Fault("secret-denied", "execution-role-cannot-secret", t("the execution role has no permission to read the secret"),
        edits=(Edit("infra/iam.py", f"        {ALLOW_ONE},\n", ""),)),
    in_code("migration-fails", "app-cannot-migrate",
        t("a migration adds a column without a default to a table that has rows"), after(
            "webapp/migrations/0002_greetings.sql", "    ('ja', 'こんにちは、ECS');\n",
            "\nALTER TABLE greetings ADD COLUMN footer text NOT NULL;\n")),
    in_code("crash-on-start", "log-module-missing", t("the app needs a module that is not in its lock file"),
        before(APP, "from flask import", "import pandas\n")),
    in_code("sidecar-exits", "sidecar-exited",
        t("an essential container beside the app ends for lack of its configuration"), Edit(
            "infra/task.py", "return json.dumps([container.container_definition(settings, process, **known)])",
            "app = container.container_definition(settings, process, **known)\n"
            '            proxy = {"name": "proxy", "command": ["sh", "-c", "echo no configuration; exit 3"]}\n'
            '            return json.dumps([app, {**app, **proxy, "portMappings": []}])')),
    in_code("read-only-root", "log-read-only-root", t("the app opens a log file in its own folder"), after(
            APP, "    app = Flask(__name__)\n",
            '    open(os.path.join(os.path.dirname(__file__), "app.log"), "a").close()\n'), needs_read_only_root=True),
    # The clock runs 10 times as fast, or more: 25 s are over four minutes of AWS's time. After three, the first task is
    # healthy while ECS still waits for its replacement, and the roll-out succeeds.
    Fault("slow-start", "not-listening", t("the app waits for minutes before it listens, longer than the grace period"),
        edits=(before(GUNICORN, 'wsgi_app = "webapp.front:create_front()"', "import time; time.sleep(25)\n"),)),
    in_code("slow-health", "health-slow", t("/health takes longer than the health check waits"),
        before_health_answer("import asyncio; await asyncio.sleep(8)")),
    in_code("redirecting-health", "health-redirects", t("/health redirects"), Edit(FRONT, HEALTH_ANSWER, REDIRECT)),
    in_code("healthcheck-command", "container-check-failed",
        t("the container health check runs a module that the image does not have"),
        container(healthCheck={"command": ["CMD-SHELL", "python -m webapp.health"]})),
    Fault("rule-shadowed", "rule-in-the-way",
        t("another listener rule, with a lower priority number, matches every path"), manual_change=add_catch_all_rule),
    Fault("clients-shut-out", "balancer-lets-nobody-in",
        t("the load balancer's security group lost its rules for the clients of allowedCidrs"),
        manual_change=shut_clients_out),
    in_code("page-raises", "app-raises", t("the page raises an error; /health answers"), PAGE_RAISES),
    update("update-raises", t("an update of a healthy version: the page raises an error; /health answers"),
        PAGE_RAISES),
    in_code("listener-moves", "no-listener", t("the listener is on port 8080, and pageUrl names no port"),
        Edit("infra/listeners.py", "        port=HTTP,\n", "        port=8080,\n")),
    update("update-moves-page", t("an update of a healthy version: / answers 404, because its route was renamed"),
        Edit(PAGES, '.get("/")', '.get("/home")')),
    update("update-redirects", t("an update of a healthy version: the page redirects to itself for ever"),
        before_page('from flask import redirect; return redirect("/")')),
    update("update-redirects-to-https",
        t("an update of a healthy version: the page redirects to https, and no listener has a certificate"),
        before_page("from flask import redirect, request; return redirect('https://' + request.host)")),
    update("update-hangs", t("an update of a healthy version: the page never answers; /health does"),
        before_page("import time; time.sleep(3600)")),
    update("update-misspells-column", t("an update of a healthy version: the page reads a column that does not exist"),
        Edit(PAGES, "SELECT visited_at, language, task", "SELECT visited_on, language, task")),
    update("update-loses-stylesheet",
        t("an update of a healthy version: the stylesheet to which the page links was moved"), Edit(
            APP, "app = Flask(__name__)\n",
            'app = Flask(__name__, static_folder="assets", static_url_path="/static")\n')),
    in_code("canary-raises-at-import", "crash", t("a canary: the app raises an error while it is imported"),
        after(APP, "from flask import Flask\n", '\nraise RuntimeError("nobody tried this")\n'), before=CANARY,
        second_release=True),
    in_code("page-fails-later", "rolled-back",
        t("a canary: the page answers 429 after a few requests, as a rate limiter does"), before_page(
            "from flask import abort; globals().setdefault('seen', []).append(1); len(seen) < 6 or abort(429)"),
        before=CANARY, second_release=True),
    by_hand("listener-deleted", "no-listener",
        t("somebody deleted the load balancer's listener; an update follows"), delete_listeners),
    by_hand("target-group-deleted", "target-group-missing",
        t("somebody deleted the target group and its rule; an update follows"), delete_target_group),
    by_hand("role-not-trusted", "execution-role-not-trusted",
        t("the trust policy of the execution role names another service; an update follows"), trust_another_service),
    by_hand("service-deleted", "service-missing", t("somebody deleted the service; an update follows"), delete_service),
    by_hand("password-changed", "log-wrong-password",
        t("somebody changed the database's password by hand; an update follows"), change_password),
    Fault("out-of-memory", "out-of-memory", t("the app uses more memory than the task has"), edits=(before(
                APP, "    app = Flask(__name__)\n",
                "    global model; model = b'x' * (900 << 20)\n"),)),
    in_code("leak", "out-of-memory-later", t("an update of a healthy version: the app leaks some memory on each visit"),
        before_page("globals().setdefault('seen', []).append(b'x' * (16 << 20))"), second_release=True,
        shows_later=True),
    in_code("connection-leak", "log-too-many-connections",
        t("an update of a healthy version: the app opens a database connection on each visit, and closes none"),
        before_page(
            f"import os, psycopg; globals().setdefault('open_', []).append(psycopg.connect({FROM_ENVIRONMENT}))"),
        second_release=True, shows_later=True),
    Fault("route-tables-swapped", "task-cannot-reach-aws",
        t("the private subnets have the public ones' route table"), manual_change=swap_route_tables),
    Fault("image-missing", "image-missing", t("all images in the repository were deleted"),
        manual_change=delete_images),
    in_code("wrong-architecture", "image-architecture", t("the image is built for ARM64, the task runs on X86_64"),
        Edit("infra/registry.py", "PLATFORMS[image.architecture]", '"linux/arm64"')),
    in_code("no-tls", "log-no-tls", t("the app connects to the database without TLS"),
        variable("DB_SSLMODE", "disable"), read_by_webapp=True),
    in_code("another-authority", "log-certificate",
        t("the app trusts the public certificate authorities, and RDS's is not among them"), Edit(
            "webapp/settings.py", 'RDS_BUNDLE = Path(__file__).with_name("certs") / "rds-ca.pem"\n',
            'import botocore\nRDS_BUNDLE = Path(botocore.__file__).with_name("cacert.pem")\n')),
    Fault("db-stopped", "database-away", t("the database is stopped"), manual_change=stop_database),
    Fault("command-waits-for-lock", "deploy-command-failed",
        t("deployCommand changes a table that a person's open transaction has read, so that it waits"), config={
            "deployCommand": f'python -c "import os, psycopg; psycopg.connect({FROM_ENVIRONMENT}, '
            "autocommit=True).execute('ALTER TABLE visits ADD IF NOT EXISTS page text')\"", "imageRevision": "9"},
        manual_change=read_and_stay, read_by_webapp=True, second_release=True),
    in_code("worker-crashes", "log-option-unknown",
        t("a worker's command gets an option that it does not know; the page works"),
        Edit("infra/workers.py", "command=worker.command,", 'command=(*worker.command, "--mailbox=1"),'),
        config={"workers.mail.command": "sleep infinity"}),
    Fault("worker-ends", "process-ends", t("a worker's command ends at once, without an error; the page works"),
        config={"workers.mail.command": "python -V"}, corrected={"workers.mail.command": "sleep infinity"}),
    Fault("worker-out-of-memory", "out-of-memory", t("a worker uses more memory than its task has; the page works"),
        config={
            "workers.mail.command": "python -c 'import time; mail = b\"x\" * (900 << 20); time.sleep(9e6)'",
            "workers.mail.memory": "512"}),
    in_code("log-group-missing", "log-group-missing", t("the task definition names a log group that does not exist"),
        Edit(CONTAINER, '"awslogs-group": log_group,', '"awslogs-group": log_group + "-app",')),
    Fault("login-secret", "login-client-refused", t("the secret of the login is that of another client"),
        config=LOGIN, manual_change=store_another_secret),
    in_code("login-cut-off", "login-cut-off", t("the load balancer may not connect to the provider of the login"),
        Edit("infra/login.py", '"login", port,', '"login", port + 1,'), config=LOGIN),
    Fault("login-issuer", "login-not-asked",
        t("an update of a healthy version: a login whose issuer cannot be reached"),
        before={"certificateArn": LOGIN["certificateArn"]},
        config={**LOGIN, "loginIssuer": "https://nowhere.example.com"}, second_release=True),
    job("job-command-missing", "job-command-missing", t("the command of a job does not exist in the image"),
        "pyhton -V", corrected=RUNS),
    job("job-fails", "job-failed", t("a job ends with an error"),
        "python -c 'raise SystemExit(\"there is no report\")'", corrected=RUNS),
    job("job-hangs", "job-timed-out",
        t("a job waits for something that does not come, longer than its timeoutMinutes"), "sleep infinity",
        corrected=RUNS),
    job("job-role-denied", "job-role-denied", t("the role of the schedules has no permission to run tasks"), edits=(
            Edit("infra/jobs.py", '        {**allow(family, "ecs:RunTask"), "Condition": in_cluster},\n', ""),)),
)  # fmt: skip
FAULTS: Mapping[str, Fault] = {fault.name: fault for fault in _ALL}
"""Every fault by its name."""
