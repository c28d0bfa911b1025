"""What every component of the stack has: its type, the settings, and the options of its children."""

from typing import Any

import pulumi

from careapp.settings.settings import Settings
from ecs_gate.text import t


class Component(pulumi.ComponentResource):
    """A component whose type is `careapp:infra:` and the name of its class.

    With `protect` it is protected together with everything in it: a bucket that is kept without its policy, its
    encryption or its versions has lost what it was kept for.
    """

    def __init__(
        self,
        name: str,
        settings: Settings,
        opts: pulumi.ResourceOptions | None = None,
        *,
        protect: bool = False,
    ) -> None:
        protected = pulumi.ResourceOptions(protect=protect or None)
        opts = pulumi.ResourceOptions.merge(opts, protected)
        super().__init__(f"careapp:infra:{type(self).__name__}", name, None, opts)
        self.settings = settings
        self.child = self.options()

    def options(self, **more: Any) -> pulumi.ResourceOptions:
        """Return the options of a child that has more than its parent."""
        return pulumi.ResourceOptions(parent=self, **more)


def required(**outputs: pulumi.Input[Any]) -> pulumi.Output[dict[str, Any]]:
    """Return the values of outputs together. Raises ValueError for one without a value.

    A provider reports an attribute that it does not know as null, which would be written as an empty variable, or
    as the ARN "None".
    """

    def check(known: dict[str, Any]) -> dict[str, Any]:
        if missing := sorted(name for name, value in known.items() if value is None):
            raise ValueError(
                t(
                    "the provider reports no value for {names}, which the tasks need; `pulumi up --refresh` reads it "
                    "again",
                    names=", ".join(missing),
                )
            )
        return known

    return pulumi.Output.from_input(outputs).apply(check)
