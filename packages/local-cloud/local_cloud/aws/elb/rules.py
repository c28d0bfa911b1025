"""AWS's rules for load balancers, listeners and target groups that moto lacks."""

import re
from ipaddress import ip_address, ip_network
from typing import Any

from moto.elbv2 import models
from moto.elbv2.ssl_policies import SSL_POLICIES

from local_cloud.aws.ec2.rules import elsewhere, internet_gateway
from local_cloud.aws.elb.metrics import balanced
from local_cloud.aws.forms import HOST, Form, keeps, network
from local_cloud.aws.hooks import (
    ACCOUNT,
    Params,
    Refusals,
    Refused,
    backend,
    other_than,
    twice,
)
from local_cloud.aws.policy_evaluation import admits, read


def _subnet_ids(params: Params) -> list[str]:
    return params.get("Subnets") or [
        mapping["SubnetId"] for mapping in params.get("SubnetMappings") or []
    ]


def _subnets(params: Params) -> list[Any]:
    ids = _subnet_ids(params)
    return list(backend("ec2").describe_subnets(subnet_ids=ids)) if ids else []


def _without_gateway(given: Params) -> Any:
    """Return the VPC of a load balancer for the internet that has no gateway to it (openshift/installer issue 1110)."""
    vpcs = (subnet.vpc_id for subnet in _subnets(given) if given.get("Scheme") != "internal")
    return next((vpc for vpc in vpcs if not internet_gateway(vpc)), None)


def _port_is_taken(given: Params) -> bool:
    """Return whether another listener of the load balancer, given by its ARN or that of a listener, has the port."""
    arn, port = given.get("ListenerArn"), str(given.get("Port"))
    held = backend("elbv2").load_balancers
    balancers = [held[given["LoadBalancerArn"]]] if not arn else held.values()
    own = [balancer.listeners for balancer in balancers if not arn or arn in balancer.listeners]
    return any(str(e.port) == port and e.arn != arn for each in own for e in each.values())


def listeners() -> list[Any]:
    """Return the listeners of all load balancers."""
    balancers = backend("elbv2").load_balancers.values()
    return [listener for balancer in balancers for listener in balancer.listeners.values()]


def _in_use(given: Params) -> Any:
    arn = given["TargetGroupArn"]
    named = (f"{each.default_actions}{list(each.rules.values())}" for each in listeners())
    return arn if any(arn in text for text in named) else None


PATH_PATTERN = re.compile(r"[A-Za-z0-9_.$/~\"'@:+&*?-]*")
MOST_WILDCARDS = 5


def _patterns(given: Params) -> list[str]:
    return [
        value
        for condition in given.get("Conditions") or []
        if condition["Field"] == "path-pattern"
        for value in (condition.get("PathPatternConfig") or condition)["Values"]
    ]


OIDC = "authenticate-oidc"
OIDC_DEFAULTS: dict[str, Any] = {
    "SessionCookieName": "AWSELBAuthSessionCookie",
    "Scope": "openid",
    "SessionTimeout": 604800,
    "OnUnauthenticatedRequest": "authenticate",
}
"""API reference, AuthenticateOidcActionConfig. ELB describes them, too."""


def logins(actions: list[dict[str, Any]], before: list[dict[str, Any]], protocol: str) -> None:
    """Complete the login actions of a rule with ELB's defaults and the secret that it keeps.

    ``before`` are the rule's actions until now. Raises Refused for what the API reference (Action,
    AuthenticateOidcActionConfig) does not allow; the words are ours but for the secret's (amazon.aws issue 1877).
    """
    if len(actions) > 1 and len({each.get("Order") for each in actions} - {None}) < len(actions):
        raise _wrong("Each of several actions needs an order of its own")
    for action in (action for action in actions if action["Type"] == OIDC):
        if protocol != "HTTPS":
            raise _wrong(f"Actions of type '{OIDC}' need an HTTPS listener")
        if max(actions, key=lambda one: int(one.get("Order", 0))) is action:
            raise _wrong("The last action must be forward, redirect or fixed-response")
        _login(action["AuthenticateOidcConfig"], before)


