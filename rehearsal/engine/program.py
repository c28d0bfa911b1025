"""Runs a Pulumi program in this process: ``python -m rehearsal.engine.program FOLDER``, the request on stdin.

It follows ``pulumi-language-python-exec`` of Pulumi's Python SDK, which is not in its wheel.
"""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import os
import runpy
import sys
import traceback
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

ERROR_SHOWN = 32
"""Exit code of a program whose error was already shown (Pulumi's convention)."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """The engine's request to run a program."""

    project: str
    stack: str
    organization: str
    monitor: str
    engine: str
    parallel: int
    preview: bool
    program: str
    config: dict[str, str]
    secret_keys: tuple[str, ...]

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Request:
        data = json.loads(text)
        return cls(**{**data, "secret_keys": tuple(data["secret_keys"])})


def main() -> int:
    """Run the program of the request on standard input and return the exit code."""
    folder = Path(sys.argv[1])
    wanted = Request.from_json(sys.stdin.read())
    os.chdir(folder)
    # ``python -m`` put the current folder first in sys.path; a program expects its own folder
    # there.
    sys.path[0] = str(folder)
    sys.argv = [wanted.program]
    # Importing Pulumi's packages creates a million objects that live until the end. Garbage
    # collection over them takes 0.2 s, and 0.5 s more at the exit.
    gc.set_threshold(100_000)
    try:
        return run(wanted)
    finally:
        gc.freeze()


def run(wanted: Request) -> int:
    """Configure Pulumi's runtime as the engine requests and execute the program's file."""
    import pulumi

    pulumi.runtime.set_all_config(wanted.config, list(wanted.secret_keys))
    pulumi.runtime.configure(
        pulumi.runtime.Settings(
            monitor=wanted.monitor,
            engine=wanted.engine,
            project=wanted.project,
            stack=wanted.stack,
            parallel=wanted.parallel,
            dry_run=wanted.preview,
            organization=wanted.organization,
        )
    )
    # A failed program leaves Pulumi's futures unobserved, and asyncio would report each of them.
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    executor = ThreadPoolExecutor(max(wanted.parallel, 1) * 4)
    loop.set_default_executor(executor)
    try:
        loop.run_until_complete(pulumi.runtime.run_in_stack(lambda: _execute(wanted.program)))
        return 0
    except pulumi.RunError as problem:
        pulumi.log.error(str(problem))
        return ERROR_SHOWN
    except Exception:
        pulumi.log.error(f"Program failed with an unhandled exception:\n{traceback.format_exc()}")
        return ERROR_SHOWN
    finally:
        executor.shutdown(wait=True)
        loop.close()


def _execute(program: str) -> None:
    runpy.run_path(program, run_name="__main__")


if __name__ == "__main__":
    sys.exit(main())
