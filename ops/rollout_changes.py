"""What an update changes on the way from a visitor to the app, noted as Pulumi does it."""

from __future__ import annotations

import pulumi

from ops import local

ON_THE_WAY = ("aws:alb/", "aws:ec2/", "aws:ecs/service:", "aws:lb/", "aws:vpc/")
"""Types that decide whether the load balancer reaches a task and what it asks it.

The service among them: where it changes, ECS may still show its last deployment for a moment.
"""


class Changes:
    """When this update last created or changed something on the way.

    Such a change makes targets unhealthy without any roll-out, and not at once: the load balancer
    has to ask in vain for some time first.
    """

    def __init__(self) -> None:
        self.last: float | None = None
        """`local.monotonic()` of the last change; None while there was none."""

    def note(self, _changed: pulumi.ResourceHookArgs) -> None:
        """A resource hook. What a preview would change is not changed: it runs no hooks."""
        self.last = local.monotonic()


def watch() -> Changes:
    """Note the changes from now on; to be called before the first resource.

    By a transform and not by each resource's own options, so that the parts of an awsx component
    are noted, too.
    """
    changes = Changes()
    hook = pulumi.ResourceHook("on-the-way", changes.note)
    hooks = pulumi.ResourceHookBinding(after_create=[hook], after_update=[hook])

    def noted(args: pulumi.ResourceTransformArgs) -> pulumi.ResourceTransformResult | None:
        if not args.type_.startswith(ON_THE_WAY):
            return None
        opts = pulumi.ResourceOptions.merge(args.opts, pulumi.ResourceOptions(hooks=hooks))
        return pulumi.ResourceTransformResult(args.props, opts)

    pulumi.runtime.register_resource_transform(noted)
    return changes
