"""Commands of the AWS CLI that careapp tells: the CLI reads no stack file, so they say where."""

import json
import shlex
from dataclasses import replace
from itertools import pairwise

import pytest

from ops.aws.session import Place, Session
from ops.database import commands
from ops.doctor.diagnose import judge
from ops.doctor.screen import as_dict, plain
from ops.snapshot import vpc
from tests.ops import stacks as a
from tests.ops.situations import SITUATIONS
from tests.ops.test_db import JUMP_HOST

WORK = Place(region="eu-west-1", profile="work")


def told(diagnosis):
    """The AWS commands of the screen and of --json."""
    lines = [line.strip() for line in plain(diagnosis).splitlines()]
    told = [fix["commands"] for each in as_dict(diagnosis)["findings"] for fix in each["fixes"]]
    return (
        [line for line in lines if line.startswith("aws ")],
        [each for commands in told for each in commands if each.startswith("aws ")],
    )


def given(command):
    """What its options are given."""
    words = shlex.split(command)
    assert words.count("--region") == 1
    return {name: value for name, value in pairwise(words) if name.startswith("--")}


def test_every_command_of_every_diagnosis_names_region_and_profile():
    known = set()
    for name, snapshot in SITUATIONS.items():
        screen, data = told(judge(replace(snapshot, place=WORK)))
        assert set(screen) <= set(data), name
        for command in data:
            options = given(command)
            assert (options["--region"], options["--profile"]) == ("eu-west-1", "work"), command
            known.add(" ".join(shlex.split(command)[1:3]))
    assert {"ecs update-service", "ec2 authorize-security-group-ingress", "rds wait"} <= known


def test_where_the_stack_file_names_no_profile_the_shell_s_stands():
    commands = told(judge(SITUATIONS["database-away"]))[1]
    assert commands[:2] == [
        "aws rds start-db-instance --region ap-northeast-1 --db-instance-identifier careapp-poc",
        "aws rds wait db-instance-available --region ap-northeast-1 --db-instance-identifier careapp-poc",
    ]
    assert not any("--profile" in each for each in commands)


@pytest.mark.parametrize(
    ("command", "is_told"),
    [
        ("aws iam get-role --role-name r", "aws iam get-role --region eu-west-1 --profile work --role-name r"),
        ("aws sts get-caller-identity", "aws sts get-caller-identity --region eu-west-1 --profile work"),
        ("aws ecs x --region us-east-1", "aws ecs x --profile work --region us-east-1"),
        ("aws ecs x --profile me --y 'a b'", "aws ecs x --region eu-west-1 --profile me --y 'a b'"),
        ("pulumi up -s poc", "pulumi up -s poc"),
    ],
)  # fmt: skip
def test_an_option_that_stands_there_stays(command, is_told):
    assert WORK.told(command) == is_told


def test_a_profile_s_name_may_have_blanks():
    assert Place(region="r-1", profile="my own").told("aws ecs x") == (
        "aws ecs x --region r-1 --profile 'my own'"
    )


def test_the_stack_file_s_profile_is_named_but_not_to_the_local_cloud(monkeypatch):
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    assert Session("eu-west-1", "work").place == WORK
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    assert Session("eu-west-1", "work").place == Place(region="eu-west-1")


def test_what_opens_the_database_s_door_names_them_too(monkeypatch):
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    network = replace(a.network(), groups={**a.groups(), "sg-b": a.groups()["sg-app"]})
    monkeypatch.setattr(vpc, "network", lambda *_: network)
    words = str(
        commands.silent(Session("eu-west-1", "work"), JUMP_HOST, a.database(), "timeout").text
    )
    assert "`aws ec2 authorize-security-group-ingress --region eu-west-1 --profile work " in words


@pytest.mark.usefixtures("stack")
def test_doctor_tells_them_for_the_stack_file_s_region(run):
    findings = json.loads(run("doctor", "--json")[1])["findings"]
    commands = [c for each in findings for fix in each["fixes"] for c in fix["commands"]]
    aws = [each for each in commands if each.startswith("aws ")]
    assert aws
    assert {given(each)["--region"] for each in aws} == {"ap-northeast-1"}
