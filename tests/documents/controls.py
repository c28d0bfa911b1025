"""docs/controls.md: the controls of the policy pack, and what each stack leaves out."""

from collections import defaultdict
from collections.abc import Iterable
from itertools import groupby
from pathlib import Path

from careapp.policy import CONTROLS
from careapp.policy.controls import Control, left_out, reasons

HEAD = Path(__file__).with_suffix(".txt").read_text()
MET = "\nMet by both, without a cost:\n\n"


def page() -> str:
    """Return the page: a table of the controls that cost or are left out, and a list of the others.

    Controls with the same cost and the same reasons share a row.
    """
    rows: dict[tuple[str, str, str], list[Control]] = defaultdict(list)
    for control in CONTROLS:
        rows[control.cost, _verdict(control, "poc"), _verdict(control, "prod")].append(control)
    met = rows.pop(("", "met", "met"))
    services = groupby(met, lambda control: control.id.partition(".")[0])
    table = (_row(controls, *cells) for cells, controls in rows.items())
    lines = (f"- {_texts(controls)}\n" for _, controls in services)
    return "".join((HEAD, *table, MET, *lines))


def _texts(controls: Iterable[Control]) -> str:
    return "; ".join(f"[{control.id}]({control.url}) {control.text}" for control in controls)


def _row(controls: Iterable[Control], cost: str, poc: str, prod: str) -> str:
    return f"| {_texts(controls)} | {cost} | {poc} | {'the same' if prod == poc else prod} |\n"


def _verdict(control: Control, stack: str) -> str:
    if why := left_out(stack).get(control.id):
        return f"left out: {why}"
    for setting, controls in reasons()["settings"].items():
        if why := controls.get(control.id):
            return f"met; left out with `{setting}`: {why}"
    return "met"
