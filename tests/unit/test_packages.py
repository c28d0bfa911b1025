"""The packages of `pulumi up` and of the tools on AWS are those of requirements.txt alone."""

import ast
import subprocess
import sys
from functools import cache
from importlib.metadata import packages_distributions

import pytest

from tests.tooling.test_repository import LOCKS, distribution, locked
from tests.unit.test_imports import APART, MAY, PACKAGES, ROOT, files_of, imports, name_of

ON_AWS, LOCAL_CLOUD, *_ = map(locked, LOCKS)
WITH_LOCAL_CLOUD = {"local_cloud", "careapp.rehearsal"}
OURS = {*PACKAGES, *(path.name.removesuffix(".py") for path in ROOT.iterdir())}
OWNERS = cache(packages_distributions)


def imported(package: str) -> set[str]:
    """What a package of ours imports, wherever in its files: the names at the top of what is not ours."""
    names: set[str] = set()
    for path in files_of(package):
        for node, _ in imports(path):
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
            elif node.level == 0:
                names.add(node.module or "")
    return {name.partition(".")[0] for name in names} - OURS - sys.stdlib_module_names


@pytest.mark.parametrize("package", sorted(MAY.keys() - {"webapp"}))
def test_imports_are_in_the_lock_of_their_part(package):
    allowed = {*ON_AWS, *(LOCAL_CLOUD if package in WITH_LOCAL_CLOUD else ())}
    owners = OWNERS()
    assert {
        name
        for name in imported(package)
        if allowed.isdisjoint(distribution(each) for each in owners.get(name, ()))
    } == set()


ALONE = """
import asyncio, gc, importlib, re, runpy, sys
from importlib.metadata import packages_distributions

allowed, modules = (set(each.split(",")) for each in sys.argv[1:3])
owners = {
    name: {re.sub("[._-]+", "-", each).lower() for each in several}
    for name, several in packages_distributions().items()
}

class Absent:
    def find_spec(name, path=None, target=None):
        if not owners.get(name.partition(".")[0], allowed) & allowed:
            raise ModuleNotFoundError(f"No module named {name!r} in requirements.txt", name=name)

sys.meta_path.insert(0, Absent)
for name in sorted(modules):
    importlib.import_module(name)

import pulumi
from tests.unit.conftest import Engine
from careapp.update.hooks import Update

asyncio.set_event_loop(asyncio.new_event_loop())
engine = Engine()
pulumi.runtime.set_mocks(engine, project="careapp", stack="poc", monitor=engine.monitor, organization="o")
Update.wait_for = lambda *_: None  # nothing rolls out here
engine.configure({"aws:region": "ap-northeast-1"}, ecsEnabled="true")
collections = lambda: sum(each["collections"] for each in gc.get_stats())
begun = collections()
engine.run(lambda: runpy.run_path("__main__.py", run_name="__main__"))
print(len(engine.made), "moto" in sys.modules, "flask" in sys.modules, collections() - begun > 9)
"""
TESTS = {"pytest", "pluggy", "iniconfig", "packaging", "pygments"}
"""What the mocks of these tests import besides."""


@pytest.mark.slow
def test_program_and_tools_run_with_requirements_txt_alone():
    modules = [
        name_of(path)
        for package in MAY.keys() - APART - {"__main__", "webapp"} | {"ecs_gate.text"}
        for path in files_of(package)
        if path.name != "__main__.py"
    ]
    modules += [f"careapp.cli.{name}" for name in ("database", "operate")]
    words = [sys.executable, "-c", ALONE, ",".join({*ON_AWS, *TESTS}), ",".join(modules)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    count, *others = done.stdout.split()
    assert int(count) > 60
    assert others == ["False", "False", "False"], "the packages of others, or the garbage collector"
