"""What goes wrong on a stack, one situation for each finding of the doctor."""

import json
from dataclasses import replace
from ipaddress import IPv4Network

from careapp.additions.parts.pauses import Pause
from careapp.additions.parts.remains import Holder, Remains
from careapp.additions.parts.restores import Aside
from careapp.additions.parts.uploads import Bucket
from ecs_gate.doctor import judge
from ecs_gate.parts.cloudwatch import Measured, Quota
from ecs_gate.parts.elb import Certificate, Oidc, Rule
from ecs_gate.parts.login import Provider
from ecs_gate.parts.records import Container, ContainerHealth, Sidecar
from ecs_gate.parts.task_inputs import Image, Secret
from ecs_gate.parts.task_logs import LogLine, Logs
from ecs_gate.parts.vpc import Endpoint
from tests import stacks as a
from tests.doctor import job_runs
from tests.doctor.logged import TRACES

CRASHED = "Essential container in task exited"
ILL = f"Task failed ELB health checks in (target-group {a.GROUP_ARN})"
FAILED_WITH = "Health checks failed with these codes"
EXITED = "EssentialContainerExited"
NO_ROUTE = a.subnet("private-1", "10.0.16.0/20")
DOORS = tuple(
    Endpoint(service=f"com.amazonaws.ap-northeast-1.{service}", state="available",
             private_dns=True, subnets=("private-1",), groups=("sg-db",))
    for service in ("ecr.api", "ecr.dkr", "logs", "secretsmanager")
)  # fmt: skip
INIT = "ResourceInitializationError: unable to pull secrets or registry auth: "


def crashed(*lines, code=1, rolled_back=False, serving=(), **changes):
    """A task has ended with this log; after a rollback an older version serves, with its own."""
    task = a.ended(CRASHED, code=code, stop=EXITED)
    logs = a.logs(b=list(lines), **({"c": list(serving)} if serving else {}))
    return a.failing(task, rolled_back=rolled_back or bool(serving), logs=logs, **changes)


PROXY = Sidecar(name="proxy", log_group="/ecs/proxy", log_prefix="proxy")


def sidecar_exited(code, app, *lines, sidecar=PROXY):
    """A task whose essential container has exited: the exit codes of a sidecar and of the app."""
    both = (Container(name="app", exit_code=app), Container(name="proxy", exit_code=code))
    task = replace(a.ended(CRASHED, stop=EXITED), containers=both)
    main = a.definition(sidecars=(sidecar,))
    return a.failing(task, logs=a.logs(b=list(lines)), main=main)


def never_started(reason, **changes):
    return a.failing(a.ended(reason, stop="TaskFailedToStart"), **changes)


def rules(**changes):
    return a.network(groups=a.groups(**changes))


OUTSIDE = "Target is in an Availability Zone that is not enabled for the load balancer"


def in_zones(public, private):
    """The network with its load balancer in one zone and its tasks in another."""
    zones, made = {"public-1": public, "private-1": private}, a.network()
    subnets = {
        name: replace(subnet, zone=f"{a.REGION}{zones[name]}" if name in zones else "")
        for name, subnet in made.subnets.items()
    }
    return replace(made, subnets=subnets)


DENY_PULL = {"Effect": "Deny", "Principal": "*", "Action": "ecr:BatchGetImage"}


def env(**changes):
    kept = {**a.definition().environment, **changes}
    return a.definition(
        environment={name: value for name, value in kept.items() if value is not None}
    )


def unable(message):
    return a.failing(
        a.ended(CRASHED, code=0), service=a.going(events=(a.event(message),)), tasks=()
    )


OTHER_SECRET = f"arn:aws:secretsmanager:{a.REGION}:{a.ACCOUNT}:secret:team-b/database-GhIjKl"
LOST = '{"level": "error", "message": "database away", "reason": "something that nobody knows"}'
OLD_DATABASE = a.database(id="careapp-poc-before-restore")
FOUND = '{"level": "info", "message": "database connected"}'
UNMIGRATED = TRACES["not migrated"]
MIGRATING = '{"level": "info", "message": "migrating the database"}'
MIGRATED = '{"level": "info", "message": "database migrated"}'


