"""The runner of the tests: what it runs, what it counts, how it ends."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ops.texts import t
from tests.__main__ import main
from tests.results import Outcome, closing_line, exit_code, of_pytest, table
from tests.tiers import TIERS, commands, existing

ROOT = Path(__file__).parents[2]
GOOD = "def test_one(): pass\ndef test_two(): pass\n"
BAD = "def test_bad(): assert 1 == 2\n"
SKIPPED = "import pytest\n@pytest.mark.skip\ndef test_skipped(): pass\n"
ERROR = "import pytest\n@pytest.fixture\ndef no(): raise OSError\ndef test_error(no): pass\n"


@pytest.fixture
def tests(tmp_path, monkeypatch) -> Path:
    """A folder of tests with a tier unit, on a machine without Docker and browser, outside CI."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setattr("tests.tiers.MAC_BROWSER", tmp_path / "none")
    write(tmp_path / "tests", "unit", GOOD)
    return tmp_path / "tests"


def write(tests: Path, tier: str, body: str) -> None:
    (tests / tier).mkdir(parents=True, exist_ok=True)
    (tests / tier / f"test_{tier}_{len(list((tests / tier).iterdir()))}.py").write_text(body)


def ran(capfd: pytest.CaptureFixture[str]) -> list[str]:
    """The lines of the closing table, without their seconds."""
    out = capfd.readouterr().out
    return re.sub(r" +\d+\.\d s", "", out[out.rindex("tier ") :]).splitlines()


def test_each_tier_is_counted_by_itself_and_the_last_line_is_the_sum(tests, capfd):
    write(tests, "ops", GOOD + BAD)
    write(tests, "ops", SKIPPED + ERROR)
    assert main(["unit", "ops"], tests) == 1
    assert ran(capfd) == [
        "tier  passed  failed  skipped      time",
        "unit       2       0        0",
        "ops        2       2        1",
        "",
        "4 passed, 2 failed, 1 skipped",
    ]


def test_all_that_pass_is_exit_code_0_and_one_process_a_tier(tests, capfd):
    write(tests, "ops", "import os\ndef test_pid(): print('pid', os.getpid())\n")
    write(tests, "unit", "import os\ndef test_pid(): print('pid', os.getpid())\n")
    assert main(["unit", "ops", "--", "-s"], tests) == 0
    pids = re.findall(r"pid (\d+)", capfd.readouterr().out)
    assert len({*pids, str(os.getpid())}) == 3


def test_what_this_machine_cannot_run_is_skipped_with_its_reason(tests, capfd, monkeypatch):
    monkeypatch.setattr("tests.tiers.TIERS", [tier for tier in TIERS if tier.name != "lint"])
    write(tests, "image", GOOD)
    assert main([], tests) == 0
    assert ran(capfd) == [
        "tier   passed  failed  skipped      time",
        "unit        2       0        0",
        "image       0       0        1  skipped: no Docker engine: there is no docker on PATH",
        "",
        "2 passed, 0 failed, 1 skipped",
    ]


@pytest.mark.parametrize(("arguments", "ci"), [([], "true"), (["unit", "image"], "")])
def test_in_ci_or_when_named_what_cannot_run_is_a_failure(tests, capfd, monkeypatch, arguments, ci):
    monkeypatch.setenv("CI", ci)
    monkeypatch.setattr("tests.tiers.TIERS", [tier for tier in TIERS if tier.name != "lint"])
    write(tests, "image", GOOD)
    assert main(arguments, tests) == 1
    assert ran(capfd)[2:] == [
        "image       0       1        0  cannot run: no Docker engine: there is no docker on PATH",
        "",
        "2 passed, 1 failed, 0 skipped",
    ]


