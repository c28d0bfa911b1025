"""The grammar of mistakes: every single edit of a running stack that the property test makes and takes back.

An edit changes one field in AWS, as a wrong program or a person would, and returns what undoes it.
Edits can be made together, and of a service that does not exist yet.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import psycopg

from local_cloud.calls import Calls
from local_cloud.paths import Home
from local_cloud.run.client import require
from stack.names import StackNames
from tools.rehearsal.faults import FAULTS, create_other_secret
from tools.rehearsal.faults import Edit as Patch

NAMES = StackNames("poc", "careapp")
NAME, CLUSTER, SERVICE = NAMES.prefix, NAMES.cluster, NAMES.service
REVISION_FIELDS = (
    *("family", "cpu", "memory", "networkMode", "requiresCompatibilities", "runtimePlatform"),
    *("executionRoleArn", "taskRoleArn", "volumes", "containerDefinitions"),
)

Undo = Callable[[], object]
OnStack = Callable[["Stack"], None]
Definition = dict[str, Any]


@dataclass(frozen=True)
class Stack:
    """What the stack consists of, looked up once: when it is healthy, by ``look_up``.

    ``home`` has the local cloud's files; ``pulumi`` runs a command of Pulumi's. ``changes`` are those of the
    task definition, by the name of their edit, and ``revisions`` the ARNs of the revisions that were registered
    for them.
    """

    calls: Calls
    home: Home
    pulumi: Callable[..., object]
    changes: dict[str, Callable[[Definition, Stack], object]] = field(default_factory=dict)
    revisions: list[str] = field(default_factory=list)

    def look_up(self) -> None:
        """Read everything now: with two mistakes the first one may hide what the second one needs."""
        for name, each in vars(type(self)).items():
            if isinstance(each, cached_property):
                getattr(self, name)

    def one(self, service: str, operation: str, **params: Any) -> Any:
        """The only thing that an operation describes."""
        answer = self.calls(service, operation, params)
        [items] = [value for value in answer.values() if isinstance(value, list) and value]
        [item] = items
        return item

    @cached_property
    def service(self) -> Any:
        return self.one("ecs", "describe_services", cluster=CLUSTER, services=[SERVICE])

    @cached_property
    def definition(self) -> Any:
        arn = self.service["taskDefinition"]
        return self.calls("ecs", "describe_task_definition", {"taskDefinition": arn})[
            "taskDefinition"
        ]

    @cached_property
    def group(self) -> Any:
        return self.one("elbv2", "describe_target_groups", Names=[f"{NAME}-tg"])

    @cached_property
    def balancer(self) -> Any:
        return self.one("elbv2", "describe_load_balancers", Names=[f"{NAME}-alb"])

    @cached_property
    def listener(self) -> Any:
        arn = self.balancer["LoadBalancerArn"]
        return self.one("elbv2", "describe_listeners", LoadBalancerArn=arn)

    @cached_property
    def rule(self) -> Any:
        """The rule that leads to the tasks; the other one is the listener's default."""
        listener = {"ListenerArn": self.listener["ListenerArn"]}
        rules = self.calls("elbv2", "describe_rules", listener)["Rules"]
        [rule] = [rule for rule in rules if rule["Priority"] != "default"]
        return rule

    @cached_property
    def database(self) -> Any:
        return self.one("rds", "describe_db_instances", DBInstanceIdentifier=NAME)

    @cached_property
    def secret(self) -> str:
        return str(self.database["MasterUserSecret"]["SecretArn"])

    @cached_property
    def groups(self) -> dict[str, str]:
        """The security groups' ids: of the load balancer, the tasks and the database."""
        [task] = self.service["networkConfiguration"]["awsvpcConfiguration"]["securityGroups"]
        [balancer] = self.balancer["SecurityGroups"]
        [database] = [each["VpcSecurityGroupId"] for each in self.database["VpcSecurityGroups"]]
        return {"task": task, "balancer": balancer, "database": database}

    @cached_property
    def subnets(self) -> list[str]:
        found: list[str] = self.service["networkConfiguration"]["awsvpcConfiguration"]["subnets"]
        return found

    def connect(self) -> psycopg.Connection[Any]:
        """Return a session of the master user in the app's database."""
        [server] = require(self.home).state["databases"]
        host, _, port = server["listens"].partition(":")
        held = self.calls("secretsmanager", "get_secret_value", {"SecretId": self.secret})
        login = json.loads(held["SecretString"])
        return psycopg.connect(
            host=host,
            port=port,
            dbname=self.database["DBName"],
            user=login["username"],
            password=login["password"],
            sslmode="require",
        )

    @property
    def exists(self) -> bool:
        """Whether the service does: a first release creates it."""
        asked = {"cluster": CLUSTER, "services": [SERVICE]}
        found = self.calls("ecs", "describe_services", asked)["services"]
        return any(each["status"] == "ACTIVE" for each in found)

    def delete_service(self) -> None:
        """Delete the service, for a mistake to be in its first release."""
        assert self.service  # What create_service gets.
        what = {"cluster": CLUSTER, "service": SERVICE, "force": True}
        self.calls("ecs", "delete_service", what)
        while (
            self.one("ecs", "describe_services", cluster=CLUSTER, services=[SERVICE])["status"]
            != "INACTIVE"
        ):
            time.sleep(0.1)

    def roll(self, **change: Any) -> None:
        """Update the service, with new tasks; create it where it does not exist."""
        if self.exists:
            what = {"cluster": CLUSTER, "service": SERVICE, "forceNewDeployment": True, **change}
            self.calls("ecs", "update_service", what)
            return
        taken = self.calls.model("ecs", "create_service").input_shape.members
        kept = {name: value for name, value in self.service.items() if name in taken and value}
        self.calls("ecs", "create_service", {**kept, "cluster": CLUSTER, **change})

    def release(self) -> None:
        """Let the service run the task definition with the changes there are; without any, the program's."""
        for arn in self.revisions:
            self.calls("ecs", "deregister_task_definition", {"taskDefinition": arn})
        self.revisions.clear()
        if not self.changes:
            self.roll(taskDefinition=self.definition["taskDefinitionArn"])
            return
        new = {name: self.definition[name] for name in REVISION_FIELDS}
        new = json.loads(json.dumps({key: value for key, value in new.items() if value}))
        for change in self.changes.values():
            change(new, self)
        made = self.calls("ecs", "register_task_definition", new)["taskDefinition"]
        self.revisions.append(made["taskDefinitionArn"])
        self.roll(taskDefinition=made["taskDefinitionArn"])


