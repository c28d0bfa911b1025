"""AWS's recorded answers held against the local cloud: what AWS always sends, its errors, what is not answered.

``members.txt`` and ``errors.txt`` are written by ``renew``; ``RECORD=1`` writes ``unanswered.txt``.
"""

import os
from pathlib import Path

import pytest
import yaml

from local_cloud.aws import hooks
from local_cloud.aws.s3 import rules as s3
from tests.recordings import tables
from tests.recordings.conftest import NOT_DONE, READS, ask

UNANSWERED = Path(__file__).with_name("unanswered.txt")
OTHERWISE = {
    part: {name for names in reasons.values() for name in names}
    for part, reasons in yaml.safe_load(
        Path(__file__).with_name("otherwise.yaml").read_text()
    ).items()
}

pytestmark = pytest.mark.slow


def test_each_member_that_aws_always_sends_is_sent_in_its_form(answers):
    found = {
        f"{' '.join(call)} {path}": what
        for call, operation in tables.operations().items()
        for answer in answers.good.get(call, ())
        for path, what in tables.lacking(operation.members, answer)
    }
    assert {member: found[member] for member in found.keys() - OTHERWISE["members"]} == {}
    assert OTHERWISE["members"] - found.keys() == set(), "they are sent now"


def test_each_operation_is_answered_but_for_the_listed_ones(answers):
    """Each with the number of AWS's recordings, and what the local cloud says."""
    lines = []
    for call, operation in sorted(tables.operations().items()):
        codes = {code for code, _ in answers.refused.get(call, ())} & NOT_DONE
        if codes and call not in answers.good:
            lines.append(f"{' '.join(call)} {operation.recordings} {codes.pop()}\n")
        assert call in answers.good or call in answers.refused, f"nobody calls {call}"
    if os.environ.get("RECORD"):
        UNANSWERED.write_text("".join(lines))
    assert lines == UNANSWERED.read_text().splitlines(keepends=True)


def test_each_error_of_aws_is_one_here_with_its_status(answers):
    """The calls that AWS refused in its recordings are refused here, where ``calls.yaml`` can make them."""
    left, lacking = set(), set()
    for (service, code), (statuses, operations) in tables.errors().items():
        for operation in operations:
            seen = {*answers.refused.get((service, operation), ())}
            name = f"{service} {operation} {code}"
            if (service, operation) not in answers.good and NOT_DONE & {error for error, _ in seen}:
                lacking.add(name)
            elif not {(code, status) for status in statuses} & seen:
                left.add(name)
    assert left - OTHERWISE["errors"] == set()
    assert OTHERWISE["errors"] - left - lacking == set(), "they are refused now"


@pytest.mark.parametrize("service", sorted({service for service, _ in tables.errors()}))
def test_a_code_of_aws_is_sent_with_its_status(answers, monkeypatch, service):
    """Whatever rule of the local cloud refuses with it."""
    wrong = {}
    operation = next(
        name for of, name in tables.operations() if of == service and name.startswith(READS)
    )
    for (of, code), (statuses, _) in tables.errors().items():
        if of == service:
            refuse(monkeypatch, service, operation, hooks.Refused(code, "no"))
            ask(answers, service, operation)
            found = answers.refused[service, operation].pop()
            if found not in {(code, status) for status in statuses}:
                wrong[f"{service} {code}"] = (found, statuses)
    assert {code: wrong[code] for code in wrong.keys() - OTHERWISE["statuses"]} == {}


def refuse(monkeypatch, service, operation, refused):
    """Let the local cloud refuse an operation."""

    def fail(*_):
        raise refused

    if service == "s3":
        monkeypatch.setattr(s3, "_check", fail)
    else:
        monkeypatch.setitem(hooks.registry.before, (service, operation), [fail])


def test_what_a_member_says_is_derived_from_the_stack(answers):
    """A constant would be in its form, too."""
    definition = answers.ecs.describe_task_definition(taskDefinition="app")["taskDefinition"]
    own, aws = "ecs.capability.", "com.amazonaws.ecs.capability."
    assert [attribute["name"] for attribute in definition["requiresAttributes"]] == [
        *(f"{aws}docker-remote-api.1.18", f"{aws}docker-remote-api.1.19", f"{aws}ecr-auth"),
        *(f"{aws}logging-driver.awslogs", f"{aws}task-iam-role"),
        *(f"{own}execution-role-awslogs", f"{own}execution-role-ecr-pull", f"{own}task-eni"),
    ]
    caller = answers.sts.get_caller_identity()["Arn"]
    assert definition["registeredBy"] == caller
    asked = {"clusters": ["main"], "include": ["STATISTICS"]}
    [cluster] = answers.ecs.describe_clusters(**asked)["clusters"]
    counts = {statistic["name"]: statistic["value"] for statistic in cluster["statistics"]}
    assert counts["activeFargateServiceCount"] == str(cluster["activeServicesCount"]) == "1"
    running = len(answers.ecs.list_tasks(cluster="main")["taskArns"])
    assert counts["runningFargateTasksCount"] == str(cluster["runningTasksCount"]) == str(running)
    [snapshot] = answers.rds.describe_db_snapshots(DBSnapshotIdentifier="taken")["DBSnapshots"]
    instance = answers.stack.instance()
    for name in ("AvailabilityZone", "LicenseModel", "StorageType", "KmsKeyId"):
        assert snapshot[name] == instance[name]
    assert snapshot["VpcId"] == answers.stack.ids["vpc"]
    assert snapshot["OptionGroupName"] == "default:postgres-17"
    volumes = answers.ec2.describe_volumes()["Volumes"]

    ends = {e["Device"]: e["DeleteOnTermination"] for each in volumes for e in each["Attachments"]}
    assert (ends["/dev/sda1"], ends["/dev/sdf"]) == (True, False)
    assert sorted(volume["SnapshotId"][:5] for volume in volumes)[-1] == "snap-"
