"""Follows the roll-outs of the web service and the workers in `pulumi up`, and asks the doctor at their end."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pulumi
import pulumi_aws as aws

import ecs_gate.pulumi
from careapp.additions.owner import inquiry_of, owner_of
from careapp.additions.remedies import ADVICE
from careapp.additions.target import session_of
from careapp.settings.settings import Settings
from ecs_gate.aws.errors import AwsProblem
from ecs_gate.parts import verdicts
from ecs_gate.parts.records import Deletion, read_part
from ecs_gate.pulumi import NOT_PART, ResourceLog, RolloutFailed
from ecs_gate.rollout import gate, say
from ecs_gate.rollout.look import Expected, Reader
from ecs_gate.rollout.verdict import End
from ecs_gate.text import Refused
from ecs_gate.waiting import Changes


async def until_ended(
    outputs: pulumi.Output[dict[str, Any]],
    settings: Settings,
    changes: Changes,
    service: aws.ecs.Service,
    workers: Mapping[str, tuple[aws.ecs.Service, pulumi.Output[str]]],
) -> bool:
    """Follow the roll-outs. Return whether the service was part of the update: only then it has ``outputs``."""

    async def work(arns: dict[str, Any], log: ResourceLog) -> str:
        del arns["service"]
        await follow_all(arns, settings, changes, log, workers)
        return ""

    stack = settings.stack
    unwatched = say.unwatched(
        f"./careapp status -w -s {stack}", owner_of(settings).rollback(settings.names)
    )
    return await ecs_gate.pulumi.until_ended(outputs, service, work, unwatched)


async def follow_all(
    arns: dict[str, str],
    settings: Settings,
    changes: Changes,
    log: ResourceLog,
    workers: Mapping[str, tuple[aws.ecs.Service, pulumi.Output[str]]],
) -> None:
    """Follow the web service, then the workers, and ask the doctor in the end. Raises RolloutFailed.

    ECS rolls all services out side by side, so one after the other takes no longer.
    """
    session, counts = session_of(settings), settings.service.scaling.counts
    url = arns.pop("page_url", "")
    expected = Expected(names=settings.names, **arns)
    inquiry = inquiry_of(settings, session, expected.definition, url, {})
    reader = Reader(expected, replace(inquiry, page_before=changes.page_before))
    end = await _end(reader, log, changes)
    deployed: dict[str, str] = {}
    tasks_of = {worker.name: worker.count for worker in settings.workers}
    for name, (service, definition) in workers.items():
        outputs = await pulumi.Output.all(service.id, definition).future()
        if not outputs:
            pulumi.log.warn(str(NOT_PART), service)
            continue
        deployed[name] = str(outputs[1])
        if tasks_of[name]:
            mine = Expected(names=settings.names.of_worker(name), definition=deployed[name])
            own = replace(inquiry, workers={name: deployed[name]})
            await _end(Reader(mine, own), ResourceLog(service), changes)
    newest = end.view.deployment
    often = inquiry.target.page.requests if newest and newest.created >= changes.begun else 1
    reader = replace(reader, inquiry=replace(reader.inquiry, workers=deployed, requests=often))
    gone = tuple(_pending(changes))
    if why := await gate.causes(reader, log, counts, gone, end.view.desired):
        worked = changes.page_worked
        text = say.running_with_a_cause(end, why, ADVICE, page_worked=worked)
        raise RolloutFailed(text)
    if gone and (why := await gate.causes_after_deletion(reader, log, counts, gone)):
        raise RolloutFailed(say.would_delete(expected.revision, why))
    if end.view.desired:
        # Without it a later update that fails names no version to go back to.
        await asyncio.to_thread(read_part, verdicts.keep, session, settings.names, verdicts.WORKED)


async def _end(reader: Reader, log: ResourceLog, changes: Changes) -> End:
    """Follow one roll-out, and return its end. Raises RolloutFailed where the revision does not run."""
    try:
        end, why = await gate.roll_out(reader, log, changes)
    except Refused as refusal:
        raise RolloutFailed(str(refusal.text)) from None
    except AwsProblem as problem:
        text = say.unconfirmed(reader.expected.revision, problem.as_text(), ADVICE)
        raise RolloutFailed(text) from problem
    if why:
        raise RolloutFailed(why)
    return end


def _pending(changes: Changes) -> Iterator[Deletion]:
    """Return what Pulumi deletes on the path after the program has ended.

    That is what the program no longer declares, and the old one of each resource that it has replaced.
    """
    for urn, resource in changes.state.items():
        old = Deletion(resource["type"], urn.rpartition("::")[2], resource["outputs"])
        key = (old.kind, old.name)
        new = changes.created.get(key)
        replaced = new is not None and Deletion(*key, new).identity != old.identity
        if replaced or key not in changes.declared:
            yield replace(old, replaced=replaced)
