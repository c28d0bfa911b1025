"""The gRPC servers to which the engine attaches: the language host and the stand-ins for the providers."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import grpc
from pulumi.runtime.proto import language_pb2_grpc, provider_pb2_grpc

from rehearsal.language import Language
from rehearsal.providers.servicer import Servicer

WORKERS = 64
"""Calls at one time: the engine sends every resource that is not waiting for another at once."""


class Hosts:
    """One gRPC server a plugin, each on a loopback port of its own."""

    def __init__(self, language: Language, providers: dict[str, Servicer]) -> None:
        self._language = language
        self._servers: list[grpc.Server] = []
        self.environment: dict[str, str] = {}
        self._providers = providers

    def start(self) -> None:
        """Serve, and note in ``environment`` what tells the engine where."""
        ports = {}
        for name, servicer in self._providers.items():
            server = self._new()
            provider_pb2_grpc.add_ResourceProviderServicer_to_server(servicer, server)
            ports[name] = self._open(server)
        server = self._new()
        language_pb2_grpc.add_LanguageRuntimeServicer_to_server(self._language, server)
        self.environment = {
            "PULUMI_DEBUG_LANGUAGES": f"python:{self._open(server)}",
            "PULUMI_DEBUG_PROVIDERS": ",".join(f"{name}:{port}" for name, port in ports.items()),
        }

    def stop(self) -> None:
        """Close the ports and end the programs that still run."""
        self._language.stop()
        for stopped in [server.stop(grace=1) for server in self._servers]:
            stopped.wait(timeout=2)

    @staticmethod
    def _new() -> grpc.Server:
        limits = [("grpc.max_receive_message_length", 400 << 20), ("grpc.so_reuseport", 0)]
        return grpc.server(ThreadPoolExecutor(WORKERS), options=limits)

    def _open(self, server: grpc.Server) -> int:
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        self._servers.append(server)
        return int(port)
