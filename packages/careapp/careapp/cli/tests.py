"""The command ``./careapp test``: pytest on the folders of tests, in two sizes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import click

from careapp import ROOT
from careapp.cli.changed import shown, touched, using
from careapp.cli.sizes import ENGINE, QUICK, SLOW
from careapp.command_line import INTERRUPTED
from careapp.rehearsal import careapp
from ecs_gate.text import t
from local_cloud.console import Progress
from local_cloud.engine.find import find_or_get
from local_cloud.machine.signals import interrupts_left_to_children, run_in_front

FOLDERS = {
    file.parent.name: str(file.parent.relative_to(ROOT))
    for folder in (
        "tests",
        *(f"packages/{name}/tests" for name in ("careapp", "local-cloud", "ecs-gate")),
    )
    for file in sorted((ROOT / folder).rglob("test_*.py"))
}
"""The folders of tests by their names."""
ALONE = ("browser", "dataplane", "local", "providers", "rehearsal")
"""Folders with a process of their own: the local cloud's patches stay in moto."""
SHARED = ("image", "browser", "real_provider")
"""Folders with one browser, one Docker engine, or one local cloud, for all of their tests: they have one process."""
LONGEST = (
    *("rehearsal", "image", "real_provider", "engine", "dataplane"),
    *("doctor", "unit", "providers"),
)
"""What a size begins with; the others fill what is left."""
WAITING = ("dataplane",)
"""Folders whose slow tests wait for the local cloud's clock and leave processors idle."""
AT_ONCE = 2
"""Runs beside each other. More make all slower: what waits for another asks again and again."""
APART = {"mistakes"}
"""The folders whose tests do not build on each other."""
MOST = 8
"""Processes for a folder: each uses up to 1 GB of memory with its local cloud."""
SLOWEST = 10
"""The slowest tests that ``--all`` names."""
DURATION = re.compile(r"^(\d+\.\d+)s (call|setup|teardown) +(\S+)", re.M)
"""A line of pytest's slowest durations: seconds, what of the test, the test."""
FAILURE = re.compile(r"^(?:FAILED|ERROR) .*", re.M)
"""A line of pytest's summary."""
STOPPED, CALLED_WRONGLY, NONE_CHOSEN = 2, 4, 5
"""pytest's exit codes after Ctrl-C, for a usage error, and when no test was collected."""
REHEARSAL = ("rehearse", "--exit", "--break", "health-path", "--mend", "--port", "0")
"""What the small size has besides: both stages, the page, a mistake, the doctor's cure, the end."""
LEFT_OUT = f"""\
Left out: {", ".join(FOLDERS[folder] for folder in sorted(SLOW))}, and single tests that take more than a second.
  ./careapp test --all      runs everything that this machine can run
  ./careapp test FOLDER     runs a folder whole"""


@click.command(context_settings={"ignore_unknown_options": True})
@click.option("--all", "everything", is_flag=True, help="Run everything that this machine can run.")
@click.option("--changed", is_flag=True, help="Run the quick tests that import what was changed.")
@click.argument(
    "words", nargs=-1, type=click.UNPROCESSED, metavar="[FOLDER]... [PYTEST OPTIONS]..."
)
def test(words: tuple[str, ...], everything: bool, changed: bool) -> None:
    """Run the quick tests and one whole rehearsal, or all tests, or those of the named folders.

    \b
      ./careapp test                    before a commit: two to three minutes; its last lines say what it leaves out
      ./careapp test --all              all that this machine can run; skipped tests give the reason
      ./careapp test --changed          the quick tests that import what was changed since main, and why
      ./careapp test unit doctor        two folders, whole, of tests/ and of packages/careapp/tests/
      ./careapp test doctor -k loop -x  with options of pytest
      ./careapp test doctor -n 4        in four processes

    A folder has as many processes as the machine has processors, or its share beside others, or one if there are
    options of pytest.
    With CI=true a skipped test is a failure.

    Exit code 0: all passed. 1: a test failed. 5: no test was selected. 130: interrupted.
    """
    careapp.use()
    folders = [word for word in words if word in FOLDERS]
    if changed and (everything or folders):
        raise click.UsageError(
            str(t("--changed chooses the tests: it takes neither --all nor a folder."))
        )
    if changed:
        sys.exit(ended(of_changes(words)))
    rest = [word for word in words if word not in FOLDERS]
    paths = any(Path(word.partition("::")[0]).exists() for word in rest)
    if everything and words:
        raise click.UsageError(
            str(t("--all runs everything: it takes no folder and no option of pytest."))
        )
    small = not (everything or folders or paths)
    whole = everything or (small and not rest)
    if whole or not set(folders).isdisjoint(ENGINE):
        find_or_get()  # here its progress is visible
    if whole:
        codes = whole_size() if everything else small_size()
    elif small:
        codes = in_turn([each for each in FOLDERS if each not in SLOW], [*QUICK, *rest], False)
    else:
        codes = in_turn(folders, rest, not rest)
    code = ended(codes)
    if small:
        print(LEFT_OUT)
    sys.exit(code)


