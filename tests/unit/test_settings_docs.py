"""The table of settings in docs/settings.md is the program's."""

import re
from pathlib import Path

from stack.__main__ import table

PAGE = Path(__file__).parents[2] / "docs" / "settings.md"


def rows(markdown):
    return re.findall(r"^\| `\w+` \|.*$", markdown, re.MULTILINE)


def test_the_page_describes_every_setting_and_nothing_else():
    expected = rows(table())
    assert expected
    assert rows(PAGE.read_text()) == expected, (
        "put the output of `python -m stack` into docs/settings.md"
    )
