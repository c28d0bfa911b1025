"""Pulumi.yaml and the stack files say what the program reads."""

import json
from pathlib import Path

import pytest
import yaml

from rehearsal.engine.version import BELOW, MINIMUM
from stack.file import read
from stack.settings import KEYS, Settings

ROOT = Path(__file__).parents[2]
STACKS = sorted(file.name.split(".")[1] for file in ROOT.glob("Pulumi.*.yaml"))
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


@pytest.mark.parametrize("stack", STACKS)
def test_each_stack_file_can_be_used(stack):
    Settings.of(read(stack, ROOT), sources=True)


def test_prod_takes_every_precaution_that_a_setting_offers():
    prod = Settings.read("prod", ROOT)
    offered = {key.name for key in KEYS if key.kind == "boolean"}
    declined = {"execEnabled": "the container's root file system stays read-only"}
    declined |= {"ecsEnabled": "stage 1 comes first", "bastionEnabled": "only while it is used"}
    declined |= {"fargateSpot": "AWS may stop every task at once"}
    taken = {name for name, text in prod.texts.items() if text == "true"}
    assert offered - taken <= set(declined)
    assert prod.network.nat == "onePerAz"
    assert prod.database.backup_days >= 30
    assert prod.service.desired_count >= 2
    assert prod.service.scaling.maximum > prod.service.scaling.minimum >= 2
    assert prod.service.log_days >= 365


def test_the_poc_starts_with_ecs_off_and_leaves_nothing_behind():
    poc = Settings.read("poc", ROOT)
    assert poc.region == "ap-northeast-1"
    assert (poc.ecs_enabled, poc.protect, poc.database.final_snapshot) == (False, False, "")
