"""The app's ECR repository, and the image that is built and pushed to it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import pulumi
import pulumi_aws as aws
import pulumi_docker as docker
from pulumi.output import UNKNOWN

from careapp.settings.settings import Settings
from ecs_gate.facts.fargate import PLATFORMS
from ecs_gate.text import t

from .component import Component
from .container import USER
from .image_tag import choose_tag, hash_sources

IMAGE = "docker:index/image:Image"
UNTAGGED_DAYS = 7
DECLARES_TMP = re.compile(r"(?im)^\s*VOLUME\b.*(?<![\w/])/tmp(?![\w/])")


class AppImage(Component):
    """The app's image, whose tag begins with a hash of its sources.

    Unchanged sources are not built again: the tag is that of the state, whose resources are ``before``. Changed
    sources, also a return to earlier ones, get a new tag and a digest, which the task definition names. Tags are
    immutable in ECR. The newest ``images_kept`` stay there to go back to; each failed release pushes one, too, and the
    running one must stay.
    """

    def __init__(
        self,
        name: str,
        settings: Settings,
        before: Mapping[str, Mapping[str, Any]],
        *,
        images_kept: int = 30,
    ) -> None:
        super().__init__(name, settings)
        self.images_kept = images_kept
        image = settings.image
        dockerfile = image.folder / image.file
        build, last = self._build(), _last_tag(before, f"{name}-app")
        # .dockerignore may exclude the Dockerfile, which is sent to the builder nevertheless.
        parts = {**build, "revision": image.revision, "content": dockerfile.read_text()}
        self.tag = choose_tag(hash_sources(image.folder, image.file, parts), last)
        repository = self._repository(name)
        self.repository_url, self.repository_arn = repository.repository_url, repository.arn
        new = self.tag != last
        if new and not pulumi.runtime.is_dry_run():
            _check_tmp_volume(dockerfile)
        self.digest = self._image(name, build, new=new).repo_digest
        self.register_outputs({})

    def _repository(self, name: str) -> aws.ecr.Repository:
        settings = self.settings
        repository = aws.ecr.Repository(
            f"{name}-app",
            name=settings.names.repository,
            image_tag_mutability="IMMUTABLE",
            image_scanning_configuration={"scan_on_push": True},
            force_delete=not settings.protect,
            opts=self.options(protect=settings.protect, delete_before_replace=True),
        )
        aws.ecr.LifecyclePolicy(
            f"{name}-app",
            repository=repository.name,
            policy=json.dumps(lifecycle(self.images_kept)),
            opts=self.child,
        )
        return repository

    def _build(self) -> dict[str, Any]:
        """Return the arguments of the build, all of which the tag covers: pulumi-docker builds again if one changes."""
        image = self.settings.image
        context = f"./{image.folder}"
        build = {
            "context": context,
            "dockerfile": f"{context}/{image.file}",
            "platform": PLATFORMS[image.architecture],
        }
        return build | ({"target": image.target} if image.target else {})

    def _image(self, name: str, build: Mapping[str, Any], *, new: bool) -> docker.Image:
        """Build the image and push it with the credentials of Docker's configuration.

        No `registry` argument: its token would be stored in the state, where each preview could read
        it and push with it for 12 hours. Without it pulumi-docker takes the credentials for the
        image's host from Docker's configuration and its credential helpers (pulumi-docker 4,
        provider/image.go, getRegistryAuth).
        """
        planned = new and pulumi.runtime.is_dry_run()
        # An update runs the program again, at another moment, and must do what the preview has planned.
        image_name = self.repository_url.apply(
            lambda url: cast(str, UNKNOWN) if planned else f"{url}:{self.tag}"
        )
        return docker.Image(
            f"{name}-app",
            image_name=image_name,
            build=docker.DockerBuildArgs(**build),
            build_on_preview=False,
            skip_push=False,
            opts=self.child,
        )


def _last_tag(resources: Mapping[str, Mapping[str, Any]], name: str) -> str:
    """Return the tag of the image that the last update pushed; "" if there was none."""
    for urn, resource in resources.items():
        if resource["type"] == IMAGE and urn.endswith(f"::{name}"):
            return str(resource["outputs"]["imageName"]).rpartition(":")[2]
    return ""


def _check_tmp_volume(file: Path) -> None:
    """Log a warning when the Dockerfile of a new image does not declare the volume /tmp.

    On Fargate a bind mount is owned by root with mode 0755 unless the image declares it as VOLUME
    (ECS Developer Guide, "Use bind mounts with Amazon ECS"). It is no error, because the base image
    may declare it, and the app may not need it.
    """
    if not DECLARES_TMP.search(file.read_text()):
        message = t(
            "{file} has no VOLUME /tmp, so on Fargate /tmp belongs to root, and the app, which runs as user {user}, "
            "cannot write to it. If it does, add the line: VOLUME /tmp",
            file=str(file),
            user=USER.partition(":")[0],
        )
        pulumi.log.warn(str(message))


def lifecycle(images_kept: int) -> dict[str, object]:
    """Return the ECR lifecycle policy, which deletes untagged images by age and tagged ones by number."""
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
        "countNumber": images_kept,
    }
    return {
        "rules": [
            {"rulePriority": 1, "selection": untagged, "action": {"type": "expire"}},
            {"rulePriority": 2, "selection": tagged, "action": {"type": "expire"}},
        ]
    }
