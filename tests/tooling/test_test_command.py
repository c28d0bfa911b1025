"""The command ``./careapp test``: what it hands to pytest, and what CI makes of a skipped test."""

import os
import subprocess

import pytest

from rehearsal.paths import ROOT

SKIPPED = "import pytest\ndef test_a(): pytest.skip('no engine')\ndef test_b(): pass\n"


def run(*words, **more):
    environment = {key: value for key, value in os.environ.items() if key != "CI"}
    return subprocess.run(
        ["./careapp", "test", *words],
        cwd=ROOT, env=environment | more, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.fixture
def folder():
    """A folder of tests with one that is skipped."""
    made = ROOT / "tests" / f"skipping{os.getpid()}"
    made.mkdir()
    (made / "test_skipping.py").write_text(SKIPPED)
    yield made.name
    (made / "test_skipping.py").unlink()
    made.rmdir()


def test_a_folder_is_named_without_tests_and_pytest_s_options_are_its_own():
    done = run("unit", "--collect-only", "-q", "-k", "test_imports")
    assert "tests/unit/test_imports.py::test_a_package_imports_only_downwards[infra]" in done.stdout


def test_a_skipped_test_says_why_and_is_a_failure_in_ci(folder):
    alone = run(folder)
    assert (alone.returncode, "no engine" in alone.stdout) == (0, True)
    assert "1 passed, 1 skipped" in alone.stdout
    in_ci = run(folder, CI="true")
    assert in_ci.returncode == 1
    assert "skipped, which is a failure in CI" in in_ci.stdout
    assert "1 failed, 1 passed" in in_ci.stdout


def test_without_a_folder_of_that_name_pytest_says_so():
    done = run("nothing")
    assert done.returncode == 4
    assert "not found: nothing" in done.stderr
