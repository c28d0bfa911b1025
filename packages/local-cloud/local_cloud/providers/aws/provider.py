"""The stand-in for the aws provider: boto3 creates each resource in the local cloud."""

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from google.protobuf import empty_pb2
from pulumi.runtime.proto import provider_pb2 as pb
from pulumi.runtime.rpc import UNKNOWN, _special_asset_sig, _special_sig_key

from local_cloud import starter
from local_cloud.calls import Calls
from local_cloud.providers import lifecycle
from local_cloud.providers.aws import KINDS
from local_cloud.providers.aws.functions import FUNCTIONS
from local_cloud.providers.kind import CHOSEN, Kind, clean
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


def other_region(own: str, region: str) -> str:
    """Return what to do with a stack of another region than the local cloud's."""
    started = starter.current()
    start = f"{started.inside} --region {region}"
    return (
        f"the local cloud runs in {own}, and the stack's region is {region}. Nothing was made. Start a second "
        f"local cloud beside it: {started.home_variable}=FOLDER {start}; or end this one and its stacks: "
        f"{started.cloud} stop, then {start}"
    )


def _current_inputs(kind: Kind, request: Any) -> Values:
    """Return a resource's inputs as they were in AWS at the last update or refresh, which the state's outputs have.

    An input that the program gives only now, as after an import, may be what AWS has already.
    """
    inputs, state = values(request.old_inputs), values(request.olds)
    given_now = values(request.news).keys() - inputs.keys()
    apart = {*kind.ignored, *kind.unread, *({*kind.outputs} - given_now)} - {*kind.reads}
    names = (inputs.keys() | given_now) & state.keys() - apart
    return {**inputs, **{name: state[name] for name in names}}


def _same_fixed_name(kind: Kind, olds: Values, news: Values) -> bool:
    """Return whether both have the same name from the program, which only one resource can have.

    A name from the provider has another suffix in the replacement, which can then be created first
    (pulumi-terraform-bridge, nameRequiresDeleteBeforeReplace).
    """
    name = kind.autoname if kind.fixed_name is None else kind.fixed_name
    if not name or name in news.get(CHOSEN, []):
        return False
    return bool(olds.get(name) == news.get(name))


def located(inputs: Values, folder: Path) -> Values:
    """Return ``inputs`` with absolute paths of the files of assets. A program's paths are relative to its folder."""

    def placed(value: Any) -> Any:
        if isinstance(value, Mapping) and value.get(_special_sig_key) == _special_asset_sig:
            return {**value, "path": str(folder / value["path"])} if value.get("path") else value
        return value

    return {name: placed(value) for name, value in inputs.items()}


def _token(request: Any) -> str:
    """Return the type of a request's resource."""
    return str(request.urn).split("::")[2].rpartition("$")[2]


class UnknownType(Exception):
    """A resource type or function that the stand-in does not have."""


