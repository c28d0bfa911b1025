"""Calls to the AWS API of the local cloud, by the names that its own models use."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

import boto3
from botocore.config import Config
from botocore.model import OperationModel, StructureShape

from rehearsal.providers import shapes
from rehearsal.providers.kind import Kind, Values

CREDENTIALS = {"aws_access_key_id": "rehearsal", "aws_secret_access_key": "rehearsal"}
"""What every client of the local cloud signs with; moto does not look at it."""


class Calls:
    """boto3 clients of one region, and what their models know."""

    def __init__(self, endpoint: str, region: str) -> None:
        self.endpoint, self.region = endpoint, region
        self._session = boto3.Session(region_name=region, **CREDENTIALS)
        self._clients: dict[str, Any] = {}
        self._lock = threading.Lock()

    def client(self, service: str) -> Any:
        """The client of one service; made once, for making one takes tens of milliseconds."""
        with self._lock:
            if service not in self._clients:
                # No retries: an answer that fails here fails again, and waiting would hide it.
                settings = Config(retries={"total_max_attempts": 1}, max_pool_connections=50)
                self._clients[service] = self._session.client(
                    service, endpoint_url=self.endpoint, config=settings
                )
            return self._clients[service]

    def __call__(self, service: str, operation: str, params: Mapping[str, Any]) -> Values:
        answer: Values = getattr(self.client(service), operation)(**params)
        return answer

    def model(self, service: str, operation: str) -> OperationModel:
        """botocore's model of an operation, by boto3's name for it (``create_vpc``)."""
        client = self.client(service)
        model: OperationModel = client.meta.service_model.operation_model(
            client.meta.method_to_api_mapping[operation]
        )
        return model

    def convert(self, service: str, operation: str, inputs: Mapping[str, Any]) -> Values:
        """``inputs`` as ``operation`` wants them; an input that it does not take is an error."""
        params, taken = shapes.parameters(self.model(service, operation), inputs)
        left = sorted(
            name for name, value in inputs.items() if value is not None and name not in taken
        )
        if left:
            raise shapes.UnknownInput(f"{service}.{operation} takes no {', '.join(left)}")
        return params

    def name(self, kind: Kind, operation: str, identity: str, inputs: Mapping[str, Any]) -> Values:
        """The parameters of ``operation`` that name one resource: its id, alone or as a list of one."""
        shape = self.model(kind.service, operation).input_shape
        members = shape.members if isinstance(shape, StructureShape) else {}
        params: Values = {}
        for single, value in {kind.identity: identity, **_scope(kind, inputs)}.items():
            if single in members:
                params[single] = value
            elif f"{single}s" in members:
                params[f"{single}s"] = [value]
        return params


def _scope(kind: Kind, inputs: Mapping[str, Any]) -> Values:
    return {parameter: inputs.get(name) for parameter, name in kind.scope.items()}
