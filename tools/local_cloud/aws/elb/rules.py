"""AWS's rules for load balancers, listeners and target groups that moto lacks."""

from __future__ import annotations

import json
from typing import Any

from tools.local_cloud.aws.ec2.rules import internet_gateway
from tools.local_cloud.aws.hooks import ACCOUNT, Params, Refused, backend, before


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


before("elbv2", "CreateTargetGroup")(_health_check)


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
