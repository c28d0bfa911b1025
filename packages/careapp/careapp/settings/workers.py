"""Workers: processes of the app's image beside the web service, without a page."""

from dataclasses import dataclass

from careapp.settings import image, maps, rules, service
from careapp.settings.file import Reader
from careapp.settings.rules import Change, Invalid, Key
from ecs_gate.text import t, text_of

MOST = 100
STOP_SECONDS = (2, 120)
"""Fargate's limits of a container's `stopTimeout` (API reference, ContainerDefinition; 120 s at most)."""

CPU, MEMORY = rules.Integer(256, 32768), rules.Integer(512, 249856)


@dataclass(frozen=True, kw_only=True)
class Worker:
    """One worker: `cpu` in 1/1024 vCPU, `memory` in MiB, and the seconds between SIGTERM and SIGKILL."""

    name: str
    command: tuple[str, ...] = maps.given(image.command)
    count: int = maps.given(rules.Integer(0, MOST), "1")
    cpu: int = maps.given(CPU, inherited=True)
    memory: int = maps.given(MEMORY, inherited=True)
    stop_seconds: int = maps.given(rules.Integer(*STOP_SECONDS, t(" seconds")), "30")


WORKERS = Key(
    "workers",
    "{}",
    maps.rule_of("workers", Worker),
    "processes of the app's image without a page, each an ECS service: `workers.NAME.command`, and `count` (1), `cpu`, "
    "`memory` (those of the web tasks), `stopSeconds` (30) (docs/your-app.md)",
    example='{"mail": {"command": "sleep infinity"}}',
    change=Change(
        "a new entry only adds its service, and one that is taken away deletes only that; a changed one replaces "
        "that worker's tasks"
    ),
    shown=rules.SHOWN,
)


def workers(read: Reader, cpu: int, memory: int) -> tuple[Worker, ...]:
    """Return the workers, by name. ``cpu`` and ``memory`` are the web task's."""
    declared = read(WORKERS)

    def checked() -> tuple[Worker, ...]:
        return tuple(
            Worker(name=name, **each | sizes(name, each["cpu"] or cpu, each["memory"] or memory))
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
