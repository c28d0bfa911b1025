"""Check what a task definition names: the image, the secrets, the log group."""

from collections.abc import Iterator

from ecs_gate.checks import databases
from ecs_gate.diagnosis.case import Case
from ecs_gate.diagnosis.catalogue import IMAGE, LOGS, SECRETS, AtStart
from ecs_gate.diagnosis.findings import Finding, Fix
from ecs_gate.facts.fargate import PLATFORMS
from ecs_gate.facts.images import image_parts
from ecs_gate.facts.secrets import secret_arn, secret_key
from ecs_gate.parts.records import Definition
from ecs_gate.parts.task_inputs import Secret
from ecs_gate.text import Text, t

LOG_GROUP_MISSING = AtStart("log-group-missing", 26, {LOGS})
SECRET_KEY_MISSING = AtStart("secret-key-missing", 26, {SECRETS})
SECRET_MISSING = AtStart("secret-missing", 26, {SECRETS})
IMAGE_ARCHITECTURE = AtStart("image-architecture", 28, {IMAGE})
IMAGE_MISSING = AtStart("image-missing", 28, {IMAGE})

WRONG_PLATFORM = r"(?i)matching platform|does not match the (specified|current) platform"

NO_KEY = r"did not contain json key (?P<key>\S+)"

NOT_FOUND = r"(?i)secretsmanager?.*(ResourceNotFound|can't find|marked for deletion)|from asm.*ResourceNotFound"

MASTER_KEYS = ("username", "password")
"""What RDS keeps in the secret of a master user (RDS user guide, "Password management with Amazon RDS and AWS Secrets
Manager")."""

NO_GROUP = r"(?i)log group does not exist|awslogs-group.*not exist"


def image(case: Case) -> Iterator[Finding]:
    """Check that the expected image is in ECR, for the task's architecture."""
    part = case.now.image
    if part.problem or not case.now.names.repository:
        return
    image = part.value
    wanted = case.definition.image if case.definition else case.now.names.repository
    if image is None or not image.present:
        yield Finding(
            IMAGE_MISSING,
            title=t("The image is not in ECR"),
            why=t("Fargate cannot pull the image: every task stops with CannotPullContainerError."),
            seen=(
                t("ECR has no image {wanted}.", wanted=wanted)
                if image is not None
                else t("There is no repository for {wanted}.", wanted=wanted),
            ),
            fixes=_own(case) or (_pushed(case, repository=image is not None),),
            evidence=case.stop_reasons("CannotPull"),
        )
        return
    yield from _architecture(case, image.platforms)


def _own(case: Case) -> tuple[Fix, ...]:
    """Return the fix for an image of another repository; () for the service's own, which can be pushed again."""
    own = case.now.names.repository
    if case.definition is None or image_parts(case.definition.image)["repository"] == own:
        return ()
    text = t("Use the service's own image ({container}), and deploy:")
    return case.correct_program(text, drifts=False)


def _pushed(case: Case, *, repository: bool) -> Fix:
    if repository:
        text = t("Build and push it again, under a new tag:")
        return case.deploy(text, *case.remedies.rebuild())
    text = t("Create the repository again, and build and push the image under a new tag:")
    return Fix(text, (*case.remedies.rebuild(), *case.remedies.refresh()))


def _architecture(case: Case, platforms: tuple[str, ...]) -> Iterator[Finding]:
    definition = case.definition
    architecture = definition.architecture if definition else case.target.plan.architecture
    wanted = PLATFORMS.get(architecture, "")
    messages = case.stop_reasons(WRONG_PLATFORM)
    # The system may be Windows.
    processors = {platform.rpartition("/")[2] for platform in platforms}
    if wanted.rpartition("/")[2] in processors or not (platforms or messages):
        return
    seen = t(
        "The image is for {platforms}, the task runs on {architecture} ({wanted}).",
        platforms=", ".join(platforms) or "?",
        architecture=architecture,
        wanted=wanted,
    )
    yield Finding(
        IMAGE_ARCHITECTURE,
        title=t("The image is built for another processor than the task runs on"),
        why=t("The processor cannot run it, or Fargate does not even find a variant to pull."),
        seen=(seen,),
        fixes=_rebuilt(case, architecture),
        evidence=messages,
    )


def _rebuilt(case: Case, architecture: str) -> tuple[Fix, ...]:
    if case.target.plan.architecture not in ("", architecture):
        text = t(
            "Give the task ({task}) the architecture that the image has, {declared}, and deploy:",
            declared=case.target.plan.architecture,
        )
        return case.correct_program(text, drifts=False)
    text = t(
        "Build the image again for {architecture}, or change {cpuArchitecture}, and deploy:",
        architecture=architecture,
    )
    otherwise = t("Or correct the platform for which it is built ({image}), and deploy:")
    return case.deploy(text, *case.remedies.rebuild()), case.deploy(otherwise)


