"""Rules for everything but tasks and instances: network, load balancer, database, storage, monitoring."""

from __future__ import annotations

import json
from collections.abc import Iterator

from tools.cost.bill import Case, Rule, UnknownUsage, Use
from tools.cost.graph import Graph, Resource, UnknownInput
from tools.cost.prices import HOURS
from tools.i18n import t

HOURLY = t("hours")

ADDRESS = t("public IPv4")

BESIDE_NAT = t("GB of S3, which do not pass NAT")


def nat(_: Resource, case: Case) -> Iterator[Use]:
    """Yield a NAT gateway's hours, and its share of the traffic of tasks in private subnets."""
    yield Use(what=HOURLY, group="network", quantity=HOURS, price="nat-hour")
    gigabytes = through_nat(case) / len(case.graph.all("ec2:NatGateway"))
    if gigabytes:
        yield Use(what=t("GB through it"), group="network", quantity=gigabytes, price="nat-gb")


def through_nat(case: Case) -> float:
    """Return GB a month: an image pull for every task start, and the log. Responses leave by the load balancer.

    Image layers come from S3, and pass a gateway endpoint of S3 if there is one (ECR user guide, "Amazon ECR
    interface VPC endpoints", "Create the Amazon S3 gateway endpoint").
    """
    services = [each for each in case.graph.all("ecs:Service") if not public_tasks(each)]
    if not services:
        return 0
    assumed = case.assumed
    pulled = 0 if s3_endpoints(case.graph) else assumed.image_gb * assumed.starts
    return pulled + assumed.log_gb


def s3_endpoints(graph: Graph) -> list[Resource]:
    """Return the gateway endpoints for S3."""
    return [
        each
        for each in graph.all("ec2:VpcEndpoint")
        if str(each.inputs.get("serviceName")).endswith(".s3")
        and each.get("vpcEndpointType", "Gateway") == "Gateway"
    ]


def public_tasks(service: Resource) -> bool:
    """Return whether a service's tasks have public addresses and do not use NAT."""
    network = service.get("networkConfiguration", {})
    return bool(network.get("assignPublicIp"))


def address(_: Resource, __: Case) -> Iterator[Use]:
    """Yield an Elastic IP, which costs the same in use or not (vpc/pricing)."""
    yield Use(what=ADDRESS, group="network", quantity=HOURS, price="ipv4-hour")


def endpoint(resource: Resource, case: Case) -> Iterator[Use]:
    """Yield the hours of an interface endpoint in each zone. A gateway endpoint is free, whatever passes it."""
    if resource.get("vpcEndpointType", "Gateway") == "Gateway":
        if resource in s3_endpoints(case.graph):
            yield Use(what=BESIDE_NAT, group="network", quantity=0, price="nat-gb")
        return
    zones = count_of(resource, "subnetIds", len(zones_of(case.graph)))
    yield Use(what=HOURLY, group="network", quantity=HOURS * zones, price="endpoint-hour")


def zones_of(graph: Graph) -> set[str]:
    """Return the zones in which the graph has subnets."""
    return {str(each.inputs.get("availabilityZone")) for each in graph.all("ec2:Subnet")}


def count_of(resource: Resource, key: str, otherwise: int) -> int:
    """Return the length of a list input; ``otherwise`` when it is known only after an update."""
    try:
        return len(resource.get(key, ()))
    except UnknownInput:
        return otherwise


def flow_log(resource: Resource, case: Case) -> Iterator[Use]:
    """Yield the delivery of a flow log; its log group is billed for storage."""
    kind = resource.get("logDestinationType", "cloud-watch-logs")
    keys = {"cloud-watch-logs": "vended-log-gb", "s3": "vended-log-s3-gb"}
    if kind not in keys:
        raise UnknownUsage(t("no price is known for flow logs to {kind}", kind=str(kind)))
    quantity = case.assumed.flow_log_gb
    yield Use(what=t("GB delivered"), group="monitoring", quantity=quantity, price=keys[kind])


def zone(_: Resource, __: Case) -> Iterator[Use]:
    """Yield a Route 53 hosted zone; queries for alias records to a load balancer are free."""
    yield Use(what=t("hosted zone"), group="other", quantity=1, price="zone")


