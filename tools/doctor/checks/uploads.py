"""Check the bucket for the app's files: that it exists."""

from __future__ import annotations

from collections.abc import Iterator

from stack.uploads import VARIABLE
from tools.diagnosis.case import Case
from tools.diagnosis.catalogue import TASKS_NODE, Facts
from tools.diagnosis.findings import Finding
from tools.i18n import t

BUCKET_MISSING = Facts("uploads-bucket-missing", 48, {TASKS_NODE}, certain=True)

NO_BUCKET = r"NoSuchBucket|specified bucket does not exist"


def bucket(case: Case) -> Iterator[Finding]:
    """Check that the bucket exists."""
    bucket = case.now.uploads.value
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
                variable=VARIABLE,
            ),
        ),
        fixes=(case.refresh(t("Let Pulumi create it, without the files that were in it:")),),
        evidence=case.matching_lines(NO_BUCKET),
    )