def _login(config: dict[str, Any], before: list[dict[str, Any]]) -> None:
    keep = str(config.pop("UseExistingClientSecret", False)).lower() == "true"
    if keep and config.get("ClientSecret"):
        raise _wrong(
            "You cannot both specify a client secret and set UseExistingClientSecret to true"
        )
    known = [
        each["AuthenticateOidcConfig"]["ClientSecret"] for each in before if each["Type"] == OIDC
    ]
    if keep and known:
        config["ClientSecret"] = known[0]
    if not config.get("ClientSecret"):
        raise _wrong("A client secret must be specified")
    for name, value in OIDC_DEFAULTS.items():
        config.setdefault(name, value)


def _wrong(words: str) -> Refused:
    return Refused("InvalidLoadBalancerAction", words)


_create, _modify = models.ELBv2Backend.create_rule, models.ELBv2Backend.modify_rule
_create_balancer = models.ELBv2Backend.create_load_balancer


def install() -> None:
    """Make moto keep login actions as ELB does, set the default scheme, and forget a group's former balancers."""
    models.ELBv2Backend.create_load_balancer = _created_balancer  # type: ignore[assignment, method-assign]
    models.ELBv2Backend.create_rule = _created  # type: ignore[assignment, method-assign]
    models.ELBv2Backend.modify_rule = _modified  # type: ignore[method-assign]
    models.FakeTargetGroup.load_balancer_arns = property(_balancers, lambda *_: None)  # type: ignore[assignment]


def _balancers(group: models.FakeTargetGroup) -> list[str]:
    """Return the ARNs of the load balancers that forward to a target group (API reference, LoadBalancerArns)."""
    return [balancer.arn for balancer, arn in balanced() if arn == group.arn]


OFF = (
    *("access_logs.s3", "connection_logs.s3", "health_check_logs.s3", "waf.fail_open"),
    *("routing.http.drop_invalid_header_fields", "routing.http.preserve_host_header"),
    *("routing.http.x_amzn_tls_version_and_cipher_suite", "routing.http.xff_client_port"),
    "zonal_shift.config",
)
NEW = {
    **{f"{name}.enabled": "false" for name in OFF},
    **{"client_keep_alive.seconds": "3600", "idle_timeout.timeout_seconds": "60"},
    **{"load_balancing.cross_zone.enabled": "true", "routing.http2.enabled": "true"},
    "routing.http.desync_mitigation_mode": "defensive",
    "routing.http.xff_header_processing.mode": "append",
}
"""The attributes of a new Application Load Balancer (API reference, LoadBalancerAttribute)."""


def _created_balancer(self: Any, **given: Any) -> Any:
    """Create a load balancer that faces the internet by default (API reference, CreateLoadBalancer, Scheme)."""
    made = _create_balancer(self, **given | {"scheme": given.get("scheme") or "internet-facing"})
    if made.type == "application":
        made.attrs |= NEW
    return made


def _created(self: Any, listener_arn: str, **params: Any) -> Any:
    logins(params["actions"], [], _protocol(self, listener_arn))
    return _create(self, listener_arn, **params)


def _modified(self: Any, rule_arn: str, conditions: Any, actions: Any) -> Any:
    [rule] = self.describe_rules(listener_arn=None, rule_arns=[rule_arn])
    logins(actions, [action.data for action in rule.actions], _protocol(self, rule.listener_arn))
    return _modify(self, rule_arn, conditions, actions)


def _protocol(elb: Any, listener_arn: str) -> str:
    [listener] = elb.describe_listeners(None, [listener_arn])
    return str(listener.protocol)


def _slow_check(given: Params) -> tuple[int, int] | None:
    """Return the timeout and the interval of a health check that would not end before the next one."""
    group = backend("elbv2").target_groups.get(given.get("TargetGroupArn"))
    interval, timeout = (
        int(given.get(f"HealthCheck{name}") or getattr(group, snake, None) or usual)
        for name, snake, usual in (
            ("IntervalSeconds", "health_check_interval_seconds", 30),
            ("TimeoutSeconds", "health_check_timeout_seconds", 5),
        )
    )
    return (timeout, interval) if timeout >= interval else None


DELIVERY = "logdelivery.elasticloadbalancing.amazonaws.com"


