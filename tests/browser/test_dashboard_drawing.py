"""The picture of a dashboard, drawn from made-up series: everything at its place, nothing over anything else."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.browser.conftest import reader
from tests.browser.drawing import COLUMN, ROW, Graph, page, short
from tests.support.dashboards import Line, Widget

START = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
END = START + timedelta(minutes=30)
BOXES = """() => [...document.querySelectorAll('section')].map(section => {
  const place = section.getBoundingClientRect();
  const words = [...section.querySelectorAll('text, h2, li, .axis')].map(each => {
    const range = document.createRange();
    range.selectNodeContents(each);
    const box = range.getBoundingClientRect();
    return {text: each.textContent, x: box.x, y: box.y, width: box.width, height: box.height};
  });
  return {x: place.x, y: place.y, width: place.width, height: place.height, words};
})"""


def line(label, *values, every=1):
    points = {
        START + timedelta(minutes=number * every): value
        for number, value in enumerate(values)
        if value is not None
    }
    return Line(label=label, metric=("Own", label), points=points)


def graph(*lines, x=0, width=6, limits=(), title="Tasks: CPU and memory"):
    properties = {"title": title, "yAxis": {"left": {"label": "% of the task's"}}}
    if limits:
        named = [{"label": label, "value": value} for label, value in limits]
        properties["annotations"] = {"horizontal": named}
    return Widget(x=x, y=2, width=width, height=6, properties=properties, lines=lines)


NOTE = Widget(x=0, y=0, width=24, height=2, properties={"markdown": "`doctor` names it"})
CLOSE = (("service-memory", 87), ("service-cpu", 85))
WIDGETS = [
    NOTE,
    graph(line("CPU", 10, 60, 20), line("memory", 30, 31, 32), limits=CLOSE),
    graph(line("free", 21_428_192_753, every=2), x=6, limits=[("database-storage", 4 * 1024**3)]),
    graph(line("unhealthy", 0, 1, 0), x=12, limits=[("targets-unhealthy", 0)]),
    graph(line("free"), x=18, limits=[("database-memory", 64 * 1024**2)]),
]


@pytest.fixture(scope="module")
def drawn(browser):
    context = reader(browser, (1268, 400))
    found = context.new_page()
    found.set_content(page(WIDGETS, START, END))
    yield found
    context.close()


def test_every_part_is_at_the_place_that_the_body_declares(drawn):
    boxes = drawn.evaluate(BOXES)
    assert len(boxes) == len(WIDGETS)
    for box, widget in zip(boxes, WIDGETS, strict=True):
        assert ((box["x"] - 10) / COLUMN, (box["y"] - 10) / ROW) == (widget.x, widget.y)
        assert box["width"] == pytest.approx(widget.width * COLUMN, abs=6)
        assert box["height"] == pytest.approx(widget.height * ROW, abs=6)


def test_no_words_cover_others_or_leave_their_part(drawn):
    for box in drawn.evaluate(BOXES):
        words = [each for each in box["words"] if each["width"]]
        for number, one in enumerate(words):
            assert one["x"] >= box["x"]
            assert one["x"] + one["width"] <= box["x"] + box["width"] + 0.5
            assert one["y"] >= box["y"]
            assert one["y"] + one["height"] <= box["y"] + box["height"]
            for other in words[number + 1 :]:
                apart = (
                    one["x"] + one["width"] <= other["x"] + 1
                    or other["x"] + other["width"] <= one["x"] + 1
                    or one["y"] + one["height"] <= other["y"] + 4
                    or other["y"] + other["height"] <= one["y"] + 4
                )
                assert apart, (one, other)


def test_titles_axes_legends_alarms_and_times_are_there(drawn):
    words = {each["text"] for each in drawn.evaluate(BOXES)[1]["words"]}
    expected = {"Tasks: CPU and memory", "% of the task's", "CPU", "memory", "12:00", "12:20"}
    assert expected | {"service-cpu", "service-memory"} <= words
    assert drawn.locator("code").inner_text() == "doctor"
    [empty] = drawn.locator("text.empty").all()
    assert empty.text_content() == "No data"


def at(*values, limits=None):
    return Graph(
        width=400,
        height=200,
        start=START,
        end=END,
        lines=[line("one", *values)],
        limits=limits or {},
    )


def test_the_axis_begins_at_nothing_and_covers_lines_and_alarms():
    shown = at(10, 60, limits={"high": 87})
    assert (shown.step, shown.top) == (25, 100)
    assert shown.y(0) > shown.y(60) > shown.y(87) > shown.y(100) > 0
    assert (at(0.02, 2).top, at(1, 1).top, at().top) == (3, 2, 2)
    assert (shown.x(START), shown.x(END)) == (46, 388)


def test_neighbouring_minutes_are_joined_and_a_gap_is_left_open():
    drawing = at(1, 2, 3, 4, None, 5).svg()
    first, second = drawing.split("<polyline ")[1:]
    assert first.split('"')[1].count(",") == 4
    assert second.split('"')[1].count(",") == 1
    assert drawing.count("<circle") == 1, "a single minute would be invisible as a line"


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.25, "0.25"), (20, "20"), (1500, "1.5k"), (4e6, "4M"), (2.5e10, "25G")],
)
def test_numbers_are_short(value, text):
    assert short(value) == text
