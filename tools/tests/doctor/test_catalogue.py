"""What is always true of the findings that the checks declare; and what each breaks on a request's path."""

from dataclasses import replace
from inspect import ismodule
from ipaddress import IPv4Network

import pytest

from tools.diagnosis.case import Case
from tools.diagnosis.catalogue import OUTCOME, REASONS, WHOLE, Facts
from tools.diagnosis.known_causes import KNOWN
from tools.diagnosis.request_path import CONNECTIONS, NODES, request_path, target_of
from tools.doctor import checks
from tools.doctor.checks import permissions
from tools.doctor.diagnose import judge
from tools.preflight import account
from tools.snapshot.elb import Target
from tools.snapshot.records import Part
from tools.tests import stacks as a
from tools.tests.doctor.situations import CRASHED, SITUATIONS


def declared(module):
    """The facts that a file declares."""
    return {each for each in vars(module).values() if isinstance(each, Facts)}


ACCOUNT = declared(account)
OF_LOG = {each.facts for each in KNOWN}
OF_CHECKS = set.union(*(declared(each) for each in vars(checks).values() if ismodule(each)))
ALL = {*ACCOUNT, *OF_LOG, *OF_CHECKS, *permissions.LACKING.values()}
BY_ID = {each.id: each for each in sorted(ALL, key=lambda each: each.id)}


def test_every_finding_has_an_id_of_its_own_and_a_situation():
    assert len(BY_ID) == len(ALL)
    shown = {each.id for each in ALL - OF_LOG - ACCOUNT}
    assert shown == set(SITUATIONS) - {each.id for each in OF_LOG}, (
        "each finding of tools/doctor/checks has a stack that shows it in situations.py, beside this file"
    )


@pytest.mark.parametrize("facts", BY_ID.values(), ids=BY_ID)
def test_a_finding_is_explained_by_deeper_ones_alone(facts):
    assert set(facts.explained_by) <= {*BY_ID, *REASONS}, "neither an id nor a subject"
    deeper = [each.id for each in ALL if each.explains(facts) and each.depth >= facts.depth]
    assert deeper == [], f"a finding that explains {facts.id} has a depth below {facts.depth}"
    assert facts.explained_by or not facts.repeats


def test_what_may_pass_is_not_called_certain():
    """A roll-out that is given up for one of these might have become healthy. What each is, findings.txt says."""
    outcomes = {each for each in ALL if each.subject == OUTCOME}
    assert not [each.id for each in outcomes | ACCOUNT if each.certain]


def links(snapshot):
    return request_path(Case.of(snapshot), judge(snapshot))


def states(snapshot):
    return {name: each.state for name, each in links(snapshot).items()}


def test_of_a_healthy_stack_every_place_is_open():
    assert set(states(a.stack()).values()) == {"open"}
    said = {name: str(each.reason) for name, each in links(a.stack()).items()}
    assert said["forward"] == "GET /health answers 200."
    assert said["internet"] == "Open to the internet: HTTP 80."
    assert said["database"] == "Security groups allow TCP 5432."
    some = (IPv4Network("203.0.113.0/24"),)
    only = a.network(groups=a.groups(alb_in=(a.permission(80, networks=some),)))
    for net, state, reason in (
        (a.network(), "warned", "The load balancer lets more clients in than allowedCidrs"),
        (only, "open", "Open to 203.0.113.0/24: HTTP 80."),
    ):
        settings = a.choices(allowedCidrs="203.0.113.0/24")
        link = links(a.stack(settings, network=net))["internet"]
        assert (link.state, str(link.reason)) == (state, reason)


@pytest.mark.parametrize("finding", SITUATIONS)
def test_every_finding_shows_at_its_place(finding):
    found = BY_ID[finding].places
    assert set(found) <= {*CONNECTIONS, *NODES, WHOLE}
    snapshot = SITUATIONS[finding]
    known = {each.id: each.kind for each in judge(snapshot).findings}
    if WHOLE not in found and known[finding] in ("cause", "consequence"):
        assert {states(snapshot)[each] for each in found} == {"blocked"}


@pytest.mark.parametrize("known", KNOWN, ids=lambda each: each.id)
def test_what_the_log_says_of_the_database_breaks_the_hop_to_it(known):
    broken = "database" if known.about == "database" else "tasks-node"
    assert known.facts.places == {broken}


def test_the_first_cause_is_a_broken_hop_s_reason():
    link = links(SITUATIONS["task-cannot-reach-database"])["database"]
    assert str(link.reason) == "The tasks cannot reach the database on port 5432"


def test_before_ecs_only_the_hops_of_stage_1_are_there():
    found = states(a.stage1())
    assert {name for name, state in found.items() if state == "off"} == {
        *("forward", "database", "image", "secrets", "logs", "tasks-node")
    }
    assert found["internet"] == found["database-node"] == "open"


def test_a_roll_out_under_way_waits_for_its_targets():
    starting = a.stack(service=a.going(), targets=())
    found = states(starting)
    assert (found["forward"], found["tasks-node"], found["image"]) == ("waiting", "waiting", "open")
    assert states(replace(starting, tasks=type(starting.tasks)(())))["image"] == "waiting"


def test_where_ecs_has_given_up_no_hop_to_the_tasks_waits_or_is_well():
    wrong = SITUATIONS["health-path-missing"]
    assert states(wrong)["tasks-node"] == "waiting"
    given_up = Part(a.going("FAILED", failed=3))
    tasks = links(replace(wrong, service=given_up))["tasks-node"]
    assert (tasks.state, str(tasks.reason)) == ("blocked", "0 of 1 run; ECS has given up")
    crashed = a.failing(a.ended(CRASHED, code=1), service=given_up.value, targets=())
    found = links(crashed)
    for name, state, reason in (
        ("forward", "blocked", "0 of 1 targets are healthy; ECS has given up."),
        ("database", "off", "No running task connects to the database."),
    ):
        assert (found[name].state, str(found[name].reason)) == (state, reason)


def test_after_a_rollback_requests_get_through_to_the_former_tasks():
    found = links(a.failing(a.ended("x", code=1), rolled_back=True))
    assert found["tasks-node"].state == "blocked"
    open_ = ("forward", "database", "image", "secrets", "logs")
    assert {found[each].state for each in open_} == {"open"}


def test_what_could_not_be_looked_at_is_not_called_open():
    found = links(a.stack(network=a.DENIED))
    assert found["forward"].state == found["database"].state == "unread"
    assert "has no permission for iam:GetRole" in str(found["forward"].reason)


def test_a_task_is_told_with_the_load_balancer_s_words():
    sick = Target(address="10.0.16.4", port=3000, state="unhealthy", description="codes: [404]")
    case = Case.of(a.stack(targets=(sick,)))
    found = target_of(case, a.task())
    assert (found.state, str(found.reason)) == ("blocked", "codes: [404]")
    assert target_of(case, a.task(address="10.0.16.8")).state == "off"