def secrets(case: Case) -> Iterator[Finding]:
    """Check that every secret exists, is not being deleted, and has the key that is referred to."""
    definition, known, others = (
        case.definition,
        case.now.secrets.value,
        databases.other_secrets(case),
    )
    for name, value_from in (definition.secrets if definition else {}).items():
        if name in others:
            continue  # The program must name the database's: whether this one is in order does not matter.
        arn, key = secret_arn(value_from), secret_key(value_from)
        if known is not None and arn in known:
            secret = known[arn]
            if secret is None or secret.deleted:
                yield no_secret(case, name, arn, secret)
                continue
            if key and secret.keys is not None and key not in secret.keys:
                yield _no_key(case, name, arn, key, secret.keys)
                continue
        messages = case.stop_reasons(NO_KEY)
        if key and any(message.rstrip(".").endswith(f"json key {key}") for message in messages):
            yield _no_key(case, name, arn, key, None)


def no_secret(case: Case, name: str, arn: str, secret: Secret | None) -> Finding:
    reason = t("There is no secret {arn}.", arn=arn)
    if secret is not None:
        reason = t("The secret {arn} is marked for deletion.", arn=arn)
    fixes: tuple[Fix, ...] = (case.restore(), *case.then_retry())
    if name in case.target.plan.secrets:
        setting = case.remedies.called(f"appSecrets.{name}")
        text = t("Set {setting} to an existing secret, and deploy:", setting=setting)
        fixes = (case.deploy(text),)
    if secret is not None:
        command = f"aws secretsmanager restore-secret --secret-id '{arn}'"
        fixes = (Fix(t("Restore it:"), (command,)), *case.then_retry())
    return Finding(
        SECRET_MISSING,
        title=t("The secret for {name} does not exist", name=name),
        why=t(
            "ECS reads the secrets before the container starts, and stops the task without them."
        ),
        seen=(reason,),
        fixes=fixes,
        evidence=case.stop_reasons(NOT_FOUND),
    )


def _no_key(case: Case, name: str, arn: str, key: str, keys: frozenset[str] | None) -> Finding:
    seen: list[Text] = [t("{name} refers to the key {key} of {arn}.", name=name, key=key, arn=arn)]
    if keys is not None:
        seen.append(t("It holds: {keys}.", keys=", ".join(sorted(keys))))
    right = "password" if keys is None or "password" in keys else "|".join(sorted(keys))
    text = t(
        "Make the value of {name} ({container}) end with :{right}:: and deploy:",
        name=name,
        right=right,
    )
    database = case.now.database.value
    fix = case.deploy(text)
    if name in case.target.plan.secrets:
        text = t(
            "Set {setting} to the secret's ARN, or to the ARN and a key that the secret has, ARN:KEY::, and "
            "deploy:",
            setting=case.remedies.called(f"appSecrets.{name}"),
        )
        fix = case.deploy(text)
    elif database is not None and database.secret == arn and key in MASTER_KEYS:
        # The task definition is right: something else than RDS wrote the secret.
        fix = databases.rotated(case, database)
    return Finding(
        SECRET_KEY_MISSING,
        title=t('The secret has no key "{key}"', key=key),
        why=t(
            "ECS reads the secrets before the container starts, and stops the task without them."
        ),
        seen=tuple(seen),
        fixes=(fix,),
        evidence=case.stop_reasons(NO_KEY),
    )


def log_group(case: Case) -> Iterator[Finding]:
    """Check that the task definition's log group exists: Fargate does not create it."""
    definition, logs = case.definition, case.now.logs.value
    if definition is None or not definition.log_group or logs is None or logs.exists:
        return
    if definition.creates_log_group:
        return
    yield Finding(
        LOG_GROUP_MISSING,
        title=t("The log group {group} does not exist", group=definition.log_group),
        why=t("Fargate opens the log before the container starts, and stops the task without it."),
        seen=(
            t(
                "{revision} writes to {group}.",
                revision=definition.revision,
                group=definition.log_group,
            ),
        ),
        fixes=(_group(case, definition), *case.then_retry(), case.or_restore()),
        evidence=case.stop_reasons(NO_GROUP) or case.stop_reasons("(?i)log stream"),
    )


def _group(case: Case, definition: Definition) -> Fix:
    days = case.target.plan.log_days
    if definition.log_group != case.now.names.log_group:
        text = t("Name {group} in the task definition and deploy:", group=case.now.names.log_group)
        return case.deploy(text)
    return Fix(
        t("Create it:"),
        (
            f"aws logs create-log-group --log-group-name {definition.log_group}",
            f"aws logs put-retention-policy --log-group-name {definition.log_group} "
            f"--retention-in-days {days}",
        ),
    )
