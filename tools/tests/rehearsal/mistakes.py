"""Every mistake that the property test makes on a running stack: the named faults, and others of the same kind.

A mistake changes one thing in AWS, the program, the app or a setting, as a person would.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import psycopg

from ecs_gate.text import verbatim
from local_cloud.calls import Calls
from local_cloud.paths import ROOT, find_home
from local_cloud.run.client import require
from stack.names import StackNames
from tools.rehearsal import faults
from tools.rehearsal.faults import ANOTHER_RELEASE, CONTAINER, FAULTS, Edit, Fault, ManualChange
from tools.rehearsal.faults import container as fields
from tools.rehearsal.faults import variable as value

CLOSED = {
    "Type": "fixed-response",
    "FixedResponseConfig": {"StatusCode": "503", "ContentType": "text/plain"},
}
SESSIONS: list[psycopg.Connection[Any]] = []
"""Sessions that a mistake holds open, until it is taken back."""


def other(mistake: str, **how: Any) -> Fault:
    """Return a mistake that is no named fault."""
    return Fault(mistake, "", verbatim(mistake), **how)


def written(file: str, old: str, new: str) -> Fault:
    """Return a mistake in the program or the app."""
    text = new.strip() or f"no {old.strip()}"
    return other(f"{file}: {text}", edits=(Edit(file, old, new),))


def variable(name: str, text: str) -> Fault:
    return other(f"{name}={text}", edits=(value(name, text),))


def container(mistake: str, **changed: Any) -> Fault:
    return other(mistake, edits=(fields(**changed),))


def setting(key: str, text: str) -> Fault:
    return other(f"setting: {key} {text}", config={key: text})


def by_hand(mistake: str, change: ManualChange, *, update: bool = False, **how: Any) -> Fault:
    """Return a mistake that a person makes in AWS, which an update of the app may follow."""
    edits = (ANOTHER_RELEASE,) if update else ()
    return other(mistake, manual_change=change, edits=edits, second_release=True, **how)


def target_group(*, update: bool = False, **changed: Any) -> Fault:
    """Return another health check."""

    def change(calls: Calls, names: StackNames) -> None:
        arn = {"TargetGroupArn": faults.group_of(calls, names)["TargetGroupArn"]}
        calls("elbv2", "modify_target_group", {**arn, **changed})

    return by_hand(f"target group: {changed}", change, update=update)


def rule(mistake: str, **changed: Any) -> Fault:
    """Return another rule of the listener."""

    def change(calls: Calls, names: StackNames) -> None:
        arn = {"RuleArn": faults.rules_of(calls, names)[-1]["RuleArn"]}
        calls("elbv2", "modify_rule", {**arn, **changed})

    return by_hand(f"rule: {mistake}", change)


def service(mistake: str, owner: str = "", public: str = "DISABLED", **changed: Any) -> Fault:
    """Return a service with other fields, another owner's security group, or with public addresses."""

    def update(calls: Calls, names: StackNames) -> None:
        now = faults.service_of(calls, names)["networkConfiguration"]["awsvpcConfiguration"]
        groups = [group_of(calls, names, owner)] if owner else now["securityGroups"]
        network = {**now, "securityGroups": groups, "assignPublicIp": public}
        which = {"cluster": names.cluster, "service": names.service, "forceNewDeployment": True}
        new = {"networkConfiguration": {"awsvpcConfiguration": network}, **changed}
        calls("ecs", "update_service", {**which, **new})

    return by_hand(f"service: {mistake}", update)


def group_of(calls: Calls, names: StackNames, owner: str) -> str:
    """Return the id of the security group of the alb, the app or the database."""
    named = [{"Name": "tag:Name", "Values": [f"{names.prefix}-{owner}"]}]
    found = calls("ec2", "describe_security_groups", {"Filters": named})["SecurityGroups"]
    return str(found[0]["GroupId"])


