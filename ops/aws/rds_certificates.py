"""Reads which root certificate authorities of RDS the app in webapp/ carries."""

from __future__ import annotations

from ops.shared.rds_roots import names
from stack.app import APP_FOLDER
from stack.settings import Settings

BUNDLE = f"{APP_FOLDER.default}/certs/rds-ca.pem"
"""The certificate authorities that the image of the app in webapp/ carries."""


def carried(settings: Settings) -> frozenset[str] | None:
    """Return the CA names in the app's BUNDLE; None for another app or without the file."""
    bundle = settings.folder / BUNDLE
    return names(bundle) if settings.webapp and bundle.is_file() else None
