"""How the documents' console blocks are read, and when an output is what a page says."""

from __future__ import annotations

import pytest

from tests.documents.console import Command, consoles, printed_as
from tests.documents.markdown import Page

PAGE = """\
Look:

```console
$ one --of \\
    them
…
$ two
said … twice
$ three
begun
^C
```

> **Not rehearsed**: needs a moon.

```console
$ four
```

```sh
five
```
"""


def written(folder, text):
    (folder / "page.md").write_text(text)
    return consoles(Page(folder / "page.md"))


def test_a_block_is_its_commands_with_their_outputs(tmp_path):
    ran, left_out = written(tmp_path, PAGE)
    assert ran.commands == (
        Command("one --of \\\n    them", ("…",)),
        Command("two", ("said … twice",)),
        Command("three", ("begun",), interrupted=True),
    )
    assert (ran.reason, ran.line) == ("", 3)
    assert left_out.commands == (Command("four", ()),)
    assert left_out.reason == "needs a moon."


def test_a_block_that_begins_with_output_is_refused(tmp_path):
    with pytest.raises(ValueError, match="begins with"):
        written(tmp_path, "```console\nsaid\n$ one\n```\n")


@pytest.mark.parametrize(
    ("expected", "output", "fits"),
    [
        ("a\nb", "a\nb\n", True),
        ("a\nb", "\na  \nb\n\n", True),
        ("a\nb", "a\nc\nb\n", False),
        ("a\n…\nb", "a\nc\nd\nb\n", True),
        ("a\n…\nb", "a\nb\n", True),
        ("a\nb", "a\n", False),
        ("a", "a\nb\n", False),
        ("took … s", "took 3.4 s\n", True),
        ("took … s", "took 3.4 s, or more\n", False),
        ("a.c", "abc\n", False),
        ("", "anything\n", True),
    ],
)
def test_an_output_is_what_the_page_says_but_for_the_dots(expected, output, fits):
    assert printed_as(tuple(expected.splitlines()), output) is fits
