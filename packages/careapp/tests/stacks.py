"""A healthy stack as ops sees it, and ways to make it ill."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Network
from pathlib import Path

from careapp.additions.owner import owner_of
from careapp.additions.parts.jobs import JOBS
from careapp.additions.parts.remains import REMAINS
from careapp.additions.parts.restores import ASIDE
from careapp.additions.parts.settings import OLD_WORKERS, STACK_FILE, WRONG_FILE, settings_of
from careapp.additions.parts.uploads import UPLOADS
from careapp.additions.target import target_of
from careapp.settings.file import StackFile
from careapp.settings.settings import Settings
from ecs_gate.aws.errors import AwsProblem
from ecs_gate.aws.session import Place
from ecs_gate.owner import Owner
from ecs_gate.parts import elb, records
from ecs_gate.parts.cloudwatch import Measured, Quota
from ecs_gate.parts.elb import Balancer, Condition, Listener, Rule, TargetGroup, TargetHealth
from ecs_gate.parts.gather import Snapshot
from ecs_gate.parts.of_service import PARTS
from ecs_gate.parts.rds import Database
from ecs_gate.parts.task_inputs import Image, Role, Secret
from ecs_gate.parts.task_logs import LogLine, Logs
from ecs_gate.parts.vpc import Group, Nat, Network, Permission, Route, Subnet
from ecs_gate.pulumi_remedies import PULUMI, PulumiRemedies
from ecs_gate.target import App, HealthCheck, Plan
from ecs_gate.text import t

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
REGION, ACCOUNT = "ap-northeast-1", "123456789012"
ECS = f"arn:aws:ecs:{REGION}:{ACCOUNT}"
OLD, NEW = f"{ECS}:task-definition/careapp-poc:6", f"{ECS}:task-definition/careapp-poc:7"
SECRET = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:rds!db-1-AbCdEf"
HOST = "careapp-poc.abc.ap-northeast-1.rds.amazonaws.com"
REPOSITORY = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/careapp/hello-ecs"
IMAGE = f"{REPOSITORY}@sha256:{'1' * 64}"
EVERY = Condition("path-pattern", ("/*",))
GROUP_ARN = (
    f"arn:aws:elasticloadbalancing:{REGION}:{ACCOUNT}:targetgroup/careapp-poc-tg/0123456789abcdef"
)
ANYWHERE = (IPv4Network("0.0.0.0/0"),)


def at(seconds):
    return NOW + timedelta(seconds=seconds)


def choices(**values):
    """The settings of a stack file; a map is JSON."""
    ours = {f"careapp:{key}": text for key, text in {"ecsEnabled": "true", **values}.items()}
    return Settings.of(
        StackFile(project="careapp", stack="poc", values={"aws:region": REGION, **ours})
    )


def deployment(**changes):
    made = records.Deployment(
        id="ecs-svc/2", status="PRIMARY", definition=NEW, desired=1, running=1, pending=0,
        failed=0, rollout="COMPLETED", reason="ECS deployment ecs-svc/2 completed.",
        created=at(-600), updated=at(-500),
    )  # fmt: skip
    return replace(made, **changes)


def service(**changes):
    made = records.Service(
        status="ACTIVE", desired=1, running=1, pending=0, definition=NEW,
        deployments=(deployment(),), subnets=("private-1",),
        groups=("sg-app",), grace=60, targets=((GROUP_ARN, "app", 3000),),
    )  # fmt: skip
    return replace(made, **changes)


def going(rollout="IN_PROGRESS", running=0, failed=0, **changes):
    """A service whose one deployment runs no task yet, or none any more."""
    only = deployment(rollout=rollout, running=running, failed=failed)
    return service(**{"running": running, "deployments": (only,), **changes})


def task(name="a" * 32, **changes):
    made = records.Task(
        arn=f"{ECS}:task/careapp-poc-cluster/{name}", definition=NEW, started_by="ecs-svc/2",
        created=at(-600), started=at(-570), health="HEALTHY", address="10.0.16.4",
        containers=(records.Container(name="app"),),
    )  # fmt: skip
    return replace(made, **changes)


def ended(
    reason, name="b" * 32, code=None, container="", stop="ServiceSchedulerInitiated", **changes
):
    """A task that stopped 100 s ago, 130 s after its start."""
    values = {
        "status": "STOPPED", "desired": "STOPPED", "reason": reason, "stop_code": stop,
        "started": at(-230), "stopping": at(-110), "stopped": at(-100), "address": "10.0.16.9",
        "containers": (records.Container(name="app", exit_code=code, reason=container),),
    }  # fmt: skip
    return task(name, **{**values, **changes})


def definition(**changes):
    made = records.Definition(
        arn=NEW, cpu=256, memory=512, architecture="X86_64",
        execution_role=f"arn:aws:iam::{ACCOUNT}:role/careapp-poc-execution",
        task_role=f"arn:aws:iam::{ACCOUNT}:role/careapp-poc-task", image=IMAGE, ports=(3000,),
        environment={
            "PORT": "3000", "DB_HOST": HOST, "DB_PORT": "5432", "DB_NAME": "careapp",
            "DB_USER": "postgres", "DB_SECRET_ARN": SECRET,
        },
        secrets={"DB_PASSWORD": f"{SECRET}:password::"}, log_group="/ecs/careapp-poc",
        log_prefix="app", container="app",
        health=records.ContainerHealth(command=("CMD", "python", "-m", "webapp.healthcheck")),
    )  # fmt: skip
    return replace(made, **changes)


def permission(port, groups=(), networks=()):
    return Permission(
        protocol="tcp", first=port, last=port, groups=tuple(groups), networks=tuple(networks)
    )


def groups(**changes):
    """Security groups by id; `app_in=()` leaves the tasks' inbound rules out, and so on."""
    rules = {
        "alb_in": (permission(80, networks=ANYWHERE),),
        "alb_out": (permission(3000, ["sg-app"]),),
        "app_in": (permission(3000, ["sg-alb"]),),
        "app_out": (permission(5432, ["sg-db"]), permission(443, networks=ANYWHERE)),
        "db_in": (permission(5432, ["sg-app"]),),
        "db_out": (),
        **changes,
    }
    return {
        f"sg-{name}": Group(
            id=f"sg-{name}",
            name=f"careapp-poc-{name}",
            ingress=rules[f"{name}_in"],
            egress=rules[f"{name}_out"],
        )
        for name in ("alb", "app", "db")
    }


