"""What makes a refused `pulumi destroy` leave everything as it is."""

from __future__ import annotations

from collections.abc import Sequence

import pulumi


class Protection(pulumi.ComponentResource):
    """Depends on every part of the stack, so that a destroy meets it first.

    Pulumi refuses to delete what is protected, and goes on with the rest: a destroy by mistake
    would end red and have deleted what is of no value by itself, which is not protected because a
    setting may change it. A resource on which something still depends is left alone.
    """

    def __init__(
        self,
        name: str,
        parts: Sequence[pulumi.Resource],
        routes: pulumi.Output[list[pulumi.Resource]],
        *,
        protect: bool,
    ) -> None:
        depends_on = routes.apply(lambda made: [*parts, *made])
        opts = pulumi.ResourceOptions(protect=protect, depends_on=depends_on)
        super().__init__("careapp:infra:Protection", name, None, opts)
        self.register_outputs({})
