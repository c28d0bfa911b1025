"""A Pulumi program that is not careapp's, from `pulumi up` to `pulumi destroy`: tests/programs/noticeboard."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest

from rehearsal.calls import Calls
from rehearsal.engine.find import find_or_get
from rehearsal.paths import ROOT, Home
from rehearsal.run.app_page import Page
from rehearsal.run.client import Facts, find

REGION, PASSWORD = "ap-northeast-1", "correct-horse"
UP = ("up", "--yes", "--skip-preview")


class Noticeboard:
    """A copy of the program with its virtual environment, and a local cloud of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.home = folder / "noticeboard", Home(folder / "home")
        shutil.copytree(ROOT / "tests" / "programs" / "noticeboard", self.folder)
        self.environment = os.environ | {
            "LOCAL_CLOUD_HOME": str(self.home.folder),
            "LOCAL_CLOUD_PULUMI": str(find_or_get()),
        }

    def install(self) -> None:
        """Make the virtual environment as Pulumi's users do, but with Pulumi's packages from this one.

        What the project does not have is downloaded, so that the program runs with no other Python.
        """
        venv = self.folder / "venv"
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
        [packages] = venv.glob("lib/python*/site-packages")
        (packages / "shared.pth").write_text(sysconfig.get_path("purelib"))
        pip = [
            sys.executable,
            "-m",
            "pip",
            "--python",
            str(venv / "bin" / "python"),
            "install",
            "-q",
        ]
        subprocess.run([*pip, "-r", "requirements.txt"], cwd=self.folder, check=True)

    def type(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-P", "-m", "rehearsal", *words],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
        )

    def pulumi(self, *words: str) -> str:
        """Run a command that must succeed, and return its output."""
        done = self.type("shell", "--", "pulumi", *words)
        assert done.returncode == 0, done.stdout
        return done.stdout

    @property
    def facts(self) -> Facts:
        found = find(self.home)
        assert found
        return found

    def page(self) -> tuple[int, str]:
        """The status and text of the page, as a browser gets it."""
        page = Page.of(self.facts.state["listeners"])
        assert page
        return page.get()[:2]


@pytest.fixture
def board(tmp_path: Path) -> Iterator[Noticeboard]:
    made = Noticeboard(tmp_path)
    yield made
    made.type("stop")


LISTS = (
    ("ec2", "describe_addresses"),
    ("ec2", "describe_internet_gateways"),
    ("ec2", "describe_network_interfaces"),
    ("ec2", "describe_route_tables"),
    ("ec2", "describe_security_group_rules"),
    ("ec2", "describe_security_groups"),
    ("ec2", "describe_subnets"),
    ("ec2", "describe_volumes"),
    ("ec2", "describe_vpcs"),
    ("ecr", "describe_repositories"),
    ("ecs", "list_task_definitions"),
    ("elbv2", "describe_load_balancers"),
    ("elbv2", "describe_target_groups"),
    ("iam", "list_roles"),
    ("logs", "describe_log_groups"),
    ("s3", "list_buckets"),
    ("secretsmanager", "list_secrets"),
    ("ssm", "describe_parameters"),
)


def held(facts: Facts) -> dict[str, object]:
    """What AWS's API lists of the account, without what AWS keeps: terminated instances, inactive clusters."""
    calls = Calls(facts.endpoint, REGION)
    found = {f"{service} {name}": calls(service, name, {}) for service, name in LISTS}
    found["policies"] = calls("iam", "list_policies", {"Scope": "Local"})
    arns = calls("ecs", "list_clusters", {})["clusterArns"]
    clusters = calls("ecs", "describe_clusters", {"clusters": arns})["clusters"]
    found["clusters"] = {"active": [each for each in clusters if each["status"] == "ACTIVE"]}
    running = {"Filters": [{"Name": "instance-state-name", "Values": ["running", "stopped"]}]}
    found["instances"] = calls("ec2", "describe_instances", running)
    for each in found.values():
        each.pop("ResponseMetadata", None)
    return found


def test_another_program_goes_up_survives_a_bad_release_and_goes_down(board: Noticeboard):
    board.install()
    begin = f"pulumi stack init dev && pulumi config set --secret password {PASSWORD}"
    options = ("--region", REGION, "--tasks", "process", "--port", "0")
    begun = board.type("shell", *options, "--", "sh", "-c", begin)
    assert begun.returncode == 0, begun.stdout
    before = held(board.facts)
    board.pulumi(*UP)
    status, text = board.page()
    assert status == 200
    assert "<h1>Notice board</h1>" in text
    assert "<strong>fire drill</strong>" in text
    assert "1, signed" in text
    states = [each for each in board.home.state.rglob("*") if each.is_file()]
    assert states
    assert not [each for each in states if PASSWORD in each.read_text()]

    app = board.folder / "app" / "board.py"
    app.write_text(app.read_text().replace("HEALTHY = 200", "HEALTHY = 500"))
    failed = board.type("shell", "--", "pulumi", *UP, "--config", "version=2")
    assert failed.returncode == 1
    words = "Service deployment rolled back because the circuit breaker threshold was exceeded."
    assert words in " ".join(failed.stdout.split())
    status, text = board.page()
    assert (status, "1, signed" in text) == (200, True)

    board.pulumi("destroy", "--yes", "--skip-preview")
    assert held(board.facts) == before
