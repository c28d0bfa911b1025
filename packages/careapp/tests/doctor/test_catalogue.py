"""What is always true of the findings that the checks declare, and where each breaks a request's path (screens.txt)."""

from inspect import ismodule

import pytest

from careapp.additions import checks as own
from careapp.preflight import account
from careapp.rehearsal.page.request_path import CONNECTIONS, NODES, request_path, target_of
from ecs_gate import checks
from ecs_gate.checks import permissions
from ecs_gate.diagnosis.case import Case
from ecs_gate.diagnosis.catalogue import OUTCOME, REASONS, WHOLE, Facts
from ecs_gate.diagnosis.known_causes import KNOWN
from ecs_gate.doctor import judge
from ecs_gate.parts.elb import TargetHealth
from tests import stacks as a
from tests.doctor.situations import SITUATIONS


def declared(module):
    """The facts that a file declares."""
    return {facts for facts in vars(module).values() if isinstance(facts, Facts)}


ACCOUNT = declared(account)
OF_LOG = {cause.facts for cause in KNOWN}
MODULES = [module for module in (*vars(checks).values(), *vars(own).values()) if ismodule(module)]
OF_CHECKS = set.union(*map(declared, MODULES))
ALL = {*ACCOUNT, *OF_LOG, *OF_CHECKS, *permissions.LACKING.values()}
BY_ID = {facts.id: facts for facts in sorted(ALL, key=lambda facts: facts.id)}


def test_every_finding_has_an_id_of_its_own_and_a_situation():
    assert len(BY_ID) == len(ALL)
    shown = {facts.id for facts in ALL - OF_LOG - ACCOUNT}
    assert shown == set(SITUATIONS) - {facts.id for facts in OF_LOG}, (
        "each finding of the checks has a stack that shows it in situations.py, beside this file"
    )


@pytest.mark.parametrize("facts", BY_ID.values(), ids=BY_ID)
def test_a_finding_is_explained_by_deeper_ones_alone(facts):
    assert set(facts.explained_by) <= {*BY_ID, *REASONS}, "neither an id nor a subject"
    deeper = [each.id for each in ALL if each.explains(facts) and each.depth >= facts.depth]
    assert deeper == [], f"a finding that explains {facts.id} has a depth below {facts.depth}"
    assert facts.explained_by or not facts.repeats


def test_what_may_pass_is_not_called_certain():
    """A roll-out that is given up for one of these might have become healthy. What each is, findings.txt says."""
    outcomes = {facts for facts in ALL if facts.subject == OUTCOME}
    assert not [facts.id for facts in outcomes | ACCOUNT if facts.certain]


def states(snapshot):
    found = request_path(Case.of(snapshot), judge(snapshot))
    return {name: node.state for name, node in found.items()}


@pytest.mark.parametrize("finding", SITUATIONS)
def test_every_finding_shows_at_its_place(finding):
    found = BY_ID[finding].places
    assert set(found) <= {*CONNECTIONS, *NODES, WHOLE}
    snapshot = SITUATIONS[finding]
    known = {each.id: each.kind for each in judge(snapshot).findings}
    if WHOLE not in found and known[finding] in ("cause", "consequence"):
        assert {states(snapshot)[place] for place in found} == {"blocked"}


@pytest.mark.parametrize("known", KNOWN, ids=lambda finding: finding.id)
def test_what_the_log_says_of_the_database_breaks_the_hop_to_it(known):
    broken = "database" if known.about == "database" else "tasks-node"
    assert known.facts.places == {broken}


def test_a_task_is_told_with_the_load_balancer_s_words():
    sick = TargetHealth(
        address="10.0.16.4", port=3000, state="unhealthy", description="codes: [404]"
    )
    case = Case.of(a.stack(targets=(sick,)))
    found = target_of(case, a.task())
    assert (found.state, str(found.reason)) == ("blocked", "codes: [404]")
    assert target_of(case, a.task(address="10.0.16.8")).state == "off"
