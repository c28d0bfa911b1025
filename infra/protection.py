"""What makes a refused `pulumi destroy` leave everything as it is."""

from __future__ import annotations

from collections.abc import Sequence

import pulumi


class Protection(pulumi.ComponentResource):
    """Depends on every part of the stack, so that a destroy meets it first.

    Pulumi refuses to delete what is protected, and goes on with the rest: a destroy by mistake
    would end red and have taken the alarms, the dashboard and the scaling, which are not protected
    because a setting may turn them off. A part on which something still depends is left alone.
    """

    def __init__(self, name: str, parts: Sequence[pulumi.Resource], *, protect: bool) -> None:
        opts = pulumi.ResourceOptions(protect=protect, depends_on=list(parts))
        super().__init__("careapp:infra:Protection", name, None, opts)
        self.register_outputs({})
