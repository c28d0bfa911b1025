"""Fargate: the sizes of a task, and its processor architectures."""

from types import MappingProxyType

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
"""The memory sizes in MiB by CPU size (1024 units are one vCPU).

Source: the Amazon ECS Developer Guide, "Task size"; a test compares it with cfn-lint's table.
"""
CPU_UNITS = 1024
"""CPU units of one vCPU."""

PLATFORMS = {"X86_64": "linux/amd64", "ARM64": "linux/arm64"}
"""Docker's platform by Fargate's CPU architecture."""
