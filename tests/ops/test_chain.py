"""The chain from browser to database: what each finding breaks, and what is well."""

from dataclasses import replace

import pytest

from ops.diagnosis.case import Case
from ops.diagnosis.catalogue import WHOLE, row
from ops.diagnosis.log_lines import KNOWN
from ops.diagnosis.request_path import CONNECTIONS, NODES, request_path, target_of
from ops.doctor.diagnose import judge
from ops.snapshot.elb import Target
from ops.snapshot.records import Part
from tests.ops import stacks as a
from tests.ops.situations import CRASHED, SITUATIONS


def links(snapshot):
    return request_path(Case(snapshot), judge(snapshot))


def states(snapshot):
    return {name: each.state for name, each in links(snapshot).items()}


def test_of_a_healthy_stack_every_place_is_open():
    assert set(states(a.stack()).values()) == {"open"}
    said = {name: str(each.reason) for name, each in links(a.stack()).items()}
    assert said["forward"] == "GET /health answers 200."
    assert said["internet"] == "Open to the internet: HTTP 80."
    assert said["database"] == "Security groups allow TCP 5432; TLS is required."


@pytest.mark.parametrize("finding", SITUATIONS)
def test_every_finding_shows_at_its_place(finding):
    found = row(finding).places
    assert set(found) <= {*CONNECTIONS, *NODES, WHOLE}
    snapshot = SITUATIONS[finding]
    known = {each.id: each.kind for each in judge(snapshot).findings}
    if WHOLE not in found and known[finding] in ("cause", "consequence"):
        assert {states(snapshot)[each] for each in found} == {"blocked"}


@pytest.mark.parametrize("known", KNOWN, ids=lambda each: each.id)
def test_what_the_log_says_of_the_database_breaks_the_hop_to_it(known):
    if known.about == "database":
        assert row(f"crash-{known.id}").places == row(f"app-{known.id}").places == {"database"}
    else:
        assert row(f"crash-{known.id}").places == {"tasks-node"}


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
    found = {
        name: (each.state, str(each.reason))
        for name, each in links(crashed).items()
        if name in ("forward", "database")
    }
    assert found == {
        "forward": ("blocked", "0 of 1 targets are healthy; ECS has given up."),
        "database": ("off", "No running task connects to the database."),
    }


def test_after_a_rollback_requests_get_through_to_the_former_tasks():
    found = links(a.failing(a.ended("x", code=1), rolled_back=True))
    assert (found["tasks-node"].state, found["forward"].state) == ("blocked", "open")
    assert found["database"].state == "open"


def test_what_could_not_be_looked_at_is_not_called_open():
    found = links(a.stack(network=a.DENIED))
    assert found["forward"].state == found["database"].state == "unread"
    assert "has no permission for iam:GetRole" in str(found["forward"].reason)


def test_a_task_is_told_with_the_load_balancer_s_words():
    sick = Target(address="10.0.16.4", port=3000, state="unhealthy", description="codes: [404]")
    case = Case(a.stack(targets=(sick,)))
    assert (target_of(case, a.task()).state, str(target_of(case, a.task()).reason)) == (
        "blocked",
        "codes: [404]",
    )
    assert target_of(case, a.task(address="10.0.16.8")).state == "off"
