"""Load balancers, target groups, listeners and their rules."""

from typing import Any

from local_cloud.providers.kind import (
    Setting,
    Subject,
    Values,
    attributes,
    modify,
    on_change,
    regular,
)
from local_cloud.providers.lifecycle import clean

BALANCER_ATTRIBUTES = {
    "desyncMitigationMode": "routing.http.desync_mitigation_mode",
    "dropInvalidHeaderFields": "routing.http.drop_invalid_header_fields.enabled",
    "enableDeletionProtection": "deletion_protection.enabled",
    "enableHttp2": "routing.http2.enabled",
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
    "enabled": "healthCheckEnabled",
    "healthyThreshold": "healthyThresholdCount",
    "interval": "healthCheckIntervalSeconds",
    "path": "healthCheckPath",
    "port": "healthCheckPort",
    "protocol": "healthCheckProtocol",
    "timeout": "healthCheckTimeoutSeconds",
    "unhealthyThreshold": "unhealthyThresholdCount",
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
    replaces=frozenset({"name", "namePrefix", "internal", "loadBalancerType"}),
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


def _check_in_elb(subject: Subject, found: Values) -> Values | None:
    """Return the health check in ELB as an input, of the members that the program sets."""
    declared: Values | None = subject.inputs.get("healthCheck")
    if declared is None:
        return None
    now = {name: found.get(each[0].upper() + each[1:]) for name, each in HEALTH.items()}
    now["matcher"] = found.get("Matcher", {}).get("HttpCode")
    return {
        name: value if value == now[name] or str(value) == str(now[name]) else now[name]
        for name, value in declared.items()
    }


TARGET_GROUP = regular(
    "aws:lb/targetGroup:TargetGroup",
    "TargetGroupArn",
    update="modify_target_group",
    replaces=frozenset(
        {"name", "namePrefix", "port", "protocol", "protocolVersion", "targetType", "vpcId"}
    ),
    prepare=_group,
    settings=(attributes("modify_target_group_attributes", GROUP_ATTRIBUTES),),
    defaults={"slowStart": 0, "targetType": "instance"},
    autoname="name",
    outputs={
        "arn": "TargetGroupArn",
        "arnSuffix": lambda subject, _: subject.identity.rpartition(":")[2],
        "loadBalancerArns": "LoadBalancerArns",
        "healthCheck": _check_in_elb,
    },
    read_back=frozenset({"healthCheck"}),
)


def _actions(actions: Any) -> list[Values]:
    """Return the actions without unset inputs."""
    return [clean(action) for action in actions]


def _listener(inputs: Values) -> Values:
    """Convert the certificate. An Application Load Balancer's protocol is HTTP unless the program has another one.

    The API requires it; the provider sends it (terraform-provider-aws, elbv2/listener.go).
    """
    result = {name: value for name, value in inputs.items() if name != "certificateArn"}
    if not inputs.get("protocol") and "loadbalancer/app/" in str(inputs["loadBalancerArn"]):
        result["protocol"] = "HTTP"
    if inputs.get("certificateArn"):
        result["certificates"] = [{"certificateArn": inputs["certificateArn"]}]
    result["defaultActions"] = _actions(inputs["defaultActions"])
    return result


LISTENER = regular(
    "aws:lb/listener:Listener",
    "ListenerArn",
    update="modify_listener",
    replaces=frozenset({"loadBalancerArn"}),
    prepare=_listener,
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
    [(name, value)] = [(name, value) for name, value in condition.items() if value is not None]
    field, member = CONDITIONS[name]
    return {"field": field, member: value}


def _rule(inputs: Values) -> Values:
    conditions = [_condition(condition) for condition in inputs["conditions"]]
    actions = [_weighted(action) for action in _actions(inputs["actions"])]
    return {**inputs, "conditions": conditions, "actions": actions}


def _weighted(action: Values) -> Values:
    """Convert ``forward``, whose target groups have other names in ELB."""
    if "forward" not in action:
        return action
    groups = action["forward"]["targetGroups"]
    pairs = [{"targetGroupArn": each["arn"], "weight": each["weight"]} for each in groups]
    rest = {name: value for name, value in action.items() if name != "forward"}
    return {**rest, "forwardConfig": {"targetGroups": pairs}}


def _actions_in_elb(subject: Subject, found: Values) -> list[Values]:
    """Return the rule's actions in ELB as inputs; of a forward's weights and of a login what changes outside."""
    declared: list[Values] = subject.inputs["actions"]
    return [
        _action_in_elb(each, declared[at] if at < len(declared) else {})
        for at, each in enumerate(found["Actions"])
    ]


def _action_in_elb(found: Values, declared: Values) -> Values:
    action: Values = {"type": found["Type"]}
    if declared.get("order"):
        action["order"] = found["Order"]
    if oidc := found.get("AuthenticateOidcConfig"):
        # The provider keeps the secret of its state: ELB does not return it (elbv2/listener_rule.go).
        mine = clean(declared.get("authenticateOidc") or {})
        now = {name[0].lower() + name[1:]: value for name, value in oidc.items()}
        kept = {name: now.get(name) for name in mine if name != "clientSecret"}
        return {**action, "authenticateOidc": kept | {"clientSecret": mine.get("clientSecret")}}
    forward = found.get("ForwardConfig")
    if forward is None:
        return {**action, "targetGroupArn": found.get("TargetGroupArn")}
    pairs = [
        {"arn": each["TargetGroupArn"], "weight": each["Weight"]}
        for each in forward["TargetGroups"]
    ]
    return {**action, "forward": {"targetGroups": pairs}}


def _conditions_in_elb(subject: Subject, found: Values) -> list[Values]:
    """Return the rule's conditions in ELB as inputs; the program's own where ELB has the same, or another kind."""
    declared: list[Values] = subject.inputs["conditions"]
    simple = {"path-pattern": "pathPattern", "host-header": "hostHeader"}
    if any(each["Field"] not in simple for each in found["Conditions"]):
        return declared
    now = [
        {
            simple[each["Field"]]: {
                "values": each.get(CONDITIONS[simple[each["Field"]]][1], each)["Values"]
            }
        }
        for each in found["Conditions"]
    ]
    set_ = [{name: value for name, value in each.items() if value} for each in declared]
    return declared if now == set_ else now


def _reorder(subject: Subject) -> None:
    priorities = [{"RuleArn": subject.identity, "Priority": int(subject.inputs["priority"])}]
    subject.calls("elbv2", "set_rule_priorities", {"RulePriorities": priorities})


RULE = regular(
    "aws:lb/listenerRule:ListenerRule",
    "RuleArn",
    noun="rule",
    update="modify_rule",
    replaces=frozenset({"listenerArn"}),
    prepare=_rule,
    settings=(on_change(_reorder, "priority"),),
    outputs={"arn": "RuleArn", "actions": _actions_in_elb, "conditions": _conditions_in_elb},
    read_back=frozenset({"actions", "conditions"}),
)


KINDS = (BALANCER, TARGET_GROUP, LISTENER, RULE)
