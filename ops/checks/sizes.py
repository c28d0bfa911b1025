"""The next larger size of a task that Fargate sells."""

from __future__ import annotations

from i18n import t
from ops.checks.case import Case
from ops.findings import Fix
from stack.service import MEMORY_BY_CPU


def more_memory(case: Case, cpu: int, memory: int) -> Fix:
    """Give the task the next larger size: more CPU as well where this one takes no more memory."""
    found = larger(cpu, memory)
    if found is None:
        return Fix(t("Fargate sells no larger task: let the app need less memory."))
    text = t("Give the task more memory:")
    fix = case.set("taskMemory", str(found[1]), text)
    if found[0] == cpu:
        return fix
    more = case.set("taskCpu", str(found[0]), text)
    return Fix(text, (*more.commands[:-1], *fix.commands))


def larger(cpu: int, memory: int) -> tuple[int, int] | None:
    """CPU units and MiB of the next size with more memory; None at the largest."""
    for size, memories in sorted(MEMORY_BY_CPU.items()):
        for each in memories:
            if size >= cpu and each > memory:
                return size, each
    return None