def ended(codes: Mapping[str, int]) -> int:
    """Say which runs failed, and return the exit code of all."""
    if failed := [folder for folder, code in codes.items() if code not in (0, NONE_CHOSEN)]:
        print(f"failed: {', '.join(failed)}")
    chosen = set(codes.values()) - {NONE_CHOSEN} or {NONE_CHOSEN}
    return INTERRUPTED if STOPPED in chosen else max(chosen)


def of_changes(rest: Sequence[str]) -> dict[str, int]:
    """Run the quick tests of the files that use what was changed, and say why. Return the exit codes.

    The files of SLOW have none.
    """
    found = using(ROOT, touched(ROOT))
    ways = {file: way for file, way in found.items() if Path(file).parent.name not in SLOW}
    print(shown(ways) or "no test imports what was changed", flush=True)
    codes: dict[str, int] = {}
    for folders in runs(sorted({Path(file).parent.name for file in ways})):
        files = [file for file in ways if Path(file).parent.name in folders]
        command = pytest((), processes(folders), [*files, *QUICK, *rest])
        codes[titled(folders)] = run_in_front(command, os.environ, ROOT)
        if STOPPED in codes.values():
            break
    return codes


def runs(folders: Sequence[str]) -> list[tuple[str, ...]]:
    """Return the folders of each run of pytest."""
    # Seldom two folders in a process: the local cloud's patches stay in moto, Pulumi's mocks in its runtime.
    shared = tuple(
        folder
        for folder in folders
        if FOLDERS[folder].startswith("packages/careapp/") and folder not in ALONE
    )
    return [*((each,) for each in folders if each not in shared), *([shared] if shared else ())]


def titled(folders: Sequence[str]) -> str:
    """Return the title of a run."""
    return " ".join(FOLDERS[folder] for folder in folders) or "tests"


def in_turn(folders: Sequence[str], options: Sequence[str], several: bool) -> dict[str, int]:
    """Run folders one after the other, and show what they print. Return their exit codes."""
    codes: dict[str, int] = {}
    for run in runs(folders) or [()]:
        title = titled(run)
        print(f"== {title}", flush=True)
        command = pytest(run, processes(run) if several else 1, options)
        codes[title] = run_in_front(command, os.environ, ROOT)
        if codes[title] in (STOPPED, CALLED_WRONGLY):
            break
    return codes


@dataclass(frozen=True)
class TestRun:
    """A command that runs beside others: its title, and the variables that it has besides."""

    title: str
    command: Sequence[str]
    variables: Mapping[str, str] = field(default_factory=dict)


def small_size() -> dict[str, int]:
    """Run the quick tests, and a whole rehearsal beside whatever the user has up. Return their exit codes."""
    with tempfile.TemporaryDirectory(prefix="careapp-test-") as home:
        command = [sys.executable, "-m", "careapp.cli", *REHEARSAL]
        rehearsal = TestRun(f"./careapp {' '.join(REHEARSAL)}", command, {"CAREAPP_HOME": home})
        return side_by_side(
            [rehearsal, *tests([folder for folder in FOLDERS if folder not in SLOW], (), QUICK)]
        )


