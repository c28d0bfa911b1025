"""Pulumi's log of a resource, and the error with which a roll-out fails `pulumi up`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pulumi

from ecs_gate.text.masking import mask

if TYPE_CHECKING:
    from ecs_gate.text import Text


class RolloutFailed(pulumi.RunError):
    """The revision does not run, or its roll-out could not be read.

    A RunError: Pulumi prints its text without a traceback and fails the command. Secrets are masked.
    """

    def __init__(self, text: str) -> None:
        super().__init__(mask(text))


@dataclass(frozen=True)
class ResourceLog:
    """Pulumi's log of the service. The engine shows an ephemeral line beside the resource."""

    resource: pulumi.Resource

    def moment(self, text: Text) -> None:
        """Show a line that the next one replaces."""
        pulumi.log.info(str(text), self.resource, ephemeral=True)

    def lasting(self, text: Text) -> None:
        """Show a line that stays."""
        pulumi.log.info(str(text), self.resource)

    def warning(self, text: Text) -> None:
        """Show a warning."""
        pulumi.log.warn(str(text), self.resource)
