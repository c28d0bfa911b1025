"""AWS's rules for load balancers, listeners and target groups that moto lacks."""

import json
import re
from typing import Any

from moto.elbv2 import models

from local_cloud.aws.ec2.rules import internet_gateway
from local_cloud.aws.hooks import ACCOUNT, Params, Refused, backend, before


@before("elbv2", "CreateLoadBalancer")
def two_zones(params: Params) -> None:
    subnets = backend("ec2").describe_subnets(subnet_ids=_subnets(params))
    if len({subnet.availability_zone for subnet in subnets}) < 2:
        raise Refused(
            "InvalidConfigurationRequest",
            "At least two subnets in two different Availability Zones must be specified",
        )


@before("elbv2", "CreateLoadBalancer")
def balancer_needs_internet_gateway(params: Params) -> None:
    """Refuse a load balancer without an internet gateway. Error message: openshift/installer issue 1110."""
    if params.get("Scheme") == "internal":
        return
    for subnet in backend("ec2").describe_subnets(subnet_ids=_subnets(params)):
        if not internet_gateway(subnet.vpc_id):
            raise Refused("InvalidSubnet", f"VPC {subnet.vpc_id} has no internet gateway")


def _subnets(params: Params) -> list[str]:
    mappings = params.get("SubnetMappings") or []
    return params.get("Subnets") or [mapping["SubnetId"] for mapping in mappings]


@before("elbv2", "CreateLoadBalancer")
def short_name(params: Params) -> None:
    if len(params["Name"]) > 32:
        words = f"The load balancer name '{params['Name']}' cannot be longer than '32' characters"
        raise Refused("ValidationError", words)


@before("elbv2", "CreateListener")
def one_listener_a_port(params: Params) -> None:
    balancer = backend("elbv2").load_balancers[params["LoadBalancerArn"]]
    if any(
        str(listener.port) == str(params.get("Port")) for listener in balancer.listeners.values()
    ):
        words = "A listener already exists on this port for this load balancer"
        raise Refused("DuplicateListener", words)
    if params.get("Protocol") == "HTTPS" and not params.get("Certificates"):
        words = "A certificate must be specified for HTTPS listeners"
        raise Refused("CertificateNotFound", words)


PATH_PATTERN = re.compile(r"[A-Za-z0-9_.$/~\"'@:+&*?-]*")
MOST_WILDCARDS = 5


@before("elbv2", "CreateRule")
@before("elbv2", "ModifyRule")
def path_patterns(params: Params) -> None:
    """Refuse patterns that ELB does not take (user guide, "Condition types for listener rules").

    The first message is of aws-cli issue 9792; the second is made after the one for values, of aws-cdk issue 10065.
    """
    patterns = [
        value
        for each in params.get("Conditions") or []
        if each["Field"] == "path-pattern"
        for value in (each.get("PathPatternConfig") or each)["Values"]
    ]
    for value in patterns:
        if not PATH_PATTERN.fullmatch(value):
            words = f"Condition value '{value}' contains a character that is not valid"
            raise Refused("ValidationError", words)
    if sum(value.count("*") + value.count("?") for value in patterns) > MOST_WILDCARDS:
        words = f"A rule can only have '{MOST_WILDCARDS}' condition wildcards"
        raise Refused("ValidationError", words)


OIDC = "authenticate-oidc"
OIDC_DEFAULTS: dict[str, Any] = {
    "SessionCookieName": "AWSELBAuthSessionCookie",
    "Scope": "openid",
    "SessionTimeout": 604800,
    "OnUnauthenticatedRequest": "authenticate",
}
"""API reference, AuthenticateOidcActionConfig. ELB describes them, too."""
OIDC_URLS = ("Issuer", "AuthorizationEndpoint", "TokenEndpoint", "UserInfoEndpoint")


def logins(actions: list[dict[str, Any]], before: list[dict[str, Any]], protocol: str) -> None:
    """Complete the login actions of a rule with ELB's defaults and the secret that it keeps.

    ``before`` are the rule's actions until now. Raises Refused for what the API reference (Action,
    AuthenticateOidcActionConfig) does not allow; the words are ours but for the secret's (amazon.aws issue 1877).
    """
    if len(actions) > 1 and len({each.get("Order") for each in actions} - {None}) < len(actions):
        raise _wrong("Each of several actions needs an order of its own")
    for each in (each for each in actions if each["Type"] == OIDC):
        if protocol != "HTTPS":
            raise _wrong(f"Actions of type '{OIDC}' need an HTTPS listener")
        if max(actions, key=lambda one: int(one.get("Order", 0))) is each:
            raise _wrong("The last action must be forward, redirect or fixed-response")
        _login(each["AuthenticateOidcConfig"], before)


