"""A drill of a restore, over an account of moto: what is asked of RDS, what is left, what is said."""

import json
import os
import signal
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from tools.database import contents, copies, drill
from tools.database.contents import Table
from tools.database.drill import Drill
from tools.i18n import Refused
from tools.tests.conftest import NAMES, client, instances

NAME, COPY = NAMES.database, f"{NAMES.database}-drill"
NOON = datetime(2026, 11, 27, 12, tzinfo=UTC)


@pytest.fixture
def made(stack, wait, monkeypatch):
    """A drill whose databases are not asked: the restored one has a row less."""
    rows = {COPY: 9, NAME: 10}

    @contextmanager
    def tunnel(_session, _host, database):
        yield SimpleNamespace(database=database)

    def read(who, _tunnel):
        return {"visits": Table(rows[who.id], NOON), "counters": Table(1)}

    monkeypatch.setattr(drill, "open_tunnel", tunnel)
    monkeypatch.setattr(drill.queries, "login", lambda _, database: database)
    monkeypatch.setattr(contents, "read", read)
    original = copies.described(stack.session, NAME)
    yield Drill(session=stack.session, names=NAMES, original=original, jump_host=None, waiting=wait)
    if COPY in instances():
        client("rds").delete_db_instance(DBInstanceIdentifier=COPY, SkipFinalSnapshot=True)


def newest(made):
    return copies.choose(made.session, made.original, "", None)


def shown(report):
    return [line.text for line in drill.lines(report, COPY)]


def test_the_newest_snapshot_is_compared_with_the_database_and_its_instance_deleted(made):
    source, secrets = newest(made), client("secretsmanager")
    assert source.snapshot.startswith(f"rds:{NAME}-")
    before = len(secrets.list_secrets()["SecretList"])
    report = made.run(source, "")
    assert instances() == [NAME]
    assert len(secrets.list_secrets()["SecretList"]) == before, "the password's secret goes, too"
    assert [line.split() for line in shown(report)[1:4]] == [
        ["table", "restored", "now", "difference"],
        ["counters", "1", "1", "0"],
        ["visits", "9", "10", "-1"],
    ]
    assert shown(report)[4] == "Newest row, restored: 2026-11-27 12:00 UTC in visits"
    assert f"The restore of snapshot {source.snapshot} of " in shown(report)[-2]
    assert shown(report)[-1] == f"{COPY} is deleted."
    assert json.loads(json.dumps(drill.as_dict(report)))["tables"]["counters"] == {
        "restored": {"rows": 1, "newest": None},
        "now": {"rows": 1, "newest": None},
    }


def interrupt(*_):
    os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.parametrize("end", [interrupt, lambda *_: 1 / 0], ids=["Ctrl-C", "failure"])
@pytest.mark.parametrize("step", ["wait_until_usable", "read"])
def test_nothing_is_left_of_a_drill_that_does_not_end(made, monkeypatch, step, end):
    monkeypatch.setattr(contents if step == "read" else copies, step, end)
    with pytest.raises((KeyboardInterrupt, ZeroDivisionError)):
        made.run(newest(made), "")
    assert instances() == [NAME]


def test_a_deletion_that_is_refused_is_told_with_its_command(made, monkeypatch):
    def refuse(*_):
        raise Refused("no")

    monkeypatch.setattr(copies, "delete", refuse)
    with pytest.raises(Refused):
        made.run(newest(made), "")
    assert str(made.waiting.said[-1]) == (
        f"{COPY} may still exist and cost: the next drill deletes it, and so does `aws rds "
        f"delete-db-instance --region ap-northeast-1 --db-instance-identifier {COPY} "
        "--skip-final-snapshot`."
    )


def test_instance_of_a_killed_drill_is_deleted_and_no_other(made):
    copies.restore(made.session, made.original, newest(made), COPY, temporary=True)
    made.delete_leftover()
    assert instances() == [NAME]
    assert str(made.waiting.said[0]) == f"{COPY} is left from an earlier drill."
    own = {"Engine": "postgres", "DBInstanceClass": "db.t4g.micro", "AllocatedStorage": 20}
    client("rds").create_db_instance(DBInstanceIdentifier=COPY, **own)
    with pytest.raises(Refused, match="so no drill created it"):
        made.delete_leftover()
    assert COPY in instances()


