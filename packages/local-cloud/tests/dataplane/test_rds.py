"""A DB instance is a real PostgreSQL server that behaves as RDS does, and its backups have its rows."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from local_cloud.providers.lifecycle import reasons
from tests.dataplane.stack import DATABASE, alive, refusal

COPY, RENAMED = "careapp-poc-copy", "careapp-poc-new"


@pytest.fixture(scope="module")
def stack(empty):
    empty.network()
    empty.ids["db"] = empty.database()
    return empty


@pytest.fixture
def session(stack) -> Iterator[Any]:
    with stack.connect() as made:
        yield made


IDENTITY = """
SELECT current_user, current_database(), ssl, current_setting('server_version_num')::int / 10000, rolsuper,
    rolcreatedb, rolcreaterole, pg_has_role('rds_superuser', 'member')
FROM pg_stat_ssl, pg_roles WHERE pid = pg_backend_pid() AND rolname = current_user
"""


def test_endpoint_and_master_user_are_as_on_rds(stack, session):
    """It is no superuser, but may make databases and roles."""
    endpoint = stack.ids["db"]["Endpoint"]
    form = r"careapp-poc\.[a-z2-7]{12}\.ap-northeast-1\.rds\.amazonaws\.com"
    assert re.fullmatch(form, endpoint["Address"])
    assert endpoint["Port"] == 5432
    row = session.execute(IDENTITY).fetchone()
    assert row == ("postgres", "careapp", True, 17, False, True, True, True)


WITHOUT_TLS = 'no pg_hba.conf entry for host "127.0.0.1", user "postgres", database "careapp"'


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"sslmode": "disable"}, f"{WITHOUT_TLS}, no encryption"),
        ({"host": "other.rds.amazonaws.com"}, "does not match host name"),
    ],
    ids=["without TLS", "by another name"],
)
def test_connection_is_refused_as_by_rds(stack, change, words):
    with pytest.raises(psycopg.OperationalError, match=words):
        stack.connect(**change)


def test_sessions_storage_and_cpu_are_published(stack, session):
    def latest(name: str):
        found = stack.series("AWS/RDS", name, "Maximum", DBInstanceIdentifier=DATABASE)
        return found[-1] if found else None

    def busy() -> bool:
        session.execute("DO $$ BEGIN FOR i IN 1..20000000 LOOP NULL; END LOOP; END $$")
        return (latest("CPUUtilization") or 0) > 5

    with stack.connect():
        stack.until(busy, what="the work in CPUUtilization")
        # Sessions of rdsadmin are not counted. A minute may be published before the second session exists.
        stack.until(lambda: latest("DatabaseConnections") == 2, what="two connections")
    assert 19 * 1024**3 < latest("FreeStorageSpace") < 20 * 1024**3


def parameters(stack, **values: str):
    """Change parameters of the group at once; a double underscore is a dot."""
    changes = [
        {"ParameterName": name.replace("__", "."), "ParameterValue": value}
        for name, value in values.items()
    ]
    stack.rds.modify_db_parameter_group(
        DBParameterGroupName="db",
        Parameters=[{**change, "ApplyMethod": "immediate"} for change in changes],
    )
    stack.until_database("available")


def test_parameter_of_the_group_reaches_the_running_server(stack):
    parameters(stack, log_min_duration_statement="500", rds__force_ssl="0")
    with stack.connect(sslmode="disable") as made:
        assert made.execute("SHOW log_min_duration_statement").fetchone() == ("500ms",)
    parameters(stack, rds__force_ssl="1")


@pytest.fixture
def arn(stack) -> str:
    return str(stack.ids["db"]["MasterUserSecret"]["SecretArn"])


def test_rotation_changes_the_secret_and_the_server_s_password(stack, arn):
    """By Secrets Manager, and by RDS itself."""
    change = {"RotateMasterUserPassword": True, "ApplyImmediately": True}
    for rotate, how in (
        (stack.rds.modify_db_instance, {"DBInstanceIdentifier": DATABASE, **change}),
        (stack.sm.rotate_secret, {"SecretId": arn}),
    ):
        before = stack.password()
        rotate(**how)
        stack.until(lambda old=before: stack.password() != old, what="another password")
        stack.until_database("available")
        stack.connect().close()
    assert stack.password(stage="AWSPREVIOUS") == before
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        stack.connect(password=before)
    stages = sorted(stack.sm.describe_secret(SecretId=arn)["VersionIdsToStages"].values())
    assert stages == [["AWSCURRENT"], ["AWSPREVIOUS"]], "no version without a label"


def test_a_password_of_the_program_is_the_server_s(stack):
    declared = stack.declared(
        "database", DBInstanceIdentifier="own", MasterUserPassword="the-first"
    )
    del declared["ManageMasterUserPassword"]
    stack.rds.create_db_instance(**declared)
    stack.until_database("available", "own")
    stack.connect("own", password="the-first").close()
    change = {"DBInstanceIdentifier": "own", "MasterUserPassword": "the-second"}
    stack.rds.modify_db_instance(**change, ApplyImmediately=True)
    stack.until_database("available", "own")
    stack.connect("own", password="the-second").close()
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        stack.connect("own", password="the-first")
    stack.rds.delete_db_instance(DBInstanceIdentifier="own", SkipFinalSnapshot=True)


def test_rotation_is_every_seven_days_and_by_its_schedule_only_if_told(stack, arn):
    secret, before = stack.sm.describe_secret(SecretId=arn), stack.password()
    assert (secret["RotationEnabled"], secret["OwningService"]) == (True, "rds")
    assert secret["RotationRules"] == {"AutomaticallyAfterDays": 7}
    for schedule in (
        {"AutomaticallyAfterDays": 30},
        {"ScheduleExpression": "rate(12 days)", "Duration": "3h"},
    ):
        stack.sm.rotate_secret(SecretId=arn, RotateImmediately=False, RotationRules=schedule)
        assert stack.sm.describe_secret(SecretId=arn)["RotationRules"] == schedule
    assert stack.password() == before
    assert stack.instance()["DBInstanceStatus"] == "available"
    stack.connect().close()


@pytest.fixture
def locked(stack, session) -> Iterator[Any]:
    """Holds the lock of a table; the session with the open transaction."""
    session.execute("CREATE TABLE IF NOT EXISTS guests (name text)")
    holder = stack.connect(autocommit=False)
    holder.execute("LOCK TABLE guests")
    yield holder
    holder.close()


ALTER = "ALTER TABLE guests ADD IF NOT EXISTS age int"


def test_lock_is_waited_for_no_longer_than_its_client_lives(stack, locked, session):
    def waits(pid: int) -> bool:
        asked = "SELECT count(*) FROM pg_stat_activity WHERE pid = %s AND wait_event_type = 'Lock'"
        [(count,)] = session.execute(asked, (pid,)).fetchall()
        return bool(count)

    parameters(stack, client_connection_check_interval="100")
    waiting = stack.connect()
    pid = waiting.info.backend_pid
    waiting.pgconn.send_query(ALTER.encode())
    stack.until(lambda: waits(pid), what="the lock is waited for")
    waiting.close()
    stack.until(lambda: not waits(pid), what="the server has noticed that its client is gone")


def test_stopped_instance_has_no_server_and_a_started_one_its_data(stack):
    with stack.connect() as made:
        made.execute("CREATE TABLE kept AS SELECT 7 AS n")
    stack.stop_database()
    assert stack.plane.describe()["databases"][0]["listens"] is None
    stack.start_database()
    with stack.connect() as made:
        assert made.execute("SELECT n FROM kept").fetchone() == (7,)


@pytest.fixture(scope="module")
def backups(stack):
    """A table with one row, a snapshot, and a second row; ``ids`` has the moment between them, by AWS's clock."""
    with stack.connect() as connection:
        connection.execute("CREATE TABLE notes (text text)")
        connection.execute("INSERT INTO notes VALUES ('first')")
    stack.rds.create_db_snapshot(DBInstanceIdentifier=DATABASE, DBSnapshotIdentifier="one-row")
    stack.until_database("available")
    # With some time before and after it: commits have timestamps of microseconds.
    time.sleep(0.05)
    stack.ids["one row"] = stack.clock.now()
    time.sleep(0.05)
    with stack.connect() as connection:
        connection.execute("INSERT INTO notes VALUES ('second')")
    return stack


