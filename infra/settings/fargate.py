"""The task sizes that Fargate sells."""

from __future__ import annotations

from types import MappingProxyType

from i18n import Text, t

MEMORY_BY_CPU = MappingProxyType(
    {
        256: (512, 1024, 2048),
        512: tuple(range(1024, 4096 + 1, 1024)),
        1024: tuple(range(2048, 8192 + 1, 1024)),
        2048: tuple(range(4096, 16384 + 1, 1024)),
        4096: tuple(range(8192, 30720 + 1, 1024)),
        8192: tuple(range(16384, 61440 + 1, 4096)),
        16384: tuple(range(32768, 122880 + 1, 8192)),
        32768: (61440, 122880, 249856),
    }
)
"""MiB of memory that each CPU size (1024 units are one vCPU) may have.

Source: the Amazon ECS Developer Guide, "Task size"; a test compares it with cfn-lint's table.
"""


def checked_cpu(cpu: int) -> int:
    """The CPU size. ValueError when Fargate does not sell it."""
    if cpu not in MEMORY_BY_CPU:
        sizes = ", ".join(map(str, MEMORY_BY_CPU))
        raise ValueError(
            t("{cpu} is not a Fargate CPU size; choose one of {sizes}", cpu=cpu, sizes=sizes)
        )
    return cpu


def checked_memory(cpu: int, memory: int) -> int:
    """The memory size. ValueError when Fargate does not sell it with this CPU size."""
    if memory not in MEMORY_BY_CPU[cpu]:
        raise ValueError(
            t(
                "{memory} does not go with taskCpu {cpu}; choose {sizes}",
                memory=memory,
                cpu=cpu,
                sizes=_spell(cpu),
            )
        )
    return memory


def _spell(cpu: int) -> Text:
    sizes = MEMORY_BY_CPU[cpu]
    if len(sizes) <= 4:
        return t("one of {sizes}", sizes=", ".join(map(str, sizes)))
    return t(
        "{low} to {high} in steps of {step}",
        low=sizes[0],
        high=sizes[-1],
        step=sizes[1] - sizes[0],
    )
