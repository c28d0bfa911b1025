"""The largest roll-out of a stack file against the limits of AWS; the tables in careapp.settings are those of AWS."""

import gzip
import json
import re
from dataclasses import replace
from pathlib import Path

import botocore
import cfnlint
import moto.ec2
import pytest

from careapp.settings import database, sizes
from careapp.settings.file import StackError
from careapp.settings.service import LOG_DAYS
from ecs_gate.facts.fargate import MEMORY_BY_CPU

ROOT = Path(__file__).parents[2]
LARGE = {"databaseInstanceClass": "db.r7g.2xlarge", "appConnections": "2"}


def refused(configured, **changes):
    with pytest.raises(StackError) as problem:
        configured(**changes)
    lines = (line.strip().partition(": ") for line in str(problem.value).splitlines()[1:-1])
    return {key: text for key, _, text in lines}


def near(configured, **changes):
    return [str(warning) for warning in sizes.warnings(configured(**changes).sizes)]


def chosen(text):
    """The choices that a message names, each as changes of settings."""
    named = text.rpartition("choose ")[2]
    return [dict(re.findall(r"(\w+) ([\w.]+)", choice)) for choice in re.split(r", | or ", named)]


def test_the_peak_counts_old_and_new_tasks_with_all_their_connections(configured):
    found = configured(maxCount="20", taskCpu="2048", taskMemory="4096", **LARGE).sizes
    assert (found.tasks, found.peak) == (20, 40)
    assert found.connections == 40 * 2 * (2 + 2) + 2
    assert found.allowed == 5000 - 5


def test_connections_are_those_of_the_task_s_variables_also_of_another_app(configured):
    service = configured(taskCpu="4096", taskMemory="8192", appConnections="3").service
    assert (service.workers, service.connections) == (4, 3)
    found = configured(appFolder="docs/examples/flaskr", desiredCount="5").sizes
    assert found.connections == 10 * 4 + 2


@pytest.mark.parametrize(
    "changes",
    [
        {"desiredCount": "100"},
        {"desiredCount": "100", "databaseInstanceClass": "db.t4g.2xlarge", "appConnections": "50"},
        {"maxCount": "40", "minCount": "38", "databaseInstanceClass": "db.t4g.medium"},
        {"maxCount": "400"},
        {"maxCount": "700", "minCount": "600"},
        {"maxCount": "501", "databaseInstanceClass": "db.unknown.large"},
        {"taskCpu": "16384", "taskMemory": "32768"},
        {"taskCpu": "32768", "taskMemory": "61440", "maxCount": "500", "appConnections": "50"},
        {"appConnections": "50", "desiredCount": "2"},
    ],
    ids=str,
)
def test_every_named_choice_fits_and_the_next_one_would_not(configured, changes):
    changes = {"alarmsEnabled": "false", **changes}
    [text] = refused(configured, **changes).values()
    found = chosen(text)
    assert found
    for choice in found:
        settings = configured(**changes | choice)
        assert settings.sizes.fits
        numbers = {key: value for key, value in choice.items() if value.isdigit()}
        if len(choice) == 1 and numbers:
            [(key, value)] = numbers.items()
            assert not replace(
                settings.sizes, **{"pool" if key == "appConnections" else "tasks": int(value) + 1}
            ).fits


@pytest.mark.parametrize(
    ("changes", "count"),
    [
        ({"desiredCount": "6"}, 0),
        ({"desiredCount": "7"}, 1),
        ({"maxCount": "400", "databaseInstanceClass": "db.r7g.2xlarge", "appConnections": "1"}, 0),
        ({"maxCount": "401", "databaseInstanceClass": "db.r7g.2xlarge", "appConnections": "1"}, 1),
    ],
    ids=str,
)
def test_above_four_fifths_of_a_limit_there_is_a_warning(configured, changes, count):
    assert len(near(configured, **changes)) == count


