"""A listener as declared in moto: its TLS, its rules, and its responses without a target."""

import http
import re
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from email.utils import formatdate
from fnmatch import fnmatchcase
from ipaddress import ip_address, ip_network
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, unquote

from local_cloud.aws import hooks
from local_cloud.aws.ec2.firewall import Map, allows, clients
from local_cloud.aws.ec2.network import load_balancer_endpoints
from local_cloud.machine.authority import Authority


@dataclass(frozen=True, kw_only=True)
class Request:
    """The parts of a request that a rule's conditions use. Header names are in lower case."""

    method: str
    path: str
    query: str
    host: str
    headers: Sequence[tuple[str, str]]
    client: str


@dataclass(frozen=True)
class ListenerRule:
    """A declared rule; ``conditions`` and ``actions`` are in the API's form."""

    priority: int
    conditions: Sequence[Mapping[str, Any]]
    actions: Sequence[Mapping[str, Any]]


def choose_rule(rules: Sequence[ListenerRule], request: Request) -> ListenerRule:
    """Return the matching rule with the lowest priority; the default rule has no condition and the highest."""
    return next(
        rule
        for rule in sorted(rules, key=lambda rule: rule.priority)
        if all(matches(condition, request) for condition in rule.conditions)
    )


UNRESERVED = re.compile("%(?:2[DE]|5F|7E|3[0-9]|[46][1-9A-F]|[57][0-9A])", re.I)
"""The codes of characters that a URL has as they are (RFC 3986, section 2.3)."""


def matches(condition: Mapping[str, Any], request: Request) -> bool:
    """Return whether a condition is met.

    Paths are case-sensitive; hosts, header values and query strings are not (botocore, HostHeaderConditionConfig,
    HttpHeaderConditionConfig, PathPatternConditionConfig and QueryStringConditionConfig). ELB compares a path after
    "URI normalization" (user guide, "Condition types for listener rules") and does not say which. Here what need not be
    encoded is decoded (RFC 3986, section 6.2.2.2); dots and double slashes stay, so that a rule has to stop them.
    """
    field = str(condition["Field"])
    match field:
        case "path-pattern":
            path = UNRESERVED.sub(lambda found: unquote(found[0]), request.path)
            return _like(path, _values(condition, "PathPatternConfig"))
        case "host-header":
            patterns = [value.lower() for value in _values(condition, "HostHeaderConfig")]
            return _like(request.host.lower().rsplit(":", 1)[0], patterns)
        case "http-request-method":
            return request.method in _values(condition, "HttpRequestMethodConfig")
        case "http-header":
            return _header(condition["HttpHeaderConfig"], request)
        case "query-string":
            return _query(condition["QueryStringConfig"]["Values"], request.query)
        case "source-ip":
            networks = _values(condition, "SourceIpConfig")
            return any(ip_address(request.client) in ip_network(network) for network in networks)
    raise ValueError(f"listener rule condition {field!r} is not one that a load balancer knows")


def _values(condition: Mapping[str, Any], config: str) -> Sequence[str]:
    values: Sequence[str] = condition.get(config, {}).get("Values") or condition.get("Values") or ()
    return values


def _like(value: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(value, pattern.replace("[", "[[]")) for pattern in patterns)


def _header(config: Mapping[str, Any], request: Request) -> bool:
    name = str(config["HttpHeaderName"]).lower()
    patterns = [str(pattern).lower() for pattern in config["Values"]]
    return any(_like(value.lower(), patterns) for key, value in request.headers if key == name)


def _query(wanted: Sequence[Mapping[str, str]], query: str) -> bool:
    pairs = [
        (key.lower(), value.lower()) for key, value in parse_qsl(query, keep_blank_values=True)
    ]
    return any(
        (condition.get("Key") is None or _like(key, [condition["Key"].lower()]))
        and _like(value, [condition["Value"].lower()])
        for key, value in pairs
        for condition in wanted
    )


def redirect_location(config: Mapping[str, Any], request: Request, protocol: str, port: int) -> str:
    """Return the Location of a redirect action; ``protocol`` and ``port`` are the listener's."""
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
    authority = (
        host if (scheme, number) in (("http", "80"), ("https", "443")) else f"{host}:{number}"
    )
    return f"{scheme}://{authority}{path}" + (f"?{query}" if query else "")


LAST = 1 << 30


@dataclass(frozen=True, kw_only=True)
class View:
    """A listener: its rules and the load balancer's attributes."""

    protocol: str
    port: int
    rules: Sequence[ListenerRule]
    balancer: Any = field(repr=False)
    open_to_clients: bool
    idle_seconds: float
    drop_invalid_headers: bool
    certificate_names: tuple[str, ...] = ()


