"""What the engine runs before it creates or changes the ECS service."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pulumi
from pulumi.resource import DependencyResource

from i18n import t
from ops.rollout import deploy_command
from ops.rollout.gate import Log
from ops.waiting import Pace

if TYPE_CHECKING:
    from stack.settings import Settings

ROLE_SECONDS = 30.0
"""AWS's seconds for IAM to make a new role and its policy known: IAM is eventually consistent.

No call tells whether ECS knows a role. For the role of a task a second try after 29 s succeeded
(pulumi/pulumi-awsx#927).
"""


def hooks(settings: Settings) -> pulumi.ResourceHookBinding | None:
    """Return the hooks of the ECS service: the wait for the role that shifts requests, and `deployCommand`."""
    command = deploy_command.hooks(settings)
    wait = _wait_for_role() if settings.service.deployment.shifts else []
    if not wait and not command:
        return None
    return pulumi.ResourceHookBinding(before_create=[*wait, *command], before_update=[*command])


def _wait_for_role() -> list[pulumi.ResourceHook]:
    """Return the hook that waits before the service is created; its role is then seconds old.

    ECS uses the role only when tasks are registered. If it cannot, it rolls the deployment back: "ECS was
    unable to manage the ELB resources due to missing permissions on ECS Infrastructure Role" (ECS developer
    guide, "Troubleshooting Amazon ECS blue/green deployments"). So neither the provider nor an error hook
    could repeat the call.
    """

    async def wait(given: pulumi.ResourceHookArgs) -> None:
        words = t("waiting {seconds} s until ECS knows the new role", seconds=f"{ROLE_SECONDS:.0f}")
        Log(DependencyResource(given.urn)).moment(words)
        await asyncio.sleep(ROLE_SECONDS / Pace.of().speed)

    return [pulumi.ResourceHook("shiftingRole", wait)]
