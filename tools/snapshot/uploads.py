"""The bucket for the app's files, as S3 shows it."""

from __future__ import annotations

from dataclasses import dataclass

from tools.aws.errors import AwsProblem
from tools.aws.session import Session

NONE = ("404", "NoSuchBucket")
"""S3's codes for no such bucket: a response to HEAD has no body with a code (API reference, HeadBucket)."""


@dataclass(frozen=True, kw_only=True)
class Bucket:
    """A bucket by its name; ``region`` is empty where there is none."""

    name: str
    region: str = ""


def bucket(session: Session, name: str) -> Bucket:
    """Return the bucket and its region, which HeadBucket says of every region. Raises AwsProblem."""
    try:
        return Bucket(
            name=name, region=session.call("s3", "head_bucket", Bucket=name)["BucketRegion"]
        )
    except AwsProblem as problem:
        if problem.code in NONE:
            return Bucket(name=name)
        raise
