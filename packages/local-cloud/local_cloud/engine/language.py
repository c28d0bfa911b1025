"""The servers to which the engine attaches: the local providers, and the language host, which runs programs.

Pulumi's own host, ``pulumi-language-python``, is only in the installed CLI. This one implements the
same protocol: a process of the program's own Python, with the program's folder first in ``sys.path``
and its output sent to the engine.
"""

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import IO, Any

import grpc
from google.protobuf import empty_pb2
from pulumi.runtime.proto import (
    engine_pb2,
    engine_pb2_grpc,
    language_pb2,
    language_pb2_grpc,
    plugin_pb2,
    provider_pb2_grpc,
)

from local_cloud.engine import interpreter
from local_cloud.engine.interpreter import NoInterpreter
from local_cloud.engine.program import ERROR_SHOWN, FORKS, RunRequest, exit_code, kill_late
from local_cloud.providers.servicer import Servicer

Child = ForkServerProcess | subprocess.Popen[str]

GRACE_SECONDS = 5.0
"""How long a program has after SIGINT until Pulumi's own host kills it (pulumi/pulumi#22374)."""


class Language(language_pb2_grpc.LanguageRuntimeServicer):
    """The language host for programs written in Python.

    Pulumi's own host inherits the environment of ``pulumi``. This one gets it as an argument.
    """

    def __init__(
        self, environment: Mapping[str, str], outputs: Mapping[str, tuple[str, ...]]
    ) -> None:
        """``outputs`` has those of each type with a stand-in, by their names in Python."""
        self.environment, self._outputs = dict(environment), dict(outputs)
        self._engine = ""
        self.folder = Path()
        """The folder of the program that ran last."""
        self._running: dict[Child, tuple[str, Callable[[], None]]] = {}
        """Programs, and the connection of the engine that each belongs to."""
        self._lock = threading.Lock()

    def Handshake(self, request: Any, _context: Any) -> Any:
        self._engine = request.engine_address
        return language_pb2.LanguageHandshakeResponse()

    def GetPluginInfo(self, _request: Any, _context: Any) -> Any:
        return plugin_pb2.PluginInfo()

    def GetRequiredPlugins(self, _request: Any, _context: Any) -> Any:
        return language_pb2.GetRequiredPluginsResponse()

    def GetRequiredPackages(self, _request: Any, _context: Any) -> Any:
        return language_pb2.GetRequiredPackagesResponse()

    def GetProgramDependencies(self, _request: Any, _context: Any) -> Any:
        return language_pb2.GetProgramDependenciesResponse()

    def About(self, request: Any, context: Any) -> Any:
        """Return the program's Python and its version, for `pulumi about`."""
        python = self._python(request.info, context)
        told = subprocess.run([python, "--version"], capture_output=True, text=True, check=True)
        version = told.stdout.removeprefix("Python ").strip()
        return language_pb2.AboutResponse(executable=str(python), version=version)

    def _python(self, info: Any, context: Any) -> Path:
        """Return the Python of a program or policy pack; end the engine's call where there is none."""
        try:
            return interpreter.find(info, self.environment)
        except NoInterpreter as problem:
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, str(problem))
            raise

    def Run(self, request: Any, context: Any) -> Any:
        """Run the program to its end and send its output to the engine line by line."""
        engine = request.args[0] if request.args else self._engine
        settings = {
            "project": request.project,
            "stack": request.stack,
            "organization": request.organization or "organization",
            "monitor": request.monitor_address,
            "engine": engine,
            "parallel": request.parallel,
            "dry_run": request.dryRun,
        }
        wanted = RunRequest(
            settings=settings,
            program=request.info.entry_point or "__main__.py",
            config=dict(request.config),
            secret_keys=tuple(request.configSecretKeys),
            outputs=self._outputs,
        )
        folder = self.folder = Path(request.pwd or request.info.program_directory)
        try:
            python = interpreter.find(request.info, self.environment)
        except NoInterpreter as problem:
            return language_pb2.RunResponse(error=str(problem))
        with grpc.insecure_channel(engine) as channel:
            stub = engine_pb2_grpc.EngineStub(channel)
            status = self._execute(wanted, python, folder, context, stub)
        if status == 0:
            return language_pb2.RunResponse()
        if status == ERROR_SHOWN:
            return language_pb2.RunResponse(bail=True)
        return language_pb2.RunResponse(error=f"the program ended with exit code {status}")

    def RunPlugin(self, request: Any, context: Any) -> Iterator[Any]:
        """Run a policy pack until the engine ends the call. Its first line is the port on which it listens."""
        python = self._python(request.info, context)
        words = ["pulumi.policy", *request.args, request.info.program_directory]
        child = subprocess.Popen(
            [str(python), "-u", "-m", *words],
            cwd=request.pwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=dict(pair.split("=", 1) for pair in request.env),
        )
        with (
            self._killable(child, context, child.kill),
            grpc.insecure_channel(request.args[0]) as channel,
            child,
        ):
            arguments = (child.stderr, engine_pb2.ERROR, engine_pb2_grpc.EngineStub(channel))
            threading.Thread(target=_forward, args=arguments, daemon=True).start()
            for line in child.stdout or ():
                yield language_pb2.RunPluginResponse(stdout=line.encode())
        yield language_pb2.RunPluginResponse(exitcode=child.returncode)

    def Cancel(self, _request: Any, context: Any) -> Any:
        """End the programs of the ``pulumi`` that got a Ctrl-C, so that they declare no more resources."""
        with self._lock:
            mine = [end for owner, end in self._running.values() if owner == context.peer()]
        for end in mine:
            end()
        return empty_pb2.Empty()

    def _interrupt(self, child: Child) -> None:
        """Send SIGINT to a running program, and kill it where it has not ended after GRACE_SECONDS."""
        with self._lock, suppress(ProcessLookupError):
            if self._running.pop(child, None) is not None and child.pid:
                os.kill(child.pid, signal.SIGINT)
                late = (child, GRACE_SECONDS)
                threading.Thread(target=kill_late, args=late, daemon=True).start()

    def stop(self) -> None:
        """Kill the running programs."""
        with self._lock:
            for child in self._running:
                child.kill()

    @contextmanager
    def _killable(self, child: Child, context: Any, end: Callable[[], None]) -> Iterator[None]:
        """Let ``stop``, the engine's Cancel or the end of its call ``end`` a process during the block.

        A plugin, like a policy pack's, ignores SIGINT, and would outlive a local cloud that is killed meanwhile.
        """
        with self._lock:
            self._running[child] = context.peer(), end
        if not context.add_callback(end):  # The call has ended already.
            child.kill()
        try:
            yield
        finally:
            with self._lock:
                self._running.pop(child, None)

    def _execute(
        self, wanted: RunRequest, python: Path, folder: Path, context: Any, engine: Any
    ) -> int:
        """Run the program with its Python, forward its output to the engine, and return its exit code."""
        (out, out_end), (errors, errors_end) = FORKS.Pipe(duplex=False), FORKS.Pipe(duplex=False)
        environment = {**self.environment, "PULUMI_SKIP_UPDATE_CHECK": "true"}
        with out, errors:
            with out_end, errors_end:
                child = self._start(wanted, python, folder, environment, out_end, errors_end)
            with self._killable(child, context, partial(self._interrupt, child)):
                readers = [
                    threading.Thread(target=_forward, args=(stream, severity, engine), daemon=True)
                    for stream, severity in (
                        (os.fdopen(os.dup(out.fileno())), engine_pb2.INFO),
                        (os.fdopen(os.dup(errors.fileno())), engine_pb2.WARNING),
                    )
                ]
                for reader in readers:
                    reader.start()
                code = exit_code(child)
                for reader in readers:
                    reader.join(timeout=5)
        return code

    def _start(
        self,
        wanted: RunRequest,
        python: Path,
        folder: Path,
        environment: Mapping[str, str],
        out: Connection,
        errors: Connection,
    ) -> Child:
        """Start the program: in a fork if its Python is this one, which starts it a second sooner."""
        if interpreter.is_own(python):
            return wanted.start(folder, environment, out, errors)
        changed = interpreter.activated(python, environment)
        return wanted.start_with(python, folder, changed, out, errors)


