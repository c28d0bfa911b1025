"""Controls of ECS, ECR, the load balancer, its certificate, log groups and alarms."""

import json
from collections.abc import Callable
from typing import Any

from pulumi_policy import PolicyResource

from careapp.policy.controls import (
    Check,
    Checked,
    InStack,
    Resources,
    having,
    lacks,
    pointing_at,
    table,
    unless,
    value,
)

KEYS = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "ECS_ENGINE_AUTH_DATA"}
TLS = {"HTTPS", "TLS"}
RECOMMENDED = {
    "ELBSecurityPolicy-TLS13-1-3-2021-06",
    "ELBSecurityPolicy-TLS13-1-3-FIPS-2023-04",
    "ELBSecurityPolicy-TLS13-1-2-Res-2021-06",
    "ELBSecurityPolicy-TLS13-1-2-Res-FIPS-2023-04",
    "ELBSecurityPolicy-TLS13-1-2-Res-PQ-2025-09",
    "ELBSecurityPolicy-TLS13-1-3-PQ-2025-09",
    "ELBSecurityPolicy-TLS13-1-2-Res-FIPS-PQ-2025-09",
    "ELBSecurityPolicy-TLS13-1-3-FIPS-PQ-2025-09",
}
"""The security policies of ELB.17."""


def any_container(bad: Callable[[dict[str, Any]], bool]) -> Check:
    """Return the check that is true when it holds for any container of a task definition."""
    return lambda task: any(bad(one) for one in json.loads(task.props["containerDefinitions"]))


def runs_as_root(container: dict[str, Any]) -> bool:
    # A user may be a name or a number, with or without a group.
    return str(container.get("user", "")).partition(":")[0] in {"", "0", "root"}


def has_no_insights(cluster: Checked) -> bool:
    settings = {one["name"]: one["value"] for one in cluster.props.get("settings", [])}
    return settings.get("containerInsights") not in {"enabled", "enhanced"}


def has_one_subnet(balancer: Checked) -> bool:
    # A load balancer has one subnet in a zone (Elastic Load Balancing API, CreateLoadBalancer).
    return len(balancer.props["subnets"]) < 2


def has_old_policy(listener: Checked) -> bool:
    secure = value(listener, "protocol") in TLS
    return bool(secure and value(listener, "sslPolicy") not in RECOMMENDED)


def has_no_action(alarm: Checked) -> bool:
    return not alarm.props.get("alarmActions")


def forgets(log_group: Checked) -> bool:
    # 0, or no value, keeps them for ever.
    return bool(0 < value(log_group, "retentionInDays", 0) < 365)


@InStack
def serves_plain_http(listener: PolicyResource, resources: Resources) -> bool:
    """Return whether an HTTP listener has an action other than a redirect to HTTPS."""
    if value(listener, "protocol") != "HTTP":
        return False
    rules = pointing_at(listener, resources, "aws:lb/listenerRule:ListenerRule", "listenerArn")
    actions = [*value(listener, "defaultActions", [])]
    actions += [action for rule in rules for action in rule.props["actions"]]
    return any((one.get("redirect") or {}).get("protocol") != "HTTPS" for one in actions)


def has_short_key(certificate: Checked) -> bool:
    algorithm = value(certificate, "keyAlgorithm", "RSA_2048")
    return algorithm.startswith("RSA_") and int(algorithm.removeprefix("RSA_")) < 2048


