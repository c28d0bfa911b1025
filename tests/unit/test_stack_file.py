"""The stack files and Pulumi.yaml."""

from pathlib import Path

import pulumi
import pytest
import yaml

from careapp.settings.app_resources import APP_RESOURCES
from careapp.settings.file import StackError, read
from careapp.settings.settings import KEYS, Settings
from ecs_gate.facts.secrets import secret_arn, secret_key
from infra import config
from local_cloud.engine.version import BELOW, MINIMUM

REGION = "ap-northeast-1"


@pytest.fixture
def written(checkout):
    """Writes a stack file with these lines, and returns its folder."""

    def write(*lines, stack="poc"):
        text = "".join(f"  {line}\n" for line in (f"aws:region: {REGION}", *lines))
        (checkout / f"Pulumi.{stack}.yaml").write_text(f"config:\n{text}")
        return checkout

    return write


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("true", "true"),
        ("TRUE", "true"),
        ("'TRUE'", "TRUE"),
        ("yes", "yes"),
        ("on", "on"),
        ("1", "1"),
        ("'1'", "1"),
        ("017", "15"),
        ("1.10", "1.1"),
        ("1.0", "1"),
        ("~", ""),
        ("", ""),
        ("[a, 1]", '["a", 1]'),
        ("{A: yes, B: 17}", '{"A": "yes", "B": 17}'),
    ],
)
def test_a_value_is_the_text_that_the_engine_shows(written, value, text):
    """As `pulumi config --json` of Pulumi 3.274.1 shows it, but for JSON's blanks."""
    values = read("poc", written(f"careapp:key: {value}")).values
    assert values == {"aws:region": REGION, "careapp:key": text}


@pytest.mark.parametrize("value", ['"TRUE"', '"True"', "yes", '"yes"', "on", '"1"', "1"])
def test_what_the_engine_calls_no_boolean_is_refused_to_program_and_commands(
    engine, written, value
):
    folder = written(f"careapp:ecsEnabled: {value}")
    with pytest.raises(StackError) as told:
        Settings.read("poc", folder)
    assert f"  ecsEnabled: {value.strip(chr(34))!r} is neither true nor false" in str(told.value)
    pulumi.runtime.set_all_config(read("poc", folder).values)
    with pytest.raises(pulumi.RunError) as stopped:
        config.load()
    assert str(stopped.value) == str(told.value)


def test_what_is_encrypted_is_left_out_and_named(written):
    folder = written(
        "careapp:alarmEmail: {secure: v1:x}", "careapp:appSecrets: {KEY: {secure: v1:x}}"
    )
    file = read("poc", folder)
    assert file.values == {"aws:region": REGION, "careapp:appSecrets": "{}"}
    assert file.encrypted == {"careapp:alarmEmail", "careapp:appSecrets"}
    assert Settings.of(file).monitoring.email == ""


def test_a_stack_without_a_file_is_refused_with_those_that_are_there(written):
    with pytest.raises(StackError, match=r"Pulumi.poc.yaml does not exist. Existing stacks: dev\."):
        read("poc", written(stack="dev"))


def test_a_folder_without_stack_files_and_a_broken_one_are_told(tmp_path):
    with pytest.raises(
        StackError, match="contains no stack file; run this in the project's folder"
    ):
        read("poc", tmp_path)
    (tmp_path / "Pulumi.yaml").write_text("name: careapp\n")
    (tmp_path / "Pulumi.poc.yaml").write_text("a: [1\nb: 2\n")
    with pytest.raises(StackError, match=r"Pulumi.poc.yaml is not valid YAML: .* line 2"):
        read("poc", tmp_path)


def test_a_secret_of_a_task_definition_names_arn_and_key():
    arn = "arn:aws:secretsmanager:r:1:secret:rds!db-1-AbCdEf"
    assert (secret_arn(f"{arn}:password::"), secret_key(f"{arn}:password::")) == (arn, "password")
    assert secret_key(arn) == ""


ROOT = Path(__file__).parents[2]
PROJECT = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())


def test_pulumi_refuses_a_version_of_its_own_that_the_program_cannot_be_run_with():
    assert PROJECT["requiredPulumiVersion"] == f">={MINIMUM} <{BELOW}"


def test_prod_takes_every_precaution_that_a_setting_offers():
    prod = Settings.read("prod", ROOT)
    offered = {key.name for key in KEYS if key.kind == "boolean"}
    declined = {"execEnabled": "the container's root file system stays read-only"}
    declined |= {"ecsEnabled": "stage 1 comes first", "bastionEnabled": "only while it is used"}
    declined |= {"fargateSpot": "AWS may stop every task at once"}
    declined |= {key.name: "the app that comes with the project uses none" for key in APP_RESOURCES}
    taken = {name for name, text in prod.texts.items() if text == "true"}
    assert offered - taken <= set(declined)
    assert prod.network.nat == "onePerAz"
    assert prod.database.backup_days >= 30
    assert prod.service.desired_count >= 2
    assert prod.service.scaling.maximum > prod.service.scaling.minimum >= 2
    assert prod.service.log_days >= 365
