"""Pulumi.yaml and the stack files say what the program reads."""

import json
from pathlib import Path

import pulumi
import pytest
import yaml

from rehearsal.engine_cli import BELOW, MINIMUM
from stack.settings import KEYS, Settings

ROOT = Path(__file__).parents[2]
STACK_FILES = sorted(ROOT.glob("Pulumi.*.yaml"))
PROJECT = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())


def as_text(value):
    """A value of a stack file as Pulumi hands it to the program."""
    if isinstance(value, dict):
        return json.dumps(value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def test_the_project_is_a_python_program_with_its_own_environment():
    assert PROJECT["name"] == "careapp"
    assert PROJECT["runtime"] == {"name": "python", "options": {"virtualenv": ".venv"}}


def test_pulumi_refuses_a_version_of_its_own_that_the_program_cannot_be_run_with():
    assert PROJECT["requiredPulumiVersion"] == f">={MINIMUM} <{BELOW}"


def test_every_setting_is_declared_with_its_type_default_and_meaning():
    declared = {
        name: (declaration["type"], as_text(declaration["default"]), declaration["description"])
        for name, declaration in PROJECT["config"].items()
    }
    assert declared == {key.name: (key.kind, key.default, key.meaning) for key in KEYS}


def test_a_declaration_holds_only_what_pulumi_allows():
    for declaration in PROJECT["config"].values():
        assert set(declaration) == {"type", "default", "description"}
        assert declaration["type"] in {"string", "integer", "boolean", "object"}


def test_every_default_is_of_its_declared_type():
    types = {"string": str, "integer": int, "boolean": bool, "object": dict}
    for name, declaration in PROJECT["config"].items():
        assert type(declaration["default"]) is types[declaration["type"]], name


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize("path", STACK_FILES, ids=lambda path: path.name)
def test_each_stack_file_can_be_used(path):
    config = yaml.safe_load(path.read_text())["config"]
    pulumi.runtime.set_all_config({key: as_text(value) for key, value in config.items()})
    Settings.load()


def test_prod_takes_every_precaution_that_a_setting_offers():
    config = yaml.safe_load((ROOT / "Pulumi.prod.yaml").read_text())["config"]
    offered = {key.name for key in KEYS if key.kind == "boolean"}
    declined = {"execEnabled": "the container's root file system stays read-only"}
    declined |= {"ecsEnabled": "stage 1 comes first", "bastionEnabled": "only while it is used"}
    declined |= {"fargateSpot": "AWS may stop every task at once"}
    taken = {name.removeprefix("careapp:") for name, value in config.items() if value == "true"}
    assert offered - taken <= set(declined)
    assert config["careapp:natStrategy"] == "onePerAz"
    assert int(config["careapp:databaseBackupDays"]) >= 30
    assert int(config["careapp:desiredCount"]) >= 2
    assert int(config["careapp:minCount"]) >= 2
    assert int(config["careapp:maxCount"]) > int(config["careapp:minCount"])
    assert int(config["careapp:logRetentionDays"]) >= 365


def test_the_poc_starts_with_ecs_off_and_leaves_nothing_behind():
    config = yaml.safe_load((ROOT / "Pulumi.poc.yaml").read_text())["config"]
    assert config["aws:region"] == "ap-northeast-1"
    assert config["careapp:ecsEnabled"] == "false"
    assert config["careapp:protect"] == "false"
    assert config["careapp:databaseFinalSnapshot"] == ""
