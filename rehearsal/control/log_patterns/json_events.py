"""Patterns in braces, for messages that are JSON: ``{ $.status >= 500 && $.path != "/health" }``."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any

from rehearsal.control.log_patterns.grammar import SIGNS, Condition, Reader
from rehearsal.control.log_patterns.operands import BadPattern, Matcher, Scalar, comparison

SELECTOR = re.compile(r"\$(?:\.(?:[\w-]+|\*)(?:\[(?:\d+|\*)\])*)+", re.ASCII)
STEP = re.compile(r"\.(?P<name>[\w-]+|\*)|\[(?P<index>\d+|\*)\]", re.ASCII)
CONSTANTS = {"NULL": None, "TRUE": True, "FALSE": False}


def json_event(text: str) -> Matcher:
    """The messages that are JSON objects for which the condition holds. Raises BadPattern."""
    holds: Condition[Any] = Reader[Any](text, _leaf).whole()

    def matches(message: str) -> bool:
        try:
            event = json.loads(message, parse_int=Decimal, parse_float=Decimal)
        except ValueError:
            return False
        return isinstance(event, dict) and holds(event)

    return matches


def _leaf(reader: Reader[Any]) -> Condition[Any]:
    selector = _selector(reader)
    if reader.takes("IS"):
        name = reader.takes(*CONSTANTS)
        if name is None:
            raise BadPattern()
        constant = CONSTANTS[name]
        return lambda event: any(node is constant for node in _nodes(event, selector))
    if reader.takes("NOT"):
        if not reader.takes("EXISTS"):
            raise BadPattern()
        return lambda event: not any(True for _ in _nodes(event, selector))
    sign = reader.takes(*SIGNS)
    if sign is None:
        raise BadPattern()
    holds = comparison(sign, reader.operand())
    return lambda event: any(holds(each) for each in _scalars(_nodes(event, selector)))


def _selector(reader: Reader[Any]) -> list[tuple[str, str]]:
    """The steps from the root: names and indices."""
    token = reader.next()
    if token.kind != "word":
        raise BadPattern()
    if not SELECTOR.fullmatch(token.text):
        raise BadPattern.at(token.text)
    return [(step["name"] or "", step["index"] or "") for step in STEP.finditer(token.text)]


def _nodes(event: Any, steps: list[tuple[str, str]]) -> Iterator[Any]:
    """What the selector points to; with an asterisk it may be many things."""
    if not steps:
        yield event
        return
    (name, index), rest = steps[0], steps[1:]
    for inner in _named(event, name) if name else _indexed(event, index):
        yield from _nodes(inner, rest)


def _named(event: Any, name: str) -> Iterable[Any]:
    if not isinstance(event, dict):
        return ()
    if name == "*":
        return event.values()
    return (event[name],) if name in event else ()


def _indexed(event: Any, index: str) -> Iterable[Any]:
    if not isinstance(event, list):
        return ()
    if index == "*":
        return event
    return event[int(index) : int(index) + 1]


def _scalars(nodes: Iterable[Any]) -> Iterator[Scalar]:
    """Texts and numbers: of anything else no comparison holds, ``!=`` neither (the guide)."""
    return (each for each in nodes if isinstance(each, (str, Decimal)))
