"""What the patterns of EventBridge's rules, and the filter policies of SNS's subscriptions, may hold.

Sources: EventBridge user guide, "Comparison operators for use in event patterns"; SNS developer guide, "Filter policy
constraints". LocalStack recorded what AWS takes and what it refuses (tests/aws/services/events/
event_pattern_templates, sns/test_sns_filter_policy.py).
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from local_cloud.aws.policy_evaluation import read

TEXT, NUMBER = r'"([^"\\]|\\.)*"', r"-?\d[\d.eE+-]*"
AFFIX, EITHER = rf'{TEXT}|{{"equals-ignore-case": {TEXT}}}', rf"({TEXT}|{NUMBER})"
TEXTS = rf"({TEXT}|\[{TEXT}(, {TEXT})*\])"
OPERATORS = {
    "anything-but": rf'{EITHER}|\[{EITHER}(, {EITHER})*\]|{{"(equals-ignore-case|wildcard)": {TEXTS}}}'
    rf'|{{"(prefix|suffix)": (?!\[?""){TEXTS}}}',
    "cidr": r'"[\d.]+/\d+"|"[\da-fA-F:]+/\d+"',
    "equals-ignore-case": TEXT,
    "exists": "true|false",
    "numeric": rf'\["(=|[<>]=?)", {NUMBER}\]|\[">=?", {NUMBER}, "<=?", {NUMBER}\]',
    "prefix": AFFIX,
    "suffix": AFFIX,
    "wildcard": rf"(?!.*\*\*){TEXT}",
}
"""The operators, and the JSON of what they compare with."""


def problem(text: str | None) -> str | None:
    """Return what is wrong with a pattern; None for one that is right, or not given."""
    pattern = read(text or "{}")
    return "Filter is not an object" if pattern is None else next(_problems(pattern), None)


def _problems(pattern: Mapping[str, Any]) -> Iterator[str]:
    for name, value in pattern.items():
        if isinstance(value, Mapping):
            yield from _problems(value)
        elif not isinstance(value, list):
            yield f'"{name}" must be an object or an array'
        elif not value:
            yield "Empty arrays are not allowed"
        for part in value if isinstance(value, list) else ():
            if name == "$or" and isinstance(part, Mapping):
                yield from _problems(part)
            elif isinstance(part, list) or (isinstance(part, Mapping) and not _compares(part)):
                yield f'"{name}" has neither a value nor one comparison: {part}'


def _compares(part: Mapping[str, Any]) -> bool:
    known = (
        re.fullmatch(OPERATORS.get(name, "(?!)"), json.dumps(each)) for name, each in part.items()
    )
    return len(part) == 1 and all(known)