def read_view(balancer: Any, listener: Any, network: Map, client: str = "") -> View:
    """Return the view of one listener. ``client`` is the clients' address (`firewall.clients`)."""
    attributes: Mapping[str, str] = balancer.attrs
    port = int(listener.port)
    nodes = load_balancer_endpoints(balancer)
    return View(
        protocol=str(listener.protocol),
        port=port,
        rules=tuple(_rule(rule) for rule in listener.rules.values()),
        balancer=balancer,
        open_to_clients=any(
            allows(network, source, node, port)
            for node in nodes
            for source in clients(network, node, client)
        ),
        idle_seconds=float(attributes["idle_timeout.timeout_seconds"]),
        drop_invalid_headers=attributes["routing.http.drop_invalid_header_fields.enabled"]
        == "true",
        certificate_names=_names(listener),
    )


def _rule(rule: Any) -> ListenerRule:
    priority = LAST if rule.priority == "default" else int(rule.priority)
    actions = sorted(
        (action.data for action in rule.actions), key=lambda action: action.get("Order", 0)
    )
    return ListenerRule(priority, tuple(rule.conditions), tuple(actions))


def _names(listener: Any) -> tuple[str, ...]:
    if str(listener.protocol) != "HTTPS":
        return ()
    known = hooks.backend("acm")._certificates.get(listener.certificate)
    return tuple(known.sans) if known is not None else ()


def forwards(action: Mapping[str, Any]) -> list[tuple[str, int]]:
    """Return the target groups of a forward action with their weights."""
    groups = action.get("ForwardConfig", {}).get("TargetGroups")
    if groups:
        return [(str(group["TargetGroupArn"]), int(group.get("Weight", 1))) for group in groups]
    return [(str(action["TargetGroupArn"]), 1)]


LOCAL_NAMES = ("localhost", "127.0.0.1")


class Declared(NamedTuple):
    """The declarations that a listener's socket depends on. All others are read at each request."""

    protocol: str
    port: int
    certificate: str | None
    policy: str | None

    @property
    def endpoint(self) -> tuple[str, int]:
        """Return the protocol and port that clients on AWS use."""
        return self.protocol, self.port


def read_declared() -> dict[str, Declared]:
    """Return every declared listener of HTTP or HTTPS, by ARN."""
    with hooks.LOCK:
        return {
            str(listener.arn): Declared(
                str(listener.protocol),
                int(listener.port),
                listener.certificate,
                listener.ssl_policy,
            )
            for balancer in hooks.backend("elbv2").load_balancers.values()
            for listener in balancer.listeners.values()
            if listener.protocol in ("HTTP", "HTTPS")
        }


def secure(
    context: ssl.SSLContext, declared: Declared, names: Sequence[str], authority: Authority
) -> None:
    """Set the certificate for ``names`` and this machine, and the declared policy, for new connections."""
    context.minimum_version = lowest_tls(declared.policy or "")
    authority.certify(context, [*names, *LOCAL_NAMES])


def lowest_tls(policy: str) -> ssl.TLSVersion:
    """Return the lowest TLS version of a policy, but at least 1.2, since OpenSSL no longer has older ones.

    It is the number after ``TLS13`` in the policy's name (ELB user guide, "Security policies").
    """
    only = policy.startswith("ELBSecurityPolicy-TLS13-1-3")
    return ssl.TLSVersion.TLSv1_3 if only else ssl.TLSVersion.TLSv1_2


REASONS = {
    460: "Client Closed Request",
    503: "Service Temporarily Unavailable",
    504: "Gateway Time-out",
    561: "Unauthorized",
}


@dataclass(frozen=True)
class Answer:
    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


def reason(status: int) -> str:
    if status in REASONS:
        return REASONS[status]
    try:
        return http.HTTPStatus(status).phrase
    except ValueError:
        return ""


def error_answer(status: int) -> Answer:
    title = f"{status} {reason(status)}"
    body = (
        f"<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n"
        f"<center><h1>{title}</h1></center>\r\n</body>\r\n</html>\r\n"
    )
    return _answer(status, "text/html", body.encode())


def fixed_answer(config: Mapping[str, Any]) -> Answer:
    body = str(config.get("MessageBody") or "").encode()
    content_type = str(config.get("ContentType") or "text/plain")
    return _answer(int(config["StatusCode"]), f"{content_type}; charset=utf-8", body)


def redirect_answer(config: Mapping[str, Any], location: str) -> Answer:
    status = int(str(config["StatusCode"]).removeprefix("HTTP_"))
    page = error_answer(status)
    return Answer(status, (*page.headers, ("Location", location)), page.body)


def _answer(status: int, content_type: str, body: bytes) -> Answer:
    headers = (
        ("Server", "awselb/2.0"),
        ("Date", formatdate(usegmt=True)),
        ("Content-Type", content_type),
        ("Content-Length", str(len(body))),
    )
    return Answer(status, headers, body)
