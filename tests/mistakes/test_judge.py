"""The judge shares no code with what it judges, and its verdicts are those of CONTRIBUTING.md."""

import ast
import gzip
import sys
from pathlib import Path

import pytest

from tests.mistakes import conftest as report
from tests.mistakes import judge
from tests.mistakes.judge import Case, Sight, Users
from tests.support import listing

WELL, DEAD = Sight((), 8, ""), Sight(("status 502",) * 8, 8, "")
OTHER, SOMETIMES = Sight((), 8, "careapp:1 runs, declared is careapp:2"), Sight(("status 500",), 8, "")  # fmt: skip


@pytest.mark.parametrize("module", [judge, listing])
def test_the_judge_imports_nothing_of_what_it_judges(module):
    tree = ast.parse(Path(module.__file__).read_text())
    names = {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}  # fmt: skip
    names |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    others = {name.partition(".")[0] for name in names - {listing.__name__}}
    assert others - {*sys.stdlib_module_names} <= {"boto3", "botocore"}


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        (Case(0, "", WELL), judge.HARMLESS),
        (Case(0, "", WELL, users_failed=["status 502"]), judge.WELL),
        (Case(0, "", DEAD), judge.DEAD),
        (Case(0, "", OTHER), judge.OTHER_VERSION),
        (Case(0, "", SOMETIMES), judge.NO_CAUSE),
        (Case(0, "", SOMETIMES, cause="app-errors", cured=True), judge.CURED),
        (Case(0, "", WELL, hurt=True), judge.HURT),
        (Case(255, "", DEAD), judge.NO_CAUSE),
        (Case(255, "", WELL, cause="crash", cured=True), judge.CURED),
        (Case(255, "", WELL, cause="crash"), judge.NOT_CURED),
        (Case(255, "", WELL, cause="crash", names=False), judge.WRONG_CAUSE),
    ],
)
def test_the_verdict_follows_from_what_was_seen(case, expected):
    assert judge.verdict(case) == expected


@pytest.mark.parametrize(
    ("body", "encoding", "readable"),
    [
        (b"<h1>", "", True),
        (b" ", "", False),
        (gzip.compress(b"<h1>", mtime=0), "gzip", True),
        (gzip.compress(b"<h1>" * 99, mtime=0)[:20], "gzip", False),
        (b"<h1>", "gzip", False),
        (b"<h1>", "br", False),
    ],
)
def test_a_body_is_read_as_a_browser_reads_it(body, encoding, readable):
    assert (judge.unreadable(body, encoding) == "") == readable


@pytest.mark.parametrize(("asked", "failed", "hurt"), [(10, 1, False), (60, 6, False), (60, 20, True)])  # fmt: skip
def test_users_of_a_canary_are_hurt_beyond_its_share(asked, failed, hurt):
    users = Users(lambda: ("", ""))
    users.asked, users.failed = asked, ["status 500"] * failed
    assert users.hurt() == hurt


def rows(**counts: int) -> list[dict]:
    verdicts = {"cured": judge.CURED, "dead": judge.DEAD, "none": judge.NO_CAUSE}
    return [
        {"verdict": verdicts[name], "source": "app"}
        for name, count in counts.items()
        for _ in range(count)
    ]


def test_one_dead_page_is_red_and_three_of_a_hundred_without_a_cause_are_not():
    assert report.failure(rows(cured=97, none=3)) == ""
    assert report.failure(rows(cured=2, none=1)) == ""
    assert report.failure(rows(cured=96, none=4)) == "no cause or wrong cause: 4 of 100"
    assert report.failure(rows(cured=9, dead=1)) == "1 times green and dead"
    assert report.table(rows(cured=9, dead=1))[-1].split() == ["all", "10"]