def route(kind, target, state="active"):
    return Route(destination=ANYWHERE[0], kind=kind, target=target, state=state)


def subnet(name, network, *routes, **changes):
    made = Subnet(
        id=name, name=f"careapp-poc-{name}", network=IPv4Network(network), table=f"rtb-{name}",
        routes=routes,
    )  # fmt: skip
    return replace(made, **changes)


def network(private=None, **changes):
    private = private or subnet("private-1", "10.0.16.0/20", route("nat", "nat-1"))
    made = Network(
        groups=groups(),
        subnets={
            "public-1": subnet("public-1", "10.0.0.0/24", route("igw", "igw-1")),
            "private-1": private,
            "database-1": subnet("database-1", "10.0.32.0/24"),
        },
        nats={"nat-1": Nat(id="nat-1", state="available", subnet="public-1")},
    )
    return replace(made, **changes)


def target_group(**check):
    return TargetGroup(
        arn=GROUP_ARN, name="careapp-poc-tg", protocol="HTTP", vpc="vpc-1",
        check=replace(
            HealthCheck(path="/health", interval=10, timeout=5, healthy=2, unhealthy=3), **check
        ),
    )  # fmt: skip


def balancer(**changes):
    made = Balancer(
        arn="alb", name="careapp-poc-alb", dns="careapp-poc-alb.example", scheme="internet-facing",
        state="active", vpc="vpc-1", subnets=("public-1",), groups=("sg-alb",),
        listeners=(
            Listener(
                arn="listener", port=80, protocol="HTTP",
                rules=(
                    Rule(priority="100", action="forward", groups=(GROUP_ARN,), conditions=(EVERY,)),
                    Rule(priority="default", action="fixed-response"),
                ),
            ),
        ),
    )  # fmt: skip
    return replace(made, **changes)


def entrance(*rules, **changes):
    """The balancer with other rules at its one listener, or with another listener."""
    [listener] = balancer().listeners
    changed = replace(listener, **{"rules": rules or listener.rules, **changes})
    return balancer(listeners=(changed,))


def page(status=200, **changes):
    return elb.PageAnswer(
        **{"url": "http://careapp-poc-alb.example/", "path": "/", "status": status, "database": 200,
           **changes}
    )  # fmt: skip


def allow(resource, *actions):
    return {"Effect": "Allow", "Action": list(actions), "Resource": resource}


def policy(*statements):
    return {"Version": "2012-10-17", "Statement": list(statements)}