def test_a_docker_whose_engine_is_silent_is_no_engine_unless_one_can_be_started(
    tests, tmp_path, monkeypatch
):
    image = next(tier for tier in TIERS if tier.name == "image")
    docker = tmp_path / "docker"
    docker.write_text("#!/bin/sh\nexit 1\n")
    docker.chmod(0o755)
    monkeypatch.setattr("tests.tiers.SYSTEM_FOLDERS", str(tests))
    assert str(image.missing()) == "no Docker engine: `docker info` fails"
    (tests / "dockerd").write_text("#!/bin/sh\n")
    (tests / "dockerd").chmod(0o755)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert str(image.missing()) == "no Docker engine: `docker info` fails"
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert image.missing() is None
    (tests / "dockerd").unlink()
    docker.write_text("#!/bin/sh\n[ $1 = info ]\n")
    assert image.missing() is None


def test_a_browser_is_found_by_any_of_its_names(tests, tmp_path):
    browser = next(tier for tier in TIERS if tier.name == "browser")
    assert str(browser.missing()) == (
        "no Chromium: none of chromium, chromium-browser, google-chrome, google-chrome-stable "
        "is on PATH"
    )
    (tmp_path / "google-chrome").write_text("")
    (tmp_path / "google-chrome").chmod(0o755)
    assert browser.missing() is None
    assert tests.exists()


def test_a_tier_that_is_not_there_is_bad_usage_that_names_those_that_are(tests, capfd):
    write(tests, "ops", GOOD)
    (tests / "webapp").mkdir()
    with pytest.raises(SystemExit) as caught:
        main(["unit", "webapp"], tests)
    assert caught.value.code == 2
    assert capfd.readouterr().err == (
        'careapp: there is no tier "webapp"; the tiers are lint, unit, ops. '
        "./careapp test --help explains it.\n"
    )


def test_the_list_tells_what_each_tier_is_and_what_cannot_run(tests, capfd):
    write(tests, "image", GOOD)
    assert main(["--list"], tests) == 0
    assert capfd.readouterr().out.splitlines() == [
        "lint       ruff, mypy, actionlint and zizmor",
        "unit       the Pulumi program against mocks",
        "image      the image and its container (cannot run here: no Docker engine: "
        "there is no docker on PATH)",
    ]


def test_what_follows_two_dashes_is_for_pytest_and_may_leave_a_tier_empty(tests, capfd):
    write(tests, "ops", BAD)
    assert main(["unit", "ops", "--", "-k", "test_two"], tests) == 0
    assert ran(capfd)[1:] == [
        "unit       1       0        0",
        "ops        0       0        0  no test chosen",
        "",
        "1 passed, 0 failed, 0 skipped",
    ]


def test_choosing_no_test_at_all_is_not_a_success(tests, capfd):
    assert main(["unit", "--", "-k", "nothing_is_called_this"], tests) == 1
    assert ran(capfd)[-1] == "0 passed, 0 failed, 0 skipped"


@pytest.mark.parametrize(
    ("body", "note"),
    [
        ("x = 1\n", "no test ran"),
        ("import os\ndef test_crash(): os._exit(3)\n", "pytest exited 3"),
    ],
)
def test_a_tier_that_runs_nothing_or_crashes_is_a_failure(tests, capfd, body, note):
    write(tests, "ops", body)
    assert main(["ops"], tests) == 1
    assert ran(capfd)[1:] == [
        f"ops        0       1        0  {note}",
        "",
        "0 passed, 1 failed, 0 skipped",
    ]


def test_a_tier_that_needs_the_engine_fails_with_the_engines_own_words(
    tests, capfd, monkeypatch, tmp_path
):
    monkeypatch.setenv("CAREAPP_PULUMI", str(tmp_path / "gone"))
    write(tests, "engine", GOOD)
    assert main(["engine"], tests) == 1
    out = capfd.readouterr().out
    assert f"CAREAPP_PULUMI: {tmp_path}/gone does not run" in out
    assert out.endswith("0 passed, 1 failed, 0 skipped\n")


