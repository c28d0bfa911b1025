"""Why a health check fails or a connection does not get through, and how it is mended."""

from dataclasses import replace

import pytest

from tools.snapshot.records import Part
from tools.snapshot.vpc import Endpoint, Nat
from tools.tests import stacks as a
from tools.tests.doctor.situations import (
    FAILED_WITH,
    ILL,
    NO_ROUTE,
    SITUATIONS,
    causes,
    crashed,
    findings,
    kinds,
    rules,
)


def test_waiting_longer_for_health_does_not_help_where_the_containers_own_check_gives_up_before():
    slow = SITUATIONS["health-slow"]
    [only] = findings(slow)[0].fixes
    assert "return at once" in str(only.text)
    known = {arn: replace(each, health=None) for arn, each in slow.definitions.value.items()}
    bare = replace(slow, definitions=Part(known))
    first, second = findings(bare)[0].fixes
    assert first == only
    assert "set timeout to " in str(second.text)


def test_a_health_check_that_needs_the_database_comes_before_the_database():
    found = findings(SITUATIONS["health-needs-database"])
    assert [each.id for each in found][:2] == ["health-needs-database", "database-away"]
    assert found[0].fixes[0].commands == ("pulumi up --refresh -s poc",)


def test_a_health_check_that_needs_the_database_is_told_where_a_rule_keeps_it_away():
    snapshot = a.unhealthy("Health checks failed with these codes: [503]", network=rules(db_in=()),
                      group=a.target_group(path="/health/db"))  # fmt: skip
    assert causes(snapshot) == ["health-needs-database", "task-cannot-reach-database"]


@pytest.mark.parametrize("given_up", [False, True])
def test_a_setting_is_corrected_in_the_stack_file_and_where_ecs_has_given_up_at_once(given_up):
    wrong = {"settings": a.choices(healthPath="/helth"), "group": a.target_group(path="/helth")}
    event = a.failed_check(f"{FAILED_WITH}: [404]")
    snapshot = (
        a.failing(a.ended(ILL, code=0), service=a.going("FAILED", events=(event,)), **wrong)
        if given_up
        else a.unhealthy(f"{FAILED_WITH}: [404]", **wrong)
    )
    again = ["./careapp retry -s poc"] if given_up else []
    assert findings(snapshot)[0].fixes[0].commands == (
        "pulumi config set healthPath /health -s poc",
        *again,
        "pulumi up -s poc",
    )


def given_up(*lines):
    """A stack that ECS has given up after a 404, and in which /health is asked for by now."""
    running = a.going("FAILED", events=(a.failed_check(f"{FAILED_WITH}: [404]"),))
    return a.failing(a.ended(ILL, code=0), service=running, logs=a.logs(b=list(lines)))


@pytest.mark.parametrize(
    "line",
    ['{"message": "request", "path": "/helth", "status": 404}',
     '127.0.0.1 - - [x] "GET /helth HTTP/1.1" 404 21 "-" "ELB-HealthChecker/2.0"'],
)  # fmt: skip
def test_a_health_check_that_was_mended_since_the_last_try_only_needs_another(line):
    found = findings(given_up(line))[0]
    assert (found.id, str(found.seen[0])) == (
        "health-check-mended",
        "The last try failed with 404 on /helth; the health check now uses /health and expects 200.",
    )
    assert found.fixes[0].commands == ("./careapp retry -s poc",)


def test_what_only_the_past_tells_may_be_mended_by_now():
    found = findings(given_up("nothing"))[0]
    assert (found.id, str(found.fixes[-1].text)) == (
        "health-path-missing",
        "If the cause was fixed after the last try (11:58:20), let ECS try again:",
    )


def test_events_still_tell_when_ecs_has_forgotten_the_tasks():
    forgotten = replace(given_up(), tasks=Part(()))
    assert findings(forgotten)[0].id == "health-path-missing"
    earlier = replace(forgotten.service.value.events[0], at=a.at(-700))
    service = replace(forgotten.service.value, events=(earlier,))
    assert findings(replace(forgotten, service=Part(service)))[0].id == "roll-out-failed"


def test_a_longer_grace_period_is_given_with_the_next_try():
    rolled = a.failing(a.ended(ILL, code=143), rolled_back=True)
    service = replace(rolled.service.value, events=(a.failed_check(),))
    found = findings(replace(rolled, service=Part(service)))[0]
    assert found.id == "slow-start"
    assert found.fixes[0].commands == (
        "pulumi config set healthGracePeriod 360 -s poc",
        "pulumi up -s poc",
    )


def test_the_app_s_own_log_tells_on_which_port_it_listens():
    snapshot = a.unhealthy("Health checks failed", lines=["Listening at: http://0.0.0.0:8080 (7)"])
    found = findings(snapshot)[0]
    assert (found.id, str(found.title)) == (
        "port-mismatch",
        "The app listens on port 8080, but the load balancer connects to port 3000",
    )


