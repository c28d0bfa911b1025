"""The README: what follows `$` in its console blocks, run as written."""

import pytest

from tests.rehearsal.terminal import check, name_of, open_terminal, rehearsed


@pytest.fixture(scope="module")
def terminal(tmp_path_factory):
    with open_terminal(tmp_path_factory.mktemp("readme")) as terminal:
        yield terminal


@pytest.mark.parametrize("pair", rehearsed("README"), ids=name_of)
def test_every_command_does_and_prints_what_the_page_says(terminal, pair):
    check(terminal, *pair[1:])
