"""Route 53's judgement of a change batch: by the record sets that the zone has, where moto looks at past changes.

API reference, ChangeResourceRecordSets; its messages: boto/boto issue 2887 (not found), kubernetes-sigs/external-dns
issue 732 (other values), jenkins-x/terraform-aws-eks-jx issue 63 (exists), hashicorp/terraform issue 9732 and
aws/aws-sdk-java issue 1996 (beside a CNAME).
"""

from collections.abc import Mapping
from typing import Any

from moto.route53.models import ChangeList

from local_cloud.aws.hooks import Params, Refused, backend, before, instead

Key = tuple[str, str, str]
"""A record set's name, type and SetIdentifier."""
Records = dict[Key, tuple[Any, ...]]


class Judged(ChangeList):
    """moto's journal of a zone, by which it refuses nothing."""

    def __contains__(self, item: Any) -> bool:
        return False

    def has_insert_or_update(self, new_rr_set: dict[str, Any]) -> bool:  # noqa: ARG002 - moto's
        """Return True, for moto refuses to delete what it does not find here."""
        return True


@before("route53", "ChangeResourceRecordSets")
def batch_fits(params: Params) -> None:
    """Refuse a batch of which one change does not fit the zone after the changes before it."""
    zone = backend("route53").zones[str(params["HostedZoneId"]).rpartition("/")[2]]
    zone.rr_changes = Judged()
    records: Records = {
        (_name(rrset.name), str(rrset.type), rrset.set_identifier or ""): _values(
            rrset.ttl, rrset.records or (), rrset.alias_target
        )
        for rrset in zone.rrsets
    }
    for change in params["ChangeBatch"]["Changes"]:
        problem = _change(records, change["Action"], change["ResourceRecordSet"], zone.name)
        if problem:
            raise Refused("InvalidChangeBatch", f"[{problem}]")


def _change(records: Records, action: str, wanted: Params, zone: str) -> str | None:
    """Change the records, or return why Route 53 does not."""
    key = (_name(wanted["Name"]), wanted["Type"], wanted.get("SetIdentifier") or "")
    values = [record["Value"] for record in wanted.get("ResourceRecords") or ()]
    content = _values(wanted.get("TTL"), values, wanted.get("AliasTarget"))
    name, kind = key[:2]
    words = f"resource record set [name='{name}', type='{kind}']"
    if action == "DELETE":
        if key not in records:
            return f"Tried to delete {words} but it was not found"
        if records.pop(key) != content:
            return (
                f"Tried to delete {words} but the values provided do not match the current values"
            )
        return None
    if action == "CREATE" and key in records:
        return f"Tried to create {words} but it already exists"
    others = {other for named, other, _ in records if named == name} - {kind}
    begin = f"RRSet of type {kind} with DNS name {name} is not permitted"
    if others and kind == "CNAME":
        return f"{begin} as it conflicts with other records with the same DNS name in zone {zone}"
    if "CNAME" in others:
        conflict = "a conflicting RRSet of type CNAME with the same DNS name already exists"
        return f"{begin} because {conflict} in zone {zone}"
    records[key] = content
    return None


@instead("route53", "TestDNSAnswer")
def answer(params: Params) -> Params:
    """Return what the zone has of a name and type (API reference, TestDNSAnswer).

    Of an alias AWS returns addresses, and of a zone of the user's account only AWS knows the name servers.
    """
    zone = backend("route53").get_hosted_zone(params["HostedZoneId"])
    name, kind = _name(params["RecordName"]), params["RecordType"]
    named = [rrset for rrset in zone.rrsets if _name(rrset.name) == name]
    found = [record for record in named if record.type == kind]
    if zone.delegation_set is None or any(record.alias_target for record in found):
        raise NotImplementedError
    return {
        "Nameserver": zone.delegation_set.name_servers[0],
        "RecordName": name,
        "RecordType": kind,
        "RecordData": [value for record in found for value in record.records],
        "ResponseCode": "NOERROR" if named else "NXDOMAIN",
        "Protocol": "UDP",
    }


def _name(name: str) -> str:
    return name.rstrip(".").lower() + "."


def _values(ttl: Any, values: Any, alias: Mapping[str, Any] | None) -> tuple[Any, ...]:
    """Return what a deletion must give again. The values' order does not count."""
    if alias:
        target = _name(str(alias["DNSName"]))
        return alias["HostedZoneId"], target, str(alias["EvaluateTargetHealth"]).lower()
    return str(ttl), sorted(map(str, values))
