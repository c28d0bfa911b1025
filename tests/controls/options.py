"""What a single setting changes, where `prod` leaves it as it is: judged like the stacks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from tests.controls.control import Control, judged, offenders
from tests.controls.graph import Graph
from tests.controls.left_out import LEFT_OUT

BASE = "prod"


@dataclass(frozen=True)
class Option:
    """Settings on top of `prod`: the controls that fail with them but not without, and the reverse."""

    settings: tuple[str, ...]
    left_out: Mapping[str, str] = field(default_factory=dict)
    mended: tuple[str, ...] = ()


OPTIONS = (
    Option(("domainName=app.example.com", "hostedZoneId=Z0123456789ABC"), mended=("ELB.1",)),
    Option(("bastionEnabled=true",)),
    Option(
        ("execEnabled=true",),
        {"ECS.5": "ECS Exec puts its agent into the container's root file system"},
    ),
    Option(
        ("natStrategy=none",),
        {"ECS.2": "saves the NAT gateways: tasks have an address, and no rule lets anybody in"},
    ),
    Option(
        ("natStrategy=none", "bastionEnabled=true"),
        {
            "ECS.2": "as above",
            "EC2.9": "it has to reach Systems Manager, and no rule lets anybody in",
        },
    ),
)
HEAD = f"""## What a setting changes

Settings with which a control that `{BASE}` meets is left out, or with which more controls apply.

| on top of `{BASE}` | met in addition | left out in addition |
|---|---|---|
"""


def failing(controls: tuple[Control, ...], graph: Graph) -> set[str]:
    return {one.id for one in controls if offenders(one, graph)}


def surprises(option: Option, controls: tuple[Control, ...], graph: Graph) -> set[str]:
    """Controls that fail without a reason, or that have one and are met."""
    return failing(controls, graph) ^ ({*LEFT_OUT[BASE], *option.left_out} - {*option.mended})


def section(
    controls: tuple[Control, ...], base: Graph, graph: Callable[[Option], Graph]
) -> Iterator[str]:
    """The table. ValueError where a control comes out as nobody has said."""
    yield HEAD
    for option in OPTIONS:
        changed = graph(option)
        if wrong := surprises(option, controls, changed):
            raise ValueError(f"{option.settings}: {sorted(wrong)} as nobody says in {__file__}")
        fails = failing(controls, changed)
        met = [
            f"[{one.id}]"
            for one in controls
            if judged(one, changed)
            and one.id not in fails
            and (one.id in option.mended or not judged(one, base))
        ]
        out = [f"[{name}]: {why}" for name, why in option.left_out.items()]
        settings = ", ".join(f"`{one}`" for one in option.settings)
        yield f"| {settings} | {', '.join(met)} | {'; '.join(out)} |\n"