def _forward(stream: IO[str], severity: Any, engine: Any) -> None:
    with stream:
        for line in stream:
            try:
                engine.Log(engine_pb2.LogRequest(severity=severity, message=line.rstrip("\n")))
            except grpc.RpcError:
                return  # The engine has ended, so the remaining output has no reader.


WORKERS = 64
"""Concurrent calls. The engine sends all resources that do not wait for another at once."""


class Hosts:
    """One gRPC server per plugin, each on its own loopback port."""

    def __init__(self, language: Language, providers: dict[str, Servicer]) -> None:
        self.language = language
        self._servers: list[grpc.Server] = []
        self.environment: dict[str, str] = {}
        self._providers = providers

    def start(self) -> None:
        """Start the servers and set ``environment`` to the variables that give the engine their ports."""
        ports = {}
        for name, servicer in self._providers.items():
            server = self._new()
            provider_pb2_grpc.add_ResourceProviderServicer_to_server(servicer, server)
            ports[name] = self._open(server)
        server = self._new()
        language_pb2_grpc.add_LanguageRuntimeServicer_to_server(self.language, server)
        self.environment = {
            "PULUMI_DEBUG_LANGUAGES": f"python:{self._open(server)}",
            "PULUMI_DEBUG_PROVIDERS": ",".join(f"{name}:{port}" for name, port in ports.items()),
        }

    def stop(self) -> None:
        self.language.stop()
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
