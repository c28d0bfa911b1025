"""CloudWatch Logs: filter patterns as AWS reads them, where moto knows only words."""

from __future__ import annotations

from typing import Any

from moto.logs import models as moto_logs
from moto.logs import utils as moto_utils

from rehearsal.control import log_patterns
from rehearsal.control.hooks import Params, Refused, before

PATTERNS = (
    ("FilterLogEvents", "filterPattern"),
    ("StartLiveTail", "logEventFilterPattern"),
    ("PutMetricFilter", "filterPattern"),
    ("PutSubscriptionFilter", "filterPattern"),
)
_filter_log_events: Any = moto_logs.LogGroup.filter_log_events


def install() -> None:
    """Give moto's message filter AWS's meaning. Calling it twice does nothing more."""
    moto_utils.EventMessageFilter.__init__ = _read  # type: ignore[method-assign]
    moto_utils.EventMessageFilter.matches = _matches  # type: ignore[method-assign]
    moto_logs.LogGroup.filter_log_events = _in_order  # type: ignore[method-assign,assignment]


def _read(self: Any, pattern: str | None) -> None:
    self.compiled = log_patterns.compiled(pattern or "")


def _matches(self: Any, message: str) -> bool:
    return bool(self.compiled(message))


def _in_order(self: Any, *given: Any) -> Any:
    """All streams in one order of time, as AWS answers whatever ``interleaved`` says (API reference)."""
    return _filter_log_events(self, *given[:-1], True)


def _check(params: Params, name: str) -> None:
    pattern = str(params.get(name) or "")
    if len(pattern) > log_patterns.LONGEST:
        raise Refused(
            "InvalidParameterException",
            f"1 validation error detected: Value at '{name}' failed to satisfy constraint: "
            f"Member must have length less than or equal to {log_patterns.LONGEST}",
        )
    try:
        log_patterns.compiled(pattern)
    except log_patterns.BadPattern as wrong:
        raise Refused("InvalidParameterException", str(wrong)) from None


def _watch(action: str, name: str) -> None:
    @before("logs", action)
    def pattern_is_valid(params: Params) -> None:
        _check(params, name)


for _action, _name in PATTERNS:
    _watch(_action, _name)
