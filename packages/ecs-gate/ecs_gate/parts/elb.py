"""The load balancer as frozen records, how they are read, and which rule handles a request."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from ecs_gate.aws.errors import AwsProblem
from ecs_gate.aws.session import Session
from ecs_gate.facts.elb import matches, ports
from ecs_gate.target import HealthCheck, Page
from ecs_gate.text import Text, t


class Unreachable(Exception):
    """The load balancer cannot be reached from here; the text says why."""


@dataclass(frozen=True, kw_only=True)
class TargetGroup:
    arn: str
    name: str
    protocol: str
    vpc: str
    check: HealthCheck
    version: str = "HTTP1"
    """In which version it speaks with targets, and takes requests."""


@dataclass(frozen=True, kw_only=True)
class TargetHealth:
    address: str
    port: int
    state: str
    reason: str = ""
    description: str = ""


@dataclass(frozen=True)
class Condition:
    """A rule's condition; ``field`` is ELB's name, one of ``values`` must match; ``name`` is that of a header."""

    field: str
    values: tuple[str, ...]
    name: str = ""

    def __str__(self) -> str:
        return f"{self.name or self.field}: {', '.join(self.values)}"


@dataclass(frozen=True, kw_only=True)
class Oidc:
    """The login of a rule: what ELB tells of it, which is all but the client's secret."""

    authorization: str
    token: str
    userinfo: str
    client: str
    scope: str
    issuer: str = ""

    @property
    def ports(self) -> list[int]:
        """The ports to which the load balancer itself connects."""
        return ports(self.token, self.userinfo)


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A listener's rule: the target groups that it forwards to, or its other action.

    A target group that a forwarding rule gives the weight 0 gets no request, and is not among them.
    They are in the order of their weights, the largest first. ``status`` is that of a fixed response or redirect.
    """

    priority: str
    action: str
    groups: tuple[str, ...] = ()
    conditions: tuple[Condition, ...] = ()
    arn: str = ""
    login: Oidc | None = None
    status: int = 0

    @property
    def default(self) -> bool:
        return self.priority == "default"


@dataclass(frozen=True)
class Certificate:
    """A listener's certificate; ``status`` is ACM's, "" where it could not be read: ``problem`` says why.

    ``domain`` is the only host that it is for, "" where it is for several.
    """

    arn: str
    status: str = ""
    domain: str = ""
    problem: AwsProblem | None = None


@dataclass(frozen=True, kw_only=True)
class Listener:
    arn: str
    port: int
    protocol: str
    rules: tuple[Rule, ...] = ()
    certificate: Certificate | None = None


@dataclass(frozen=True, kw_only=True)
class Balancer:
    arn: str
    name: str
    dns: str
    scheme: str
    state: str
    vpc: str
    subnets: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    listeners: tuple[Listener, ...] = ()


def answer(path: str, status: int | None, problem: str = "") -> Text:
    """Return what a path answers in a sentence; 0 is no answer, and one with a ``problem`` cannot be read."""
    if status and problem:
        return t("The page {path} cannot be read: {why}", path=path, why=problem)
    if not status:
        return t("GET {path} does not answer.", path=path)
    return t("GET {path} answers {status}.", path=path, status=status)


FAILED_TARGET = (502, 503, 504)
"""What a load balancer answers itself where the app does not, or not in HTTP (ELB user guide, "Troubleshoot")."""


@dataclass(frozen=True, kw_only=True)
class HttpAnswer:
    """The answer to a request, at the end of its redirects.

    ``status`` is 0 where no answer came, and ``problem`` says why, or why the body cannot be read to its end.
    ``ended_at`` is the URL of the answer. ``leads_to`` is where it redirects to another host, and ``endless`` says that
    its redirects do not end. ``empty`` says that its body has no byte, and ``by_balancer`` that the load balancer
    itself gave the answer, by its header ``Server: awselb/2.0``.
    """

    status: int = 0
    problem: str = ""
    ended_at: str = ""
    leads_to: str = ""
    endless: bool = False
    by_balancer: bool = False
    empty: bool = False


@dataclass(frozen=True, kw_only=True)
class PageAnswer(HttpAnswer):
    """The answer to the last of ``tries`` requests for the page.

    ``login`` says that the load balancer asks who the user is, so that nothing of the page was seen.
    ``database`` is the status of the app's database path, None where that was not asked. ``assets`` are the statuses
    of its stylesheets and scripts by their paths, and ``assets_before`` those of before this update, where that is
    known. ``full_before`` says that its body was not empty before this update.
    """

    url: str
    path: str
    matcher: str = "200-299"
    tries: int = 1
    login: bool = False
    database: int | None = None
    full_before: bool = False
    assets: Mapping[str, int] = field(default_factory=dict)
    assets_before: Mapping[str, int] = field(default_factory=dict)

    @property
    def fails(self) -> bool:
        """Return whether users do not get the page, or not what it had before this update."""
        return self.missing or bool(self.lost_assets)

    @property
    def missing(self) -> bool:
        """Return whether users do not get the page: no whole answer, or one that ``matcher`` does not have.

        A redirect to another host is an answer, unless users cannot open that host.
        """
        if self.leads_to:
            return self.leads_nowhere and not self.login
        broken = self.status == 0 or bool(self.problem) or self.endless
        return broken or not matches(self.status, self.matcher)

    @property
    def unanswered(self) -> bool:
        """Return whether the load balancer itself answers, as the app does not, or not in HTTP."""
        return self.by_balancer and self.status in FAILED_TARGET and not self.leads_to

    @property
    def refused(self) -> bool:
        """Return whether the app has a database path and gets no new connection to its database."""
        return self.database not in (None, 200, 404)

    @property
    def failing_assets(self) -> dict[str, int]:
        """Return the stylesheets and scripts that do not answer, with their statuses."""
        return {path: status for path, status in self.assets.items() if not 200 <= status < 400}

    @property
    def lost_assets(self) -> dict[str, int]:
        """Return those of them that answered before this update."""
        answered = {p for p, status in self.assets_before.items() if 200 <= status < 400}
        return {path: status for path, status in self.failing_assets.items() if path in answered}

    @property
    def followed(self) -> bool:
        """Return whether the answer is that of a redirect's target."""
        return self.ended_at not in ("", self.url)

    @property
    def moves(self) -> bool:
        """Return whether that target has another scheme or port."""
        return self.followed and urlsplit(self.ended_at)[:2] != urlsplit(self.url)[:2]

    @property
    def leads_nowhere(self) -> bool:
        """Return whether it redirects to what no browser opens, or a host that is not on the internet."""
        url = urlsplit(self.leads_to)
        try:
            return (
                url.scheme not in ("http", "https") or not ip_address(url.hostname or "").is_global
            )
        except ValueError:
            return "." not in (url.hostname or "")


