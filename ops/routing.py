"""Which of a listener's rules answers a request to the page, as Elastic Load Balancing decides it.

Source: the user guide for Application Load Balancers, "Listener rules" and "Rule condition types".
"""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase

from ops.snapshot.entrance import Balancer, Condition, Listener, Rule

PATH, METHOD = "/", "GET"
EVERYBODY = "0.0.0.0/0"
LAST = 1 << 31
"""Behind every priority."""


def serving(balancer: Balancer) -> Listener | None:
    """The listener that the page is asked of: by HTTPS where one does it, for HTTP then leads there."""
    usual = {"HTTPS": 443, "HTTP": 80}
    found = [each for each in balancer.listeners if each.protocol in usual]
    found.sort(key=lambda each: (each.protocol != "HTTPS", each.port != usual[each.protocol]))
    return found[0] if found else None


def answering(listener: Listener, host: str | None, group: str) -> Rule | None:
    """The rule that a plain request to the page ends at; ``host`` is None where its name is not known.

    A rule of which nobody can say whether it fits is taken to, if it forwards to ``group``, and not to,
    if it does anything else: a false alarm costs more than a missed one here.
    """
    for rule in sorted(listener.rules, key=_order):
        fits = fitting(rule, host)
        if fits or (fits is None and group in rule.groups):
            return rule
    return None


def _order(rule: Rule) -> int:
    return LAST if rule.default else int(rule.priority)


def fitting(rule: Rule, host: str | None) -> bool | None:
    """Whether a plain request to the page fulfils all conditions; None where that cannot be said."""
    met = [_met(each, host) for each in rule.conditions]
    if False in met:
        return False
    return None if None in met else True


def _met(condition: Condition, host: str | None) -> bool | None:
    values = condition.values
    match condition.field:
        case "path-pattern":
            return _matches(values, PATH)
        case "host-header":
            wanted = [each.lower() for each in values]
            return "*" in wanted or (None if host is None else _matches(wanted, host.lower()))
        case "http-request-method":
            return METHOD in values
        case "source-ip":
            return True if EVERYBODY in values else None
        case "http-header" | "query-string":
            return False
    return None


def _matches(patterns: Iterable[str], value: str) -> bool:
    return any(fnmatchcase(value, each.replace("[", "[[]")) for each in patterns)
