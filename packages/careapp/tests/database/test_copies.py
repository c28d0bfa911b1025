"""What a restore takes: a snapshot or a time, with the network, settings and tags of the database."""

import json
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from careapp.additions.parts import restores
from careapp.database import copies
from careapp.database.copies import Source
from ecs_gate.text import Refused
from tests.conftest import NAMES, instances

NAME = NAMES.database
NOON = datetime(2026, 11, 27, 12, tzinfo=UTC)


def test_restored_instance_has_the_network_and_settings_of_the_database():
    known = json.loads(Path(__file__).with_name("restored.json").read_text())
    striped = {"StorageType": "gp3", "Iops": 12000, "StorageThroughput": 500}
    assert copies.settings(known["original"]) == known["restored"]
    large = {**known["original"], **striped, "AllocatedStorage": 400}
    assert copies.settings(large) == known["restored"] | striped


def test_the_tags_of_the_stack_are_copied_and_no_other():
    tags = {"careapp:stack": "poc", "aws:cloudformation:stack-name": "x", "careapp:paused-at": "y"}
    tagged = [{"Key": key, "Value": value} for key, value in tags.items()]
    found = copies._tags({"TagList": tagged}, Source(NOON, "good"))
    assert {tag["Key"]: tag["Value"] for tag in found} == {
        "careapp:stack": "poc",
        restores.RESTORED: "good",
    }


def test_a_time_that_rds_cannot_restore_is_refused_with_those_it_can(stack, calls):
    begins = datetime(2026, 11, 20, 3, 4, 5, 600_000, tzinfo=UTC)
    backups = [{"RestoreWindow": {"EarliestTime": begins}}]
    answer = {"DBInstanceAutomatedBackups": backups}
    calls.answers["describe_db_instance_automated_backups"] = answer
    original = copies.described(stack.session, NAME)
    assert copies.choose(stack.session, original, "", begins).moment == begins
    with pytest.raises(Refused) as refused:
        copies.choose(stack.session, original, "", begins - timedelta(days=1))
    latest = original["LatestRestorableTime"].isoformat(timespec="seconds")
    assert str(refused.value) == (
        f"2026-11-19T03:04:05+00:00 cannot be restored: {NAME} can be restored to times from 2026-11-20T03:04:06+00:00 "
        f"to {latest}. RDS saves its log every five minutes, and keeps automated backups for "
        f"{original['BackupRetentionPeriod']} days (databaseBackupDays). A snapshot may be older: --snapshot, and "
        "`aws rds describe-db-snapshots --region ap-northeast-1` shows all."
    )
    asked = calls.of("describe_db_instance_automated_backups")
    assert asked == [{"DbiResourceId": original["DbiResourceId"]}] * 2
    late = original["LatestRestorableTime"] + timedelta(seconds=1)
    with pytest.raises(Refused, match=r"cannot be restored: .* to times from 2026-11-20T03:04:06"):
        copies.choose(stack.session, original, "", late)
    del calls.answers["describe_db_instance_automated_backups"]
    with pytest.raises(Refused, match=r"times from \? to "):
        copies.choose(stack.session, original, "", late)
    without = {**original, "LatestRestorableTime": None}
    with pytest.raises(Refused, match="has no automated backups"):
        copies.choose(stack.session, without, "", begins)


def test_a_snapshot_that_does_not_exist_is_refused_with_the_command_that_lists_them(stack):
    words = "no available snapshot gone; `aws rds describe-db-snapshots --region"
    with pytest.raises(Refused, match=words):
        copies.choose(stack.session, copies.described(stack.session, NAME), "gone", None)


@pytest.mark.usefixtures("stack")
@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("--time", "yesterday"), "'yesterday' is not a time like 2026-11-27T12:30"),
        (("--time", "2026-11-27T12:30", "--snapshot", "s"), "exclude each other"),
    ],
)
def test_what_cannot_be_restored_is_refused_before_anything_costs(run, words, complaint):
    found, _, said = run("db", "restore", *words)
    assert (found, complaint in said) == (2, True), said
    assert instances() == [NAME]


def test_a_time_without_an_offset_is_local(clock_in):
    clock_in("JST-9")
    assert copies.parse_time("2026-11-27T12:30") == datetime(2026, 11, 27, 3, 30, tzinfo=UTC)
    assert copies.parse_time("2026-11-27T12:30+00:00").hour == 12


COPYING = (
    r"Snapshot of-16-9 is of PostgreSQL 16\.9, and careapp-poc runs 17.*: RDS refuses the parameter group of "
    r"another major version\. Nothing was changed\. Upgrade a copy, and name it with --snapshot of-16-9-17 .*"
    r"aws rds copy-db-snapshot --region ap-northeast-1 --source-db-snapshot-identifier of-16-9 "
    r"--target-db-snapshot-identifier of-16-9-17 && .* --engine-version 17"
)


@pytest.mark.parametrize(
    ("version", "words"),
    [
        ("16.9", COPYING),
        ("18.1", "of PostgreSQL 18.1, .* Upgrade the database first: docs/operate"),
        ("17.1", ""),
    ],
)
def test_snapshot_of_another_major_version_is_refused(stack, calls, version, words):
    name, current = f"of-{version.replace('.', '-')}", copies.described(stack.session, NAME)
    found = {"DBSnapshotIdentifier": name, "EngineVersion": version, "Status": "available"}
    made_at = {"SnapshotCreateTime": current["InstanceCreateTime"]}
    calls.answers["describe_db_snapshots"] = {"DBSnapshots": [found | made_at]}
    with pytest.raises(Refused, match=words) if words else nullcontext():
        assert copies.choose(stack.session, current, name, None).snapshot == name
    assert instances() == [NAME]
