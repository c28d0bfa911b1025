"""Counts the requests that users see fail while a bad version is released: ``python -m tests.benchmarks.releases``.

Run it from the project's folder with ``.venv/bin/python``; it takes about half an hour. For each strategy a stack
is put up in the local cloud, and each bad version is released over the healthy one under a load of 10 requests a
second, until ECS runs the healthy one again. Then a good version is released, and the seconds are counted for
which ECS waited at the pause hook. It prints a table of Markdown, as docs/faults.md has it.
"""

from __future__ import annotations

import http.client
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tools.local_cloud.calls import Calls
from tools.local_cloud.paths import ROOT
from tools.rehearsal.faults import FAULTS, Edit, before_page

SPEED, REGION = 5.0, "ap-northeast-1"
EVERY = 0.1
"""Seconds between two requests of the load."""
PATIENCE = 60.0
"""Seconds after which a visitor gives up, as ELB does by its idle timeout."""
WAITS = {
    "rolloutTimeoutMinutes": "30",
    "natStrategy": "none",
}
BAKE = {"rolling": "5"}
"""Minutes for which ECS watches a version that the gate may still roll back; the others look before that."""
STRATEGIES = ("rolling", "canary", "linear", "blueGreen")
VERSIONS: dict[str, tuple[Edit, ...]] = {
    "its page raises": (before_page("1 / 0"),),
    "its page hangs": FAULTS["update-hangs"].edits,
    "its page answers 404": FAULTS["update-moves-page"].edits,
    "its page fails after 15 s": (
        before_page(
            "import time; from flask import abort; "
            "globals().setdefault('end', time.time() + 15) > time.time() or abort(429)"
        ),
    ),
    "its encoding is wrong": FAULTS["update-claims-gzip"].edits,
    "it raises at import": FAULTS["canary-raises-at-import"].edits,
    "without the variable of its database": (
        Edit(
            "infra/container.py", '        "DB_HOST": inputs.db_host,\n', "        # no DB_HOST\n"
        ),
    ),
}


class Load:
    """10 requests a second for the page, each on a connection of its own; counts the answers."""

    def __init__(self, address: str) -> None:
        self.address, self.statuses = address, Counter[str]()
        self._over, self._pool = threading.Event(), ThreadPoolExecutor(600)
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        due = time.monotonic()
        while not self._over.is_set():
            self._pool.submit(self._visit)
            due += EVERY
            time.sleep(max(due - time.monotonic(), 0))

    def _visit(self) -> None:
        line = http.client.HTTPConnection(self.address, timeout=PATIENCE)
        try:
            line.request("GET", "/")
            answer = line.getresponse()
            answer.read()
            self.statuses[str(answer.status)] += 1
        except (OSError, http.client.HTTPException) as problem:
            self.statuses[type(problem).__name__] += 1
        finally:
            line.close()

    def stop(self) -> None:
        self._over.set()
        self._thread.join()
        self._pool.shutdown()


class Stack:
    """The stack `poc` in a local cloud of its own."""

    def __init__(self, home: Path) -> None:
        self.home, self.revision = home, 1

    def shell(self, *command: str) -> int:
        words = (
            "shell",
            "--tasks",
            "process",
            "--port",
            "0",
            "--speed",
            str(SPEED),
            "--",
            *command,
        )
        done = subprocess.run(
            [sys.executable, "-m", "tools.cli", *words], capture_output=True, text=True, check=False
        )
        with (self.home / "output.log").open("a") as log:
            log.write(done.stdout + done.stderr)
        return done.returncode

    def set(self, **settings: str) -> None:
        for key, value in settings.items():
            self.shell("pulumi", "config", "set", "-s", "poc", key, value)

    def up(self, **settings: str) -> int:
        self.set(**settings)
        return self.shell("pulumi", "up", "-s", "poc", "--yes", "--skip-preview")

    def facts(self) -> dict[str, Any]:
        done = subprocess.run(
            [sys.executable, "-m", "tools.cli", "cloud", "status", "--json"],
            capture_output=True,
            check=True,
        )
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def deployment(self) -> dict[str, Any]:
        """Return the newest service deployment."""
        calls = Calls(self.facts()["endpoint"], REGION)
        where = {"cluster": "careapp-poc-cluster", "service": "careapp-poc-service"}
        [newest, *_] = calls("ecs", "list_service_deployments", where)["serviceDeployments"]
        asked = {"serviceDeploymentArns": [newest["serviceDeploymentArn"]]}
        [found] = calls("ecs", "describe_service_deployments", asked)["serviceDeployments"]
        return dict(found)

    def settle(self) -> None:
        """Wait until ECS has ended its deployment."""
        while self.deployment()["status"] not in ("SUCCESSFUL", "ROLLBACK_SUCCESSFUL", "STOPPED"):
            time.sleep(1)

    def recover(self) -> None:
        """Let the healthy version run, and wait until no alarm is in ALARM: with one ECS would not watch an update."""
        if self.deployment()["status"] == "SUCCESSFUL":
            self.up()
        calls = Calls(self.facts()["endpoint"], REGION)
        while calls("cloudwatch", "describe_alarms", {"StateValue": "ALARM"})["MetricAlarms"]:
            time.sleep(1)


