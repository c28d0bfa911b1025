"""A DB instance is a real PostgreSQL server that behaves as RDS does."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import psycopg
import pytest


@pytest.fixture(scope="module")
def stack(empty: Any) -> Any:
    empty.network()
    empty.ids["db"] = empty.database()
    return empty


def password(stack: Any, stage: str = "AWSCURRENT") -> str:
    arn = stack.rds.describe_db_instances()["DBInstances"][0]["MasterUserSecret"]["SecretArn"]
    text = stack.sm.get_secret_value(SecretId=arn, VersionStage=stage)["SecretString"]
    assert set(json.loads(text)) == {"username", "password"}
    return str(json.loads(text)["password"])


def connect(stack: Any, word: str, **change: Any) -> Any:
    (row,) = stack.plane.describe()["databases"]
    host, port = row["listens"].split(":")
    (authority,) = stack.plane._given.glob("*/rehearsal-ca.pem")
    settings = {
        "host": stack.ids["db"]["Endpoint"]["Address"],
        "hostaddr": host,
        "port": port,
        "user": "postgres",
        "dbname": "careapp",
        "sslmode": "verify-full",
        "sslrootcert": str(authority),
        "password": word,
        "connect_timeout": 5,
    }
    return psycopg.connect(**{**settings, **change})


@pytest.fixture
def session(stack: Any) -> Iterator[Any]:
    with connect(stack, password(stack)) as made:
        yield made


def test_the_endpoint_has_rds_form_and_the_declared_port(stack: Any) -> None:
    endpoint = stack.ids["db"]["Endpoint"]
    form = r"careapp-poc\.[a-z2-7]{12}\.ap-northeast-1\.rds\.amazonaws\.com"
    assert re.fullmatch(form, endpoint["Address"])
    assert endpoint["Port"] == 5432


def test_the_secret_of_the_master_user_opens_the_declared_database(session: Any) -> None:
    row = session.execute(
        "SELECT current_user, current_database(), ssl, current_setting('server_version_num')::int"
        " / 10000 FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
    ).fetchone()
    assert row == ("postgres", "careapp", True, 17)


def test_the_master_user_is_no_superuser_but_may_make_databases_and_roles(session: Any) -> None:
    row = session.execute(
        "SELECT rolsuper, rolcreatedb, rolcreaterole, pg_has_role('rds_superuser', 'member')"
        " FROM pg_roles WHERE rolname = current_user"
    ).fetchone()
    assert row == (False, True, True, True)


def test_a_client_without_tls_is_refused_in_rds_words(stack: Any) -> None:
    refused = 'no pg_hba.conf entry for host "127.0.0.1", user "postgres", database "careapp"'
    with pytest.raises(psycopg.OperationalError, match=f"{refused}, no encryption"):
        connect(stack, password(stack), sslmode="disable")


def test_another_name_than_the_endpoints_fails_the_verification(stack: Any) -> None:
    with pytest.raises(psycopg.OperationalError, match="does not match host name"):
        connect(stack, password(stack), host="other.rds.amazonaws.com")


def test_sessions_storage_and_cpu_are_published(stack: Any, session: Any) -> None:
    (row,) = stack.plane.describe()["databases"]
    dimensions = [{"Name": "DBInstanceIdentifier", "Value": row["id"]}]

    def latest(name: str, stat: str = "Maximum") -> Any:
        now = stack.clock.now()
        found = stack.client("cloudwatch").get_metric_statistics(
            Namespace="AWS/RDS",
            MetricName=name,
            Dimensions=dimensions,
            StartTime=now - timedelta(minutes=10),
            EndTime=now,
            Period=60,
            Statistics=[stat],
        )["Datapoints"]
        return found[-1][stat] if found else None

    def busy() -> bool:
        session.execute("DO $$ BEGIN FOR i IN 1..20000000 LOOP NULL; END LOOP; END $$")
        return (latest("CPUUtilization") or 0) > 5

    with connect(stack, password(stack)):
        stack.until(busy, what="the work in CPUUtilization")
        # Sessions of rdsadmin are not counted. A minute may be published before the second session
        # exists.
        stack.until(lambda: latest("DatabaseConnections") == 2, what="two connections")
    assert 19 * 1024**3 < latest("FreeStorageSpace") < 20 * 1024**3


def test_a_parameter_of_the_group_reaches_the_running_server(stack: Any) -> None:
    stack.rds.modify_db_parameter_group(
        DBParameterGroupName="db",
        Parameters=[
            {
                "ParameterName": name,
                "ParameterValue": value,
                "ApplyMethod": "immediate",
            }
            for name, value in (("log_min_duration_statement", "500"), ("rds.force_ssl", "0"))
        ],
    )
    stack.until_database("available")
    with connect(stack, password(stack), sslmode="disable") as made:
        assert made.execute("SHOW log_min_duration_statement").fetchone() == ("500ms",)
    stack.rds.modify_db_parameter_group(
        DBParameterGroupName="db",
        Parameters=[
            {"ParameterName": "rds.force_ssl", "ParameterValue": "1", "ApplyMethod": "immediate"}
        ],
    )
    stack.until_database("available")


def test_a_rotation_changes_the_secret_and_the_servers_password(stack: Any) -> None:
    before = password(stack)
    arn = stack.ids["db"]["MasterUserSecret"]["SecretArn"]
    stack.sm.rotate_secret(SecretId=arn)
    stack.until(lambda: password(stack) != before)
    assert password(stack, "AWSPREVIOUS") == before
    connect(stack, password(stack)).close()
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        connect(stack, before)


def test_a_stopped_instance_has_no_server_and_a_started_one_its_data(stack: Any) -> None:
    with connect(stack, password(stack)) as made:
        made.execute("CREATE TABLE kept AS SELECT 7 AS n")
    stack.rds.stop_db_instance(DBInstanceIdentifier="careapp-poc")
    stack.until_database("stopped")
    assert stack.plane.describe()["databases"][0]["listens"] is None
    stack.rds.start_db_instance(DBInstanceIdentifier="careapp-poc")
    stack.until_database("available")
    with connect(stack, password(stack)) as made:
        assert made.execute("SELECT n FROM kept").fetchone() == (7,)


def test_deleting_the_instance_ends_the_server_and_its_secret(stack: Any) -> None:
    (row,) = stack.plane.describe()["databases"]
    arn = stack.ids["db"]["MasterUserSecret"]["SecretArn"]
    stack.rds.delete_db_instance(DBInstanceIdentifier="careapp-poc", SkipFinalSnapshot=True)
    stack.until(lambda: not _alive(row["pid"]))
    with pytest.raises(stack.sm.exceptions.ResourceNotFoundException):
        stack.sm.get_secret_value(SecretId=arn)
    stack.until(lambda: not list(stack.plane._given.glob("*/postgres-careapp-poc")))


def _alive(pid: int) -> bool:
    from pathlib import Path

    status = Path(f"/proc/{pid}/status")
    time.sleep(0)
    return status.exists() and "State:\tZ" not in status.read_text()
