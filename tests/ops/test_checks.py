"""Every finding: the situation that it names comes first, and a healthy stack has none."""

import ast
import json
from dataclasses import replace
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from ops import checks
from ops.doctor import judge
from ops.paused import Pause
from ops.snapshot.entrance import Certificate, Rule
from ops.snapshot.records import Part
from ops.snapshot.surroundings import Endpoint, Image, Logs, Nat, Quota, Secret
from tests.ops import stacks as a

CRASHED = "Essential container in task exited"
ILL = f"Task failed ELB health checks in (target-group {a.GROUP_ARN})"
EXITED = "EssentialContainerExited"
NO_ROUTE = a.subnet("private-1", "10.0.16.0/20")
INIT = "ResourceInitializationError: unable to pull secrets or registry auth: "


def crashed(*lines, code=1, rolled_back=False, **changes):
    task = a.ended(CRASHED, code=code, stop=EXITED)
    return a.failing(task, rolled_back=rolled_back, logs=a.logs(b=list(lines)), **changes)


def never_started(reason, **changes):
    return a.failing(a.ended(reason, stop="TaskFailedToStart"), **changes)


def rules(**changes):
    return a.network(groups=a.groups(**changes))


def env(**changes):
    kept = {**a.definition().environment, **changes}
    return a.definition(
        environment={name: value for name, value in kept.items() if value is not None}
    )


def unable(message):
    return a.failing(
        a.ended(CRASHED, code=0),
        service=a.service(
            running=0,
            events=(a.event(message),),
            deployments=(a.deployment(rollout="IN_PROGRESS"),),
        ),
        tasks=(),
    )


