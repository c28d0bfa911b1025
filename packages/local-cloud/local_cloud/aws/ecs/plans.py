"""The command and environment of a task's containers, and their trust in the rehearsal's databases.

The rehearsal's certificate authority signs the certificates of the local databases. It is added to
each .pem, .crt and .cer file of an image that has the root certificate with which RDS signs a
declared database's certificate, and to no other file. An app that uses another file refuses the connection here as on
AWS.
"""

import hashlib
import io
import os
import ssl
import subprocess
import tarfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from local_cloud.aws import hooks
from local_cloud.aws.ec2.network import endpoint_of, read_map
from local_cloud.aws.ecs.placement import API_PORT, METADATA_PORT, Placement
from local_cloud.aws.ecs.start_checks import StartChecks
from local_cloud.aws.rds import patches
from local_cloud.building.builder import LocalImage
from local_cloud.machine.roots import within

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
NO_HOME = "/"
"""What a container runtime sets for a user that the image's /etc/passwd does not have, as 10001 is (runc)."""
STOP_SECONDS = 30.0
"""Fargate's stop timeout if a container declares none."""


class Volume(NamedTuple):
    """A volume of the task, the path at which a container mounts it, and whether it may write there."""

    name: str
    path: str
    writable: bool
    mib: int = 0
    """The size of a container's own tmpfs, to which every user may write; 0 for a volume of the task."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A container to start. ``memory`` is in MiB (None: the task's), ``stop_timeout`` in AWS seconds."""

    name: str
    image: LocalImage
    argv: tuple[str, ...]
    environment: Mapping[str, str] = field(repr=False)
    cwd: Path
    user: str | None
    read_only: bool
    volumes: tuple[Volume, ...]
    essential: bool
    memory: int | None
    stop_timeout: float
    log_group: str | None
    log_stream: str | None


def plan(
    definition: Mapping[str, Any],
    image: LocalImage,
    secrets: Mapping[str, str],
    platform: Mapping[str, str],
    log: tuple[str, str] | None,
    *,
    own_root: bool = False,
) -> Plan:
    """Return a container's plan.

    The environment has only the variables of the image, the task definition, its secrets and the
    platform. Without an ``own_root`` the container finds the image's files by paths of this machine.
    """
    # In a root of its own a container has the image's paths.
    outside = str if own_root else image.outside
    mounted = _volumes(definition)
    _make_volume_folders(image, mounted)
    declared = {str(each["name"]): str(each["value"]) for each in definition["environment"]}
    variables = {name: outside(value) for name, value in {**image.environment, **declared}.items()}
    environment = {**variables, **secrets, **platform}
    if not image.docker:
        environment.setdefault("HOME", NO_HOME)
        path = environment.get("PATH", SYSTEM_PATH)
        environment["PATH"] = f"{image.python}:{path}" if image.python else path
    folder = definition.get("workingDirectory")
    return Plan(
        name=str(definition["name"]),
        image=image,
        argv=tuple(map(outside, _command(definition, image))),
        environment=environment,
        cwd=image.folder if not folder or not image.docker else Path(folder),
        user=definition.get("user") or image.user,
        read_only=bool(definition.get("readonlyRootFilesystem")),
        volumes=mounted,
        essential=bool(definition.get("essential", True)),
        memory=definition.get("memory"),
        stop_timeout=float(definition.get("stopTimeout") or STOP_SECONDS),
        log_group=log[0] if log else None,
        log_stream=log[1] if log else None,
    )


def _volumes(definition: Mapping[str, Any]) -> tuple[Volume, ...]:
    """Return the mount points of a container definition, and its tmpfs (botocore, MountPoint and Tmpfs)."""
    points = definition.get("mountPoints") or ()
    mounts = (definition.get("linuxParameters") or {}).get("tmpfs") or ()
    return (
        *(Volume(e["sourceVolume"], e["containerPath"], not e.get("readOnly")) for e in points),
        *(
            Volume(
                f"{definition['name']}-tmpfs-{number}",
                mount["containerPath"],
                "ro" not in (mount.get("mountOptions") or ()),
                int(mount["size"]),
            )
            for number, mount in enumerate(mounts)
        ),
    )


def _make_volume_folders(image: LocalImage, mounted: tuple[Volume, ...]) -> None:
    """Make each volume's folder in an image, as a container runtime does."""
    for mount in mounted:
        if image.root is not None:
            within(image.root, mount.path).mkdir(parents=True, exist_ok=True)


def _command(definition: Mapping[str, Any], image: LocalImage) -> Sequence[str]:
    """Return what the container runs: the entry point, followed by the command.

    A command in the task definition or in an override replaces the image's CMD only. An entry point in
    the task definition replaces the image's ENTRYPOINT and its CMD (API reference, ContainerDefinition,
    which refers to Docker: moby's daemon/commit.go, merge).
    """
    entry_point = [str(word) for word in definition.get("entryPoint") or ()]
    command = [str(word) for word in definition.get("command") or ()]
    if entry_point:
        return [*entry_point, *command]
    return [*image.entry_point, *(command or image.command)]


SUFFIXES = (".pem", ".crt", ".cer")
ROOTS = {
    "rds-ca-rsa2048-g1": "RSA2048 G1",
    "rds-ca-rsa4096-g1": "RSA4096 G1",
    "rds-ca-ecc384-g1": "ECC384 G1",
}
"""By a DB instance's CACertificateIdentifier, the end of its root's name (RDS user guide, "Using SSL/TLS")."""
DEFAULT = "rds-ca-rsa2048-g1"
"""The authority of an instance that names none (API reference, CreateDBInstance, CACertificateIdentifier)."""


ADDING = threading.Lock()
"""Tasks of one image start in threads of their own."""


