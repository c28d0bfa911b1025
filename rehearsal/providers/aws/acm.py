"""Certificates, and waiting until they are issued."""

from __future__ import annotations

from typing import Any

from rehearsal.providers.kind import Kind, Subject, Values


def _options(_: Subject, found: Values) -> list[Values]:
    """Return the validation records, one for each domain name."""
    return [_option(each) for each in found["DomainValidationOptions"]]


def _option(option: Any) -> Values:
    record = option["ResourceRecord"]
    return {
        "domainName": option["DomainName"],
        "resourceRecordName": record["Name"],
        "resourceRecordType": record["Type"],
        "resourceRecordValue": record["Value"],
    }


CERTIFICATE = Kind(
    token="aws:acm/certificate:Certificate",
    service="acm",
    identity="CertificateArn",
    create="request_certificate",
    identity_from="CertificateArn",
    read="describe_certificate",
    found="Certificate",
    delete="delete_certificate",
    replaces=frozenset(
        {"certificateAuthorityArn", "domainName", "keyAlgorithm", "subjectAlternativeNames"}
        | {"validationMethod"}
    ),
    outputs={
        "arn": "CertificateArn",
        "domainValidationOptions": _options,
        "status": "Status",
    },
)

VALIDATION = Kind(
    token="aws:acm/certificateValidation:CertificateValidation",
    service="acm",
    identity="CertificateArn",
    # It creates nothing in AWS. It exists when the certificate is issued.
    create="describe_certificate",
    identity_from="Certificate.CertificateArn",
    read="describe_certificate",
    found="Certificate",
    on_delete=lambda _: None,
    replaces=frozenset({"certificateArn", "validationRecordFqdns"}),
    ignored={"validationRecordFqdns": "only tells the provider which records to expect"},
    ready=("Status", "ISSUED"),
    outputs={"certificateArn": "CertificateArn"},
)

KINDS = (CERTIFICATE, VALIDATION)