SITUATIONS = {
    "stack-missing": a.stage1(
        balancer=None, group=None, database=None, network=None, image=None, secrets=None
    ),
    "service-missing": a.stage1(a.declared()),
    "ecs-off": a.stage1(),
    "service-going": a.stack(service=a.service(status="DRAINING")),
    "scaled-to-zero": a.stack(service=a.service(desired=0, running=0), tasks=(), targets=()),
    "scaled-to-zero-by-schedule": a.stack(
        service=a.service(desired=0, running=0),
        tasks=(),
        targets=(),
        settings=a.declared(schedule="mon-fri 08:00-20:00"),
    ),
    "scaled-to-zero-in-hours": a.stack(
        service=a.service(desired=0, running=0),
        tasks=(),
        targets=(),
        settings=a.declared(schedule="mon-fri 08:00-22:00"),
    ),
    "fargate-quota": unable(
        "was unable to place a task. Reason: You've reached the limit on the number of vCPUs."
    ),
    "fargate-quota-small": a.stack(quota=Quota(limit=0.2)),
    "subnets-full": a.stack(network=a.network(replace(a.network().subnets["private-1"], free=1))),
    "task-cannot-reach-aws": a.stack(network=a.network(NO_ROUTE)),
    "task-https-closed": a.stack(network=rules(app_out=(a.permission(5432, ["sg-db"]),))),
    "execution-role-missing": a.stack(execution=None),
    "execution-role-not-trusted": a.stack(execution=a.role(trust={"Statement": []})),
    "execution-role-cannot-pull": a.stack(execution=a.role(a.TOKEN, a.WRITE, a.READ)),
    "execution-role-cannot-log": a.stack(execution=a.role(a.TOKEN, a.PULL, a.READ)),
    "execution-role-cannot-secret": a.stack(execution=a.role(a.TOKEN, a.PULL, a.WRITE)),
    "task-role-cannot-read-secret": a.stack(task_role=a.role(a.TOKEN)),
    "image-missing": a.stack(image=Image(repository="careapp/hello-ecs", present=False)),
    "image-architecture": a.stack(
        image=Image(repository="careapp/hello-ecs", present=True, platforms=("linux/arm64",))
    ),
    "secret-missing": a.stack(secrets={a.SECRET: None}),
    "secret-key-missing": a.stack(
        main=a.definition(secrets={"DB_PASSWORD": f"{a.SECRET}:passwort::"})
    ),
    "log-group-missing": a.stack(logs=Logs(group="/ecs/careapp-poc", exists=False)),
    "balancer-not-active": a.stack(balancer=a.balancer(state="failed")),
    "balancer-cut-off": a.stack(
        network=a.network(
            subnets={
                **a.network().subnets,
                "public-1": a.subnet("public-1", "10.0.0.0/24"),
            },
            nats={},
        ),
        service=a.service(subnets=()),
    ),
    "target-group-missing": a.stack(group=None),
    "service-not-attached": a.stack(service=a.service(targets=())),
    "health-check-off": a.stack(group=a.target_group(enabled=False)),
    "health-check-drifted": a.stack(a.declared(healthTimeout="4")),
    "no-rule-forwards": a.stack(
        balancer=a.balancer(listeners=(replace(a.balancer().listeners[0], rules=()),))
    ),
    "port-mismatch": a.stack(main=env(PORT="8080")),
    "balancer-cannot-reach-task": a.stack(network=rules(app_in=())),
    "task-cannot-reach-database": a.stack(network=rules(db_in=())),
    "rule-in-the-way": a.stack(
        balancer=a.balancer(
            listeners=(
                replace(
                    a.balancer().listeners[0],
                    rules=(
                        Rule(priority="1", action="fixed-response", arn="arn:rule"),
                        *a.balancer().listeners[0].rules,
                    ),
                ),
            )
        )
    ),
    "certificate-not-valid": a.stack(
        balancer=a.balancer(
            listeners=(
                replace(
                    a.balancer().listeners[0], certificate=Certificate("arn:c", "EXPIRED")
                ),
            )
        )
    ),
    "balancer-missing": a.stack(balancer=None),
    "balancer-lets-nobody-in": a.stack(network=rules(alb_in=())),
    "internet-cannot-reach-balancer": a.stack(
        network=rules(alb_in=(a.permission(80, networks=(IPv4Network("203.0.113.0/24"),)),))
    ),
    "database-missing": a.stack(database=None),
    "database-away": a.stack(database=a.database(status="stopped")),
    "stack-paused": a.stack(
        service=a.service(desired=0, running=0),
        database=a.database(status="stopped", pause=Pause(a.NOW, 1)),
    ),
    "database-full": a.stack(database=a.database(status="storage-full")),
    "database-address": a.stack(main=env(DB_HOST="other.example")),
    "database-wants-tls": a.stack(main=env(DB_SSLMODE="disable")),
    "out-of-memory": a.failing(
        a.ended(
            CRASHED,
            code=137,
            stop=EXITED,
            container="OutOfMemoryError: Container killed due to memory usage",
        )
    ),
    "crash": crashed("Traceback (most recent call last):", "ValueError: what nobody knows"),
    "app-wrong-password": a.stack(
        logs=a.logs(a=[a.LISTENS, 'FATAL: password authentication failed for user "postgres"'])
    ),
    "task-cannot-start": never_started("CannotStartContainerError: something new"),
    "health-path-mended": a.failing(
        a.ended(ILL, code=0),
        service=a.service(
            running=0,
            deployments=(a.deployment(rollout="FAILED", running=0),),
            events=(a.event(f"(task {'b' * 32}) (port 3000) is unhealthy in (target-group x) due to "
                            "(reason Health checks failed with these codes: [404])."),),
        ),
        logs=a.logs(b=['{"path": "/helth", "status": 404}']),
    ),
    "health-redirects": a.sick("Health checks failed with these codes: [301]"),
    "health-path-missing": a.sick(
        "Health checks failed with these codes: [404]", group=a.target_group(path="/helth")
    ),
    "health-forbidden": a.sick("Health checks failed with these codes: [401]"),
    "health-needs-database": a.sick(
        "Health checks failed with these codes: [503]",
        group=a.target_group(path="/health/db"),
        database=a.database(status="stopped"),
    ),
    "health-errors": a.sick("Health checks failed with these codes: [500]"),
    "health-matcher": a.sick(
        "Health checks failed with these codes: [200]", group=a.target_group(matcher="204")
    ),
    "health-slow": a.sick("Request timed out", reason="Target.Timeout"),
    "health-protocol": a.sick("Health checks failed", group=a.target_group(protocol="HTTPS")),
    "slow-start": a.failing(a.ended(ILL, code=143), service=a.service(
        running=0,
        events=(a.event(f"(task {'b' * 32}) (port 3000) is unhealthy in (target-group x) due to "
                        "(reason Health checks failed)."),),
        deployments=(a.deployment(rollout="IN_PROGRESS"),),
    )),
    "rolled-back": a.failing(rolled_back=True),
    "roll-out-failed": a.stack(service=a.service(deployments=(a.deployment(rollout="FAILED"),))),
    "roll-out-going-on": a.stack(
        service=a.service(deployments=(a.deployment(rollout="IN_PROGRESS"),)), targets=()
    ),
    "cannot-place-tasks": unable("was unable to place a task. Reason: Capacity is unavailable."),
    "tasks-die": a.stack(tasks=(a.task(), a.ended(CRASHED, code=1))),
    "spot-interrupted": a.stack(
        tasks=(a.task(), a.ended("Your Spot Task was interrupted.", stop="SpotInterruption"))
    ),
    "targets-unhealthy": a.sick("Health checks failed with these codes: [404]"),
    "too-few-tasks": a.stack(service=a.service(running=0), tasks=(), targets=()),
}  # fmt: skip
KINDS = {
    "scaled-to-zero-by-schedule": "warning",
    **dict.fromkeys(("ecs-off", "roll-out-going-on", "stack-paused"), "note"),
    **dict.fromkeys(
        (
            *("task-role-cannot-read-secret", "internet-cannot-reach-balancer", "tasks-die"),
            *("health-check-off", "health-check-drifted", "spot-interrupted"),
        ),
        "warning",
    ),
}
AMONG = {"targets-unhealthy"}
"""Findings that are never the root cause."""


