"""What a person sees of a long step, on a terminal and elsewhere."""

import io
import re
import time

import pytest

from rehearsal.console import Progress, duration


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _able(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")


def steady(stream: io.StringIO) -> str:
    """What was written, with N for each number of seconds."""
    return re.sub(r"\d+ s\b", "N s", stream.getvalue())


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "0 s"), (59.4, "59 s"), (60, "1 min 0 s"), (340, "5 min 40 s"), (119.6, "2 min 0 s")],
)
def test_a_wait_is_said_as_one_says_it(seconds, text):
    assert duration(seconds) == text


@pytest.mark.parametrize("stream", [io.StringIO(), Terminal()])
def test_a_step_that_ends_within_the_patience_leaves_no_trace(stream):
    with Progress(stream, patience=5).phase("quick"):
        pass
    assert stream.getvalue() == ""


def test_elsewhere_a_long_step_is_a_line_now_and_then_and_one_at_the_end():
    stream = io.StringIO()
    with Progress(stream, patience=0.05, every=60).phase("long", "a while") as phase:
        phase.detail = "1 of 2"
        time.sleep(0.3)
    assert steady(stream) == "long, 1 of 2, N s (a while)\nlong: done in N s\n"


def test_on_a_terminal_a_long_step_is_one_line_that_is_drawn_again():
    stream = Terminal()
    with Progress(stream, patience=0.05, every=0.05).phase("long"):
        time.sleep(0.3)
    drawn = steady(stream).split("\r\x1b[K")
    assert len(drawn) > 4
    assert drawn[0] == ""
    assert set(drawn[1:-2]) == {"long, N s"}
    assert drawn[-2:] == ["", "long: done in N s\n"]


def test_a_step_that_fails_is_not_called_done_and_its_line_is_wiped():
    stream = Terminal()

    def fail() -> None:
        with Progress(stream, patience=0.05).phase("long"):
            time.sleep(0.2)
            raise ValueError

    with pytest.raises(ValueError, match=r"^$"):
        fail()
    assert steady(stream) == "\r\x1b[Klong, N s\r\x1b[K"
