"""What ``pause`` and ``resume`` do; ``ops.pause_cli`` says how they are called."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import click

from i18n import Refused, Text, t
from ops import pause as pausing
from ops import resume as resuming
from ops.aws import Session
from ops.commands import guarded
from ops.render import pause as screen
from ops.render.lines import display
from ops.rollout_follow import Pace
from ops.speaking import INTERRUPTED
from ops.standing import Standing, Station
from ops.waiting import Waiting
from stack.settings import Settings

NOT_AGREED = 1


def pause(stack: str, folder: Path, lang: str, as_json: bool, yes: bool) -> int:
    """Pause; 0 paused, 1 refused or too late, 2 could not look."""

    def work() -> int:
        station = _station(stack, folder)
        now = station.look()
        pausing.allowed(now)
        if not pausing.done(now):
            if not yes and not _agreed(now, station, lang, as_json):
                return NOT_AGREED
            now = pausing.pause(station, _waiting(lang, as_json), now)
        return _shown(now, station, lang, as_json)

    return _interruptible(work, lang, stack)


def resume(stack: str, folder: Path, lang: str, as_json: bool) -> int:
    """Resume; 0 it runs, 1 not in time, 2 could not look."""

    def work() -> int:
        station = _station(stack, folder)
        now = resuming.resume(station, _waiting(lang, as_json))
        return _shown(now, station, lang, as_json)

    return _interruptible(work, lang, stack)


def _station(stack: str, folder: Path) -> Station:
    settings = Settings.read(stack, folder)
    return Station(Session(settings.region, settings.profile), settings.names, settings)


def _waiting(lang: str, as_json: bool) -> Waiting:
    """Progress goes to stderr where stdout is for a script."""
    out = sys.stderr if as_json else sys.stdout
    return Waiting(lambda text: print(text.to(lang), file=out, flush=True), Pace.of())


def _agreed(now: Standing, station: Station, lang: str, as_json: bool) -> bool:
    """Ask. Raises Refused where nobody can answer."""
    if not sys.stdin.isatty():
        raise Refused(
            t(
                "pause asks before it stops {prefix}, and here is no terminal to ask on; say --yes.",
                prefix=station.names.prefix,
            )
        )
    for line in screen.plan(now, station, lang):
        click.echo(line.text, err=as_json)
    return click.confirm(t("Go on?").to(lang), err=as_json)


def _shown(now: Standing, station: Station, lang: str, as_json: bool) -> int:
    if as_json:
        print(json.dumps(screen.as_dict(now, station, lang), ensure_ascii=False, indent=2))
    else:
        display(screen.lines(now, station, lang))
    return 0


def _interruptible(work: Callable[[], int], lang: str, stack: str) -> int:
    def told() -> int:
        try:
            return work()
        except KeyboardInterrupt:
            print(f"careapp: {_interrupted(stack).to(lang)}", file=sys.stderr)
            return INTERRUPTED

    return guarded(told, lang)


def _interrupted(stack: str) -> Text:
    return t(
        "interrupted half-way; nothing is lost: `./careapp pause -s {stack}` goes on, "
        "`./careapp resume -s {stack}` brings it back.",
        stack=stack,
    )
