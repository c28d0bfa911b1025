"""docs/controls.md: the controls of the policy pack, and what each stack leaves out."""

from __future__ import annotations

from policy import CONTROLS
from policy.controls import Control, left_out, reasons

HEAD = """\
# Controls of AWS Security Hub

The controls of the standard [AWS Foundational Security Best Practices][fsbp] that apply to the stacks' resources, and
three controls of NIST SP 800-53 for CloudWatch. `policy/` checks them: with `--policy-pack policy`, a violated control
stops `pulumi up` before it changes anything. `policy/left_out.yaml` lists the controls that a stack leaves out, with
the reasons; other stacks have the rules of `prod`.
Controls of services that no stack uses, of the account and of run time are not listed. `python -m tests.documents`
writes this page.

[fsbp]: https://docs.aws.amazon.com/securityhub/latest/userguide/fsbp-standard.html

| control | requirement | cost | `poc` | `prod` |
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
