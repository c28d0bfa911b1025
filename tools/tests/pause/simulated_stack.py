"""A stack that is paused and resumed without AWS, and may be interrupted at any call."""

from dataclasses import replace
from datetime import UTC, datetime

from tools.pause import steps
from tools.pause.state import SCALING, PausableStack, ScalingRange, StackState
from tools.tests import stacks as a

SINCE = datetime(2026, 11, 25, 9, 0, tzinfo=UTC)
HELD = (True,) * len(SCALING)
FREE, BY_HOURS = (False, False, True), (False, False, False)
"""What infra/scaling.py declares, without hours and with them."""
RANGE = ScalingRange(1, 4, FREE)

PASSING = {
    "stopping": "stopped", "starting": "available",
    "upgrading": "backing-up", "backing-up": "modifying", "modifying": "available",
}  # fmt: skip


class Interrupted(BaseException):
    """A Ctrl-C at the next call."""


class Simulated(PausableStack):
    """A stack whose tasks and database change with every read, and whose calls can be interrupted.

    Whatever registers its scalable target moves the count into the range, as AWS does.
    """

    def __init__(
        self, *, service=True, scaled=RANGE, count=3, status="available", at=SINCE,
        **declared,
    ):  # fmt: skip
        self.names = a.stack().names
        self.settings = a.choices(**{"desiredCount": "2", **declared})
        self.service, self.count, self.running = service, count, count
        self.scaled, self.at = scaled if service else None, at
        self.alarm_actions = True
        self.status, self.pause, self.calls = status, None, []
        self.calls_left = None

    def record(self, *call):
        if self.calls_left == 0:
            raise Interrupted
        if self.calls_left is not None:
            self.calls_left -= 1
        self.calls.append(call)

    def read(self):
        self.record("read")
        shown = self._shown()
        self.running += (self.count > self.running) - (self.count < self.running)
        self.status = PASSING.get(self.status, self.status)
        return shown

    def _shown(self):
        database = replace(
            a.database(), status=self.status, pause=self.pause, arn="arn:db", protected=True
        )
        service = a.service(desired=self.count, running=self.running) if self.service else None
        return StackState(
            at=self.at,
            database=database,
            service=service,
            left=tuple(f"task-{each}" for each in range(self.running)) if self.service else (),
            scaled=self.scaled,
            steady=0 < self.count == self.running,
        )

    def _register(self, suspended, **bounds):
        self.record("register", tuple(suspended), *bounds.values())
        low, high = bounds.values() if bounds else (self.scaled.low, self.scaled.high)
        self.scaled = ScalingRange(low, high, tuple(suspended))
        self.count = max(low, min(self.count, high))

    def set_alarm_actions(self, enabled):
        self.record("alarm actions", enabled)
        self.alarm_actions = enabled

    def set_desired_count(self, count):
        self.record("count", count)
        assert self.status == "available" or count == 0, "tasks without their database"
        self.count = count

    def stop_others(self):
        if self.settings.workers:
            self.record("stop others")

    def start_others(self, at):
        if self.settings.workers:
            self.record("start others", at)

    def call_rds(self, operation):
        self.record(operation)
        was, becomes = {
            "stop_db_instance": ("available", "stopping"),
            "start_db_instance": ("stopped", "starting"),
        }[operation]
        assert self.status == was, f"RDS refuses {operation} while {self.status}"
        self.status = becomes

    def tag_paused(self, database, pause):
        assert database.arn == "arn:db"
        self.record("tag", pause.count)
        self.pause = pause

    def untag_paused(self, database):
        assert database.arn == "arn:db"
        self.record("untag")
        self.pause = None

    def state(self):
        return self.count, self.status, self.scaled, self.alarm_actions, self.pause is not None

    def changes(self):
        return [each for each in self.calls if each != ("read",)]


def pause(pausable, wait):
    return steps.pause(pausable, wait, pausable.read())


def resume(pausable, wait):
    return steps.resume(pausable, wait)


def interrupted(work, pausable, wait, after):
    """Run ``work``, interrupted at the call number ``after``; whether it was."""
    pausable.calls_left = after
    try:
        work(pausable, wait)
    except Interrupted:
        return True
    finally:
        pausable.calls_left = None
    return False