@pytest.mark.parametrize(
    ("lines", "host"),
    [
        (["[INFO] Listening at: http://127.0.0.1:3000 (7)"], "127.0.0.1"),
        (['{"message": "listening", "host": "127.0.0.1", "port": 3000}'], "127.0.0.1"),
        ([" * Running on http://127.0.0.1:3000"], "127.0.0.1"),
        (["INFO: Uvicorn running on http://127.0.0.1:3000 (Press CTRL+C to quit)"], "127.0.0.1"),
        (["INFO:waitress:Serving on http://localhost:3000"], "localhost"),
        (["Listening at: http://[::1]:3000 (7)"], "::1"),
        (["Server listening on http://172.17.0.2:3000"], "172.17.0.2"),
        (
            ["Listening at: http://127.0.0.1:3000", "metrics: listening on 0.0.0.0:9090"],
            "127.0.0.1",
        ),
        (
            [
                "Listening at: http://127.0.0.1:3000,http://[::1]:3000 (7)",
                '{"message": "listening", "host": "0.0.0.0", "port": 3000}',
            ],
            "127.0.0.1",
        ),
        (
            [
                '{"message": "Listening at: http://[::1]:3000 (7)", "logger": "gunicorn.error"}',
                '{"message": "listening", "host": "0.0.0.0", "port": 3000}',
            ],
            "::1",
        ),
    ],
)
def test_an_app_that_listens_on_another_address_than_the_task_s_is_named_by_that_address(
    lines, host
):
    found = findings(a.unhealthy("Health checks failed", lines=lines))[0]
    assert (found.id, str(found.title), found.evidence[0]) == (
        "wrong-address",
        f"The app listens on {host}, where the load balancer cannot reach it",
        lines[0],
    )
    assert found.fixes[0].commands == ("pulumi up -s poc",)


def test_the_variable_that_gives_the_app_the_wrong_address_is_named():
    found = findings(SITUATIONS["wrong-address"])[0]
    assert [str(each) for each in found.seen] == ["BIND_HOST is 127.0.0.1 in careapp-poc:7."]
    assert str(found.fixes[0].text) == (
        "Remove BIND_HOST from the task definition (infra/container.py), or set it to 0.0.0.0, and deploy:"
    )


@pytest.mark.parametrize(
    "lines",
    [
        ["Listening at: http://0.0.0.0:3000 (7)"],
        ["Listening at: http://10.0.16.4:3000 (7)"],
        ["Server listening on http://app.example.com:3000"],
        ["Listening on port 3000"],
        [
            " * Running on all addresses (0.0.0.0)",
            " * Running on http://127.0.0.1:3000",
            " * Running on http://10.0.16.4:3000",
        ],
    ],
)
def test_an_app_that_listens_on_the_task_s_address_is_not_said_to_listen_elsewhere(lines):
    found = findings(a.unhealthy("Health checks failed", lines=lines))
    assert "wrong-address" not in [each.id for each in found]


def test_the_socket_outweighs_the_app_s_own_line_and_each_of_its_addresses_counts():
    both = ["Listening at: http://127.0.0.1:3000,http://0.0.0.0:3000 (7)"]
    found = findings(a.unhealthy("Health checks failed", lines=both))
    assert "wrong-address" not in [each.id for each in found]
    claimed = ['{"message": "listening", "host": "0.0.0.0", "port": 3000}']
    socket = ["Listening at: http://0.0.0.0:8080 (7)"]
    first = findings(a.unhealthy("Health checks failed", lines=[*claimed, *socket]))[0]
    assert (first.id, first.evidence[0]) == ("port-mismatch", socket[0])


def test_a_running_app_that_refuses_and_does_not_say_where_it_listens_is_likely_on_loopback():
    found = findings(a.unhealthy("Health checks failed", lines=["Booting"]))
    assert [each.id for each in found if each.kind == "cause"] == ["wrong-address-likely"]
    assert "the app answers inside the task" in str(found[0].seen[1])
    assert not found[0].facts.certain
    unknown = a.unhealthy(
        "Health checks failed", lines=["Booting"], tasks=(a.task(health="UNKNOWN"),)
    )
    kinds = {each.id: each.kind for each in findings(unknown)}
    assert (kinds["slow-start"], kinds["wrong-address-likely"]) == ("cause", "warning")


def test_a_start_slower_than_the_grace_period_is_measured():
    late = a.logs(a=["x"])
    line = replace(late.lines["a" * 32][0], at=a.at(-570 + 90), text=a.LISTENS)
    snapshot = a.unhealthy("Health checks failed", logs=replace(late, lines={"a" * 32: (line,)}))
    found = findings(snapshot)[0]
    assert (found.id, str(found.seen[0])) == (
        "slow-start",
        "The app listened 90 s after its task's start.",
    )
    assert found.fixes[0].commands[0] == "pulumi config set healthGracePeriod 150 -s poc"