def findings(snapshot):
    return judge(snapshot).findings


def test_a_healthy_stack_has_no_findings_and_all_of_it_was_checked():
    diagnosis = judge(a.stack())
    assert (diagnosis.findings, diagnosis.unseen, diagnosis.healthy) == ((), (), True)
    assert len(diagnosis.checked) == 16


@pytest.mark.parametrize("name", SITUATIONS)
def test_the_first_finding_is_the_root_cause(name):
    found = findings(SITUATIONS[name])
    if name in AMONG:
        assert name in [each.id for each in found]
    else:
        assert (found[0].id, found[0].kind) == (name, KINDS.get(name, "cause"))


def test_waiting_longer_for_health_does_not_help_where_the_containers_own_check_gives_up_before():
    slow = SITUATIONS["health-slow"]
    first, second = findings(slow)[0].fixes[:2]
    assert "do nothing but answer" in first.text.to("en")
    assert "healthTimeout" in " ".join(second.commands)
    known = {arn: replace(each, health=None) for arn, each in slow.definitions.value.items()}
    bare = replace(slow, definitions=Part(known))
    assert "healthTimeout" in " ".join(findings(bare)[0].fixes[0].commands)


@pytest.mark.parametrize("name", SITUATIONS)
def test_a_finding_says_what_was_seen_and_how_to_mend_it(name):
    finding = next(each for each in findings(SITUATIONS[name]) if each.id == name)
    assert finding.seen or finding.evidence or name in {"stack-missing", "ecs-off"} | {
        "target-group-missing", "health-check-off", "balancer-not-active",
    }  # fmt: skip
    assert finding.fixes or name in {"targets-unhealthy", "cannot-place-tasks"}


def test_a_database_that_aws_started_again_on_a_paused_stack_is_told():
    [found] = findings(
        a.stack(service=a.service(desired=0, running=0), database=a.database(pause=Pause(a.NOW, 1)))
    )
    assert found.id == "stack-paused"
    assert "AWS starts a stopped database by itself after seven days." in map(str, found.seen)
    assert [each.commands for each in found.fixes][1] == ("./careapp pause -s poc",)


def test_a_stack_whose_tasks_run_again_is_not_paused_whatever_the_tags_say():
    found = findings(a.stack(database=a.database(status="stopped", pause=Pause(a.NOW, 1))))
    assert [each.id for each in found] == ["database-away"]


def test_a_paused_stack_s_other_causes_are_still_told():
    database = a.database(status="failed", pause=Pause(a.NOW, 1))
    found = findings(a.stack(service=a.service(desired=0, running=0), database=database))
    assert found[0].id == "database-away"


