"""Where alarms ring: beside AWS's own tables of what is watched."""

import gzip
import json
from pathlib import Path

import cfnlint
import moto.ec2
import pytest

from stack import database
from stack.service import task_memory

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
