"""Calls of the local cloud's AWS API. botocore's models convert Pulumi's inputs to an operation's parameters.

Pulumi's ``cidrBlock`` is ``CidrBlock`` in AWS. The names are matched by botocore's input shapes, so that they need
not be listed, and botocore checks the parameters."""

import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import boto3
from botocore.config import Config
from botocore.model import ListShape, MapShape, OperationModel, Shape, StructureShape

from local_cloud.access import Access

Values = dict[str, Any]


PAIR = (("key", "value"), ("name", "value"), ("tagkey", "tagvalue"))
"""The members of AWS's lists of pairs, such as tags. In Pulumi these are maps."""


class UnknownInput(Exception):
    """An input that no operation takes and that ``Kind.ignored`` does not list."""


def to_parameters(operation: OperationModel, inputs: Mapping[str, Any]) -> tuple[Values, set[str]]:
    """Return the parameters of ``operation`` from ``inputs``, and the names of the inputs used."""
    if not isinstance(operation.input_shape, StructureShape):
        return {}, set()
    sent: Values = {}
    taken: set[str] = set()
    for name, value in inputs.items():
        member = member_name(operation.input_shape.members, name)
        if member is None or value is None:
            continue
        sent[member] = to_shape(operation.input_shape.members[member], value)
        taken.add(name)
    return sent, taken


def member_name(members: Iterable[str], name: str) -> str | None:
    """Return the member for ``name``, which may differ in case, plural or the suffix ``Config``."""
    low = {member.lower(): member for member in members}
    word = name.lower()
    words = (
        word,
        f"{word}s",
        word.removesuffix("s"),
        word.removesuffix("ies") + "y",
        f"{word}config",
    )
    return next((low[word] for word in words if word in low), None)


def nested_name(members: Iterable[str], name: str) -> str | None:
    """Return the member of an inner structure, or the only one with that end, as ``DNSName`` for ``name``."""
    ends = [member for member in members if member.lower().endswith(name.lower())]
    return member_name(members, name) or (ends[0] if len(ends) == 1 else None)


def to_shape(shape: Shape, value: Any) -> Any:
    """Return ``value`` converted to ``shape``. Raises ``UnknownInput`` for a name that the shape does not have."""
    match shape:
        case StructureShape():
            return _structure(shape, value)
        case ListShape():
            return _list(shape, value)
        case MapShape():
            return {name: to_shape(shape.value, inner) for name, inner in value.items()}
    return SCALARS.get(shape.type_name, lambda same: same)(value)


def _structure(shape: Any, value: Any) -> Values:
    result: Values = {}
    for name, inner in value.items():
        member = nested_name(shape.members, name)
        if member is None:
            raise UnknownInput(f"{shape.name} has no {name!r}")
        if inner is not None:
            result[member] = to_shape(shape.members[member], inner)
    return result


def _list(shape: Any, value: Any) -> list[Any]:
    if isinstance(value, Mapping):
        names = {member.lower(): member for member in getattr(shape.member, "members", {})}
        for key, held in PAIR:
            if set(names) == {key, held}:
                pairs = sorted(value.items())
                return [{names[key]: name, names[held]: str(text)} for name, text in pairs]
        value = [value]
    return [to_shape(shape.member, item) for item in value]


SCALARS: dict[str, Callable[[Any], Any]] = {
    "string": lambda value: str(value).lower() if isinstance(value, bool) else _text(value),
    "integer": int,
    "long": int,
    "boolean": lambda value: str(value).lower() == "true",
    "double": float,
    "float": float,
}


def _text(value: Any) -> str:
    """Return the value as text. The engine sends numbers as floats: 80 must not become "80.0"."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


SESSION = boto3.Session()
"""Parses the model of each service once, which takes up to 0.3 s."""
LOCK = threading.Lock()
"""A session is not thread-safe."""


class Calls:
    """The boto3 clients of a local cloud's owner and their models."""

    def __init__(self, access: Access) -> None:
        self.access, self.region = access, access.region
        self._clients: dict[str, Any] = {}

    def client(self, service: str) -> Any:
        """Return the client of a service. It is created once, which takes tens of milliseconds."""
        with LOCK:
            if service not in self._clients:
                # No retries: a call that fails in the local cloud fails again, and retries would hide it.
                settings = Config(retries={"total_max_attempts": 1}, max_pool_connections=50)
                self._clients[service] = SESSION.client(
                    service,
                    self.region,
                    endpoint_url=self.access.endpoint,
                    aws_access_key_id=self.access.key_id,
                    aws_secret_access_key=self.access.secret,
                    config=settings,
                )
            return self._clients[service]

    def __call__(self, service: str, operation: str, params: Mapping[str, Any]) -> Values:
        answer: Values = getattr(self.client(service), operation)(**params)
        return answer

    def model(self, service: str, operation: str) -> OperationModel:
        """Return botocore's model of an operation by its boto3 name, e.g. ``create_vpc``."""
        client = self.client(service)
        model: OperationModel = client.meta.service_model.operation_model(
            client.meta.method_to_api_mapping[operation]
        )
        return model

    def convert(self, service: str, operation: str, inputs: Mapping[str, Any]) -> Values:
        """Return ``inputs`` as parameters of ``operation``. Raises ``UnknownInput`` for any other input."""
        params, taken = to_parameters(self.model(service, operation), inputs)
        left = sorted(
            name for name, value in inputs.items() if value is not None and name not in taken
        )
        if left:
            raise UnknownInput(f"{service}.{operation} takes no {', '.join(left)}")
        return params
