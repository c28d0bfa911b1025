"""A DB instance is a real PostgreSQL server that behaves as RDS does, and its backups have its rows."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from botocore.exceptions import ClientError

from stack.image import LOCK_TIMEOUT
from stack.names import RESERVED, StackNames
from tools.diagnosis.log_lines import LOCK_WAIT
from tools.doctor.checks import connections
from tools.local_cloud.aws.rds import rules
from tools.local_cloud.providers.lifecycle import reasons
from tools.tests.local_cloud.dataplane.stack import DATABASE, alive

COPY, RENAMED = "careapp-poc-copy", "careapp-poc-new"


@pytest.fixture(scope="module")
def stack(empty):
    rules.install()
    empty.network()
    empty.ids["db"] = empty.database()
    return empty


@pytest.fixture
def session(stack) -> Iterator[Any]:
    with stack.connect() as made:
        yield made


def test_the_endpoint_has_rds_form_and_the_declared_port(stack):
    endpoint = stack.ids["db"]["Endpoint"]
    form = r"careapp-poc\.[a-z2-7]{12}\.ap-northeast-1\.rds\.amazonaws\.com"
    assert re.fullmatch(form, endpoint["Address"])
    assert endpoint["Port"] == 5432


def test_the_secret_of_the_master_user_opens_the_declared_database(session):
    row = session.execute(
        "SELECT current_user, current_database(), ssl, current_setting('server_version_num')::int"
        " / 10000 FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
    ).fetchone()
    assert row == ("postgres", "careapp", True, 17)


def test_no_reserved_word_can_be_a_project_s_name(session):
    """`R` and `T` are reserved (PostgreSQL, `pg_get_keywords`); the name is the database's, too."""
    words = "SELECT word FROM pg_get_keywords() WHERE catcode IN ('R', 'T')"
    assert {word for (word,) in session.execute(words)} == RESERVED
    assert StackNames("poc", "order").problems().keys() == {"name"}


def test_the_master_user_is_no_superuser_but_may_make_databases_and_roles(session):
    row = session.execute(
        "SELECT rolsuper, rolcreatedb, rolcreaterole, pg_has_role('rds_superuser', 'member')"
        " FROM pg_roles WHERE rolname = current_user"
    ).fetchone()
    assert row == (False, True, True, True)


WITHOUT_TLS = 'no pg_hba.conf entry for host "127.0.0.1", user "postgres", database "careapp"'


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"sslmode": "disable"}, f"{WITHOUT_TLS}, no encryption"),
        ({"host": "other.rds.amazonaws.com"}, "does not match host name"),
    ],
    ids=["without TLS", "by another name"],
)
def test_a_connection_that_rds_refuses(stack, change, words):
    with pytest.raises(psycopg.OperationalError, match=words):
        stack.connect(**change)


def test_sessions_storage_and_cpu_are_published(stack, session):
    def latest(name: str):
        now = stack.clock.now()
        found = stack.client("cloudwatch").get_metric_statistics(
            Namespace="AWS/RDS",
            MetricName=name,
            Dimensions=[{"Name": "DBInstanceIdentifier", "Value": DATABASE}],
            StartTime=now - timedelta(minutes=10),
            EndTime=now,
            Period=60,
            Statistics=["Maximum"],
        )["Datapoints"]
        return found[-1]["Maximum"] if found else None

    def busy() -> bool:
        session.execute("DO $$ BEGIN FOR i IN 1..20000000 LOOP NULL; END LOOP; END $$")
        return (latest("CPUUtilization") or 0) > 5

    with stack.connect():
        stack.until(busy, what="the work in CPUUtilization")
        # Sessions of rdsadmin are not counted. A minute may be published before the second session
        # exists.
        stack.until(lambda: latest("DatabaseConnections") == 2, what="two connections")
    assert 19 * 1024**3 < latest("FreeStorageSpace") < 20 * 1024**3


def parameters(stack, **values: str):
    """Change parameters of the group at once; a double underscore is a dot."""
    stack.rds.modify_db_parameter_group(
        DBParameterGroupName="db",
        Parameters=[
            {
                "ParameterName": name.replace("__", "."),
                "ParameterValue": value,
                "ApplyMethod": "immediate",
            }
            for name, value in values.items()
        ],
    )
    stack.until_database("available")


def test_a_parameter_of_the_group_reaches_the_running_server(stack):
    parameters(stack, log_min_duration_statement="500", rds__force_ssl="0")
    with stack.connect(sslmode="disable") as made:
        assert made.execute("SHOW log_min_duration_statement").fetchone() == ("500ms",)
    parameters(stack, rds__force_ssl="1")


def test_a_rotation_changes_the_secret_and_the_servers_password(stack):
    before = stack.password()
    stack.sm.rotate_secret(SecretId=stack.ids["db"]["MasterUserSecret"]["SecretArn"])
    stack.until(lambda: stack.password() != before)
    assert stack.password(stage="AWSPREVIOUS") == before
    stack.connect().close()
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        stack.connect(password=before)