def test_the_warnings_name_setting_numbers_and_way_out(configured):
    changes = {"maxCount": "430", "appConnections": "3"}
    assert near(configured, **changes, databaseInstanceClass="db.r7g.2xlarge") == [
        "maxCount 430: up to 860 tasks during a roll-out are targets of one load balancer, which has "
        "at most 1000. Another load balancer needs another stack (docs/scale.md).",
        "maxCount 430: up to 860 tasks during a roll-out can open 4302 connections. db.r7g.2xlarge "
        "allows at most 4995, and RDS may allow fewer. Lower appConnections, or choose a larger "
        "databaseInstanceClass.",
    ]


def test_a_class_whose_memory_is_unknown_has_the_most_connections_of_rds(configured):
    unknown = {"databaseInstanceClass": "db.unknown.large", "alarmsEnabled": "false"}
    found = configured(**unknown, desiredCount="100").sizes
    assert (found.allowed, list(sizes.warnings(found))) == (4995, [])


@pytest.mark.parametrize(("tasks", "minutes"), [(1, 0), (100, 0), (101, 1), (600, 1), (601, 2)])
def test_a_hundred_tasks_start_at_once_and_500_more_each_minute(configured, tasks, minutes):
    assert replace(configured().sizes, tasks=tasks).launch == minutes


SCHEMA = "data/schemas/extensions/aws_ecs_taskdefinition/fargate_cpu_memory.json"


def memories(rule):
    """The sizes that one branch of cfn-lint's schema allows, as numbers of MiB."""
    if "enum" in rule:
        return tuple(rule["enum"])
    return tuple(range(rule["minimum"], rule["maximum"] + 1, rule["multipleOf"]))


def test_task_sizes_are_those_that_cfn_lint_knows():
    schema = json.loads((Path(cfnlint.__file__).parent / SCHEMA).read_text())
    pairs = [branch["properties"] for branch in schema["then"]["anyOf"]]
    published = {
        int(pair["Cpu"]["then"]["enum"][0]): memories(pair["Memory"]["then"]) for pair in pairs
    }
    assert dict(MEMORY_BY_CPU) == published


def test_days_of_log_retention_are_those_of_the_logs_api():
    [model] = (Path(botocore.__file__).parent / "data/logs").glob("*/service-2.json.gz")
    text = json.loads(gzip.decompress(model.read_bytes()))["shapes"]["Days"]["documentation"]
    [published] = re.findall(r"Possible values are: ([^<.]*)\.", text)
    assert tuple(map(int, re.findall(r"\d+", published))) == LOG_DAYS


def known(instance_class):
    try:
        return database.database_memory(instance_class)
    except ValueError:
        return None


@pytest.fixture(scope="module")
def ec2():
    """Bytes of memory of each EC2 instance type."""
    file = Path(moto.ec2.__file__).parent / "resources/instance_types.json.gz"
    with gzip.open(file) as packed:
        types = json.load(packed)
    return {name: item["MemoryInfo"]["SizeInMiB"] * 1024**2 for name, item in types.items()}


@pytest.fixture(scope="module")
def sold():
    """The classes that RDS sells for PostgreSQL in Tokyo (cfn-lint's table)."""
    folder = Path(cfnlint.__file__).parent / "data/schemas/extensions/aws_rds_dbinstance"
    table = json.loads((folder / "dbinstanceclass_enum.json").read_text())["ap-northeast-1"]
    return {
        name
        for rule in table["allOf"]
        if rule["if"]["properties"]["Engine"].get("const") == "postgres"
        for name in rule["then"]["properties"]["DBInstanceClass"]["enum"]
    }


def test_the_memory_of_each_class_that_rds_sells_is_its_ec2_type_s(ec2, sold):
    compared = {name: known(name) for name in sold if name.removeprefix("db.") in ec2}
    wrong = {
        name: (memory, ec2[name.removeprefix("db.")])
        for name, memory in compared.items()
        if memory is not None and memory != ec2[name.removeprefix("db.")]
    }
    assert wrong == {}
    assert len([memory for memory in compared.values() if memory]) > 60


@pytest.mark.parametrize(
    "instance_class", ["db.z1d.large", "db.m7g.2micro", "db.t4g.nano", "db.x2iedn.xlarge"]
)
def test_a_class_whose_memory_is_not_known_is_refused_with_the_way_out(instance_class):
    with pytest.raises(ValueError, match=f"the memory of {instance_class} is unknown"):
        database.database_memory(instance_class)
