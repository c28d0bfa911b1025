"""Check the bucket for the app's files."""

from collections.abc import Iterator

from careapp.additions.parts.uploads import UPLOADS
from careapp.settings.app_resources import UPLOADS_ENABLED
from ecs_gate.diagnosis.case import Case
from ecs_gate.diagnosis.catalogue import TASKS_NODE, Facts
from ecs_gate.diagnosis.findings import Finding
from ecs_gate.text import t

BUCKET_MISSING = Facts("uploads-bucket-missing", 48, {TASKS_NODE}, certain=True)


def bucket(case: Case) -> Iterator[Finding]:
    """Check that the bucket exists."""
    bucket = case.now.of(UPLOADS).value
    if bucket is None or bucket.exists:
        return
    yield Finding(
        BUCKET_MISSING,
        title=t("The bucket for the app's files does not exist"),
        why=t("The app can neither store a file nor read one."),
        seen=(
            t(
                "S3 has no bucket {name}, which {variable} names.",
                name=bucket.name,
                variable=UPLOADS_ENABLED.variable,
            ),
        ),
        fixes=(case.refresh(t("Let Pulumi create it, without the files that were in it:")),),
        evidence=case.matching_lines(r"NoSuchBucket|specified bucket does not exist"),
    )