ECR_ARN = f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/careapp/hello-ecs"
LOG_ARN = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/ecs/careapp-poc:*"
TOKEN = allow("*", "ecr:GetAuthorizationToken")
PULL = allow(
    ECR_ARN, "ecr:BatchCheckLayerAvailability", "ecr:GetDownloadUrlForLayer", "ecr:BatchGetImage"
)
WRITE = allow(LOG_ARN, "logs:CreateLogStream", "logs:PutLogEvents")
READ = allow(SECRET, "secretsmanager:GetSecretValue")
TRUST = {
    "Statement": [
        {
            "Effect": "Allow",
            "Action": "sts:AssumeRole",
            "Principal": {"Service": "ecs-tasks.amazonaws.com"},
        }
    ]
}


def trust_if(**conditions):
    """A trust policy for ECS with a condition for each operator: its key and value."""
    block = {operator: {key: value} for operator, (key, value) in conditions.items()}
    return {"Statement": [{**TRUST["Statement"][0], "Condition": block}]}


def role(*statements, trust=TRUST, boundary=None):
    made = statements or (TOKEN, PULL, WRITE, READ)
    return Role(arn="arn:role/careapp-poc-execution", trust=trust, policies=(policy(*made),),
                boundary=boundary)  # fmt: skip


def database(**changes):
    made = Database(
        id="careapp-poc", status="available", address=HOST, port=5432, name="careapp",
        user="postgres", version="17.6", kind="db.t4g.micro", groups=("sg-db",),
        subnets=("database-1",), secret=SECRET, storage_gb=20,
    )  # fmt: skip
    return replace(made, **changes)


def logs(**lines):
    """Lines by the first letter of a task's id: `logs(a=["text"])`, one a second from -560 s on."""
    made = {
        letter * 32: tuple(LogLine(at(-560 + index), text) for index, text in enumerate(texts))
        for letter, texts in lines.items()
    }
    return Logs(group="/ecs/careapp-poc", exists=True, lines=made)


LISTENS = '{"message": "listening", "port": 3000}'
HEALTHY = {
    "service": service(),
    "tasks": (task(),),
    "newest": definition(),
    "definitions": {NEW: definition()},
    "group": target_group(),
    "targets": (TargetHealth(address="10.0.16.4", port=3000, state="healthy"),),
    "balancer": balancer(),
    "page": page(),
    "network": network(),
    "execution": role(),
    "task_role": role(READ),
    "image": Image(present=True, platforms=("linux/amd64",)),
    "secrets": {SECRET: Secret(keys=frozenset({"username", "password"}))},
    "logs": logs(a=[LISTENS]),
    "database": database(),
    "alarms": (),
    "quota": Quota(limit=6),
    "measured": Measured(),
}


OWN = {
    "jobs": JOBS,
    "uploads": UPLOADS,
    "remains": REMAINS,
    "aside": ASIDE,
    "old_workers": OLD_WORKERS,
}
"""What careapp reads besides."""


def parts(values):
    return {
        OWN.get(name) or getattr(Snapshot, name): records.Part(problem=value)
        if isinstance(value, AwsProblem)
        else records.Part(value)
        for name, value in values.items()
    }


def stack(settings=None, **changes):
    """The healthy stack with other values; a problem or None instead of one is taken as such."""
    values = {**HEALTHY, **changes}
    if "main" in values:
        main = values.pop("main")
        values |= {"newest": main, "definitions": {main.arn: main}}
    wanted = NEW if values["service"] is not None else None
    settings = settings or choices()
    known = parts(values)
    if settings.guessed:
        known[STACK_FILE] = records.Part(problem=WRONG_FILE)
    order = [*PARTS, *OWN.values(), STACK_FILE]
    return Snapshot(
        target=target_of(settings), owner=owner_of(settings), place=Place(region=REGION),
        wanted=wanted, at=NOW, parts={name: known[name] for name in order if name in known},
    )  # fmt: skip


def but(now, **changes):
    """The same stack with other values of some parts."""
    return replace(now, parts={**now.parts, **parts(changes)})


def declaring(now, settings):
    """The same stack with another stack file."""
    return replace(now, target=target_of(settings), owner=owner_of(settings))


def at_url(now, url):
    """The same stack with the output pageUrl."""
    return replace(now, target=replace(now.target, page=replace(now.target.page, url=url)))


PULUMI_OWNER = Owner(remedies=PulumiRemedies, advice=PULUMI, apply=("pulumi up",))