def test_a_slow_answer_is_measured_by_the_app_s_log():
    lines = [a.LISTENS, '{"message": "request", "path": "/health", "duration_ms": 7300}']
    found = findings(a.unhealthy("Request timed out", "Target.Timeout", lines))[0]
    assert [str(each) for each in found.seen] == [
        "No answer to GET /health within 5 s.",
        "The app's log has an answer that took 7.3 s.",
    ]


def test_a_rule_that_is_missing_explains_the_time_out():
    timed_out = a.unhealthy("Request timed out", "Target.Timeout", network=rules(alb_out=()))
    assert kinds(timed_out) == [
        ("balancer-cannot-reach-task", "cause"),
        ("targets-unhealthy", "consequence"),
        ("roll-out-going-on", "note"),
    ]


def test_the_missing_rule_is_named_and_restored_by_pulumi_whose_next_refresh_would_make_it_twice():
    found = findings(a.stack(network=rules(app_in=())))[0]
    assert [str(each) for each in found.seen] == [
        "Security group sg-app (careapp-poc-app) has no inbound rule for TCP 3000 from "
        "sg-alb (careapp-poc-alb)."
    ]
    assert found.fixes[0].commands == ("pulumi up --refresh -s poc",)
    for changes in ({"app_in": ()}, {"db_in": ()}, {"app_out": ()}):
        fixes = findings(a.stack(network=rules(**changes)))[0].fixes
        printed = [each for fix in fixes for each in fix.commands]
        assert not [each for each in printed if "authorize-security-group" in each]


def test_a_database_behind_a_closed_rule_explains_the_app_s_time_outs():
    snapshot = crashed("connection timeout expired", network=rules(db_in=()))
    assert kinds(snapshot) == [
        ("task-cannot-reach-database", "cause"),
        ("roll-out-going-on", "warning"),
        ("crash-database-timeout", "consequence"),
    ]


def test_a_database_problem_that_the_app_has_got_over_is_none():
    lines = [a.LISTENS, "connection timeout expired", '{"message": "database connected"}']
    assert findings(a.stack(logs=a.logs(a=lines))) == ()


def leading(kind, target, state="active"):
    return a.subnet("private-1", "10.0.16.0/20", a.route(kind, target, state))


@pytest.mark.parametrize(
    ("private", "nat", "said"),
    [
        (NO_ROUTE, {}, "has no route to 0.0.0.0/0"),
        (leading("nat", "nat-1", "blackhole"), {}, "leads to nat-1, which does not exist"),
        (leading("nat", "nat-9"), {}, "leads to nat-9, which does not exist"),
        (leading("igw", "igw-1"), {}, "assignPublicIp is DISABLED"),
        (None, {"state": "failed"}, "NAT gateway nat-1 is failed"),
        (None, {"subnet": "database-1"}, "is in a subnet that has no route"),
        (None, {"subnet": "private-1"}, "is in a subnet that has no route"),
    ],
)
def test_each_way_in_which_tasks_are_cut_off_is_told_apart(private, nat, said):
    gateway = Nat(**{"id": "nat-1", "state": "available", "subnet": "public-1", **nat})
    found = findings(a.stack(network=a.network(private, nats={"nat-1": gateway})))[0]
    assert found.id == "task-cannot-reach-aws"
    assert said in str(found.seen[0])


def test_tasks_with_a_public_address_need_no_nat_gateway():
    public = a.network(leading("igw", "igw-1"))
    assert findings(a.stack(network=public, service=a.service(public_ip=True))) == ()


NO_NAME = "failed to resolve host 'db.example': [Errno -3] Temporary failure in name resolution"


@pytest.mark.parametrize(
    ("made", "changes"),
    [(a.stage1, {}), (a.stack, {"logs": a.logs(a=[NO_NAME])})],
    ids=["stage 1", "stage 2"],
)
def test_a_vpc_without_dns_is_the_cause_of_names_that_do_not_resolve(made, changes):
    first, *others = findings(made(network=a.network(dns=False), **changes))
    assert (first.id, first.kind) == ("vpc-without-dns", "cause")
    assert [str(each) for each in first.seen] == ["The VPC's attribute enableDnsSupport is false."]
    assert first.fixes[0].commands == ("pulumi up -s poc",)
    assert "infra/network.py" in str(first.fixes[0].text)
    assert "cause" not in {each.kind for each in others}


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
    fewer = replace(net, endpoints=doors[1:])
    assert findings(a.stack(network=fewer))[0].id == "task-cannot-reach-aws"
