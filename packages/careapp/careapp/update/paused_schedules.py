"""Keeps the schedules of a paused stack disabled when an update changes them."""

import asyncio

import pulumi
from pulumi.resource import DependencyResource

from careapp.additions.parts.jobs import switch_schedules
from careapp.additions.parts.pauses import pause_of
from careapp.additions.target import session_of
from careapp.settings.settings import Settings
from ecs_gate.parts import rds
from ecs_gate.pulumi import ResourceLog
from ecs_gate.text import t

SCHEDULE = "aws:scheduler/schedule:Schedule"


def watch(settings: Settings) -> None:
    """Disable each schedule of a paused stack after the engine has created or changed it.

    UpdateSchedule replaces the whole schedule (API reference), so another image's task definition would enable it.
    Call this before the first resource.
    """

    def disable() -> bool:
        session = session_of(settings)
        database = rds.database(session, settings.names.database, full=False)
        if database is None or pause_of(database) is None:
            return False
        switch_schedules(session, settings.names, ())
        return True

    async def keep(given: pulumi.ResourceHookArgs) -> None:
        if await asyncio.to_thread(disable):
            message = t("the stack is paused, so the schedule stays disabled")
            ResourceLog(DependencyResource(given.urn)).lasting(message)

    hook = pulumi.ResourceHook("keepPaused", keep)
    hooks = pulumi.ResourceHookBinding(after_create=[hook], after_update=[hook])

    def add(args: pulumi.ResourceTransformArgs) -> pulumi.ResourceTransformResult | None:
        if args.type_ != SCHEDULE:
            return None
        opts = pulumi.ResourceOptions.merge(args.opts, pulumi.ResourceOptions(hooks=hooks))
        return pulumi.ResourceTransformResult(args.props, opts)

    pulumi.runtime.register_resource_transform(add)