def _closed_bucket(given: Params) -> str | None:
    """Return a log bucket that ELB may not write to: it writes a test file below the prefix.

    ELB user guide, "Enable access logs for your Application Load Balancer", by the service's principal.
    """
    wanted = {item["Key"]: item["Value"] for item in given.get("Attributes") or []}
    if str(wanted.get("access_logs.s3.enabled")).lower() != "true":
        return None
    name, prefix = (
        str(wanted.get(f"access_logs.s3.{attribute}") or "") for attribute in ("bucket", "prefix")
    )
    folder = "/".join(filter(None, (name, prefix, "AWSLogs", ACCOUNT)))
    context = {
        "aws:SecureTransport": "true",
        "aws:SourceAccount": ACCOUNT,
        "aws:SourceArn": given["LoadBalancerArn"],
        "s3:x-amz-acl": "bucket-owner-full-control",
    }
    file = f"arn:aws:s3:::{folder}/ELBAccessLogTestFile"
    buckets = backend("s3").buckets
    policy = read(buckets[name].policy or "") if name in buckets else None
    return None if admits(policy or {}, DELIVERY, "s3:PutObject", file, context) else name


TARGETS = [
    ip_network(cidr) for cidr in ("10.0.0.0/8", "100.64.0.0/10", "172.16.0.0/12", "192.168.0.0/16")
]
"""Where a target of type ip may lie beside the VPC's own ranges (ELB user guide, "Target type")."""


def _protected(given: Params) -> Any:
    held = backend("elbv2").load_balancers.get(given["LoadBalancerArn"])
    protects = held and str(held.attrs.get("deletion_protection.enabled")).lower() == "true"
    return held.arn if protects else None


def _taken(given: Params) -> Any:
    """Return the name of a load balancer that exists with another scheme; other settings are not compared."""
    name, scheme = given["Name"], given.get("Scheme") or "internet-facing"
    found = [each for each in backend("elbv2").load_balancers.values() if each.name == name]
    return next((name for each in found if (each.scheme or "internet-facing") != scheme), None)


def _default_rule(given: Params) -> Any:
    rules = (rule for listener in listeners() for rule in listener.rules.values())
    return next((e.arn for e in rules if e.arn == given["RuleArn"] and e.is_default), None)


def _addresses(given: Params) -> list[str]:
    group = backend("elbv2").target_groups[given["TargetGroupArn"]]
    return [target["Id"] for target in given["Targets"]] if group.target_type == "ip" else []


def _no_address(given: Params) -> Any:
    return next((address for address in _addresses(given) if not network(f"{address}/32")), None)


def _outside(given: Params) -> Any:
    vpc = backend("ec2").vpcs[backend("elbv2").target_groups[given["TargetGroupArn"]].vpc_id]
    allowed = [*TARGETS, ip_network(vpc.cidr_block)]
    found = ((address, ip_address(address)) for address in _addresses(given))
    return next((text for text, each in found if not any(each in net for net in allowed)), None)


SECONDS = range(1, 604801)
ATTRIBUTES: dict[str, Form] = {
    "access_logs.s3.bucket": ".*",
    "access_logs.s3.prefix": ".*",
    "client_keep_alive.seconds": range(60, 604801),
    "connection_logs.s3.bucket": ".*",
    "connection_logs.s3.prefix": ".*",
    "health_check_logs.s3.bucket": ".*",
    "health_check_logs.s3.prefix": ".*",
    "idle_timeout.timeout_seconds": range(1, 4001),
    "routing.http.desync_mitigation_mode": "monitor|defensive|strictest",
    "routing.http.xff_header_processing.mode": "append|preserve|remove",
    "deregistration_delay.timeout_seconds": range(3601),
    "load_balancing.algorithm.anomaly_mitigation": "on|off",
    "load_balancing.algorithm.type": "round_robin|least_outstanding_requests|weighted_random",
    "load_balancing.cross_zone.enabled": "true|false|use_load_balancer_configuration",
    "slow_start.duration_seconds": {"0", *map(str, range(30, 901))},
    "stickiness.app_cookie.cookie_name": "(?!AWSALB).*",
    "stickiness.app_cookie.duration_seconds": SECONDS,
    "stickiness.lb_cookie.duration_seconds": SECONDS,
    "stickiness.type": "lb_cookie|app_cookie|source_ip|source_ip_dest_ip|source_ip_dest_ip_proto",
}
"""The values of attributes (API reference, LoadBalancerAttribute and TargetGroupAttribute). What ends with "enabled" is
true or false, and the thresholds of "target_group_health" are numbers or off."""