def test_every_finding_that_the_checks_can_make_has_a_situation():
    made = set()
    for file in Path(checks.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Finding":
                value = next(each.value for each in node.keywords if each.arg == "id")
                parts = [value.body, value.orelse] if isinstance(value, ast.IfExp) else [value]
                made |= {each.value for each in parts if isinstance(each, ast.Constant)}
    assert made - set(SITUATIONS) == set()


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("ModuleNotFoundError: No module named 'flask'", "crash-module-missing"),
        ('{"message": "careapp cannot start: DB_HOST is missing"}', "crash-variable-missing"),
        ("KeyError: 'DB_HOST'", "crash-variable-missing"),
        ("careapp cannot start: PORT is 'x', which is not a port", "crash-setting-wrong"),
        ("[Errno 98] Address already in use", "crash-address-in-use"),
        ("OSError: [Errno 30] Read-only file system: '/app/x'", "crash-permission"),
        ('FATAL:  password authentication failed for user "postgres"', "crash-wrong-password"),
        ('FATAL: no pg_hba.conf entry for host "10.0.16.4", no encryption', "crash-no-tls"),
        ('FATAL: no pg_hba.conf entry for host "10.0.16.4"', "crash-pg-hba"),
        ("SSL error: certificate verify failed", "crash-certificate"),
        ('FATAL: database "other" does not exist', "crash-database-unknown"),
        ('could not translate host name "db.nowhere" to address', "crash-host-unknown"),
        ("failed to resolve host 'db.nowhere': [Errno -2]", "crash-host-unknown"),
        ("FATAL: remaining connection slots are reserved", "crash-too-many-connections"),
        ("connection timeout expired", "crash-database-timeout"),
        ('connection to server at "x", port 5432 failed: Connection refused', "crash-database-refused"),
        ("Worker (pid:7) was sent SIGKILL! Perhaps out of memory?", "crash-worker-killed"),
        ("[CRITICAL] WORKER TIMEOUT (pid:7)", "crash-worker-timeout"),
    ],
)  # fmt: skip
def test_a_crash_is_explained_by_its_last_known_log_line(line, wanted):
    found = findings(crashed("starting", line, "Shutting down: Master"))[0]
    assert (found.id, found.kind) == (wanted, "cause")
    assert line in found.evidence


def test_an_exec_format_error_is_an_image_for_another_processor():
    found = findings(crashed("exec /usr/bin/python: exec format error", code=255))
    assert [each.id for each in found if each.kind == "cause"] == ["image-architecture"]


def test_a_crash_after_a_roll_back_is_still_explained():
    found = findings(crashed("KeyError: 'DB_HOST'", rolled_back=True))
    assert [(each.id, each.kind) for each in found] == [
        ("crash-variable-missing", "cause"),
        ("rolled-back", "consequence"),
    ]


TRIPPED = "Service deployment rolled back because the circuit breaker threshold was exceeded."


def test_a_roll_back_to_the_same_revision_is_explained_by_the_tasks_that_it_gave_up():
    blind = a.ended(f"{INIT}timeout", stop="TaskFailedToStart", started_by="ecs-svc/9")
    undone = a.stack(tasks=(blind, a.task()), undone=TRIPPED)
    found = findings(undone)
    assert [(each.id, each.kind) for each in found] == [
        ("task-cannot-start", "cause"),
        ("rolled-back", "consequence"),
    ]
    assert TRIPPED in found[-1].evidence
    assert found[-1].fixes[0].commands[-1] == "pulumi up --refresh -s poc"
    assert findings(replace(undone, undone=Part(""))) == ()


def test_a_rule_that_is_missing_explains_the_time_out():
    found = findings(a.sick("Request timed out", "Target.Timeout", network=rules(alb_out=())))
    assert [(each.id, each.kind) for each in found] == [
        ("balancer-cannot-reach-task", "cause"),
        ("targets-unhealthy", "consequence"),
        ("roll-out-going-on", "note"),
    ]


