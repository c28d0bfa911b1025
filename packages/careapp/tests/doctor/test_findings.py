"""Each situation: its first findings, in the order of their ids, and what the doctor says of it (findings.txt)."""

import re

import pytest

from ecs_gate.diagnosis.screen import plain
from tests import stacks as a
from tests.doctor.recorded import ALL, diagnosis_of, ids, recorded, section_of
from tests.doctor.situations import OTHER_SECRET, SITUATIONS

WITHOUT_EVIDENCE = {"stack-missing", "ecs-off", "target-group-missing", "balancer-not-active"}
WITHOUT_FIX = {"cannot-place-tasks"}


@pytest.mark.parametrize("name", ALL)
def test_findings_are_said_as_recorded(name):
    said = recorded().get(name, name)
    assert section_of(name) == said, "python -m tests.doctor.recorded writes findings.txt anew"
    expected, found = ids(name), [finding.id for finding in diagnosis_of(name).findings]
    assert found[: len(expected) or None] == expected


def test_findings_txt_has_no_other_situation():
    assert set(recorded()) <= set(ALL)


@pytest.mark.parametrize("name", SITUATIONS)
def test_a_finding_says_what_was_seen_and_how_to_mend_it(name):
    finding = next(each for each in diagnosis_of(name).findings if each.id == name)
    assert finding.seen or finding.evidence or name in WITHOUT_EVIDENCE
    assert finding.fixes or name in WITHOUT_FIX


def test_no_first_fix_is_an_alternative():
    for name in ALL:
        for finding in diagnosis_of(name).findings:
            if finding.fixes and finding.id not in {"cannot-place-tasks", "deploy-command-failed"}:
                first = finding.fixes[0]
                assert not str(first.text).startswith("Or "), name
                assert not first.then, (name, finding.id)


def test_permissions_for_what_another_team_has_are_never_proposed():
    for name in ALL:
        fixes = [fix for finding in diagnosis_of(name).findings for fix in finding.fixes]
        granted = [one for fix in fixes for one in fix.commands if "put-role-policy" in one]
        assert not [one for one in granted if OTHER_SECRET in one or "team-b/app" in one], name


def test_no_fix_opens_what_is_open_or_allows_an_error():
    for name, now in ALL.items():
        fixes = [fix for finding in diagnosis_of(name).findings for fix in finding.fixes]
        said = "\n".join(str(fix.text) + "\n".join(fix.commands) for fix in fixes)
        assert not re.search(r"Matcher \S*\b[45]\d\d", said), name
        if now.network.value == a.network() and now.balancer.value == a.balancer():
            assert "security" not in said, name


def test_what_came_of_a_cause_is_never_called_one():
    for name in ALL:
        results = [finding for finding in diagnosis_of(name).findings if finding.facts.result]
        text = plain(diagnosis_of(name)) if results else ""
        assert not [result.id for result in results if f"[cause] {result.title!s}" in text], name
