"""Shows log lines: the time, the task, and what it said."""

from __future__ import annotations

import re

from ops.logs import LogLine
from ops.render.lines import Line
from ops.snapshot.records import Task
from ops.texts import t

BAD = re.compile(r'(?i)"level": "(error|critical)"|\b(error|critical|traceback|exception|fatal)\b')


def line(each: LogLine) -> Line:
    """One line."""
    style = "red" if BAD.search(each.text) else ""
    return Line(f"{each.at:%m-%d %H:%M:%S} {each.task[:8]} {each.text.rstrip()}", style)


def ended(task: Task, lang: str) -> Line:
    """What became of the task whose lines follow."""
    codes = [str(each.exit_code) for each in task.containers if each.exit_code is not None]
    text = t(
        "Task {task} stopped at {time}: {reason} (exit codes: {codes}). Its last lines:",
        task=task.short,
        time=f"{task.stopped:%m-%d %H:%M:%S}" if task.stopped else "-",
        reason=task.reason or "-",
        codes=", ".join(codes) or "-",
    )
    return Line(text.to(lang), "bold")