def _wrong_attribute(given: Params) -> str | None:
    for attribute in given["Attributes"]:
        key = attribute["Key"]
        usual = (
            "true|false" if key.endswith(".enabled") else r"\d+|off" if "_health." in key else None
        )
        form = ATTRIBUTES.get(key, usual)
        if form is None or not keeps(form, attribute.get("Value") or ""):
            return str(key)
    return None


def _unfitting_attributes(given: Params) -> str | None:
    """Return why attributes do not go together (API reference, TargetGroupAttribute); the words are ours."""
    group = backend("elbv2").target_groups[given["TargetGroupArn"]]
    have = {**group.attributes, **{each["Key"]: each.get("Value") for each in given["Attributes"]}}
    algorithm = have.get("load_balancing.algorithm.type", "round_robin")
    if (
        have.get("load_balancing.algorithm.anomaly_mitigation") == "on"
        and algorithm != "weighted_random"
    ):
        return "Anomaly mitigation needs the algorithm weighted_random"
    if have.get("slow_start.duration_seconds", "0") != "0" and algorithm != "round_robin":
        return "Slow start needs the algorithm round_robin"
    named = have.get("stickiness.app_cookie.cookie_name")
    if (
        have.get("stickiness.enabled") == "true"
        and have.get("stickiness.type") == "app_cookie"
        and not named
    ):
        return "Stickiness of the type app_cookie needs stickiness.app_cookie.cookie_name"
    return None


def _actions(given: Params) -> list[Params]:
    return given.get("Actions") or given.get("DefaultActions") or []


def _loops(given: Params) -> bool:
    """Return whether a redirect changes neither protocol, host, port, path nor query (RedirectActionConfig)."""
    same = {
        "Host": "#{host}",
        "Path": "/#{path}",
        "Port": "#{port}",
        "Protocol": "#{protocol}",
        "Query": "#{query}",
    }
    redirects = [each["RedirectConfig"] for each in _actions(given) if each.get("RedirectConfig")]
    return any(all(redirect.get(k, v) == v for k, v in same.items()) for redirect in redirects)


def _balancer(given: Params) -> Any:
    """Return the load balancer of a listener or a rule, given by an ARN of them; None for an unknown one."""
    arn, listener = given.get("LoadBalancerArn"), given.get("ListenerArn") or given.get("RuleArn")
    held = backend("elbv2").load_balancers.values()
    mine = (e for e in held if e.arn == arn or listener in e.listeners or listener in _rule_arns(e))
    return next(mine, None)


def _rule_arns(balancer: Any) -> set[str]:
    return {rule.arn for each in balancer.listeners.values() for rule in each.rules.values()}


def _forwarded(given: Params) -> list[Any]:
    """Return the target groups of a call's actions, in either form."""
    known = backend("elbv2").target_groups
    tuples = [
        each
        for one in _actions(given)
        for each in (one, *(one.get("ForwardConfig") or {}).get("TargetGroups", ()))
    ]
    return [known[arn] for group in tuples if (arn := group.get("TargetGroupArn")) in known]


def _other_vpc(given: Params) -> Any:
    """Return a target group that lies in another VPC than the listener's load balancer."""
    vpc = getattr(_balancer(given), "vpc_id", None)
    return next((group.arn for group in _forwarded(given) if vpc and group.vpc_id != vpc), None)


def _taken_group(given: Params) -> Any:
    """Return a target group that another load balancer has (ELB quotas: one for a target group)."""
    arn = getattr(_balancer(given), "arn", None)
    others = (group for group in _forwarded(given) if {*group.load_balancer_arns} - {arn})
    return next((other.arn for other in others if arn), None)


OIDC_URLS = ("Issuer", "AuthorizationEndpoint", "TokenEndpoint", "UserInfoEndpoint")
CONFIGURED = {
    "fixed-response": ("FixedResponseConfig",),
    "forward": ("ForwardConfig", "TargetGroupArn"),
    "redirect": ("RedirectConfig",),
}
"""What an action of each type must have (API reference, Action)."""
CONFIGURATION = "InvalidConfigurationRequest"

