"""A certificate is issued when its record stands, and only then may a listener use it."""

import re
from threading import Event

import pytest

from local_cloud.providers import lifecycle
from local_cloud.tests.providers.conftest import REGION, counter, kind, refused, unique

VALIDATION, RECORD = "acm/certificateValidation", "route53/record"


@pytest.fixture
def zone():
    """The id of a zone that the user's account has and the local one does not."""
    return f"Z{next(counter):012}"


class Certificate:
    """A certificate that is asked for, and the record that ACM wants to see."""

    def __init__(self, aws, make, zone):
        self.aws, self.make, self.zone = aws, make, zone
        name = f"app{next(counter)}.example.com"
        self.made = make("acm/certificate", domainName=name, validationMethod="DNS")
        self.arn, [self.option] = self.made.id, self.made.outputs["domainValidationOptions"]

    @property
    def status(self):
        return self.aws.acm.describe_certificate(CertificateArn=self.arn)["Status"]

    def record(self, **changes):
        option = self.option
        inputs = {"name": option["resourceRecordName"], "type": option["resourceRecordType"]}
        inputs |= {"records": [option["resourceRecordValue"]], "ttl": 60, "allowOverwrite": True}
        return self.make(RECORD, zoneId=self.zone, **{**inputs, **changes})


@pytest.fixture
def certificate(aws, make, zone):
    return Certificate(aws, make, zone)


@pytest.fixture
def listen(aws, balancer):
    def create(arn):
        answer = {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "503"}}
        params = {"LoadBalancerArn": balancer, "Protocol": "HTTPS", "Port": 443}
        params |= {"Certificates": [{"CertificateArn": arn}], "DefaultActions": [answer]}
        return aws.elbv2.create_listener(**params)[0]["ListenerArn"]

    return create


def test_a_certificate_is_pending_until_its_record_stands(certificate, zone):
    assert certificate.status == "PENDING_VALIDATION"
    for wrong in (
        {"records": ["elsewhere.example."]},
        {"type": "TXT"},
        {"name": "_other.example.com."},
    ):
        certificate.record(**wrong).delete()
        assert certificate.status == "PENDING_VALIDATION"
    made = certificate.record()
    # The provider's id has the name as declared, with the dot in which ACM's names end.
    assert made.id == f"{zone}_{certificate.option['resourceRecordName']}_CNAME"
    assert made.id.endswith("._CNAME")
    assert certificate.status == "ISSUED"


def test_a_validation_is_there_when_the_certificate_is_issued(calls, certificate, make):
    cancelled, inputs = Event(), {"certificateArn": certificate.arn}
    cancelled.set()
    with pytest.raises(lifecycle.Incomplete, match="PENDING_VALIDATION") as incomplete:
        lifecycle.create(calls, kind(VALIDATION), inputs, cancelled)
    # The provider's id is when the certificate was issued: by a log of it, Go's zero time.
    assert incomplete.value.identity == "0001-01-01 00:00:00 +0000 UTC"
    certificate.record()
    made = make(VALIDATION, **inputs)
    assert re.fullmatch(r"2\d{3}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d*[1-9])? \+0000 UTC", made.id)
    assert made.outputs == made.read() == inputs


def test_a_certificate_is_used_when_issued_and_then_stays(aws, certificate, listen):
    refused(listen, "UnsupportedCertificate", arn=certificate.arn)
    certificate.record()
    assert certificate.status == "ISSUED"
    listener = listen(certificate.arn)
    refused(certificate.made.delete, "ResourceInUseException")
    aws.elbv2.delete_listener(ListenerArn=listener)
    certificate.made.delete()


def test_a_certificate_of_the_user_s_account_is_taken_as_given(aws, listen):
    """Whatever the account's number, the local cloud's own too: AWS's documents write that one."""
    for account in ("111122223333", "123456789012"):
        listener = listen(f"arn:aws:acm:{REGION}:{account}:certificate/0a")
        aws.elbv2.delete_listener(ListenerArn=listener)
    other = "arn:aws:acm:us-east-1:111122223333:certificate/0a"
    refused(listen, "CertificateNotFound", arn=other)


def test_a_zone_has_its_domain_from_its_first_record_on(aws, certificate, zone):
    """terraform-provider-aws reads the zone first: a record's name must end with the zone's, or gets it appended."""

    def name():
        return aws.route53.get_hosted_zone(Id=zone)["Name"]

    assert name() == "."
    certificate.record()
    assert name() == "example.com."


def test_a_zone_that_is_created_has_an_id_of_route_53_s_form(aws):
    params = {"Name": "example.net", "CallerReference": unique("test")}
    made = [aws.route53.create_hosted_zone(**params)["HostedZone"]["Id"] for _ in range(2)]
    ids = {each.removeprefix("/hostedzone/") for each in made}
    assert len(ids) == 2
    for identity in ids:
        assert re.fullmatch(r"Z[A-Z0-9]{1,31}", identity)
        aws.route53.delete_hosted_zone(Id=identity)


def test_a_record_changes_in_place_and_goes(aws, make, zone):
    def alias(name):
        return [{"name": name, "zoneId": "Z-OF-ELB", "evaluateTargetHealth": False}]

    def shown():
        sets = aws.route53.list_resource_record_sets(HostedZoneId=zone)
        return [each["AliasTarget"]["DNSName"] for each in sets]

    www = {"zoneId": zone, "name": "www.example.org", "type": "A"}
    made = make(RECORD, **www, aliases=alias("one.example"))
    assert made.outputs["fqdn"] == "www.example.org"
    made.change(aliases=alias("two.example"))
    assert shown() == ["two.example"]
    made.delete()
    assert shown() == []
