"""The page behind healthy targets: a visitor gets it, or an error."""

from __future__ import annotations

from collections.abc import Iterator

from i18n import Text, joined, t, verbatim
from ops.checks.case import Case
from ops.checks.loglines import errors, raised
from ops.findings import Finding, Fix
from ops.snapshot.entrance import Page

UNAVAILABLE = 503
"""The status of what is off for a while only (RFC 9110, 15.6.4), as an app that is warming up is."""


def failing(case: Case) -> Iterator[Finding]:
    """The load balancer calls the tasks healthy, and the page answers with an error or not at all."""
    page = case.now.page.value
    if page is None or not page.fails:
        return
    lines = [each for task in case.alive for each in case.lines(task)]
    mistake = raised(each.text for each in lines)
    yield Finding(
        id=_id(page),
        title=_title(page),
        why=t(
            "The health check asks for {check} only, so the targets are healthy; visitors get an error.",
            check=case.check.path if case.check else "-",
        ),
        seen=tuple(_seen(page)),
        fixes=_fixes(case),
        evidence=tuple(dict.fromkeys((*(mistake.frame if mistake else ()), *errors(lines)))),
    )


def _id(page: Page) -> str:
    if page.status == 0:
        return "page-silent"
    return "page-unavailable" if page.status == UNAVAILABLE else "page-errors"


def _title(page: Page) -> Text:
    if page.status == 0:
        return t("The page {path} does not answer", path=page.path)
    return t("The page {path} answers with error {status}", path=page.path, status=page.status)


def _seen(page: Page) -> Iterator[Text]:
    yield t(
        "GET {url}: asked {tries} times; the last time: {answer}.",
        url=page.url,
        tries=page.tries,
        answer=verbatim(page.problem or str(page.status)),
    )
    if database := _database(page):
        yield database


def _fixes(case: Case) -> tuple[Fix, ...]:
    stack = case.now.names.stack
    return (
        Fix(
            t("Fix what the app's log says of it, and deploy:"),
            (f"./careapp logs -s {stack}", f"pulumi up -s {stack}"),
        ),
        Fix(t("If visitors ask for another page, name it in smokePath; empty: none is asked.")),
    )


def answered(case: Case) -> Text | None:
    """Say in a line what the page answered, where that is no error."""
    page = case.now.page.value
    if page is None or page.fails:
        return None
    said = t("GET {path} answers {status}.", path=page.path, status=page.status)
    if page.status >= 400:
        said = t(
            "GET {path} answers {status}: visitors get that. smokePath names another page to ask for.",
            path=page.path,
            status=page.status,
        )
    database = _database(page)
    return joined(" ", (said, database)) if database else said


def _database(page: Page) -> Text | None:
    """What /health/db says of the database, where an app has it and it is not well."""
    if page.database in (None, 200, 404):
        return None
    if page.database == 0:
        return t("GET /health/db does not answer.")
    return t("GET /health/db answers {status}.", status=page.database)