def certificate(resource: Resource, __: Case) -> Iterator[Use]:
    """Yield nothing for a public certificate, which is free (acm/pricing). Raises UnknownUsage for others."""
    exported = resource.get("options", {}).get("export") == "ENABLED"
    if resource.get("certificateAuthorityArn") or exported:
        raise UnknownUsage(t("only public certificates that are not exported are known to be free"))
    yield from ()


def balancer(resource: Resource, case: Case) -> Iterator[Use]:
    """An Application Load Balancer: hours, LCUs, a public IPv4 in every zone, what it sends out."""
    kind = resource.get("loadBalancerType", "application")
    if kind != "application":
        raise UnknownUsage(
            t("no price is known for a load balancer of type {kind}", kind=str(kind))
        )
    yield Use(what=HOURLY, group="balancer", quantity=HOURS, price="alb-hour")
    capacity = case.assumed.average_lcu * HOURS
    yield Use(what=t("LCU hours"), group="balancer", quantity=capacity, price="alb-lcu")
    if resource.get("internal", False):
        return
    zones = count_of(resource, "subnets", len(zones_of(case.graph)))
    yield Use(what=ADDRESS, group="network", quantity=HOURS * zones, price="ipv4-hour")
    sent = case.assumed.gb_out
    yield Use(what=t("GB to the internet"), group="traffic", quantity=sent, price="out-gb")


FREE_INSIGHTS_DAYS = 7
"""Days of Performance Insights that cost nothing (rds/performance-insights/pricing)."""


def database(resource: Resource, case: Case) -> Iterator[Use]:
    """Yield an RDS instance's hours and storage, the secret of its master password, and enhanced monitoring.

    Backups are free up to the size of the database (rds/postgresql/pricing); they are assumed to stay below.
    """
    where = "rds-multi-az" if resource.get("multiAz", False) else "rds"
    kind, disk = resource.get("instanceClass"), resource.get("storageType", "gp2")
    engine = str(resource.get("engine"))
    if engine != "postgres":
        raise UnknownUsage(
            t("prices are known for PostgreSQL only, not for {engine}", engine=engine)
        )
    yield Use(what=HOURLY, group="database", quantity=HOURS, price=f"{where}-hour:{kind}")
    size = float(resource.get("allocatedStorage"))
    yield Use(what=t("disk, GB"), group="database", quantity=size, price=f"{where}-gb:{disk}")
    if resource.get("manageMasterUserPassword", False):
        yield Use(what=t("password's secret"), group="database", quantity=1, price="secret")
    if interval := int(resource.get("monitoringInterval", 0)):
        gigabytes = case.assumed.monitoring_gb * 60 / interval
        yield Use(
            what=t("enhanced monitoring, GB"),
            group="monitoring",
            quantity=gigabytes,
            price="log-gb",
        )
    if int(resource.get("performanceInsightsRetentionPeriod", 0)) > FREE_INSIGHTS_DAYS:
        raise UnknownUsage(t("no price is known for Performance Insights beyond 7 days"))


def secret(_: Resource, __: Case) -> Iterator[Use]:
    """Yield a secret; that 10,000 calls to read it cost 5 cents is not counted."""
    yield Use(what=t("secret"), group="storage", quantity=1, price="secret")


def key(_: Resource, __: Case) -> Iterator[Use]:
    """Yield a customer managed key."""
    yield Use(what=t("key"), group="storage", quantity=1, price="kms-key")


def repository(_: Resource, case: Case) -> Iterator[Use]:
    """Yield a repository with as many images as its lifecycle policy allows. Shared layers are counted each time."""
    count = min([kept for kept in map(_kept, case.graph.all("ecr:LifecyclePolicy")) if kept] or [0])
    quantity = case.assumed.image_gb * (count or case.assumed.images)
    yield Use(what=t("images, GB"), group="storage", quantity=quantity, price="ecr-gb")


def _kept(policy: Resource) -> int:
    """Return the number of tagged images that a lifecycle policy keeps; 0 without a limit."""
    try:
        rules = json.loads(policy.get("policy"))["rules"]
    except (UnknownInput, ValueError, KeyError):
        return 0
    chosen = [each["selection"] for each in rules]
    counts = [each["countNumber"] for each in chosen if each["countType"] == "imageCountMoreThan"]
    return min(counts, default=0)


