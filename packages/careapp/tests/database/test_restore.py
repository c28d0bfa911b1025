"""A restore of the database, over an account of moto: its steps, interrupts, refusals, and Pulumi's state."""

import json
import stat
import sys
from contextlib import nullcontext
from pathlib import Path

import pytest

from careapp.additions.parts import restores
from careapp.database import copies, queries, restore
from careapp.database.restore import Instances, Restore
from careapp.pulumi_state import INSTANCE, TASK_DEFINITION, PulumiStack
from ecs_gate.aws.errors import AwsProblem
from ecs_gate.text import Refused, t
from tests.conftest import NAMES, Terminal, client, instances
from tests.stacks import choices

NAME = NAMES.database
RESTORED, OLD = f"{NAME}-restored", f"{NAME}-before-restore"
CHANGES = (
    "restore_db_instance_from_db_snapshot", "modify_db_instance", "remove_tags_from_resource",
)  # fmt: skip


CONTINUE = "db restore --yes -s poc"

FIRST = ("up", "deployErrorPercent", "deployLatencySeconds")


class Pulumi:
    """Pulumi by its answers; what it did is in ``done``."""

    def __init__(self):
        self.id, self.done = "db-OLD", []

    def instance_id(self):
        return self.id

    def set_instance_id(self, new):
        self.id = new
        self.done.append("id")

    def check_preview(self):
        self.done.append("preview")

    def up(self, instead):
        self.done.append(("up", *instead))


@pytest.fixture
def made(stack, wait, calls):
    """A restore; at the end there is the database alone."""
    made = Restore(stack.session, choices(), wait, Pulumi())
    yield made
    rds = client("rds")
    if OLD in instances():
        delete(NAME)
        rds.modify_db_instance(
            DBInstanceIdentifier=OLD, NewDBInstanceIdentifier=NAME, ApplyImmediately=True
        )
        if RESTORED in instances():
            delete(RESTORED)
    # moto names an automated snapshot by the minute, and refuses a second one.
    for snapshot in rds.describe_db_snapshots()["DBSnapshots"]:
        rds.delete_db_snapshot(DBSnapshotIdentifier=snapshot["DBSnapshotIdentifier"])


def delete(name):
    if name in instances():
        client("rds").delete_db_instance(DBInstanceIdentifier=name, SkipFinalSnapshot=True)


def go(made):
    """What the command does, once it knows what to restore."""
    now = made.read()
    made.check(now)
    if now.source is None and not now.returns:
        client("rds").create_db_snapshot(DBInstanceIdentifier=NAME, DBSnapshotIdentifier="good")
        made.begin(now, copies.choose(made.session, now.current, "good", None))
    made.swap()
    return made.adopt()


def changed(calls):
    return [operation for operation, _ in calls if operation in CHANGES]


def tagged(instance):
    """The ARN by which the permissions boundary allows the password's secret (careapp/delivery/template.yaml)."""
    secret = instance["MasterUserSecret"]["SecretArn"]
    tags = client("secretsmanager").describe_secret(SecretId=secret)["Tags"]
    return {tag["Key"]: tag["Value"] for tag in tags}["aws:rds:primaryDBInstanceArn"]


def test_the_restored_instance_gets_the_name_and_the_old_one_stays(made, calls):
    now = go(made)
    assert sorted(instances()) == [NAME, OLD]
    assert changed(calls) == [CHANGES[0], *[CHANGES[1]] * 3, CHANGES[2]]
    assert made.pulumi.done == ["id", "preview", FIRST, ("up",)]
    after = made.read()
    assert tagged(after.current) == after.current["DBInstanceArn"]
    assert (after.source, after.current["MasterUserSecret"]["SecretStatus"]) == (None, "active")
    assert [line.text for line in restore.closing(made, now)] == [
        f"{NAME} is restored.",
        f"{OLD} runs on with the data from before, and is billed.",
        "When it is not needed any more: aws rds delete-db-instance --region ap-northeast-1 "
        f"--db-instance-identifier {OLD} --skip-final-snapshot",
    ]


