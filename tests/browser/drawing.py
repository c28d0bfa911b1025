"""A dashboard as a page of HTML: every part at the place that its body declares, each graph as SVG."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from html import escape

from tests.support.dashboards import Line, Widget

COLUMN, ROW = 52, 40
"""Pixels of a column and a row of CloudWatch's grid."""
COLUMNS = 24
GAP, HEAD, FOOT, SIDE = 5, 30, 24, 16
STYLE = """
body { margin: 0; background: #eef0f3; font: 13px/1.5 Inter, sans-serif; color: #16191f; }
main { position: relative; margin: 10px; }
section { position: absolute; box-sizing: border-box; background: #fff; border: 1px solid #d5dbdb;
          border-radius: 4px; padding: 5px 10px; overflow: hidden; }
h2 { margin: 0; font-size: 13px; font-weight: 600; white-space: nowrap; }
code { white-space: nowrap; font: 12px monospace; background: #eef0f3; padding: 1px 4px; border-radius: 3px; }
.text { font-size: 13px; padding: 10px 14px; }
.axis { position: absolute; left: 3px; top: 30px; bottom: 44px; writing-mode: vertical-rl;
        transform: rotate(180deg); text-align: center; font-size: 11px; color: #545b64; }
svg { position: absolute; left: 16px; top: 30px; }
polyline { fill: none; stroke-width: 1.8; stroke-linejoin: round; }
.level { stroke: #e4e7ea; } .limit { stroke: #c0152f; stroke-dasharray: 5 4; stroke-width: 1.2; }
text { font-size: 11px; fill: #545b64; } .alarm { fill: #c0152f; }
.alarm, .empty { paint-order: stroke; stroke: #fff; stroke-width: 4px; } .empty { font-size: 13px; }
ul { position: absolute; left: 20px; right: 6px; bottom: 4px; margin: 0; padding: 0; list-style: none;
     display: flex; gap: 14px; font-size: 11px; white-space: nowrap; }
li::before { content: ""; display: inline-block; width: 10px; height: 10px; margin-right: 5px;
             border-radius: 2px; background: var(--colour); }
"""
COLOURS = ("#1f77b4", "#ff7f0e", "#2ca02c", "#d62728", "#9467bd")
"""CloudWatch's own, in its order; labels say the same as colours."""
LEFT, RIGHT, TOP, BOTTOM = 46, 12, 12, 20
APART = 16
"""Pixels between two alarms at which both labels find their place above their lines."""
STEPS = (1, 2, 2.5, 5, 10)
SIZES = ((1e9, "G"), (1e6, "M"), (1e3, "k"))
FEW = 3
"""So many minutes in a row make hardly a line: they are dots, too."""
EVERY = (5, 10, 15, 30, 60)
"""Minutes between two times at the axis."""


def page(widgets: Sequence[Widget], start: datetime, end: datetime) -> str:
    """The whole dashboard between two moments."""
    parts = "".join(_part(each, start, end) for each in widgets)
    height = max(each.y + each.height for each in widgets) * ROW
    size = f"width: {COLUMNS * COLUMN}px; height: {height}px"
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Dashboard</title>'
        f'<style>{STYLE}</style><main style="{size}">{parts}</main></html>'
    )


def _part(widget: Widget, start: datetime, end: datetime) -> str:
    width, height = widget.width * COLUMN - GAP, widget.height * ROW - GAP
    place = f"left: {widget.x * COLUMN}px; top: {widget.y * ROW}px"
    style = f"{place}; width: {width}px; height: {height}px"
    if "markdown" in widget.properties:
        words = re.sub(r"`(.+?)`", r"<code>\1</code>", escape(widget.properties["markdown"]))
        return f'<section class="text" style="{style}">{words}</section>'
    properties = widget.properties
    axis = properties["yAxis"]["left"]["label"]
    limits = properties.get("annotations", {}).get("horizontal", ())
    graph = Graph(
        width=width - SIDE - 6,
        height=height - HEAD - FOOT,
        start=start,
        end=end,
        lines=widget.lines,
        limits={each["label"]: each["value"] for each in limits},
    )
    legend = "".join(
        f'<li style="--colour: {colour}">{escape(line.label)}</li>'
        for line, colour in zip(widget.lines, COLOURS, strict=False)
    )
    return (
        f'<section style="{style}"><h2>{escape(properties["title"])}</h2>'
        f'<div class="axis">{escape(axis)}</div>{graph.svg()}<ul>{legend}</ul></section>'
    )


