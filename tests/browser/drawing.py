"""A dashboard as a page of HTML: every part at the place that its body declares."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from html import escape

from tests.browser.graph import COLOURS, Graph
from tests.support.dashboards import Widget

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