@pytest.mark.parametrize("before", [False, True], ids=["after the call", "before the call"])
@pytest.mark.parametrize("step", range(5))
def test_after_an_interrupt_at_any_call_the_same_command_goes_on(made, monkeypatch, step, before):
    call, left = made.session.call, [step]

    def interrupted(service, operation, /, **params):
        if operation in CHANGES:
            left[0] -= 1
            if left[0] == -1 and before:
                raise KeyboardInterrupt
        answer = call(service, operation, **params)
        if left[0] == -1 and operation in CHANGES:
            raise KeyboardInterrupt
        return answer

    monkeypatch.setattr(made.session, "call", interrupted)
    with pytest.raises(KeyboardInterrupt):
        go(made)
    if step == 0 and before:
        client("rds").delete_db_snapshot(DBSnapshotIdentifier="good")
    if step == 4 and not before:
        return  # It was the last call.
    go(made)
    assert sorted(instances()) == [NAME, OLD]
    after = made.read()
    assert (after.source, made.pulumi.done[-1]) == (None, ("up",))
    assert tagged(after.current) == after.current["DBInstanceArn"]


def test_where_the_old_instance_alone_is_left_it_gets_its_name_back(made):
    """No cure of a lost database begins with an empty one, nor with the end of the old one."""
    client("rds").modify_db_instance(
        DBInstanceIdentifier=NAME, NewDBInstanceIdentifier=OLD, ApplyImmediately=True
    )
    with pytest.raises(Refused, match=f"a restore has not ended. .*{CONTINUE}"):
        queries.database(made.session, NAMES)
    with pytest.raises(Refused, match=f"The data of {NAME} is in {OLD}"):
        restore._source(made, made.read(), snapshot="s")
    assert restore._source(made, made.read()) is None
    known = made.read().before["DbiResourceId"]
    go(made)
    assert (instances(), made.read().current["DbiResourceId"]) == ([NAME], known)


@pytest.mark.parametrize("failing", ["set_instance_id", "check_preview", "up", "second up"])
def test_after_a_failure_of_pulumi_the_same_command_goes_on(made, monkeypatch, failing):
    name, up = failing.removeprefix("second "), Pulumi.up

    def fail(pulumi, *given):
        if failing != "second up" or not given[0]:
            raise ZeroDivisionError
        up(pulumi, *given)

    with monkeypatch.context() as patch:
        patch.setattr(Pulumi, name, fail)
        with pytest.raises(ZeroDivisionError):
            go(made)
    assert (made.read().source, made.read().swapped) == ("good", True)
    go(made)
    assert (made.read().source, made.pulumi.id) == (None, made.read().current["DbiResourceId"])
    assert made.pulumi.done[-2:] == [FIRST, ("up",)]


SHIFTS = {"deployStrategy": "blueGreen", "bakeMinutes": "0"}
NO_ALARMS = {"deployErrorPercent": "0", "deployLatencySeconds": "0"}
LINEAR = {"deployStrategy": "linear", "rolloutTimeoutMinutes": "60"}


@pytest.mark.parametrize(
    ("changes", "first", "minutes"),
    [
        ({}, NO_ALARMS, 5),
        (NO_ALARMS, {}, None),
        ({"ecsEnabled": "false"}, {}, None),
        (LINEAR, SHIFTS | NO_ALARMS, 50),
        ({"deployStrategy": "canary", "rolloutTimeoutMinutes": "20"} | NO_ALARMS, SHIFTS, 10),
        ({"deployStrategy": "blueGreen", "bakeMinutes": "0"}, SHIFTS | NO_ALARMS, 0),
    ],
)
def test_the_first_update_neither_waits_with_the_old_tasks_nor_rolls_back_to_them(
    made, changes, first, minutes
):
    """They have no database. The second update has the stack file's settings, and says how long it takes."""
    made = Restore(made.session, choices(**changes), made.waiting, Pulumi())
    assert made.first == first
    said = [line.text for line in restore.plan(made, t("s")) if "second one" in line.text]
    assert len(said) == (minutes is not None)
    for line in said:
        assert f"ECS waits {minutes} minutes in it, while the app runs" in line
        assert all(f"{name}={value}" in line for name, value in first.items())
    # The stack file takes each of these values.
    choices(**{"rolloutTimeoutMinutes": "60", **changes, **first})


@pytest.mark.parametrize("on", ["true", "false"])
def test_the_plan_says_that_the_app_s_files_are_not_restored(made, on):
    made = Restore(made.session, choices(uploadsEnabled=on), made.waiting, Pulumi())
    said = "\n".join(line.text for line in restore.plan(made, t("s")))
    assert ("the app's files in the bucket stay as they are" in said) is (on == "true")


def test_a_name_that_rds_has_not_freed_yet_is_asked_for_again(made, monkeypatch):
    call, refused = made.session.call, []

    def busy(service, operation, /, **params):
        if params.get("NewDBInstanceIdentifier") == NAME and not refused:
            refused.append(params)
            raise AwsProblem("refused", t("taken"), t("wait"), code="DBInstanceAlreadyExists")
        return call(service, operation, **params)

    monkeypatch.setattr(made.session, "call", busy)
    go(made)
    assert (len(refused), sorted(instances())) == (1, [NAME, OLD])


