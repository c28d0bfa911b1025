"""What a task needs: its roles, its image, its secrets."""

import json
import urllib.request
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from http.client import HTTPException
from typing import Any

from ecs_gate.aws.session import Session
from ecs_gate.facts.images import image_parts
from ecs_gate.facts.secrets import is_of_another_region, is_parameter, secret_arn
from ecs_gate.parts.records import read_existing


@dataclass(frozen=True, kw_only=True)
class Role:
    """An IAM role: its trust policy, and its identity policies, inline and attached."""

    arn: str
    trust: Mapping[str, Any]
    policies: tuple[Mapping[str, Any], ...] = ()
    boundary: Mapping[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class Secret:
    """A secret without its value. ``keys`` are the names in its JSON, None where they were not read.

    ``kms_key`` is the key with which it is encrypted; "" for AWS's own.
    """

    deleted: datetime | None = None
    rotated: datetime | None = None
    keys: frozenset[str] | None = None
    kms_key: str = ""


@dataclass(frozen=True, kw_only=True)
class Image:
    """An image of the repository, whose ``policy`` it is. Platforms are like linux/amd64."""

    present: bool
    platforms: tuple[str, ...] = ()
    policy: Mapping[str, Any] | None = None


MANIFESTS = [
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
]

RDS_KEYS = frozenset({"username", "password"})
"""What a secret that RDS manages holds, and nothing else (RDS user guide, Secrets Manager)."""

CONFIG_SECONDS = 5


def image(session: Session, repository: str, reference: str | None) -> Image | None:
    """Return the image of ``reference``, or the newest one; None without the repository. Raises AwsProblem."""
    named = image_parts(reference) if reference else {"repository": repository}
    name, wanted = named["repository"], reference and (named["digest"] or named["tag"] or "latest")
    images = session.all("ecr", "describe_images", "imageDetails", repositoryName=name)
    tagged = sorted(images, key=lambda each: str(each["imagePushedAt"]), reverse=True)
    if wanted is not None:
        tagged = [e for e in tagged if wanted in (e["imageDigest"], *e.get("imageTags", ()))]
    if not tagged:
        return Image(present=False)
    raw = tagged[0]
    policy = read_existing(
        lambda: session.call("ecr", "get_repository_policy", repositoryName=name)
    )
    return Image(
        present=True,
        platforms=_platforms(session, name, raw["imageDigest"]),
        policy=json.loads(policy["policyText"]) if policy else None,
    )


def _platforms(session: Session, name: str, digest: str) -> tuple[str, ...]:
    """Return an index's platforms, or the platform of a single image's configuration; () if not known."""
    answer = session.call(
        "ecr",
        "batch_get_image",
        repositoryName=name,
        imageIds=[{"imageDigest": digest}],
        acceptedMediaTypes=MANIFESTS,
    )
    if not answer["images"]:
        return ()
    manifest = json.loads(answer["images"][0]["imageManifest"])
    if "manifests" in manifest:
        listed = [entry.get("platform") or {} for entry in manifest["manifests"]]
        return tuple(_platform(platform) for platform in listed if platform.get("os") != "unknown")
    config = manifest.get("config") or {}
    if "platform" in config:
        return (str(config["platform"]),)
    return _configured(session, name, config.get("digest"))


def _platform(raw: Mapping[str, Any]) -> str:
    return f"{raw.get('os', '')}/{raw.get('architecture', '')}"


def _configured(session: Session, name: str, digest: str | None) -> tuple[str, ...]:
    if not digest:
        return ()
    url = session.call(
        "ecr", "get_download_url_for_layer", repositoryName=name, layerDigest=digest
    )["downloadUrl"]
    if not url.startswith("https://"):
        return ()
    try:
        with urllib.request.urlopen(url, timeout=CONFIG_SECONDS) as answer:  # noqa: S310
            return (_platform(json.load(answer)),)
    except (OSError, ValueError, HTTPException):
        return ()


def secrets(session: Session, values: Iterable[str]) -> dict[str, Secret | None]:
    """Return the secrets of a task definition's ``valueFrom`` in this region, by ARN. Raises AwsProblem."""
    session.client("secretsmanager")  # which knows the region
    arns = dict.fromkeys(
        secret_arn(value)
        for value in values
        if not (is_parameter(value) or is_of_another_region(value, session.region))
    )
    return {arn: read_existing(_secret, session, arn) for arn in arns}


def _secret(session: Session, arn: str) -> Secret:
    raw = session.call("secretsmanager", "describe_secret", SecretId=arn)
    return Secret(
        deleted=raw.get("DeletedDate"),
        rotated=raw.get("LastRotatedDate"),
        keys=RDS_KEYS if raw.get("OwningService") == "rds" else None,
        kms_key=raw.get("KmsKeyId", ""),
    )


def role(session: Session, arn: str) -> Role | None:
    """Return the role of that ARN with all its identity policies. Raises AwsProblem."""
    if not arn:
        return None
    name = arn.rpartition("/")[2]
    raw = session.call("iam", "get_role", RoleName=name)["Role"]
    inline = session.all("iam", "list_role_policies", "PolicyNames", RoleName=name)
    attached = session.all("iam", "list_attached_role_policies", "AttachedPolicies", RoleName=name)
    policies: list[Mapping[str, Any]] = [
        session.call("iam", "get_role_policy", RoleName=name, PolicyName=policy)["PolicyDocument"]
        for policy in inline
    ]
    policies += [_managed(session, policy["PolicyArn"]) for policy in attached]
    boundary = (raw.get("PermissionsBoundary") or {}).get("PermissionsBoundaryArn")
    return Role(
        arn=raw["Arn"],
        trust=raw["AssumeRolePolicyDocument"],
        policies=tuple(policies),
        boundary=_managed(session, boundary) if boundary else None,
    )


def _managed(session: Session, arn: str) -> Mapping[str, Any]:
    version = session.call("iam", "get_policy", PolicyArn=arn)["Policy"]["DefaultVersionId"]
    answer = session.call("iam", "get_policy_version", PolicyArn=arn, VersionId=version)
    document: Mapping[str, Any] = answer["PolicyVersion"]["Document"]
    return document