def target_group(session: Session, name: str) -> TargetGroup | None:
    """Return the target group of that name; None without one. Raises AwsProblem."""
    if not name:
        return None
    groups = session.all("elbv2", "describe_target_groups", "TargetGroups", Names=[name])
    if not groups:
        return None
    raw = groups[0]
    return TargetGroup(
        arn=raw["TargetGroupArn"],
        name=raw["TargetGroupName"],
        protocol=raw.get("Protocol", ""),
        vpc=raw.get("VpcId", ""),
        check=_check(raw),
        version=raw.get("ProtocolVersion", TargetGroup.version),
    )


def busiest(balancer: Balancer | None, groups: Sequence[TargetGroup]) -> TargetGroup:
    """Return the target group to which a rule forwards most requests of users; the first one without such a rule."""
    rules = [rule for listener in balancer.listeners for rule in listener.rules] if balancer else []
    plain = PageRequest(None)
    first = [rule.groups[0] for rule in rules if rule.groups and fitting(rule, plain) is not False]
    return next((group for group in groups if group.arn in first), groups[0])


def _check(raw: dict[str, Any]) -> HealthCheck:
    return HealthCheck(
        enabled=raw.get("HealthCheckEnabled", True),
        protocol=raw.get("HealthCheckProtocol", "HTTP"),
        port=raw.get("HealthCheckPort", "traffic-port"),
        path=raw.get("HealthCheckPath", "/"),
        # It has HttpCode or GrpcCode.
        matcher=next(iter((raw.get("Matcher") or {}).values()), HealthCheck.matcher),
        grpc=raw.get("ProtocolVersion") == "GRPC",
        interval=raw.get("HealthCheckIntervalSeconds", 30),
        timeout=raw.get("HealthCheckTimeoutSeconds", 5),
        healthy=raw.get("HealthyThresholdCount", 5),
        unhealthy=raw.get("UnhealthyThresholdCount", 2),
    )


