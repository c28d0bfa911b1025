"""DB instances as RDS describes them: snapshots, Database Insights and subnet groups."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from rehearsal.providers import lifecycle
from rehearsal.providers.aws.rds import INSTANCE

DATABASE = {
    "DBInstanceIdentifier": "one",
    "DBInstanceClass": "db.t4g.micro",
    "Engine": "postgres",
    "AllocatedStorage": 20,
    "MasterUsername": "app",
    "ManageMasterUserPassword": True,
}


def test_two_lives_of_a_database_in_one_minute_each_leave_their_backups(calls):
    for _ in range(2):
        calls("rds", "create_db_instance", DATABASE)
        name = {"DBInstanceIdentifier": "one"}
        gone = {"SkipFinalSnapshot": True, "DeleteAutomatedBackups": False}
        calls("rds", "delete_db_instance", name | gone)
    of_this_database = {"SnapshotType": "automated", "DBInstanceIdentifier": "one"}
    listed = calls("rds", "describe_db_snapshots", of_this_database)["DBSnapshots"]
    names = [each["DBSnapshotIdentifier"] for each in listed]
    assert len(names) == len(set(names)) == 2
    assert all(each.startswith("rds:one-") for each in names)


def test_a_stopped_database_leaves_no_final_snapshot_and_stays(calls):
    name = {"DBInstanceIdentifier": "resting"}
    calls("rds", "create_db_instance", DATABASE | name)
    calls("rds", "stop_db_instance", name)
    gone = name | {"FinalDBSnapshotIdentifier": "last"}
    words = "Cannot create a snapshot because the database instance resting is not currently in"
    with pytest.raises(ClientError, match=f"InvalidDBInstanceState.*{words}"):
        calls("rds", "delete_db_instance", gone)
    calls("rds", "start_db_instance", name)
    calls("rds", "delete_db_instance", gone)
    [kept] = calls("rds", "describe_db_snapshots", {"DBSnapshotIdentifier": "last"})["DBSnapshots"]
    assert kept["DBInstanceIdentifier"] == "resting"
    calls("rds", "delete_db_snapshot", {"DBSnapshotIdentifier": "last"})


NAME = {"DBInstanceIdentifier": "one"}


def described(calls):
    [found] = calls("rds", "describe_db_instances", NAME)["DBInstances"]
    return found.get("PerformanceInsightsEnabled", False)


def test_insights_are_on_when_they_are_asked_for_and_until_they_are_not(calls):
    calls("rds", "create_db_instance", DATABASE)
    seen = [described(calls)]
    for wanted in ({"EnablePerformanceInsights": True}, {}, {"EnablePerformanceInsights": False}):
        calls("rds", "modify_db_instance", NAME | wanted)
        seen.append(described(calls))
    calls("rds", "delete_db_instance", NAME | {"SkipFinalSnapshot": True})
    assert seen == [False, True, True, False]


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


def test_pulumi_s_id_finds_an_instance_after_a_renaming(calls):
    found = calls("rds", "create_db_instance", DATABASE)["DBInstance"]["DbiResourceId"]
    renamed = {"NewDBInstanceIdentifier": "another", "ApplyImmediately": True}
    calls("rds", "modify_db_instance", NAME | renamed)
    try:
        read = lifecycle.read(calls, INSTANCE, found, {})
        assert read["arn"].endswith(":db:another")
        taken = {"DBInstanceIdentifier": "another", "NewDBInstanceIdentifier": "another"}
        with pytest.raises(ClientError, match="DBInstanceAlreadyExists"):
            calls("rds", "modify_db_instance", taken)
    finally:
        lifecycle.delete(calls, INSTANCE, found, {"skipFinalSnapshot": True})
    assert lifecycle.read(calls, INSTANCE, found, {}) is None
    assert lifecycle.read(calls, INSTANCE, "one", {}) is None


def test_an_instance_that_is_not_available_leaves_no_snapshot(calls):
    calls("rds", "create_db_instance", DATABASE)
    calls("rds", "stop_db_instance", NAME)
    try:
        with pytest.raises(ClientError, match="InvalidDBInstanceState"):
            calls("rds", "create_db_snapshot", NAME | {"DBSnapshotIdentifier": "now"})
    finally:
        calls("rds", "delete_db_instance", NAME | {"SkipFinalSnapshot": True})