def firewall(owner: str, direction: str, port: int = 0) -> Fault:
    """Return a rule of a security group that is gone; without a port that for the app's."""

    def change(calls: Calls, names: StackNames) -> None:
        app = faults.service_of(calls, names)["loadBalancers"][0]["containerPort"]
        faults.revoke(calls, group_of(calls, names, owner), direction, port or app)

    return by_hand(
        f"{direction} rule of the {owner} for port {port or 3000} is gone", change, update=True
    )


def turn_dns_off(calls: Calls, names: StackNames) -> None:
    vpc = {"VpcId": faults.group_of(calls, names)["VpcId"]}
    calls("ec2", "modify_vpc_attribute", {**vpc, "EnableDnsSupport": {"Value": False}})


def delete_policy(kind: str, calls: Calls, names: StackNames) -> None:
    """Delete the inline policy of a role."""
    who = {"RoleName": faults.role_of(calls, names, kind)["RoleName"]}
    [policy] = calls("iam", "list_role_policies", who)["PolicyNames"]
    calls("iam", "delete_role_policy", {**who, "PolicyName": policy})


def secret_of(calls: Calls, names: StackNames, stage: str = "AWSCURRENT") -> dict[str, str]:
    """Return ARN and text of the database's secret."""
    which = {"DBInstanceIdentifier": names.database}
    [database] = calls("rds", "describe_db_instances", which)["DBInstances"]
    arn = {"SecretId": database["MasterUserSecret"]["SecretArn"]}
    found = calls("secretsmanager", "get_secret_value", {**arn, "VersionStage": stage})
    return {**arn, "SecretString": found["SecretString"]}


def store_password(password: str | None, calls: Calls, names: StackNames) -> None:
    """Store another password, or none."""
    held = secret_of(calls, names)
    login = {**json.loads(held["SecretString"]), "password": password}
    text = json.dumps({key: each for key, each in login.items() if each})
    calls("secretsmanager", "put_secret_value", {**held, "SecretString": text})


def store_password_before(calls: Calls, names: StackNames) -> None:
    calls("secretsmanager", "put_secret_value", secret_of(calls, names, "AWSPREVIOUS"))


def connect(calls: Calls, names: StackNames) -> psycopg.Connection[Any]:
    """Return a session of the master user in the app's database."""
    [server] = require(find_home()).state["databases"]
    host, _, port = server["listens"].partition(":")
    login = json.loads(secret_of(calls, names)["SecretString"])
    who = {"user": login["username"], "password": login["password"], "dbname": names.database_name}
    return psycopg.connect(host=host, port=port, sslmode="require", autocommit=True, **who)


def run(statement: str, calls: Calls, names: StackNames) -> None:
    with connect(calls, names) as session:
        session.execute(statement.encode())


def trust_of_another_account(kind: str, calls: Calls, names: StackNames) -> None:
    """Let ECS assume a role only for the tasks of another account."""
    role = faults.role_of(calls, names, kind)
    trust = role["AssumeRolePolicyDocument"]
    trust["Statement"][0]["Condition"] = {"StringEquals": {"aws:SourceAccount": "210987654321"}}
    who = {"RoleName": role["RoleName"], "PolicyDocument": json.dumps(trust)}
    calls("iam", "update_assume_role_policy", who)


def turn_browsers_away(calls: Calls, names: StackNames) -> None:
    """Answer every browser with 403 by a rule before the app's."""
    agents = {"HttpHeaderName": "User-Agent", "Values": ["Mozilla/*"]}
    faults.add_rule(calls, names, {"Field": "http-header", "HttpHeaderConfig": agents}, "403")


def lock_table(calls: Calls, names: StackNames) -> None:
    """Hold the lock of a table, as a forgotten psql does."""
    SESSIONS.append(connect(calls, names))
    SESSIONS[-1].execute("BEGIN; LOCK TABLE counters")


