"""Changes of a database's subnet group in the local cloud."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from tests.providers.test_backups import DATABASE

GROUP = {"DBSubnetGroupName": "three-zones"}


@pytest.fixture
def subnets(calls, make_role):
    """Subnets in three zones, the first two of them in a group."""
    make_role()
    vpc = calls("ec2", "create_vpc", {"CidrBlock": "10.40.0.0/16"})["Vpc"]["VpcId"]
    made = [
        calls(
            "ec2",
            "create_subnet",
            {"VpcId": vpc, "CidrBlock": f"10.40.{number}.0/24", "AvailabilityZone": zone},
        )["Subnet"]["SubnetId"]
        for number, zone in enumerate(f"{calls.region}{letter}" for letter in "acd")
    ]
    described = {"DBSubnetGroupDescription": "subnets", "SubnetIds": made[:2]}
    calls("rds", "create_db_subnet_group", GROUP | described)
    yield made
    calls("rds", "delete_db_subnet_group", GROUP)


@pytest.fixture
def database(calls, subnets):
    calls("rds", "create_db_instance", DATABASE | GROUP | {"DBInstanceIdentifier": "grouped"})
    yield subnets
    gone = {"DBInstanceIdentifier": "grouped", "SkipFinalSnapshot": True}
    calls("rds", "delete_db_instance", gone)


def modify(calls, subnets):
    calls("rds", "modify_db_subnet_group", GROUP | {"SubnetIds": subnets})


def held(calls):
    [group] = calls("rds", "describe_db_subnet_groups", GROUP)["DBSubnetGroups"]
    return [subnet["SubnetIdentifier"] for subnet in group["Subnets"]]


def test_a_subnet_group_that_is_changed_is_still_there_to_be_changed_again(calls, subnets):
    for wanted in (subnets, subnets[:2]):
        modify(calls, wanted)
        assert held(calls) == wanted


def test_a_group_with_a_database_takes_another_subnet_and_gives_none_away(calls, database):
    modify(calls, database)
    with pytest.raises(ClientError, match=f"SubnetAlreadyInUse.*in use: {database[2]}"):
        modify(calls, database[:2])
    assert held(calls) == database
