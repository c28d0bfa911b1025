"""The trusted authorities are RDS's, all of them valid, and nobody changed the file."""

import datetime
import hashlib
import re

from cryptography import x509

from webapp.settings import RDS_BUNDLE

SHA256 = "7dbb082bbe632b8a25b598fd194ce5ff96e46c09a40bf8c606dc803884e3cb5d"
SUBJECT = re.compile(r"Amazon RDS ([a-z]+-[a-z]+-[0-9]) Root CA (RSA2048|RSA4096|ECC384) G1")
CERTIFICATES = x509.load_pem_x509_certificates(RDS_BUNDLE.read_bytes())


def common_name(certificate: x509.Certificate) -> str:
    return str(certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value)


def test_the_file_is_the_one_that_was_reviewed() -> None:
    assert hashlib.sha256(RDS_BUNDLE.read_bytes()).hexdigest() == SHA256


def test_every_certificate_is_an_rds_root_and_signed_by_itself() -> None:
    for certificate in CERTIFICATES:
        assert SUBJECT.fullmatch(common_name(certificate)), common_name(certificate)
        certificate.verify_directly_issued_by(certificate)
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
        assert constraints.value.ca


def test_each_region_has_all_three_algorithms() -> None:
    found = sorted(SUBJECT.sub(r"\1 \2", common_name(c)) for c in CERTIFICATES)
    regions = {name.split()[0] for name in found}
    assert found == sorted(f"{r} {a}" for r in regions for a in ("ECC384", "RSA2048", "RSA4096"))
    assert regions >= {"ap-northeast-1", "ap-northeast-3", "us-east-1", "eu-central-1"}


def test_none_expires_within_a_year() -> None:
    soon = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=365)
    assert [common_name(c) for c in CERTIFICATES if c.not_valid_after_utc < soon] == []
