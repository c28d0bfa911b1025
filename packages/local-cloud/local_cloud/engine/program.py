"""Runs a Pulumi program in a process of its own: a fork that has Pulumi's packages already imported, or another Python.

It follows ``pulumi-language-python-exec`` of Pulumi's Python SDK, which is not in its wheel.
"""

import asyncio
import contextlib
import gc
import inspect
import json
import logging
import multiprocessing
import os
import runpy
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from multiprocessing import forkserver
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from types import NoneType
from typing import Any, TypeVar, get_args

T = TypeVar("T")
ERROR_SHOWN = 32
"""Exit code of a program whose error was already shown (Pulumi's convention)."""
SHUT_DOWN = "resource monitor shut down"
"""What the engine answers a program after an error of another resource."""

FORKS = multiprocessing.get_context("forkserver")
PRELOADED = "local_cloud.engine.preloaded"
FORKS.set_forkserver_preload([PRELOADED, f"{PRELOADED}_calls"])
COLLECTING = threading.Lock()
"""A start collects the exit codes of all ended processes. If two threads collect one, the second gets 255."""


@dataclass(frozen=True, kw_only=True)
class RunRequest:
    settings: dict[str, Any]
    """What Pulumi's runtime is configured with."""
    program: str
    config: dict[str, str]
    secret_keys: tuple[str, ...]
    outputs: dict[str, tuple[str, ...]]
    """The outputs of each type that has a stand-in."""

    def start(
        self, folder: Path, environment: Mapping[str, str], out: Connection, errors: Connection
    ) -> ForkServerProcess:
        """Start the program in a fork. Its exit code is 0, ERROR_SHOWN, or that of a crash.

        The request contains decrypted configuration; it is passed in a pipe, and not as an argument.
        """
        return fork(_main, self, folder, dict(environment), out, errors)

    def start_with(
        self,
        python: Path,
        folder: Path,
        environment: Mapping[str, str],
        out: Connection,
        errors: Connection,
    ) -> subprocess.Popen[str]:
        """Start the program with another Python than this one, which runs this file."""
        child = subprocess.Popen(
            [str(python), "-u", __file__],
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.PIPE,
            stdout=out.fileno(),
            stderr=errors.fileno(),
            text=True,
        )
        assert child.stdin is not None  # noqa: S101 - for the type checker; PIPE was asked for
        with child.stdin as pipe, contextlib.suppress(BrokenPipeError):
            json.dump(asdict(self), pipe)
        return child


def prepare() -> None:
    """Start the process whose forks run programs, which imports their packages meanwhile."""
    forkserver.ensure_running()


def fork(target: Callable[..., object], *arguments: Any) -> ForkServerProcess:
    child = FORKS.Process(target=target, args=arguments)
    with COLLECTING:
        child.start()
    return child


def exit_code(child: ForkServerProcess | subprocess.Popen[str]) -> int:
    """Wait for the end of a program's process and return its exit code."""
    if isinstance(child, subprocess.Popen):
        return child.wait()
    wait([child.sentinel])
    with COLLECTING:
        child.join()
    return child.exitcode or 0


def kill_late(child: ForkServerProcess | subprocess.Popen[str], seconds: float) -> None:
    """Kill a program's process that has not ended after so many seconds."""
    if isinstance(child, subprocess.Popen):
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(seconds)
        child.kill()  # nothing happens where it has ended
    elif not wait([child.sentinel], seconds):
        child.kill()


def _main(
    wanted: RunRequest,
    folder: Path,
    environment: dict[str, str],
    out: Connection,
    errors: Connection,
) -> None:
    for number, stream in ((1, out), (2, errors)):
        os.dup2(stream.fileno(), number)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.path.insert(0, str(folder))
    sys.argv = [wanted.program]
    gc.freeze()  # A million objects of Pulumi's packages live until the end. To scan them takes 0.2 s.
    sys.exit(run(wanted))