def test_the_missing_rule_is_named_with_the_command_that_adds_it():
    found = findings(a.stack(network=rules(app_in=())))[0]
    assert [str(each) for each in found.seen] == [
        "Security group sg-app (careapp-poc-app) has no inbound rule for TCP 3000 from "
        "sg-alb (careapp-poc-alb)."
    ]
    assert found.fixes[0].commands == (
        "aws ec2 authorize-security-group-ingress --group-id sg-app --ip-permissions "
        "'IpProtocol=tcp,FromPort=3000,ToPort=3000,UserIdGroupPairs=[{GroupId=sg-alb}]'",
    )


def test_a_database_behind_a_closed_rule_explains_the_app_s_time_outs():
    snapshot = crashed("connection timeout expired", network=rules(db_in=()))
    found = [(each.id, each.kind) for each in findings(snapshot)]
    assert found == [
        ("task-cannot-reach-database", "cause"),
        ("roll-out-going-on", "warning"),
        ("crash-database-timeout", "consequence"),
    ]


def test_a_database_problem_that_the_app_has_got_over_is_none():
    lines = [a.LISTENS, "connection timeout expired", '{"message": "database connected"}']
    assert findings(a.stack(logs=a.logs(a=lines))) == ()


def test_a_health_check_that_needs_the_database_comes_before_the_database():
    found = findings(SITUATIONS["health-needs-database"])
    assert [each.id for each in found][:2] == ["health-needs-database", "database-away"]
    assert found[0].fixes[0].commands == ("pulumi up --refresh -s poc",)


def test_a_health_check_that_needs_the_database_is_told_where_a_rule_keeps_it_away():
    snapshot = a.sick("Health checks failed with these codes: [503]", network=rules(db_in=()),
                      group=a.target_group(path="/health/db"))  # fmt: skip
    found = [each.id for each in findings(snapshot) if each.kind == "cause"]
    assert found == ["health-needs-database", "task-cannot-reach-database"]


def test_a_setting_in_the_stack_file_is_mended_there():
    settings = a.declared(healthPath="/helth")
    snapshot = a.sick("Health checks failed with these codes: [404]",
                      group=a.target_group(path="/helth"), settings=settings)  # fmt: skip
    assert findings(snapshot)[0].fixes[0].commands == (
        "pulumi config set healthPath /health -s poc",
        "pulumi up -s poc",
    )


def test_where_ecs_has_given_up_a_setting_is_changed_at_once_and_tried_again():
    settings = a.declared(healthPath="/helth")
    failed = a.deployment(rollout="FAILED", running=0)
    ill = f"(task {'b' * 32}) (port 3000) is unhealthy in (target-group x) due to (reason {{}})."
    message = ill.format("Health checks failed with these codes: [404]")
    snapshot = a.failing(
        a.ended(ILL, code=0),
        service=a.service(running=0, deployments=(failed,), events=(a.event(message),)),
        group=a.target_group(path="/helth"),
        settings=settings,
    )
    assert findings(snapshot)[0].fixes[0].commands == (
        "pulumi config set healthPath /health -s poc",
        f"aws elbv2 modify-target-group --target-group-arn {a.GROUP_ARN} --health-check-path /health",
        "aws ecs update-service --cluster careapp-poc-cluster --service careapp-poc-service "
        "--task-definition careapp-poc:7 --force-new-deployment",
        "pulumi up -s poc",
    )


def given_up(*lines):
    """A stack that ECS has given up after a 404, and in which /health is asked for by now."""
    failed = a.deployment(rollout="FAILED", running=0)
    message = (f"(task {'b' * 32}) (port 3000) is unhealthy in (target-group x) due to (reason "
               "Health checks failed with these codes: [404]).")  # fmt: skip
    running = a.service(running=0, deployments=(failed,), events=(a.event(message),))
    return a.failing(a.ended(ILL, code=0), service=running, logs=a.logs(b=list(lines)))


@pytest.mark.parametrize(
    "line",
    ['{"message": "request", "path": "/helth", "status": 404}',
     '127.0.0.1 - - [x] "GET /helth HTTP/1.1" 404 21 "-" "ELB-HealthChecker/2.0"'],
)  # fmt: skip
def test_a_health_check_that_was_mended_since_the_last_try_only_needs_another(line):
    found = findings(given_up(line))[0]
    assert (found.id, str(found.seen[0])) == (
        "health-path-mended",
        "The last try failed with 404 on /helth; the health check asks for /health now.",
    )
    assert found.fixes[0].commands[0].endswith("--force-new-deployment")


