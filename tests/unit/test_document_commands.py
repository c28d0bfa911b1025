"""Every `./careapp` command that a page tells a reader to type is one."""

from __future__ import annotations

import pytest

from tests.documents.markdown import ROOT, Page, pages
from tests.documents.typed import typed, unknown


def name_of(page):
    return str(page.path.relative_to(ROOT))


@pytest.mark.parametrize("page", pages(), ids=name_of)
def test_every_command_of_a_page_is_one_with_these_options(page):
    assert [told for words in typed(page, "./careapp") if (told := unknown(words))] == []


def test_the_pages_tell_many():
    assert sum(len(typed(page, "./careapp")) for page in pages()) > 100


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("`./careapp status --watch`", []),
        ("`./careapp stat`", ["no such command"]),
        ("`./careapp status --wach`", ["no option --wach"]),
        ("`./careapp cloud start|stop`", []),
        ("`./careapp cloud begin`", ["cloud has no begin"]),
        ("`./careapp db psql -- --csv`", []),
        ("`./careapp test --all`", ["no option ['--all']"]),
        ("```sh\n./careapp rehearse \\\n  --brake x\n```", ["no option --brake"]),
        ("```console\n$ ./careapp logs -n 5 | tail\n```", []),
    ],
)
def test_what_is_no_command_is_told(tmp_path, text, found):
    page = tmp_path / "page.md"
    page.write_text(text)
    told = [unknown(words) for words in typed(Page(page), "./careapp")]
    assert told, "no command was seen"
    assert [each.partition(": ")[2] for each in told if each] == found
