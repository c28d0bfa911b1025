"""KMS where moto differs from AWS: the defaults of a key (API reference, CreateKey)."""

from typing import Any

from moto.kms.models import KmsBackend

_create_key: Any = KmsBackend.create_key
DEFAULTS = {1: "ENCRYPT_DECRYPT", 2: "SYMMETRIC_DEFAULT", 5: False}
"""Of the arguments of moto's creation, by their place: key usage, key spec and multi-region."""


def install() -> None:
    """Give new keys their defaults. A second call changes nothing."""
    KmsBackend.create_key = _with_defaults  # type: ignore[method-assign]


def _with_defaults(self: KmsBackend, *given: Any, **named: Any) -> Any:
    """Complete the arguments of CreateKey; moto itself names those of AWS's own keys."""
    filled = [DEFAULTS.get(place) if value is None else value for place, value in enumerate(given)]
    return _create_key(self, *filled, **named)