def notes(stack, name: str) -> list[str]:
    """Return a restored instance's rows. Its master user gets a password in Secrets Manager first."""
    managed = {"ManageMasterUserPassword": True, "ApplyImmediately": True}
    stack.rds.modify_db_instance(DBInstanceIdentifier=name, **managed)
    stack.until_database("available", name)
    with stack.connect(name) as connection:
        rows = connection.execute("SELECT text FROM notes ORDER BY text").fetchall()
        # It is no replica: it takes rows.
        connection.execute("INSERT INTO notes VALUES ('written')")
    return [row[0] for row in rows]


@contextmanager
def from_snapshot(stack, snapshot: str = "one-row", **more) -> Iterator[dict[str, Any]]:
    stack.rds.restore_db_instance_from_db_snapshot(
        DBInstanceIdentifier=COPY, DBSnapshotIdentifier=snapshot, **more
    )
    yield from restored(stack)


@contextmanager
def to_time(stack, **when) -> Iterator[dict[str, Any]]:
    stack.rds.restore_db_instance_to_point_in_time(
        SourceDBInstanceIdentifier=DATABASE, TargetDBInstanceIdentifier=COPY, **when
    )
    yield from restored(stack)


def restored(stack) -> Iterator[dict[str, Any]]:
    """Yield the restored instance, and delete it under its name of then."""
    try:
        yield stack.until_database("available", COPY)
    finally:
        known = [database["id"] for database in stack.plane.describe()["databases"]]
        for name in {COPY, RENAMED} & set(known):
            stack.rds.delete_db_instance(DBInstanceIdentifier=name, SkipFinalSnapshot=True)
            stack.until(lambda: len(stack.plane.describe()["databases"]) == 1)


