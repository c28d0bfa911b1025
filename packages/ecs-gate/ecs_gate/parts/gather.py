"""Read a stack from AWS at one moment, into frozen records."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from threading import Lock
from typing import Any, TypeVar

from ecs_gate.aws import local_cloud
from ecs_gate.aws.errors import AwsProblem
from ecs_gate.aws.session import Place, Session
from ecs_gate.owner import Owner
from ecs_gate.parts import ecs
from ecs_gate.parts.elb import PageAnswer
from ecs_gate.parts.of_service import PARTS, PartOf, ServiceParts, Whose
from ecs_gate.parts.records import Definition, Deletion, Part, Service, read_part
from ecs_gate.target import Names, Target

T = TypeVar("T")

AT_ONCE = 32
"""Parts that are read at once; some wait for others."""


@dataclass(frozen=True, kw_only=True)
class Snapshot(ServiceParts):
    """A stack as AWS shows it. ``wanted`` is the ARN of the task definition that is expected to run, if known.

    ``by_program`` says that the program named it, at the end of its update; else it is the family's
    newest, which may have been registered by hand, or the one that was deployed after it. ``at`` is when it was
    asked, by this machine's clock.
    """

    target: Target
    place: Place
    wanted: str | None = None
    by_program: bool = False
    owner: Owner = field(default_factory=Owner)
    at: datetime = field(default_factory=local_cloud.now)
    parts: Mapping[PartOf[Any], Part[Any]] = field(default_factory=dict)
    """What was read, in the order of PARTS, then what the owner reads."""
    workers: Mapping[str, Snapshot] = field(default_factory=dict)
    """Each further service of the target: its service, tasks, task definitions and log; the rest is the first one's."""

    def of(self, part: PartOf[T]) -> Part[T]:
        return self.parts.get(part, Part())

    @property
    def names(self) -> Names:
        return self.target.names

    @property
    def region(self) -> str:
        return self.place.region

    @property
    def page_url(self) -> str:
        """Return the page's URL without a path; "" without a load balancer."""
        balancer = self.balancer.value
        return self.target.page.url_of(balancer.dns) if balancer else self.target.page.url

    def problems(self) -> dict[str, AwsProblem]:
        """Return the problems of the parts that could not be read, by the name of the part."""
        parts = {kind.name: part for kind, part in self.parts.items()}
        for worker, seen in self.workers.items():
            parts |= {f"{worker}/{kind.name}": part for kind, part in seen.own}
        return {name: part.problem for name, part in parts.items() if part.problem}

    @property
    def own(self) -> list[tuple[PartOf[Any], Part[Any]]]:
        """Return the parts that each further service has of its own."""
        return [(kind, part) for kind, part in self.parts.items() if kind.whose is Whose.EACH]

    def of_other(
        self, names: Names, wanted: str | None, own: Mapping[PartOf[Any], Part[Any]]
    ) -> Snapshot:
        """Return this snapshot as that of another service, with its own parts and those that all share."""
        shared = {kind: part for kind, part in self.parts.items() if kind.whose is Whose.ALL}
        target = self.target.of(names)
        return replace(self, target=target, wanted=wanted, workers={}, parts={**shared, **own})

    def having(self, part: PartOf[T], value: Part[T]) -> Snapshot:
        """Return this snapshot with another value of a part."""
        return replace(self, parts={**self.parts, part: value})


@dataclass(frozen=True)
class Inquiry:
    """The stack to read, and what is known of it: all that a diagnosis rests on beside AWS."""

    target: Target
    session: Session
    owner: Owner = field(default_factory=Owner)
    wanted: str | None = None
    """The ARN of the task definition that is expected to run; None: the service's newest."""
    workers: Mapping[str, str] | None = None
    """The further services to read, with the task definitions that are expected to run; None: all."""
    page: Part[PageAnswer] | None = None
    """An earlier answer of the page, for callers that read often: each request counts as a visit."""
    page_before: PageAnswer | None = None
    """The page before this update."""
    requests: int = 1
    """How many requests for the page must be answered: more of a new version, which may fail now and then."""
    gone: Sequence[Deletion] = ()
    """What is judged as if it were deleted."""
    declared: Mapping[str, Any] = field(default_factory=dict)
    """The inputs of the service, with ``wanted``, where ECS has not got them yet: its new tasks are judged."""
    by_up: bool = False
    """Whether a roll-out asks at its end, before it keeps its own verdict; with ``wanted`` it always does."""