def delete_first_rule(calls: Calls, names: StackNames) -> None:
    for each in faults.rules_of(calls, names):
        if each["Priority"] == "1":
            calls("elbv2", "delete_rule", {"RuleArn": each["RuleArn"]})


def leave_other_tables(calls: Calls, names: StackNames) -> None:
    """EC2 refuses a second association of a subnet, so Pulumi could not associate them with their own tables."""
    private = [{"Name": "tag:Name", "Values": [f"{names.prefix}-private-*"]}]
    subnets = calls("ec2", "describe_subnets", {"Filters": private})["Subnets"]
    mine = {each["SubnetId"] for each in subnets}
    for table in faults.route_tables(calls, names, "public"):
        for each in table["Associations"]:
            if each.get("SubnetId") in mine:
                which = {"AssociationId": each["RouteTableAssociationId"]}
                calls("ec2", "disassociate_route_table", which)


def start_database(calls: Calls, names: StackNames) -> None:
    calls("rds", "start_db_instance", {"DBInstanceIdentifier": names.database})


SILENT = (
    "from http.server import *; HTTPServer(('{}', {}), SimpleHTTPRequestHandler).serve_forever()"
)
"""A program that says nothing of where it listens."""
ONLY_REHEARSED = {
    "another-secret": "the other team's secret is created once",
    "migration-fails": "the migration has run",
}
"""Named faults that the running stack does not have a second time; nor those that need a login, or time."""
MISTAKES: tuple[Fault, ...] = (
    # Those that need a session with the database come first.
    by_hand("a table that another session locks", lock_table, update=True, read_by_webapp=True),
    by_hand(
        "no right on a table", partial(run, "REVOKE ALL ON TABLE visits FROM postgres"),
        update=True, read_by_webapp=True),
    by_hand(
        "no right to create a table", partial(run, "REVOKE CREATE ON SCHEMA public FROM pg_database_owner"),
        update=True),
    # The task definition.
    variable("PORT", "8000"),
    variable("DB_HOST", "nowhere.ap-northeast-1.rds.amazonaws.com"),
    variable("DB_NAME", "another"),
    variable("DB_PORT", "5433"),
    variable("DB_USER", "nobody"),
    variable("DB_SSLROOTCERT", "/nowhere.pem"),
    variable("DB_SECRET_ARN", "arn:aws:secretsmanager:ap-northeast-1:123456789012:secret:other"),
    variable("WEB_CONCURRENCY", "x"),
    container("no environment", environment=[]),
    container("no secrets", secrets=[]),
    container("another image", image="123456789012.dkr.ecr.ap-northeast-1.amazonaws.com/other:1"),
    container("a command that is not there", command=["no-such-program"]),
    container("a command that ends", command=["python", "-c", "pass"]),
    container("a command that fails", command=["python", "-c", "raise SystemExit('no')"]),
    container("a server on 127.0.0.1 that logs nothing", command=["python", "-c", SILENT.format("127.0.0.1", 3000)]),
    container("a server on another port that logs nothing", command=["python", "-c", SILENT.format("", 3001)]),
    container(
        "a health check of another path",
        healthCheck={"command": ["CMD", "python", "-c", "raise SystemExit(1)"]}),
    written(CONTAINER, "{plain['DB_SECRET_ARN']}:password::", "{plain['DB_SECRET_ARN'][:-6]}AbCdEf:password::"),
    written("infra/task.py", '"cpu_architecture": settings.architecture', '"cpu_architecture": "ARM64"'),
    written("infra/task.py", "            task_role_arn=self.roles.task_arn,\n", ""),
    # The app and the settings.
    written("webapp/pages.py", "from flask import", "from flask import )"),
    written("webapp/pages.py", "from flask import", "raise RuntimeError('half done')\nfrom flask import"),
    written("webapp/pages.py", "from flask import", "raise SystemExit(0)\nfrom flask import"),
    written("webapp/gunicorn.conf.py", "workers = settings.workers", "workers = 'two'"),
    written("webapp/gunicorn.conf.py", '"webapp.front:create_front()"', '"webapp.front:front()"'),
    setting("healthMatcher", "204"),
    setting("smokePath", "/nowhere"),
    setting("smokePath", "/health/db"),
    setting("containerPort", "8000"),
    setting("execEnabled", "true"),
    setting("natStrategy", "none"),
    # Rights, the secret, and what is on the way to the tasks.
    by_hand("the execution role without its policy", partial(delete_policy, "execution"), update=True),
    by_hand(
        "the execution role for another account", partial(trust_of_another_account, "execution"), update=True),
    by_hand("the task role for another account", partial(trust_of_another_account, "task"), update=True),
    by_hand("a rule for browsers", turn_browsers_away),
    by_hand("the task role without its policy", partial(delete_policy, "task"), update=True),
    by_hand("the secret without a password", partial(store_password, None), update=True),
    by_hand("the secret with another password", partial(store_password, "of-another"), update=True),
    by_hand("no DNS in the VPC", turn_dns_off, update=True),
    firewall("alb", "egress"),
    firewall("app", "ingress"),
    firewall("app", "egress", 5432),
    firewall("app", "egress", 443),
    firewall("database", "ingress", 5432),
    target_group(HealthCheckPath="/nowhere"),
    target_group(HealthCheckPath="/nowhere", update=True),
    target_group(HealthCheckPort="9999"),
    target_group(HealthCheckProtocol="HTTPS"),
    target_group(Matcher={"HttpCode": "204"}),
    rule("another path", Conditions=[{"Field": "path-pattern", "Values": ["/app/*"]}]),
    rule("a fixed answer", Actions=[CLOSED]),
    service("no tasks", desiredCount=0),
    service("a public address", public="ENABLED"),
    service("the load balancer's security group", "alb"),
    service("the database's security group", "database"),
    # The named ones, some of which delete what others change.
    *(
        fault
        for fault in FAULTS.values()
        if not (fault.before or fault.shows_later or "loginIssuer" in fault.config or fault.name in ONLY_REHEARSED)
    ),
)  # fmt: skip
"""Every mistake; the test takes some of them, or all."""


