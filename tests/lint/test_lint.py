"""What the linters and the type checker say of the whole project: nothing."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from careapp import ROOT

CHECKS = ("ruff check .", "ruff format --check .", "mypy", "tests.workflows")
SLOW = dict.fromkeys(("mypy", "tests.workflows"), pytest.mark.slow)
"""At its first run the one reads everything, and the other builds actionlint."""


@pytest.mark.parametrize("check", [pytest.param(each, marks=SLOW.get(each, ())) for each in CHECKS])
def test_the_checker_has_nothing_to_say(check):
    done = subprocess.run(
        [sys.executable, "-m", *check.split()],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_type_checker_reads_what_the_program_uses_of_pulumi_aws():
    """What it skips would be `Any`, without a word."""
    config = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["mypy"]
    [read] = [
        each["module"] for each in config["overrides"] if each.get("follow_imports") == "normal"
    ]
    trees = [ast.parse(file.read_text()) for file in (ROOT / "infra").glob("*.py")]
    names = {ast.unparse(node) for tree in trees for node in ast.walk(tree) if _is_of_aws(node)}
    used = {name.replace("aws.", "pulumi_aws.", 1).removesuffix("_output") for name in names}
    assert len(used) > 10
    unread = {module for module in used if module not in read and f"{module}.*" not in read}
    assert unread == set(), (
        'pyproject.toml: add them to the override with follow_imports = "normal"'
    )


def _is_of_aws(node: ast.AST) -> bool:
    """Whether it is `aws.NAME` of a package or a function."""
    name = ast.unparse(node) if isinstance(node, ast.Attribute) else ""
    return re.fullmatch(r"aws\.[a-z]\w*", name) is not None


DATE = re.compile(r"\.today\(|toordinal|\bRandom\(\)|\$\(date\b")
CLOCK = re.compile(r"\b(now|utcnow|time|time_ns|monotonic)\(")


def test_nothing_chooses_by_the_date_or_by_chance_what_main_is_tested_with():
    """Only the scheduled workflow draws. What a module reads while it is imported may choose its tests."""
    listed = subprocess.check_output(("git", "ls-files"), cwd=ROOT, text=True).splitlines()
    tests = [Path(name) for name in listed if re.search(r"(^|/)tests/.*\.(py|sh)$|^\.ci/", name)]
    assert len(tests) > 200
    found = [
        f"{file}: {line.strip()}"
        for file in tests
        for line in [*(ROOT / file).read_text().splitlines(), *_clocks(ROOT / file)]
        if file.name != Path(__file__).name and DATE.search(line)
    ]
    assert found == []


def _clocks(file: Path) -> Iterator[str]:
    """Yield the calls of a clock that importing a module makes, as if each asked for the date."""
    pending: list[ast.AST] = [ast.parse(file.read_text())] if file.suffix == ".py" else []
    for node in pending:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            pending += [*node.decorator_list, *node.args.defaults]
        elif not isinstance(node, ast.Lambda):
            pending += ast.iter_child_nodes(node)
            if isinstance(node, ast.Call) and CLOCK.search(f"{ast.unparse(node.func)}("):
                yield f".today() by {ast.unparse(node)}"