def test_snapshot_is_restored_beside_its_instance_and_can_be_renamed(backups):
    with from_snapshot(backups) as copy:
        assert notes(backups, COPY) == ["first"]
        assert copy["DbiResourceId"] != backups.instance()["DbiResourceId"]
        with backups.connect() as connection:
            assert connection.execute("SELECT count(*) FROM notes").fetchone() == (2,)

        change = {"NewDBInstanceIdentifier": RENAMED, "ApplyImmediately": True}
        backups.rds.modify_db_instance(DBInstanceIdentifier=COPY, **change)

        def renamed():
            found = backups.rds.describe_db_instances()["DBInstances"]
            return [instance for instance in found if instance["DBInstanceIdentifier"] == RENAMED]

        backups.until(renamed, what="the new name")
        available = backups.until_database("available", RENAMED)
        assert available["Endpoint"]["Address"].startswith(f"{RENAMED}.")
        assert notes(backups, RENAMED) == ["first", "written"]


def test_restore_to_a_time_has_the_rows_of_that_moment(backups):
    with to_time(backups, RestoreTime=backups.ids["one row"]):
        assert notes(backups, COPY) == ["first"]


def test_restore_to_the_latest_time_lacks_groups_tags_and_password(backups):
    with to_time(backups, UseLatestRestorableTime=True) as copy:
        assert "MasterUserSecret" not in copy
        assert "ReadReplicaSourceDBInstanceIdentifier" not in copy
        assert copy["DBParameterGroups"][0]["DBParameterGroupName"].startswith("default.")
        groups = [group["VpcSecurityGroupId"] for group in copy["VpcSecurityGroups"]]
        assert backups.ids["db-sg"] not in groups
        assert (copy["MultiAZ"], copy["TagList"]) == (False, [])
        assert (copy["DBName"], copy["AllocatedStorage"]) == ("careapp", 20)
        assert notes(backups, COPY) == ["first", "second"]


