"""What every component of the stack has: its type, the settings, and the options and tags of its children."""

from __future__ import annotations

import pulumi

from stack.settings import Settings


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
        self.settings, self.tags = settings, settings.tags
        self.child = pulumi.ResourceOptions(parent=self)
