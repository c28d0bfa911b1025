"""Shows log lines: the time, the task, and what it said."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from i18n import t
from ops.log_search import LogLine
from ops.moments import dated
from ops.render.lines import Line
from ops.snapshot.records import Task

BAD = re.compile(r'(?i)"level": "(error|critical)"|\b(error|critical|traceback|exception|fatal)\b')


@dataclass(frozen=True)
class LogScreen:
    """Log lines for a person, or as one JSON object a line."""

    lang: str
    as_json: bool = False

    def line(self, each: LogLine) -> Line:
        """One line."""
        text = each.text.rstrip()
        if self.as_json:
            return _data({"time": each.at.isoformat(), "task": each.task, "message": _read(text)})
        style = "red" if BAD.search(each.text) else ""
        return Line(f"{dated(each.at)} {each.task[:8]} {text}", style)

    def ended(self, task: Task) -> Line:
        """What became of the task whose lines follow."""
        codes = [each.exit_code for each in task.containers if each.exit_code is not None]
        if self.as_json:
            stopped = task.stopped.isoformat() if task.stopped else None
            ended = {"task": task.id, "stopped": stopped, "reason": task.reason}
            return _data({**ended, "exitCodes": codes})
        text = t(
            "Task {task} stopped at {time}: {reason} (exit codes: {codes}). Its last lines:",
            task=task.short,
            time=dated(task.stopped) if task.stopped else "-",
            reason=task.reason or "-",
            codes=", ".join(map(str, codes)) or "-",
        )
        return Line(text.to(self.lang), "bold")


def _data(values: Mapping[str, object]) -> Line:
    return Line(json.dumps(values, ensure_ascii=False))


def _read(text: str) -> object:
    """What the app wrote: an object where it is JSON, else its words."""
    try:
        found = json.loads(text)
    except ValueError:
        return text
    return found if isinstance(found, dict) else text
