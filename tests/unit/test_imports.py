"""Imports go one way, and a stack's configuration is read in one place."""

import ast
import re
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT, FACTS, GATE = "ecs_gate.text", "ecs_gate.facts", "ecs_gate"
GROUND = {TEXT, FACTS}
"""What the program and the gate share."""
SIGNALS = "local_cloud.machine.signals"
"""What the tools use of the local cloud: it imports nothing but Python."""
SETTINGS, POLICY, DELIVERY = "careapp.settings", "careapp.policy", "careapp.delivery"
PACKAGES = {
    name.replace("-", "_"): ROOT / "packages" / name
    for name in ("careapp", "ecs-gate", "local-cloud")
}


def place(name):
    """The folder of a package, or the path of a module without its ending."""
    return PACKAGES.get(name.partition(".")[0], ROOT) / name.replace(".", "/")


def name_of(path):
    """The dotted name of a file's module."""
    above = next((folder for folder in PACKAGES.values() if path.is_relative_to(folder)), ROOT)
    return ".".join(path.relative_to(above).with_suffix("").parts).removesuffix(".__init__")


APART = {"careapp.cli", "local_cloud", "careapp.rehearsal"}
TOOLS = {
    f"careapp.{path.stem}"
    for path in place("careapp").iterdir()
    if not path.name.startswith(("__", "py."))
} - {*APART, SETTINGS, POLICY, DELIVERY}
"""What a person uses on a stack; the program waits for its roll-out with them."""
MAY = {
    "__main__": {"infra", SETTINGS, "careapp.update"},
    "infra": {SETTINGS, *GROUND},
    SETTINGS: GROUND,
    POLICY: {SETTINGS, *GROUND},
    DELIVERY: {SETTINGS, *GROUND, GATE, *TOOLS},
    "webapp": set(),
    TEXT: set(),
    FACTS: {TEXT},
    GATE: GROUND,
    SIGNALS: set(),
    "local_cloud": {SIGNALS},
    **{tool: {SETTINGS, *GROUND, GATE, *TOOLS, SIGNALS} for tool in sorted(TOOLS)},
    "careapp.rehearsal": {SETTINGS, *GROUND, GATE, *TOOLS, "local_cloud", SIGNALS},
    "careapp.cli": {
        *(DELIVERY, SETTINGS, *GROUND, GATE, *TOOLS, "local_cloud", SIGNALS, "careapp.rehearsal")
    },
}
"""Which others of our packages each may import; of careapp, each folder and file is one."""
PULUMI = {"pulumi", "pulumi_aws", "pulumi_awsx", "pulumi_docker", "pulumi_policy"}
AWS = {"boto3", "botocore", "moto"}
NEVER = {DELIVERY: PULUMI, "infra": AWS, POLICY: AWS, SETTINGS: PULUMI | AWS, "webapp": PULUMI}
OURS = {*MAY, "careapp", "tests"}


def package(module):
    if module == SIGNALS:
        return module
    if module.startswith(GATE):
        return next((name for name in GROUND if module.startswith(name)), GATE)
    return ".".join(module.split(".")[: 2 if module.startswith("careapp.") else 1])


def files_of(name):
    whole = place(name)
    if not whole.is_dir():
        return [whole.with_suffix(".py")]
    # The template is a project of one's own, which imports what is installed there.
    apart = {"tests", "template", *({"text", "facts"} if name == GATE else ())}
    return [file for file in whole.rglob("*.py") if not apart & {*file.relative_to(whole).parts}]


@cache
def imports(path):
    """The imports in a file, each with whether it is carried out: what only mypy reads makes no circle."""
    every = list(ast.walk(ast.parse(path.read_text(), str(path))))
    typed = [node for node in every if isinstance(node, ast.If)]
    typed = [node for node in typed if ast.unparse(node.test) == "TYPE_CHECKING"]
    unread = {id(node) for each in typed for node in ast.walk(each)}
    kinds = (ast.Import, ast.ImportFrom)
    return [(node, id(node) not in unread) for node in every if isinstance(node, kinds)]


def module_of(node, path):
    """The module from which a file imports something, whose name may begin with the file's own package."""
    package = (*name_of(path).split("."), *(["__init__"] if path.stem == "__init__" else []))
    above = package[: -node.level] if node.level else ()
    return ".".join((*above, *filter(None, [node.module])))


