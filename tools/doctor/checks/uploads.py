"""Check the bucket for the app's files: that it exists, where it is, and what the task role may do with it."""

from __future__ import annotations

from collections.abc import Iterator

from stack.uploads import VARIABLE
from tools.diagnosis.case import Case
from tools.diagnosis.catalogue import TASKS_NODE, Facts
from tools.diagnosis.findings import Finding
from tools.doctor.checks.permissions import Need, by_task_role
from tools.i18n import t

BUCKET_MISSING = Facts("uploads-bucket-missing", 48, {TASKS_NODE}, certain=True)
ROLE_REFUSED = Facts("uploads-role-refused", 48, {TASKS_NODE}, certain=True)
ANOTHER_REGION = Facts("uploads-another-region", 49, {TASKS_NODE}, certain=True)

NO_BUCKET = r"NoSuchBucket|specified bucket does not exist"
REFUSED = (
    r"not authorized to perform: s3:"
    r"|\((AccessDenied|403)\) when calling the \w*(Objects?(V2)?|MultipartUpload|UploadPart) operation"
)
MOVED = (
    r"AuthorizationHeaderMalformed|PermanentRedirect|IllegalLocationConstraint"
    r"|the region '[\w-]+' is wrong; expecting"
)
"""S3's error codes and messages (API reference, "Error responses")."""
REGIONS = ("AWS_REGION", "AWS_DEFAULT_REGION")  # ECS sets both where the task definition does not.
FILES = ("s3:GetObject", "s3:PutObject", "s3:DeleteObject")


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


def task_role(case: Case) -> Iterator[Finding]:
    """Check that the task role may list the bucket, and read, write and delete its files."""
    bucket = case.now.uploads.value
    if bucket is None or not bucket.exists:
        return
    arn = f"arn:aws:s3:::{bucket.name}"
    yield from by_task_role(
        case,
        [Need("s3:ListBucket", arn, "files"), *(Need(each, f"{arn}/*", "files") for each in FILES)],
        REFUSED,
        ROLE_REFUSED,
        t("The task role has no permission for the app's files"),
        t("The app reaches its bucket with this role; S3 refuses what no policy of it allows."),
    )
