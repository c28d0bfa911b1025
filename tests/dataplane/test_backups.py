"""Snapshots and points in time are restored with their rows, into an instance as RDS makes it."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from botocore.exceptions import ClientError
from psycopg import sql

from rehearsal.aws.rds import rules

NAME, COPY = "careapp-poc", "careapp-poc-copy"


@pytest.fixture(scope="module")
def stack(empty: Any) -> Any:
    """A database with one row, a snapshot, and a second row; ``ids`` has the moments after each row."""
    rules.install()
    empty.network()
    empty.ids["db"] = empty.database()
    with connect(empty) as connection:
        connection.execute("CREATE TABLE notes (text text)")
        connection.execute("INSERT INTO notes VALUES ('first')")
    empty.rds.create_db_snapshot(DBInstanceIdentifier=NAME, DBSnapshotIdentifier="one-row")
    available(empty, NAME)
    empty.ids["one row"] = moment()
    with connect(empty) as connection:
        connection.execute("INSERT INTO notes VALUES ('second')")
    return empty


def moment() -> datetime:
    """Now, with some time before and after it: commits have timestamps of microseconds."""
    time.sleep(0.05)
    now = datetime.now(UTC)
    time.sleep(0.05)
    return now


def found(stack: Any, name: str) -> dict[str, Any]:
    (one,) = stack.rds.describe_db_instances(DBInstanceIdentifier=name)["DBInstances"]
    return dict(one)


def available(stack: Any, name: str) -> dict[str, Any]:
    def ask() -> Any:
        one = found(stack, name)
        assert one["DBInstanceStatus"] not in ("failed", "incompatible-restore"), (
            stack.plane.describe()
        )
        return one if one["DBInstanceStatus"] == "available" else None

    return dict(stack.until(ask, 30, f"{name} to be available"))


def manage_password(stack: Any, name: str) -> None:
    stack.rds.modify_db_instance(
        DBInstanceIdentifier=name, ManageMasterUserPassword=True, ApplyImmediately=True
    )
    available(stack, name)


def connect(stack: Any, name: str = NAME) -> Any:
    instance = found(stack, name)
    [row] = [each for each in stack.plane.describe()["databases"] if each["id"] == name]
    host, port = row["listens"].split(":")
    (authority,) = stack.plane._given.glob("*/rehearsal-ca.pem")
    secret = stack.sm.get_secret_value(SecretId=instance["MasterUserSecret"]["SecretArn"])
    return psycopg.connect(
        host=instance["Endpoint"]["Address"],
        hostaddr=host,
        port=port,
        user="postgres",
        dbname="careapp",
        sslmode="verify-full",
        sslrootcert=str(authority),
        password=json.loads(secret["SecretString"])["password"],
        connect_timeout=5,
        autocommit=True,
    )


def notes(stack: Any, name: str) -> list[str]:
    with connect(stack, name) as connection:
        rows = connection.execute(sql.SQL("SELECT text FROM notes ORDER BY text")).fetchall()
        # It is no replica: it takes rows.
        connection.execute("INSERT INTO notes VALUES ('written')")
    return [row[0] for row in rows]


def delete(stack: Any, name: str) -> None:
    stack.rds.delete_db_instance(DBInstanceIdentifier=name, SkipFinalSnapshot=True)
    stack.until(lambda: name not in [each["id"] for each in stack.plane.describe()["databases"]])


def from_snapshot(stack: Any, snapshot: str = "one-row", **more: Any) -> dict[str, Any]:
    stack.rds.restore_db_instance_from_db_snapshot(
        DBInstanceIdentifier=COPY, DBSnapshotIdentifier=snapshot, **more
    )
    return available(stack, COPY)


def to_time(stack: Any, **when: Any) -> dict[str, Any]:
    stack.rds.restore_db_instance_to_point_in_time(
        SourceDBInstanceIdentifier=NAME, TargetDBInstanceIdentifier=COPY, **when
    )
    return available(stack, COPY)


def test_a_snapshot_is_restored_beside_its_instance(stack: Any) -> None:
    from_snapshot(stack)
    try:
        manage_password(stack, COPY)
        assert notes(stack, COPY) == ["first"]
        assert found(stack, COPY)["DbiResourceId"] != found(stack, NAME)["DbiResourceId"]
    finally:
        delete(stack, COPY)
    with connect(stack) as connection:
        assert connection.execute("SELECT count(*) FROM notes").fetchone() == (2,)


@pytest.mark.parametrize("when", ["one row", "latest"])
def test_a_point_in_time_has_the_rows_of_that_moment(stack: Any, when: str) -> None:
    latest = when == "latest"
    to_time(
        stack, **({"UseLatestRestorableTime": True} if latest else {"RestoreTime": stack.ids[when]})
    )
    try:
        manage_password(stack, COPY)
        assert notes(stack, COPY) == (["first", "second"] if latest else ["first"])
    finally:
        delete(stack, COPY)


def test_groups_parameters_tags_and_the_managed_password_are_not_restored(stack: Any) -> None:
    restored = to_time(stack, UseLatestRestorableTime=True)
    try:
        assert "MasterUserSecret" not in restored
        assert restored["DBParameterGroups"][0]["DBParameterGroupName"].startswith("default.")
        groups = [each["VpcSecurityGroupId"] for each in restored["VpcSecurityGroups"]]
        assert stack.ids["db-sg"] not in groups
        assert (restored["MultiAZ"], restored["TagList"]) == (False, [])
        assert (restored["DBName"], restored["AllocatedStorage"]) == ("careapp", 20)
    finally:
        delete(stack, COPY)


def test_what_rds_restores_with_is_what_was_asked_for(stack: Any) -> None:
    restored = from_snapshot(
        stack,
        DBSubnetGroupName="db",
        DBParameterGroupName="db",
        VpcSecurityGroupIds=[stack.ids["db-sg"]],
        Tags=[{"Key": "stack", "Value": "poc"}],
        BackupRetentionPeriod=0,
    )
    try:
        assert restored["DBSubnetGroup"]["DBSubnetGroupName"] == "db"
        assert restored["DBParameterGroups"][0]["DBParameterGroupName"] == "db"
        assert restored["TagList"] == [{"Key": "stack", "Value": "poc"}]
    finally:
        delete(stack, COPY)


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_time_outside_of_the_backups_is_refused(stack: Any, hours: int) -> None:
    with pytest.raises(ClientError, match="can be restored to a time from"):
        to_time(stack, RestoreTime=datetime.now(UTC) + timedelta(hours=hours))


def test_a_renamed_instance_has_the_endpoint_of_its_new_name_and_its_rows(stack: Any) -> None:
    from_snapshot(stack)
    manage_password(stack, COPY)
    stack.rds.modify_db_instance(
        DBInstanceIdentifier=COPY, NewDBInstanceIdentifier="careapp-poc-new", ApplyImmediately=True
    )
    try:
        renamed = available(stack, "careapp-poc-new")
        assert renamed["Endpoint"]["Address"].startswith("careapp-poc-new.")
        assert notes(stack, "careapp-poc-new") == ["first"]
    finally:
        delete(stack, "careapp-poc-new")


def test_a_final_snapshot_is_restored_after_its_instance_is_deleted(stack: Any) -> None:
    from_snapshot(stack)
    stack.rds.delete_db_instance(DBInstanceIdentifier=COPY, FinalDBSnapshotIdentifier="final")
    from_snapshot(stack, "final")
    manage_password(stack, COPY)
    try:
        assert notes(stack, COPY) == ["first"]
    finally:
        delete(stack, COPY)


def test_the_copy_of_a_deleted_snapshot_is_deleted(stack: Any) -> None:
    backups = stack.plane._databases._backups
    folder = backups._bases["final"].folder
    stack.rds.delete_db_snapshot(DBSnapshotIdentifier="final")
    stack.until(lambda: "final" not in backups._bases)
    stack.until(lambda: not folder.exists())
