"""Work is shared by those who ask before it begins, and by nobody else."""

import threading
import time

import pytest

from webapp import sharing
from webapp.sharing import Shared


class Work:
    """Counts its runs; each waits until it is let go."""

    def __init__(self) -> None:
        self.runs = 0
        self.begun = threading.Semaphore(0)
        self.go = threading.Semaphore(0)
        self.error: Exception | None = None

    def __call__(self) -> int:
        self.runs += 1
        run = self.runs
        self.begun.release()
        assert self.go.acquire(timeout=5)
        if self.error:
            raise self.error
        return run


def ask(shared: Shared[int], into: list[object]) -> threading.Thread:
    def run() -> None:
        try:
            into.append(shared.get(5))
        except Exception as error:
            into.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    time.sleep(0.02)
    return thread


def test_who_asks_while_it_runs_gets_the_next_run_and_shares_that() -> None:
    work = Work()
    shared = Shared(work)
    first: list[object] = []
    later: list[object] = []
    threads = [ask(shared, first)]
    assert work.begun.acquire(timeout=5)
    threads += [ask(shared, later) for _ in range(5)]
    work.go.release(2)
    for thread in threads:
        thread.join()
    assert (first, later, work.runs) == ([1], [2] * 5, 2)


def test_one_after_the_other_each_has_a_run_of_its_own() -> None:
    work = Work()
    work.go.release(3)
    shared = Shared(work)
    assert [shared.get(5) for _ in range(3)] == [1, 2, 3]


def test_an_error_reaches_all_who_share_the_run_and_not_the_next() -> None:
    work = Work()
    shared = Shared(work)
    ignored: list[object] = []
    failed: list[object] = []
    threads = [ask(shared, ignored)]
    threads += [ask(shared, failed) for _ in range(3)]
    work.error = LookupError("away")
    work.go.release(2)
    for thread in threads:
        thread.join()
    assert failed == [work.error] * 3
    work.error = None
    work.go.release()
    assert shared.get(5) == 3


def test_nobody_waits_longer_than_allowed_and_the_work_goes_on_afterwards() -> None:
    work = Work()
    shared = Shared(work)
    answers: list[object] = []
    thread = ask(shared, answers)
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        shared.get(0.1)
    assert time.monotonic() - began < 1
    work.go.release(2)
    thread.join()
    assert (answers, shared.get(5)) == ([1], 2)


def test_who_comes_while_a_run_gathers_shares_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharing, "GATHER", 1.0)
    work = Work()
    shared = Shared(work)
    answers: list[object] = []
    threads = [ask(shared, []), ask(shared, answers)]
    work.go.release(2)
    time.sleep(0.1)
    threads.append(ask(shared, answers))
    for thread in threads:
        thread.join()
    assert (answers, work.runs) == ([2, 2], 2)


def test_who_asks_alone_does_not_wait_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharing, "GATHER", 1.0)
    work = Work()
    work.go.release()
    began = time.monotonic()
    assert Shared(work).get(5) == 1
    assert time.monotonic() - began < 0.5
