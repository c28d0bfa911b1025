"""Builds an image, pushes it to the local cloud's ECR, and keeps how a task runs it."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from botocore.exceptions import ClientError

from local_cloud.building import dockerfile as reading
from local_cloud.building.dockerfile import STOP_SIGNAL, Stage
from local_cloud.building.files import Context, copy_folder
from local_cloud.building.layers import Built, Layers
from local_cloud.calls import Calls
from local_cloud.machine.guardian import docker
from local_cloud.machine.roots import within
from local_cloud.text import Text, t, verbatim


class ImageNotFound(Exception):
    """The local cloud's ECR has no image with this reference, which ``str()`` returns."""


@dataclass(frozen=True, kw_only=True)
class LocalImage:
    """An image in the form in which a task is started from it.

    ``command`` is the image's CMD, and ``volumes`` are the paths that it declares by VOLUME. Without
    Docker, ``root`` is the folder that a task has as its root, and ``folder`` is the WORKDIR below it.
    ``python`` is a folder with programs that is put before PATH, where the packages are not in the
    image. With ``docker`` the reference is the id of an image of the Docker engine, and the other fields
    describe it.
    """

    reference: str
    digest: str
    platform: str
    folder: Path
    command: tuple[str, ...]
    entry_point: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    user: str | None = None
    python: Path | None = None
    docker: bool = False
    root: Path | None = None
    volumes: tuple[str, ...] = ()
    stop_signal: str = STOP_SIGNAL

    def inside(self, text: str) -> str:
        """Return the text with local paths of the image's files and packages replaced by the paths in the image."""
        if self.root is None:
            return text
        if self.python:
            text = text.replace(str(self.python.parent), "/usr/local")
        return text.replace(str(self.root), "")

    def outside(self, text: str) -> str:
        """Return the text with absolute paths of the image's files replaced by their local paths."""

        def local_path(match: re.Match[str]) -> str:
            file = Path(f"{self.root}{match[0]}")
            return str(file) if file.exists() else match[0]

        return re.sub(r"(?<![\w./-])(?:/[\w.@+-]+)+", local_path, text) if self.root else text


MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"

NOT_FOUND = ("ImageNotFoundException", "RepositoryNotFoundException")
"""ECR's error codes for an image that does not exist (botocore, DescribeImages)."""


CLOSE_SECONDS = 10.0


def repository_and_tag(name: str) -> tuple[str, str]:
    """Return what stands before an image's tag, and the tag: `latest` without one, as for Docker and ECS.

    The part behind the last colon is no tag where it has a slash: then it is a port of the registry.
    """
    repository, colon, tag = name.rpartition(":")
    return (repository, tag) if colon and "/" not in tag else (name, "latest")


