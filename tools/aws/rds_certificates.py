"""Names the root certificate authorities of RDS, and reads which of them a file or the app in webapp/ carries."""

from __future__ import annotations

import ssl
from pathlib import Path

from stack.image import APP_FOLDER
from stack.settings import Settings

ROOTS = {
    "rds-ca-rsa2048-g1": "RSA2048 G1",
    "rds-ca-rsa4096-g1": "RSA4096 G1",
    "rds-ca-ecc384-g1": "ECC384 G1",
}
"""By a DB instance's CACertificateIdentifier, the end of its root's name.

RDS user guide, "Using SSL/TLS to encrypt a connection to a DB instance", and the certificates in RDS's own bundle.
"""
BUNDLE = f"{APP_FOLDER.default}/certs/rds-ca.pem"
"""The certificate authorities that the image of the app in webapp/ carries."""


def carried(settings: Settings) -> frozenset[str] | None:
    """Return the CA names in the app's BUNDLE; None for another app or without the file."""
    bundle = settings.folder / BUNDLE
    return names(bundle) if settings.webapp and bundle.is_file() else None


def root(region: str, identifier: str) -> str:
    """Return the common name of the root CA of an identifier; "" for an unknown identifier."""
    kind = ROOTS.get(identifier)
    return f"Amazon RDS {region} Root CA {kind}" if kind else ""


def names(file: Path) -> frozenset[str]:
    """Return the common names of the certificate authorities in a PEM file; none where it holds no certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(file)
    except OSError:  # ssl.SSLError is one.
        return frozenset()
    subjects = [dict(part[0] for part in each["subject"]) for each in context.get_ca_certs()]  # type: ignore[misc]
    return frozenset(str(each["commonName"]) for each in subjects if "commonName" in each)
