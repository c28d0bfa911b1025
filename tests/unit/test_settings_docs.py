"""The README's table of settings is the program's."""

import re
from pathlib import Path

from infra.settings.table import table

README = Path(__file__).parents[2] / "README.md"


def rows(markdown):
    return re.findall(r"^\| `\w+` \|.*$", markdown, re.MULTILINE)


def test_the_readme_describes_every_setting_and_nothing_else():
    expected = rows(table())
    assert expected
    assert rows(README.read_text()) == expected, (
        "put the output of `python -m infra.settings.table` into README.md"
    )
