"""Workers: processes of the app's image beside the web service, without a page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ecs_gate.text import t, text_of
from stack import image, maps, rules, service
from stack.file import Reader
from stack.maps import Field
from stack.rules import Change, Invalid, Key

MOST = 100
STOP_SECONDS = (2, 120)
"""Fargate's limits of a container's `stopTimeout` (API reference, ContainerDefinition; 120 s at most)."""

SIZES: dict[str, Field[Any]] = {
    "cpu": Field(rules.Integer(256, 32768), inherited=True),
    "memory": Field(rules.Integer(512, 249856), inherited=True),
}
FIELDS: dict[str, Field[Any]] = {
    "command": Field(image.command),
    "count": Field(rules.Integer(0, MOST), "1"),
    **SIZES,
    "stopSeconds": Field(rules.Integer(*STOP_SECONDS, t(" seconds")), "30"),
}

WORKERS = Key(
    "workers",
    "{}",
    maps.rule_of("workers", FIELDS),
    "processes of the app's image without a page, each an ECS service: `workers.NAME.command`, and `count` (1), `cpu`, "
    "`memory` (those of the web tasks), `stopSeconds` (30) (docs/your-app.md)",
    example='{"mail": {"command": "sleep infinity"}}',
    change=Change(
        "a new entry only adds its service, and one that is taken away deletes only that; a changed one replaces "
        "that worker's tasks"
    ),
    shown=rules.SHOWN,
)


@dataclass(frozen=True, kw_only=True)
class Worker:
    """One worker: `cpu` in 1/1024 vCPU, `memory` in MiB, and the seconds between SIGTERM and SIGKILL."""

    name: str
    command: tuple[str, ...]
    count: int
    cpu: int
    memory: int
    stop_seconds: int


def workers(read: Reader, cpu: int, memory: int) -> tuple[Worker, ...]:
    """Return the workers, by name. ``cpu`` and ``memory`` are the web task's."""
    declared = read(WORKERS)

    def checked() -> tuple[Worker, ...]:
        return tuple(
            Worker(
                name=name,
                command=each["command"],
                count=each["count"],
                **sizes(name, each["cpu"] or cpu, each["memory"] or memory),
                stop_seconds=each["stopSeconds"],
            )
            for name, each in sorted(declared.items())
        )

    return read.together(checked, WORKERS, service.TASK_CPU, service.TASK_MEMORY, otherwise=())


def sizes(name: str, cpu: int, memory: int) -> dict[str, int]:
    """Return a task's `cpu` and `memory`. Raises ValueError where Fargate does not have the pair."""
    try:
        return {
            "cpu": service.checked_cpu(cpu),
            "memory": service.checked_memory(cpu, memory, "cpu"),
        }
    except ValueError as wrong:
        raise Invalid("{name}: {why}", name=name, why=text_of(wrong)) from None
