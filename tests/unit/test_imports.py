"""Imports go one way, and a stack's configuration is read in one place."""

import ast
import re
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MAY = {
    "cli": {"delivery", "i18n", "ops", "rehearsal", "stack", "tests"},
    "delivery": {"i18n", "ops", "stack"},
    "i18n": set(),
    "infra": {"i18n", "stack"},
    "ops": {"i18n", "stack"},
    "policy": {"i18n", "stack"},
    "rehearsal": {"i18n", "ops", "stack"},
    "stack": {"i18n"},
    "webapp": set(),
}
"""Which others of our packages each may import."""
PULUMI = {"pulumi", "pulumi_aws", "pulumi_awsx", "pulumi_docker", "pulumi_policy"}
AWS = {"boto3", "botocore", "moto"}
NEVER = {"delivery": PULUMI, "infra": AWS, "policy": AWS, "stack": PULUMI | AWS, "webapp": PULUMI}
OURS = {*MAY, "tests"}


def imported(path):
    """The top-level packages that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text(), str(path))):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module.partition(".")[0]


@pytest.mark.parametrize("package", MAY)
def test_a_package_imports_only_downwards(package):
    forbidden = (OURS - MAY[package] - {package}) | NEVER.get(package, set())
    files = list((ROOT / package).rglob("*.py"))
    wrong = {str(path.relative_to(ROOT)): forbidden & set(imported(path)) for path in files}
    assert {path: names for path, names in wrong.items() if names} == {}


def files_read(path, modules):
    """The modules that a file imports when it runs: what only mypy reads makes no circle."""
    tree = ast.parse(path.read_text(), str(path))
    typed = [each for each in ast.walk(tree) if isinstance(each, ast.If)]
    typed = [each for each in typed if ast.unparse(each.test) == "TYPE_CHECKING"]
    unread = {id(node) for each in typed for node in ast.walk(each)}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and id(node) not in unread:
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield whole if whole in modules else node.module


@cache
def graph():
    """Our modules, each with those that it imports, as paths without a suffix."""
    files = [path for package in MAY for path in (ROOT / package).rglob("*.py")]
    names = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in files]
    modules = {
        name.removesuffix(".__init__"): path for name, path in zip(names, files, strict=True)
    }
    return {
        path: {modules[each] for each in {*files_read(path, modules)} & (modules.keys() - {name})}
        for name, path in modules.items()
    }


def test_no_files_import_each_other_in_a_circle():
    TopologicalSorter(graph()).prepare()  # CycleError names the files


def test_no_folders_import_each_other_in_a_circle():
    folders = {}
    for path, others in graph().items():
        if path.name == "__main__.py":
            continue  # Nothing imports it.
        above = {each.parent for each in others} - {path.parent}
        folders.setdefault(path.parent, set()).update(above)
    TopologicalSorter(folders).prepare()


LOCAL_CLOUD = [
    *("aws", "building", "cloud", "engine", "machine", "providers"),
    *("calls.py", "clock.py", "console.py", "paths.py", "starter.py", "__main__.py"),
    *("run/client.py", "run/cloud.py", "run/project.py", "run/session_plugin.py", "run/shell.py"),
]
"""What of rehearsal/ is the local cloud, in which any program can run. The rest rehearses careapp in it."""
GROUND = ("i18n", "ops/screen", "ops/signals", "ops/shared")


def test_the_local_cloud_imports_nothing_of_the_program_that_runs_in_it():
    own = [ROOT / "rehearsal" / each for each in LOCAL_CLOUD]
    may = [*own, *(ROOT / each for each in GROUND)]

    def within(path, places):
        return any(path.is_relative_to(each) or path == each.with_suffix(".py") for each in places)

    wrong = {
        str(path.relative_to(ROOT)): sorted(str(each.relative_to(ROOT)) for each in others)
        for path, all_others in graph().items()
        if within(path, own) and (others := [each for each in all_others if not within(each, may)])
    }
    assert wrong == {}


@pytest.mark.parametrize(
    ("pattern", "readers"),
    [
        (r"runtime\.config import|pulumi\.Config\(", {"infra/config.py"}),
        # The policy pack's other file is its own: left_out.yaml.
        (r"yaml\.(safe_)?load\(", {"policy/controls.py", "stack/file.py"}),
    ],
)
def test_a_stack_s_configuration_is_read_in_one_place(pattern, readers):
    found = {
        str(path.relative_to(ROOT))
        for package in MAY
        for path in (ROOT / package).rglob("*.py")
        if re.search(pattern, path.read_text())
    }
    assert found == readers