def raw(name, source=None, **more):
    tags = [{"Key": restores.RESTORED, "Value": source}] if source else []
    return {"DBInstanceIdentifier": name, "TagList": tags, **more}


PLAIN, NEW = raw(NAME), raw(RESTORED, "s")
PROTECTED = raw(OLD, DeletionProtection=True, EnabledCloudwatchLogsExports=["postgresql"])


ONE = "only one may exist"
STILL_THERE = (
    f"{OLD} is still there .* modify-db-instance .* && aws rds delete-db.* && aws logs delete-log"
)


@pytest.mark.parametrize(
    ("current", "restored", "before", "words"),
    [
        (PLAIN, None, None, ""),
        (PLAIN, NEW, None, ""),
        (None, NEW, raw(OLD), ""),
        (raw(NAME, "s"), None, raw(OLD), ""),
        (PLAIN, None, PROTECTED, STILL_THERE),
        (PLAIN, raw(RESTORED), None, "so no restore created it"),
        (PLAIN, NEW, raw(OLD), ONE),
        (None, NEW, None, ""),
        (None, None, raw(OLD), ""),
    ],
)
def test_restore_goes_on_from_each_of_its_steps_only(made, current, restored, before, words):
    with pytest.raises(Refused, match=words) if words else nullcontext():
        made.check(Instances(current=current, restored=restored, before=before))


def test_a_damaged_instance_is_renamed_and_one_that_changes_is_waited_for():
    settled = dict.fromkeys(("available", "storage-full", "failed"), True)
    settled |= dict.fromkeys(("modifying", "rebooting"), False)
    found = {status: restore._settled({"DBInstanceStatus": status}) for status in settled}
    assert found == settled


def test_another_source_than_that_of_the_restore_under_way_is_refused(made):
    now = Instances(current=PLAIN, restored=NEW, before=None)
    assert restore._source(made, now) is None
    assert restore._source(made, now, snapshot="s") is None
    with pytest.raises(Refused, match="A restore of s is under way"):
        restore._source(made, now, snapshot="other")


def test_a_restore_of_nothing_and_a_state_of_another_instance_are_refused(made):
    with pytest.raises(Refused, match="say what to restore: --time or --snapshot"):
        restore._source(made, made.read())
    with pytest.raises(Refused, match=f"state knows {NAME} as db-OLD, RDS as db-"):
        restore._source(made, made.read(), snapshot="s")
    client("rds").stop_db_instance(DBInstanceIdentifier=NAME)
    with pytest.raises(Refused, match="The database is stopped and accepts no connections"):
        restore._source(made, made.read(), snapshot="s")
    client("rds").start_db_instance(DBInstanceIdentifier=NAME)


@pytest.mark.parametrize(("typed", "agreed"), [("poc", True), ("yes", False), ("", False)])
def test_the_stack_s_name_is_asked_for(made, monkeypatch, capsys, typed, agreed):
    monkeypatch.setattr(sys, "stdin", Terminal(typed))
    now = Instances(current=PLAIN, restored=NEW, before=None)
    assert restore._agreed(made, now, None) is agreed
    shown = capsys.readouterr().out
    assert shown.splitlines()[:2] == [
        "careapp-poc in ap-northeast-1:",
        f"  - s is restored beside {NAME}",
    ]
    assert ("Nothing was changed." in shown) is not agreed


PROGRAM = """\
#!{python}
import json, pathlib, sys
folder = pathlib.Path("{folder}")
with (folder / "argv").open("a") as file:
    print(*sys.argv[1:], file=file)
if sys.argv[1:3] == ["stack", "import"]:
    (folder / "imported").write_text(sys.stdin.read())
elif sys.argv[1] == "preview" and (folder / "fails").exists():
    sys.exit("error: no credentials")
elif sys.argv[1] != "up":
    print((folder / sys.argv[1]).read_text())
"""
OTHER = {"urn": "urn:other", "type": INSTANCE, "id": "db-1", "inputs": {"identifier": "other"}}
MINE = {
    "urn": "urn:mine",
    "type": INSTANCE,
    "id": "db-1",
    "inputs": {"identifier": NAME},
    "outputs": {"id": "db-1", "resourceId": "db-1", "identifier": NAME, "port": 5432},
}