@dataclass(frozen=True)
class Edit:
    """One mistake: its name, what makes it, and how it comes into effect.

    With ``rolls`` new tasks start with it, as after a deployment; with ``deploys`` it is a change of the
    program's settings, which `pulumi up` deploys. One that is ``written`` stands in the sources, of the
    program or the app: what takes it back is a person's edit, and then a deployment. One that ``holds`` keeps
    something of this process open, which is closed in any case.
    """

    name: str
    make: Callable[[Stack], Undo]
    rolls: bool = True
    deploys: bool = False
    written: bool = False
    holds: bool = False

    @property
    def revises(self) -> bool:
        """Whether it makes another revision of the task definition."""
        return self.written and not self.rolls


def revision(name: str, change: Callable[[Definition, Stack], object]) -> Edit:
    """A new revision of the task definition, changed, and the service on it."""

    def make(stack: Stack) -> Undo:
        def undo() -> None:
            del stack.changes[name]
            stack.release()

        stack.changes[name] = change
        stack.release()
        return undo

    return Edit(name, make, rolls=False, written=True)


def container(name: str, **fields: Any) -> Edit:
    """A revision with other fields of its container."""
    return revision(name, lambda new, _: new["containerDefinitions"][0].update(fields))


def variable(name: str, value: str) -> Edit:
    """A revision with another value of an environment variable, or a variable more."""

    def change(new: dict[str, Any], _: Stack) -> None:
        variables = new["containerDefinitions"][0]["environment"]
        others = [each for each in variables if each["name"] != name]
        new["containerDefinitions"][0]["environment"] = [*others, {"name": name, "value": value}]

    return revision(f"{name}={value}", change)


