"""Automated snapshots in the local cloud."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

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