@contextmanager
def edited(project: Path, edits: Sequence[Edit]) -> Iterator[None]:
    for edit in edits:
        edit.apply(project)
    try:
        yield
    finally:
        for edit in edits:
            edit.revert(project)


def released(stack: Stack, edits: Sequence[Edit]) -> str:
    """Release a bad version, and return a cell of the table."""
    address = urlsplit(stack.facts()["state"]["listeners"][0]["url"]).netloc
    load = Load(address)
    time.sleep(2)
    with edited(stack.home / "project", edits):
        code = stack.up()
        stack.settle()
        time.sleep(3)
    load.stop()
    stack.recover()
    failed = Counter({each: n for each, n in load.statuses.items() if each != "200"})
    why = ", ".join(f"{count} x {each}" for each, count in failed.most_common())
    total, bad = sum(load.statuses.values()), sum(failed.values())
    verdict = "red" if code else "green"
    print(f"{bad} of {total}: {why or '-'}; {verdict}", file=sys.stderr, flush=True)
    return f"{bad} of {total} ({why}; {verdict})" if bad else f"0 of {total} ({verdict})"


def paused(stack: Stack) -> str:
    """Release a good version, and return for how many seconds of this machine ECS waited at the hook."""
    stack.revision += 1
    stack.set(imageRevision=str(stack.revision))
    before, seen, over = (
        stack.deployment()["serviceDeploymentArn"],
        list[float](),
        threading.Event(),
    )

    def watch() -> None:
        while not over.is_set():
            now = stack.deployment()
            waiting = [each["status"] for each in now.get("lifecycleHookDetails", ())]
            if now["serviceDeploymentArn"] != before and waiting == ["AWAITING_ACTION"]:
                seen.append(time.monotonic())
            over.wait(0.1)

    watching = threading.Thread(target=watch)
    watching.start()
    begun = time.monotonic()
    code = stack.up()
    took = time.monotonic() - begun
    over.set()
    watching.join()
    waited = f"{seen[-1] - seen[0]:.1f} s" if seen else "-"
    return f"{waited} | {took:.0f} s{' (red)' if code else ''}"


def main() -> int:
    chosen = sys.argv[1:] or STRATEGIES
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        os.environ["CAREAPP_HOME"] = folder
        stack = Stack(home)
        try:
            stack.shell("pulumi", "stack", "init", "poc")
            for name in ("webapp", "infra"):
                (home / "project" / name).unlink()
                ignored = shutil.ignore_patterns("__pycache__")
                shutil.copytree(ROOT / name, home / "project" / name, ignore=ignored)
            stack.set(**WAITS)
            for strategy in chosen:
                stack.up(ecsEnabled="false")
                stack.set(bakeMinutes=BAKE.get(strategy, "1"))
                if stack.up(deployStrategy=strategy) or stack.up(ecsEnabled="true"):
                    sys.exit((home / "output.log").read_text()[-4000:])
                cells = [released(stack, edits) for edits in VERSIONS.values()]
                rows.append(f"| {strategy} | {' | '.join(cells)} | {paused(stack)} |")
                print(rows[-1], file=sys.stderr, flush=True)
        finally:
            if os.environ.get("KEEP_LOG"):
                shutil.copy(home / "output.log", os.environ["KEEP_LOG"])
            subprocess.run([sys.executable, "-m", "tools.cli", "cloud", "stop"], check=False)
    print(f"| strategy | {' | '.join(VERSIONS)} | waited at the hook | `up` of a good version |")
    print("|---" * (len(VERSIONS) + 3) + "|")
    print("\n".join(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