# fmt: off
REFUSALS: Refusals = {
    "acm DeleteCertificate": (
        ("ResourceInUseException", f"Certificate {{}} in account {ACCOUNT} is in use.", lambda p: next((
            listener.certificate for listener in listeners() if listener.certificate == p["CertificateArn"]), None)),
    ),
    "elbv2 CreateListener ModifyListener": (
        ("DuplicateListener", "A listener already exists on this port for this load balancer", _port_is_taken),
        ("UnsupportedOperation", "the rehearsal does not implement a login in a listener's default action",
         lambda p: any(action["Type"] == OIDC for action in _actions(p))),
    ),
    "elbv2 CreateListener": (
        ("ValidationError", "Listeners with the protocol HTTP have no certificate and no SSL policy",
         lambda p: p.get("Protocol") == "HTTP" and (p.get("Certificates") or p.get("SslPolicy"))),
        ("CertificateNotFound", "A certificate must be specified for HTTPS listeners",
         lambda p: p.get("Protocol") == "HTTPS" and not p.get("Certificates")),
        ("SSLPolicyNotFound", "SSL policy '{}' not found", lambda p: (
            (name := p.get("SslPolicy")) and name not in SSL_POLICIES and name)),
    ),
    "elbv2 DeleteTargetGroup": (
        ("ResourceInUse", "Target group '{}' is currently in use by a listener or a rule", _in_use),
    ),
    "elbv2 CreateLoadBalancer SetSubnets SetSecurityGroups": (
        ("SubnetNotFound", "The subnet ID '{}' does not exist",
         lambda p: next((subnet for subnet in _subnet_ids(p) if elsewhere([subnet])), None)),
        ("InvalidSecurityGroup", "The security group '{}' does not exist",
         lambda p: next((group for group in p.get("SecurityGroups") or () if elsewhere([group])), None)),
        (CONFIGURATION, "The subnets and security groups must be of one VPC, unlike '{}'",
         lambda p: elsewhere([*_subnet_ids(p), *(p.get("SecurityGroups") or ())])),
        (CONFIGURATION, "A load balancer cannot be attached to multiple subnets in the same Availability Zone",
         lambda p: (zones := [subnet.availability_zone for subnet in _subnets(p)]) and len({*zones}) < len(zones)),
    ),
    "elbv2 CreateLoadBalancer": (
        (CONFIGURATION, "You must specify subnets with an associated IPv6 CIDR block.", lambda p: (
            "dualstack" in (p.get("IpAddressType") or "")
            and not all(subnet.ipv6_cidr_block_associations for subnet in _subnets(p)))),
        (CONFIGURATION, "At least two subnets in two different Availability Zones must be specified",
         lambda p: len({subnet.availability_zone for subnet in _subnets(p)}) < 2),
        ("InvalidSubnet", "VPC {} has no internet gateway", _without_gateway),
        ("DuplicateLoadBalancerName", "A load balancer with the same name '{}' exists, but with different settings",
         _taken),
    ),
    "elbv2 DeleteLoadBalancer": (  # recorded by cloud-custodian
        ("OperationNotPermitted", "Load balancer '{}' cannot be deleted because deletion protection is enabled",
         _protected),
    ),
    "elbv2 DeleteRule": (
        ("RuleNotFound", "One or more rules not found",
         lambda p: not any(p["RuleArn"] == rule.arn for listener in listeners() for rule in listener.rules.values())),
        ("OperationNotPermitted", "Default rule '{}' cannot be deleted", _default_rule),
    ),
    "elbv2 RegisterTargets": (
        ("ValidationError", "The IP address '{}' is not a valid IPv4 or IPv6 address", _no_address),
        ("ValidationError", "The Availability Zone '{}' is not one of the region", lambda p: next((
            zone for target in p["Targets"] if (zone := target.get("AvailabilityZone")) not in (None, "all", *(
                e.name for e in backend("ec2").describe_availability_zones()))), None)),
        ("ValidationError", "The IP address '{}' is not within a valid range for the target group", _outside),
    ),
    "elbv2 CreateTargetGroup": (
        ("ValidationError", "The codes of a matcher must be {}", lambda p: (grpc := p.get("ProtocolVersion") == "GRPC")
         != ("GrpcCode" in p["Matcher"]) and ("GrpcCode" if grpc else "HttpCode")),
        ("UnsupportedOperation", "the rehearsal speaks HTTP/1.1 with targets, not {}",
         lambda p: other_than("(HTTP1)?", p.get("ProtocolVersion"))),
    ),
    "elbv2 SetIpAddressType": (
        (CONFIGURATION, "You must specify subnets with an associated IPv6 CIDR block.", lambda p: (
            "dualstack" in p["IpAddressType"] and not all(
                subnet.ipv6_cidr_block_associations
                for subnet in backend("elbv2").load_balancers[p["LoadBalancerArn"]].subnets))),
    ),
    # API reference, ModifyTargetGroup: of instance, ip and alb they cannot be disabled; the words are ours.
    "elbv2 CreateTargetGroup ModifyTargetGroup": (
        ("ValidationError", "The health check protocol of an HTTP or HTTPS target group must be HTTP or HTTPS: {}",
         lambda p: (p.get("Protocol") or backend("elbv2").target_groups[p["TargetGroupArn"]].protocol)
         in ("HTTP", "HTTPS") and other_than("HTTPS?", p.get("HealthCheckProtocol"))),
        ("ValidationError", "Health checks of this target type cannot be disabled",
         lambda p: str(p.get("HealthCheckEnabled")).lower() == "false" and p.get("TargetType") != "lambda"),
        ("ValidationError", "Health check timeout '{0[0]}' must be smaller than the interval '{0[1]}'", _slow_check),
    ),
    # ELB user guide, "Condition types for listener rules". The first message is of aws-cli issue 9792; the second is
    # made after the one for values, of aws-cdk issue 10065.
    "elbv2 CreateRule": (
        ("ValidationError", "A rule must have at least one condition", lambda p: not p.get("Conditions")),
        ("ValidationError", "A condition of the field {} must have values", lambda p: next((
            condition["Field"] for condition in p["Conditions"] if not any(
                value.get("Values") if isinstance(value, dict) else isinstance(value, list) and value
                for value in condition.values())), None)),
        ("ValidationError", "Rules can only have one condition of the field {}", lambda p: twice(
            each["Field"] for each in p["Conditions"] if each["Field"] not in ("http-header", "query-string"))),
    ),
    "elbv2 CreateRule CreateListener": (  # hashicorp/terraform-provider-aws issue 40022
        ("ValidationError", "An action must be specified", lambda p: not _actions(p)),
    ),
    "elbv2 CreateRule ModifyRule": (
        ("ValidationError", "The host name '{}' is not valid", lambda p: next(
            (value for condition in p.get("Conditions") or () if condition["Field"] == "host-header"
             for value in condition.get("Values") or () if other_than(HOST, value)), None)),
        ("ValidationError", "Condition value '{}' contains a character that is not valid",
         lambda p: next((pattern for pattern in _patterns(p) if not PATH_PATTERN.fullmatch(pattern)), None)),
        ("ValidationError", f"A rule can only have '{MOST_WILDCARDS}' condition wildcards",
         lambda p: sum(pattern.count("*") + pattern.count("?") for pattern in _patterns(p)) > MOST_WILDCARDS),
    ),
    "elbv2 CreateListener ModifyListener CreateRule ModifyRule": (
        ("InvalidLoadBalancerAction", "The redirect configuration is not valid because it creates a loop.", _loops),
        ("InvalidLoadBalancerAction", "There must be exactly one action that ends a request",
         lambda p: len([action for action in _actions(p) if not action["Type"].startswith("authenticate-")]) > 1),
        ("InvalidLoadBalancerAction", "{} must be a full URL, including the HTTPS protocol", lambda p: next((
            name for action in _actions(p) if action.get("AuthenticateOidcConfig") for name in OIDC_URLS
            if other_than("https://.+", action["AuthenticateOidcConfig"].get(name) or "-")), None)),
        ("ValidationError", "An action of the type {} needs its configuration", lambda p: next((
            action["Type"] for action in _actions(p)
            if not any(map(action.get, CONFIGURED.get(action["Type"], action)))), None)),
        (CONFIGURATION, "The following target groups have different VPC than the load balancer: {}", _other_vpc),
        ("TargetGroupAssociationLimit", "The following target groups cannot be associated with more than one load "
         "balancer: {}", _taken_group),
    ),
    "elbv2 ModifyLoadBalancerAttributes": (
        ("ValidationError", "Load balancer attribute '{}' has an invalid value", _wrong_attribute),
        (CONFIGURATION, "Access Denied for bucket: {}. Please check S3bucket permission", _closed_bucket),
    ),
    "elbv2 ModifyTargetGroupAttributes": (
        ("ValidationError", "Target group attribute '{}' is not recognized or has an invalid value", _wrong_attribute),
        ("ValidationError", "{}", _unfitting_attributes),
    ),
}
# fmt: on
"""What ``hooks.register`` refuses."""
