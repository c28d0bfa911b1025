"""KMS where moto differs from AWS: a key's defaults, what its state and kind allow, and who may decrypt with it."""

import json
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from moto.kms import responses, utils
from moto.kms.models import KmsBackend

from local_cloud.aws import hooks
from local_cloud.aws.hooks import PAGE, Params, Refusals, other_than
from local_cloud.aws.iam import documents_of, naming
from local_cloud.aws.policies import malformed, statements, unknown_principal
from local_cloud.aws.policy_evaluation import ALLOWED, DENIED, Document, decide

_create_key: Any = KmsBackend.create_key
_check_name: Any = responses._assert_default_policy
DEFAULTS = {1: "ENCRYPT_DECRYPT", 2: "SYMMETRIC_DEFAULT", 5: False}
"""Of the arguments of moto's creation, by their place: key usage, key spec, multi-region (API reference, CreateKey)."""


def install() -> None:
    """Give new keys, and calls that name no policy of a key, their defaults. A second call changes nothing."""
    KmsBackend.create_key = _with_defaults  # type: ignore[method-assign]
    # API reference, PutKeyPolicy, PolicyName: without one it is "default".
    responses._assert_default_policy = lambda name: _check_name(name or "default")  # type: ignore[assignment]


def _with_defaults(self: KmsBackend, *given: Any, **named: Any) -> Any:
    """Complete the arguments of CreateKey; moto itself names those of AWS's own keys."""
    filled = [DEFAULTS.get(place) if value is None else value for place, value in enumerate(given)]
    return _create_key(self, *filled, **named)


KEY_USAGES = {
    "SYMMETRIC": ("ENCRYPT_DECRYPT", None),
    "HMAC": ("GENERATE_VERIFY_MAC",),
    "RSA": ("ENCRYPT_DECRYPT", "SIGN_VERIFY"),
    "ECC_NIST_P": ("SIGN_VERIFY", "KEY_AGREEMENT"),
    "ECC": ("SIGN_VERIFY",),
}
"""The usages of keys by how their specifications begin (API reference, CreateKey, KeyUsage)."""
USES = {
    "ENCRYPT_DECRYPT": "Encrypt Decrypt ReEncrypt GenerateDataKey GenerateDataKeyWithoutPlaintext GenerateDataKeyPair "
    "GenerateDataKeyPairWithoutPlaintext",
    "SIGN_VERIFY": "Sign Verify",
    "GENERATE_VERIFY_MAC": "GenerateMac VerifyMac",
    "KEY_AGREEMENT": "DeriveSharedSecret",
}
"""The operations that use a key by the usage that they need (API reference, InvalidKeyUsageException)."""
SYMMETRIC = "SYMMETRIC_DEFAULT"


def _key(given: Params, name: str = "KeyId") -> Any:
    """Return the key that a parameter names by its id, its ARN or an alias; KeyError for none."""
    kms, text = hooks.backend("kms"), hooks.backend("kms").get_alias_name(given[name])
    by_alias = text.startswith("alias/")
    return kms.keys[kms.get_key_id_from_alias(text) if by_alias else kms.get_key_id(text)]


def _encrypting(given: Params) -> Any:
    """Return the key that has encrypted a call's ciphertext; KeyError for one of another origin."""
    try:
        found = utils._deserialize_ciphertext_blob(given["CiphertextBlob"]).key_id
    except Exception as unreadable:
        raise KeyError from unreadable
    return hooks.backend("kms").keys[found]


def _where(test: Callable[[Any], object]) -> Callable[[Params], Any]:
    """Return what finds the first key of this kind that a call names, or that has encrypted the call's ciphertext."""
    names = ("KeyId", "SourceKeyId", "DestinationKeyId", "TargetKeyId")
    finds: list[Callable[[Params], Any]] = [partial(_key, name=name) for name in names]

    def find_in(given: Params) -> Any:
        for find in (*finds, _encrypting):
            with suppress(KeyError):
                if test(key := find(given)):
                    return key
        return None

    return find_in


def _of_another(usage: str) -> Callable[[Any], object]:
    return lambda key: key.key_usage != usage