def asked(path, status):
    return json.dumps({"level": "info", "message": "request", "path": path, "status": status})


def trace(error):
    return ('  File "/app/webapp/pages.py", line 66, in home', "    x", error)


NONE_RUN = {"service": a.service(desired=0, running=0), "tasks": (), "targets": ()}
COMMAND = "flask --app app db upgrade"


def not_deployed(*commands, settings=None, **changes):
    """A stack that runs the revision before the newest one, which ECS never got; with tasks of deployCommand."""
    return a.stack(
        settings or a.choices(deployCommand=COMMAND),
        service=a.service(
            definition=a.OLD, deployments=(a.deployment(id="ecs-svc/1", definition=a.OLD),)
        ),
        tasks=(a.task(definition=a.OLD, started_by="ecs-svc/1"),),
        was_deployed=False,
        command_tasks=commands,
        **changes,
    )


def command_task(code=1, **changes):
    """A task in which `pulumi up` ran deployCommand."""
    return a.ended(CRASHED, code=code, stop=EXITED, started_by="careapp-deploy", **changes)


LOGIN = a.choices(
    loginIssuer="https://login.example.com",
    loginClientId="careapp",
    loginSecretArn=f"arn:aws:secretsmanager:{a.REGION}:{a.ACCOUNT}:secret:careapp-poc/login-AbCdEf",
    domainName="app.example.com",
    hostedZoneId="Z0123456789ABC",
)
PROVIDER = Provider(
    callback="https://app.example.com/oauth2/idpresponse", client="careapp", status=200, error="invalid_grant"
)  # fmt: skip


def logs_in(provider=PROVIDER, alb_out=(3000, 443), page=None, **changes):
    """A healthy stack with a login; what the provider says, and to where the load balancer may connect."""
    urls = {name: f"https://login.example.com/{name}" for name in ("token", "userinfo")}
    oidc = Oidc(
        authorization="https://login.example.com/authorize", client="careapp", scope="openid email", **urls
    )  # fmt: skip
    first, *others = a.balancer().listeners[0].rules
    asks = a.page(
        302, leads_to="https://login.example.com/authorize?a=b", login=True, database=None
    )
    ways = {3000: a.permission(3000, ["sg-app"]), 443: a.permission(443, networks=a.ANYWHERE)}
    entrance = a.entrance(
        replace(first, login=oidc), *others, port=443, protocol="HTTPS", arn="listener"
    )
    return a.stack(
        LOGIN,
        balancer=entrance,
        network=rules(alb_in=(ways[443],), alb_out=tuple(ways[port] for port in alb_out)),
        page=page or asks,
        login=provider,
        **changes,
    )


FILES = "careapp-poc-uploads-1a2b3c4"
HELD = Bucket(name=FILES)


def with_bucket(bucket=HELD, **changes):
    """A stack whose tasks know a bucket."""
    return a.stack(uploads=bucket, **{"main": env(UPLOADS_BUCKET=FILES), **changes})


