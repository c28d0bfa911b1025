"""All that the page shows, in one language, as ``/state`` answers it: plain values, chosen one by one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any

from ops.checks import stages
from ops.checks.loglines import parsed
from ops.moments import of_day
from ops.render import diagnosis as doctor
from ops.render.timeline import LABELS
from ops.snapshot.records import Deployment
from ops.timeline import Happening
from rehearsal.page import parts
from rehearsal.page.verdict import EMPTY, verdict
from rehearsal.page.watching import Seen

SHOWN = 160
"""Lines of the timeline."""
LONGEST = 600
"""Characters of a line of the timeline."""
HEAD = ("time", "level", "message", "logger")
"""Fields of the app's log lines that the page shows apart, or that repeat what the timeline says."""


def state(seen: Seen, lang: str) -> dict[str, Any]:
    """One look in one language."""
    said, case, diagnosis = verdict(seen), seen.case, seen.diagnosis
    found: dict[str, Any] = {
        "stack": f"careapp-{seen.work.stack}",
        "stacks": list(seen.stacks),
        "chosen": seen.work.stack,
        "verdict": {
            "tone": said.tone,
            "word": said.word.to(lang),
            "headline": said.headline.to(lang),
            "detail": said.detail.to(lang),
        },
        "begin": begin(seen.work.stack) if said is EMPTY else [],
        "engine": {"busy": seen.work.busy, "resources": seen.work.resources},
        "stage": stages.NOTHING,
        "timeline": timeline(seen.happenings, lang),
    }
    if case is None or diagnosis is None:
        return found
    stage = stages.stage(case)
    if seen.work.busy and stage != stages.SECOND:
        # Half of a stage is there: what the doctor misses is on its way, or on its way out.
        diagnosis = replace(diagnosis, findings=())
    return found | {
        "region": case.now.region,
        "stage": stage,
        "links": parts.links(case, diagnosis, lang),
        "balancer": parts.balancer(case, lang),
        "group": parts.group(case, lang),
        "tasks": parts.tasks(case, lang),
        "database": parts.database(case),
        "stores": parts.stores(case),
        "alarms": parts.alarms(case),
        "rollouts": rollouts(case.service.deployments if case.service else (), seen.at),
        "doctor": doctor.as_dict(diagnosis, lang),
    }


def begin(stack: str) -> list[str]:
    """The commands that put a stack up in a local cloud that stays."""
    return [
        f"./careapp shell pulumi stack init {stack}",
        f"./careapp shell pulumi up -s {stack}",
    ]


def rollouts(deployments: Iterable[Deployment], at: datetime) -> list[dict[str, Any]]:
    """The service's deployments, the one that ECS makes first."""
    return [
        {
            "id": each.id.rpartition("/")[2],
            "status": each.status,
            "revision": each.revision,
            "state": each.rollout,
            "reason": each.reason,
            "desired": each.desired,
            "running": each.running,
            "pending": each.pending,
            "failed": each.failed,
            "seconds": _seconds(each, at),
        }
        for each in deployments
    ]


def _seconds(each: Deployment, at: datetime) -> int:
    """How long it took, or has taken until now."""
    end = each.updated if each.rollout in ("COMPLETED", "FAILED") else at
    return max(0, round((end - each.created).total_seconds()))


def timeline(happenings: tuple[Happening, ...], lang: str) -> list[dict[str, Any]]:
    """What has happened, the newest first; ``key`` stays a line's own while others come and go."""
    found, known = [], Counter[str]()
    for each in happenings[-SHOWN:]:
        key = f"{each.at.isoformat()} {each.kind} {each.who}"
        known[key] += 1
        found.append(_line(each, lang) | {"key": f"{key} {known[key]}"})
    return found[::-1]


def _line(each: Happening, lang: str) -> dict[str, Any]:
    text, more, level = _words(each, lang)
    return {
        "at": each.at.isoformat(),
        "time": of_day(each.at),
        "kind": each.kind,
        "label": LABELS[each.kind].to(lang),
        "who": each.who,
        "level": level if level not in ("info", "debug") else "",
        "text": text[:LONGEST],
        "more": more[:LONGEST],
        "bad": each.bad or level in ("error", "critical"),
    }


def _words(each: Happening, lang: str) -> tuple[str, str, str]:
    """A line's words, its further fields and its level; requests as one is used to reading them."""
    text = each.text.to(lang)
    fields = parsed(text) if each.kind == "log" else {}
    level = fields.get("level", "")
    if fields.get("message") == "request" and {"method", "path", "status"} <= fields.keys():
        said = f"{fields['method']} {fields['path']} → {fields['status']}"
        return said, f"{fields['duration_ms']} ms" if "duration_ms" in fields else "", level
    more = " ".join(f"{key}={value}" for key, value in fields.items() if key not in HEAD)
    return fields.get("message", text), more, level
