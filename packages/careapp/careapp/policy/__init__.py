"""A Pulumi policy pack of the controls of AWS Security Hub that apply to the stacks."""

from careapp.policy import access, database, network, service
from careapp.policy.controls import Control


def _place(control: Control) -> tuple[str, int]:
    service, _, number = control.id.partition(".")
    return service, int(number)


CONTROLS = sorted(
    (*service.CONTROLS, *database.CONTROLS, *network.CONTROLS, *access.CONTROLS), key=_place
)
