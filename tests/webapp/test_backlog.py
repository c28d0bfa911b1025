"""The number of visits is the truth at each moment of a write, also before it is confirmed."""

import random
import threading
import time
from dataclasses import dataclass, field

import pytest

from webapp import backlog as module
from webapp.backlog import Backlog, Batch, Mark, Noted

VISIT = Noted(0.0, "en", "task")


@dataclass
class World:
    """A backlog, and a database that other workers write to as well."""

    backlog: Backlog = field(default_factory=Backlog)
    counter: int = 0
    added: int = 0
    others: int = 0
    shown: int = 0
    batch: Batch | None = None
    written: int | None = None
    reads: list[tuple[Mark, int | None]] = field(default_factory=list)

    def add(self) -> None:
        self.backlog.add(VISIT)
        self.added += 1

    def other(self) -> None:
        self.counter += 3
        self.others += 3

    def begin_write(self) -> None:
        if self.batch is None:
            self.batch = self.backlog.take()

    def commit(self) -> None:
        if self.batch and self.written is None:
            self.counter += len(self.batch.visits)
            self.written = self.counter

    def confirm(self) -> None:
        if self.batch and self.written is not None:
            self.backlog.landed(self.batch, self.written)
            self.batch = self.written = None

    def fail(self) -> None:
        if self.batch and self.written is None:
            self.backlog.failed(self.batch)
            self.batch = None

    def begin_read(self) -> None:
        self.reads.append((self.backlog.mark(), None))

    def snapshot(self) -> None:
        for index, (mark, seen) in enumerate(self.reads):
            if seen is None:
                self.reads[index] = mark, self.counter
                return

    def end_read(self) -> None:
        # While a commit is not confirmed the page waits: other tests show that.
        done = [read for read in self.reads if read[1] is not None]
        if done and self.written is None:
            mark, seen = done[-1]
            self.reads.remove(done[-1])
            assert seen is not None
            shown = self.backlog.total(seen, mark)
            assert self.shown <= shown <= self.others + self.added
            self.shown = shown

    def read(self) -> None:
        self.reads.append((self.backlog.mark(), self.counter))
        self.end_read()


STEPS = (
    *(World.add, World.other, World.begin_write, World.commit, World.confirm, World.fail),
    *(World.begin_read, World.snapshot, World.end_read, World.read),
)
FAILURES_ARE_RARE = [4, 1, 4, 4, 4, 1, 2, 2, 2, 2]


def test_it_never_goes_down_nor_above_the_truth(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CONFIRMATION", 0)
    for seed in range(200):
        world = World()
        for step in random.Random(seed).choices(STEPS, FAILURES_ARE_RARE, k=150):  # noqa: S311
            step(world)
        # A read on its own, when all is calm, tells the truth.
        world.commit()
        world.confirm()
        world.reads.clear()
        world.read()
        assert world.shown == world.others + world.added


def writing(backlog: Backlog, visits: int) -> Batch:
    """That many come, and their write begins."""
    for _ in range(visits):
        backlog.add(VISIT)
    batch = backlog.take()
    assert batch
    return batch


@pytest.mark.parametrize(("committed", "expected"), [(True, 15), (False, 18)])
def test_a_commit_that_was_seen_is_waited_for(committed: bool, expected: int) -> None:
    """If it failed after all, others wrote what was seen, and the batch is still to come."""
    backlog = Backlog()
    assert backlog.total(10, backlog.mark()) == 10
    batch = writing(backlog, 3)
    mark = backlog.mark()
    if committed:
        confirmation = threading.Timer(0.1, backlog.landed, (batch, 13))
    else:
        confirmation = threading.Timer(0.1, backlog.failed, (batch,))
    confirmation.start()
    for _ in range(2):
        backlog.add(VISIT)
    assert backlog.total(13, mark) == expected
    confirmation.join()


def test_a_write_that_was_surely_not_seen_is_not_waited_for() -> None:
    backlog = Backlog()
    assert backlog.total(10, backlog.mark()) == 10
    writing(backlog, 3)
    began = time.monotonic()
    assert backlog.total(12, backlog.mark()) == 15
    assert time.monotonic() - began < module.CONFIRMATION / 2


def test_a_database_that_was_set_back_is_believed() -> None:
    backlog = Backlog()
    backlog.landed(writing(backlog, 1), 1000)
    assert backlog.total(1000, backlog.mark()) == 1000
    assert backlog.total(5, backlog.mark()) == 5


def test_what_comes_while_too_much_waits_is_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_WAITING", 3)
    backlog = Backlog()
    for _ in range(5):
        backlog.add(VISIT)
    assert backlog.total(0, backlog.mark()) == 3
