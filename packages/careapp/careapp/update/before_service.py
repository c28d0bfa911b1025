"""What the engine runs before it creates or changes the ECS service."""

import asyncio
import time
from dataclasses import replace

import pulumi
from pulumi.resource import DependencyResource

from careapp.additions.owner import inquiry_of
from careapp.additions.target import session_of, target_of
from careapp.settings.settings import Settings
from ecs_gate.aws.errors import problem_of
from ecs_gate.aws.pace import Pace
from ecs_gate.diagnosis.catalogue import LOG, START, TO_DATABASE, Facts
from ecs_gate.diagnosis.findings import Diagnosis
from ecs_gate.diagnosis.screen import plain
from ecs_gate.parts import ecs
from ecs_gate.parts.gather import Inquiry
from ecs_gate.parts.page import page_before
from ecs_gate.parts.records import Part, read_part, short
from ecs_gate.pulumi import ResourceLog, RolloutFailed
from ecs_gate.rollout.look import ask_doctor
from ecs_gate.rollout.say import would_end
from ecs_gate.text import t
from ecs_gate.waiting import Changes

LOOKS = 3
"""Diagnoses before an update goes on, as long as one shows a cause that the one before did not."""

ROLE_SECONDS = 30.0
"""AWS's seconds for IAM to make a new role and its policy known: IAM is eventually consistent.

No call tells whether ECS knows a role. For the role of a task a second try after 29 s succeeded
(pulumi/pulumi-awsx#927).
"""


def hooks(settings: Settings, changes: Changes) -> pulumi.ResourceHookBinding:
    """Return the service's hooks: is it there, its page, new tasks, the role that shifts, `deployCommand`."""
    command: list[pulumi.ResourceHook] = []
    if settings.service.deploy_command:
        from careapp.update import deploy_command

        command = deploy_command.hooks(settings)
    wait = _wait_for_role() if settings.service.deployment.shifts else []
    page = _request_page(settings, changes) if settings.health.smoke_path else []
    return pulumi.ResourceHookBinding(
        before_create=[*wait, *command], before_update=[_find_service(settings), *page, *command]
    )


def _find_service(settings: Settings) -> pulumi.ResourceHook:
    """Return the hook that says what the doctor does of a service that a person has deleted: ECS names no cure."""

    def missing() -> str:
        session = session_of(settings)
        service = read_part(ecs.service, session, settings.names)
        there = service.problem or (service.value and service.value.status == "ACTIVE")
        return "" if there else plain(ask_doctor(inquiry_of(settings, session)))

    async def find(_: pulumi.ResourceHookArgs) -> None:
        if why := await asyncio.to_thread(missing):
            raise RolloutFailed(why)

    return pulumi.ResourceHook("serviceThere", find)


def _request_page(settings: Settings, changes: Changes) -> list[pulumi.ResourceHook]:
    """Return the hook that notes whether the page works: the gate rolls an update back with which it fails.

    Where it works, the hook stops an update whose tasks could not serve: ECS would end those that do. By now the engine
    has changed all that the service depends on, and registered its task definition. The engine runs it only where the
    service changes. What it cannot find out stops no update: then the page counts as one that did not work, and the
    gate rolls back only errors that are the version's own.
    """

    async def request(given: pulumi.ResourceHookArgs) -> None:
        inputs, causes = given.new_inputs or {}, None
        definition = inputs["taskDefinition"]
        try:
            page = changes.page_before = await asyncio.to_thread(page_before, target_of(settings))
            if changes.page_worked and inputs.get("desiredCount") != 0:
                session = session_of(settings)
                inquiry = inquiry_of(
                    settings, session, definition, workers={}, page=Part(page), declared=inputs
                )
                causes = await asyncio.to_thread(_agreed, inquiry)
        except Exception as mistake:
            why = problem_of(mistake).text
            text = t(
                "it is not known whether the page works, and new tasks would serve: {why}", why=why
            )
            ResourceLog(DependencyResource(given.urn)).lasting(text)
        if causes:
            raise RolloutFailed(would_end(short(definition), plain(causes)))

    return [pulumi.ResourceHook("pageBefore", request)]


def _agreed(inquiry: Inquiry) -> Diagnosis | None:
    """Return the causes that keep new tasks from serving, as two diagnoses show them; None without one.

    A log line comes seconds after what it tells of, and IAM is eventually consistent. Raises AwsProblem.
    """
    page, before = inquiry.page.value if inquiry.page else None, set[str]()
    for _ in range(LOOKS):
        diagnosis = ask_doctor(inquiry)
        causes = tuple(cause for cause in diagnosis.causes if _keeps_from_serving(cause.facts))
        if agreed := tuple(cause for cause in causes if cause.id in before):
            return replace(diagnosis, findings=agreed, page=None)
        if not causes and not (page and page.refused):
            return None
        before = {cause.id for cause in causes}
        inquiry = replace(inquiry, page=None)
        time.sleep(Pace.of().poll)
    return None


def _keeps_from_serving(facts: Facts) -> bool:
    """Return whether a task that starts now does not serve, though those that run do.

    What may pass, like a database that restarts, stops no update; what a running task's log says of new connections
    does: the app in webapp/ has read its password again before.
    """
    return facts.subject == LOG or (facts.certain and facts.subject in (START, TO_DATABASE))


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
