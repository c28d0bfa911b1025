"""The command `./careapp db drill`: restores a backup into a temporary instance, compares it, and deletes it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg

from stack.file import names_of
from stack.names import StackNames
from tools.aws import local_cloud
from tools.aws.session import Session
from tools.command_line import exit_code_of, print_json
from tools.database import contents, copies, queries
from tools.database.commands import answered, silent
from tools.database.contents import Contents
from tools.database.copies import Source
from tools.database.queries import QueryResult
from tools.database.tunnel import JumpHost, find, find_plugin, open_tunnel
from tools.i18n import Refused, t, verbatim
from tools.screen import Line, display
from tools.signals import terminations_raise
from tools.snapshot.rds import Database
from tools.waiting import Waiting, duration


@dataclass(frozen=True, kw_only=True)
class DrillOptions:
    """The stack, its folder, and what to restore: a snapshot, a moment, or without both the newest snapshot."""

    stack: str
    folder: Path
    snapshot: str = ""
    moment: datetime | None = None
    question: str = ""
    as_json: bool = False


@dataclass(frozen=True, kw_only=True)
class Content:
    """The tables of one database, and its answer to the question of ``--query``."""

    tables: Contents
    answer: QueryResult | None


@dataclass(frozen=True, kw_only=True)
class DrillReport:
    """The result of a drill. ``seconds`` is how long the restore took."""

    source: Source
    restored: Content
    original: Content
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Drill:
    """One drill: the original as RDS describes it, the route to databases, and the wait."""

    session: Session
    names: StackNames
    original: dict[str, Any]
    jump_host: JumpHost
    waiting: Waiting

    @property
    def identifier(self) -> str:
        return f"{self.names.database}-drill"

    def run(self, source: Source, question: str) -> DrillReport:
        """Restore, compare and delete. Raises Refused and AwsProblem; the instance is deleted then, too."""
        begun = local_cloud.monotonic()

        def seconds() -> float:
            return (local_cloud.monotonic() - begun) * self.waiting.pace.speed

        with terminations_raise(), self._temporary():
            self.waiting.say(
                t("Restoring {source} into {id}.", source=source.text, id=self.identifier)
            )
            copies.restore(self.session, self.original, source, self.identifier, temporary=True)
            copy = copies.wait_until_usable(self.session, self.identifier, self.waiting)
            took = seconds()
            restored = self._content(copy, question)
            original = queries.database(self.session, self.names)
            now = self._content(original, question)
        return DrillReport(source=source, restored=restored, original=now, seconds=took)

    @contextmanager
    def _temporary(self) -> Iterator[None]:
        """Delete the instance at the end of the block, however it ends."""
        try:
            yield
        except KeyboardInterrupt:
            self.waiting.say(
                t("interrupted; deleting {id}, which takes some minutes", id=self.identifier)
            )
            raise
        finally:
            self.delete()

    def delete(self) -> None:
        """Delete the drill's instance, if there is one. Raises Refused and AwsProblem."""
        try:
            copies.delete(self.session, self.identifier, self.waiting)
        except BaseException:
            command = self.session.place.complete(
                f"aws rds delete-db-instance --db-instance-identifier {self.identifier} --skip-final-snapshot"
            )
            self.waiting.say(
                t(
                    "{id} may still exist and cost: the next drill deletes it, and so does `{command}`.",
                    id=self.identifier,
                    command=command,
                )
            )
            raise

    def delete_leftover(self) -> None:
        """Delete the instance of a drill that was killed. Raises Refused for any other instance of that name."""
        instance = copies.described(self.session, self.identifier)
        if instance is None:
            return
        if copies.purpose(instance) is None:
            raise Refused(
                "There is an instance {id} without the tag {tag}, so no drill created it; rename "
                "or delete it.",
                id=self.identifier,
                tag=copies.PURPOSE,
            )
        self.waiting.say(t("{id} is left from an earlier drill.", id=self.identifier))
        self.delete()

    def _content(self, database: Database, question: str) -> Content:
        """Read one database. Raises Refused and AwsProblem."""
        who = queries.login(self.session, database)
        with open_tunnel(self.session, self.jump_host, database) as tunnel:
            try:
                answer = contents.ask(who, tunnel, question) if question else None
                return Content(tables=contents.read(who, tunnel), answer=answer)
            except queries.NoConnection as silence:
                raise silent(self.session, self.jump_host, database, str(silence)) from None
            except psycopg.Error as error:
                raise Refused(
                    "{place}: {why}", place=database.id, why=verbatim(str(error).strip())
                ) from None


def lines(report: DrillReport, identifier: str) -> Iterator[Line]:
    """Yield the result."""
    yield Line("")
    yield from contents.comparison(report.restored.tables, report.original.tables)
    for title, content in ((t("restored"), report.restored), (t("now"), report.original)):
        if content.answer is not None:
            yield Line("")
            yield Line(f"{title!s}:", "bold")
            yield from answered(content.answer)
    yield Line("")
    done = t(
        "The restore of {source} took {took}; a real one takes as long, and then a roll-out of "
        "the tasks.",
        source=report.source.text,
        took=duration(report.seconds),
    )
    yield Line(done, "bold green")
    yield Line(t("{id} is deleted.", id=identifier))


def as_dict(report: DrillReport) -> dict[str, Any]:
    """Return the result for scripts; times as ISO 8601."""
    tables = {**report.original.tables, **report.restored.tables}
    return {
        "snapshot": report.source.snapshot or None,
        "of": report.source.moment.isoformat(),
        "seconds": round(report.seconds),
        "tables": {
            name: {"restored": _table(report.restored, name), "now": _table(report.original, name)}
            for name in sorted(tables)
        },
        "answers": [
            each.answer.rows if each.answer else None for each in (report.restored, report.original)
        ],
    }


def _table(content: Content, name: str) -> dict[str, Any] | None:
    table = content.tables.get(name)
    if table is None:
        return None
    return {"rows": table.rows, "newest": table.newest.isoformat() if table.newest else None}


def drill(options: DrillOptions) -> int:
    """Run a drill; return 0 restored, 1 refused or failed, 2 AWS could not be read, 130 interrupted."""

    def work() -> int:
        prepared = _prepared(options)
        source = copies.choose(
            prepared.session, prepared.original, options.snapshot, options.moment
        )
        prepared.delete_leftover()
        report = prepared.run(source, options.question)
        if options.as_json:
            print_json(as_dict(report))
        else:
            display(lines(report, prepared.identifier))
        return 0

    interrupted = t("interrupted; the drill has changed nothing in the stack.")
    return exit_code_of(work, interrupted)


def _prepared(options: DrillOptions) -> Drill:
    """Check first everything that a drill needs, before anything costs. Raises Refused and AwsProblem."""
    session = Session.of_stack(options.stack, options.folder)
    names = names_of(options.stack, options.folder)
    database = queries.database(session, names)
    jump_host = find(session, names)
    find_plugin()
    original = copies.described(session, database.id) or {}
    return Drill(
        session=session,
        names=names,
        original=original,
        jump_host=jump_host,
        waiting=Waiting.printing(options.as_json),
    )
