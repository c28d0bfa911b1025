"""The app's ECR repository, and the image that is built and pushed to it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

import pulumi
import pulumi_aws as aws
import pulumi_docker as docker

from infra.container import USER
from infra.image_tag import content_tag
from stack.image import APP_DOCKERFILE, PLATFORMS
from stack.settings import Settings
from tools.i18n import t

UNTAGGED_DAYS = 7
DECLARES_TMP = re.compile(r"(?im)^\s*VOLUME\b.*(?<![\w/])/tmp(?![\w/])")


@dataclass(frozen=True, kw_only=True)
class AppImageArgs:
    """The settings of the image."""

    settings: Settings


class AppImage(pulumi.ComponentResource):
    """The app's image, whose tag is a hash of its sources.

    Unchanged sources are not built again. Changed sources get a new tag and a new digest, which the
    task definition names. Tags are immutable: ECR refuses an existing tag, even for the same image
    (github.com/aws/containers-roadmap/issues/2179). After a return to earlier sources, or an
    interrupted push, change `imageRevision`.
    """

    tag: str
    repository_url: pulumi.Output[str]
    repository_arn: pulumi.Output[str]
    digest: pulumi.Output[str]

    def __init__(
        self, name: str, args: AppImageArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("careapp:infra:AppImage", name, None, opts)
        self.args, self.child = args, pulumi.ResourceOptions(parent=self)
        platform = PLATFORMS[args.settings.image.architecture]
        image = args.settings.image
        parts = {"platform": platform, "revision": image.revision}
        # The sources have neither; the usual ones are no part, so that the tags of running stacks stay.
        parts |= {"target": image.target} if image.target else {}
        parts |= {"dockerfile": image.file} if image.file != APP_DOCKERFILE.default else {}
        _check_tmp_volume(image.folder / image.file)
        self.tag = content_tag(image.folder, parts)
        repository = self._repository(name)
        self.repository_url = repository.repository_url
        self.repository_arn = repository.arn
        self.digest = self._image(name, repository, platform).repo_digest
        self.register_outputs({"repository_url": self.repository_url, "digest": self.digest})

    def _repository(self, name: str) -> aws.ecr.Repository:
        settings = self.args.settings
        repository = aws.ecr.Repository(
            f"{name}-app",
            name=settings.names.repository,
            image_tag_mutability="IMMUTABLE",
            image_scanning_configuration=aws.ecr.RepositoryImageScanningConfigurationArgs(
                scan_on_push=True
            ),
            force_delete=not settings.protect,
            tags=settings.tags,
            opts=pulumi.ResourceOptions(
                parent=self, protect=settings.protect, delete_before_replace=True
            ),
        )
        aws.ecr.LifecyclePolicy(
            f"{name}-app",
            repository=repository.name,
            policy=json.dumps(lifecycle(settings.image.kept)),
            opts=self.child,
        )
        return repository

    def _image(self, name: str, repository: aws.ecr.Repository, platform: str) -> docker.Image:
        """Build the image and push it with the credentials of Docker's configuration.

        No `registry` argument: its token would be stored in the state, where each preview could read
        it and push with it for 12 hours. Without it pulumi-docker takes the credentials for the
        image's host from Docker's configuration and its credential helpers (pulumi-docker 4,
        provider/image.go, getRegistryAuth).
        """
        image = self.args.settings.image
        context = f"./{image.folder}"
        return docker.Image(
            f"{name}-app",
            image_name=pulumi.Output.concat(repository.repository_url, ":", self.tag),
            build=docker.DockerBuildArgs(
                context=context,
                dockerfile=f"{context}/{image.file}",
                platform=platform,
                target=image.target or None,
            ),
            build_on_preview=False,
            skip_push=False,
            opts=self.child,
        )


def _check_tmp_volume(file: Path) -> None:
    """Log a warning when the Dockerfile does not declare the volume /tmp.

    On Fargate a bind mount is owned by root with mode 0755 unless the image declares it as VOLUME
    (ECS Developer Guide, "Use bind mounts with Amazon ECS"). It is no error, because the base image
    may declare it, and the app may not need it.
    """
    if not DECLARES_TMP.search(file.read_text()):
        pulumi.log.warn(
            str(
                t(
                    "{file} has no VOLUME /tmp. On Fargate /tmp is then owned by root, and the app, "
                    "which runs as user {user}, cannot write to it.",
                    file=str(file),
                    user=USER.partition(":")[0],
                )
            )
        )


def lifecycle(kept: int) -> dict[str, object]:
    """Return the ECR lifecycle policy.

    ECR deletes untagged images after a week, and tagged images when `kept` newer ones exist.
    """
    untagged = {
        "tagStatus": "untagged",
        "countType": "sinceImagePushed",
        "countUnit": "days",
        "countNumber": UNTAGGED_DAYS,
    }
    tagged = {
        "tagStatus": "tagged",
        "tagPatternList": ["*"],
        "countType": "imageCountMoreThan",
        "countNumber": kept,
    }
    return {
        "rules": [
            {"rulePriority": 1, "selection": untagged, "action": {"type": "expire"}},
            {"rulePriority": 2, "selection": tagged, "action": {"type": "expire"}},
        ]
    }