def targets(session: Session, *group_arns: str) -> tuple[TargetHealth, ...]:
    """Return the registered targets of the target groups. Raises AwsProblem."""
    answers = [
        session.call("elbv2", "describe_target_health", TargetGroupArn=arn) for arn in group_arns
    ]
    return tuple(
        target_of(target) for answer in answers for target in answer["TargetHealthDescriptions"]
    )


def target_of(raw: dict[str, Any]) -> TargetHealth:
    return TargetHealth(
        address=raw["Target"]["Id"],
        port=raw["Target"].get("Port", 0),
        state=raw["TargetHealth"]["State"],
        reason=raw["TargetHealth"].get("Reason", ""),
        description=raw["TargetHealth"].get("Description", ""),
    )


def balancer(session: Session, name: str, rules: bool = True) -> Balancer | None:
    """Return the load balancer of that name, with its listeners' rules if ``rules``; None without one.

    Raises AwsProblem.
    """
    if not name:
        return None
    balancers = session.all("elbv2", "describe_load_balancers", "LoadBalancers", Names=[name])
    if not balancers:
        return None
    raw = balancers[0]
    arn = raw["LoadBalancerArn"]
    listeners = session.all("elbv2", "describe_listeners", "Listeners", LoadBalancerArn=arn)
    return Balancer(
        arn=arn,
        name=raw["LoadBalancerName"],
        dns=raw["DNSName"],
        scheme=raw.get("Scheme", ""),
        state=(raw.get("State") or {}).get("Code", ""),
        vpc=raw.get("VpcId", ""),
        subnets=tuple(zone["SubnetId"] for zone in raw.get("AvailabilityZones", ())),
        groups=tuple(raw.get("SecurityGroups", ())),
        listeners=tuple(_listener(session, listener, rules) for listener in listeners),
    )


def _listener(session: Session, raw: dict[str, Any], rules: bool) -> Listener:
    arn = raw["ListenerArn"]
    rows = session.all("elbv2", "describe_rules", "Rules", ListenerArn=arn) if rules else []
    certificates = [each["CertificateArn"] for each in raw.get("Certificates", ()) if rules]
    return Listener(
        arn=arn,
        port=raw.get("Port", 0),
        protocol=raw.get("Protocol", ""),
        rules=tuple(_rule(row) for row in rows),
        certificate=_certificate(session, certificates[0]) if certificates else None,
    )


def _certificate(session: Session, arn: str) -> Certificate:
    """Return the certificate; of one of IAM's without a status, which ACM does not have."""
    if ":acm:" not in arn:
        return Certificate(arn)
    try:
        answer = session.call("acm", "describe_certificate", CertificateArn=arn)
    except AwsProblem as problem:
        return Certificate(arn, problem=problem)
    known = answer["Certificate"]
    domains = {known.get("DomainName", ""), *known.get("SubjectAlternativeNames", ())}
    only = "".join(domain for domain in domains if len(domains) == 1 and "*" not in domain)
    return Certificate(arn, known.get("Status", ""), only)


def _rule(raw: dict[str, Any]) -> Rule:
    actions = raw.get("Actions", ())
    groups = [action.get("TargetGroupArn") for action in actions]
    for action in actions:
        forward = action.get("ForwardConfig") or {}
        shares = forward.get("TargetGroups", ())
        by_weight = sorted(shares, key=lambda group: -group.get("Weight", 1))
        groups += [group["TargetGroupArn"] for group in by_weight if group.get("Weight", 1)]
    last = actions[-1] if actions else {}
    own = last.get("FixedResponseConfig") or last.get("RedirectConfig") or {}
    return Rule(
        priority=raw["Priority"],
        action=last.get("Type", ""),
        status=int(own.get("StatusCode", "0").removeprefix("HTTP_")),
        groups=tuple(dict.fromkeys(group for group in groups if group)),
        conditions=tuple(_condition(condition) for condition in raw.get("Conditions", ())),
        arn=raw.get("RuleArn", ""),
        login=next(
            (_oidc(e["AuthenticateOidcConfig"]) for e in actions if e["Type"] == OIDC), None
        ),
    )


def _oidc(raw: dict[str, Any]) -> Oidc:
    return Oidc(
        authorization=raw["AuthorizationEndpoint"],
        token=raw["TokenEndpoint"],
        userinfo=raw["UserInfoEndpoint"],
        client=raw["ClientId"],
        scope=raw.get("Scope", ""),
        issuer=raw.get("Issuer", ""),
    )


REGEX = "regex"
"""The field of a condition that regular expressions make, whatever they look at."""


