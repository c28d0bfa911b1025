"""The distribution: what it imports, what it installs, and that it knows nothing of the program beside it."""

import ast
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from tests.any_service.test_github import BASH

FOLDER = Path(__file__).parents[2]
LOCK = FOLDER / "requirements-ecs-gate.txt"
PACKAGES = {"botocore", "click", "httpx", "rich"}
ITS_OWN = {"tests", "boto3", "jmespath", "moto", "pytest", "yaml"}
"""What its tests import besides."""


def imported(file):
    """The top-level packages that a file imports, without those of Python."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (name.name.partition(".")[0] for name in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield str(node.module).partition(".")[0]


def test_it_imports_what_it_declares_and_nothing_of_the_program_beside_it():
    product, tests = (
        {p for file in (FOLDER / name).rglob("*.py") for p in imported(file)}
        for name in ("ecs_gate", "tests")
    )
    assert product - {*sys.stdlib_module_names} == {*PACKAGES, "ecs_gate", "pulumi", "pulumi_aws"}
    assert tests - {*sys.stdlib_module_names} - product <= ITS_OWN


def test_its_lock_has_what_it_declares_and_no_pulumi():
    declared = tomllib.loads((FOLDER / "pyproject.toml").read_text())["project"]
    names = {re.match(r"[\w-]+", dependency)[0] for dependency in declared["dependencies"]}
    assert names == PACKAGES
    locked = re.findall(r"^([\w-]+)==", LOCK.read_text(), re.M)
    assert names <= {*locked}
    assert [package for package in locked if package.startswith(("pulumi", "grpc", "boto3"))] == []


def test_the_readme_takes_the_action_at_the_tag_of_this_version():
    version = tomllib.loads((FOLDER / "pyproject.toml").read_text())["project"]["version"]
    taken = re.findall(r"packages/ecs-gate@(\S+)", (FOLDER / "README.md").read_text())
    assert taken == [f"v{version}"]


@pytest.mark.slow
def test_the_action_installs_it_into_an_empty_environment(tmp_path):
    install, _ = yaml.safe_load((FOLDER / "action.yml").read_text())["runs"]["steps"]
    where = {"RUNNER_TEMP": str(tmp_path), "GITHUB_ACTION_PATH": str(FOLDER)}
    subprocess.run([*BASH, install["run"]], env={**os.environ, **where}, check=True)
    command = tmp_path / "ecs-gate" / "bin" / "ecs-gate"
    names = ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE", "AWS_ENDPOINT_URL", "PYTHONPATH")
    plain = {name: value for name, value in os.environ.items() if name not in names}

    def run(*words):
        return subprocess.run(
            [command, *words], cwd=tmp_path, env=plain, capture_output=True, text=True, check=False
        )

    for words in ((), ("wait",), ("doctor",), ("policy",)):
        assert run(*words, "--help").returncode == 0
    nowhere = run("doctor", "--cluster", "goods", "--service", "web")
    assert (nowhere.returncode, "No AWS region" in nowhere.stderr) == (2, True)
    there = run("policy").stdout
    assert "ecs:DescribeServices" in there
