"""A stack that is paused and resumed without AWS, and may be interrupted at any call."""

from dataclasses import replace
from datetime import UTC, datetime

from ops.pause import pausing
from ops.pause import pausing as resuming
from ops.pause.standing import SCALING, Scaled, Standing, Station
from tests.ops import stacks as a

SINCE = datetime(2026, 11, 25, 9, 0, tzinfo=UTC)
HELD = (True,) * len(SCALING)
FREE, BY_HOURS = (False, False, True), (False, False, False)
"""What infra/scaling.py declares, without hours and with them."""
RANGE = Scaled(1, 4, FREE)

PASSING = {
    "stopping": "stopped", "starting": "available",
    "upgrading": "backing-up", "backing-up": "modifying", "modifying": "available",
}  # fmt: skip


class Interrupted(BaseException):
    """A Ctrl-C at the next call."""


class Simulated(Station):
    """A stack whose tasks and database change with every look, and whose calls can be interrupted.

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
        self.rings = True
        self.status, self.pause, self.calls = status, None, []
        self.calls_left = None

    def happen(self, *call):
        if self.calls_left == 0:
            raise Interrupted
        if self.calls_left is not None:
            self.calls_left -= 1
        self.calls.append(call)

    def look(self):
        self.happen("look")
        shown = self._shown()
        self.running += (self.count > self.running) - (self.count < self.running)
        self.status = PASSING.get(self.status, self.status)
        return shown

    def _shown(self):
        database = replace(a.database(), status=self.status, pause=self.pause, arn="arn:db")
        service = a.service(desired=self.count, running=self.running) if self.service else None
        return Standing(
            at=self.at,
            database=database,
            service=service,
            left=tuple(f"task-{each}" for each in range(self.running)) if self.service else (),
            scaled=self.scaled,
            steady=0 < self.count == self.running,
        )

    def _register(self, suspended, **bounds):
        self.happen("register", tuple(suspended), *bounds.values())
        low, high = bounds.values() if bounds else (self.scaled.low, self.scaled.high)
        self.scaled = Scaled(low, high, tuple(suspended))
        self.count = max(low, min(self.count, high))

    def ring(self, rings):
        self.happen("ring", rings)
        self.rings = rings

    def scale(self, count):
        self.happen("scale", count)
        assert self.status == "available" or count == 0, "tasks without their database"
        self.count = count

    def database(self, operation):
        self.happen(operation)
        was, becomes = {
            "stop_db_instance": ("available", "stopping"),
            "start_db_instance": ("stopped", "starting"),
        }[operation]
        assert self.status == was, f"RDS refuses {operation} while {self.status}"
        self.status = becomes

    def remember(self, database, pause):
        assert database.arn == "arn:db"
        self.happen("remember", pause.count)
        self.pause = pause

    def forget(self, database):
        assert database.arn == "arn:db"
        self.happen("forget")
        self.pause = None

    def state(self):
        return self.count, self.status, self.scaled, self.rings, self.pause is not None

    def changes(self):
        return [each for each in self.calls if each != ("look",)]


def halt(station, wait):
    return pausing.pause(station, wait, station.look())


def back(station, wait):
    return resuming.resume(station, wait)


def interrupted(work, station, wait, after):
    """Run ``work``, interrupted at the call number ``after``; whether it was."""
    station.calls_left = after
    try:
        work(station, wait)
    except Interrupted:
        return True
    finally:
        station.calls_left = None
    return False
