"""What a control is, and how one is judged on a resource graph."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from tests.controls.graph import Graph, Resource

GUIDE = "https://docs.aws.amazon.com/securityhub/latest/userguide"
Wrong: TypeAlias = Callable[[Resource, Graph], bool]


@dataclass(frozen=True)
class Control:
    """A control of Security Hub: which resources it judges, and which of them are wrong.

    `what` names those resources for a reader. Without `wrong` nobody has written the check yet,
    which is sound only while no stack has such a resource.
    """

    id: str
    title: str
    what: str
    kinds: tuple[str, ...]
    wrong: Wrong | None = None
    where: Callable[[Resource], bool] = lambda _: True


@dataclass(frozen=True)
class Elsewhere:
    """A control that no resource graph can answer, and who answers it: `why`.

    `kinds` are the resources by which a stack would take it upon itself after all.
    """

    id: str
    title: str
    why: str
    kinds: tuple[str, ...] = ()


@dataclass(frozen=True)
class Service:
    """The controls of one AWS service, and the page of the user guide that explains them."""

    name: str
    page: str
    controls: tuple[Control | Elsewhere, ...]
    modules: tuple[str, ...] = ()
    note: str = ""

    def address(self, control: Control | Elsewhere) -> str:
        return f"{GUIDE}/{self.page}-controls.html#{control.id.lower().replace('.', '-')}"


def judged(control: Control, graph: Graph) -> list[Resource]:
    """The resources of a graph that a control speaks of."""
    return [one for one in graph.of(*control.kinds) if control.where(one)]


def offenders(control: Control, graph: Graph) -> list[Resource]:
    """Those that fail it. ValueError where a control without a check has something to judge."""
    found = judged(control, graph)
    if control.wrong is None:
        if found:
            raise ValueError(f"{control.id} has no check yet, and the stack has {found[0]}")
        return []
    return [one for one in found if control.wrong(one, graph)]


def said(resource: Resource, path: str, default: Any = None) -> Any:
    """An input, by a path such as `healthCheck.protocol`. Lists are gone through: any item's."""
    value: Any = resource.inputs
    for key in path.split("."):
        if isinstance(value, list):
            value = next((item[key] for item in value if key in item), None)
        else:
            value = (value or {}).get(key)
    return default if value is None else value


def unless(path: str, *good: Any, default: Any = None) -> Wrong:
    """Wrong is what does not say one of the `good` values; silence means `default`."""
    return lambda resource, _: said(resource, path, default) not in good


def lacking(kind: str, key: str, *demands: tuple[str, Any]) -> Wrong:
    """Wrong is what no resource of `kind` points at by `key`, saying all that is demanded."""

    def wrong(resource: Resource, graph: Graph) -> bool:
        return not any(
            all(said(other, path) == value for path, value in demands)
            for other in graph.pointing_at(resource, kind, key)
        )

    return wrong
