"""Pulumi's state: a bucket nobody reads in the clear, the key of its secrets, and who may touch which part."""

from __future__ import annotations

from infra.statements import Policy, allow, deny, policy
from ops.delivery.names import Account
from ops.names import PROJECT

ADMINISTRATION = "kms:*"
KEPT_DAYS = 90
"""Days that an older version of a state is kept."""


def bucket_policy(account: Account) -> Policy:
    """Nobody, this account's administrators included, without TLS."""
    arn = f"arn:aws:s3:::{account.bucket}"
    plain = deny([arn, f"{arn}/*"], "s3:*", when={"Bool": {"aws:SecureTransport": "false"}})
    return policy({**plain, "Principal": "*"})


def key_policy(account: Account) -> Policy:
    """The account's own IAM policies decide; KMS lets no key exist that nobody can administer."""
    root = allow("*", ADMINISTRATION)
    return policy({**root, "Principal": {"AWS": account.iam("root")}})


def reading(account: Account, key_arn: str) -> list[Policy]:
    """Read every stack's state, and what is secret in it."""
    arn = f"arn:aws:s3:::{account.bucket}"
    return [
        allow(arn, "s3:ListBucket", "s3:GetBucketLocation"),
        allow(f"{arn}/.pulumi/*", "s3:GetObject", "s3:GetObjectAttributes"),
        allow(key_arn, "kms:Decrypt"),
    ]


def writing(account: Account, key_arn: str, stack: str) -> list[Policy]:
    """Write one stack's state: its checkpoint, history, backups and lock, as Pulumi lays them out.

    Layout: pulumi/pkg/backend/diy, "project-scoped stacks", version 1 of `.pulumi/meta.yaml`. That
    file is written by the set-up and by nobody else: all stacks' states hang on it.
    """
    root = f"arn:aws:s3:::{account.bucket}/.pulumi"
    own = [
        f"{root}/stacks/{PROJECT}/{stack}.json*",
        *(f"{root}/{part}/{PROJECT}/{stack}/*" for part in ("history", "backups")),
        f"{root}/locks/organization/{PROJECT}/{stack}/*",
    ]
    return [
        *reading(account, key_arn),
        allow(own, "s3:PutObject", "s3:DeleteObject"),
        allow(key_arn, "kms:Encrypt", "kms:GenerateDataKey", "kms:DescribeKey"),
    ]