def secret(name: str, value: Callable[[Stack], str]) -> Edit:
    """A revision that takes DB_PASSWORD from elsewhere."""

    def change(new: dict[str, Any], stack: Stack) -> None:
        found = [{"name": "DB_PASSWORD", "valueFrom": value(stack)}]
        new["containerDefinitions"][0]["secrets"] = found

    return revision(name, change)


def essential_sidecar(new: Definition, _: Stack) -> None:
    """An essential container beside the app, which ends at once."""
    [app] = new["containerDefinitions"]
    proxy = {"name": "proxy", "command": ["sh", "-c", "exit 3"], "portMappings": []}
    new["containerDefinitions"] = [app, {**app, **proxy}]


def log_option(name: str, value: str) -> Edit:
    def change(new: dict[str, Any], _: Stack) -> None:
        new["containerDefinitions"][0]["logConfiguration"]["options"][name] = value

    return revision(f"{name} {value}", change)


def target_group(rolls: bool = False, **fields: Any) -> Edit:
    """Another health check."""

    def make(stack: Stack) -> Undo:
        arn = {"TargetGroupArn": stack.group["TargetGroupArn"]}
        before = {name: stack.group[name] for name in fields}
        stack.calls("elbv2", "modify_target_group", {**arn, **fields})
        return lambda: stack.calls("elbv2", "modify_target_group", {**arn, **before})

    return Edit(f"target group: {told(fields)}", make, rolls)


def listener_rule(name: str, **fields: Any) -> Edit:
    def make(stack: Stack) -> Undo:
        arn = {"RuleArn": stack.rule["RuleArn"]}
        kept = {"Conditions": [{"Field": "path-pattern", "Values": ["/*"]}]}
        before = {**kept, "Actions": stack.rule["Actions"]}
        stack.calls("elbv2", "modify_rule", {**arn, **fields})
        return lambda: stack.calls("elbv2", "modify_rule", {**arn, **before})

    return Edit(f"rule: {name}", make, rolls=False)


CLOSED = {
    "Type": "fixed-response",
    "FixedResponseConfig": {"StatusCode": "503", "ContentType": "text/plain"},
}


def by_hand(fault: str, undo: OnStack, done: OnStack = lambda _: None, **how: Any) -> Edit:
    """A named fault that a person makes in AWS, with what takes it back, and what waits until it is made."""
    manual_change = FAULTS[fault].manual_change
    assert manual_change

    def make(stack: Stack) -> Undo:
        manual_change(stack.calls, NAMES)
        done(stack)
        return lambda: undo(stack)

    return Edit(f"{fault}: {FAULTS[fault].mistake}", make, **how)


def refresh(stack: Stack) -> None:
    """Let Pulumi restore it: made again by hand it would have an id that Pulumi does not know."""
    stack.pulumi("up", "--yes", "--skip-preview", "--refresh")


def delete_first_rule(stack: Stack) -> None:
    listener = {"ListenerArn": stack.listener["ListenerArn"]}
    for rule in stack.calls("elbv2", "describe_rules", listener)["Rules"]:
        if rule["Priority"] == "1":
            stack.calls("elbv2", "delete_rule", {"RuleArn": rule["RuleArn"]})


def database_is(status: str) -> OnStack:
    """Wait for a status of the database."""

    def wait(stack: Stack) -> None:
        which = {"DBInstanceIdentifier": NAME}
        while stack.one("rds", "describe_db_instances", **which)["DBInstanceStatus"] != status:
            time.sleep(0.1)

    return wait


