"""CloudWatch Logs: the order of found events, and patterns that moto would take for "everything"."""

from __future__ import annotations

from typing import Any

from moto.logs import models as moto_logs

from rehearsal.control.hooks import Params, Refused, before

_filter_log_events: Any = moto_logs.LogGroup.filter_log_events


def install() -> None:
    """Sort what moto finds. Calling it twice does nothing more."""
    moto_logs.LogGroup.filter_log_events = _in_order  # type: ignore[method-assign,assignment]


def _in_order(self: Any, *given: Any) -> Any:
    """All streams in one order of time, as AWS answers whatever ``interleaved`` says (API reference)."""
    return _filter_log_events(self, *given[:-1], True)


@before("logs", "FilterLogEvents")
def pattern_is_of_words(params: Params) -> None:
    """Refuse the patterns of AWS that moto does not know: it would find every event."""
    pattern = str(params.get("filterPattern") or "")
    if pattern and not (pattern[0].isalpha() or pattern[0] == '"'):
        raise Refused(
            "InvalidParameterException",
            f"The local cloud finds words and quoted phrases only; {pattern!r} works on AWS",
        )