def run(wanted: RunRequest) -> int:
    """Configure Pulumi's runtime as the engine requests and execute the program's file."""
    import pulumi

    # Pulumi's package sends seven debug lines for each resource, one call of the engine each: a tenth of an update's
    # time. The engine shows them with --debug only.
    pulumi.log.debug = lambda *_, **__: None
    pulumi.get = checked(pulumi.get, wanted.outputs)  # type: ignore[assignment]
    lacking: dict[str, None] = {}
    pulumi.CustomResource.__init__ = noting(  # type: ignore[method-assign]
        pulumi.CustomResource.__init__, wanted.outputs, lacking
    )
    pulumi.runtime.set_all_config(wanted.config, list(wanted.secret_keys))
    pulumi.runtime.configure(pulumi.runtime.Settings(**wanted.settings))
    # A failed program leaves Pulumi's futures unobserved, and asyncio would report each of them.
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    executor = ThreadPoolExecutor(max(wanted.settings["parallel"], 1) * 4)
    loop.set_default_executor(executor)
    try:
        loop.run_until_complete(pulumi.runtime.run_in_stack(lambda: _execute(wanted.program)))
        return ERROR_SHOWN if lacking else 0
    except pulumi.RunError as problem:
        pulumi.log.error(str(problem))
        return ERROR_SHOWN
    except Exception as problem:
        if text := described(problem):
            pulumi.log.error(text)
        return ERROR_SHOWN
    except KeyboardInterrupt:
        return ERROR_SHOWN  # The engine says that it was cancelled.
    finally:
        if lacking:
            pulumi.log.error(f"the local cloud has no stand-in for {', '.join(lacking)}")
        executor.shutdown(wait=True)
        loop.close()


def described(problem: Exception) -> str:
    """Return what is shown of a program's exception: of the engine's refusal its sentence, else the traceback.

    It is "" where the engine has shown why it ends.
    """
    # Pulumi raises a plain Exception with the engine's words while it handles gRPC's error.
    if type(problem) is Exception and hasattr(problem.__context__, "details"):
        return "" if str(problem) == SHUT_DOWN else str(problem)
    shown = "".join(traceback.format_exception(problem))
    return f"Program failed with an unhandled exception:\n{shown}"


def checked(
    get: Callable[[Any, str], Any], outputs: Mapping[str, tuple[str, ...]]
) -> Callable[[Any, str], Any]:
    """Return ``pulumi.get``, by which the SDKs' classes read outputs, for which a missing one is an error.

    An output that no stand-in returns would be None, and the error would be that of the resource that gets it. So
    would an input that the program does not give, as that of `.get`, where AWS has a value, as the SDK's type says.
    """

    def read(holder: Any, name: str) -> Any:
        token = getattr(holder, "_type", "")
        if token not in outputs or name in outputs[token]:
            return get(holder, name)
        if name not in inspect.signature(holder._internal_init).parameters:
            message = f"the stand-in for {token} has no output {name}"
            raise NotImplementedError(message)
        value = get(holder, name)
        # `Output[Optional[str]]` or `Output[str]`.
        [kind] = get_args(getattr(type(holder), name).fget.__annotations__["return"])
        return value if NoneType in get_args(kind) else value.apply(partial(given, token, name))

    return read


def given(token: str, name: str, value: T) -> T:
    """Return an input's value. Raises NotImplementedError for one that the program left to AWS."""
    if value is None:
        message = f"the stand-in for {token} has {name} only where the program itself gives it"
        raise NotImplementedError(message)
    return value


def noting(
    make: Callable[..., None], known: Mapping[str, Any], lacking: dict[str, None]
) -> Callable[..., None]:
    """Return the constructor of resources, which notes the types of AWS that are not known.

    A preview goes on with them, so that one run names all that a program needs.
    """

    def note(resource: Any, t: str, *arguments: Any, **named: Any) -> None:
        if t.startswith("aws:") and t not in known:
            lacking[t] = None
        make(resource, t, *arguments, **named)

    return note


def _execute(program: str) -> None:
    runpy.run_path(program, run_name="__main__")


def main() -> int:
    """Run the program of the request on standard input, in the current folder, with the Python that runs this file."""
    wanted = RunRequest(**json.load(sys.stdin))
    with open(os.devnull) as empty:  # noqa: PTH123 - the program's own standard input
        os.dup2(empty.fileno(), 0)
    # In place of this file's folder, whose modules are none of the program's.
    sys.path[0] = str(Path.cwd())
    sys.argv = [wanted.program]
    try:
        import pulumi  # noqa: F401
    except ImportError:
        print(
            f"{sys.executable} has no Pulumi SDK: {sys.executable} -m pip install -r requirements.txt",
            file=sys.stderr,
        )
        return 1
    return run(wanted)


if __name__ == "__main__":
    sys.exit(main())
