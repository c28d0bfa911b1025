"""The catalogue of findings: its rows are those that the checks make, and agree with one another."""

import ast
import re
from pathlib import Path

import pytest

from i18n import t
from ops.diagnosis.catalogue import ACCOUNT, CATALOGUE, OUTCOME, REASONS
from ops.diagnosis.findings import Finding
from ops.diagnosis.log_lines import KNOWN
from ops.doctor import checks
from ops.doctor.checks import permissions
from ops.preflight import account
from tests.ops.situations import SITUATIONS

FILES = [*Path(checks.__file__).parent.glob("*.py"), Path(account.__file__)]
ENDS = {
    "app-": [each.id for each in KNOWN if each.about == "database"],
    "crash-": [each.id for each in KNOWN],
    "execution-role-cannot-": permissions.TITLES,
    "quota-": re.findall(r'"(L-[0-9A-F]{8})"', Path(account.__file__).read_text()),
    "service-role-": [each.partition(".")[0] for each in account.ROLES],
}
"""How the ids go on that the checks put together, by how they begin."""


def nodes(kind):
    for file in FILES:
        yield from (
            each for each in ast.walk(ast.parse(file.read_text())) if isinstance(each, kind)
        )


def ids(value):
    """The ids that an expression stands for, as far as they are written in it."""
    if isinstance(value, ast.IfExp):
        return ids(value.body) | ids(value.orelse)
    if isinstance(value, ast.JoinedStr):
        begin = value.values[0].value
        return {f"{begin}{end}" for end in ENDS[begin]}
    return {value.value} if isinstance(value, ast.Constant) else set()


def test_every_id_that_a_check_gives_a_finding_has_a_row():
    made = set()
    for call in nodes(ast.Call):
        if getattr(call.func, "id", "") == "Finding":
            made |= ids(next(each.value for each in call.keywords if each.arg == "id"))
    assert len(made) > 60
    assert made - set(CATALOGUE) == set()


def test_every_row_is_of_a_finding_that_some_check_makes():
    made = {each.value for each in nodes(ast.Constant) if isinstance(each.value, str)}
    for text in nodes(ast.JoinedStr):
        if getattr(text.values[0], "value", None) in ENDS:
            made |= ids(text)
    assert set(CATALOGUE) - made == set()
    assert len(CATALOGUE) == len(REASONS) + len(OUTCOME)


def test_every_row_has_a_situation_but_those_of_log_lines_and_of_an_empty_account():
    read = {f"{begin}{each.id}" for begin in ("app-", "crash-") for each in KNOWN}
    assert set(CATALOGUE) - set(SITUATIONS) - read == {each.id for each in ACCOUNT}


def test_a_finding_with_an_unknown_id_cannot_be_made():
    with pytest.raises(LookupError, match="surprise: no row"):
        Finding(id="surprise", title=t("the page"), why=t("the page"))


@pytest.mark.parametrize("row", CATALOGUE.values(), ids=CATALOGUE)
def test_a_finding_is_explained_by_deeper_ones_alone(row):
    assert all(CATALOGUE[each].depth < row.depth for each in row.explained_by)
    assert row.explained_by or not row.repeats


def test_what_may_pass_is_not_called_certain():
    """A roll-out that is given up for one of these might have become healthy."""
    for name in (
        *("cannot-place-tasks", "fargate-quota", "database-away", "slow-start", "health-slow"),
        *(
            "health-errors",
            "page-unavailable",
            "crash-database-refused",
            "crash",
            "balancer-not-active",
        ),
        *(each.id for each in (*ACCOUNT, *OUTCOME)),
    ):
        assert not CATALOGUE[name].certain, name
    for name in (
        *("health-path-missing", "image-missing", "secret-missing", "execution-role-cannot-secret"),
        *("log-group-missing", "port-mismatch", "crash-module-missing", "crash-by-program"),
    ):
        assert CATALOGUE[name].certain, name