@pytest.fixture
def pulumi(tmp_path, monkeypatch):
    """A pulumi on PATH that answers from files of the folder and keeps what it gets."""
    file = tmp_path / "pulumi"
    file.write_text(PROGRAM.format(python=sys.executable, folder=tmp_path))
    file.chmod(file.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    outputs = {"a": {"ciphertext": "v1:abc"}, "b": "db-1"}
    secret = {"urn": "urn:secret", "type": "x", "outputs": outputs}
    resources = [secret, OTHER, {**MINE, "delete": True}, MINE]
    state = {"version": 3, "deployment": {"resources": resources}}
    (tmp_path / "stack").write_text(json.dumps(state))
    return PulumiStack(NAMES)


def test_an_instance_of_which_a_refresh_noted_the_old_name_is_found(pulumi):
    state = Path("stack").read_text()
    Path("stack").write_text(state.replace(f'"identifier": "{NAME}"', f'"identifier": "{OLD}"'))
    assert pulumi.instance_id() == "db-1"


def test_only_the_id_of_the_database_changes_in_the_state(pulumi):
    assert pulumi.instance_id() == "db-1"
    pulumi.set_instance_id("db-2")
    before = json.loads(Path("stack").read_text())["deployment"]["resources"]
    after = json.loads(Path("imported").read_text())["deployment"]["resources"]
    assert after[:3] == before[:3]
    outputs = {**MINE["outputs"], "id": "db-2", "resourceId": "db-2"}
    assert after[3] == {**MINE, "id": "db-2", "outputs": outputs}
    asked = Path("argv").read_text()
    assert "stack import -s poc --non-interactive\n" in asked
    assert "secrets" not in asked
    assert "db-2" not in asked


def test_what_an_update_replaced_before_it_was_stopped_is_current_again(pulumi):
    """The engine has deleted neither: the page needs the first one."""
    rule, definition, gone = (
        {"urn": f"urn:x::{name}", "type": kind}
        for name, kind in (("page", "rule"), ("app", TASK_DEFINITION), ("old", "rule"))
    )
    waiting = [{**resource, "delete": True, "id": "first"} for resource in (rule, definition, gone)]
    state = {"deployment": {"resources": [rule, definition, *waiting]}}
    Path("stack").write_text(json.dumps(state))
    assert pulumi.take_back(dry_run=True) == ["rule page"]
    assert not Path("imported").exists()
    assert pulumi.take_back(dry_run=False) == ["rule page"]
    after = json.loads(Path("imported").read_text())["deployment"]["resources"]
    flags = [resource.get("delete", False) for resource in after]
    assert flags == [True, False, False, True, True]


@pytest.mark.parametrize(
    ("urn", "op", "refused"),
    [
        ("urn:mine", "replace", True),
        ("urn:mine", "delete", True),
        ("urn:mine", "update", False),
        ("urn:other", "replace", False),
    ],
)
def test_an_up_that_would_replace_the_database_is_not_run(pulumi, urn, op, refused):
    Path("preview").write_text(json.dumps({"steps": [{"urn": urn, "op": op}]}))
    words = f"would {op} the restored database, so it was not run"
    with pytest.raises(Refused, match=words) if refused else nullcontext():
        pulumi.check_preview()


def test_settings_of_one_update_are_written_into_a_copy_of_the_stack_file(pulumi):
    """An interrupt must not leave them in the stack file."""
    file = Path("Pulumi.poc.yaml")
    file.write_text("config: {}\n")
    pulumi.up(SHIFTS)
    pulumi.up({})
    plain = "up --refresh --yes --skip-preview -s poc"
    first, second = Path("argv").read_text().splitlines()
    head, copy, *rest = first.removeprefix(f"{plain} ").split()
    assert (head, rest) == (
        "--config-file",
        ["--config=deployStrategy=blueGreen", "--config=bakeMinutes=0"],
    )
    assert copy.endswith("/Pulumi.poc.yaml")
    assert (copy != str(file), Path(copy).exists()) == (True, False)
    assert (second, file.read_text()) == (plain, "config: {}\n")


def test_a_failure_of_pulumi_is_told_in_its_words(pulumi, monkeypatch):
    Path("fails").touch()
    with pytest.raises(Refused, match=r"`pulumi preview .*` failed: error: no credentials"):
        pulumi.check_preview()
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(Refused, match="pulumi is not on PATH"):
        pulumi.instance_id()


def test_a_state_without_the_database_is_refused(pulumi):
    Path("stack").write_text(json.dumps({"deployment": {"resources": [OTHER]}}))
    with pytest.raises(Refused, match=f"state of poc has no DB instance {NAME}"):
        pulumi.instance_id()
