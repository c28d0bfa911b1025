"""The roll-out gate: `pulumi up` is green only when the wanted revision really runs."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pulumi

# Nothing here may import boto3 before it is needed: a preview must not wait for it.
from ops.texts import Text, language


class RolloutFailed(pulumi.RunError):
    """The wanted revision does not run, or nobody could see whether it does.

    A RunError, because Pulumi prints its text without a traceback and fails the command.
    """


@dataclass(frozen=True, kw_only=True)
class Rollout:
    """What to follow. The ARNs are outputs of the service itself, so they wait for its update."""

    stack: str
    region: str
    minutes: int
    resource: pulumi.Resource
    cluster: pulumi.Output[str]
    service: pulumi.Output[str]
    definition: pulumi.Output[str]
    target_group: pulumi.Output[str]


def gate(rollout: Rollout) -> None:
    """Hold this `pulumi up` until the roll-out has ended; RolloutFailed ends it red.

    Pulumi runs this after the program has declared everything and its outputs are recorded, on
    every update, changed or not. It only reads, so an interrupt leaves nothing half done. While
    it waits the engine keeps replaced resources, so that a rollback finds its old revision.
    """
    if not pulumi.runtime.is_dry_run():
        pulumi.run(lambda: _wait(rollout))


async def _wait(rollout: Rollout) -> None:
    arns = await pulumi.Output.all(
        cluster=rollout.cluster,
        service=rollout.service,
        definition=rollout.definition,
        target_group=rollout.target_group,
    ).future()
    if not arns:
        pulumi.log.warn(
            "the service is not part of this update, so no roll-out was looked at", rollout.resource
        )
        return
    from ops.rollout_view import Wanted

    await _follow(rollout, Wanted(**arns))


async def _follow(rollout: Rollout, wanted: Wanted) -> None:
    ...
