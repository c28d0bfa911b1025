"""Sets the delivery up in an account, or takes it away: look, plan, then print or apply."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from ops.aws import Session
from ops.delivery import plan
from ops.delivery.iam import ManagedPolicy, Provider, Role
from ops.delivery.items import Delivery, Item, Spec
from ops.delivery.names import ALIAS
from ops.delivery.plan import Step
from ops.delivery.store import Bucket, Key

KINDS: dict[str, Any] = {
    "provider": Provider(),
    "key": Key(),
    "bucket": Bucket(),
    "policy": ManagedPolicy(),
    "role": Role(),
}
Told = Callable[[Step], None]


def look(session: Session, items: Iterable[Item]) -> dict[tuple[str, str], Spec]:
    """What of it is there, and what it is like. Raises AwsProblem."""
    found = {}
    for item in items:
        spec = KINDS[item.kind].look(session, item)
        if spec is not None:
            found[item.kind, item.name] = spec
    return found


def planned(session: Session, delivery: Delivery, remove: bool) -> list[Step]:
    """What setting up, or taking away, would do now. Raises AwsProblem, Refused."""
    found = look(session, delivery.items())
    key = found.get(("key", ALIAS), {}).get("arn", "")
    decide = plan.taking_away if remove else plan.setting_up
    return decide(delivery.items(key), found)


def applied(session: Session, delivery: Delivery, remove: bool, told: Told) -> None:
    """Do it, telling each step once it is done. Run again, it goes on from wherever it broke off.

    The key comes first and by itself: what follows names it by the ARN that AWS gives it.
    """
    if not remove:
        for step in planned(session, delivery, remove):
            if step.item.kind == "key" and step.acts:
                _apply(session, step)
                told(step)
    for step in planned(session, delivery, remove):
        _apply(session, step)
        told(step)


def _apply(session: Session, step: Step) -> None:
    if step.acts:
        getattr(KINDS[step.item.kind], step.verb)(session, step.item)