def test_network_parameters_and_tags_are_those_of_the_database():
    known = json.loads(Path(__file__).with_name("restored.json").read_text())
    original, common = known["original"], known["common"]
    temporary = {"MultiAZ": False, "BackupRetentionPeriod": 0}
    lasting = {"MultiAZ": True, "BackupRetentionPeriod": 7, "DeletionProtection": True}
    striped = {"StorageType": "gp3", "Iops": 12000, "StorageThroughput": 500}
    assert copies.settings(original, True) == common | temporary
    assert copies.settings(original, False) == common | lasting
    large = {**original, **striped, "AllocatedStorage": 400}
    assert copies.settings(large, True) == common | temporary | striped


def test_the_tags_of_the_stack_are_copied_and_no_other(made):
    tags = {"careapp:stack": "poc", "aws:cloudformation:stack-name": "x", "careapp:paused-at": "y"}
    tagged = {**made.original, "TagList": [{"Key": k, "Value": v} for k, v in tags.items()]}
    source = newest(made)
    copies.restore(made.session, tagged, source, COPY, temporary=True)
    found = copies.described(made.session, COPY)
    assert {each["Key"]: each["Value"] for each in found["TagList"]} == {
        "careapp:stack": "poc",
        copies.PURPOSE: source.snapshot,
    }


def test_a_time_that_rds_cannot_restore_is_refused_with_those_it_can(made, calls):
    begins = datetime(2026, 11, 20, 3, 4, 5, 600_000, tzinfo=UTC)
    backups = [{"RestoreWindow": {"EarliestTime": begins}}]
    answer = {"DBInstanceAutomatedBackups": backups}
    calls.answers["describe_db_instance_automated_backups"] = answer
    assert copies.choose(made.session, made.original, "", begins).moment == begins
    with pytest.raises(Refused) as refused:
        copies.choose(made.session, made.original, "", begins - timedelta(days=1))
    latest = made.original["LatestRestorableTime"].isoformat(timespec="seconds")
    assert str(refused.value) == (
        f"2026-11-19T03:04:05+00:00 cannot be restored: {NAME} can be restored to times from 2026-11-20T03:04:06+00:00 "
        f"to {latest}. RDS saves its log every five minutes, and keeps automated backups for "
        f"{made.original['BackupRetentionPeriod']} days (databaseBackupDays). A snapshot may be older: --snapshot, and "
        "`aws rds describe-db-snapshots --region ap-northeast-1` shows all."
    )
    asked = calls.of("describe_db_instance_automated_backups")
    assert asked == [{"DbiResourceId": made.original["DbiResourceId"]}] * 2
    late = made.original["LatestRestorableTime"] + timedelta(seconds=1)
    with pytest.raises(Refused, match=r"cannot be restored: .* to times from 2026-11-20T03:04:06"):
        copies.choose(made.session, made.original, "", late)
    del calls.answers["describe_db_instance_automated_backups"]
    with pytest.raises(Refused, match=r"times from \? to "):
        copies.choose(made.session, made.original, "", late)
    without = {**made.original, "LatestRestorableTime": None}
    with pytest.raises(Refused, match="has no automated backups"):
        copies.choose(made.session, without, "", begins)


def test_a_snapshot_that_does_not_exist_is_refused_with_the_command_that_lists_them(made):
    words = "no available snapshot gone; `aws rds describe-db-snapshots --region"
    with pytest.raises(Refused, match=words):
        copies.choose(made.session, made.original, "gone", None)
    with pytest.raises(Refused, match=f"{NAME} has no available snapshot yet"):
        copies.choose(made.session, {**made.original, "DbiResourceId": "db-OTHER"}, "", None)


@pytest.mark.usefixtures("stack")
@pytest.mark.parametrize(
    ("words", "code", "complaint"),
    [
        (("--time", "yesterday"), 2, "'yesterday' is not a time like 2026-11-27T12:30"),
        (("--time", "2026-11-27T12:30", "--snapshot", "s"), 2, "exclude each other"),
        ((), 1, "The database is not reachable"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_costs(run, words, code, complaint):
    found, _, said = run("db", "drill", *words)
    assert (found, complaint in said) == (code, True), said
    assert instances() == [NAME]


def test_a_time_without_an_offset_is_local(clock_in):
    clock_in("JST-9")
    assert copies.parse_time("2026-11-27T12:30") == datetime(2026, 11, 27, 3, 30, tzinfo=UTC)
    assert copies.parse_time("2026-11-27T12:30+00:00").hour == 12
