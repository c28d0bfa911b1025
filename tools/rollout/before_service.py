"""What the engine runs before it creates or changes the ECS service."""

from __future__ import annotations

import asyncio

import pulumi
from pulumi.resource import DependencyResource

from stack.settings import Settings
from tools.aws.errors import problem_of
from tools.aws.pace import Pace
from tools.aws.session import Session
from tools.diagnosis.screen import plain
from tools.i18n import t
from tools.rollout import deploy_command
from tools.rollout.log import ResourceLog, RolloutFailed
from tools.rollout.look import ask_doctor
from tools.snapshot import ecs
from tools.snapshot.gather import Inquiry
from tools.snapshot.page import page_before
from tools.snapshot.records import read_part
from tools.waiting import Changes

ROLE_SECONDS = 30.0
"""AWS's seconds for IAM to make a new role and its policy known: IAM is eventually consistent.

No call tells whether ECS knows a role. For the role of a task a second try after 29 s succeeded
(pulumi/pulumi-awsx#927).
"""


def hooks(settings: Settings, changes: Changes) -> pulumi.ResourceHookBinding:
    """Return the service's hooks: whether it is there, the page, the wait for the role that shifts, `deployCommand`."""
    command = deploy_command.hooks(settings)
    wait = _wait_for_role() if settings.service.deployment.shifts else []
    page = _request_page(settings, changes) if settings.health.smoke_path else []
    return pulumi.ResourceHookBinding(
        before_create=[*wait, *command], before_update=[_find_service(settings), *page, *command]
    )


def _find_service(settings: Settings) -> pulumi.ResourceHook:
    """Return the hook that says what the doctor does of a service that a person has deleted: ECS names no cure."""

    def missing() -> str:
        session = Session(settings.region, settings.profile)
        service = read_part(ecs.service, session, settings.names)
        there = service.problem or (service.value and service.value.status == "ACTIVE")
        return "" if there else plain(ask_doctor(Inquiry(settings, session)))

    async def find(_: pulumi.ResourceHookArgs) -> None:
        if why := await asyncio.to_thread(missing):
            raise RolloutFailed(why)

    return pulumi.ResourceHook("serviceThere", find)


def _request_page(settings: Settings, changes: Changes) -> list[pulumi.ResourceHook]:
    """Return the hook that notes whether the page works: the gate rolls an update back with which it fails.

    The engine runs it only where the service changes. What it cannot find out stops no update: then the page
    counts as one that did not work, and the gate rolls back only errors that are the version's own.
    """

    async def request(given: pulumi.ResourceHookArgs) -> None:
        try:
            changes.page_before = await asyncio.to_thread(page_before, settings)
        except Exception as mistake:
            why = problem_of(mistake).text
            text = t("it is not known whether the page worked before this update: {why}", why=why)
            ResourceLog(DependencyResource(given.urn)).lasting(text)

    return [pulumi.ResourceHook("pageBefore", request)]


def _wait_for_role() -> list[pulumi.ResourceHook]:
    """Return the hook that waits before the service is created; its role is then seconds old.

    ECS uses the role only when tasks are registered. If it cannot, it rolls the deployment back: "ECS was
    unable to manage the ELB resources due to missing permissions on ECS Infrastructure Role" (ECS developer
    guide, "Troubleshooting Amazon ECS blue/green deployments"). So neither the provider nor an error hook
    could repeat the call.
    """

    async def wait(given: pulumi.ResourceHookArgs) -> None:
        text = t("waiting {seconds} s until ECS knows the new role", seconds=f"{ROLE_SECONDS:.0f}")
        ResourceLog(DependencyResource(given.urn)).moment(text)
        await asyncio.sleep(ROLE_SECONDS / Pace.of().speed)

    return [pulumi.ResourceHook("shiftingRole", wait)]
