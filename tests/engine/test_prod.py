"""The prod stack's whole life, twice with the same names, by the real engine: every setting is changed in it."""

import time
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest

from careapp.additions.parts.pauses import Pause
from careapp.settings.app_resources import UPLOADS_ENABLED
from local_cloud.engine.pulumi import PulumiFailed
from local_cloud.providers import lifecycle
from tests.support.every_setting import KEPT, ONE_WAY, allow_boundary, changes, left_to_do, values
from tests.support.local_stack import local_stack

UPLOADS = UPLOADS_ENABLED.name
REGION = "us-east-1"
"""Its zones differ between accounts, and S3 creates buckets in it by other parameters."""
CHANGES = changes("prod") | {"certificateArn": f"arn:aws:acm:{REGION}:111122223333:certificate/0a"}
VALUES = values("prod")


def snapshots(stack):
    found = stack.calls("rds", "describe_db_snapshots", {"SnapshotType": "manual"})["DBSnapshots"]
    return [item["DBSnapshotIdentifier"] for item in found]


def endpoint(calls):
    """The route tables of the gateway endpoint, and those of the private subnets."""
    [found] = calls("ec2", "describe_vpc_endpoints", {})["VpcEndpoints"]
    named = [{"Name": "tag:Name", "Values": ["careapp-prod-private-*"]}]
    tables = calls("ec2", "describe_route_tables", {"Filters": named})["RouteTables"]
    return sorted(found["RouteTableIds"]), sorted(table["RouteTableId"] for table in tables)


HELD_BACK = 3
"""Seconds, in which all that a NAT gateway needs by its inputs is made."""


@contextmanager
def slow_internet_gateway():
    """Let EC2 take its time with the internet gateway."""
    create = lifecycle.create

    def late(calls, kind, inputs, cancel):
        if kind.token.endswith(":InternetGateway"):
            time.sleep(HELD_BACK)
        return create(calls, kind, inputs, cancel)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lifecycle, "create", late)
        yield


class Life:
    """One life of the stack: up in two stages, every setting changed and put back, destroyed."""

    def __init__(self, stack):
        with slow_internet_gateway():
            self.first = stack.up(ecsEnabled="false", **{UPLOADS: "true"})
        self.gateways = stack.calls("ec2", "describe_nat_gateways", {})["NatGateways"]
        self.zones = stack.outputs()["kept"]["zones"]
        stack.configure({"ecsEnabled": "true"})
        # A control that is violated ends this.
        self.second = stack.pulumi.update("up", stack.name, "--policy-pack", "policy")
        allow_boundary(stack)
        self.changed = stack.up(**CHANGES, **ONE_WAY)
        self.endpoint, self.private = endpoint(stack.calls)
        self.after_change = left_to_do(stack)
        self.back = stack.up(**{key: VALUES[key] for key in CHANGES})
        self.keep_objects(stack)
        stack.configure({"protect": "false"})
        self.lifted = left_to_do(stack)
        stack.up(**dict.fromkeys(KEPT, "false"))
        self.destroyed = stack.destroy()
        self.left = stack.resources()
        self.snapshots = snapshots(stack)

    @staticmethod
    def keep_objects(stack):
        """Put objects into both buckets, which only lifted protection empties: in one with versions and a marker."""
        names = [bucket["Name"] for bucket in stack.calls("s3", "list_buckets", {})["Buckets"]]
        logs, files = (
            next(name for name in names if name.startswith(f"careapp-prod-{kind}"))
            for kind in ("access-logs", "uploads")
        )
        log = {"Bucket": logs, "Key": "AWSLogs/one.log.gz", "Body": b"a request"}
        stack.calls("s3", "put_object", log)
        for body in (b"first", b"second"):
            stack.calls("s3", "put_object", {"Bucket": files, "Key": "a", "Body": body})
        stack.calls("s3", "delete_object", {"Bucket": files, "Key": "a"})
        assert len(stack.calls("s3", "list_object_versions", {"Bucket": files})["Versions"]) == 2


class PausedLife:
    """Another life under the same names, destroyed while its database is stopped."""

    def __init__(self, stack):
        named = {"DBInstanceIdentifier": "careapp-prod"}
        stack.up(ecsEnabled="true")
        self.paused = stack.careapp("pause", "--yes")
        made = stack.calls("rds", "stop_db_instance", named)["DBInstance"]
        tags = [
            {"Key": key, "Value": value} for key, value in Pause(datetime.now(UTC)).tags.items()
        ]
        tagged = {"ResourceName": made["DBInstanceArn"], "Tags": tags}
        stack.calls("rds", "add_tags_to_resource", tagged)
        with pytest.raises(PulumiFailed) as refused:
            stack.destroy()
        self.refused = refused.value.output
        self.kept = {resource["type"] for resource in stack.resources()}
        self.doctor = stack.careapp("doctor")
        self.resumed = stack.careapp("resume")
        stack.destroy()
        self.left = stack.resources()
        self.snapshots = snapshots(stack)