@dataclass(frozen=True, kw_only=True)
class Graph:
    """What a graph shows between two moments, on so many pixels; ``limits`` are alarms by their labels."""

    width: int
    height: int
    start: datetime
    end: datetime
    lines: Sequence[Line]
    limits: Mapping[str, float] = field(default_factory=dict)

    def svg(self) -> str:
        """The drawing, without title and legend."""
        parts = [*self._levels(), *self._times(), *self._limits()]
        for number, line in enumerate(self.lines):
            parts += self._line(line, COLOURS[number % len(COLOURS)])
        if not any(line.points for line in self.lines):
            parts.append(_text(self.width / 2, self.height / 2, "No data", "middle", "empty"))
        size = f'width="{self.width}" height="{self.height}"'
        box = f'viewBox="0 0 {self.width} {self.height}"'
        return f'<svg {size} {box} aria-hidden="true">{"".join(parts)}</svg>'

    @property
    def step(self) -> float:
        """Between two levels of the axis: a round number, three to five of which cover everything."""
        values = [value for line in self.lines for value in line.points.values()]
        most = max([*values, *self.limits.values()], default=0) or 1
        rough = most * 1.05 / 4
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(each * power for each in STEPS if each * power >= rough)
        whole = all(float(value).is_integer() for value in values)
        return max(step, 1.0) if whole else step

    @property
    def top(self) -> float:
        """The axis's last level."""
        values = [value for line in self.lines for value in line.points.values()]
        most = max([*values, *self.limits.values()], default=0) or 1
        return self.step * math.ceil(most * 1.05 / self.step)

    def x(self, at: datetime) -> float:
        """Where a moment is, in pixels from the left."""
        share = (at - self.start) / (self.end - self.start)
        return LEFT + share * (self.width - LEFT - RIGHT)

    def y(self, value: float) -> float:
        """Where a value is, in pixels from above."""
        return self.height - BOTTOM - value / self.top * (self.height - TOP - BOTTOM)

    def _levels(self) -> Iterator[str]:
        for number in range(round(self.top / self.step) + 1):
            value = number * self.step
            y = self.y(value)
            yield _rule(LEFT, y, self.width - RIGHT, y, "level")
            yield _text(LEFT - 6, y + 4, short(value), "end", "tick")

    def _times(self) -> Iterator[str]:
        minutes = (self.end - self.start).total_seconds() / 60
        room = (self.width - LEFT - RIGHT) / 44
        every = next((each for each in EVERY if minutes / each <= room), EVERY[-1])
        at = self.start.replace(minute=0, second=0, microsecond=0)
        while at <= self.end:
            if at >= self.start:
                x = self.x(at)
                if x < self.width - 18:
                    yield _rule(x, self.height - BOTTOM, x, self.height - BOTTOM + 4, "level")
                    yield _text(x, self.height - 4, at.strftime("%H:%M"), "middle", "tick")
            at += timedelta(minutes=every)

    def _limits(self) -> Iterator[str]:
        below = 0.0
        for label, value in sorted(self.limits.items(), key=lambda limit: -limit[1]):
            y = self.y(value)
            beside = y - 5 if y - below > APART else y + 13
            yield _rule(LEFT, y, self.width - RIGHT, y, "limit")
            yield _text(self.width - RIGHT, beside, label, "end", "alarm")
            below = y

    def _line(self, line: Line, colour: str) -> Iterator[str]:
        """Neighbouring minutes are joined; a few that stand alone are dots."""
        for run in runs(sorted(line.points.items())):
            places = [(self.x(at), self.y(value)) for at, value in run]
            points = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
            yield f'<polyline points="{points}" stroke="{colour}"/>'
            for x, y in places if len(places) <= FEW else ():
                yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.5" fill="{colour}"/>'


def runs(points: Sequence[tuple[datetime, float]]) -> Iterator[list[tuple[datetime, float]]]:
    """Points that follow each other minute by minute."""
    run: list[tuple[datetime, float]] = []
    for point in points:
        if run and point[0] - run[-1][0] > timedelta(minutes=1):
            yield run
            run = []
        run.append(point)
    if run:
        yield run


def short(value: float) -> str:
    """A number with few digits, as CloudWatch writes it."""
    for size, letter in SIZES:
        if value >= size:
            return f"{value / size:g}{letter}"
    return f"{value:g}"


def _rule(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _text(x: float, y: float, words: str, anchor: str, kind: str) -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'
