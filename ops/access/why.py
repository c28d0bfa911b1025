"""Why the database does not answer through the tunnel: what the doctor would look at."""

from __future__ import annotations

from i18n import Refused, Text, t, verbatim
from ops.access.ways import Way
from ops.aws import Session
from ops.checks import hops
from ops.reach import Side, addresses
from ops.snapshot import vpc
from ops.snapshot.surroundings import Database


def silent(session: Session, way: Way, database: Database, said: str) -> Refused:
    """The reason as one sentence: a missing rule where one is missing. Raises AwsProblem."""
    network = vpc.network(session, way.vpc)
    source = Side(way.groups, addresses(network, way.subnets))
    target = Side(database.groups, addresses(network, database.subnets))
    lacking = hops.lacking(network, source, target, database.port)
    words = " ".join(said.split())
    if not lacking:
        return Refused(
            t(
                "The database did not let us in through {way}: {said}; "
                "./careapp doctor looks at the rest.",
                way=way.text,
                said=verbatim(words),
            )
        )
    return Refused(_closed(session, way, lacking))


def _closed(session: Session, way: Way, lacking: tuple[tuple[Text, str], ...]) -> Text:
    rule, command = lacking[0]
    return t(
        "The database does not answer {way}: {rule} `{command}` opens it, or "
        "`pulumi up --refresh` puts back what is declared.",
        way=way.text,
        rule=rule,
        command=session.place.told(command),
    )