def _login(config: dict[str, Any], before: list[dict[str, Any]]) -> None:
    for name in OIDC_URLS:
        if not str(config.get(name, "")).startswith("https://"):
            raise _wrong(f"{name} must be a full URL, including the HTTPS protocol")
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


def install() -> None:
    """Make moto keep the login actions of rules as ELB does, and never describe their secret."""
    models.ELBv2Backend.create_rule = _created  # type: ignore[assignment, method-assign]
    models.ELBv2Backend.modify_rule = _modified  # type: ignore[method-assign]


def _created(self: Any, listener_arn: str, **params: Any) -> Any:
    logins(params["actions"], [], _protocol(self, listener_arn))
    return _without_secret(_create(self, listener_arn, **params))


def _modified(self: Any, rule_arn: str, conditions: Any, actions: Any) -> Any:
    [rule] = self.describe_rules(listener_arn=None, rule_arns=[rule_arn])
    logins(actions, [each.data for each in rule.actions], _protocol(self, rule.listener_arn))
    return _without_secret(_modify(self, rule_arn, conditions, actions))


def _without_secret(rule: Any) -> Any:
    for action in (each for each in rule.actions if each.type == OIDC):
        shown = dict(action.data["AuthenticateOidcConfig"])
        shown.pop("ClientSecret")
        action.AuthenticateOidcConfig = shown  # `data`, by which the balancer works, keeps it.
    return rule


@before("elbv2", "CreateListener")
@before("elbv2", "ModifyListener")
def no_login_by_default(params: Params) -> None:
    if any(each["Type"] == OIDC for each in params.get("DefaultActions") or []):
        raise NotImplementedError("a login in a listener's default action")


def _protocol(elb: Any, listener_arn: str) -> str:
    [listener] = elb.describe_listeners(None, [listener_arn])
    return str(listener.protocol)


@before("elbv2", "CreateTargetGroup")
def _health_check(params: Params) -> None:
    interval = int(params.get("HealthCheckIntervalSeconds") or 30)
    timeout = int(params.get("HealthCheckTimeoutSeconds") or 5)
    if timeout >= interval:
        raise Refused(
            "ValidationError",
            f"Health check timeout '{timeout}' must be smaller than the interval '{interval}'",
        )
    path = params.get("HealthCheckPath")
    if path is not None and not str(path).startswith("/"):
        raise Refused("ValidationError", f"Health check path '{path}' must start with '/'")


@before("elbv2", "ModifyTargetGroup")
def changed_health_check(params: Params) -> None:
    group = backend("elbv2").target_groups.get(params["TargetGroupArn"])
    now: dict[str, Any] = {}
    if group:
        now = {
            "HealthCheckIntervalSeconds": group.health_check_interval_seconds,
            "HealthCheckTimeoutSeconds": group.health_check_timeout_seconds,
        }
    _health_check({**now, **params})


@before("elbv2", "DeleteTargetGroup")
def target_group_unused(params: Params) -> None:
    arn = params["TargetGroupArn"]
    for balancer in backend("elbv2").load_balancers.values():
        for listener in balancer.listeners.values():
            if arn in str(listener.default_actions) or arn in str(list(listener.rules.values())):
                words = f"Target group '{arn}' is currently in use by a listener or a rule"
                raise Refused("ResourceInUse", words)


DELIVERY = "logdelivery.elasticloadbalancing.amazonaws.com"


@before("elbv2", "ModifyLoadBalancerAttributes")
def bucket_takes_logs(params: Params) -> None:
    """Refuse a log bucket that ELB may not write to: ELB writes a test file."""
    wanted = {item["Key"]: item["Value"] for item in params.get("Attributes") or []}
    if str(wanted.get("access_logs.s3.enabled")).lower() != "true":
        return
    name = str(wanted.get("access_logs.s3.bucket"))
    if not any(_lets_it_write(statement, name) for statement in _policy(name)):
        words = f"Access Denied for bucket: {name}. Please check S3bucket permission"
        raise Refused("InvalidConfigurationRequest", words)


def _policy(name: str) -> list[dict[str, Any]]:
    buckets = backend("s3").buckets
    policy = buckets[name].policy if name in buckets else None
    found: list[dict[str, Any]] = json.loads(policy)["Statement"] if policy else []
    return found


def _lets_it_write(statement: dict[str, Any], bucket: str) -> bool:
    who = statement.get("Principal")
    return (
        statement["Effect"] == "Allow"
        and isinstance(who, dict)
        and who.get("Service") == DELIVERY
        and statement["Action"] == "s3:PutObject"
        and statement["Resource"] == f"arn:aws:s3:::{bucket}/AWSLogs/{ACCOUNT}/*"
    )
