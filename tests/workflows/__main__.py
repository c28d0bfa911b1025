"""Checks .github/workflows/ with actionlint and zizmor: `python -m tests.workflows`."""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from careapp import ROOT
from careapp.rehearsal import careapp
from local_cloud.console import Progress
from local_cloud.engine.build import Failed, find_go, run
from local_cloud.engine.version import EngineUnavailable
from local_cloud.paths import cache

RECIPE = Path(__file__).parent
PACKAGE = "github.com/rhysd/actionlint/cmd/actionlint"
WORKFLOWS = ROOT / ".github" / "workflows"


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


def main() -> int:
    """0 when neither has anything to say."""
    careapp.use()
    try:
        checker = actionlint()
    except (EngineUnavailable, Failed) as problem:
        print(f"actionlint cannot be had: {problem}")
        return 1
    files = sorted(map(str, WORKFLOWS.glob("*.yml")))
    zizmor = Path(sys.executable).with_name("zizmor")
    checks = (
        [str(checker), "-no-color", *files],
        [str(zizmor), "--offline", "--quiet", "--persona", "pedantic", *files],
    )
    return max(subprocess.run(check, cwd=ROOT, check=False).returncode for check in checks)


if __name__ == "__main__":
    sys.exit(main())
