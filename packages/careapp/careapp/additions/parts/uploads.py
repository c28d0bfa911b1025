"""The bucket for the app's files, and how it is read."""

from dataclasses import dataclass

from careapp.settings.app_resources import UPLOADS_ENABLED
from ecs_gate.aws.session import Session
from ecs_gate.parts.gather import Reading
from ecs_gate.parts.of_service import PartOf
from ecs_gate.parts.records import read_existing
from ecs_gate.text import t


@dataclass(frozen=True, kw_only=True)
class Bucket:
    """The bucket for the app's files, as S3 shows it."""

    name: str
    exists: bool = True


def _bucket(now: Reading) -> Bucket | None:
    name = now.definition.environment.get(UPLOADS_ENABLED.variable) if now.definition else None
    return bucket(now.session, name) if name else None


def bucket(session: Session, name: str) -> Bucket:
    """Return the bucket. Raises AwsProblem."""
    found = read_existing(lambda: session.call("s3", "head_bucket", Bucket=name))
    return Bucket(name=name, exists=found is not None)


UPLOADS = PartOf(t("the bucket for the app's files"), _bucket, essential=False)
