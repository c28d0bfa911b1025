"""What a rehearsal says of itself: its stages and page, the mistake in the program, the end."""

from __future__ import annotations

from pathlib import Path

from i18n import t
from rehearsal import console
from rehearsal.faults import Fault
from rehearsal.mending import changes
from rehearsal.rehearse import Report


def stages(report: Report) -> None:
    """What each stage did, and where the page is."""
    for stage in report.stages:
        console.tell(
            t(
                "{name}: {created} created, {updated} updated, {replaced} replaced, "
                "{deleted} deleted, {unchanged} unchanged in {seconds} s",
                **stage,
            )
        )
    page = report.page
    if page is None:
        return
    console.say(
        t(
            "{url} answers {status} after {seconds} s",
            url=page["url"],
            status=page["status"],
            seconds=page["seconds_to_healthy"],
        )
    )
    if "authority" in page:
        console.tell(
            t(
                "Its certificate is the rehearsal's: curl --cacert {file} {url}. "
                "A browser warns; go on past it.",
                file=page["authority"],
                url=page["url"],
            )
        )


def edits(fault: Fault, source: Path, stack: str) -> None:
    """Where ``fault`` changed the program or the app, so that a reader can mend it by hand.

    ``stack`` is the one that stands meanwhile; empty: none does.
    """
    for change in changes(fault, source):
        console.say(t("The mistake lies in {place}:", place=f"{change.file}:{change.line}"))
        for line in change.diff:
            console.tell(f"  {line}")
    if fault.edits and stack:
        console.tell(t("Mend it there, then: ./careapp shell pulumi up -s {stack}", stack=stack))


def gone(report: Report) -> None:
    """The last words of a rehearsal that left nothing."""
    done = report.destroy
    if done is None:
        console.say(t("Nothing had been made yet; the local cloud has ended."))
        return
    console.say(
        t(
            "Everything is gone: the stack with its {deleted} resources, and the local cloud.",
            deleted=done["deleted"],
        )
    )
