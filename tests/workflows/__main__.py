"""Checks the workflows and the action of ecs-gate with actionlint and zizmor: `python -m tests.workflows`.

The workflows are those of .github/workflows/, and those that a project of one's own has.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

from careapp import ROOT
from careapp.rehearsal import careapp
from local_cloud.console import Progress
from local_cloud.engine.build import Failed, find_go, run
from local_cloud.engine.version import EngineUnavailable
from local_cloud.paths import cache
from tests.support.workflows import FOLDER, TEMPLATE

RECIPE = Path(__file__).parent
PACKAGE = "github.com/rhysd/actionlint/cmd/actionlint"
ACTION = ROOT / "packages" / "ecs-gate" / "action.yml"
CALLED = re.compile(r"(uses: )OWNER/careapp/(\S+)@\S+")
"""A workflow of this repository, as a project calls it."""


def actionlint() -> Path:
    """actionlint as go.mod locks it, built once for the user. PyPI's wheel of it downloads a binary.

    Raises EngineUnavailable without Go, Failed when the build fails.
    """
    [version] = re.findall(r"rhysd/actionlint (v\S+)", (RECIPE / "go.mod").read_text())
    kept = cache() / f"actionlint-{version}"
    if kept.exists():
        return kept
    kept.parent.mkdir(parents=True, exist_ok=True)
    progress = Progress()
    with tempfile.TemporaryDirectory(prefix="scratch-", dir=kept.parent) as folder:
        go, environment = find_go(Path(folder), progress, os.environ)
        built = Path(folder) / "actionlint"
        with progress.phase(f"building actionlint {version}", "about half a minute, once"):
            command = [str(go), "build", "-mod=readonly", "-modcacherw", "-o", str(built), PACKAGE]
            run(command, RECIPE, environment)
        built.replace(kept)
    return kept


def caller(action: Path) -> str:
    """A workflow that calls an action with all its inputs, and one that has its steps: actionlint reads no action."""
    content = yaml.safe_load(action.read_text())
    name, inputs, steps = content["name"], content["inputs"], content["runs"]["steps"]
    given = {key: f"${{{{ inputs.{key} }}}}" for key in inputs}
    job = {"runs-on": "ubuntu-24.04"}
    whole = {
        "on": {"workflow_call": {"inputs": {key: {"type": "string"} for key in inputs}}},
        "jobs": {
            "calls": {**job, "steps": [{"uses": f"./{name}", "with": given}]},
            "steps": {**job, "steps": steps},
        },
    }
    return yaml.safe_dump(whole)


def lint_action(checker: Path, action: Path) -> int:
    """What actionlint says of an action, in a project of its own that calls it."""
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder)
        (project / ".git").mkdir()
        workflow = project / ".github" / "workflows" / "caller.yml"
        workflow.parent.mkdir(parents=True)
        workflow.write_text(caller(action))
        called = project / yaml.safe_load(action.read_text())["name"]
        called.mkdir()
        shutil.copy(action, called)
        return subprocess.run([checker, "-no-color"], cwd=project, check=False).returncode


def lint_projects(checker: Path) -> int:
    """What actionlint says of a project's workflows, in a copy of this repository: it reads no other one."""
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder)
        (project / ".git").mkdir()
        beside = shutil.copytree(FOLDER.parent, project / ".github") / FOLDER.name
        files = []
        for file in sorted(TEMPLATE.glob("*.yml")):
            copy = beside / f"project-{file.name}"
            copy.write_text(CALLED.sub(r"\1./\2", file.read_text()))
            files.append(str(copy))
        return subprocess.run([checker, "-no-color", *files], cwd=project, check=False).returncode


def main() -> int:
    """0 when neither has anything to say."""
    careapp.use()
    try:
        checker = actionlint()
    except (EngineUnavailable, Failed) as problem:
        print(f"actionlint cannot be had: {problem}")
        return 1
    files = [str(file) for folder in (FOLDER, TEMPLATE) for file in sorted(folder.glob("*.yml"))]
    zizmor = Path(sys.executable).with_name("zizmor")
    checks = (
        [str(checker), "-no-color", *files],
        [str(zizmor), "--offline", "--quiet", "--persona", "pedantic", *files, str(ACTION)],
    )
    codes = [subprocess.run(check, cwd=ROOT, check=False).returncode for check in checks]
    return max(*codes, lint_action(checker, ACTION), lint_projects(checker))


if __name__ == "__main__":
    sys.exit(main())
