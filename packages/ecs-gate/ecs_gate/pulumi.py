"""Follows a roll-out in `pulumi up` of any program in Python: `follow`; Pulumi's log, and the error that fails it."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import pulumi

from ecs_gate.text import Refused, t
from ecs_gate.text.masking import mask

if TYPE_CHECKING:
    import pulumi_aws as aws

    from ecs_gate.text import Text


NOT_PART = t("the service is not part of this update, so its roll-out was not checked")


class RolloutFailed(pulumi.RunError):
    """The revision does not run, or its roll-out could not be read.

    A RunError: Pulumi prints its text without a traceback and fails the command. Secrets are masked.
    """

    def __init__(self, text: str) -> None:
        super().__init__(mask(text))


@dataclass(frozen=True)
class ResourceLog:
    """Pulumi's log of the service. The engine shows an ephemeral line beside the resource."""

    resource: pulumi.Resource

    def moment(self, text: Text) -> None:
        pulumi.log.info(str(text), self.resource, ephemeral=True)

    def lasting(self, text: Text) -> None:
        pulumi.log.info(str(text), self.resource)

    def warning(self, text: Text) -> None:
        pulumi.log.warn(str(text), self.resource)


def follow(
    service: aws.ecs.Service,
    *,
    page: pulumi.Input[str] = "",
    expects: str = "",
    task_definition: pulumi.Input[str] | None = None,
    minutes: float = 15,
    roll_back: bool = False,
    region: str | None = None,
    profile: str | None = None,
) -> None:
    """Have each `pulumi up` follow the roll-out of a service, and fail where it fails, or where the page does.

    ``page`` is the URL that users open, without it the health check's path; ``expects`` the status codes of one that
    works, 200-299 if not given. ``task_definition`` is the ARN that the program declares, that of the service if not
    given. With ``roll_back`` ECS takes a version back whose tasks are healthy and whose page fails; else nothing is
    changed. The region is that of the service, and the profile that of the stack's `aws:profile`, if not given.

    Pulumi records all resources and outputs, whether it fails or not; each `up` fails until the version runs. A preview
    follows nothing.
    """
    if pulumi.runtime.is_dry_run():
        return
    given = {"minutes": minutes, "profile": profile or pulumi.Config("aws").get("profile")}
    outputs = pulumi.Output.all(
        id=service.id,
        cluster=service.cluster,
        service=service.name,
        definition=task_definition or service.task_definition,
        page=page,
        region=region or service.region,
    )
    work = partial(_follow, expects=expects, given=given, roll_back=roll_back)
    waiting = until_ended(outputs, service, work, t("not following any more: ECS goes on"))
    # pulumi.run would do as well, but an interrupt would then lose the stack's outputs.
    pulumi.Output.from_input(waiting)  # type: ignore[arg-type]  # mypy cannot infer its U


async def until_ended(
    outputs: pulumi.Output[dict[str, Any]],
    service: aws.ecs.Service,
    work: Callable[[dict[str, Any], ResourceLog], Awaitable[str]],
    unwatched: Text,
) -> bool:
    """Follow the roll-outs of an update. Return whether the service was part of it: only then it has ``outputs``.

    ``work`` gets them, and returns why the update is red; "" where all runs. ``unwatched`` is what a Ctrl-C leaves.
    Raises RolloutFailed.
    """
    known, log = await outputs.future(), ResourceLog(service)
    if not known:
        log.warning(NOT_PART)
        return False
    following = asyncio.ensure_future(work(known, log))

    def interrupt() -> None:
        # At once: an engine that ends before the program has shows nothing more of it.
        log.warning(unwatched)
        following.cancel()

    # After a Ctrl-C the program gets SIGINT, and is killed five seconds later (pulumi/pulumi#22374).
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, interrupt)
    try:
        why = await following
    except asyncio.CancelledError:
        raise RolloutFailed(str(t("`pulumi up` was interrupted"))) from None
    except RolloutFailed:
        raise
    except Exception as mistake:
        text = t("it is not known whether the app runs: the roll-out gate itself failed:")
        raise RolloutFailed(f"{text} {type(mistake).__name__}: {mistake}") from mistake
    if why:
        raise RolloutFailed(why)
    return True


async def _follow(
    known: dict[str, Any], log: ResourceLog, expects: str, given: dict[str, Any], roll_back: bool
) -> str:
    """Return why the roll-out is red; "" where the version runs."""
    # Here, because a preview never needs them.
    from ecs_gate.aws.errors import AwsProblem
    from ecs_gate.discovery import Chosen
    from ecs_gate.following import Wanted, follow, reader_of
    from ecs_gate.owner import Owner
    from ecs_gate.parts.records import short
    from ecs_gate.pulumi_remedies import PULUMI, PulumiRemedies
    from ecs_gate.rollout.say import unconfirmed

    names: dict[str, Any] = {
        name: known[name] or "" for name in ("cluster", "service", "definition", "region")
    }
    owner = Owner(remedies=PulumiRemedies, advice=PULUMI, apply=("pulumi up",))
    wanted = Wanted(page=Chosen(known["page"] or "", expects), owner=owner, **names, **given)
    try:
        reader = await asyncio.to_thread(reader_of, wanted, acts=roll_back)
        return (await follow(reader, log))[1]
    except Refused as refusal:
        return str(refusal.text)
    except AwsProblem as problem:
        return unconfirmed(short(wanted.definition), problem.as_text(), PULUMI)