def described(stack) -> dict[str, Any]:
    return stack.sm.describe_secret(SecretId=stack.ids["db"]["MasterUserSecret"]["SecretArn"])


def test_a_managed_secret_is_rotated_every_seven_days(stack):
    secret = described(stack)
    assert (secret["RotationEnabled"], secret["OwningService"]) == (True, "rds")
    assert secret["RotationRules"] == {"AutomaticallyAfterDays": 7}


def test_a_rotation_that_is_not_immediate_changes_only_the_schedule(stack):
    before, arn = stack.password(), stack.ids["db"]["MasterUserSecret"]["SecretArn"]
    rules = {"AutomaticallyAfterDays": 30}
    stack.sm.rotate_secret(SecretId=arn, RotateImmediately=False, RotationRules=rules)
    assert described(stack)["RotationRules"] == rules
    assert stack.password() == before
    [database] = stack.rds.describe_db_instances(DBInstanceIdentifier=DATABASE)["DBInstances"]
    assert database["DBInstanceStatus"] == "available"
    stack.connect().close()


def test_a_secret_keeps_no_version_without_a_label(stack):
    arn = stack.ids["db"]["MasterUserSecret"]["SecretArn"]
    for _ in range(2):
        before = stack.password()
        stack.sm.rotate_secret(SecretId=arn)
        stack.until(lambda before=before: stack.password() != before)
    stages = sorted(described(stack)["VersionIdsToStages"].values())
    assert stages == [["AWSCURRENT"], ["AWSPREVIOUS"]]


def test_rds_itself_rotates_the_password(stack):
    before = stack.password()
    stack.rds.modify_db_instance(
        DBInstanceIdentifier=DATABASE, RotateMasterUserPassword=True, ApplyImmediately=True
    )
    stack.until(lambda: stack.password() != before)
    stack.until_database("available")
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


def test_a_statement_gives_up_a_lock_and_the_way_out_frees_it(stack, locked, session, monkeypatch):
    with monkeypatch.context() as variables:
        variables.setenv("PGOPTIONS", LOCK_TIMEOUT.replace("10s", "100ms"))
        with stack.connect() as waiting, pytest.raises(psycopg.errors.LockNotAvailable) as given_up:
            waiting.execute(ALTER)
    assert LOCK_WAIT in str(given_up.value)
    pid = locked.info.backend_pid
    cursor = session.execute(connections.OPEN)
    [row] = [dict(zip([e.name for e in cursor.description], each, strict=True)) for each in cursor
             if each[0] == pid]  # fmt: skip
    assert (row["state"], row["locked"], row["waits_for"]) == ("idle in transaction", "guests", [])
    session.execute(connections.END_OPEN.replace("10 seconds", "0 seconds"))
    session.execute(ALTER)


def test_a_client_that_is_gone_stops_waiting_for_a_lock(stack, locked, session):
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


def test_a_stopped_instance_has_no_server_and_a_started_one_its_data(stack):
    with stack.connect() as made:
        made.execute("CREATE TABLE kept AS SELECT 7 AS n")
    stack.rds.stop_db_instance(DBInstanceIdentifier=DATABASE)
    stack.until_database("stopped")
    assert stack.plane.describe()["databases"][0]["listens"] is None
    stack.rds.start_db_instance(DBInstanceIdentifier=DATABASE)
    stack.until_database("available")
    with stack.connect() as made:
        assert made.execute("SELECT n FROM kept").fetchone() == (7,)


@pytest.fixture(scope="module")
def backups(stack):
    """A table with one row, a snapshot, and a second row; ``ids`` has the moment between them."""
    with stack.connect() as connection:
        connection.execute("CREATE TABLE notes (text text)")
        connection.execute("INSERT INTO notes VALUES ('first')")
    stack.rds.create_db_snapshot(DBInstanceIdentifier=DATABASE, DBSnapshotIdentifier="one-row")
    stack.until_database("available")
    # With some time before and after it: commits have timestamps of microseconds.
    time.sleep(0.05)
    stack.ids["one row"] = datetime.now(UTC)
    time.sleep(0.05)
    with stack.connect() as connection:
        connection.execute("INSERT INTO notes VALUES ('second')")
    return stack


def notes(stack, name: str) -> list[str]:
    """Return a restored instance's rows. Its master user gets a password in Secrets Manager first."""
    stack.rds.modify_db_instance(
        DBInstanceIdentifier=name, ManageMasterUserPassword=True, ApplyImmediately=True
    )
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
        known = [each["id"] for each in stack.plane.describe()["databases"]]
        for name in {COPY, RENAMED} & set(known):
            stack.rds.delete_db_instance(DBInstanceIdentifier=name, SkipFinalSnapshot=True)
            stack.until(lambda: len(stack.plane.describe()["databases"]) == 1)