SITUATIONS = {
    "login-cut-off": logs_in(alb_out=(3000,)),
    "login-not-asked": logs_in(page=a.page(203, database=None)),
    "login-client-refused": logs_in(replace(PROVIDER, error="invalid_client")),
    "login-redirect-refused": logs_in(replace(PROVIDER, status=400)),
    "stack-missing": a.stage1(
        balancer=None, group=None, database=None, network=None, image=None, secrets=None),
    "stack-left": a.stage1(
        **dict.fromkeys(("balancer", "group", "database", "network", "image", "secrets")),
        remains=Remains(
            resources=("ec2 vpc-1", "ecr careapp/hello-ecs"),
            holders=(
                Holder(id="eni-1", description="Interface for NAT Gateway nat-1"),
                Holder(id="rtb-1", command="aws ec2 delete-route-table --route-table-id rtb-1")))),
    "service-missing": a.stage1(a.choices()),
    "ecs-off": a.stage1(),
    "service-going": a.stack(service=a.service(status="DRAINING")),
    "scaled-to-zero": a.stack(**NONE_RUN),
    "scaled-to-zero-by-schedule": a.stack(a.choices(schedule="mon-fri 08:00-20:00"), **NONE_RUN),
    "fargate-quota": unable(
        "was unable to place a task. Reason: You've reached the limit on the number of vCPUs."),
    "fargate-quota-small": a.stack(quota=Quota(limit=0.2)),
    "sizes-near": a.stack(a.choices(desiredCount="8")),
    "task-cannot-reach-aws": a.stack(network=a.network(NO_ROUTE)),
    "vpc-without-dns": a.stack(network=a.network(dns=False)),
    "task-cannot-reach-endpoint": a.stack(network=a.network(endpoints=DOORS)),
    "task-https-closed": a.stack(network=rules(app_out=(a.permission(5432, ["sg-db"]),))),
    "execution-role-missing": a.stack(execution=None),
    "execution-role-not-trusted": a.stack(execution=a.role(trust={"Statement": []})),
    "task-role-not-trusted": a.stack(
        task_role=a.role(a.READ, trust=a.trust_if(StringEquals=("aws:SourceAccount", "210987654321")))),
    "execution-role-cannot-pull": a.stack(execution=a.role(a.TOKEN, a.WRITE, a.READ)),
    "execution-role-cannot-log": a.stack(execution=a.role(a.TOKEN, a.PULL, a.READ)),
    "execution-role-cannot-secret": a.stack(execution=a.role(a.TOKEN, a.PULL, a.WRITE)),
    "execution-role-cannot-decrypt": never_started(
        f"{INIT}execution resource retrieval failed: unable to retrieve secret from asm: service call has been retried "
        f"1 time(s): failed to fetch secret {a.SECRET} from secrets manager: operation error Secrets Manager: "
        "GetSecretValue, https response error StatusCode: 400, RequestID: 1, api error AccessDeniedException: Access "
        "to KMS is not allowed", secrets={a.SECRET: Secret(kms_key=f"arn:aws:kms:{a.REGION}:{a.ACCOUNT}:key/1a")}),
    "task-role-cannot-read-secret": a.stack(task_role=a.role(a.TOKEN)),
    "repository-denies": a.stack(image=Image(present=True, policy=a.policy(DENY_PULL))),
    "image-missing": a.stack(image=Image(present=False)),
    "image-architecture": a.stack(
        image=Image(present=True, platforms=("linux/arm64",))),
    "secret-missing": a.stack(secrets={a.SECRET: None}),
    "secret-key-missing": a.stack(main=a.definition(secrets={"DB_PASSWORD": f"{a.SECRET}:passwort::"})),
    "log-group-missing": a.stack(logs=Logs(group="/ecs/careapp-poc", exists=False)),
    "balancer-not-active": a.stack(balancer=a.balancer(state="failed")),
    "balancer-cut-off": a.stack(
        network=a.network(
            subnets={**a.network().subnets, "public-1": a.subnet("public-1", "10.0.0.0/24"),}, nats={}),
        service=a.service(subnets=())),
    "balancer-not-in-zone": a.unhealthy(
        OUTSIDE, "Target.NotInUse", network=in_zones("a", "d"),
        targets=(replace(a.HEALTHY["targets"][0], state="unused", reason="Target.NotInUse", description=OUTSIDE),)),
    "target-group-missing": a.stack(group=None),
    "service-not-attached": a.stack(service=a.service(targets=())),
    "health-check-drifted": a.stack(group=a.target_group(timeout=4)),
    "no-rule-forwards": a.stack(balancer=a.entrance(rules=())),
    "target-protocol": a.stack(group=replace(a.target_group(), protocol="HTTPS")),
    "port-mismatch": a.stack(main=env(PORT="8080")),
    "wrong-address": a.unhealthy(
        "Health checks failed", lines=["Listening at: http://127.0.0.1:3000 (7)"],
        main=env(BIND_HOST="127.0.0.1")),
    "balancer-cannot-reach-task": a.stack(network=rules(app_in=())),
    "task-cannot-reach-database": a.stack(network=rules(db_in=())),
    "rule-in-the-way": a.stack(
        balancer=a.entrance(
            Rule(priority="1", action="fixed-response", arn="arn:rule"), *a.balancer().listeners[0].rules)),
    "certificate-not-valid": a.stack(balancer=a.entrance(certificate=Certificate("arn:c", "EXPIRED"))),
    "balancer-missing": a.stack(balancer=None),
    "balancer-lets-nobody-in": a.stack(network=rules(alb_in=())),
    "internet-cannot-reach-balancer": a.stack(
        network=rules(alb_in=(a.permission(80, networks=(IPv4Network("203.0.113.0/24"),)),))),
    "balancer-lets-more-in": a.stack(
        settings=a.choices(allowedCidrs="203.0.113.0/24"),
        network=rules(alb_in=(a.permission(80, networks=(IPv4Network("203.0.113.0/24"), *a.ANYWHERE)),))),
    "log-database-slow": a.stack(
        page=a.page(503), logs=a.logs(a=[a.LISTENS, '{"message": "the database took too long"}'])),
    "no-listener": a.stack(
        balancer=a.entrance(port=8080),
        page=a.page(0, problem="the load balancer has no listener on port 80")),
    "connection-leak": a.stack(measured=Measured(connections=40)),
    "connections-near": a.stack(
        measured=Measured(connections=90), tasks=tuple(a.task(f"{number:032}") for number in range(20))),
    "page-lost-assets": a.stack(page=a.page(assets={"/app.css": 404}, assets_before={"/app.css": 200})),
    "page-assets-fail": a.stack(page=a.page(assets={"/app.js": 0, "/app.css": 200})),
    "page-errors": a.stack(page=a.page(500)),
    "page-unavailable": a.stack(page=a.page(503)),
    "page-silent": a.stack(page=a.page(0, problem="timed out after 10 s", database=None)),
    "database-missing": a.stack(database=None),
    "restore-interrupted": a.stack(database=None, aside=Aside((OLD_DATABASE,))),
    "database-away": a.stack(database=a.database(status="stopped")),
    "stack-paused": a.stack(
        service=a.service(desired=0, running=0), database=a.database(status="stopped", tags=Pause(a.NOW).tags)),
    "database-full": a.stack(database=a.database(status="storage-full")),
    "database-address": a.stack(main=env(DB_HOST="other.example")),
    "database-secret": a.stack(
        main=replace(env(DB_SECRET_ARN=OTHER_SECRET), secrets={"DB_PASSWORD": f"{OTHER_SECRET}:password::"})),
    "uploads-bucket-missing": with_bucket(Bucket(name=FILES, exists=False)),
    "out-of-memory": a.failing(
        a.ended(
            CRASHED, code=137, stop=EXITED,
            container="OutOfMemoryError: Container killed due to memory usage")),
    "sidecar-exited": sidecar_exited(1, 0),
    "killed-at-stop": a.stack(
        tasks=(a.task(), a.ended("Scaling activity initiated by (deployment ecs-svc/3)", code=137))),
    "deploy-command-failed": not_deployed(command_task()),
    "not-deployed": not_deployed(),
    "revision-deregistered": a.stack(main=a.definition(active=False), newest=None),
    "deployed-after": a.stack(newest=a.definition(arn=a.NEW.replace(":7", ":8"))),
    "crash": crashed("Traceback (most recent call last):", "ValueError: what nobody knows"),
    "process-ends": crashed("3 reports sent", code=0),
    "crash-by-program": crashed(*trace("NameError: name 'x' is not defined")),
    "log-wrong-password": a.stack(
        logs=a.logs(a=[a.LISTENS, 'FATAL: password authentication failed for user "postgres"'])),
    "app-database-away": a.stack(logs=a.logs(a=[a.LISTENS, LOST])),
    "app-cannot-migrate": a.stack(logs=a.logs(a=[a.LISTENS, UNMIGRATED])),
    "app-raises": a.stack(logs=a.logs(a=[a.LISTENS, *trace("ZeroDivisionError: x"), *[asked("/", 500)] * 3])),
    "app-requests-fail": a.stack(logs=a.logs(a=[a.LISTENS, *[asked("/", 500)] * 3])),
    "app-requests-failed": a.stack(logs=a.logs(a=[a.LISTENS, asked("/x", 500), asked("/", 200)])),
    "task-cannot-start": never_started("CannotStartContainerError: something new"),
    "container-check-failed": a.failing(
        a.ended("Task failed container health checks", code=143), logs=a.logs(b=[a.LISTENS]),
        main=a.definition(
            health=ContainerHealth(command=("CMD-SHELL", "curl -f http://localhost:3000/health")))),
    "target-deregistered": a.stack(targets=()),
    "health-redirects": a.unhealthy(f"{FAILED_WITH}: [301]"),
    "health-path-missing": a.unhealthy(f"{FAILED_WITH}: [404]", group=a.target_group(path="/helth")),
    "health-forbidden": a.unhealthy(f"{FAILED_WITH}: [401]"),
    "health-host": a.unhealthy(f"{FAILED_WITH}: [400]"),
    "health-errors": a.unhealthy(f"{FAILED_WITH}: [500]"),
    "health-matcher": a.unhealthy(f"{FAILED_WITH}: [200]", group=a.target_group(matcher="204")),
    "health-slow": a.unhealthy("Request timed out", reason="Target.Timeout"),
    "not-listening": a.failing(a.ended(ILL, code=143), service=a.going(events=(a.failed_check(),))),
    "slow-start": a.unhealthy(
        "Health checks failed",
        logs=replace(a.logs(), lines={"a" * 32: (LogLine(a.at(-570 + 90), a.LISTENS),)})),
    "rolled-back": a.failing(rolled_back=True),
    "roll-out-failed": a.stack(service=a.service(deployments=(a.deployment(rollout="FAILED"),))),
    "roll-out-going-on": a.stack(
        service=a.service(deployments=(a.deployment(rollout="IN_PROGRESS"),)), targets=()),
    "cannot-place-tasks": unable("was unable to place a task. Reason: Capacity is unavailable."),
    "tasks-die": a.stack(tasks=(a.task(), a.ended(CRASHED, code=1))),
    "out-of-memory-later": a.stack(
        logs=replace(
            a.logs(), lines={"a" * 32: (LogLine(a.at(-60), "Worker (pid:7) was sent SIGKILL! Perhaps"),)})),
    "too-few-tasks": a.stack(service=a.service(running=0), tasks=(), targets=()),
    "worker-missing": a.with_worker(service=None, tasks=None, wanted=None),
    "count-differs": a.with_worker(service=a.worker_service(desired=0, running=0), tasks=()),
    **job_runs.SITUATIONS,
}  # fmt: skip


def named(finding, table, make):
    """Variants of a finding by their names, each made of what the table has."""
    return {f"{finding}: {name}": make(row) for name, row in table.items()}


def findings(snapshot):
    return judge(snapshot).findings


def kinds(snapshot):
    """Id and kind of each finding, in the doctor's order."""
    return [(finding.id, finding.kind) for finding in judge(snapshot).findings]


def causes(snapshot):
    return [cause.id for cause in judge(snapshot).causes]