def test_what_only_the_past_tells_may_be_mended_by_now():
    found = findings(given_up("nothing"))[0]
    assert (found.id, str(found.fixes[-1].text)) == (
        "health-path-missing",
        "If that was mended since the last try (11:58:20), let ECS try again:",
    )


def test_events_still_tell_when_ecs_has_forgotten_the_tasks():
    forgotten = replace(given_up(), tasks=Part(()))
    assert findings(forgotten)[0].id == "health-path-missing"
    earlier = replace(forgotten.service.value.events[0], at=a.at(-700))
    service = replace(forgotten.service.value, events=(earlier,))
    assert findings(replace(forgotten, service=Part(service)))[0].id == "roll-out-failed"


def test_a_longer_grace_period_is_given_with_the_next_try():
    rolled = a.failing(a.ended(ILL, code=143), rolled_back=True)
    ill = f"(task {'b' * 32}) (port 3000) is unhealthy in (target-group x) due to (reason {{}})."
    events = (a.event(ill.format("Health checks failed")),)
    service = replace(rolled.service.value, events=events)
    found = findings(replace(rolled, service=Part(service)))[0]
    assert found.id == "slow-start"
    assert (
        found.fixes[0]
        .commands[1]
        .endswith(
            "--task-definition careapp-poc:7 --force-new-deployment --health-check-grace-period-seconds 390"
        )
    )
    assert len(found.fixes[0].commands) == 3


def test_the_app_s_own_log_tells_on_which_port_it_listens():
    snapshot = a.sick("Health checks failed", lines=["Listening at: http://0.0.0.0:8080 (7)"])
    found = findings(snapshot)[0]
    assert (found.id, str(found.title)) == (
        "port-mismatch",
        "The app listens on port 8080, and is asked on port 3000",
    )


def test_a_start_slower_than_the_grace_period_is_measured():
    late = a.logs(a=["x"])
    line = replace(late.lines["a" * 32][0], at=a.at(-570 + 90), text=a.LISTENS)
    snapshot = a.sick("Health checks failed", logs=replace(late, lines={"a" * 32: (line,)}))
    found = findings(snapshot)[0]
    assert (found.id, str(found.seen[0])) == (
        "slow-start",
        "The app listened 90 s after its task's start.",
    )
    assert found.fixes[0].commands[0] == "pulumi config set healthGracePeriod 150 -s poc"


def test_a_slow_answer_is_measured_by_the_app_s_log():
    lines = [a.LISTENS, '{"message": "request", "path": "/health", "duration_ms": 7300}']
    found = findings(a.sick("Request timed out", "Target.Timeout", lines))[0]
    assert [str(each) for each in found.seen] == [
        "No answer to GET /health within 5 s.",
        "The app's log tells of an answer that took 7.3 s.",
    ]


@pytest.mark.parametrize(
    ("private", "nat", "public", "said"),
    [
        (NO_ROUTE, "available", False, "has no route to 0.0.0.0/0"),
        (a.subnet("private-1", "10.0.16.0/20", a.route("nat", "nat-1", "blackhole")), "available",
         False, "leads to nat-1, which is gone"),
        (a.subnet("private-1", "10.0.16.0/20", a.route("nat", "nat-9")), "available", False,
         "leads to nat-9, which is gone"),
        (None, "failed", False, "NAT gateway nat-1 is failed"),
        (a.subnet("private-1", "10.0.16.0/20", a.route("igw", "igw-1")), "available", False,
         "assignPublicIp is DISABLED"),
    ],
)  # fmt: skip
def test_each_way_in_which_tasks_are_cut_off_is_told_apart(private, nat, public, said):
    net = a.network(private, nats={"nat-1": Nat(id="nat-1", state=nat, subnet="public-1")})
    found = findings(a.stack(network=net, service=a.service(public_ip=public)))[0]
    assert found.id == "task-cannot-reach-aws"
    assert said in str(found.seen[0])


def test_a_nat_gateway_in_a_subnet_without_a_way_out_leads_nowhere():
    net = a.network(nats={"nat-1": Nat(id="nat-1", state="available", subnet="database-1")})
    found = findings(a.stack(network=net))[0]
    assert "lies in a subnet that has no route" in str(found.seen[0])