def imported(path):
    for node, _ in imports(path):
        if isinstance(node, ast.Import):
            yield from (package(alias.name) for alias in node.names)
        else:
            module = module_of(node, path)
            whole = module == "careapp"
            yield from {package(f"careapp.{name.name}" if whole else module) for name in node.names}


@pytest.mark.parametrize("name", MAY)
def test_a_package_imports_only_downwards(name):
    forbidden = (OURS - MAY[name] - {name}) | NEVER.get(name, set())
    wrong = {
        str(path.relative_to(ROOT)): forbidden & set(imported(path)) for path in files_of(name)
    }
    assert {path: names for path, names in wrong.items() if names} == {}, (
        f"{name} may import {sorted(MAY[name]) or 'none of ours'} (MAY in {__file__}), "
        f"and not {sorted(NEVER.get(name, ()))}: imports go one way (CONTRIBUTING.md)"
    )


def files_read(path, modules):
    for node, runs in imports(path):
        if isinstance(node, ast.ImportFrom) and runs:
            module = module_of(node, path)
            for alias in node.names:
                whole = f"{module}.{alias.name}"
                yield whole if whole in modules else module


@cache
def graph():
    """Our modules, each with those that it imports, as paths without a suffix."""
    files = [path for name in MAY for path in files_of(name)]
    modules = {name_of(path): path for path in files}
    return {
        path: {modules[each] for each in {*files_read(path, modules)} & (modules.keys() - {name})}
        for name, path in modules.items()
    }


@pytest.mark.parametrize("name", ["local_cloud", "ecs_gate"])
def test_the_tests_of_a_part_that_stands_alone_import_nothing_of_careapp(name):
    own = {each for each in OURS if each.partition(".")[0] in (name, "tests")}
    files = [*(PACKAGES[name] / "tests").rglob("*.py")]
    wrong = {path.name: (OURS - own) & set(imported(path)) for path in files}
    assert {path: names for path, names in wrong.items() if names} == {}
    used = {name for path in files for name in re.findall(r"\btests\.(\w+)", path.read_text())}
    found = {path.stem for path in (PACKAGES[name] / "tests").iterdir()}
    assert used - found == set(), "tests of others"


def test_careapp_uses_what_the_local_cloud_names_as_public():
    page = (PACKAGES["local_cloud"] / "README.md").read_text().partition("## Public interface")[2]
    public = set(re.findall(r"`([a-z_.]+)`", page.partition("## Types")[0]))
    files = [path for name in MAY if name != "local_cloud" for path in files_of(name)]
    used = set()
    for path in files:
        for module, names in re.findall(
            r"^ *from local_cloud\.?([a-z_.]*) import (.+)", path.read_text(), re.M
        ):
            folder = place(f"local_cloud.{module}").is_dir() and module != "text"
            several = [name.split()[0] for name in names.split(",")]
            used |= {f"{module}.{name}".lstrip(".") for name in several} if folder else {module}
    assert used - public == set()


def test_no_files_import_each_other_in_a_circle():
    TopologicalSorter(graph()).prepare()  # CycleError names the files


def folder(path):
    """The folder of a file; what lies beside the folders of the gate stands for itself."""
    return path if path.parent == place(GATE) else path.parent


def test_no_folders_import_each_other_in_a_circle():
    folders = {}
    for path, others in graph().items():
        if path.name == "__main__.py":
            continue  # Nothing imports it.
        above = {*map(folder, others)} - {folder(path)}
        folders.setdefault(folder(path), set()).update(above)
    TopologicalSorter(folders).prepare()


@pytest.mark.parametrize(
    ("pattern", "readers"),
    [
        # The gate reads the provider's profile, in any program.
        (r"runtime\.config import|pulumi\.Config\(", {"ecs_gate.pulumi", "infra.config"}),
        # The policy pack's other file is its own: left_out.yaml.
        (r"yaml\.(safe_)?load\(", {f"{POLICY}.controls", f"{SETTINGS}.file"}),
    ],
)
def test_a_stack_s_configuration_is_read_in_one_place(pattern, readers):
    found = {
        name_of(path)
        for name in MAY
        for path in files_of(name)
        if re.search(pattern, path.read_text())
    }
    assert found == readers, f"{pattern} belongs into {readers} only: a stack file has one reader"
