"""Certificates, waiting until they are issued, and records of a hosted zone."""

from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

from local_cloud.calls import Calls
from local_cloud.providers.kind import Kind, Subject, Values, leave, on_change, regular


def _options(_: Subject, found: Values) -> list[Values]:
    """Return the validation records, one for each domain name."""
    return [_option(option) for option in found["DomainValidationOptions"]]


def _option(option: Any) -> Values:
    record = option["ResourceRecord"]
    return {
        "domainName": option["DomainName"],
        "resourceRecordName": record["Name"],
        "resourceRecordType": record["Type"],
        "resourceRecordValue": record["Value"],
    }


CERTIFICATE = regular(
    "aws:acm/certificate:Certificate",
    "CertificateArn",
    create="request_certificate",
    read="describe_certificate",
    replaces=(
        "certificateAuthorityArn domainName keyAlgorithm subjectAlternativeNames validationMethod"
    ),
    unread={"subjectAlternativeNames": "AWS adds the domain's own; they cannot be changed"},
    outputs={"arn": "CertificateArn", "domainValidationOptions": _options, "status": "Status"},
)

NEVER = datetime.min.replace(tzinfo=UTC)


def _issued(answer: Values) -> str:
    """Return when the certificate was issued, as Go writes a time: the id (terraform-provider-aws).

    The provider reads it before it waits, so that the id of a new certificate is Go's zero time.
    """
    moment: datetime = answer["Certificate"].get("IssuedAt", NEVER)
    text = moment.astimezone(UTC).isoformat(" ").removesuffix("+00:00")
    return f"{text.rstrip('0') if '.' in text else text} +0000 UTC"


VALIDATION = regular(
    "aws:acm/certificateValidation:CertificateValidation",
    "CertificateArn",
    # It creates nothing in AWS. It exists when the certificate is issued.
    create="describe_certificate",
    identity_from=_issued,
    named_by="certificateArn",
    read="describe_certificate",
    found="Certificate",
    on_delete=leave,
    replaces="certificateArn validationRecordFqdns",
    ignored={"validationRecordFqdns": "only tells the provider which records to expect"},
    ready=("Status", "ISSUED"),
    outputs={"certificateArn": "CertificateArn"},
)


def _record(inputs: Values) -> Values:
    """Convert ``records`` and ``aliases`` to Route 53's ``resourceRecords`` and ``aliasTarget``."""
    renamed = {"aliases", "name", "records", "ttl", "type", "zoneId", "allowOverwrite"}
    left = {name: value for name, value in inputs.items() if name not in renamed}
    return {**left, "hostedZoneId": inputs["zoneId"], "changeBatch": _batch(inputs)}


def _batch(inputs: Values) -> Values:
    record: Values = {"name": inputs["name"], "type": inputs["type"]}
    if inputs.get("records"):
        values = [{"value": value} for value in inputs["records"]]
        record |= {"TTL": int(inputs["ttl"]), "resourceRecords": values}
    for alias in inputs.get("aliases") or []:
        record["aliasTarget"] = alias
    action = "UPSERT" if inputs.get("allowOverwrite") else "CREATE"
    return {"changes": [{"action": action, "resourceRecordSet": record}]}


def _change(subject: Subject, action: str) -> None:
    [change] = subject.inputs["changeBatch"]["changes"]
    batch = {"changes": [{**change, "action": action}]}
    asked = {"hostedZoneId": subject.inputs["hostedZoneId"], "changeBatch": batch}
    subject.send("change_resource_record_sets", asked)


def _create(calls: Calls, kind: Kind, inputs: Values) -> str:
    record = inputs["changeBatch"]["changes"][0]["resourceRecordSet"]
    # AWS has no id of a record. The provider's has the name as declared (terraform-provider-aws, record.go).
    identity = f"{inputs['hostedZoneId']}_{record['name'].lower()}_{record['type']}"
    subject = Subject(kind=kind, calls=calls, identity=identity, inputs=inputs)
    _change(subject, inputs["changeBatch"]["changes"][0]["action"])
    return identity


def _look(subject: Subject) -> Values | None:
    record = subject.inputs["changeBatch"]["changes"][0]["resourceRecordSet"]
    asked = {"HostedZoneId": subject.inputs["hostedZoneId"]}
    try:
        answer = subject.calls("route53", "list_resource_record_sets", asked)
    except ClientError as problem:
        if problem.response["Error"]["Code"] == "NoSuchHostedZone":
            return None
        raise
    wanted = (record["name"].rstrip("."), record["type"])
    found = [
        dict(each)
        for each in answer["ResourceRecordSets"]
        if (each["Name"].rstrip("."), each["Type"]) == wanted
    ]
    return found[0] if found else None


RECORD = regular(
    "aws:route53/record:Record",
    "HostedZoneId",
    create="change_resource_record_sets",
    on_create=_create,
    look=_look,
    on_delete=lambda subject: _change(subject, "DELETE"),
    replaces="zoneId name",
    prepare=_record,
    reads={"aliases": "AliasTarget && [AliasTarget]", "records": "ResourceRecords[].Value"},
    unread={"name": "it may end with a dot", "allowOverwrite": "only chooses the operation"},
    settings=(on_change(lambda subject: _change(subject, "UPSERT"), "changeBatch"),),
    outputs={
        "fqdn": lambda _, found: found["Name"].rstrip("."),
        "name": lambda _, found: found["Name"].rstrip("."),
    },
    absent=("NoSuchHostedZone", "InvalidChangeBatch"),
)

KINDS = (CERTIFICATE, VALIDATION, RECORD)
