"""CloudWatch Logs' filter patterns: read from text, held against messages. Nothing here knows moto."""

from __future__ import annotations

from functools import lru_cache

from rehearsal.control.log_patterns.fields import fields
from rehearsal.control.log_patterns.json_events import json_event
from rehearsal.control.log_patterns.operands import BadPattern, Matcher, expression
from rehearsal.control.log_patterns.terms import terms

__all__ = ["LONGEST", "BadPattern", "Matcher", "compiled"]

LONGEST = 1024
"""Characters (API reference of CloudWatch Logs, FilterLogEvents, filterPattern)."""
ENCLOSED = (("{", "}", json_event), ("[", "]", fields))


@lru_cache(maxsize=256)
def compiled(pattern: str) -> Matcher:
    """The messages that ``pattern`` lets through; an empty one lets all.

    Source: CloudWatch Logs user guide, "Filter pattern syntax for metric filters, subscription
    filters, filter log events, and Live Tail". Raises BadPattern, in AWS's words.
    """
    text = pattern.strip()
    for opening, closing, read in ENCLOSED:
        if text.startswith(opening):
            if not text.endswith(closing) or len(text) == 1:
                raise BadPattern(
                    f"If a filter pattern starts with '{opening}' it must end with '{closing}'"
                )
            return read(text[1:-1])
    if len(text) > 1 and text[0] == text[-1] == "%":
        return expression(text[1:-1])
    return terms(text)
