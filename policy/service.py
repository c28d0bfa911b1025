"""Controls of ECS, ECR, the load balancer, its certificate, log groups and alarms."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from pulumi_policy import PolicyResource

from policy.controls import Check, Checked, Control, Resources, lacks, pointing_at, unless, value

SERVICE = ("aws:ecs/service:Service",)
TASK = ("aws:ecs/taskDefinition:TaskDefinition",)
CLUSTER = ("aws:ecs/cluster:Cluster",)
REPOSITORY = ("aws:ecr/repository:Repository",)
BALANCER = ("aws:lb/loadBalancer:LoadBalancer",)
LISTENER = ("aws:lb/listener:Listener",)
TARGETS = ("aws:lb/targetGroup:TargetGroup",)
CERTIFICATE = ("aws:acm/certificate:Certificate",)
ALARM = ("aws:cloudwatch/metricAlarm:MetricAlarm",)
LOG_GROUP = ("aws:cloudwatch/logGroup:LogGroup",)
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


CONTROLS = (
    Control(
        "ECS.2",
        "Services do not give tasks public IP addresses",
        SERVICE,
        unless("networkConfiguration.assignPublicIp", False, default=False),
        cost="a NAT gateway",
    ),
    Control(
        "ECS.3",
        "Task definitions do not share the host's process namespace",
        TASK,
        lambda task: value(task, "pidMode") == "host",
    ),
    Control(
        "ECS.4",
        "Containers run as non-privileged",
        TASK,
        any_container(lambda one: one.get("privileged") is True),
    ),
    Control(
        "ECS.5",
        "Containers have a read-only root file system",
        TASK,
        any_container(lambda one: one.get("readonlyRootFilesystem") is not True),
    ),
    Control(
        "ECS.8",
        "No AWS keys in environment variables",
        TASK,
        any_container(
            lambda one: bool(KEYS & {each["name"] for each in one.get("environment", [])})
        ),
    ),
    Control(
        "ECS.9",
        "Task definitions have a logging configuration",
        TASK,
        any_container(lambda one: not one.get("logConfiguration", {}).get("logDriver")),
    ),
    Control(
        "ECS.10",
        "Fargate services run on the latest platform version",
        SERVICE,
        unless("platformVersion", "LATEST", "1.4.0", default="LATEST"),
    ),
    Control(
        "ECS.12", "Clusters use Container Insights", CLUSTER, has_no_insights, cost="by the metric"
    ),
    Control(
        "ECS.17",
        "Task definitions do not use host network mode",
        TASK,
        lambda task: value(task, "networkMode") == "host",
    ),
    Control("ECS.20", "Linux containers run as a non-root user", TASK, any_container(runs_as_root)),
    Control(
        "ECR.1",
        "Private repositories scan images",
        REPOSITORY,
        unless("imageScanningConfiguration.scanOnPush", True),
    ),
    Control(
        "ECR.2",
        "Tags are immutable",
        REPOSITORY,
        unless("imageTagMutability", "IMMUTABLE", "IMMUTABLE_WITH_EXCLUSION"),
    ),
    Control(
        "ECR.3",
        "Repositories have a lifecycle policy",
        REPOSITORY,
        violates_in=lacks("aws:ecr/lifecyclePolicy:LifecyclePolicy", "repository"),
    ),
    Control(
        "ELB.1", "HTTP requests are redirected to HTTPS", LISTENER, violates_in=serves_plain_http
    ),
    Control(
        "ELB.4",
        "Invalid HTTP headers are dropped",
        BALANCER,
        unless("dropInvalidHeaderFields", True),
    ),
    Control(
        "ELB.5",
        "Access logs are on",
        BALANCER,
        unless("accessLogs.enabled", True),
        cost="storage in S3",
    ),
    Control(
        "ELB.6", "Deletion protection is on", BALANCER, unless("enableDeletionProtection", True)
    ),
    Control(
        "ELB.12",
        "Desync mitigation is defensive or strictest",
        BALANCER,
        unless("desyncMitigationMode", "defensive", "strictest", default="defensive"),
    ),
    Control(
        "ELB.13",
        "Load balancers span at least two zones",
        BALANCER,
        # A load balancer has one subnet in a zone (Elastic Load Balancing API, CreateLoadBalancer).
        lambda one: len(one.props["subnets"]) < 2,
    ),
    Control(
        "ELB.17",
        "HTTPS listeners use recommended security policies",
        LISTENER,
        lambda one: value(one, "protocol") in TLS and value(one, "sslPolicy") not in RECOMMENDED,
    ),
    Control("ELB.18", "Listeners use secure protocols", LISTENER, unless("protocol", *TLS)),
    Control(
        "ELB.21",
        "Target groups check health by HTTPS",
        TARGETS,
        unless("healthCheck.protocol", "HTTPS"),
    ),
    Control(
        "ELB.22", "Target groups use encrypted protocols", TARGETS, unless("protocol", *TLS, "QUIC")
    ),
    Control(
        "ACM.1",
        "Certificates are renewed in time",
        CERTIFICATE,
        # ACM renews what is validated by DNS; an e-mail a person has to answer
        # (ACM User Guide, "Managed certificate renewal").
        unless("validationMethod", "DNS"),
    ),
    Control("ACM.2", "RSA keys have at least 2,048 bits", CERTIFICATE, has_short_key),
    Control(
        "CloudWatch.15",
        "Alarms have an action for the state ALARM",
        ALARM,
        lambda one: not one.props.get("alarmActions"),
    ),
    Control(
        "CloudWatch.16",
        "Logs are kept for at least 365 days",
        LOG_GROUP,
        # 0, or no value, keeps them for ever.
        lambda one: 0 < value(one, "retentionInDays", 0) < 365,
        cost="storage by the gigabyte",
    ),
    Control(
        "CloudWatch.17",
        "Alarms' actions are enabled",
        ALARM,
        unless("actionsEnabled", True, default=True),
    ),
)
