"""The engine's side of a stand-in: Pulumi's provider protocol, as far as the engine uses it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from typing import Any

import grpc
from google.protobuf import any_pb2, empty_pb2, json_format, struct_pb2
from google.rpc import status_pb2
from pulumi.runtime.proto import plugin_pb2, provider_pb2_grpc
from pulumi.runtime.proto import provider_pb2 as pb
from pulumi.runtime.rpc import UNKNOWN

from i18n import said
from rehearsal.providers.lifecycle import HalfMade

Values = dict[str, Any]
log = logging.getLogger(__name__)


class Servicer(provider_pb2_grpc.ResourceProviderServicer):
    """What every stand-in answers alike; a subclass says what a resource is."""

    version = ""
    secrets = False
    """Whether inputs keep Pulumi's mark of a secret; where they do not, the engine keeps it for us."""

    def __init__(self) -> None:
        self.cancelled = threading.Event()

    def Attach(self, _request: Any, _context: Any) -> Any:
        return empty_pb2.Empty()

    def Handshake(self, _request: Any, _context: Any) -> Any:
        return pb.ProviderHandshakeResponse(accept_secrets=self.secrets)

    def GetPluginInfo(self, _request: Any, _context: Any) -> Any:
        return plugin_pb2.PluginInfo(version=self.version)

    def CheckConfig(self, request: Any, _context: Any) -> Any:
        return pb.CheckResponse(inputs=request.news)

    def DiffConfig(self, _request: Any, _context: Any) -> Any:
        return pb.DiffResponse(changes=pb.DiffResponse.DIFF_NONE)

    def Configure(self, _request: Any, _context: Any) -> Any:
        self.cancelled.clear()
        return pb.ConfigureResponse(supportsPreview=True, acceptSecrets=self.secrets)

    def Cancel(self, _request: Any, _context: Any) -> Any:
        self.cancelled.set()
        return empty_pb2.Empty()


def values(message: Any) -> Values:
    """A protobuf struct as a dictionary, with whole numbers as integers."""
    return {name: _whole(value) for name, value in json_format.MessageToDict(message).items()}


def _whole(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, Mapping):
        return {name: _whole(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_whole(inner) for inner in value]
    return value


def struct(data: Mapping[str, Any]) -> Any:
    """A dictionary as a protobuf struct; what is None is left out."""
    result = struct_pb2.Struct()
    result.update({name: value for name, value in data.items() if value is not None})
    return result


def unknown(value: Any) -> bool:
    """Whether something in ``value`` is not known before the update."""
    if isinstance(value, Mapping):
        return any(unknown(inner) for inner in value.values())
    if isinstance(value, list):
        return any(unknown(inner) for inner in value)
    return bool(value == UNKNOWN)


def differing(olds: Mapping[str, Any], news: Mapping[str, Any]) -> list[str]:
    """The inputs in which two versions of a resource differ."""
    names = {name for name in {*olds, *news} if not name.startswith("__")}
    return sorted(name for name in names if olds.get(name) != news.get(name))


def fail(context: Any, urn: str, doing: str, problem: Exception) -> None:
    """End the call with one sentence; a resource that exists all the same is kept in the state."""
    log.info("%s %s failed", doing, urn, exc_info=problem)
    name = urn.rpartition("::")[2]
    message = f"{doing} {name!r}: {said(problem)!s}"
    context.abort(grpc.StatusCode.UNKNOWN, message)


def keep_half_made(context: Any, half: HalfMade, inputs: Values) -> None:
    """Tell the engine that the resource exists but is not as it should be."""
    detail = any_pb2.Any()
    detail.Pack(
        pb.ErrorResourceInitFailed(
            id=half.identity,
            properties=struct(inputs),
            inputs=struct(inputs),
            reasons=[str(half)],
        )
    )
    status = status_pb2.Status(code=grpc.StatusCode.UNKNOWN.value[0], message=str(half))
    status.details.append(detail)
    context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
    context.abort(grpc.StatusCode.UNKNOWN, str(half))
