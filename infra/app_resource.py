"""What a resource for the app is: a component that a setting adds, and what the tasks have of it."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import pulumi

from careapp.settings.rules import Key
from careapp.settings.settings import Settings
from careapp.settings.statements import Policy

from .component import Component, required
from .network import Network


class AppResource(Component):
    """A component for the app: every task has `value` in the variable, and the task role `statements`.

    It belongs to stage 1, as the database does, and `protect` protects it: turning ECS off deletes no data. A
    project's own is a subclass in a file of its own, one of APP_RESOURCES in `__main__`: its constructor creates the
    AWS resources with `self.child`, sets `value` and `arn`, and registers its outputs.
    """

    key: ClassVar[Key[bool] | None] = None
    """The setting that adds it; without one every stack has it."""
    variable: ClassVar[str]
    """The name of the tasks' variable."""
    output: ClassVar[str]
    """The name of the stack output with the value."""
    value: pulumi.Output[str]
    arn: pulumi.Output[str]
    """The ARN that `statements` is about."""

    def __init__(self, name: str, settings: Settings, network: Network) -> None:
        super().__init__(name, settings, protect=settings.protect)
        self.network = network

    @staticmethod
    @abstractmethod
    def statements(arn: str) -> list[Policy]:
        """Return what the app may do with the resource of the ARN."""


def wanted(kinds: Sequence[type[AppResource]], settings: Settings) -> list[type[AppResource]]:
    """Return those of the kinds that the stack has."""
    return [kind for kind in kinds if kind.key is None or kind.key in settings.app_resources]


def allowed(resources: Sequence[AppResource]) -> pulumi.Output[list[Policy]]:
    """Return the statements of all resources."""
    return required(**{resource.variable: resource.arn for resource in resources}).apply(
        lambda arns: [one for each in resources for one in each.statements(arns[each.variable])]
    )