def whole_size() -> dict[str, int]:
    """Run all folders. Return their exit codes."""
    return side_by_side(tests(list(FOLDERS), {*ENGINE, *WAITING}, (f"--durations={SLOWEST}",)))


def tests(
    folders: Sequence[str], waiting: Collection[str], options: Sequence[str]
) -> list[TestRun]:
    """Return the runs of pytest on folders, the longest first, each with its share of the processors.

    Those of ``waiting`` leave them idle and have as many as if nothing were beside them. A process more takes ten
    seconds of a processor: it imports and collects all tests of the run.
    """
    share = max(processes(()) // AT_ONCE, 1)
    ordered = sorted(runs(folders), key=lambda run: min(map((*LONGEST, *run).index, run)))
    several = [share if {*waiting}.isdisjoint(run) else processes(run) for run in ordered]
    return [
        TestRun(titled(run), pytest(run, count, options))
        for run, count in zip(ordered, several, strict=True)
    ]


def side_by_side(together: Sequence[TestRun]) -> dict[str, int]:
    """Run commands, two at a time. Print what each says, then times and which tests failed; return exit codes."""
    codes: dict[str, int] = {}
    failures: list[str] = []
    seconds: dict[str, float] = {}
    durations: list[tuple[str, str, str]] = []
    running: set[str] = set()
    queue = iter(together)

    def go() -> None:
        for run in queue:
            if STOPPED in codes.values():
                return
            running.add(run.title)
            phase.detail = f"{len(codes)} done, now {' and '.join(sorted(running))}"
            begun = time.monotonic()
            with tempfile.TemporaryFile() as output:
                code = subprocess.run(
                    run.command,
                    env={**os.environ, **run.variables},
                    cwd=ROOT,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    check=False,
                ).returncode
                output.seek(0)
                text = output.read().decode(errors="replace")
            codes[run.title] = code
            seconds[run.title] = time.monotonic() - begun
            durations.extend(DURATION.findall(text))
            failures.extend(FAILURE.findall(text))
            running.remove(run.title)
            print(f"== {run.title}\n{text}", flush=True)

    with (
        interrupts_left_to_children(),
        Progress(every=60).phase(f"{len(together)} runs of tests") as phase,
        ThreadPoolExecutor() as pool,
    ):
        for worker in [pool.submit(go) for _ in range(AT_ONCE)]:
            worker.result()
    print(*times(seconds, durations), sep="\n")
    if failures:
        print(*failures, sep="\n")
    return codes


def times(seconds: Mapping[str, float], durations: Sequence[tuple[str, str, str]]) -> Iterator[str]:
    """Yield the lines of a table: the seconds of each run, and the slowest of the durations that pytest printed."""
    yield "seconds  run (two at a time)"
    for title in sorted(seconds, key=lambda title: -seconds[title]):
        yield f"{seconds[title]:7.1f}  {title}"
    slowest = sorted(durations, key=lambda duration: -float(duration[0]))[:SLOWEST]
    yield from (["seconds  slowest tests"] if slowest else [])
    for took, part, name in slowest:
        yield f"{float(took):7.1f}  {name} ({part})"


def pytest(folders: Sequence[str], several: int, options: Sequence[str]) -> list[str]:
    """Return the command that runs pytest on folders, or on what the options name."""
    shared = ["-n", str(several)] if several > 1 else []
    if APART & {*folders}:
        shared += ["--dist=load"]
    paths = [FOLDERS[folder] for folder in folders]
    return [sys.executable, "-m", "pytest", *paths, *shared, *options]


def processes(folders: Sequence[str]) -> int:
    """Return how many processes share the tests of a run, file by file."""
    cores = os.cpu_count() or 1
    if not {*folders}.isdisjoint(SHARED):
        return 1
    return min(cores if {*folders}.isdisjoint(WAITING) else cores + cores // 2, MOST)
