"""Imports go one way: __main__ to infra, and the app in the container knows none of the rest."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SHARED = {"ops.place"}
"""What every package may import besides i18n: which keys of a stack file say where the stack is."""
FORBIDDEN = {
    "delivery": {"infra", "ops", "rehearsal", "webapp", "pulumi", "moto"},
    "infra": {"delivery", "ops", "rehearsal", "webapp", "boto3", "botocore", "moto"},
    "webapp": {"delivery", "infra", "ops", "rehearsal", "pulumi", "pulumi_aws", "moto"},
    "policy": {"delivery", "infra", "ops", "rehearsal", "webapp", "boto3", "botocore", "moto"},
    "ops": {"delivery", "webapp"},
    "rehearsal": {"delivery", "webapp"},
}


def imported(path):
    """The top-level packages that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text(), str(path))):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module not in SHARED:
            yield node.module.partition(".")[0]


@pytest.mark.parametrize(("package", "forbidden"), FORBIDDEN.items(), ids=FORBIDDEN)
def test_a_package_imports_only_downwards(package, forbidden):
    files = list((ROOT / package).rglob("*.py"))
    wrong = {str(path.relative_to(ROOT)): forbidden & set(imported(path)) for path in files}
    assert {path: names for path, names in wrong.items() if names} == {}


def test_only_the_settings_read_the_stack_s_configuration():
    readers = [
        str(path.relative_to(ROOT))
        for path in (ROOT / "infra").rglob("*.py")
        if "pulumi.Config" in path.read_text()
    ]
    assert readers == ["infra/settings/reader.py"]
