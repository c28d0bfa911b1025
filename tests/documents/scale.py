"""docs/scale.md and docs/scale.ja.md: two templates with the numbers of settings, limits and prices."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from functools import cache
from pathlib import Path

from ecs_gate.facts import rds
from stack import database, sizes
from stack.settings import Settings
from stack.shifting import MAXIMUM_PERCENT
from tests.documents.cost import comparison, of_group
from tests.documents.markdown import ROOT
from tools.cost.bill import Bill
from tools.cost.graph import NoPrice
from tools.cost.prices import HOURS, PriceBook

PAGES = {"scale.md": "scale.txt", "scale.ja.md": "scale.ja.txt"}
"""Each page's template."""
POOLS = (4, 2, 1)
GP3_GB, GP3_IOPS, GP3_FAST_IOPS = 400, 3000, 12_000
"""The storage from which gp3 has more IOPS, and both numbers (RDS user guide, "gp3 storage")."""
REPLICAS = 15
"""Aurora replicas of a cluster (Aurora user guide, "Replication with Amazon Aurora")."""


def page(template: str) -> str:
    """Return a page; ``template`` is the file's name."""
    return (Path(__file__).parent / template).read_text().format(**numbers())


@cache
def numbers() -> dict[str, object]:
    book = PriceBook("ap-northeast-1")
    at_targets = replace(_settings("prod").sizes, tasks=sizes.TARGETS * 100 // MAXIMUM_PERCENT)
    return {
        **_stack("poc"),
        **_stack("prod"),
        **_prod_tasks(),
        "percent": str(MAXIMUM_PERCENT),
        "vcpus": str(sizes.NEW_ACCOUNT_VCPUS),
        "targets": f"{sizes.TARGETS:,}",
        "target_tasks": str(at_targets.tasks),
        "launches": str(sizes.LAUNCHES_A_MINUTE),
        "burst": str(sizes.LAUNCHED_AT_ONCE),
        "launch_minutes": str(at_targets.launch),
        "service_tasks": f"{sizes.SERVICE_TASKS:,}",
        "near": str(sizes.NEAR),
        "spare": str(sizes.SPARE_CONNECTIONS),
        "reserved": str(sizes.RESERVED_CONNECTIONS),
        "own": str(sizes.OWN_CONNECTIONS),
        "bytes": str(rds.BYTES_A_CONNECTION),
        "most": str(rds.MOST_CONNECTIONS),
        "pools": POOLS,
        "classes": "".join(map(_row, _classes())),
        "gp3_gb": str(GP3_GB),
        "gp3_low": f"{GP3_IOPS:,}",
        "gp3_high": f"{GP3_FAST_IOPS:,}",
        "gp3_one": _usd(GP3_GB * book.price("rds-gb:gp3").usd),
        "gp3_two": _usd(GP3_GB * book.price("rds-multi-az-gb:gp3").usd),
        "replicas": str(REPLICAS),
    }


def _stack(name: str) -> dict[str, str]:
    settings = _settings(name)
    one = replace(settings.sizes, tasks=1)
    found = {
        "vcpu_tasks": int(sizes.NEW_ACCOUNT_VCPUS / one.vcpus),
        "allowed": settings.sizes.allowed,
        "class": settings.database.instance_class,
        "tasks": settings.sizes.most_tasks(),
        "cpu": settings.service.cpu,
        "memory": settings.service.memory,
        "task": _usd(_task(name)),
        "month": _usd(_bill(name).month),
    }
    return {f"{name}_{key}": str(value) for key, value in found.items()}


def _prod_tasks() -> dict[str, str]:
    scaling = _settings("prod").service.scaling
    return {
        "prod_least": str(scaling.minimum),
        "prod_least_usd": _usd(scaling.minimum * _task("prod")),
        "prod_most": str(scaling.maximum),
        "prod_most_usd": _usd(scaling.maximum * _task("prod")),
    }


def _classes() -> Iterator[str]:
    """Yield the instance classes that the price table has."""
    smallest = _settings("poc").database.instance_class
    for kind in (smallest, *database.larger_classes(smallest)):
        with suppress(NoPrice):
            _price(f"rds-hour:{kind}")
            yield kind


def _row(kind: str) -> str:
    one = replace(_settings("poc").sizes, instance_class=kind, workers=1)
    tasks = [replace(one, pool=pool).most_tasks() for pool in POOLS]
    prices = [_price(f"{where}-hour:{kind}") for where in ("rds", "rds-multi-az")]
    return f"| `{kind}` | {' | '.join(map(str, [one.allowed, *tasks, *prices]))} |\n"


def _price(key: str) -> str:
    return _usd(PriceBook("ap-northeast-1").price(key).usd * HOURS)


def _usd(value: float) -> str:
    return f"{value:.2f}"


@cache
def _settings(stack: str) -> Settings:
    return Settings.read(stack, ROOT)


def _task(stack: str) -> float:
    return of_group(_bill(stack), "tasks") / _settings(stack).service.least_count


@cache
def _bill(stack: str) -> Bill:
    """Return the bill of stage 2 of a stack file, as `./careapp cost` has it."""
    return next(
        each.bill for each in comparison().columns if (each.stack, each.stage) == (stack, "stage2")
    )
