"""Builds an image and pushes it to the local cloud's ECR; remembers how to run it."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from i18n import t
from rehearsal.building import dockerfile, venvs
from rehearsal.building.dockerfile import DockerfileError, lay_out, placed
from rehearsal.building.venvs import FILES
from rehearsal.providers.calls import Calls
from stack.context import content_tag


class ImageNotFound(Exception):
    """No image of that reference was ever pushed; ``str()`` names the reference."""


@dataclass(frozen=True, kw_only=True)
class LocalImage:
    """One image, in a form that a task can be started from.

    ``folder`` is where the command runs and stands for the image's WORKDIR; ``root`` stands for the image's
    root, where its files are laid out. ``python`` is the folder of programs that the command
    finds first. With ``docker`` the reference names an image in the local engine and the other fields
    describe it.
    """

    reference: str
    digest: str
    platform: str
    folder: Path
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    user: str | None = None
    python: Path | None = None
    docker: bool = False
    root: Path | None = None

    def inside(self, text: str) -> str:
        """Return the text with the files below ``root`` named as in a container of the image."""
        return text if self.root is None else text.replace(str(self.root), "")

    def outside(self, text: str) -> str:
        """Return the text with the image's own files, named by their whole paths, as they are laid out here."""
        if self.root is None:
            return text
        root = self.root

        def led(match: re.Match[str]) -> str:
            file = root / match[0].lstrip("/")
            return str(file) if file.exists() else match[0]

        return re.sub(r"(?<![\w./-])(?:/[\w.@+-]+)+", led, text)


MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"

GONE = ("ImageNotFoundException", "RepositoryNotFoundException")
"""ECR's words for an image that is not there (botocore, DescribeImages)."""


class BuildError(Exception):
    """The image cannot be built. The message holds the builder's last lines."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What is to be built: pulumi-docker's ``build`` argument and the image's name with its tag."""

    name: str
    context: Path
    dockerfile: Path | None
    platform: str
    arguments: Mapping[str, str]

    @property
    def file(self) -> Path:
        return self.dockerfile or self.context / "Dockerfile"


