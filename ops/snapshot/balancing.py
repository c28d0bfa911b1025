"""Asks Elastic Load Balancing for the load balancer, the target group and its targets."""

from __future__ import annotations

from typing import Any

from ops.aws import AwsProblem, Session
from ops.snapshot.entrance import (
    Balancer,
    Certificate,
    Check,
    Condition,
    Listener,
    Rule,
    Target,
    TargetGroup,
)


def target_group(session: Session, name: str) -> TargetGroup | None:
    """The target group of that name. Raises AwsProblem."""
    found = session.all("elbv2", "describe_target_groups", "TargetGroups", Names=[name])
    if not found:
        return None
    raw = found[0]
    arn = raw["TargetGroupArn"]
    answer = session.call("elbv2", "describe_target_group_attributes", TargetGroupArn=arn)
    attributes = {each["Key"]: each["Value"] for each in answer["Attributes"]}
    return TargetGroup(
        arn=arn,
        name=raw["TargetGroupName"],
        protocol=raw.get("Protocol", ""),
        kind=raw.get("TargetType", ""),
        vpc=raw.get("VpcId", ""),
        check=_check(raw),
        balancers=tuple(raw.get("LoadBalancerArns", ())),
        deregistration=int(attributes.get("deregistration_delay.timeout_seconds", 300)),
    )


def _check(raw: dict[str, Any]) -> Check:
    return Check(
        enabled=raw.get("HealthCheckEnabled", True),
        protocol=raw.get("HealthCheckProtocol", "HTTP"),
        port=raw.get("HealthCheckPort", "traffic-port"),
        path=raw.get("HealthCheckPath", "/"),
        matcher=(raw.get("Matcher") or {}).get("HttpCode", "200"),
        interval=raw.get("HealthCheckIntervalSeconds", 30),
        timeout=raw.get("HealthCheckTimeoutSeconds", 5),
        healthy=raw.get("HealthyThresholdCount", 5),
        unhealthy=raw.get("UnhealthyThresholdCount", 2),
    )


def targets(session: Session, group_arn: str) -> tuple[Target, ...]:
    """The registered targets. Raises AwsProblem."""
    answer = session.call("elbv2", "describe_target_health", TargetGroupArn=group_arn)
    return tuple(map(target_of, answer["TargetHealthDescriptions"]))


def target_of(raw: dict[str, Any]) -> Target:
    """DescribeTargetHealth's answer as a record."""
    return Target(
        address=raw["Target"]["Id"],
        port=raw["Target"].get("Port", 0),
        state=raw["TargetHealth"]["State"],
        reason=raw["TargetHealth"].get("Reason", ""),
        description=raw["TargetHealth"].get("Description", ""),
    )


def balancer(session: Session, name: str, rules: bool = True) -> Balancer | None:
    """The load balancer of that name, with the rules of its listeners if wanted. Raises AwsProblem."""
    found = session.all("elbv2", "describe_load_balancers", "LoadBalancers", Names=[name])
    if not found:
        return None
    raw = found[0]
    arn = raw["LoadBalancerArn"]
    listeners = session.all("elbv2", "describe_listeners", "Listeners", LoadBalancerArn=arn)
    return Balancer(
        arn=arn,
        name=raw["LoadBalancerName"],
        dns=raw["DNSName"],
        scheme=raw.get("Scheme", ""),
        state=(raw.get("State") or {}).get("Code", ""),
        vpc=raw.get("VpcId", ""),
        subnets=tuple(each["SubnetId"] for each in raw.get("AvailabilityZones", ())),
        groups=tuple(raw.get("SecurityGroups", ())),
        listeners=tuple(_listener(session, each, rules) for each in listeners),
    )


def _listener(session: Session, raw: dict[str, Any], rules: bool) -> Listener:
    arn = raw["ListenerArn"]
    found = session.all("elbv2", "describe_rules", "Rules", ListenerArn=arn) if rules else []
    certificates = [each["CertificateArn"] for each in raw.get("Certificates", ()) if rules]
    return Listener(
        arn=arn,
        port=raw.get("Port", 0),
        protocol=raw.get("Protocol", ""),
        rules=tuple(_rule(each) for each in found),
        certificate=_certificate(session, certificates[0]) if certificates else None,
    )


def _certificate(session: Session, arn: str) -> Certificate:
    """A listener takes certificates of IAM as well, of which ACM knows nothing."""
    if ":acm:" not in arn:
        return Certificate(arn)
    try:
        answer = session.call("acm", "describe_certificate", CertificateArn=arn)
    except AwsProblem:
        return Certificate(arn)
    return Certificate(arn, answer["Certificate"].get("Status", ""))


def _rule(raw: dict[str, Any]) -> Rule:
    actions = raw.get("Actions", ())
    groups = [each.get("TargetGroupArn") for each in actions]
    for action in actions:
        forward = action.get("ForwardConfig") or {}
        shares = forward.get("TargetGroups", ())
        groups += [each["TargetGroupArn"] for each in shares if each.get("Weight", 1)]
    return Rule(
        priority=raw["Priority"],
        action=actions[-1]["Type"] if actions else "",
        groups=tuple(dict.fromkeys(each for each in groups if each)),
        conditions=tuple(_condition(each) for each in raw.get("Conditions", ())),
        arn=raw.get("RuleArn", ""),
    )


CONFIGS = {
    "path-pattern": "PathPatternConfig",
    "host-header": "HostHeaderConfig",
    "http-header": "HttpHeaderConfig",
    "http-request-method": "HttpRequestMethodConfig",
    "query-string": "QueryStringConfig",
    "source-ip": "SourceIpConfig",
}
REGEX = "regex"
"""The field of a condition that regular expressions make, whatever they look at."""


def _condition(raw: dict[str, Any]) -> Condition:
    config = raw.get(CONFIGS.get(raw["Field"], "")) or {}
    if regular := config.get("RegexValues") or raw.get("RegexValues"):
        return Condition(REGEX, tuple(regular))
    values = config.get("Values") or raw.get("Values", ())
    return Condition(raw["Field"], tuple(str(each) for each in values))
