"""Looks at a stack, made up, and the rehearsal's page over them."""

import json
from pathlib import Path

from careapp.rehearsal.page.server import create_app
from careapp.rehearsal.page.watching import Moment, Work
from careapp.watch import events as timeline
from careapp.watch.events import Event
from ecs_gate.doctor import judge
from ecs_gate.parts.gather import Snapshot
from ecs_gate.text import verbatim
from tests import stacks as a

POC = Work(project="careapp", stack="poc", resources=88)


def seen(snapshot: Snapshot | None = None, work: Work = POC, events=()) -> Moment:
    """One look at a snapshot, with the events that it tells of and those given."""
    if snapshot is None:
        return Moment(at=a.NOW, work=work)
    told = [
        *timeline.of_service(snapshot.service.value),
        *timeline.of_tasks(snapshot.tasks.value or ()),
        *events,
    ]
    return Moment(
        at=a.NOW,
        work=work,
        stacks=("poc",),
        now=snapshot,
        diagnosis=judge(snapshot),
        events=tuple(sorted(told, key=lambda event: event.at)),
    )


def logged(*lines):
    """Return events of a task's log, the last one now; a line may be the app's record."""
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    moments = range(-len(texts), 0)
    return [
        Event(a.at(moment), "log", "aaaaaaaa", verbatim(text))
        for moment, text in zip(moments, texts, strict=True)
    ]


class Shown:
    """A watcher whose look the test sets."""

    def __init__(self, look: Moment, *stacks: str) -> None:
        self.seen, self.known, self.asked = look, stacks or ("poc",), []

    def stacks(self) -> tuple[str, ...]:
        return self.known

    def look(self, stack: str) -> Moment:
        self.asked.append(stack)
        return self.seen


def client(watcher, address="http://localhost:8080"):
    """Flask's client of the page, at its own address."""
    app = create_app(watcher, lambda _: address)
    app.testing = True
    made = app.test_client()
    made.environ_base["HTTP_HOST"] = "localhost:8081"
    return made


def backend(folder: Path, stack="poc", resources=0, pending=(), pid=None) -> None:
    """The engine's file backend as Pulumi 3.274 leaves it; ``pid`` holds the lock."""
    file = folder / "state/.pulumi/stacks/careapp" / f"{stack}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    latest = {
        "resources": [{}] * resources,
        "pending_operations": [{"type": kind} for kind in pending],
    }
    file.write_text(json.dumps({"checkpoint": {"latest": latest}}))
    locks = folder / f"state/.pulumi/locks/organization/careapp/{stack}"
    locks.mkdir(parents=True, exist_ok=True)
    (locks / "one.json").unlink(missing_ok=True)
    if pid is not None:
        (locks / "one.json").write_text(json.dumps({"pid": pid}))
