"""Check the bucket for the app's files: that it exists, and where it is."""

from __future__ import annotations

from collections.abc import Iterator

from stack.uploads import VARIABLE
from tools.diagnosis.case import Case
from tools.diagnosis.catalogue import TASKS_NODE, Facts
from tools.diagnosis.findings import Finding
from tools.i18n import t

BUCKET_MISSING = Facts("uploads-bucket-missing", 48, {TASKS_NODE}, certain=True)
ANOTHER_REGION = Facts("uploads-another-region", 49, {TASKS_NODE}, certain=True)

NO_BUCKET = r"NoSuchBucket|specified bucket does not exist"
MOVED = (
    r"AuthorizationHeaderMalformed|PermanentRedirect|IllegalLocationConstraint"
    r"|the region '[\w-]+' is wrong; expecting"
)
"""S3's error codes and messages (API reference, "Error responses")."""
REGIONS = ("AWS_REGION", "AWS_DEFAULT_REGION")  # ECS sets both where the task definition does not.


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


def region(case: Case) -> Iterator[Finding]:
    """Check that the app asks for its files in the stack's region."""
    here, known = case.now.region, case.definition.environment if case.definition else {}
    others = {name: known[name] for name in REGIONS if known.get(name, here) != here}
    lines = case.matching_lines(MOVED)
    if case.now.uploads.value is None or not (others or lines):
        return
    stack = case.now.names.stack
    removed = (f"pulumi config rm --path appVariables.{name} -s {stack}" for name in others)
    text = t("Make the app's client for AWS_REGION as ECS sets it, and deploy:")
    yield Finding(
        ANOTHER_REGION,
        kind="cause" if lines else "warning",
        title=t("The app asks for its files in another region than the bucket's"),
        why=t(
            "S3 answers in {region} alone; addresses signed for another region fail.", region=here
        ),
        fixes=(case.deploy(text, *removed),),
        evidence=(*(f"{name}={value}" for name, value in others.items()), *lines),
    )