class Builder:
    """Images of one local cloud, by tag and by digest."""

    def __init__(self, calls: Calls, folder: Path, *, docker: bool) -> None:
        self._calls, self._folder, self._docker = calls, folder, docker
        self._images: dict[str, LocalImage] = {}
        self._lock = threading.Lock()

    def find(self, reference: str) -> LocalImage:
        """The image of a tag or digest, if the repository still holds it. Raises ``ImageNotFound``."""
        with self._lock:
            image = self._images.get(reference)
        if image is None or not self._held(reference):
            raise ImageNotFound(reference)
        return image

    def _held(self, reference: str) -> bool:
        """Whether ECR has the image: somebody may have deleted it."""
        rest = reference.partition("/")[2]
        repository, _, digest = rest.partition("@")
        which = {"imageDigest": digest}
        if not digest:
            repository, _, tag = rest.rpartition(":")
            which = {"imageTag": tag}
        params = {"repositoryName": repository, "imageIds": [which]}
        try:
            self._calls("ecr", "describe_images", params)
        except ClientError as problem:
            if problem.response["Error"]["Code"] not in GONE:
                raise
            return False
        return True

    def close(self) -> None:
        """Take the images' names from the Docker engine; its build cache stays, as after any build."""
        names = {image.reference for image in self._images.values() if image.docker}
        for name in names:
            subprocess.run(
                ["docker", "image", "rm", "--force", "--no-prune", name],
                capture_output=True,
                check=False,
            )

    def build(self, wanted: Wanted) -> str:
        """Build, push, and return the digest (``sha256:…``). Raises ``BuildError``."""
        if not wanted.file.is_file():
            raise BuildError(t("{file}: no such Dockerfile", file=str(wanted.file)))
        image = self._with_docker(wanted) if self._docker else self._unpacked(wanted)
        digest = self._push(wanted, image)
        repository = wanted.name.rpartition(":")[0]
        with self._lock:
            for reference in (wanted.name, f"{repository}@{digest}"):
                self._images[reference] = image
        return digest

    def _unpacked(self, wanted: Wanted) -> LocalImage:
        """Without Docker: the copied files in a folder and the packages in a venv."""
        stage = dockerfile.read(wanted.file, dict(wanted.arguments))
        key = content_tag(wanted.context, {"platform": wanted.platform, **wanted.arguments})
        root = self._folder / key
        shutil.rmtree(root, ignore_errors=True)
        lay_out(wanted.context, stage.copies, root)
        folder = root / str(stage.workdir).lstrip("/")
        folder.mkdir(parents=True, exist_ok=True)
        return LocalImage(
            reference=wanted.name,
            digest="sha256:" + hashlib.sha256(key.encode()).hexdigest(),
            platform=wanted.platform,
            folder=folder,
            environment={n: v for n, v in stage.environment.items() if n != "PATH"},
            command=stage.command,
            user=stage.user,
            python=packages(wanted.context, stage),
            docker=False,
            root=root,
        )

    def _with_docker(self, wanted: Wanted) -> LocalImage:
        """With a Docker engine: its own build of the Dockerfile, for the platform asked for."""
        # The host's network serves an engine without a bridge, too; tasks run in it as well.
        command = ["docker", "build", "--quiet", "--network", "host"]
        command += ["--platform", wanted.platform]
        if "PIP_INDEX_URL" in os.environ:
            command += ["--build-arg", "PIP_INDEX_URL"]  # a mirror; the value stays out of argv
        command += ["--tag", wanted.name, "--file", str(wanted.file)]
        for name, value in wanted.arguments.items():
            command += ["--build-arg", f"{name}={value}"]
        built = subprocess.run(
            [*command, str(wanted.context)], capture_output=True, text=True, check=False
        )
        if built.returncode:
            last = "\n".join((built.stdout + built.stderr).splitlines()[-20:])
            raise BuildError(
                t("docker build ended with {code}:\n{last}", code=built.returncode, last=last)
            )
        told = _configuration(wanted.name)
        return LocalImage(
            reference=wanted.name,
            digest=built.stdout.strip().splitlines()[-1],
            platform=wanted.platform,
            folder=wanted.context,
            environment={},  # The image brings its own.
            # `docker run` puts the image's entry point in front by itself.
            command=tuple(told.get("Cmd") or ()),
            user=told.get("User") or None,
            python=None,
            docker=True,
        )

    def _push(self, wanted: Wanted, image: LocalImage) -> str:
        """Put the image into ECR, as ``docker push`` would, and return ECR's digest of it."""
        host, _, rest = wanted.name.partition("/")
        repository, _, tag = rest.rpartition(":")
        manifest = json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": MANIFEST,
                "config": {"platform": image.platform},
                # moto makes the manifest's digest from those of its layers.
                "layers": [{"digest": image.digest}],
            }
        )
        params = {
            "registryId": host.partition(".")[0],
            "repositoryName": repository,
            "imageTag": tag,
            "imageManifest": manifest,
        }
        try:
            answer = self._calls("ecr", "put_image", params)
        except ClientError as problem:
            if problem.response["Error"]["Code"] != "ImageAlreadyExistsException":
                raise
            answer = {"image": {"imageId": self._pushed(repository, tag)}}
        return str(answer["image"]["imageId"]["imageDigest"])

    def _pushed(self, repository: str, tag: str) -> dict[str, str]:
        """The id of an image that the repository already holds: the same image pushed twice."""
        params = {"repositoryName": repository, "imageIds": [{"imageTag": tag}]}
        [found] = self._calls("ecr", "describe_images", params)["imageDetails"]
        return {"imageDigest": found["imageDigest"]}


def packages(context: Path, stage: dockerfile.Stage) -> Path:
    """The folder of programs of a venv with the packages that a stage installs.

    Raises ``InstallError``, and ``DockerfileError`` for a file that is not in the image.
    """
    return venvs.venv([arguments(context, each) for each in stage.installs])


def arguments(context: Path, install: dockerfile.Install) -> list[str]:
    """The arguments of a `pip install`, its files named as they are in the context."""
    files = {str(path): str(file) for path, file in placed(context, install.copies).items()}
    for option, value in pairwise(install.arguments):
        if option in FILES and value not in files:
            raise DockerfileError(
                t(
                    "{place}: {file} is not copied into the image before",
                    place=install.place,
                    file=value,
                )
            )
    return [files.get(word, word) for word in install.arguments]


def _configuration(name: str) -> dict[str, Any]:
    """What an image says of its command and its user."""
    command = ["docker", "image", "inspect", "--format", "{{json .Config}}", name]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found: dict[str, Any] = json.loads(told)
    return found
