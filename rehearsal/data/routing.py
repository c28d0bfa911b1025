"""Which rule of a listener answers a request, and where a redirect leads: pure functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from ipaddress import ip_address, ip_network
from typing import Any
from urllib.parse import parse_qsl


@dataclass(frozen=True, kw_only=True)
class Request:
    """What the conditions of a rule look at. Header names in lower case."""

    method: str
    path: str
    query: str
    host: str
    headers: Sequence[tuple[str, str]]
    client: str


@dataclass(frozen=True)
class Rule:
    """A rule as it was declared; ``conditions`` and ``actions`` in the API's own shapes."""

    priority: int
    conditions: Sequence[Mapping[str, Any]]
    actions: Sequence[Mapping[str, Any]]


def choose(rules: Sequence[Rule], request: Request) -> Rule:
    """The matching rule of the lowest priority number; the default rule has no condition and the highest."""
    return next(
        rule
        for rule in sorted(rules, key=lambda each: each.priority)
        if all(matches(condition, request) for condition in rule.conditions)
    )


def matches(condition: Mapping[str, Any], request: Request) -> bool:
    """Whether one condition holds. Paths and header values with case, hosts without it (ELB user guide)."""
    field = str(condition["Field"])
    match field:
        case "path-pattern":
            return _like(request.path, _values(condition, "PathPatternConfig"))
        case "host-header":
            patterns = [each.lower() for each in _values(condition, "HostHeaderConfig")]
            return _like(request.host.lower().rsplit(":", 1)[0], patterns)
        case "http-request-method":
            return request.method in _values(condition, "HttpRequestMethodConfig")
        case "http-header":
            return _header(condition["HttpHeaderConfig"], request)
        case "query-string":
            return _query(condition["QueryStringConfig"]["Values"], request.query)
        case "source-ip":
            networks = _values(condition, "SourceIpConfig")
            return any(ip_address(request.client) in ip_network(each) for each in networks)
    raise ValueError(f"listener rule condition {field!r} is not one that a load balancer knows")


def _values(condition: Mapping[str, Any], config: str) -> Sequence[str]:
    values: Sequence[str] = condition.get(config, {}).get("Values") or condition.get("Values") or ()
    return values


def _like(value: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(value, pattern.replace("[", "[[]")) for pattern in patterns)


def _header(config: Mapping[str, Any], request: Request) -> bool:
    name = str(config["HttpHeaderName"]).lower()
    patterns = [str(each).lower() for each in config["Values"]]
    return any(_like(value.lower(), patterns) for key, value in request.headers if key == name)


def _query(wanted: Sequence[Mapping[str, str]], query: str) -> bool:
    pairs = [
        (key.lower(), value.lower()) for key, value in parse_qsl(query, keep_blank_values=True)
    ]
    return any(
        (each.get("Key") is None or _like(key, [each["Key"].lower()]))
        and _like(value, [each["Value"].lower()])
        for key, value in pairs
        for each in wanted
    )


def location(config: Mapping[str, Any], request: Request, protocol: str, port: int) -> str:
    """The Location of a redirect action; ``protocol`` and ``port`` are the listener's."""
    known = {
        "#{protocol}": protocol.lower(),
        "#{host}": request.host.rsplit(":", 1)[0],
        "#{port}": str(port),
        "#{path}": request.path.lstrip("/"),
        "#{query}": request.query,
    }

    def filled(name: str, default: str) -> str:
        text = str(config.get(name) or default)
        for key, value in known.items():
            text = text.replace(key, value)
        return text

    scheme, host = filled("Protocol", "#{protocol}").lower(), filled("Host", "#{host}")
    number = filled("Port", "#{port}")
    path, query = filled("Path", "/#{path}"), filled("Query", "#{query}")
    place = host if (scheme, number) in (("http", "80"), ("https", "443")) else f"{host}:{number}"
    return f"{scheme}://{place}{path}" + (f"?{query}" if query else "")