class AwsServicer(Servicer):
    """Check, compare, create, read, change and delete the resources that ``KINDS`` describes."""

    version = VERSIONS["aws"]

    def __init__(self, calls: Calls, folder: Callable[[], Path] = Path.cwd) -> None:
        """``folder`` returns the program's folder, which is the working directory of a real plugin."""
        super().__init__()
        self._calls, self._folder = calls, folder

    def Configure(self, request: Any, context: Any) -> Any:
        region = request.variables.get("aws:config:region", self._calls.region)
        if region != self._calls.region:
            problem = ValueError(other_region(self._calls.region, region))
            fail(context, request.urn, "configuring", problem)
        return super().Configure(request, context)

    def Check(self, request: Any, context: Any) -> Any:
        # A preview goes on, and names all such types.
        if _token(request) not in KINDS:
            return pb.CheckResponse(inputs=request.news)
        kind = self._kind(request, context)
        inputs, olds = values(request.news), values(request.olds)
        chosen, failures = dict(kind.defaults), []
        if inputs.get(kind.prefix) and inputs.get(str(kind.autoname)):
            reason = f"{kind.prefix} conflicts with {kind.autoname}"
            failures.append(pb.CheckFailure(property=kind.prefix, reason=reason))
        if kind.autoname:
            chosen[kind.autoname] = self._name(kind, request, olds, inputs)
        chosen = {name: value for name, value in chosen.items() if inputs.get(name) is None}
        inputs |= {**chosen, CHOSEN: sorted(chosen)}
        if not unknown(inputs):
            failures += [
                pb.CheckFailure(
                    property=name, reason=f"the stand-in for {kind.token} has no {name}"
                )
                for name in lifecycle.unknown_inputs(self._calls, kind, inputs)
            ]
        return pb.CheckResponse(inputs=struct(inputs), failures=failures)

    @staticmethod
    def _name(kind: Kind, request: Any, olds: Values, news: Values) -> str:
        """Return a name, of the program's prefix or of the name of the resource. An existing one keeps it."""
        name, chosen = str(kind.autoname), str(request.urn.rpartition("::")[2])
        prefix = news.get(kind.prefix)
        if name in olds.get(CHOSEN, []) and prefix == olds.get(kind.prefix):
            return str(olds[name])
        random = hashlib.sha256(request.randomSeed or request.urn.encode()).hexdigest()
        if prefix:
            return f"{prefix}{random[:26]}"
        return chosen if kind.joint is None else f"{chosen}{kind.joint}{random[:7]}"

    def Diff(self, request: Any, context: Any) -> Any:
        kind = self._kind(request, context)
        olds, news = _current_inputs(kind, request), values(request.news)
        changed = [name for name in differing(olds, news) if name not in request.ignoreChanges]
        replaces = [name for name in kind.replacing(olds, news) if name in changed]
        deletes_first = kind.deletes_first or _same_fixed_name(kind, olds, news)
        changes = pb.DiffResponse.DIFF_SOME if changed else pb.DiffResponse.DIFF_NONE
        return pb.DiffResponse(
            changes=changes,
            diffs=changed,
            replaces=replaces,
            deleteBeforeReplace=bool(replaces) and deletes_first,
        )

    def Create(self, request: Any, context: Any) -> Any:
        if request.preview and _token(request) not in KINDS:
            return pb.CreateResponse(id="", properties=request.properties)
        kind, inputs = self._kind(request, context), values(request.properties)
        if request.preview:
            known = {"region": self._calls.region, **clean(inputs)}
            made = {**dict.fromkeys(kind.outputs, UNKNOWN), **known}
            return pb.CreateResponse(id="", properties=struct(made))
        with failing(context, request.urn, "creating", inputs):
            placed = located(inputs, self._folder())
            identity, made = lifecycle.create(self._calls, kind, placed, self.cancelled(context))
        return pb.CreateResponse(id=identity, properties=struct(made))

    def Update(self, request: Any, context: Any) -> Any:
        kind = self._kind(request, context)
        olds, news = _current_inputs(kind, request), values(request.news)
        # For ignored changes the engine sends the program's old inputs, not the current ones.
        news |= {name: olds[name] for name in request.ignoreChanges if name in olds}
        if request.preview:
            return pb.UpdateResponse(properties=struct({**values(request.olds), **news}))
        with failing(context, request.urn, "updating", news):
            before, after = (located(inputs, self._folder()) for inputs in (olds, news))
            arguments = (request.id, before, after, values(request.olds), self.cancelled(context))
            made = lifecycle.update(self._calls, kind, *arguments)
        return pb.UpdateResponse(properties=struct(made))

    def Delete(self, request: Any, context: Any) -> Any:
        kind = self._kind(request, context)
        with failing(context, request.urn, "deleting"):
            inputs, state = values(request.old_inputs), values(request.properties)
            arguments = (request.id, inputs, state, self.cancelled(context))
            lifecycle.delete(self._calls, kind, *arguments)
        return empty_pb2.Empty()

    def Read(self, request: Any, context: Any) -> Any:
        kind, inputs = self._kind(request, context), values(request.inputs)
        with failing(context, request.urn, "reading"):
            state = values(request.properties)
            found = lifecycle.read(self._calls, kind, request.id, inputs, state)
        if found is None:
            return pb.ReadResponse()
        inputs, made = found
        return pb.ReadResponse(id=request.id, properties=struct(made), inputs=struct(inputs))

    def Invoke(self, request: Any, context: Any) -> Any:
        function = FUNCTIONS.get(request.tok)
        if function is None:
            known = ", ".join(sorted(FUNCTIONS))
            fail(context, request.tok, "calling", UnknownType(f"the stand-in only has {known}"))
        with failing(context, request.tok, "calling"):
            answer: Mapping[str, Any] = function(self._calls, values(request.args))  # type: ignore[misc]
        return pb.InvokeResponse(**{"return": struct(answer)})

    @staticmethod
    def _kind(request: Any, context: Any) -> Kind:
        token = _token(request)
        if token not in KINDS:
            problem = UnknownType(f"the local cloud has no stand-in for {token}")
            fail(context, request.urn, "preparing", problem)
        return KINDS[token]