@pytest.fixture(scope="module")
def lives(tmp_path_factory):
    with local_stack(tmp_path_factory.mktemp("prod"), "prod", REGION) as stack:
        yield Life(stack), PausedLife(stack)


@pytest.fixture(scope="module")
def life(lives):
    return lives[0]


@pytest.fixture(scope="module")
def paused(lives):
    return lives[1]


def replaced(changes):
    return {step.split()[1] for step in changes.steps if step.startswith("replace ")}


def test_a_region_whose_zones_differ_between_accounts_has_them_from_aws(life):
    assert life.zones == ["us-east-1a", "us-east-1b"]


def test_every_nat_gateway_of_a_new_vpc_waits_for_the_internet_gateway(life):
    """awsx leaves their order open, and EC2 does not forgive it."""
    assert [gateway["State"] for gateway in life.gateways] == ["available", "available"]


def test_stage_2_only_adds(life):
    done = life.second
    assert (done.updated, done.replaced, done.deleted) == (0, 0, 0)
    assert done.unchanged == life.first.created


@pytest.mark.parametrize("step", ["changed", "back"])
def test_a_running_protected_stack_takes_every_change_and_replaces_nothing_of_value(life, step):
    """RDS gives no subnet away in which the database may live: its subnet group stays as it is."""
    done = getattr(life, step)
    assert replaced(done) == {
        "aws:ecs/taskDefinition:TaskDefinition",
        "aws:lb/listenerRule:ListenerRule",
    }
    assert not [each for each in done.steps if "aws:rds/subnetGroup" in each]


def test_nothing_is_left_to_change_then(life):
    assert life.after_change == []


def test_the_gateway_endpoint_is_in_the_route_tables_of_the_tasks_subnets_and_in_no_other(life):
    assert life.endpoint == life.private
    assert len(life.private) > 1


@pytest.mark.parametrize("step", ["changed", "back"])
def test_rules_of_new_clients_are_made_before_those_of_former_ones_go(life, step):
    """At each moment the clients of one of the two settings get in; with HTTPS on two ports."""
    done = getattr(life, step)
    rules = [each for each in done.steps if "IngressRule" in each and "-to-alb-" in each]
    found = [rule.split()[0] for rule in rules]
    assert {*found} == {"create", "delete"}
    assert found == sorted(found)
    assert "lets more clients in" not in life.changed.said, "the gate warns of a rule that goes"


def test_lifting_the_protection_only_updates_what_was_protected_on_aws_too(life):
    """With a refresh: whatever the settings that were put back had left would be seen here."""
    assert {step.rpartition(" ")[0] for step in life.lifted} == {
        "update aws:ecr/repository:Repository",
        "update aws:lb/loadBalancer:LoadBalancer",
        "update aws:rds/instance:Instance",
        "update aws:s3/bucket:Bucket",
        "update aws:s3/bucketVersioning:BucketVersioning",  # suspended: what is there stays
    }


def test_destroy_then_leaves_no_resource_and_no_name_that_is_wanted_again(life, paused):
    """The second life has the same names, which AWS refuses while they are taken."""
    assert (life.left, paused.left) == ([], [])


def test_each_life_leaves_its_last_snapshot_under_a_name_of_its_own(life, paused):
    assert len(life.snapshots) == 1
    assert len(paused.snapshots) == 2
    assert all(name.endswith("-final") for name in paused.snapshots)


def test_a_paused_stack_that_keeps_a_snapshot_is_destroyed_only_after_it_is_resumed(paused):
    """RDS takes no snapshot of a stopped database. The service is deleted by then, the data is not.

    So `pause` refuses the stack without protection; its database was stopped by hand.
    """
    assert paused.paused.returncode == 1
    assert "can be paused only while it is protected" in paused.paused.stderr
    assert "InvalidDBInstanceState" in paused.refused
    assert "aws:rds/instance:Instance" in paused.kept
    assert "./careapp resume -s prod" in paused.doctor.stdout
    assert paused.resumed.returncode == 0, paused.resumed.stdout + paused.resumed.stderr
