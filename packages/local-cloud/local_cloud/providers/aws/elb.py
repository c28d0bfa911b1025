"""Load balancers, target groups, listeners and their rules."""

import json
from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError

from local_cloud.calls import Calls
from local_cloud.providers.kind import (
    Kind,
    Setting,
    Subject,
    Values,
    attributes,
    clean,
    modify,
    on_change,
    path,
    paths,
    regular,
)
from local_cloud.providers.lifecycle import call_create

BALANCER_ATTRIBUTES = {
    "clientKeepAlive": "client_keep_alive.seconds",
    "desyncMitigationMode": "routing.http.desync_mitigation_mode",
    "dropInvalidHeaderFields": "routing.http.drop_invalid_header_fields.enabled",
    "enableDeletionProtection": "deletion_protection.enabled",
    "enableHttp2": "routing.http2.enabled",
    "enableWafFailOpen": "waf.fail_open.enabled",
    "enableZonalShift": "zonal_shift.config.enabled",
    "idleTimeout": "idle_timeout.timeout_seconds",
    "preserveHostHeader": "routing.http.preserve_host_header.enabled",
    "xffHeaderProcessingMode": "routing.http.xff_header_processing.mode",
}
GROUP_ATTRIBUTES = {
    "deregistrationDelay": "deregistration_delay.timeout_seconds",
    "loadBalancingAlgorithmType": "load_balancing.algorithm.type",
    "slowStart": "slow_start.duration_seconds",
}
HEALTH = {
    "enabled": "HealthCheckEnabled",
    "healthyThreshold": "HealthyThresholdCount",
    "interval": "HealthCheckIntervalSeconds",
    "path": "HealthCheckPath",
    "port": "HealthCheckPort",
    "protocol": "HealthCheckProtocol",
    "timeout": "HealthCheckTimeoutSeconds",
    "unhealthyThreshold": "UnhealthyThresholdCount",
}
"""The members of Pulumi's ``healthCheck`` and their names in ELB."""
HEALTH_DEFAULTS = {
    "enabled": True,
    "healthyThreshold": 3,
    "interval": 30,
    "port": "traffic-port",
    "protocol": "HTTP",
    "unhealthyThreshold": 3,
}
"""What the provider sends for members that a ``healthCheck`` leaves out (pulumi_aws, TargetGroupHealthCheckArgs)."""


SECRET = {
    "clientSecret": "ELB does not return it; the provider keeps that of its state (listener_rule.go)"
}


def _attribute(key: str) -> str:
    """Return the path of an attribute in ELB's list of them."""
    return f"Attributes[?Key=='{key}'].Value | [0]"


def _value(key: str) -> Callable[[Subject, Values], Any]:
    """Return what reads an attribute as the provider does. ELB tells numbers and switches as texts, too."""

    def read(_: Subject, found: Values) -> Any:
        text = str(path(_attribute(key), found) or "")
        return json.loads(text) if text.isdigit() or text in ("true", "false") else text or None

    return read


def _log(subject: Subject) -> None:
    """Turn access logs off where `accessLogs` is not set, as the provider does."""
    logs = subject.inputs.get("accessLogs") or {}
    wanted = {"enabled": str(bool(logs.get("enabled"))).lower(), "bucket": logs.get("bucket")}
    attributes = [
        {"Key": f"access_logs.s3.{name}", "Value": value} for name, value in wanted.items() if value
    ]
    subject.call("modify_load_balancer_attributes", Attributes=attributes)


def _balancer(inputs: Values) -> Values:
    """Convert ``internal`` and ``loadBalancerType`` to ELB's ``scheme`` and ``type``."""
    renamed = {"internal", "loadBalancerType"}
    return {name: value for name, value in inputs.items() if name not in renamed} | {
        "scheme": "internal" if inputs.get("internal") else "internet-facing",
        "type": inputs.get("loadBalancerType", "application"),
    }


BALANCER = regular(
    "aws:lb/loadBalancer:LoadBalancer",
    "LoadBalancerArn",
    replaces="internal loadBalancerType",
    prepare=_balancer,
    settings=(
        attributes("modify_load_balancer_attributes", BALANCER_ATTRIBUTES),
        Setting(inputs=("accessLogs",), apply=_log),
        modify("set_security_groups", "securityGroups"),
        modify("set_subnets", "subnets"),
    ),
    defaults={
        **{"desyncMitigationMode": "defensive", "dropInvalidHeaderFields": False},
        **{"enableDeletionProtection": False, "enableHttp2": True, "idleTimeout": 60},
        **{"preserveHostHeader": False, "xffHeaderProcessingMode": "append"},
    },
    autoname="name",
    ready=("State.Code", "active"),
    also=("describe_load_balancer_attributes",),
    reads={
        **{name: _value(key) for name, key in BALANCER_ATTRIBUTES.items()},
        "name": "LoadBalancerName",
        "accessLogs": paths(
            {name: _attribute(f"access_logs.s3.{name}") for name in ("bucket", "enabled")}
        ),
        "internal": "Scheme == 'internal'",
        "loadBalancerType": "Type",
        "subnets": "AvailabilityZones[].SubnetId",
    },
    outputs={
        "arn": "LoadBalancerArn",
        "arnSuffix": lambda made, _: made.identity.rpartition(":")[2].removeprefix("loadbalancer/"),
        "dnsName": "DNSName",
        "zoneId": "CanonicalHostedZoneId",
        "vpcId": "VpcId",
    },
)