@pytest.mark.parametrize(
    ("name", "ci", "extra", "in_two"),
    [
        ("rehearsal", "true", [], True),
        ("rehearsal", "true", ["-k", "faults"], False),
        ("rehearsal", "", [], False),
        ("unit", "true", [], False),
    ],
    ids=["in CI", "chosen tests", "at home", "a tier that does not wait"],
)
def test_in_ci_two_processes_share_the_files_of_a_tier_that_mostly_waits(
    monkeypatch, name, ci, extra, in_two
):
    monkeypatch.setenv("CI", ci)
    tier = next(each for each in TIERS if each.name == name)
    [command] = commands(tier, Path("tests"), Path("report.xml"), extra)
    assert (command[5:9] == ["-n", "2", "--dist", "loadfile"]) is in_two
    assert command[len(command) - len(extra) :] == extra


def test_the_checks_of_lint_are_counted_one_by_one(capfd, monkeypatch):
    lint = next(tier for tier in TIERS if tier.checks)
    assert [command[2:] for command in commands(lint, Path(), Path(), [])] == [
        ["ruff", "check", "."],
        ["ruff", "format", "--check", "."],
        ["mypy"],
        ["tests.workflows"],
    ]
    fine, wrong = ("this", "--version"), ("json.tool", "/nowhere")
    fake = type(lint)(name="lint", what="two", checks=(fine, wrong))
    monkeypatch.setattr("tests.tiers.TIERS", [fake])
    assert main(["lint"]) == 1
    assert ran(capfd)[1:] == [
        "lint       1       1        0  json.tool /nowhere",
        "",
        "1 passed, 1 failed, 0 skipped",
    ]


@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM])
def test_when_it_is_stopped_the_tests_put_away_what_they_started(
    tests, tmp_path, can_be_interrupted, kind
):
    body = f"""
import pathlib, pytest, time
@pytest.fixture
def thing():
    pathlib.Path({str(tmp_path / "up")!r}).touch()
    yield
    time.sleep(0.5)
    pathlib.Path({str(tmp_path / "down")!r}).touch()
def test_slow(thing): time.sleep(60)
"""
    write(tests, "ops", body)
    code = f"from tests.__main__ import *; sys.exit(main(['ops'], Path({str(tests)!r})))"
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=ROOT,
        text=True,
        stdout=subprocess.PIPE,
        start_new_session=True,
        preexec_fn=can_be_interrupted,
    )
    deadline = time.monotonic() + 20
    while not (tmp_path / "up").exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    # A terminal sends Ctrl-C to the whole group; `kill` reaches one process.
    (os.killpg if kind == signal.SIGINT else os.kill)(process.pid, kind)
    process.communicate(timeout=20)
    assert process.returncode == 128 + kind
    assert (tmp_path / "down").exists()


def test_the_tiers_that_exist_are_those_with_a_test_file(tests):
    (tests / "ops").mkdir()
    (tests / "support").mkdir()
    (tests / "support" / "test_x.py").write_text(GOOD)
    assert [tier.name for tier in existing(tests)] == ["lint", "unit"]


def test_every_folder_of_tests_is_a_tier():
    folders = {path.parent.relative_to(ROOT / "tests") for path in ROOT.glob("tests/**/test_*.py")}
    assert {folder.parts[0] for folder in folders} <= {tier.name for tier in TIERS}


def test_a_report_that_lacks_counts_as_a_failure(tmp_path):
    assert of_pytest("unit", 4, tmp_path / "none.xml", 1.0, selected=True) == Outcome(
        tier="unit", failed=1, seconds=1.0, note=t("pytest exited {code}", code=4)
    )


def test_the_table_is_as_wide_as_its_widest_name_and_the_sum_is_plain():
    outcomes = [
        Outcome(tier="unit", passed=120, seconds=3.14),
        Outcome(tier="rehearsal", passed=4, failed=1, skipped=2, seconds=61, note="slow"),
    ]
    assert table(outcomes) == (
        "tier       passed  failed  skipped      time\n"
        "unit          120       0        0     3.1 s\n"
        "rehearsal       4       1        2    61.0 s  slow"
    )
    assert closing_line(outcomes) == "124 passed, 1 failed, 2 skipped"
    assert [exit_code(outcomes), exit_code(outcomes[:1]), exit_code([])] == [1, 0, 1]