def _unusable(given: Params) -> tuple[str, str | None] | None:
    """Return the specification and the usage of a key where the first one can't have the other."""
    spec, usage = given.get("KeySpec") or SYMMETRIC, given.get("KeyUsage")
    usages = next((allowed for begin, allowed in KEY_USAGES.items() if spec.startswith(begin)), ())
    return (spec, usage) if usages and usage not in usages else None


def _incompatible(given: Params) -> tuple[str, str] | None:
    """Return the algorithm and the key's specification where the key lacks it."""
    names, key = ("EncryptionAlgorithm", "SigningAlgorithm", "MacAlgorithm"), _key(given)
    algorithm = next((given[name] for name in names if given.get(name)), SYMMETRIC)
    known = (*(key.encryption_algorithms or ()), *(key.signing_algorithms or ()))
    mac = key.key_spec.replace("HMAC_", "HMAC_SHA_")
    return None if algorithm in (*known, mac) else (algorithm, key.key_spec)


def _locked_out(given: Params) -> bool:
    """Return whether a key's policy lets no account change it. Which of them calls is not compared."""
    named = [each for each in statements(given) if {"*", "AWS"} & {*each.get("Principal", ["*"])}]
    return decide([{"Statement": named}], "kms:PutKeyPolicy", "*") != ALLOWED