def gather(inquiry: Inquiry) -> Snapshot:
    """Read all parts from AWS in parallel. A part that could not be read has the problem."""
    return _read(inquiry, full=True)


def overview(inquiry: Inquiry) -> Snapshot:
    """Read the parts that the status shows. What ECS deploys is what is expected to run."""
    return _read(inquiry, full=False)


def _read(inquiry: Inquiry, *, full: bool) -> Snapshot:
    parts = [part for part in (*PARTS, *inquiry.owner.parts) if full or part.shown]
    first, wanted = Reading(inquiry, full=full), inquiry.workers
    others = [
        first.of_other(other, (wanted or {}).get(other.process, ""))
        for other in inquiry.target.others
        if wanted is None or other.process in wanted
    ]
    own = [part for part in parts if part.whose is Whose.EACH]
    asked = [(first, part) for part in parts] + [(at, part) for at in others for part in own]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(lambda pair: pair[0].of(pair[1]), asked))
    now = Snapshot(
        target=inquiry.target,
        owner=inquiry.owner,
        place=inquiry.session.place,
        wanted=first.expected,
        by_program=inquiry.wanted is not None,
        parts=first.all_of(parts),
    )
    workers = {
        other.names.process: now.of_other(other.names, other.expected, other.all_of(own))
        for other in others
    }
    return replace(now, workers=workers)


class Reading(ServiceParts):
    """Asks AWS for the parts of a service: each when it is first needed, and not again.

    Unless ``full``, listeners come without their rules, and the database without its events.
    """

    def __init__(self, inquiry: Inquiry, *, full: bool) -> None:
        self.inquiry: Inquiry = inquiry
        self.target: Target = inquiry.target
        self.names: Names = inquiry.target.names
        self.session: Session = inquiry.session
        self.wanted: str | None = inquiry.wanted
        self.owner: Owner = inquiry.owner
        self.full: bool = full
        self._asked: dict[PartOf[Any], Future[Part[Any]]] = {}
        self._lock = Lock()

    def of_other(self, names: Names, wanted: str) -> Reading:
        """Return the reading of another service; without ``wanted`` its newest task definition should run."""
        inquiry = replace(self.inquiry, target=self.target.of(names), wanted=wanted or None)
        return Reading(inquiry, full=self.full)

    def of(self, part: PartOf[T]) -> Part[T]:
        mine: Future[Part[T]] = Future()
        with self._lock:
            answer = self._asked.setdefault(part, mine)
        if answer is mine:
            # In this thread: one that waits for a part never waits for a free thread.
            mine.set_result(read_part(part.read, self))
        return answer.result()

    def all_of(self, parts: Iterable[PartOf[Any]]) -> dict[PartOf[Any], Part[Any]]:
        return {part: self.of(part) for part in parts}

    @property
    def running(self) -> Service | None:
        return self.service.value

    @property
    def expected(self) -> str | None:
        """Return the ARN of the task definition that is expected to run; None where a part that tells it failed."""
        return read_part(self._expected).value

    def _expected(self) -> str | None:
        # For the status what ECS deploys.
        if self.full:
            return self.definition.arn if self.definition else None
        return self.running.primary.definition if self.running and self.running.primary else None

    @cached_property
    def definition(self) -> Definition | None:
        """Return the expected definition: the one given, or the newest while there is a service.

        Where ECS had the newest, and then completed a deployment of another one, that one was chosen. One that is
        deregistered is not the family's newest any more.
        """
        running, known = self.running, self.definitions.value or {}
        if self.wanted and self.wanted in known:
            return known[self.wanted]
        newest = self.newest.value
        deployed = known.get(running.primary.definition) if running and running.primary else None
        if deployed and not deployed.active and (newest is None or newest.number < deployed.number):
            return deployed
        primary = running.primary if running and self.was_deployed.value else None
        if primary and read_part(ecs.completed, self.session, self.names).value:
            return known.get(primary.definition)
        return newest if running else None
