"""KMS where moto differs from AWS: the defaults of a key (API reference, CreateKey), and who may decrypt with it."""

import json
from typing import Any

from moto.kms.models import KmsBackend

from local_cloud.aws import hooks
from local_cloud.aws.iam import documents_of, naming
from local_cloud.aws.policy_evaluation import ALLOWED, DENIED, Document, decide

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


DECRYPT = "kms:Decrypt"


def decrypts(role_arn: str, key_id: str | None) -> bool:
    """Return whether a role may decrypt what a customer's key encrypts; True of AWS's own, which is the default.

    The key's policy names the role, or a grant does; the role's own policies count only where the key's policy names
    the account (KMS developer guide, "Key policies in AWS KMS" and "Grants in AWS KMS").
    """
    if key_id is None or "alias/aws/" in key_id:
        return True
    with hooks.LOCK:
        key: Any = hooks.backend("kms").describe_key(key_id)
        granted = any(
            grant.grantee_principal == role_arn and "Decrypt" in grant.operations
            for grant in key.grants.values()
        )
    policy = json.loads(key.policy)
    documents: list[Document] = [{"Statement": [*naming(role_arn, policy)]}]
    account = {"Statement": [*naming(f"arn:aws:iam::{hooks.ACCOUNT}:root", policy)]}
    if decide([account], DECRYPT, key.arn) == ALLOWED:
        documents += documents_of(role_arn) or []
    decision = decide(documents, DECRYPT, key.arn)
    return decision == ALLOWED or (granted and decision != DENIED)
