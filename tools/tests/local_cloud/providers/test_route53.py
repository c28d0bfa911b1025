"""Route 53 judges a change batch by the record sets of the zone, in its own words."""

from __future__ import annotations

import pytest

from tools.tests.local_cloud.providers.conftest import counter, refused

SERVICE, CHANGE = "route53", "change_resource_record_sets"
NAME = "www.example.com."


@pytest.fixture
def zone(calls):
    given = {"Name": "example.com", "CallerReference": f"zone-{next(counter)}"}
    return calls(SERVICE, "create_hosted_zone", given)["HostedZone"]["Id"].rpartition("/")[2]


def record(value="192.0.2.1", kind="A", ttl=60):
    return {"Name": NAME, "Type": kind, "TTL": ttl, "ResourceRecords": [{"Value": value}]}


def batch(zone, *changes):
    listed = [{"Action": action, "ResourceRecordSet": each} for action, each in changes]
    return {"HostedZoneId": zone, "ChangeBatch": {"Changes": listed}}


def in_zone(calls, zone):
    found = calls(SERVICE, "list_resource_record_sets", {"HostedZoneId": zone})
    return [
        (each["Name"], each["Type"], each["ResourceRecords"][0]["Value"])
        for each in found["ResourceRecordSets"]
        if each["Type"] not in ("NS", "SOA")
    ]


def test_a_record_set_is_made_again_after_its_deletion(calls, zone):
    other = {**record("192.0.2.8"), "Name": "zone.example.com."}
    calls(SERVICE, CHANGE, batch(zone, ("CREATE", other)))
    rest = [("zone.example.com.", "A", "192.0.2.8")]
    for _ in range(2):
        calls(SERVICE, CHANGE, batch(zone, ("CREATE", record())))
        assert in_zone(calls, zone) == [(NAME, "A", "192.0.2.1"), *rest]
        calls(SERVICE, CHANGE, batch(zone, ("DELETE", record())))
        assert in_zone(calls, zone) == rest


def test_one_batch_replaces_a_record_set(calls, zone):
    calls(SERVICE, CHANGE, batch(zone, ("CREATE", record())))
    calls(SERVICE, CHANGE, batch(zone, ("DELETE", record()), ("CREATE", record("192.0.2.2"))))
    assert in_zone(calls, zone) == [(NAME, "A", "192.0.2.2")]
    calls(SERVICE, CHANGE, batch(zone, ("UPSERT", record("192.0.2.3"))))
    assert in_zone(calls, zone) == [(NAME, "A", "192.0.2.3")]


WORDS = f"resource record set [name='{NAME}', type='A']"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ([("CREATE", record("192.0.2.9"))], f"[Tried to create {WORDS} but it already exists]"),
        (
            [("DELETE", record("192.0.2.9"))],
            f"[Tried to delete {WORDS} but the values provided do not match the current values]",
        ),
        (
            [("DELETE", record(ttl=61))],
            f"[Tried to delete {WORDS} but the values provided do not match the current values]",
        ),
        (
            [("DELETE", record()), ("DELETE", record())],
            f"[Tried to delete {WORDS} but it was not found]",
        ),
        (
            [("CREATE", record("example.org", "CNAME"))],
            f"[RRSet of type CNAME with DNS name {NAME} is not permitted as it conflicts with other records with "
            "the same DNS name in zone example.com.]",
        ),
    ],
    ids=["exists", "other value", "other TTL", "twice", "beside another type"],
)
def test_a_batch_that_does_not_fit_changes_nothing(calls, zone, changes, message):
    calls(SERVICE, CHANGE, batch(zone, ("CREATE", record())))
    error = refused(calls, SERVICE, CHANGE, batch(zone, *changes))
    assert (error["Code"], error["Message"]) == ("InvalidChangeBatch", message)
    assert in_zone(calls, zone) == [(NAME, "A", "192.0.2.1")]


def test_nothing_is_made_beside_a_cname(calls, zone):
    calls(SERVICE, CHANGE, batch(zone, ("CREATE", record("example.org", "CNAME"))))
    error = refused(calls, SERVICE, CHANGE, batch(zone, ("CREATE", record())))
    assert "because a conflicting RRSet of type CNAME with the same DNS name" in error["Message"]
