"""The stand-in for pulumi-docker: it builds ``Image`` and pushes it to the local cloud's ECR."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import grpc
from google.protobuf import empty_pb2
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc
from pulumi.runtime.proto import provider_pb2 as pb
from pulumi.runtime.rpc import UNKNOWN

from local_cloud.building.builder import Builder, Wanted, repository_and_tag
from local_cloud.building.dockerfile import DockerfileError, left_out
from local_cloud.building.files import Context
from local_cloud.providers.servicer import (
    VERSIONS,
    Servicer,
    Values,
    differing,
    fail,
    failing,
    struct,
    unknown,
    values,
)
from local_cloud.text import said

IMAGE = "docker:index/image:Image"
MADE = ("baseImageName", "repoDigest")
DEFAULT_PLATFORM = "linux/amd64"


class DockerServicer(Servicer):
    """Build ``docker.Image`` of pulumi-docker 4. Every other type is an error."""

    version = VERSIONS["docker"]

    def __init__(self, builder: Builder, folder: Callable[[], Path]) -> None:
        """``folder`` returns the program's folder, which is the working directory of a real plugin."""
        super().__init__()
        self._builder, self._folder = builder, folder
        self._engine = ""

    def Attach(self, request: Any, _context: Any) -> Any:
        self._engine = request.address
        return empty_pb2.Empty()

    def Check(self, request: Any, context: Any) -> Any:
        if request.urn.split("::")[2].rpartition("$")[2] != IMAGE:
            words = "the local cloud has a stand-in for docker.Image only"
            fail(context, request.urn, "preparing", ValueError(words))
        inputs = values(request.news)
        failures = [
            pb.CheckFailure(property=name, reason="a build needs it")
            for name in ("imageName", "build")
            if not inputs.get(name)
        ]
        if not (failures or self._builder.docker):
            failures = self._read(self._wanted(inputs))
        if not failures and (context := self._wanted(inputs).context).dockerfile.is_file():
            # A change of it alone builds and pushes again, under the same name (pulumi-docker 4, provider.go, Check).
            request.news["build"]["contextDigest"] = context.fingerprint()
        return pb.CheckResponse(inputs=request.news, failures=failures)

    def _read(self, wanted: Wanted) -> list[Any]:
        """Read the Dockerfile and return what is wrong with it, in a preview as in an update."""
        try:
            wanted.read()
        except (DockerfileError, OSError) as problem:
            return [pb.CheckFailure(property="build", reason=str(said(problem)))]
        return []

    def _warn(self, urn: str, message: object) -> None:
        """Print a warning of the engine's."""
        if self._engine:
            with grpc.insecure_channel(self._engine) as channel:
                engine_pb2_grpc.EngineStub(channel).Log(
                    engine_pb2.LogRequest(
                        severity=engine_pb2.WARNING, urn=urn, message=str(message)
                    )
                )

    def Cancel(self, request: Any, context: Any) -> Any:
        """End a build that runs: Ctrl-C would wait for its end."""
        self._builder.interrupt()
        return super().Cancel(request, context)

    def Diff(self, request: Any, _context: Any) -> Any:
        olds, news = _compared(values(request.old_inputs)), _compared(values(request.news))
        changed = differing(olds, news)
        changes = pb.DiffResponse.DIFF_SOME if changed else pb.DiffResponse.DIFF_NONE
        return pb.DiffResponse(changes=changes, diffs=changed)

    def Create(self, request: Any, context: Any) -> Any:
        made = self._build(request, values(request.properties), request.preview, context)
        identity = "" if request.preview else made["imageName"]
        return pb.CreateResponse(id=identity, properties=struct(made))

    def Update(self, request: Any, context: Any) -> Any:
        made = self._build(request, values(request.news), request.preview, context)
        return pb.UpdateResponse(properties=struct(made))

    def Delete(self, _request: Any, _context: Any) -> Any:
        return empty_pb2.Empty()  # The real provider also leaves the image in the registry.

    def Read(self, request: Any, _context: Any) -> Any:
        return pb.ReadResponse(id=request.id, properties=request.properties, inputs=request.inputs)

    def _build(self, request: Any, inputs: Values, preview: bool, context: Any) -> Values:
        build = inputs.get("build") or {}
        shown = {
            "context": build.get("context", "."),
            "dockerfile": build.get("dockerfile", "Dockerfile"),
            "imageName": inputs["imageName"],
            "platform": build.get("platform", DEFAULT_PLATFORM),
            "registryServer": (inputs.get("registry") or {}).get("server", ""),
        }
        if preview or unknown(inputs["imageName"]):
            return {**shown, **dict.fromkeys(MADE, UNKNOWN)}
        with failing(context, request.urn, "building"):
            digest = self._builder.build(self._wanted(inputs), partial(self._warn, request.urn))
        if self._builder.left_out:
            self._warn(request.urn, left_out(self._builder.left_out))
        repository, _ = repository_and_tag(inputs["imageName"])
        return {
            **shown,
            "baseImageName": inputs["imageName"],
            "repoDigest": f"{repository}@{digest}",
        }

    def _wanted(self, inputs: Values) -> Wanted:
        """Return the image to build. Its paths are relative to the program's folder."""
        folder, build = self._folder(), inputs["build"]
        context = folder / build.get("context", ".")
        file = folder / build["dockerfile"] if build.get("dockerfile") else context / "Dockerfile"
        return Wanted(
            name=inputs["imageName"],
            context=Context(context, file),
            platform=build.get("platform", DEFAULT_PLATFORM),
            arguments=build.get("args") or {},
            target=build.get("target") or "",
        )


def _compared(inputs: Values) -> Values:
    """Return the inputs whose change builds the image again: all but the registry's credentials."""
    return {name: value for name, value in inputs.items() if name != "registry"}
