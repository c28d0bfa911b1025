"""What ``./careapp delivery setup`` does; ``ops.delivery_cli`` says how it is called."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import click

from ops import stack as stacks
from ops.aws import Session
from ops.commands import guarded
from ops.delivery import setup
from ops.delivery.items import Delivery
from ops.delivery.names import Account, Repository, checked_stack
from ops.refused import Refused
from ops.render import delivery as screen
from ops.render.lines import display
from ops.texts import t

NOT_AGREED = 1


@dataclass(frozen=True)
class Wanted:
    """What the user asks for."""

    repository: Repository
    stacks: tuple[str, ...]
    folder: Path
    lang: str
    dry_run: bool
    remove: bool
    yes: bool


def set_up(wanted: Wanted) -> int:
    """Set up or take away; 0 done, 1 refused, 2 could not look."""

    def work() -> int:
        session, delivery = _of_account(wanted)
        steps = setup.planned(session, delivery, wanted.remove)
        display(screen.plan(steps, delivery, wanted.lang))
        if wanted.dry_run:
            return 0
        if any(step.acts for step in steps):
            if not wanted.yes and not _agreed(wanted.lang):
                return NOT_AGREED
            setup.applied(
                session,
                delivery,
                wanted.remove,
                lambda step: display(screen.done(step, wanted.lang)),
            )
        if not wanted.remove:
            display(screen.next_steps(delivery, wanted.lang))
        return 0

    return guarded(work, wanted.lang)


def _of_account(wanted: Wanted) -> tuple[Session, Delivery]:
    """The account and region of the stacks, which must have the same one.

    What was asked for is checked before AWS is asked: to mend it nobody needs credentials.
    """
    repository = wanted.repository.checked()
    for stack in wanted.stacks:
        checked_stack(stack)
    declared = {stack: stacks.read(stack, wanted.folder) for stack in wanted.stacks}
    places = {(each.region, each.profile) for each in declared.values()}
    if len(places) > 1:
        raise Refused(
            t("The stacks are in several regions or profiles; set each up by itself: --stack NAME.")
        )
    [(region, profile)] = places
    session = Session(region, profile)
    number = session.call("sts", "get_caller_identity")["Account"]
    delivery = Delivery(
        account=Account(number=number, region=session.region),
        repository=repository,
        stacks=wanted.stacks,
        zones={stack: each.get("hostedZoneId") for stack, each in declared.items()},
    )
    return session, delivery


def _agreed(lang: str) -> bool:
    """Ask. Raises Refused where nobody can answer."""
    if not sys.stdin.isatty():
        raise Refused(t("Nothing was done: here is no terminal to ask on; say --yes."))
    return click.confirm(t("Go on?").to(lang))
