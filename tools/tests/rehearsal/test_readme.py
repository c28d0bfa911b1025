"""The README: what follows `$` in its console blocks, run as written, each in one of the languages.

The English one of the second: tools/tests/browser/test_page_fault.py.
"""

import pytest

from local_cloud import console
from tests.documents.console import printed_as
from tools.i18n import in_language, t
from tools.rehearsal.rehearse import print_stages
from tools.rehearsal.stages import Report
from tools.tests.rehearsal.terminal import (
    ENGLISH,
    JAPANESE,
    check_command,
    name_of,
    open_terminal,
    rehearsed,
)

FIRST, SECOND = rehearsed("README")


@pytest.fixture(scope="module")
def terminal(tmp_path_factory):
    with open_terminal(tmp_path_factory.mktemp("readme")) as terminal:
        yield terminal


@pytest.mark.parametrize(
    ("blocks", "locale"),
    [(FIRST, ENGLISH), (SECOND, JAPANESE)],
    ids=[name_of(FIRST), name_of(SECOND)],
)
def test_the_command_does_and_prints_what_the_page_says(terminal, blocks, locale):
    [command] = blocks[1 if locale == ENGLISH else 2].commands
    check_command(terminal, command, locale)


@pytest.mark.parametrize(("page", "language"), [(FIRST[1], "en"), (FIRST[2], "ja")])
def test_the_end_of_the_first_one_is_that_in_both_languages(page, language, capsys):
    same = {"updated": 0, "replaced": 0, "deleted": 0, "seconds": 9.5}
    stages = [
        {"name": "stage1", "created": 56, "unchanged": 0, **same},
        {"name": "stage2", "created": 32, "unchanged": 56, **same},
    ]
    answered = {"url": "http://localhost:8080", "status": 200, "seconds_to_healthy": 3}
    with in_language(language):
        print_stages(Report(stages=stages, page=answered))
        console.print_line(t("Ctrl-C destroys everything again."))
    [command] = page.commands
    assert printed_as(command.output, capsys.readouterr().out)