class BuildError(Exception):
    """The image cannot be built. The message has the builder's last lines."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """An image to build: pulumi-docker's ``build`` argument, and the image's name with its tag."""

    name: str
    context: Context
    platform: str
    arguments: Mapping[str, str]
    target: str = ""

    def read(self) -> Stage:
        """Return what the Dockerfile says without Docker. Raises ``DockerfileError``."""
        folder, file = self.context
        return reading.read(file, self.arguments, folder, self.target, self.platform)


class Builder:
    """The images of one local cloud, by tag and by digest."""

    def __init__(self, calls: Calls, folder: Path, *, docker: bool, mounts: bool = True) -> None:
        """``mounts`` is whether this machine allows an image to be the root of processes."""
        self._calls, self._folder = calls, folder
        self._images: dict[str, LocalImage] = {}
        self._layers = Layers()
        self.docker, self.mounts = docker, mounts
        self.left_out: list[str] = []
        """What of the last image's Dockerfile is left out without Docker, each with its file and line."""
        self._lock, self._laying_out = threading.Lock(), threading.Lock()

    def find(self, reference: str) -> LocalImage:
        """Return the image with a tag or digest. Raises ``ImageNotFound``, also if it was deleted from ECR."""
        with self._lock:
            image = self._images.get(
                reference if "@" in reference else ":".join(repository_and_tag(reference))
            )
        if image is None:
            raise ImageNotFound(reference)
        try:
            self._digest(reference)
        except ClientError as problem:
            if problem.response["Error"]["Code"] not in NOT_FOUND:
                raise
            raise ImageNotFound(reference) from None
        return image

    def _digest(self, reference: str) -> str:
        """Return ECR's digest of an image, by its tag or digest."""
        rest = reference.partition("/")[2]
        repository, _, digest = rest.partition("@")
        which = {"imageDigest": digest}
        if not digest:
            repository, tag = repository_and_tag(rest)
            which = {"imageTag": tag}
        params = {"repositoryName": repository, "imageIds": [which]}
        [found] = self._calls("ecr", "describe_images", params)["imageDetails"]
        return str(found["imageDigest"])

    def close(self) -> None:
        """End a build that runs, and remove the images' names from the Docker engine. Build caches stay."""
        self._layers.stop()
        # The folder is deleted next, and must not be made again.
        if self._laying_out.acquire(timeout=CLOSE_SECONDS):
            self._laying_out.release()
        names = {name for name, image in self._images.items() if image.docker and "@" not in name}
        for name in names:
            docker("image", "rm", "--force", "--no-prune", name)

    def interrupt(self) -> None:
        """End a build without Docker that runs, with its processes."""
        self._layers.interrupt()

    def build(self, wanted: Wanted, say: Callable[[Text], None] = print) -> str:
        """Build and push the image and return its digest (``sha256:…``). Raises ``BuildError``.

        ``say`` is told what is waited for.
        """
        file = wanted.context.dockerfile
        if not file.is_file():
            raise BuildError(t("{file}: no such Dockerfile", file=str(file)))
        image = (
            self._build_with_docker(wanted)
            if self.docker
            else self._build_without_docker(wanted, say)
        )
        digest = self._push(wanted, image)
        repository, tag = repository_and_tag(wanted.name)
        with self._lock:
            for reference in (f"{repository}:{tag}", f"{repository}@{digest}"):
                self._images[reference] = image
        return digest

    def _build_without_docker(self, wanted: Wanted, say: Callable[[Text], None]) -> LocalImage:
        stage = wanted.read()
        # Another command or label makes another image, as with Docker.
        built = self._layers.build(stage, wanted.context, runs=self.mounts, say=say)
        root = self._laid_out(built)
        parts = (wanted.context.dockerfile.read_text(), wanted.target, wanted.platform, built.key)
        digest = hashlib.sha256(repr((*parts, sorted(wanted.arguments.items()))).encode())
        self.left_out = list(map(str, built.notices))
        return LocalImage(
            reference=wanted.name,
            digest=f"sha256:{digest.hexdigest()}",
            platform=wanted.platform,
            folder=within(root, str(stage.workdir)),
            environment=dict(stage.environment),
            command=stage.command,
            entry_point=stage.entry_point,
            user=stage.user,
            python=built.programs,
            root=root,
            volumes=stage.volumes,
            stop_signal=stage.stop_signal,
        )

    def _laid_out(self, built: Built) -> Path:
        """Return this cloud's folder with the image's files, which appears with all of them.

        The same content is built again for another tag, while tasks run in this folder.
        """
        root = self._folder / built.key[:16]
        with self._laying_out:
            self._layers.check()
            if not root.exists():
                unfinished = root.with_suffix(".part")
                shutil.rmtree(unfinished, ignore_errors=True)
                unfinished.mkdir(parents=True)
                unfinished.chmod(0o755)
                # Without a root of their own, tasks may write to the image's files.
                copy_folder(built.root, unfinished, shared=self.mounts)
                unfinished.rename(root)
        return root

    def _build_with_docker(self, wanted: Wanted) -> LocalImage:
        """Build the Dockerfile with the Docker engine for the requested platform."""
        # The host's network also works for an engine without a bridge. Tasks run in it as well.
        command = ["docker", "build", "--quiet", "--network", "host"]
        command += ["--platform", wanted.platform]
        # An index URL may contain a password, so only the variable's name is an argument.
        command += ["--build-arg", "PIP_INDEX_URL"] if "PIP_INDEX_URL" in os.environ else []
        command += ["--tag", wanted.name, "--file", str(wanted.context.dockerfile)]
        command += ["--target", wanted.target] if wanted.target else []
        for name, value in wanted.arguments.items():
            command += ["--build-arg", f"{name}={value}"]
        built = subprocess.run(
            [*command, str(wanted.context.folder)], capture_output=True, text=True, check=False
        )
        if built.returncode:
            last = "\n".join((built.stdout + built.stderr).splitlines()[-20:])
            raise BuildError(
                t("docker build ended with {code}:\n{last}", code=built.returncode, last=last)
            )
        inspect = ["docker", "image", "inspect", "--format", "{{json .Config}}", wanted.name]
        config = json.loads(subprocess.check_output(inspect))
        identity = built.stdout.strip().splitlines()[-1]
        return LocalImage(
            # The engine gives the name to each new build, even if ECR then refuses its tag.
            reference=identity,
            digest=identity,
            platform=wanted.platform,
            folder=wanted.context.folder,
            environment={},  # The image has its own variables.
            command=tuple(config.get("Cmd") or ()),
            entry_point=tuple(config.get("Entrypoint") or ()),
            user=config.get("User") or None,
            docker=True,
            volumes=tuple(config.get("Volumes") or ()),
            stop_signal=config.get("StopSignal") or STOP_SIGNAL,
        )

    def _push(self, wanted: Wanted, image: LocalImage) -> str:
        """Put the image into ECR, as ``docker push`` does, and return ECR's digest of it.

        Raises ``BuildError`` with pulumi-docker's words for an immutable tag that exists (its
        provider/image.go, dockerBuild; "tag invalid" is the registry's code TAG_INVALID).
        """
        host, _, rest = wanted.name.partition("/")
        repository, tag = repository_and_tag(rest)
        manifest = json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": MANIFEST,
                "config": {"platform": image.platform},
                # moto computes the manifest's digest from those of its layers.
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
            self._calls("ecr", "put_image", params)
        except ClientError as problem:
            error = problem.response["Error"]
            if error["Code"] == "ImageTagAlreadyExistsException":
                words = f"error reading push output: tag invalid: {error['Message']}"
                raise BuildError(verbatim(words)) from None
            if error["Code"] != "ImageAlreadyExistsException":
                raise
            # In a mutable repository the tag may name this image already: the push succeeds.
        return self._digest(wanted.name)