def start_database(stack: Stack) -> None:
    stack.calls("rds", "start_db_instance", {"DBInstanceIdentifier": NAME})
    database_is("available")(stack)


def service(name: str, **network: Any) -> Edit:
    """Another network configuration of the service; a value may be computed from the stack."""

    def make(stack: Stack) -> Undo:
        before = stack.service["networkConfiguration"]
        found = {key: value(stack) if callable(value) else value for key, value in network.items()}
        after = {"awsvpcConfiguration": {**before["awsvpcConfiguration"], **found}}
        stack.roll(networkConfiguration=after)
        return lambda: stack.roll(networkConfiguration=before)

    return Edit(f"service: {name}", make, rolls=False)


def no_tasks(stack: Stack) -> Undo:
    stack.roll(desiredCount=0)
    return lambda: stack.roll(desiredCount=1)


def firewall(group: str, direction: str, port: int, other_port: int | None = None) -> Edit:
    """A security-group rule is gone, or names another port."""

    def make(stack: Stack) -> Undo:
        owner = {"GroupId": stack.groups[group]}
        found = stack.one("ec2", "describe_security_groups", GroupIds=[owner["GroupId"]])
        listed = found["IpPermissionsEgress" if direction == "egress" else "IpPermissions"]
        [rule] = [each for each in listed if each.get("FromPort") == port]
        rule = {key: value for key, value in rule.items() if value}
        stack.calls("ec2", f"revoke_security_group_{direction}", {**owner, "IpPermissions": [rule]})
        another = {**rule, "FromPort": other_port, "ToPort": other_port}
        if other_port:
            more = {**owner, "IpPermissions": [another]}
            stack.calls("ec2", f"authorize_security_group_{direction}", more)

        def undo() -> None:
            if other_port:
                less = {**owner, "IpPermissions": [another]}
                stack.calls("ec2", f"revoke_security_group_{direction}", less)
            refresh(stack)

        return undo

    change = f"is on port {other_port}" if other_port else "is gone"
    return Edit(f"{direction} rule of the {group} for port {port} {change}", make)


def no_dns(stack: Stack) -> Undo:
    """The VPC's resolver is off."""
    vpc = stack.one("ec2", "describe_subnets", SubnetIds=stack.subnets[:1])["VpcId"]

    def turn(on: bool) -> None:
        what = {"VpcId": vpc, "EnableDnsSupport": {"Value": on}}
        stack.calls("ec2", "modify_vpc_attribute", what)

    turn(False)
    return lambda: turn(True)


def own_tables(stack: Stack) -> None:
    """Let Pulumi associate the tasks' subnets with their own route tables again."""
    filters = [{"Name": "association.subnet-id", "Values": stack.subnets}]
    tables = stack.calls("ec2", "describe_route_tables", {"Filters": filters})["RouteTables"]
    for each in (one for table in tables for one in table["Associations"]):
        if each.get("SubnetId") in stack.subnets:
            which = {"AssociationId": each["RouteTableAssociationId"]}
            stack.calls("ec2", "disassociate_route_table", which)
    refresh(stack)


def no_policy(role: str, name: str) -> Edit:
    """A role loses its inline policy."""

    def make(stack: Stack) -> Undo:
        who = {"RoleName": stack.definition[role].rpartition("/")[2]}
        [policy] = stack.calls("iam", "list_role_policies", who)["PolicyNames"]
        which = {**who, "PolicyName": policy}
        document = stack.calls("iam", "get_role_policy", which)["PolicyDocument"]
        stack.calls("iam", "delete_role_policy", which)
        back = {**which, "PolicyDocument": json.dumps(document)}
        return lambda: stack.calls("iam", "put_role_policy", back)

    return Edit(name, make)


