"""Check the bucket for the app's files: that it exists, where it is, and what the task role may do with it."""

from __future__ import annotations

from collections.abc import Iterator

from stack.uploads import VARIABLE
from tools.diagnosis.case import Case
from tools.diagnosis.catalogue import TASKS_NODE, Facts
from tools.diagnosis.findings import Finding, Fix
from tools.doctor.checks.permissions import Need, given, lacking, verdict
from tools.i18n import t
from tools.snapshot.uploads import Bucket

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

REGIONS = ("AWS_REGION", "AWS_DEFAULT_REGION")
"""ECS sets both, unless the task definition has them (ECS developer guide, "Amazon ECS environment variables")."""

FILES = ("s3:GetObject", "s3:PutObject", "s3:DeleteObject")


def bucket(case: Case) -> Iterator[Finding]:
    """Check that the bucket exists, and that the app's client asks in its region."""
    bucket = case.now.uploads.value
    if bucket is None:
        return
    if not bucket.region:
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
        return
    yield from _region(case, bucket)


def _region(case: Case, bucket: Bucket) -> Iterator[Finding]:
    variables, region = case.definition.environment if case.definition else {}, bucket.region
    own = {each: variables[each] for each in REGIONS if variables.get(each, region) != region}
    lines = case.matching_lines(MOVED)
    if not (own or lines):
        return
    where = t("Bucket {name} is in {region}.", name=bucket.name, region=region)
    others = (
        t("{name} is {value} in the task definition.", name=each, value=value)
        for each, value in own.items()
    )
    yield Finding(
        ANOTHER_REGION,
        kind="cause" if lines else "warning",
        title=t("The app asks for its files in another region than the bucket's"),
        why=t(
            "S3 answers a request only in the bucket's region; signed addresses of another one fail, and the way "
            "there passes no gateway endpoint."
        ),
        seen=(where, *others),
        fixes=(_same_region(case, own),),
        evidence=lines,
    )


def _same_region(case: Case, own: dict[str, str]) -> Fix:
    stack = case.now.names.stack
    if own:
        removed = [f"pulumi config rm --path appVariables.{each} -s {stack}" for each in own]
        text = t("Leave the region to ECS, which sets it:")
        return case.deploy(text, *removed)
    return case.deploy(
        t(
            "In the app, make the client for the task's own region, "
            'boto3.client("s3", region_name=os.environ["AWS_REGION"]), and deploy:'
        )
    )


def task_role(case: Case) -> Iterator[Finding]:
    """Check that the task role may list the bucket, and read, write and delete its files."""
    definition, bucket, role = case.definition, case.now.uploads.value, case.now.task_role.value
    if definition is None or bucket is None or not bucket.region or case.now.task_role.problem:
        return
    arn = f"arn:aws:s3:::{bucket.name}"
    needs = [
        Need("s3:ListBucket", arn, "files"),
        *(Need(each, f"{arn}/*", "files") for each in FILES),
    ]
    lacks = lacking(role, needs)
    if not lacks:
        return
    name, refused = definition.task_role.rpartition("/")[2], case.matching_lines(REFUSED)
    yield Finding(
        ROLE_REFUSED,
        kind="cause" if refused else "warning",
        title=t("The task role has no permission for the app's files"),
        why=t("The app reaches its bucket with this role; S3 refuses what no policy of it allows."),
        seen=tuple(verdict(name or "-", each) for each in lacks),
        fixes=(*given(name, lacks), case.or_restore()) if role else (case.restore(),),
        evidence=refused,
    )