def _group(inputs: Values) -> Values:
    """Convert ``healthCheck``: in ELB its members are parameters of the target group."""
    flat = {name: value for name, value in inputs.items() if name != "healthCheck"}
    given = clean(inputs.get("healthCheck") or {})
    for name, value in (HEALTH_DEFAULTS | given if given else {}).items():
        if name == "matcher":
            flat["matcher"] = {"HttpCode": str(value)}
        else:
            flat[HEALTH[name]] = value
    return flat


TARGET_GROUP = regular(
    "aws:lb/targetGroup:TargetGroup",
    "TargetGroupArn",
    update="modify_target_group",
    replaces="port protocol protocolVersion targetType vpcId",
    prepare=_group,
    settings=(attributes("modify_target_group_attributes", GROUP_ATTRIBUTES),),
    defaults={"slowStart": 0, "targetType": "instance"},
    autoname="name",
    outputs={
        "arn": "TargetGroupArn",
        "arnSuffix": lambda subject, _: subject.identity.rpartition(":")[2],
        "loadBalancerArns": "LoadBalancerArns",
    },
    also=("describe_target_group_attributes",),
    reads={
        **{name: _value(key) for name, key in GROUP_ATTRIBUTES.items()},
        "name": "TargetGroupName",
        "healthCheck": paths(HEALTH | {"matcher": "Matcher.HttpCode"}),
    },
)


def _listener(inputs: Values) -> Values:
    """Convert the certificate. An Application Load Balancer's protocol is HTTP unless the program has another one.

    The API requires it; the provider sends it (terraform-provider-aws, elbv2/listener.go).
    """
    result = {name: value for name, value in inputs.items() if name != "certificateArn"}
    if not inputs.get("protocol") and "loadbalancer/app/" in str(inputs["loadBalancerArn"]):
        result["protocol"] = "HTTP"
    if inputs.get("certificateArn"):
        result["certificates"] = [{"certificateArn": inputs["certificateArn"]}]
    return result


LISTENER = regular(
    "aws:lb/listener:Listener",
    "ListenerArn",
    update="modify_listener",
    replaces="loadBalancerArn",
    prepare=_listener,
    reads={"certificateArn": "Certificates[0].CertificateArn"},
    unread=SECRET,
    outputs={"arn": "ListenerArn", "port": "Port", "protocol": "Protocol"},
)

CONDITIONS = {
    "hostHeader": ("host-header", "HostHeaderConfig"),
    "httpHeader": ("http-header", "HttpHeaderConfig"),
    "httpRequestMethod": ("http-request-method", "HttpRequestMethodConfig"),
    "pathPattern": ("path-pattern", "PathPatternConfig"),
    "sourceIp": ("source-ip", "SourceIpConfig"),
}


def _condition(condition: Values) -> Values:
    """Convert a condition. One that is read back is empty where another client has put another kind."""
    for name, value in condition.items():
        if value is not None:
            field, member = CONDITIONS[name]
            return {"field": field, member: value}
    return {}


def _rule(inputs: Values) -> Values:
    conditions = [_condition(condition) for condition in inputs["conditions"]]
    return {**inputs, "conditions": conditions}


def _add_rule(calls: Calls, kind: Kind, prepared: Values) -> str:
    """Create a rule, without a priority after all others, as the provider does (listener_rule.go, Create).

    Another rule may get that one at the same time.
    """
    while True:
        priority = prepared.get("priority") or _after_all(calls, prepared["listenerArn"])
        try:
            _, answer = call_create(calls, kind, {**prepared, "priority": priority})
            return str(answer["Rules"][0]["RuleArn"])
        except ClientError as refused:
            if "priority" in prepared or refused.response["Error"]["Code"] != "PriorityInUse":
                raise


def _after_all(calls: Calls, listener: str) -> int:
    found = path("Rules[].Priority", calls("elbv2", "describe_rules", {"ListenerArn": listener}))
    return max((int(text) for text in found if text != "default"), default=0) + 1


def _reorder(subject: Subject) -> None:
    priorities = [{"RuleArn": subject.identity, "Priority": int(subject.inputs["priority"])}]
    subject.calls("elbv2", "set_rule_priorities", {"RulePriorities": priorities})


RULE = regular(
    "aws:lb/listenerRule:ListenerRule",
    "RuleArn",
    noun="rule",
    on_create=_add_rule,
    update="modify_rule",
    replaces="listenerArn",
    prepare=_rule,
    settings=(on_change(_reorder, "priority"),),
    reads={"priority": "to_number(Priority)"},
    outputs={"arn": "RuleArn"},
    unread=SECRET,
)


KINDS = (BALANCER, TARGET_GROUP, LISTENER, RULE)