def of_example(edit: Edit) -> Edit:
    """Return an edit of webapp/ as one of examples/flaskr, whose app and page are one file."""
    if not edit.file.startswith("webapp/"):
        return edit
    if edit.old == faults.VISIT:
        line = edit.new.removesuffix(faults.VISIT).strip()
        return faults.after(EXAMPLE, "    def index():\n", f"        {line}\n")
    return replace(edit, file=EXAMPLE)


def in_example(fault: Fault) -> Iterator[Fault]:
    """Yield the same mistake in the app of examples/flaskr, if that has the line, the variable or the table."""
    edits = tuple(map(of_example, fault.edits))
    fits = all((ROOT / each.file).read_text().count(each.old) == 1 for each in edits)
    if fits and not fault.read_by_webapp:
        yield replace(fault, edits=edits)


EXAMPLE = "examples/flaskr/flaskr/__init__.py"
IN_EXAMPLE = tuple(new for each in MISTAKES for new in in_example(each))
UNDO: Mapping[str, ManualChange] = {
    "no right on a table": partial(run, "GRANT ALL ON TABLE visits TO postgres"),
    "no right to create a table": partial(
        run, "GRANT CREATE ON SCHEMA public TO pg_database_owner"
    ),
    "the secret without a password": store_password_before,
    "the secret with another password": store_password_before,
    "rule-shadowed": delete_first_rule,
    "a rule for browsers": delete_first_rule,
    "route-tables-swapped": leave_other_tables,
    "db-stopped": start_database,
    "health-needs-db": start_database,
}
"""What takes a change by hand back that a refresh does not restore, by the mistake's name."""