def of_another_program(now):
    """The same service, declared by a Pulumi program that is not careapp, which knows nothing of the app."""
    target = replace(now.target, app=App(), check=None, plan=Plan())
    return replace(now, target=target, owner=PULUMI_OWNER)


def of_another_app(now):
    """The same stack with the app of docs/examples/flaskr in place of the one in webapp/."""
    settings = settings_of(now)
    image = replace(settings.image, folder=Path("docs/examples/flaskr"))
    return declaring(now, replace(settings, image=image))


MAIL = f"{ECS}:task-definition/careapp-poc-worker-mail:3"
"""What the worker `mail` runs."""


def worker_service(**changes):
    values = {
        "definition": MAIL, "targets": (), "deployments": (deployment(definition=MAIL),),
    }  # fmt: skip
    return service(**{**values, **changes})


def with_worker(now=None, wanted=MAIL, **changes):
    """The healthy stack with a worker `mail`, whose parts can be other ones."""
    now = now or stack(choices(workers='{"mail": {"command": "sleep infinity"}}'))
    known = definition(arn=MAIL, log_prefix="worker-mail", ports=(), health=None)
    values = {
        "service": worker_service(), "tasks": (task("d" * 32, definition=MAIL),), "newest": known,
        "definitions": {MAIL: known}, "logs": logs(d=["started"]), "rollback_reason": "",
        "was_deployed": None, **changes,
    }  # fmt: skip
    return replace(
        now,
        workers={
            "mail": now.of_other(settings_of(now).names.of_worker("mail"), wanted, parts(values))
        },
    )


def crashing_worker(*lines, container="", code=1, **changes):
    """A stack whose worker's tasks end by themselves, with the log lines of the last one."""
    ends = [
        ended(
            "Essential container in task exited", letter * 32, code=code, container=container,
            stop="EssentialContainerExited", definition=MAIL, stopped=at(-60), stopping=at(-70),
        )
        for letter in "ef"
    ]  # fmt: skip
    running = task("d" * 32, definition=MAIL, started=at(-10))
    values = {"tasks": (running, *ends), "logs": logs(e=lines, f=lines)}
    return with_worker(**{**values, **changes})


def stage1(settings=None, **changes):
    """The healthy stack before ECS."""
    nothing = dict.fromkeys(
        ("service", "tasks", "newest", "definitions", "execution", "task_role", "logs", "page"),
        None,
    )
    return stack(settings or choices(ecsEnabled="false"), **{**nothing, "targets": (), **changes})


def failing(*failed, rolled_back=False, **changes):
    """A stack whose newest deployment fails with these tasks; an older one runs if it rolled back."""
    if rolled_back:
        primary = deployment(id="ecs-svc/3", definition=OLD)
        old = task("c" * 32, definition=OLD, started_by="ecs-svc/1", address="10.0.16.7")
        values = {
            "service": service(deployments=(primary,), definition=OLD),
            "tasks": (*failed, old),
            "targets": (TargetHealth(address="10.0.16.7", port=3000, state="healthy"),),
        }
    else:
        primary = deployment(rollout="IN_PROGRESS", running=0, failed=len(failed))
        values = {
            "service": service(deployments=(primary,), running=0),
            "tasks": failed,
            "targets": (),
        }
    return stack(**{**values, **changes})


def unhealthy(description, reason="Target.FailedHealthChecks", lines=(LISTENS,), **changes):
    """A stack whose one task is unhealthy for the load balancer, in its words."""
    target = TargetHealth(
        address="10.0.16.4", port=3000, state="unhealthy", reason=reason, description=description
    )
    running = service(deployments=(deployment(rollout="IN_PROGRESS"),))
    values = {"service": running, "targets": (target,), "logs": logs(a=list(lines))}
    return stack(**{**values, **changes})


def event(message, seconds=-50):
    return records.ServiceEvent(at(seconds), f"(service careapp-poc-service) {message}")


def failed_check(words="Health checks failed"):
    """ECS's event about the stopped task, with the load balancer's words."""
    return event(
        f"(task {'b' * 32}) (port 3000) is unhealthy in (target-group x) due to (reason {words})."
    )


DENIED = AwsProblem("denied", t("{who} has no permission for {action} on {resource}.", who="me", action="iam:GetRole",
                                resource="*"), t("Allow {action} in IAM, or use another profile.",
                                                 action="iam:GetRole"))  # fmt: skip