def add_authority(image: LocalImage, authority: Path) -> None:
    """Add the rehearsal's authority to the certificate files of an image in a folder that only this cloud has."""
    added = authority.read_text()
    with ADDING:
        for file in _trusting(image):
            text = file.read_text()
            if added not in text:
                _replace(file, f"{text.rstrip()}\n{added}", file.stat().st_mode)


def _trusting(image: LocalImage) -> Iterator[Path]:
    """Yield the certificate files of an image in a folder that have the root of each declared database."""
    for folder, _, names_of_files in os.walk(image.root or image.folder):
        for name in names_of_files:
            file = Path(folder, name)
            if name.endswith(SUFFIXES) and not file.is_symlink() and _trusts_rds(file):
                yield file


def trust_mounts(image: LocalImage, authority: Path) -> list[str]:
    """Return docker's --volume arguments that replace a container's certificate files."""
    folder = authority.parent / f"trusted-{hashlib.sha256(image.digest.encode()).hexdigest()[:16]}"
    mounts = []
    with ADDING:
        for inside, file in _bundles(image.reference, folder):
            if _trusts_rds(file):
                both = file.with_suffix(".both")
                _replace(both, f"{file.read_text().rstrip()}\n{authority.read_text()}", 0o644)
                mounts.append(f"{both}:{inside}:ro")
    return mounts


def _replace(file: Path, text: str, mode: int) -> None:
    """Write a file so that a running task reads the old text or the new one, never a part."""
    half = file.with_name(f".{file.name}.part")
    half.write_text(text)
    half.chmod(mode)
    half.replace(file)


def _trusts_rds(file: Path) -> bool:
    """Return whether a file has the root certificate of each declared database."""
    kinds = {str(each.ca_certificate_identifier) for each in patches.instances()} & set(ROOTS)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(file)
    except OSError:  # ssl.SSLError is one.
        return False
    subjects = [dict(part[0] for part in cert["subject"]) for cert in context.get_ca_certs()]  # type: ignore[misc]
    names = {subject.get("commonName") for subject in subjects}
    begin = f"Amazon RDS {hooks.registry.region} Root CA"
    return {f"{begin} {ROOTS[kind]}" for kind in kinds or {DEFAULT}} <= names


@cache
def _bundles(reference: str, folder: Path) -> tuple[tuple[str, Path], ...]:
    """Return the certificate files of an image's working folder: their paths inside, and copies in ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    asked = ("image", "inspect", "--format", "{{.Config.WorkingDir}}", reference)
    workdir = PurePosixPath(_docker(*asked).decode().strip() or "/")
    container = _docker("create", reference).decode().strip()
    try:
        archive = _docker("cp", f"{container}:{workdir}", "-")
    finally:
        _docker("rm", container)
    found: list[tuple[str, Path]] = []
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        for each in files:
            content = files.extractfile(each) if each.name.endswith(SUFFIXES) else None
            if content is not None:
                file = folder / f"{len(found)}.pem"
                file.write_bytes(content.read())
                found.append((str(workdir.parent / each.name), file))
    return tuple(found)


def _docker(*command: str) -> bytes:
    return subprocess.run(["docker", *command], capture_output=True, check=True).stdout


def prepare(
    placement: Placement, folder: Path, images: Callable[[str], LocalImage], authority: Path
) -> list[Plan]:
    """Check what Fargate checks and return every container's plan. Raises CannotStart."""
    checks = StartChecks(
        placement.task, placement.definition, read_map(), endpoint_of(placement.interface)
    )
    checks.roles()
    plans = []
    for definition, state in zip(
        placement.definition.container_definitions, placement.containers, strict=True
    ):
        secrets = {
            str(secret["name"]): checks.secret(str(secret["valueFrom"]))
            for secret in definition.get("secrets") or ()
        }
        image = checks.pull(state.image, images)
        state.digest = image.digest
        log = _log(checks, definition, placement.task)
        if not image.docker:
            add_authority(image, authority)
        platform = _platform(placement, definition, folder, docker=image.docker)
        plans.append(plan(definition, image, secrets, platform, log, own_root=placement.mounts))
    return plans


def _platform(
    placement: Placement, definition: Mapping[str, Any], folder: Path, *, docker: bool
) -> dict[str, str]:
    """Return the environment that Fargate, the VPC's DNS and this machine give a container.

    ``folder`` is the task's own, for a process that has no /tmp of its own.
    """
    region, base = hooks.registry.region, f"http://{placement.platform}:{METADATA_PORT}"
    supplied = {
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "AWS_ENDPOINT_URL": f"http://{placement.platform}:{API_PORT}",
        "AWS_EXECUTION_ENV": "AWS_ECS_FARGATE",
        "ECS_CONTAINER_METADATA_URI_V4": f"{base}/v4/{placement.task}",
    }
    if not (placement.mounts or docker):
        # It has no /etc/hosts of its own, so libpq gets the database's address, whatever the host's name.
        supplied |= {"HOME": str(folder), "TMPDIR": str(folder), "PGHOSTADDR": placement.platform}
    if getattr(placement.definition, "task_role_arn", None):
        supplied["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = f"{base}/credentials/{placement.task}"
    declared = [variable["name"] for variable in definition["environment"]]
    if placement.namespace is None and "BIND_HOST" not in declared:
        supplied["BIND_HOST"] = placement.address
    return supplied


def _log(checks: StartChecks, definition: Mapping[str, Any], task: str) -> tuple[str, str] | None:
    declared = definition.get("logConfiguration") or {}
    if declared.get("logDriver") != "awslogs":
        return None
    options = declared["options"]
    stream = f"{options['awslogs-stream-prefix']}/{definition['name']}/{task}"
    checks.log_stream(options, stream)
    return str(options["awslogs-group"]), stream