def _condition(raw: dict[str, Any]) -> Condition:
    # ELB names them so: HttpHeaderConfig is of http-header.
    config = raw.get(f"{raw['Field'].title().replace('-', '')}Config") or {}
    if regular := config.get("RegexValues") or raw.get("RegexValues"):
        return Condition(REGEX, tuple(regular))
    values = config.get("Values") or raw.get("Values", ())
    if raw["Field"] == "query-string":
        values = [f"{value.get('Key', '*')}={value['Value']}" for value in values]
    return Condition(raw["Field"], tuple(map(str, values)), config.get("HttpHeaderName", ""))


OIDC = "authenticate-oidc"
METHOD = "GET"
HEADERS = {
    # All browsers' begin so: a rule for them must match this, too.
    "User-Agent": "Mozilla/5.0 (compatible; ecs-gate)",
    "Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "Accept-Encoding": "gzip, deflate",
}
"""What a browser sends with a request for the page; of its encodings those that it asks for over HTTP, too, and that
Python decodes."""


@dataclass(frozen=True)
class PageRequest:
    """What a rule looks at in a request for the page; ``host`` is None where it is not known."""

    host: str | None
    path: str = "/"
    query: str = ""


EVERYBODY = "0.0.0.0/0"


def serving(balancer: Balancer, url: str) -> Listener | None:
    """Return the page's listener: HTTPS where there is one, since HTTP then redirects there.

    One on the port that the page's ``url`` names goes before; "": it is not known.
    """
    usual, page = {"HTTPS": 443, "HTTP": 80}, urlsplit(url)
    port = page.port or usual.get(page.scheme.upper())
    listeners = [listener for listener in balancer.listeners if listener.protocol in usual]
    listeners.sort(
        key=lambda listener: (
            *(listener.port != port, listener.protocol != "HTTPS"),
            listener.port != usual[listener.protocol],
        )
    )
    return listeners[0] if listeners else None


def login(listener: Listener | None, group: str) -> Oidc | None:
    """Return the login of the page's listener, in a rule that forwards to a target group; None without one."""
    rules = listener.rules if listener else ()
    return next((rule.login for rule in rules if rule.login and group in rule.groups), None)


def test_value(balancer: Balancer, page: Page) -> str | None:
    """Return the value of the page's header with which a request reaches a new version; None without such a rule."""
    listener = serving(balancer, page.url)
    for rule in listener.rules if listener else ():
        for condition in rule.conditions:
            if rule.priority == str(page.test_priority) and condition.field == "http-header":
                return next(iter(condition.values), None)
    return None


def answering(
    listener: Listener, request: PageRequest, group: str, answered: int = 0
) -> Rule | None:
    """Return the rule that handles a request for the page.

    A rule that may or may not match counts as matching only if it forwards to ``group``: a false alarm
    is worse here than a missed one. Where the load balancer itself has ``answered`` with a status, the one whose
    response has that status does instead.
    """
    for rule in sorted(
        listener.rules, key=lambda rule: (rule.default, rule.default or int(rule.priority))
    ):
        fits, likely = fitting(rule, request), group in rule.groups
        if fits or (fits is None and (rule.status == answered if answered else likely)):
            return rule
    return None


def fitting(rule: Rule, request: PageRequest) -> bool | None:
    """Return whether a request for the page matches all conditions; None where that is not known."""
    met = [_met(condition, request) for condition in rule.conditions]
    if False in met:
        return False
    return None if None in met else True


def _met(condition: Condition, request: PageRequest) -> bool | None:
    """Return whether a request meets a condition (ELB user guide, "Condition types"): paths alone count the case."""
    values, host = condition.values, request.host
    folded = [value.lower() for value in values]
    match condition.field:
        case "path-pattern":
            return _matches(values, request.path)
        case "host-header":
            return "*" in folded or (None if host is None else _matches(folded, host.lower()))
        case "http-request-method":
            return METHOD in values
        case "source-ip":
            return True if EVERYBODY in values else None
        case "http-header":
            sent = {name.lower(): value.lower() for name, value in HEADERS.items()}
            name = condition.name.lower()
            return name in sent and _matches(folded, sent[name])
        case "query-string":
            return any(_matches(folded, pair.lower()) for pair in request.query.split("&"))
    return None


def _matches(patterns: Iterable[str], value: str) -> bool:
    return any(fnmatchcase(value, pattern.replace("[", "[[]")) for pattern in patterns)