def secret_value(name: str, change: Callable[[dict[str, str]], Mapping[str, str]]) -> Edit:
    """The secret holds something else."""

    def make(stack: Stack) -> Undo:
        which = {"SecretId": stack.secret}
        before = stack.calls("secretsmanager", "get_secret_value", which)["SecretString"]
        after = json.dumps(change(json.loads(before)))
        stack.calls("secretsmanager", "put_secret_value", {**which, "SecretString": after})
        back = {**which, "SecretString": before}
        return lambda: stack.calls("secretsmanager", "put_secret_value", back)

    return Edit(name, make)


def other_secret(stack: Stack) -> str:
    """The password in another team's secret, which is not this database's."""

    def arns() -> list[str]:
        known = stack.calls("secretsmanager", "list_secrets", {})["SecretList"]
        return [each["ARN"] for each in known if each["Name"].startswith("team-b/")]

    if not arns():
        create_other_secret(stack.calls, NAMES)
    return f"{arns()[0]}:password::"


def locked_table(stack: Stack) -> Undo:
    """A session holds the lock of a table, as a forgotten psql does."""
    session = stack.connect()
    session.execute("LOCK TABLE counters")
    return session.close


def revoked(name: str, right: str, holder: str) -> Edit:
    """The app's user lacks a right; its owner can give it again."""

    def make(stack: Stack) -> Undo:
        def run(statement: str) -> None:
            with stack.connect() as session:
                session.execute(statement.encode())

        run(f"REVOKE {right} FROM {holder}")
        return lambda: run(f"GRANT {right} TO {holder}")

    return Edit(name, make)


def app(name: str, *patches: Patch) -> Edit:
    """Another text in the files of the image, as if the image had been built from it."""

    def make(stack: Stack) -> Undo:
        found = (stack.home.cloud / "images").rglob("webapp/settings.py")
        sources = [each.parent.parent for each in found]
        for source in sources:
            for patch in patches:
                patch.apply(source)
            # It is byte code of the text as it was, which Python does not check.
            shutil.rmtree(source / "webapp" / "__pycache__", ignore_errors=True)

        def undo() -> None:
            for source in sources:
                for patch in reversed(patches):
                    patch.revert(source)
            stack.release()

        return undo

    return Edit(f"app: {name}", make, written=True)


def line(file: str, old: str, new: str) -> Edit:
    return app(f"{file}: {new.strip()}", Patch(file=f"webapp/{file}", old=old, new=new))


def setting(key: str, value: str) -> Edit:
    def make(stack: Stack) -> Undo:
        stack.pulumi("config", "set", key, value)
        return lambda: stack.pulumi("config", "rm", key)

    return Edit(f"setting: {key} {value}", make, rolls=False, deploys=True)


def told(fields: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in fields.items())