def test_restore_is_refused_outside_of_the_window_of_the_backups(backups):
    def windows(resource: str):
        asked = backups.rds.describe_db_instance_automated_backups(DbiResourceId=resource)
        return [backup["RestoreWindow"] for backup in asked["DBInstanceAutomatedBackups"]]

    [window] = windows(backups.instance()["DbiResourceId"])
    assert window["EarliestTime"] < backups.ids["one row"] < window["LatestTime"]
    # All times that RDS says are of that clock, which an ECS event has, too.
    latest = backups.instance()["LatestRestorableTime"]
    assert abs(latest - backups.clock.now()) < timedelta(minutes=2)
    taken = backups.rds.describe_db_snapshots(DBSnapshotIdentifier="one-row")["DBSnapshots"][0]
    assert window["EarliestTime"] < taken["SnapshotCreateTime"] < backups.ids["one row"]
    assert windows("db-OTHER") == []
    restore = backups.rds.restore_db_instance_to_point_in_time
    names = {"SourceDBInstanceIdentifier": DATABASE, "TargetDBInstanceIdentifier": COPY}
    now, hour = backups.clock.now(), timedelta(hours=1)
    for when in (window["EarliestTime"] - timedelta(seconds=1), now - hour, now + hour):
        refused = refusal(restore, **names, RestoreTime=when)
        assert "can be restored to a time from" in refused.message
        assert "not to" in refused.message


def test_restore_has_what_was_asked_for_and_leaves_a_final_snapshot(backups):
    asked = {
        **{"DBSubnetGroupName": "db", "DBParameterGroupName": "db", "BackupRetentionPeriod": 0},
        "VpcSecurityGroupIds": [backups.ids["db-sg"]],
        "Tags": [{"Key": "stack", "Value": "poc"}],
    }
    with from_snapshot(backups, **asked) as copy:
        assert copy["DBSubnetGroup"]["DBSubnetGroupName"] == "db"
        assert copy["DBParameterGroups"][0]["DBParameterGroupName"] == "db"
        assert copy["TagList"] == [{"Key": "stack", "Value": "poc"}]
        backups.rds.delete_db_instance(DBInstanceIdentifier=COPY, FinalDBSnapshotIdentifier="final")
    with from_snapshot(backups, "final"):
        assert notes(backups, COPY) == ["first"]
    known = backups.plane._databases._backups._bases
    folder = known["final"].folder
    backups.rds.delete_db_snapshot(DBSnapshotIdentifier="final")
    backups.until(lambda: "final" not in known and not folder.exists(), what="its files to go")


def test_server_that_does_not_start_is_failed_and_says_why(stack):
    server = stack.plane._databases.server(DATABASE)
    settings, server.settings = server.settings, {"shared_preload_libraries": "missing"}
    stack.rds.reboot_db_instance(DBInstanceIdentifier=DATABASE)
    (why,) = reasons(stack.until_database("failed"))
    assert "pg_ctl failed in" in why
    assert 'could not access file "missing"' in why
    server.settings = settings
    stack.rds.reboot_db_instance(DBInstanceIdentifier=DATABASE)
    assert list(reasons(stack.until_database("available"))) == []


def test_deleted_instance_ends_the_server_and_its_secret(stack, arn):
    (row,) = stack.plane.describe()["databases"]
    stack.rds.delete_db_instance(DBInstanceIdentifier=DATABASE, SkipFinalSnapshot=True)
    stack.until(lambda: not alive(row["pid"]))
    with pytest.raises(stack.sm.exceptions.ResourceNotFoundException):
        stack.sm.get_secret_value(SecretId=arn)
    stack.until(lambda: not list(stack.plane._given.glob("*/postgres-careapp-poc")))
