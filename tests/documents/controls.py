"""docs/controls.md: the controls of the policy pack, and what each stack leaves out."""

from collections.abc import Iterable
from itertools import groupby
from pathlib import Path

from policy import CONTROLS
from policy.controls import Control, left_out, reasons

HEAD = Path(__file__).with_suffix(".txt").read_text()
MET = "\nMet by both, without a cost:\n\n"


def page() -> str:
    """Return the page: a table of the controls that cost or are left out, and a list of the others."""
    met = [control for control in CONTROLS if _is_met(control)]
    rows = (_row(control) for control in CONTROLS if control not in met)
    services = groupby(met, lambda control: control.id.partition(".")[0])
    return "".join((HEAD, *rows, MET, *(_line(controls) for _, controls in services)))


def _is_met(control: Control) -> bool:
    return not control.cost and {_verdict(control, "poc"), _verdict(control, "prod")} == {"met"}


def _line(controls: Iterable[Control]) -> str:
    return f"- {'; '.join(f'{_link(control)} {control.text}' for control in controls)}\n"


def _link(control: Control) -> str:
    return f"[{control.id}]({control.url})"


def _row(control: Control) -> str:
    poc, prod = _verdict(control, "poc"), _verdict(control, "prod")
    cells = (_link(control), control.text, control.cost, poc, "the same" if prod == poc else prod)
    return f"| {' | '.join(cells)} |\n"


def _verdict(control: Control, stack: str) -> str:
    if why := left_out(stack).get(control.id):
        return f"left out: {why}"
    for setting, controls in reasons()["settings"].items():
        if why := controls.get(control.id):
            return f"met; left out with `{setting}`: {why}"
    return "met"