def bucket(_: Resource, case: Case) -> Iterator[Use]:
    """Yield a bucket's storage; its requests are not counted."""
    quantity = case.assumed.bucket_gb
    yield Use(what=t("kept, GB"), group="storage", quantity=quantity, price="s3-gb")


APP_LOGS = "/ecs/"
"""How the names of the log groups begin that hold tasks' output."""

DAYS = 365 / 12

FOR_EVER = 0

TRACKING_ALARMS = 2
"""Alarms that a target-tracking policy makes, one for out and one for in (Application Auto Scaling guide)."""


def log_group(resource: Resource, case: Case) -> Iterator[Use]:
    """Yield what a log group ingests and stores, uncompressed.

    Flow logs are billed with the flow log.
    """
    delivered = any(resource.urn in each.needs for each in case.graph.all("ec2:FlowLog"))
    written = case.assumed.flow_log_gb if delivered else _written(resource, case)
    if not delivered:
        yield Use(what=t("written, GB"), group="monitoring", quantity=written, price="log-gb")
    days = int(resource.get("retentionInDays", FOR_EVER))
    months = days / DAYS if days else 12
    yield Use(
        what=t("kept, GB"), group="monitoring", quantity=written * months, price="log-gb-month"
    )


def _written(resource: Resource, case: Case) -> float:
    name = str(resource.inputs.get("name") or "")
    return case.assumed.log_gb if name.startswith(APP_LOGS) else case.assumed.other_log_gb


def alarm(resource: Resource, _: Case) -> Iterator[Use]:
    """Yield an alarm, billed by the number of its metrics."""
    queries = resource.get("metricQueries", [])
    metrics = sum("metric" in each for each in queries) if queries else 1
    yield Use(what=t("alarm"), group="monitoring", quantity=metrics, price="alarm")


def composite(_: Resource, __: Case) -> Iterator[Use]:
    """Yield a composite alarm."""
    yield Use(what=t("alarm"), group="monitoring", quantity=1, price="composite-alarm")


def dashboard(_: Resource, __: Case) -> Iterator[Use]:
    """Yield a dashboard; that an account's first three are free is not counted."""
    yield Use(what=t("dashboard"), group="monitoring", quantity=1, price="dashboard")


def scaling(resource: Resource, _: Case) -> Iterator[Use]:
    """Yield the alarms of a target-tracking policy; the policy itself is free."""
    if resource.get("policyType", "StepScaling") == "TargetTrackingScaling":
        yield Use(what=t("its alarms"), group="monitoring", quantity=TRACKING_ALARMS, price="alarm")


def cluster(resource: Resource, case: Case) -> Iterator[Use]:
    """Yield the metrics of Container Insights; the cluster itself is free."""
    modes = {each["name"]: each["value"] for each in resource.get("settings", [])}
    prices = {"enabled": "metric", "enhanced": "insights-metric"}
    price = prices.get(modes.get("containerInsights", "disabled"))
    services = len(case.graph.all("ecs:Service"))
    if price and services:
        quantity = case.assumed.insights_metrics * services
        yield Use(
            what=t("Container Insights, metrics"),
            group="monitoring",
            quantity=quantity,
            price=price,
        )


def budget(resource: Resource, _: Case) -> Iterator[Use]:
    """Yield nothing: a budget without actions is free (aws-cost-management/aws-budgets/pricing)."""
    if resource.kind != "Budget":
        raise UnknownUsage(t("a budget's actions are billed by the day, with no price here"))
    yield from ()


RULES: dict[str, Rule] = {
    "ec2:NatGateway": nat,
    "ec2:Eip": address,
    "ec2:VpcEndpoint": endpoint,
    "ec2:FlowLog": flow_log,
    "route53:Zone": zone,
    "acm:Certificate": certificate,
    "lb:LoadBalancer": balancer,
    "rds:Instance": database,
    "secretsmanager:Secret": secret,
    "kms:Key": key,
    "ecr:Repository": repository,
    "s3:Bucket": bucket,
    "s3:BucketV2": bucket,
    "cloudwatch:LogGroup": log_group,
    "cloudwatch:MetricAlarm": alarm,
    "cloudwatch:CompositeAlarm": composite,
    "cloudwatch:Dashboard": dashboard,
    "appautoscaling:Policy": scaling,
    "ecs:Cluster": cluster,
    "budgets:Budget": budget,
    "budgets:BudgetAction": budget,
}
