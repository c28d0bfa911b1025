"""CloudWatch's metric math, as far as alarms and dashboards here use it."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass

Series = dict[int, float]
Value = float | Series

ARITHMETIC: Mapping[type, Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
COMPARISONS: Mapping[type, Callable[[float, float], float]] = {
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}


class NotUnderstood(Exception):
    """The expression has a part that is not known here; names it."""


@dataclass(frozen=True)
class Maths:
    """Works out expressions over series by their ids, for the periods that begin at ``times``."""

    series: Mapping[str, Series]
    times: range

    def evaluate(self, expression: str) -> Series:
        """The expression's value in each period that has one. Raises NotUnderstood."""
        try:
            found = self._value(ast.parse(expression.strip(), mode="eval").body)
        except SyntaxError as wrong:
            raise NotUnderstood(expression) from wrong
        return found if isinstance(found, dict) else dict.fromkeys(self.times, found)

    def _value(self, node: ast.expr) -> Value:
        match node:
            case ast.Constant(value=int() | float() as number):
                return float(number)
            case ast.Name(id=name) if name in self.series:
                return self.series[name]
            case ast.UnaryOp(op=ast.USub(), operand=of):
                return self._both(operator.sub, 0.0, self._value(of))
            case ast.BinOp(left=left, op=op, right=right) if type(op) in ARITHMETIC:
                return self._both(ARITHMETIC[type(op)], self._value(left), self._value(right))
            case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in COMPARISONS:
                return self._both(COMPARISONS[type(op)], self._value(left), self._value(right))
            case ast.Call(func=ast.Name(id="FILL"), args=[of, ast.Constant(value=filler)]):
                return self._fill(self._value(of), float(filler))  # type: ignore[arg-type]
            case ast.Call(func=ast.Name(id="IF"), args=[condition, then, other]):
                return self._if(self._value(condition), self._value(then), self._value(other))
        raise NotUnderstood(ast.unparse(node))

    def _both(self, how: Callable[[float, float], float], left: Value, right: Value) -> Value:
        """Where both have a value and the result is a number: CloudWatch drops a division by zero."""
        if not isinstance(left, dict) and not isinstance(right, dict):
            return float(how(left, right))
        found: Series = {}
        for time in self.times:
            first, second = _at(left, time), _at(right, time)
            if first is None or second is None or (how is operator.truediv and not second):
                continue
            found[time] = float(how(first, second))
        return found

    def _fill(self, value: Value, filler: float) -> Value:
        if not isinstance(value, dict):
            return value
        return {time: value.get(time, filler) for time in self.times}

    def _if(self, condition: Value, then: Value, other: Value) -> Value:
        found: Series = {}
        for time in self.times:
            held = _at(condition, time)
            chosen = None if held is None else _at(then if held else other, time)
            if chosen is not None:
                found[time] = chosen
        return found


def _at(value: Value, time: int) -> float | None:
    return value.get(time) if isinstance(value, dict) else value
