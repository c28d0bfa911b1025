"""The tables in stack/ agree with those that AWS and others publish."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path

import botocore
import cfnlint
import moto.ec2
import pytest
from moto.ec2.models.availability_zones_and_regions import RegionsAndZonesBackend

from stack import database
from stack.network import ZONE_LETTERS
from stack.service import LOG_DAYS, MEMORY_BY_CPU, task_memory

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


@pytest.mark.parametrize("region", ZONE_LETTERS)
def test_zones_are_among_those_that_moto_knows(region):
    known = {zone.name for zone in RegionsAndZonesBackend.zones[region]}
    assert {region + letter for letter in ZONE_LETTERS[region]} <= known


def test_days_of_log_retention_are_those_of_the_logs_api():
    [model] = (Path(botocore.__file__).parent / "data/logs").glob("*/service-2.json.gz")
    text = json.loads(gzip.decompress(model.read_bytes()))["shapes"]["Days"]["documentation"]
    [published] = re.findall(r"Possible values are: ([^<.]*)\.", text)
    assert tuple(map(int, re.findall(r"\d+", published))) == LOG_DAYS


GIB = 1024**3


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


@pytest.mark.parametrize(
    ("instance_class", "memory", "connections"),
    [
        ("db.t4g.micro", 64 * 1024**2, 67),
        ("db.t4g.small", 2 * GIB // 20, 135),
        ("db.t4g.medium", 4 * GIB // 20, 270),
        ("db.m7g.large", 8 * GIB // 20, 540),
        ("db.r7g.4xlarge", 128 * GIB // 20, 3000),
    ],
)
def test_the_database_s_limits_grow_with_its_class(instance_class, memory, connections):
    assert database.free_memory(instance_class) == memory
    assert database.connections(instance_class) == connections


def test_a_fifth_of_the_storage_is_kept_free():
    assert database.free_storage(20) == 4 * GIB
    assert database.free_storage(100) == 20 * GIB


@pytest.mark.parametrize(("mebibytes", "percent"), [(512, 87), (640, 90), (1024, 90), (8192, 90)])
def test_a_small_task_rings_earlier_so_that_64_mebibytes_are_left(mebibytes, percent):
    assert task_memory(mebibytes) == percent