def test_a_nat_gateway_behind_another_nat_gateway_leads_nowhere():
    net = a.network(nats={"nat-1": Nat(id="nat-1", state="available", subnet="private-1")})
    assert findings(a.stack(network=net))[0].id == "task-cannot-reach-aws"


def test_a_new_version_that_crashes_is_told_while_the_old_one_serves_on():
    running = a.service(
        deployments=(
            a.deployment(rollout="IN_PROGRESS", running=0, failed=1),
            a.deployment(id="ecs-svc/1", status="ACTIVE", definition=a.OLD),
        )
    )
    old = a.task(definition=a.OLD, started_by="ecs-svc/1")
    new = a.ended(CRASHED, code=1, stop=EXITED)
    snapshot = a.stack(service=running, tasks=(new, old), logs=a.logs(b=["KeyError: 'DB_HOST'"]))
    assert findings(snapshot)[0].id == "crash-variable-missing"


def test_tasks_with_a_public_address_need_no_nat_gateway():
    public = a.subnet("private-1", "10.0.16.0/20", a.route("igw", "igw-1"))
    assert findings(a.stack(network=a.network(public), service=a.service(public_ip=True))) == ()


def test_endpoints_in_the_vpc_stand_in_for_the_way_to_the_internet():
    doors = tuple(
        Endpoint(service=f"com.amazonaws.ap-northeast-1.{each}", state="available",
                 private_dns=True, subnets=("private-1",), groups=("sg-db",))
        for each in ("ecr.api", "ecr.dkr", "logs", "secretsmanager")
    )  # fmt: skip
    open_ = a.groups(
        db_in=(a.permission(5432, ["sg-app"]), a.permission(443, ["sg-app"])),
    )
    net = a.network(NO_ROUTE, endpoints=doors, groups=open_)
    assert findings(a.stack(network=net)) == ()
    assert (
        findings(a.stack(network=replace(net, endpoints=doors[1:])))[0].id
        == "task-cannot-reach-aws"
    )


TRACE = (
    "Traceback (most recent call last):",
    '  File "/usr/local/lib/python3.13/site-packages/gunicorn/util.py", line 473, in import_app',
    "    app = app(*args, **kwargs)",
    '  File "/app/webapp/application.py", line 7, in <module>',
    "    import pandas",
    '  File "<frozen importlib._bootstrap>", line 1',
    '  File "/usr/local/lib/python3.13/site-packages/numpy/__init__.py", line 1, in <module>',
    "    raise",
    "ModuleNotFoundError: No module named 'pandas'",
)
OWN = ('File "/app/webapp/application.py", line 7, in <module>', "import pandas")


@pytest.mark.parametrize(
    ("lines", "evidence"),
    [
        ((json.dumps({"message": "x", "traceback": "\n".join(TRACE)}), "bye"), OWN),
        ((*TRACE, *"abcdefgh"), OWN),
        ((TRACE[0], TRACE[1], TRACE[2], TRACE[-1]), ()),
        (TRACE, ()),
    ],
    ids=["in one JSON line", "cut off by later lines", "of a library alone", "shown anyway"],
)
def test_a_crash_shows_the_app_s_own_line(lines, evidence):
    first = judge(crashed(*lines)).findings[0]
    assert first.evidence == (*evidence, *lines[-8:])


def test_a_reason_that_a_deeper_cause_explains_is_its_evidence_and_no_finding():
    reason = f"{INIT}There is a connection issue between the task and AWS Secrets Manager."
    found = findings(never_started(reason, network=a.network(NO_ROUTE)))
    assert [(each.id, each.evidence) for each in found if each.kind == "cause"] == [
        ("task-cannot-reach-aws", (reason,))
    ]


def test_a_secret_key_is_told_by_ecs_where_the_keys_cannot_be_seen():
    secret = Secret(arn=a.SECRET)
    reason = f"{INIT}retrieved secret from Secrets Manager did not contain json key password"
    found = findings(never_started(reason, secrets={a.SECRET: secret}))[0]
    assert (found.id, found.evidence) == ("secret-key-missing", (reason,))


