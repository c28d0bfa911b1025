"""docs/controls.md: the controls of the policy pack, and what each stack leaves out."""

from __future__ import annotations

from policy import CONTROLS
from policy.controls import Control, left_out, reasons

HEAD = """\
# Controls of AWS Security Hub

The controls of the standard [AWS Foundational Security Best Practices][fsbp], and three for CloudWatch of NIST SP
800-53, that apply to resources of the stacks. `policy/` checks them: `pulumi up -s poc --policy-pack policy` stops
before it makes anything where a control is violated that the stack does not leave out. `policy/left_out.yaml` says
which ones, and why; a stack that it does not name has the rules of `prod`. Controls of what no stack has, such as
Aurora, of a whole account and of run time are not here. `python -m tests.documents` writes this page.

[fsbp]: https://docs.aws.amazon.com/securityhub/latest/userguide/fsbp-standard.html

| control | what it asks | costs | `poc` | `prod` |
|---|---|---|---|---|
"""


def page() -> str:
    """Return the whole page."""
    return HEAD + "".join(_row(control) for control in CONTROLS)


def _row(control: Control) -> str:
    cells = " | ".join(_verdict(control, stack) for stack in ("poc", "prod"))
    return f"| [{control.id}]({control.url}) | {control.text} | {control.cost} | {cells} |\n"


def _verdict(control: Control, stack: str) -> str:
    if why := left_out(stack).get(control.id):
        return f"left out: {why}"
    for setting, controls in reasons()["settings"].items():
        if why := controls.get(control.id):
            return f"met; left out with `{setting}`: {why}"
    return "met"
