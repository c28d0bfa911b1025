"""A Pulumi policy pack of the controls of AWS Security Hub that apply to the stacks."""

from __future__ import annotations

from policy import access, database, network, service

CONTROLS = (*service.CONTROLS, *database.CONTROLS, *network.CONTROLS, *access.CONTROLS)
