"""Listed mistakes: the page works all the same, or `pulumi up` is red, and what the doctor prints mends it.

tests/mistakes draws those that are in no list, and two at once.
"""

import os
import random
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from ecs_gate.diagnosis.catalogue import OUTCOME
from ecs_gate.diagnosis.screen import plain
from tools.rehearsal.faults import Fault
from tools.tests.rehearsal.cures import Mistake, Running, running_stack, together
from tools.tests.rehearsal.mistakes import IN_EXAMPLE, MISTAKES

SOME = 4
CHOSEN = os.environ.get("CAREAPP_MISTAKES", str(SOME))
"""How many cases are tried, `all`, or a part of their names."""
SEED = int(os.environ.get("CAREAPP_MISTAKES_SEED", "739948"))
"""Another number draws other cases. The usual one is fixed: no change is red for a case that nobody has tried."""
REFUSED = "Nothing was changed."
"""What `pulumi up` says of a setting that it refuses before it begins."""
ROUNDS = 3
"""Findings that are followed one after the other."""
TRIES = 3


@dataclass(frozen=True)
class Try:
    """A mistake in the service's first release, or in a later one, of webapp/ or another app."""

    fault: Fault
    first: bool = False
    example: bool = False

    def __str__(self) -> str:
        name = self.fault.name
        where = (self.first * "first release", self.example * "another app")
        return f"{name} ({', '.join(filter(None, where))})" if any(where) else name


def tries() -> list[Try]:
    """The cases to try: one in each release of webapp/, then one in each of another app."""
    draw = random.Random(SEED)  # noqa: S311 - not for cryptography
    kinds = [
        [Try(each, at_first, example) for each in mistakes if not (at_first and each.second_release)]
        for example, mistakes in ((False, MISTAKES), (True, IN_EXAMPLE))
        for at_first in (True, False)
    ]  # fmt: skip
    every = [each for kind in kinds for each in kind]
    if CHOSEN.isdigit():
        found = [draw.choice(kinds[number % len(kinds)]) for number in range(int(CHOSEN))]
    elif CHOSEN in ("all", ""):
        found = draw.sample(every, len(every))
    else:
        found = [each for each in every if CHOSEN in str(each)]
    return sorted(found, key=lambda each: each.example)  # the stack changes its app once


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running_stack(tmp_path_factory.mktemp("mistakes")) as running:
        yield running


def mend(mistake: Mistake, red: str) -> None:
    """Do what the doctor prints, in the printed order, until `pulumi up` is green. Each finding must go by it."""
    running, followed = mistake.running, 0
    while red:
        followed += 1
        assert followed <= ROUNDS, f"still red after {ROUNDS} findings: {red}"
        if REFUSED in red:
            assert running.works, f"refused, and the page is dead: {red}"
            red = mistake.mended_by_the_old_value()
            continue
        found = running.diagnosis()
        print(red, plain(found), sep="\n")
        first = found.causes[0] if found.causes else None
        assert first, "red without a cause"
        unnamed = first.facts.result and first.facts.subject == OUTCOME
        assert not unnamed or followed > 1, "the cause is not named first"
        print(f"{first.id}: {first.title}")
        for fixes in together(first.fixes):
            gone, red = mistake.mended_by(fixes, first)
            if gone:
                break
        else:
            print(red)
            pytest.fail(f"nothing of what is printed mends it: {first.title}")


@pytest.mark.parametrize("what", tries(), ids=str)
def test_the_page_works_or_up_is_red_and_what_the_doctor_prints_mends_it(running, what):
    print(f"seed {SEED}: CAREAPP_MISTAKES_SEED repeats the order")
    if what.example and not running.app:
        running.take_example()
    mistake = Mistake(running, what.fault, first=what.first)
    file = running.healthy_file()
    mended = False
    try:
        red = mistake.make()
        assert red or running.works, f"green with a dead page: {running.said}"
        assert red or running.runs_declared, f"green, another version runs: {running.said}"
        if red:
            mend(mistake, red)
            red = mistake.corrected()
            assert not red, red
            assert running.works, f"green with a dead page: {running.said}"
            assert running.runs_declared, f"green, another version runs: {running.said}"
            found = running.diagnosis()
            # For an hour the doctor remembers the tasks that have died; `up` is green with that.
            assert not [each for each in found.causes if each.facts.blocks], plain(found)
            mended = True
    finally:
        # A machine that is busy for long may make healthy tasks look unhealthy: it is tried again.
        if all(mistake.restore(file, mended=mended) for _ in range(TRIES)):
            pytest.fail("the mistake is taken back, and the stack stays ill")
