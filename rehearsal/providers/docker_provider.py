"""The stand-in for pulumi-docker: it builds ``Image`` and pushes it to the local cloud's ECR."""

from __future__ import annotations

from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

from google.protobuf import empty_pb2
from pulumi.runtime.proto import provider_pb2 as pb
from pulumi.runtime.rpc import UNKNOWN

from rehearsal.building.builder import Builder, Wanted
from rehearsal.providers.servicer import Servicer, Values, differing, fail, struct, unknown, values

IMAGE = "docker:index/image:Image"
MADE = ("baseImageName", "repoDigest")
DEFAULT_PLATFORM = "linux/amd64"


class DockerServicer(Servicer):
    """Build ``docker.Image`` of pulumi-docker 4. Every other type is an error."""

    version = metadata.version("pulumi-docker")

    def __init__(self, builder: Builder, folder: Callable[[], Path]) -> None:
        """``folder`` returns the program's folder, which is the working directory of a real plugin."""
        super().__init__()
        self._builder, self._folder = builder, folder

    def Check(self, request: Any, context: Any) -> Any:
        if request.urn.split("::")[2].rpartition("$")[2] != IMAGE:
            words = "the rehearsal has a stand-in for docker.Image only"
            fail(context, request.urn, "preparing", ValueError(words))
        inputs = values(request.news)
        failures = [
            pb.CheckFailure(property=name, reason="a build needs it")
            for name in ("imageName", "build")
            if not inputs.get(name)
        ]
        return pb.CheckResponse(inputs=request.news, failures=failures)

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
        folder = self._folder()
        wanted = Wanted(
            name=inputs["imageName"],
            context=folder / shown["context"],
            dockerfile=folder / build["dockerfile"] if build.get("dockerfile") else None,
            platform=shown["platform"],
            arguments=build.get("args") or {},
        )
        try:
            digest = self._builder.build(wanted)
        except Exception as problem:
            fail(context, request.urn, "building", problem)
        repository = inputs["imageName"].rpartition(":")[0]
        return {
            **shown,
            "baseImageName": inputs["imageName"],
            "repoDigest": f"{repository}@{digest}",
        }


def _compared(inputs: Values) -> Values:
    """Return the inputs whose change builds the image again: all but the registry's credentials."""
    return {name: value for name, value in inputs.items() if name != "registry"}
