"""Runs ``pulumi`` as from a terminal, and reads the changes from the engine's event log."""

import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from local_cloud.machine.signals import interrupts_wait
from local_cloud.text import Refused, t


class PulumiFailed(Refused):
    """A ``pulumi`` command ended with an exit code other than 0."""

    def __init__(self, command: Sequence[str], status: int, output: str = "") -> None:
        output_text = f"\n{output.strip()}" if output.strip() else ""
        super().__init__(
            t(
                "{command} ended with exit code {status}{output}",
                command=f"pulumi {' '.join(command)}",
                status=status,
                output=output_text,
            )
        )
        self.status, self.output = status, output


@dataclass(frozen=True, kw_only=True)
class Changes:
    """The changes of one update, counted by the engine: resources, components and the stack itself."""

    created: int = 0
    updated: int = 0
    replaced: int = 0
    deleted: int = 0
    unchanged: int = 0
    seconds: float = 0.0
    """Real time of the whole command."""
    steps: tuple[str, ...] = ()
    """The operations without "same", for example ``update aws:ecs/service:Service app``."""
    said: str = ""
    """The command's output, if it was kept."""

    def to_dict(self) -> dict[str, Any]:
        left = ("steps", "said")
        return {name: value for name, value in asdict(self).items() if name not in left}


OPERATIONS = {
    "create": "created",
    "update": "updated",
    "replace": "replaced",
    "delete": "deleted",
    "same": "unchanged",
}


@dataclass(frozen=True)
class Pulumi:
    """Runs ``pulumi`` in one project folder and environment."""

    folder: Path
    environment: Mapping[str, str] = field(repr=False)
    quiet: bool = False
    """Keep the output, and show it only if the command fails."""

    def run(self, *command: str) -> str:
        """Run a short command and return its output. Raises ``PulumiFailed``."""
        with interrupts_wait() as deliver:
            child = subprocess.Popen(
                ["pulumi", "--non-interactive", *command],
                cwd=self.folder,
                env=dict(self.environment),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                # Ctrl-C in a terminal would otherwise kill it while it holds the lock of the
                # state, which would stay.
                start_new_session=True,
            )
            try:
                deliver()
                output, errors = child.communicate()
            except BaseException:
                child.communicate()
                raise
        if child.returncode:
            raise PulumiFailed(command, child.returncode, output + errors)
        return output

    def update(self, verb: str, stack: str, *more: str) -> Changes:
        """Run ``pulumi up`` or ``destroy`` without confirmation and show its progress. Raises ``PulumiFailed``."""
        with tempfile.TemporaryDirectory() as folder:
            events = Path(folder) / "events.json"
            command = [verb, "--stack", stack, "--yes", "--event-log", str(events)]
            command += ["--skip-preview", *more]
            if not sys.stdout.isatty():
                command.append("--suppress-progress")
            started = time.monotonic()
            status, output = self._follow(command)
            seconds = round(time.monotonic() - started, 2)
            if status:
                raise PulumiFailed(command[:3], status, output)
            return replace(count(events.read_text(), seconds), said=output)

    def exists(self, stack: str) -> bool:
        known = json.loads(self.run("stack", "ls", "--json"))
        return stack in {item["name"] for item in known}

    def resources(self, stack: str) -> list[dict[str, Any]]:
        """Return the resources in the stack's state, without the stack itself."""
        deployment = json.loads(self.run("stack", "export", "--stack", stack))["deployment"]
        held = deployment.get("resources") or []
        return [item for item in held if item["type"] != "pulumi:pulumi:Stack"]

    def outputs(self, stack: str) -> dict[str, Any]:
        """Return the stack's outputs, with secrets masked."""
        found: dict[str, Any] = json.loads(self.run("stack", "output", "--stack", stack, "--json"))
        return found

    def _follow(self, command: list[str]) -> tuple[int, str]:
        """Run with the terminal's own output, or keep the output. Passes Ctrl-C on, so that the engine can finish."""
        kept = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT} if self.quiet else {}
        with interrupts_wait() as deliver:
            child = subprocess.Popen(
                ["pulumi", *command],
                cwd=self.folder,
                # Without this variable the engine has no --event-log. Pulumi's Automation API sets
                # it, too.
                env={**self.environment, "PULUMI_DEBUG_COMMANDS": "true"},
                stdin=subprocess.DEVNULL,
                text=True,
                **kept,  # type: ignore[call-overload]
            )
            try:
                deliver()
                output, _ = child.communicate()
            except KeyboardInterrupt:
                child.wait()  # A terminal sends Ctrl-C to the engine, too.
                raise
            except BaseException:
                child.send_signal(signal.SIGINT)
                child.wait()
                raise
        return child.returncode, output or ""


def count(log: str, seconds: float) -> Changes:
    """Return the counts and steps of the engine's event log. Raises ``ValueError`` if it has no summary."""
    events = [json.loads(line) for line in log.splitlines()]
    summaries = [event["summaryEvent"] for event in events if event.get("summaryEvent")]
    if not summaries:
        raise ValueError(t("the engine's event log has no summary"))
    counted = summaries[-1].get("resourceChanges") or {}
    done = [
        event["resourcePreEvent"]["metadata"] for event in events if event.get("resourcePreEvent")
    ]
    numbers: dict[str, Any] = {name: int(counted.get(word, 0)) for word, name in OPERATIONS.items()}
    return Changes(
        **numbers, seconds=seconds, steps=tuple(_step(step) for step in done if _is_change(step))
    )


def _is_change(step: Mapping[str, Any]) -> bool:
    """Return whether a step is a change. The engine lists its default providers but does not count them."""
    return step["op"] != "same" and not str(step["type"]).startswith("pulumi:providers:")


def _step(step: Mapping[str, Any]) -> str:
    name = str(step["urn"]).rpartition("::")[2]
    return f"{step['op']} {step['type']} {name}"