def test_a_secret_that_is_marked_for_deletion_can_be_taken_back():
    gone = Secret(arn=a.SECRET, deleted=a.NOW)
    found = findings(a.stack(secrets={a.SECRET: gone}))[0]
    assert found.fixes[0].commands == (
        f"aws secretsmanager restore-secret --secret-id '{a.SECRET}'",
    )


def test_old_failures_are_forgotten_once_the_service_is_steady():
    failed = a.ended(CRASHED, code=1, stop=EXITED)
    early = replace(failed, stopped=a.at(-550))
    assert findings(a.stack(tasks=(a.task(), early))) == ()


def test_tasks_that_a_person_or_the_scheduler_ended_are_no_failures():
    scaled = a.ended("Scaling activity initiated by (deployment ecs-svc/2)")
    stopped = a.ended("bye", name="d" * 32, stop="UserInitiated")
    assert findings(a.stack(tasks=(a.task(), scaled, stopped))) == ()


def test_what_could_not_be_looked_at_forbids_to_say_healthy():
    diagnosis = judge(a.stack(execution=a.DENIED))
    assert (diagnosis.findings, diagnosis.healthy, diagnosis.exit_code) == ((), False, 2)
    assert [str(each.part) for each in diagnosis.unseen] == ["the execution role"]


def test_alarms_and_quota_are_listed_but_do_not_decide():
    diagnosis = judge(a.stack(quota=a.DENIED, alarms=a.DENIED))
    assert (diagnosis.healthy, diagnosis.exit_code, len(diagnosis.unseen)) == (True, 0, 2)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (139, "SIGSEGV: a crash inside native code"),
        (143, "SIGTERM: it was told to end"),
        (138, "signal 10"),
    ],
)
def test_a_signal_that_ended_the_container_is_named(code, words):
    [finding] = [each for each in judge(crashed("x", code=code)).findings if each.id == "crash"]
    assert str(finding.seen[0]).endswith(f"container app ended with exit code {code} ({words}).")


def test_a_cause_decides_the_exit_code_even_where_something_was_not_seen():
    assert judge(a.stack(execution=a.DENIED, network=rules(app_in=()))).exit_code == 1


@pytest.mark.parametrize(
    ("quota", "service", "kind"),
    [
        (Quota(limit=1.0), {"desired": 2, "running": 2}, None),
        (Quota(limit=0.99), {"desired": 2, "running": 2}, "warning"),
        (Quota(limit=0.99), {"desired": 2, "running": 2, "maximum": 150}, None),
        (Quota(limit=0.49), {"desired": 2, "running": 2, "maximum": 150}, "cause"),
        (Quota(limit=6, elsewhere=5.5), {}, None),
        (Quota(limit=6, elsewhere=5.6), {}, "warning"),
        (Quota(limit=6, elsewhere=5.8), {}, "cause"),
    ],
)
def test_a_roll_out_must_fit_beside_what_else_the_account_runs(quota, service, kind):
    situation = a.stack(quota=quota, service=a.service(**service))
    found = {each.id: each for each in judge(situation).findings}
    assert (found["fargate-quota-small"].kind if kind else None) == kind
    assert ("fargate-quota-small" in found) is (kind is not None)


def test_the_fix_of_a_small_quota_asks_for_enough_of_the_right_kind():
    quota = Quota(limit=6, elsewhere=5.6, code="L-36FBB829")
    (found,) = [each for each in judge(a.stack(quota=quota)).findings if "quota" in each.id]
    assert [str(each) for each in found.seen] == [
        "6.1 vCPU are needed for a while, 6 are allowed in ap-northeast-1.",
        "Other tasks of the account have 5.6 of them.",
    ]
    assert found.fixes[0].commands == (
        "aws service-quotas request-service-quota-increase --service-code fargate "
        "--quota-code L-36FBB829 --desired-value 7",
    )


def test_before_ecs_is_on_the_declared_size_must_fit():
    declared = a.declared(ecsEnabled="false", taskCpu="1024", desiredCount="3")
    (found,) = [
        each
        for each in judge(a.stage1(declared, quota=Quota(limit=5))).findings
        if "quota" in each.id
    ]
    assert (found.id, found.kind) == ("fargate-quota-small", "warning")
