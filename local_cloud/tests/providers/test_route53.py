"""Route 53 judges a change batch by the record sets of the zone, in its own words."""

from functools import partial

import pytest

from local_cloud.tests.providers.conftest import refused, unique

NAME = "www.example.com."
WORDS = f"resource record set [name='{NAME}', type='A']"


def record(value="192.0.2.1", kind="A", ttl=60, name=NAME):
    return {"Name": name, "Type": kind, "TTL": ttl, "ResourceRecords": [{"Value": value}]}


class Zone:
    """A hosted zone."""

    def __init__(self, route53):
        self.route53 = route53
        given = {"Name": "example.com", "CallerReference": unique("zone")}
        made = route53.create_hosted_zone(**given)["HostedZone"]["Id"]
        self.name = {"HostedZoneId": made.rpartition("/")[2]}

    def change(self, *changes):
        listed = [{"Action": action, "ResourceRecordSet": each} for action, each in changes]
        batch = {"Changes": listed}
        self.route53.change_resource_record_sets(**self.name, ChangeBatch=batch)

    @property
    def records(self):
        """The name, type and value of each record set that is not the zone's own."""
        return [
            (each["Name"], each["Type"], each["ResourceRecords"][0]["Value"])
            for each in self.route53.list_resource_record_sets(**self.name)
            if each["Type"] not in ("NS", "SOA")
        ]


@pytest.fixture
def zone(aws):
    return Zone(aws.route53)


def test_a_record_set_is_made_again_after_its_deletion(zone):
    zone.change(("CREATE", record("192.0.2.8", name="zone.example.com.")))
    rest = [("zone.example.com.", "A", "192.0.2.8")]
    for _ in range(2):
        zone.change(("CREATE", record()))
        assert zone.records == [(NAME, "A", "192.0.2.1"), *rest]
        zone.change(("DELETE", record()))
        assert zone.records == rest


def test_one_batch_replaces_a_record_set(zone):
    zone.change(("CREATE", record()))
    zone.change(("DELETE", record()), ("CREATE", record("192.0.2.2")))
    assert zone.records == [(NAME, "A", "192.0.2.2")]
    zone.change(("UPSERT", record("192.0.2.3")))
    assert zone.records == [(NAME, "A", "192.0.2.3")]


def test_a_batch_that_does_not_fit_changes_nothing(zone):
    zone.change(("CREATE", record()))
    differs = f"[Tried to delete {WORDS} but the values provided do not match the current values]"
    beside = f"[RRSet of type CNAME with DNS name {NAME} is not permitted as it conflicts with other records with "
    for message, *changes in (
        (f"[Tried to create {WORDS} but it already exists]", ("CREATE", record("192.0.2.9"))),
        (differs, ("DELETE", record("192.0.2.9"))),
        (differs, ("DELETE", record(ttl=61))),
        (f"[Tried to delete {WORDS} but it was not found]", *[("DELETE", record())] * 2),
        (beside + "the same DNS name in zone example.com.]", ("CREATE", record("example.org", "CNAME"))),
    ):  # fmt: skip
        batch = partial(zone.change, *changes)
        assert refused(batch, "InvalidChangeBatch") == message
        assert zone.records == [(NAME, "A", "192.0.2.1")]


def test_nothing_is_made_beside_a_cname(zone):
    zone.change(("CREATE", record("example.org", "CNAME")))
    words = "because a conflicting RRSet of type CNAME with the same DNS name"
    refused(lambda: zone.change(("CREATE", record())), "InvalidChangeBatch", words)
