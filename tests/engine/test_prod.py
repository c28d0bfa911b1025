"""The prod stack's whole life, twice with the same names, by the real engine."""

from __future__ import annotations

import pytest

from rehearsal.pulumi import PulumiFailed
from tests.support.local_stack import local_stack


def snapshots(stack):
    found = stack.calls("rds", "describe_db_snapshots", {"SnapshotType": "manual"})["DBSnapshots"]
    return [item["DBSnapshotIdentifier"] for item in found]


def left_on_aws(stack):
    """What AWS still holds by the names that the next life of the stack will want."""
    calls = stack.calls
    return {
        "databases": calls("rds", "describe_db_instances", {})["DBInstances"],
        "secrets": calls("secretsmanager", "list_secrets", {"IncludePlannedDeletion": True})[
            "SecretList"
        ],
        "log groups": calls("logs", "describe_log_groups", {})["logGroups"],
        "buckets": calls("s3", "list_buckets", {})["Buckets"],
        "repositories": calls("ecr", "describe_repositories", {})["repositories"],
        "alarms": calls("cloudwatch", "describe_alarms", {})["MetricAlarms"],
        "topics": calls("sns", "list_topics", {})["Topics"],
        "load balancers": calls("elbv2", "describe_load_balancers", {})["LoadBalancers"],
    }


def urns(stack):
    """All that is in the state but the engine's own providers, which come and go as it needs them."""
    known = {resource["urn"] for resource in stack.pulumi.resources(stack.name)}
    return {urn for urn in known if "pulumi:providers:" not in urn}


class Life:
    """One life of the stack: up in two stages, protection lifted, destroyed."""

    def __init__(self, stack):
        stack.pulumi.run("config", "set", "protect", "true", "--stack", stack.name)
        pack = ("--policy-pack", "policy")  # what violates a control ends each of these
        self.preview = stack.pulumi.run("preview", "--stack", stack.name, *pack)
        self.first = stack.up(ecsEnabled="false")
        stack.pulumi.run("config", "set", "ecsEnabled", "true", "--stack", stack.name)
        self.second = stack.pulumi.update("up", stack.name, *pack)
        self.refused = ""
        self.before_refusal = urns(stack)
        try:
            stack.destroy()
        except PulumiFailed as failed:
            self.refused = failed.output
        [bucket] = stack.calls("s3", "list_buckets", {})["Buckets"]
        log = {"Bucket": bucket["Name"], "Key": "AWSLogs/one.log.gz", "Body": b"a request"}
        stack.calls("s3", "put_object", log)
        self.after_refusal = urns(stack)
        self.lifted = stack.up(protect="false")
        self.destroyed = stack.destroy()
        self.left = stack.pulumi.resources(stack.name)
        self.on_aws = left_on_aws(stack)
        self.snapshots = snapshots(stack)


@pytest.fixture(scope="module")
def lives(tmp_path_factory):
    with local_stack(tmp_path_factory.mktemp("prod"), "prod") as stack:
        yield Life(stack), Life(stack)


def test_stage_2_only_adds(lives):
    for life in lives:
        done = life.second
        assert (done.updated, done.replaced, done.deleted) == (0, 0, 0)
        assert done.unchanged == life.first.created


def test_a_preview_passes_before_anything_is_there(lives):
    assert "to create" in lives[0].preview


def test_destroying_it_while_it_is_protected_is_refused(lives):
    for life in lives:
        assert "protect" in life.refused


def test_a_destroy_that_is_refused_deletes_nothing(lives):
    for life in lives:
        assert life.after_refusal == life.before_refusal


def test_lifting_the_protection_only_updates(lives):
    for life in lives:
        assert {step.split()[0] for step in life.lifted.steps} == {"update"}


def test_destroy_then_leaves_no_resource_and_no_name_that_is_wanted_again(lives):
    for life in lives:
        assert life.left == []
        assert life.destroyed.deleted == life.first.created + life.second.created
        assert {kind: held for kind, held in life.on_aws.items() if held} == {}


def test_each_life_leaves_its_last_snapshot_under_a_name_of_its_own(lives):
    first, second = lives
    assert len(first.snapshots) == 1
    assert len(second.snapshots) == 2
    assert all(name.endswith("-final") for name in second.snapshots)
    assert second.first.created == first.first.created
