"""Check the page's stylesheets and scripts: without them users get a page that does not work, with status 200."""

from collections.abc import Iterator

from ecs_gate.checks.running import NO_PAGE
from ecs_gate.diagnosis.case import Case
from ecs_gate.diagnosis.catalogue import PAGE, TASKS_NODE, Facts
from ecs_gate.diagnosis.findings import Finding
from ecs_gate.parts.elb import answer
from ecs_gate.text import t

PAGE_LOST_ASSETS = Facts("page-lost-assets", 66, {TASKS_NODE}, NO_PAGE, subject=PAGE)
PAGE_ASSETS_FAIL = Facts("page-assets-fail", 67, {TASKS_NODE}, NO_PAGE)


def fail(case: Case) -> Iterator[Finding]:
    """Find stylesheets and scripts that do not answer: a cause where they did before this update, else a warning.

    A page may link to a file that it does not need, so that alone is no reason to fail an update.
    """
    page = case.now.page.value
    if page is None or page.missing or not page.failing_assets:
        return
    lost = page.lost_assets
    paths = lost or page.failing_assets
    first = next(iter(paths))
    title = t("The page {path} links to {asset}, which fails", path=page.path, asset=first)
    if lost:
        title = t(
            "{asset} of the page {path} fails, and answered before this update",
            path=page.path,
            asset=first,
        )
    yield Finding(
        PAGE_LOST_ASSETS if lost else PAGE_ASSETS_FAIL,
        kind="cause" if lost else "warning",
        title=title,
        why=t("The page itself answers, so users get it without its style, or its buttons do nothing."),
        seen=tuple(answer(path, status) for path, status in paths.items()),
        fixes=(
            case.deploy(
                t(
                    "Correct the link, or have the image hold the file (COPY, .dockerignore, the build of the "
                    "assets), and deploy:"
                )
            ),
        ),
    )  # fmt: skip
