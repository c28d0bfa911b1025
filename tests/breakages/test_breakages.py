"""The small size sees deliberate breakages: each is made in a copy of the project, and its tests are red."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from local_cloud.paths import ROOT
from tools.cli.sizes import QUICK
from tools.cli.tests import REHEARSAL as WORDS
from tools.cli.tests import STOPPED
from tools.rehearsal.faults import Edit

BREAKAGES = yaml.safe_load(Path(__file__).with_name("breakages.yaml").read_text())
RED = {1, STOPPED}
"""pytest's exit codes where tests fail, and where they cannot even be collected."""


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("copy")
    names = ("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    for name in subprocess.check_output(names, cwd=ROOT, text=True).split("\0")[:-1]:
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    (folder / ".venv").symlink_to(ROOT / ".venv")
    return folder


@pytest.mark.parametrize("tests", BREAKAGES)
def test_the_small_size_sees_it(copy, tests, tmp_path):
    breakage = Edit(**BREAKAGES[tests])
    before = (copy / breakage.file).read_text()
    breakage.apply(copy)
    options = ("-x", "-q", f"--basetemp={tmp_path}/base", "-o", "quick_seconds=60")
    words = ["pytest", tests, *QUICK, *options]
    if tests == "./careapp rehearse":
        words = ["tools.cli", *WORDS]
    done = subprocess.run(
        [sys.executable, "-m", *words],
        cwd=copy,
        env={**os.environ, "CAREAPP_HOME": str(tmp_path)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    (copy / breakage.file).write_text(before)
    assert done.returncode in RED, f"still green: {done.stdout}{done.stderr}"