APP_FAULTS = (
    *("port-mismatch", "crash-on-start", "slow-health", "redirecting-health"),
    *("page-raises", "another-authority", "read-only-root"),
    *("update-moves-page", "update-redirects", "update-refuses-host"),
    *("update-hangs", "update-misspells-column"),
)
"""Faults of the app whose edits serve here, too."""
EDITS: tuple[Edit, ...] = (
    # The task definition.
    variable("PORT", "8000"),
    variable("BIND_HOST", "127.0.0.1"),
    variable("DB_HOST", "nowhere.ap-northeast-1.rds.amazonaws.com"),
    variable("DB_NAME", "another"),
    variable("DB_PORT", "5433"),
    variable("DB_USER", "nobody"),
    variable("DB_SSLMODE", "disable"),
    variable("DB_SSLROOTCERT", "/nowhere.pem"),
    variable("DB_SECRET_ARN", "arn:aws:secretsmanager:ap-northeast-1:123456789012:secret:other"),
    variable("WEB_CONCURRENCY", "x"),
    container("no environment", environment=[]),
    container("no secrets", secrets=[]),
    container("another image", image="123456789012.dkr.ecr.ap-northeast-1.amazonaws.com/other:1"),
    container("a command that is not there", command=["no-such-program"]),
    container("a command that ends", command=["python", "-c", "pass"]),
    container("a command that fails", command=["python", "-c", "raise SystemExit('no')"]),
    container(
        "a health check that is not there",
        healthCheck={"command": ["CMD-SHELL", "curl -f http://localhost:3000/health"]}),
    container(
        "a health check of another path",
        healthCheck={"command": ["CMD", "python", "-c", "raise SystemExit(1)"]}),
    secret("a key that the secret lacks", lambda stack: f"{stack.secret}:passwd::"),
    secret("another team's secret", other_secret),
    secret("a secret that is not there", lambda stack: f"{stack.secret[:-6]}-AbCdEf:password::"),
    log_option("awslogs-group", "/ecs/another"),
    revision("another processor", lambda new, _: new["runtimePlatform"].update(cpuArchitecture="ARM64")),
    revision("an essential sidecar that ends", essential_sidecar),
    revision("no task role", lambda new, _: new.pop("taskRoleArn")),
    # The target group and the listener.
    target_group(HealthCheckPath="/nowhere"),
    target_group(HealthCheckPath="/nowhere", rolls=True),
    target_group(HealthCheckPort="9999"),
    target_group(HealthCheckProtocol="HTTPS"),
    target_group(Matcher={"HttpCode": "204"}),
    listener_rule("another path", Conditions=[{"Field": "path-pattern", "Values": ["/app/*"]}]),
    listener_rule("a fixed answer", Actions=[CLOSED]),
    by_hand("rule-shadowed", delete_first_rule, rolls=False),
    # The service.
    Edit("service: no tasks", no_tasks, rolls=False),
    service("the load balancer's security group", securityGroups=lambda stack: [stack.groups["balancer"]],),
    service("the database's security group", securityGroups=lambda stack: [stack.groups["database"]]),
    service("a public address", assignPublicIp="ENABLED"),
    # The network.
    firewall("balancer", "egress", 3000),
    firewall("balancer", "egress", 3000, 3001),
    by_hand("clients-shut-out", refresh),
    firewall("task", "ingress", 3000),
    firewall("task", "egress", 5432),
    firewall("task", "egress", 443),
    firewall("database", "ingress", 5432),
    firewall("database", "ingress", 5432, 5433),
    by_hand("no-nat", refresh),
    Edit("no DNS in the VPC", no_dns),
    by_hand("route-tables-swapped", own_tables),
    # Rights, the database and the secret. Those that need a session with the database come first.
    Edit("a table that another session locks", locked_table, holds=True),
    revoked("no right on a table", "ALL ON TABLE visits", "postgres"),
    revoked("no right to create a table", "CREATE ON SCHEMA public", "pg_database_owner"),
    by_hand("role-not-trusted", refresh),
    no_policy("executionRoleArn", "the execution role without its policy"),
    no_policy("taskRoleArn", "the task role without its policy"),
    secret_value("the secret without a password", lambda held: {"username": held["username"]}),
    secret_value(
        "the secret with another password", lambda held: {**held, "password": "not-of-this-database"}),
    by_hand("db-stopped", start_database, database_is("stopped")),
    # The app, in the files of its image.
    *(app(name, *FAULTS[name].edits) for name in APP_FAULTS),
    line("pages.py", "from flask import", "from flask import )"),
    line("pages.py", "from flask import", "raise RuntimeError('half done')\nfrom flask import"),
    line("gunicorn.conf.py", "workers = settings.workers", "workers = 'two'"),
    line("gunicorn.conf.py", '"webapp.front:create_front()"', '"webapp.front:front()"'),
    # The settings, deployed by the engine.
    setting("healthPath", "/nowhere"),
    setting("healthMatcher", "204"),
    setting("smokePath", "/nowhere"),
    setting("smokePath", "/health/db"),
    setting("containerPort", "8000"),
    setting("execEnabled", "true"),
    setting("natStrategy", "none"),
)  # fmt: skip
"""Every edit; the test takes some of them, or all."""
