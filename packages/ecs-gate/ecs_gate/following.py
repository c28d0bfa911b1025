"""Follows a roll-out of a service of which cluster and name are known, and asks the doctor at its end."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from ecs_gate.aws.session import Session
from ecs_gate.diagnosis.findings import Diagnosis
from ecs_gate.discovery import Chosen, Unfollowed, discover
from ecs_gate.owner import Owner
from ecs_gate.parts.gather import Inquiry
from ecs_gate.parts.records import short
from ecs_gate.rollout import gate, say
from ecs_gate.rollout.look import Expected, Reader, ask_doctor
from ecs_gate.rollout.verdict import End
from ecs_gate.target import ServiceNames, Target


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What is known of a service before AWS is asked: names or ARNs, and what only its owner knows."""

    cluster: str
    service: str
    definition: str = ""
    """The task definition that is expected to run; "": that of the newest deployment."""
    page: Chosen = field(default_factory=Chosen)
    minutes: float = 15
    region: str = ""
    profile: str | None = None
    owner: Owner = field(default_factory=Owner)
    """What is known of who declares it."""

    def asked(self, *, by_definition: bool = False) -> tuple[Inquiry, Expected]:
        """Ask AWS for all else. Return what the doctor is to be asked, and what is expected to run.

        ``by_definition``: of a roll-out the task definition is known. Raises AwsProblem, NoService and Unfollowed.
        """
        names = ServiceNames(cluster=short(self.cluster), service=short(self.service))
        session = Session(self.region or None, self.profile)
        target = Target(names=names, region=self.region, profile=self.profile, minutes=self.minutes)
        found = discover(target, session, self.definition, self.page)
        if by_definition and found.blind is not None:
            raise Unfollowed(found.blind)
        owner = replace(self.owner, unseen=found.unseen, verdicts=False)
        definition = found.definition if by_definition else None
        inquiry = Inquiry(found.target, session, owner, definition)
        expected = Expected(
            names=found.target.names, definition=found.definition, target_group=found.group
        )
        return inquiry, expected


def reader_of(
    wanted: Wanted, *, acts: bool, doctor: Callable[[Inquiry], Diagnosis] = ask_doctor
) -> Reader:
    """Return what reads the service's roll-out. Raises AwsProblem, NoService and Unfollowed."""
    inquiry, expected = wanted.asked(by_definition=True)
    inquiry = replace(inquiry, requests=inquiry.target.page.requests)
    return Reader(expected, inquiry, doctor, acts)


async def follow(reader: Reader, log: say.Log) -> tuple[End, str]:
    """Follow a roll-out and ask the doctor at its end. Return the end, and why it is red; "" where it runs.

    Raises AwsProblem.
    """
    end, why = await gate.roll_out(reader, log)
    if why:
        return end, why
    # Whoever scales a service to 0 knows of it.
    why = await gate.causes(reader, log, (0,), tasks=end.view.desired)
    return end, say.running_with_a_cause(end, why, reader.inquiry.owner.advice) if why else ""