WRONG, STATE, USAGE = "ValidationException", "KMSInvalidStateException", "InvalidKeyUsageException"
UNSUPPORTED, MALFORMED = "UnsupportedOperationException", "MalformedPolicyDocumentException"
CRYPTOGRAPHIC = " ".join(USES.values())
ROTATION = "EnableKeyRotation DisableKeyRotation RotateKeyOnDemand"
# fmt: off
KINDS: tuple[tuple[str, str, str, Callable[[Any], object]], ...] = (
    ("DisabledException", "is disabled", f"{CRYPTOGRAPHIC} CreateGrant {ROTATION}",
     lambda key: key.key_state == "Disabled"),
    (STATE, "is pending deletion", f"{CRYPTOGRAPHIC} CreateGrant {ROTATION} CreateAlias DisableKey EnableKey "
     "GetPublicKey ScheduleKeyDeletion TagResource UntagResource UpdateAlias UpdateKeyDescription",
     lambda key: key.key_state == "PendingDeletion"),
    (STATE, "is not pending deletion", "CancelKeyDeletion", lambda key: key.key_state != "PendingDeletion"),
    # moto imports no key material.
    (STATE, "is pending import", f"{CRYPTOGRAPHIC} RotateKeyOnDemand", lambda key: key.origin == "EXTERNAL"),
    (UNSUPPORTED, "is not a symmetric encryption key", f"{ROTATION} GetKeyRotationStatus ListKeyRotations",
     lambda key: key.key_spec != SYMMETRIC),
    (UNSUPPORTED, "is not a multi-region primary key", "ReplicateKey", lambda key: not key.multi_region),
    (UNSUPPORTED, "has no public key", "GetPublicKey", lambda key: key.key_spec[:4] in ("SYMM", "HMAC")),
    # Words recorded by LocalStack, test_error_messaging_for_invalid_keys.
    *((USAGE, "key usage is {0.key_usage} which is not valid for this operation", names, _of_another(usage))
      for usage, names in USES.items()),
)
"""What keys AWS refuses in which operations: the code, the words, the operations and the kind of key (developer guide,
"Key states of AWS KMS keys", by which a policy is also put while a key is pending deletion)."""
REFUSALS: Refusals = {
    "kms Decrypt ReEncrypt": (
        ("IncorrectKeyException", "The key ID in the request does not identify a CMK that can perform this operation.",
         lambda p: _key(p, "KeyId" if "KeyId" in p else "SourceKeyId") is not _encrypting(p)),
    ),
    f"kms {CRYPTOGRAPHIC} DescribeKey": (
        ("NotFoundException", "Invalid arn {}", lambda p: hooks.other_than(
            f"(?!arn:).*|arn:aws:kms:{hooks.registry.region}:.*", p.get("KeyId"))),
    ),
    **{f"kms {names}": ((code, f"{{0.arn}} {words}.", _where(test)),) for code, words, names, test in KINDS},
    "kms CreateGrant ListGrants RevokeGrant RetireGrant": (
        ("NotFoundException", "Key '{0[KeyId]}' does not exist", lambda p: p["KeyId"] and not _where(bool)(p) and p),
    ),
    f"kms {CRYPTOGRAPHIC}": (  # Words recorded by LocalStack, test_invalid_generate_mac and test_sign_verify.
        (USAGE, "Algorithm {0[0]} is incompatible with key spec {0[1]}.", _incompatible),
        (WRONG, "Digest is invalid length for algorithm {}.", lambda p: (
            p.get("MessageType") == "DIGEST" and len(p["Message"]) * 8 != int(p["SigningAlgorithm"][-3:])
            and p["SigningAlgorithm"])),
        (WRONG, "An encryption context goes with symmetric encryption keys.", lambda p: (
            p.get("EncryptionContext") and _key(p).key_spec != SYMMETRIC)),
    ),
    "kms Encrypt": (
        (WRONG, "Algorithm {0[EncryptionAlgorithm]} cannot encrypt so much data with this key.", lambda p: (
            (spec := _key(p).key_spec).startswith("RSA")
            and len(p["Plaintext"]) > int(spec[4:]) // 8 - (42 if p["EncryptionAlgorithm"].endswith("_1") else 66)
            and p)),
    ),
    "kms Verify": (
        ("KMSInvalidSignatureException", "", lambda p: p.get("MessageType") != "DIGEST" and not (
            hooks.backend("kms").verify(_key(p).id, p["Message"], p["Signature"], p["SigningAlgorithm"])[1])),
    ),
    "kms GenerateRandom": ((WRONG, "NumberOfBytes is required.", lambda p: p.get("NumberOfBytes") is None),),
    "kms CreateGrant": (
        (WRONG, "A grant for this key can't allow {}.", lambda p: next((
            name for usage, names in USES.items() if usage != _key(p).key_usage
            for name in p["Operations"] if name in names.split()), None)),
        (WRONG, "Constraints go with symmetric encryption keys.", lambda p: (
            p.get("Constraints") and _key(p).key_spec != SYMMETRIC)),
        # hashicorp/terraform-provider-aws, grant.go
        ("InvalidArnException", "ARN does not refer to a valid principal: {}", lambda p: unknown_principal(
            {"AWS": [p[name] for name in ("GranteePrincipal", "RetiringPrincipal") if p.get(name)]})),
    ),
    "kms RetireGrant": (
        (WRONG, "Grant token OR (grant ID, key ID) must be specified",
         lambda p: not (p.get("GrantToken") or (p.get("GrantId") and p.get("KeyId")))),
        ("InvalidGrantTokenException", "Invalid grant token", lambda p: p.get("GrantToken") not in (None, *(
            grant.token for key in hooks.backend("kms").keys.values() for grant in key.grants.values()))),
    ),
    "kms RevokeGrant RetireGrant": (
        ("InvalidGrantIdException", "Invalid grant ID", lambda p: p.get("GrantId") not in (None, *_key(p).grants)),
    ),
    "kms UpdateAlias": (
        (WRONG, "The new key must have the type and usage of the current one.", lambda p: len({
            (key.key_usage, key.key_spec == SYMMETRIC) for key in (_key(p, "AliasName"), _key(p, "TargetKeyId"))}) > 1),
    ),
    "kms PutKeyPolicy CreateKey": (  # API reference, PutKeyPolicy, Policy
        (MALFORMED, "{}", lambda p: p.get("Policy") and malformed(p["Policy"], ("Principal",))),
        (MALFORMED, "Policy contains a statement with one or more invalid principals.", lambda p: any(
            unknown_principal(statement.get("Principal"), by_form=True) for statement in statements(p))),
        (MALFORMED, "The new key policy will not allow you to update the key policy in the future.", lambda p: (
            p.get("Policy") and not p.get("BypassPolicyLockoutSafetyCheck") and _locked_out(p))),
    ),
    "kms CreateKey": (
        (WRONG, "KeyUsage {0[1]} is not compatible with KeySpec {0[0]}", _unusable),
        ("CustomKeyStoreNotFoundException", "There is no key store {}.", lambda p: p.get("CustomKeyStoreId")),
    ),
    "kms ListKeys ListAliases ListGrants ListRetirableGrants ListResourceTags": (
        ("InvalidMarkerException", "Invalid marker", lambda p: other_than(rf"{PAGE}\d+", p.get("Marker"))),
    ),
}
# fmt: on
"""What ``hooks.register`` refuses."""
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
