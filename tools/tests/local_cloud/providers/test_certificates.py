"""A certificate is issued when its record stands, and only then may a listener use it."""

from __future__ import annotations

import re
from threading import Event

import pytest
from botocore.exceptions import ClientError

from stack.load_balancer import HOSTED_ZONE_ID
from tools.local_cloud.providers import lifecycle
from tools.local_cloud.providers.aws import KINDS
from tools.tests.local_cloud.providers.conftest import counter

CERTIFICATE = KINDS["aws:acm/certificate:Certificate"]
VALIDATION = KINDS["aws:acm/certificateValidation:CertificateValidation"]
RECORD = KINDS["aws:route53/record:Record"]


@pytest.fixture
def zone():
    """The id of a zone that the user's account has and the local one does not."""
    return f"Z{next(counter):012}"


@pytest.fixture
def asked(calls):
    """A certificate's ARN and the record that ACM wants to see."""
    inputs = {"domainName": f"app{next(counter)}.example.com", "validationMethod": "DNS"}
    identity, made = lifecycle.create(calls, CERTIFICATE, inputs, Event())
    [option] = made["domainValidationOptions"]
    return identity, option


def record(zone, option, **changes):
    return {
        "zoneId": zone,
        "name": option["resourceRecordName"],
        "type": option["resourceRecordType"],
        "records": [option["resourceRecordValue"]],
        "ttl": 60,
        "allowOverwrite": True,
        **changes,
    }


def status(calls, arn):
    found = calls("acm", "describe_certificate", {"CertificateArn": arn})
    return found["Certificate"]["Status"]


def listen(calls, balancer, arn):
    answer = {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "503"}}
    params = {"LoadBalancerArn": balancer, "Protocol": "HTTPS", "Port": 443}
    params |= {"Certificates": [{"CertificateArn": arn}], "DefaultActions": [answer]}
    return calls("elbv2", "create_listener", params)["Listeners"][0]["ListenerArn"]


def test_a_certificate_is_pending_until_its_record_stands(calls, asked, zone):
    arn, option = asked
    assert status(calls, arn) == "PENDING_VALIDATION"
    identity, _ = lifecycle.create(calls, RECORD, record(zone, option), Event())
    # The provider's id has the name as declared, with the dot in which ACM's names end.
    assert identity == f"{zone}_{option['resourceRecordName']}_CNAME"
    assert identity.endswith("._CNAME")
    assert status(calls, arn) == "ISSUED"


@pytest.mark.parametrize(
    "wrong", [{"records": ["elsewhere.example."]}, {"type": "TXT"}, {"name": "_other.example.com."}]
)
def test_another_record_validates_nothing(calls, asked, zone, wrong):
    arn, option = asked
    lifecycle.create(calls, RECORD, record(zone, option, **wrong), Event())
    assert status(calls, arn) == "PENDING_VALIDATION"


def test_the_validation_is_there_when_the_certificate_is_issued(calls, asked, zone):
    arn, option = asked
    cancelled = Event()
    cancelled.set()
    inputs = {"certificateArn": arn}
    with pytest.raises(lifecycle.Incomplete, match="PENDING_VALIDATION") as incomplete:
        lifecycle.create(calls, VALIDATION, inputs, cancelled)
    # The provider's id is when the certificate was issued: by a log of it, Go's zero time.
    assert incomplete.value.identity == "0001-01-01 00:00:00 +0000 UTC"
    lifecycle.create(calls, RECORD, record(zone, option), Event())
    identity, made = lifecycle.create(calls, VALIDATION, inputs, Event())
    assert re.fullmatch(r"2\d{3}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d*[1-9])? \+0000 UTC", identity)
    assert made == inputs
    assert lifecycle.read(calls, VALIDATION, identity, inputs) == inputs


def test_a_listener_refuses_a_certificate_that_is_not_issued(calls, asked, zone, balancer):
    arn, option = asked
    with pytest.raises(ClientError, match="UnsupportedCertificate"):
        listen(calls, balancer, arn)
    lifecycle.create(calls, RECORD, record(zone, option), Event())
    assert status(calls, arn) == "ISSUED"
    assert listen(calls, balancer, arn)


@pytest.mark.parametrize("account", ["111122223333", "123456789012"])
def test_a_certificate_of_the_user_s_account_is_taken_as_given(calls, balancer, account):
    """Whatever the account's number, the local cloud's own too: AWS's documents write that one."""
    assert listen(calls, balancer, f"arn:aws:acm:ap-northeast-1:{account}:certificate/0a")


def test_a_certificate_of_another_region_is_not_found(calls, balancer):
    with pytest.raises(ClientError, match="CertificateNotFound"):
        listen(calls, balancer, "arn:aws:acm:us-east-1:111122223333:certificate/0a")


def test_a_certificate_in_use_is_not_deleted(calls, asked, zone, balancer):
    arn, option = asked
    lifecycle.create(calls, RECORD, record(zone, option), Event())
    assert status(calls, arn) == "ISSUED"
    listener = listen(calls, balancer, arn)
    with pytest.raises(ClientError, match="ResourceInUseException"):
        calls("acm", "delete_certificate", {"CertificateArn": arn})
    calls("elbv2", "delete_listener", {"ListenerArn": listener})
    lifecycle.delete(calls, CERTIFICATE, arn, {})
    assert lifecycle.read(calls, CERTIFICATE, arn, {}) is None


def test_a_zone_is_read_before_its_first_record_and_has_its_domain_from_then_on(calls, asked, zone):
    """terraform-provider-aws reads the zone first: a record's name must end with the zone's, or gets it appended."""

    def name():
        return calls("route53", "get_hosted_zone", {"Id": zone})["HostedZone"]["Name"]

    assert name() == "."
    lifecycle.create(calls, RECORD, record(zone, asked[1]), Event())
    assert name() == "example.com."


def test_a_zone_that_is_created_has_an_id_that_the_program_takes(calls):
    params = {"Name": "example.net", "CallerReference": f"test-{next(counter)}"}
    made = [calls("route53", "create_hosted_zone", params)["HostedZone"]["Id"] for _ in range(2)]
    ids = {each.removeprefix("/hostedzone/") for each in made}
    assert len(ids) == 2
    for identity in ids:
        assert HOSTED_ZONE_ID.rule(identity) == identity
        calls("route53", "delete_hosted_zone", {"Id": identity})


def test_a_record_changes_in_place_and_goes(calls, zone):
    def alias(name):
        target = {"name": name, "zoneId": "Z-OF-ELB", "evaluateTargetHealth": False}
        return {"zoneId": zone, "name": "www.example.org", "type": "A", "aliases": [target]}

    def shown():
        sets = calls("route53", "list_resource_record_sets", {"HostedZoneId": zone})
        return [each["AliasTarget"]["DNSName"] for each in sets["ResourceRecordSets"]]

    identity, made = lifecycle.create(calls, RECORD, alias("one.example"), Event())
    assert made["fqdn"] == "www.example.org"
    lifecycle.update(calls, RECORD, identity, alias("one.example"), alias("two.example"))
    assert shown() == ["two.example"]
    lifecycle.delete(calls, RECORD, identity, alias("two.example"))
    assert shown() == []
    assert lifecycle.read(calls, RECORD, identity, alias("two.example")) is None
