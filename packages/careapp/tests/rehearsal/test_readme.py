"""The README: what follows `$` in its first console block, run as written, and its local cloud killed.

The second: test_faults.py in Japanese, packages/careapp/tests/browser/test_page_fault.py in English.
"""

import os
import signal

from careapp.rehearsal.rehearse import print_stages
from careapp.rehearsal.stages import Report
from ecs_gate.text import in_language, t
from local_cloud import console
from tests.documents.console import printed_as
from tests.rehearsal.terminal import ENGLISH, check_command, open_terminal, rehearsed
from tests.rehearsal.test_rehearse import assert_no_process_left

FIRST, _ = rehearsed("README")


def test_the_command_does_and_prints_what_the_page_says(tmp_path):
    def kill():
        os.kill(terminal.alone.facts()["pid"], signal.SIGKILL)
        assert_no_process_left(terminal.alone)

    with open_terminal(tmp_path) as terminal:
        terminal.meanwhile = kill
        check_command(terminal, *FIRST[1].commands, ENGLISH)
    assert "the local cloud has ended, and all resources in it are lost" in terminal.said


def test_the_end_of_it_is_that_in_japanese(capsys):
    same = {"updated": 0, "replaced": 0, "deleted": 0, "seconds": 9.5}
    stages = [
        {"name": "stage1", "created": 56, "unchanged": 0, **same},
        {"name": "stage2", "created": 32, "unchanged": 56, **same},
    ]
    answered = {"url": "http://localhost:8080", "status": 200, "seconds_to_healthy": 3}
    with in_language("ja"):
        print_stages(Report(stages=stages, page=answered))
        console.print_line(t("Ctrl-C destroys everything again."))
    [command] = FIRST[2].commands
    assert printed_as(command.output, capsys.readouterr().out)