def test_a_snapshot_is_restored_beside_its_instance_and_keeps_its_rows_under_a_new_name(backups):
    with from_snapshot(backups) as copy:
        assert notes(backups, COPY) == ["first"]
        [original] = backups.rds.describe_db_instances(DBInstanceIdentifier=DATABASE)["DBInstances"]
        assert copy["DbiResourceId"] != original["DbiResourceId"]
        with backups.connect() as connection:
            assert connection.execute("SELECT count(*) FROM notes").fetchone() == (2,)

        backups.rds.modify_db_instance(
            DBInstanceIdentifier=COPY, NewDBInstanceIdentifier=RENAMED, ApplyImmediately=True
        )
        renamed = backups.until(lambda: available(backups, RENAMED), what="the new name")
        assert renamed["Endpoint"]["Address"].startswith(f"{RENAMED}.")
        assert notes(backups, RENAMED) == ["first", "written"]


def available(stack, name: str):
    """Return an instance that is available under a name, or None."""
    found = stack.rds.describe_db_instances()["DBInstances"]
    named = [each for each in found if each["DBInstanceIdentifier"] == name]
    return next((each for each in named if each["DBInstanceStatus"] == "available"), None)


def test_a_point_in_time_has_the_rows_of_that_moment(backups):
    with to_time(backups, RestoreTime=backups.ids["one row"]):
        assert notes(backups, COPY) == ["first"]


def test_the_latest_time_has_all_rows_and_not_the_groups_tags_and_managed_password(backups):
    with to_time(backups, UseLatestRestorableTime=True) as copy:
        assert "MasterUserSecret" not in copy
        assert "ReadReplicaSourceDBInstanceIdentifier" not in copy
        assert copy["DBParameterGroups"][0]["DBParameterGroupName"].startswith("default.")
        groups = [each["VpcSecurityGroupId"] for each in copy["VpcSecurityGroups"]]
        assert backups.ids["db-sg"] not in groups
        assert (copy["MultiAZ"], copy["TagList"]) == (False, [])
        assert (copy["DBName"], copy["AllocatedStorage"]) == ("careapp", 20)
        assert notes(backups, COPY) == ["first", "second"]


def test_rds_says_from_when_on_an_instance_can_be_restored(backups):
    [original] = backups.rds.describe_db_instances(DBInstanceIdentifier=DATABASE)["DBInstances"]
    [found] = backups.rds.describe_db_instance_automated_backups(
        DbiResourceId=original["DbiResourceId"]
    )["DBInstanceAutomatedBackups"]
    window = found["RestoreWindow"]
    assert window["EarliestTime"] < backups.ids["one row"] < window["LatestTime"]
    early = window["EarliestTime"] - timedelta(seconds=1)
    with pytest.raises(ClientError, match="not to"), to_time(backups, RestoreTime=early):
        pass
    assert not backups.rds.describe_db_instance_automated_backups(DbiResourceId="db-OTHER")[
        "DBInstanceAutomatedBackups"
    ]


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_time_outside_of_the_backups_is_refused(backups, hours):
    when = datetime.now(UTC) + timedelta(hours=hours)
    with (
        pytest.raises(ClientError, match="can be restored to a time from"),
        to_time(backups, RestoreTime=when),
    ):
        pass


def test_rds_restores_with_what_was_asked_for_and_a_final_snapshot_outlives_its_instance(backups):
    asked = {
        "DBSubnetGroupName": "db",
        "DBParameterGroupName": "db",
        "VpcSecurityGroupIds": [backups.ids["db-sg"]],
        "Tags": [{"Key": "stack", "Value": "poc"}],
        "BackupRetentionPeriod": 0,
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


def test_a_server_that_does_not_start_is_failed_and_says_why_in_its_own_words(stack):
    server = stack.plane._databases.server(DATABASE)
    settings, server.settings = server.settings, {"shared_preload_libraries": "missing"}
    stack.rds.reboot_db_instance(DBInstanceIdentifier=DATABASE)
    (why,) = reasons(stack.until_database("failed"))
    assert "pg_ctl failed in" in why
    assert 'could not access file "missing"' in why
    server.settings = settings
    stack.rds.reboot_db_instance(DBInstanceIdentifier=DATABASE)
    assert list(reasons(stack.until_database("available"))) == []


def test_deleting_the_instance_ends_the_server_and_its_secret(stack):
    (row,) = stack.plane.describe()["databases"]
    arn = stack.ids["db"]["MasterUserSecret"]["SecretArn"]
    stack.rds.delete_db_instance(DBInstanceIdentifier=DATABASE, SkipFinalSnapshot=True)
    stack.until(lambda: not alive(row["pid"]))
    with pytest.raises(stack.sm.exceptions.ResourceNotFoundException):
        stack.sm.get_secret_value(SecretId=arn)
    stack.until(lambda: not list(stack.plane._given.glob("*/postgres-careapp-poc")))
