"""Pulumi's provider protocol as all stand-ins implement it."""

import logging
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import grpc
from google.protobuf import any_pb2, empty_pb2, json_format, struct_pb2
from google.rpc import status_pb2
from pulumi.runtime.proto import plugin_pb2, provider_pb2_grpc
from pulumi.runtime.proto import provider_pb2 as pb
from pulumi.runtime.rpc import UNKNOWN

from local_cloud.text import said

VERSIONS = {"aws": "7.51.1", "awsx": "3.11.0", "docker": "4.11.2"}
"""The versions of the plugins whose behaviour the stand-ins have."""
Values = dict[str, Any]
log = logging.getLogger(__name__)


class Incomplete(Exception):
    """A resource exists, but not as it should. The state must keep its ``identity``, and ``outputs`` if it has some."""

    def __init__(self, identity: str, reason: Exception, outputs: Values | None = None) -> None:
        super().__init__(str(reason))
        self.identity, self.outputs = identity, outputs


class Servicer(provider_pb2_grpc.ResourceProviderServicer):
    """The calls that all stand-ins answer in the same way. A subclass implements those of its resources."""

    version = ""
    secrets = False
    """Whether inputs keep Pulumi's secret marker. Where they do not, the engine restores it."""

    def __init__(self) -> None:
        self._cancelled: dict[str, threading.Event] = {}
        """By the connections of engines."""

    def cancelled(self, context: Any) -> threading.Event:
        """Return what is set when the engine of a call gets a Ctrl-C, and no other engine."""
        return self._cancelled.setdefault(context.peer(), threading.Event())

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

    def Configure(self, _request: Any, context: Any) -> Any:
        self._cancelled.pop(context.peer(), None)  # of an engine that had this port before
        return pb.ConfigureResponse(supportsPreview=True, acceptSecrets=self.secrets)

    def Cancel(self, _request: Any, context: Any) -> Any:
        self.cancelled(context).set()
        return empty_pb2.Empty()


def values(message: Any) -> Values:
    """Return a protobuf struct as a dictionary, with whole numbers as integers."""
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
    """Return a dictionary as a protobuf struct, without the entries that are None."""
    result = struct_pb2.Struct()
    result.update({name: value for name, value in data.items() if value is not None})
    return result


def unknown(value: Any) -> bool:
    """Return whether a part of ``value`` is unknown until the update."""
    if isinstance(value, Mapping):
        return any(unknown(inner) for inner in value.values())
    if isinstance(value, list):
        return any(unknown(inner) for inner in value)
    return bool(value == UNKNOWN)


def differing(olds: Mapping[str, Any], news: Mapping[str, Any]) -> list[str]:
    """Return the names of the inputs that differ."""
    names = {name for name in {*olds, *news} if not name.startswith("__")}
    return sorted(name for name in names if olds.get(name) != news.get(name))


def fail(context: Any, urn: str, doing: str, problem: Exception) -> None:
    """Log the problem and end the call with its message."""
    log.info("%s %s failed", doing, urn, exc_info=problem)
    name = urn.rpartition("::")[2]
    message = f"{doing} {name!r}: {said(problem)!s}"
    context.abort(grpc.StatusCode.UNKNOWN, message)


def _keep_incomplete(context: Any, problem: Incomplete, inputs: Values) -> None:
    """End the call so that the engine keeps the resource in the state, marked as not fully created."""
    detail = any_pb2.Any()
    detail.Pack(
        pb.ErrorResourceInitFailed(
            id=problem.identity,
            properties=struct(problem.outputs or inputs),
            inputs=struct(inputs),
            reasons=[str(problem)],
        )
    )
    status = status_pb2.Status(code=grpc.StatusCode.UNKNOWN.value[0], message=str(problem))
    status.details.append(detail)
    context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
    context.abort(grpc.StatusCode.UNKNOWN, str(problem))


@contextmanager
def failing(context: Any, urn: str, doing: str, inputs: Values | None = None) -> Iterator[None]:
    """End the call with the problem of the block. With ``inputs`` an incomplete resource is kept."""
    try:
        yield
    except Exception as problem:
        if isinstance(problem, Incomplete) and inputs is not None:
            _keep_incomplete(context, problem, inputs)
        else:
            fail(context, urn, doing, problem)