shares_processes = having("pidMode", "host")
is_privileged = any_container(lambda one: one.get("privileged") is True)
has_writable_root = any_container(lambda one: one.get("readonlyRootFilesystem") is not True)
has_keys = any_container(
    lambda one: bool(KEYS & {variable["name"] for variable in one.get("environment", [])})
)
has_no_log = any_container(lambda one: not one.get("logConfiguration", {}).get("logDriver"))
is_public = unless("networkConfiguration.assignPublicIp", False, default=False)
is_outdated = unless("platformVersion", "LATEST", "1.4.0", default="LATEST")
is_not_scanned = unless("imageScanningConfiguration.scanOnPush", True)
has_no_lifecycle = lacks("aws:ecr/lifecyclePolicy:LifecyclePolicy", "repository")
may_change_tags = unless("imageTagMutability", "IMMUTABLE", "IMMUTABLE_WITH_EXCLUSION")
BY_SIZE = "storage by the gigabyte"
is_lax = unless("desyncMitigationMode", "defensive", "strictest", default="defensive")

CONTROLS = (
    *table(
        "aws:ecs/service:Service",
        ("ECS.2", "Services do not give tasks public IP addresses", is_public, "a NAT gateway"),
        ("ECS.10", "Fargate services run on the latest platform version", is_outdated),
    ),
    *table(
        "aws:ecs/taskDefinition:TaskDefinition",
        ("ECS.3", "Task definitions do not share the host's process namespace", shares_processes),
        ("ECS.4", "Containers run as non-privileged", is_privileged),
        ("ECS.5", "Containers have a read-only root file system", has_writable_root),
        ("ECS.8", "No AWS keys in environment variables", has_keys),
        ("ECS.9", "Task definitions have a logging configuration", has_no_log),
        ("ECS.17", "Task definitions do not use host network mode", having("networkMode", "host")),
        ("ECS.20", "Linux containers run as a non-root user", any_container(runs_as_root)),
    ),
    *table(
        "aws:ecs/cluster:Cluster",
        ("ECS.12", "Clusters use Container Insights", has_no_insights, "by the metric"),
    ),
    *table(
        "aws:ecr/repository:Repository",
        ("ECR.1", "Private repositories scan images", is_not_scanned),
        ("ECR.2", "Tags are immutable", may_change_tags),
        ("ECR.3", "Repositories have a lifecycle policy", has_no_lifecycle),
    ),
    *table(
        "aws:lb/loadBalancer:LoadBalancer",
        ("ELB.4", "Invalid HTTP headers are dropped", unless("dropInvalidHeaderFields", True)),
        ("ELB.5", "Access logs are on", unless("accessLogs.enabled", True), "storage in S3"),
        ("ELB.6", "Deletion protection is on", unless("enableDeletionProtection", True)),
        ("ELB.12", "Desync mitigation is defensive or strictest", is_lax),
        ("ELB.13", "Load balancers span at least two zones", has_one_subnet),
    ),
    *table(
        "aws:lb/listener:Listener",
        ("ELB.1", "HTTP requests are redirected to HTTPS", serves_plain_http),
        ("ELB.17", "HTTPS listeners use recommended security policies", has_old_policy),
        ("ELB.18", "Listeners use secure protocols", unless("protocol", *TLS)),
    ),
    *table(
        "aws:lb/targetGroup:TargetGroup",
        ("ELB.21", "Target groups check health by HTTPS", unless("healthCheck.protocol", "HTTPS")),
        ("ELB.22", "Target groups use encrypted protocols", unless("protocol", *TLS, "QUIC")),
    ),
    *table(
        "aws:acm/certificate:Certificate",
        # ACM renews what is validated by DNS; an e-mail a person has to answer
        # (ACM User Guide, "Managed certificate renewal").
        ("ACM.1", "Certificates are renewed in time", unless("validationMethod", "DNS")),
        ("ACM.2", "RSA keys have at least 2,048 bits", has_short_key),
    ),
    *table(
        "aws:cloudwatch/metricAlarm:MetricAlarm",
        ("CloudWatch.15", "Alarms have an action for the state ALARM", has_no_action),
        ("CloudWatch.17", "Alarms' actions are enabled", having("actionsEnabled", False)),
    ),
    *table(
        "aws:cloudwatch/logGroup:LogGroup",
        ("CloudWatch.16", "Logs are kept for at least 365 days", forgets, BY_SIZE),
    ),
)
