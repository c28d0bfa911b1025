"""ACM and Route 53 where moto differs from AWS: when a certificate is issued, ids, and resources that already exist.

A stack names a hosted zone, and may name a certificate, that it does not create. They exist in the
user's account but not in the local cloud. The rehearsal therefore creates the zone when it is first
read or gets a record, and a certificate of the region when a listener uses it.
"""

import secrets
import string
from typing import Any

from moto import settings
from moto.acm.models import CertBundle
from moto.route53 import models as route53
from moto.route53.models import FakeZone

from local_cloud.aws.hooks import ACCOUNT, Params, Refused, backend, before, registry

_describe = CertBundle.describe
NEVER = 1 << 31
"""Seconds after which moto would issue a certificate without its DNS records."""


def install() -> None:
    """Stop moto from issuing certificates by time, and give zones ids."""
    settings.ACM_VALIDATION_WAIT = NEVER
    CertBundle.describe = _described  # type: ignore[method-assign,assignment]
    route53.create_route53_zone_id = new_zone_id


def _described(certificate: CertBundle) -> dict[str, Any]:
    """Describe a certificate. It has an IssuedAt only once it is issued (API reference, CertificateDetail)."""
    found = _describe(certificate)
    if certificate.status == "PENDING_VALIDATION":
        found["Certificate"].pop("IssuedAt", None)
    return found


def new_zone_id(*_: Any, **__: Any) -> str:
    """Return an id as Route 53 gives it: Z and capitals or digits. moto's begin with any of them."""
    return "Z" + "".join(secrets.choice(string.ascii_uppercase + string.digits) for _ in range(20))


@before("acm", "DescribeCertificate")
def issued_by_its_records(params: Params) -> None:
    known = backend("acm")._certificates.get(params["CertificateArn"])
    if known is not None and known.status == "PENDING_VALIDATION":
        options = known.describe()["Certificate"]["DomainValidationOptions"]
        if all(_exists(option["ResourceRecord"]) for option in options):
            known.status = "ISSUED"


def _exists(wanted: dict[str, str]) -> bool:
    return any(
        record.name.rstrip(".") == wanted["Name"].rstrip(".")
        and record.type == wanted["Type"]
        and [value.rstrip(".") for value in record.records or ()] == [wanted["Value"].rstrip(".")]
        for zone in backend("route53").zones.values()
        for record in zone.rrsets
    )


@before("elbv2", "CreateListener")
@before("elbv2", "ModifyListener")
def _certificate_serves(params: Params) -> None:
    for wanted in params.get("Certificates") or []:
        arn = str(wanted["CertificateArn"])
        known = backend("acm")._certificates.get(arn) or _assumed_certificate(arn)
        if known is None:
            raise Refused("CertificateNotFound", f"Certificate '{arn}' not found")
        if known.status != "ISSUED":
            words = f"The certificate '{arn}' must have a fully-qualified domain name, a supported "
            words += "signature, and a supported key size."
            raise Refused("UnsupportedCertificate", words)


def _assumed_certificate(arn: str) -> Any:
    """Return a certificate that the user's account is assumed to have; None if it is of another region."""
    service, region = arn.split(":")[2:4]
    if (service, region) != ("acm", registry.region):
        return None
    made = CertBundle.generate_cert("localhost", ACCOUNT, region)
    made.arn, made.status = arn, "ISSUED"
    backend("acm")._certificates[arn] = made
    return made


ROOT = "."
"""The name of a zone that is only known by its id. Every name ends with it."""


def _given_zone(params: Params, member: str) -> Any:
    """Return the zone, which the user's account is assumed to have."""
    zones, identity = backend("route53").zones, str(params[member]).rpartition("/")[2]
    if identity not in zones:
        zone: Any = FakeZone  # moto's own instances lack the same abstract methods.
        zones[identity] = zone(ROOT, identity, private_zone=False, caller_reference=identity)
    return zones[identity]


@before("route53", "GetHostedZone")
def zone_to_read(params: Params) -> None:
    """Let a zone be read before it has a record, as the provider reads it (terraform-provider-aws, record.go)."""
    _given_zone(params, "Id")


@before("route53", "ChangeResourceRecordSets")
def zone_of_records(params: Params) -> None:
    zone = _given_zone(params, "HostedZoneId")
    if zone.name == ROOT:
        name = params["ChangeBatch"]["Changes"][0]["ResourceRecordSet"]["Name"].rstrip(".")
        # Any parent domain can hold the record; the real zone's name is not known.
        zone.name = ".".join(name.split(".")[-2:]) + "."
