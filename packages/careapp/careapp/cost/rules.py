"""What each type of resource uses of what has a price. A type with neither a rule nor a place in FREE is unpriced."""

import json
from collections.abc import Iterator

from careapp.cost import tasks
from careapp.cost.bill import Assumptions, Bill, Context, PriceRule, Use, priced
from careapp.cost.graph import UNKNOWN, Graph, NoPrice, Resource
from careapp.cost.prices import HOURS, PriceBook
from ecs_gate.text import Text, t

HOURLY, ADDRESS, KEPT = t("hours"), t("public IPv4"), t("kept, GB")
APP_LOGS = "/ecs/"
"""How the names of the log groups begin that hold tasks' output."""
CONNECTIONS, GIGABYTES = 25 * 3600, 1
"""What one LCU of an Application Load Balancer holds in an hour (elasticloadbalancing/pricing).

Of its other two dimensions, 3,000 active connections would take more than 120 s a connection, twice
the idle timeout, to count, and 1,000 rule evaluations a second more than the 10 free rules.
"""
TRACKING_ALARMS = 2
"""Alarms that a target-tracking policy makes, one for out and one for in (Application Auto Scaling guide)."""
ROOT_GB = 8
"""The root volume of Amazon Linux 2023, where none is declared."""
FREE_INSIGHTS_DAYS = 7
"""Days of Performance Insights that cost nothing (rds/performance-insights/pricing)."""


def one(what: Text, group: str, price: str, quantity: float = 1) -> PriceRule:
    """Return the rule of a resource that is billed by its existence alone."""
    return lambda _, __: [Use(what, group, quantity, price)]


def nat(_: Resource, context: Context) -> Iterator[Use]:
    """Yield a NAT gateway's hours, and its share of the traffic of tasks in private subnets.

    That is an image pull for every task start, and the log: responses leave by the load balancer. Image layers come
    from S3, and pass a gateway endpoint of S3 if there is one (ECR user guide, "Amazon ECR interface VPC endpoints").
    """
    yield Use(HOURLY, "network", HOURS, "nat-hour")
    services = context.graph.all("ecs:Service")
    if any(not each.get("networkConfiguration", {}).get("assignPublicIp") for each in services):
        names = [str(each.inputs["serviceName"]) for each in context.graph.all("ec2:VpcEndpoint")]
        beside = any(name.endswith(".s3") for name in names)
        pulled = 0 if beside else context.assumed.image_gb * context.assumed.starts
        share = (pulled + context.assumed.log_gb) / len(context.graph.all("ec2:NatGateway"))
        yield Use(t("GB through it"), "network", share, "nat-gb")


def endpoint(resource: Resource, context: Context) -> Iterator[Use]:
    """Yield the hours of an interface endpoint in each zone. A gateway endpoint is free, whatever passes it."""
    if resource.get("vpcEndpointType", "Gateway") != "Gateway":
        yield Use(
            HOURLY, "network", HOURS * _zones(resource, "subnetIds", context), "endpoint-hour"
        )


def _zones(resource: Resource, key: str, context: Context) -> int:
    """Return the number of subnets in an input; of one that is unknown, the number of the graph's zones."""
    subnets = resource.inputs.get(key, ())
    if subnets != UNKNOWN:
        return len(subnets)
    return len({each.inputs.get("availabilityZone") for each in context.graph.all("ec2:Subnet")})


def flow_log(resource: Resource, context: Context) -> Iterator[Use]:
    """Yield the delivery of a flow log to a log group, which is billed for storage."""
    resource.only("logDestinationType", "cloud-watch-logs")
    yield Use(t("GB delivered"), "monitoring", context.assumed.flow_log_gb, "vended-log-gb")


def balancer(resource: Resource, context: Context) -> Iterator[Use]:
    """Yield an Application Load Balancer's hours, LCUs, public IPv4 in every zone, and what it sends out.

    AWS bills the largest dimension of an LCU. Every request counts as a new connection.
    """
    resource.only("loadBalancerType", "application")
    yield Use(HOURLY, "balancer", HOURS, "alb-hour")
    capacity = max(context.assumed.requests / CONNECTIONS, context.assumed.gb_out / GIGABYTES)
    yield Use(t("LCU hours"), "balancer", capacity, "alb-lcu")
    if not resource.get("internal", False):
        yield Use(ADDRESS, "network", HOURS * _zones(resource, "subnets", context), "ipv4-hour")
        yield Use(t("GB to the internet"), "traffic", context.assumed.gb_out, "out-gb")


def database(resource: Resource, context: Context) -> Iterator[Use]:
    """Yield an RDS instance's hours and storage, the secret of its master password, and enhanced monitoring.

    Backups are free up to the size of the database (rds/postgresql/pricing); they are assumed to stay below.
    """
    resource.only("engine", "postgres")
    where = "rds-multi-az" if resource.get("multiAz", False) else "rds"
    yield Use(HOURLY, "database", HOURS, f"{where}-hour:{resource.get('instanceClass')}")
    size, disk = float(resource.get("allocatedStorage")), resource.get("storageType", "gp2")
    yield Use(t("disk, GB"), "database", size, f"{where}-gb:{disk}")
    if resource.get("manageMasterUserPassword", False):
        yield Use(t("password's secret"), "database", 1, "secret")
    if interval := int(resource.get("monitoringInterval", 0)):
        gigabytes = context.assumed.monitoring_gb * 60 / interval
        yield Use(t("enhanced monitoring, GB"), "monitoring", gigabytes, "log-gb")
    if int(resource.get("performanceInsightsRetentionPeriod", 0)) > FREE_INSIGHTS_DAYS:
        raise NoPrice("no price is known for Performance Insights beyond 7 days")


def after_destroy(resource: Resource, _: Context) -> Iterator[Use]:
    """Yield a database's final snapshot, and its automated backups until they expire.

    Free backup storage ends with the instance (rds/postgresql/pricing). A snapshot is billed by its data; the
    allocated storage is the upper bound.
    """
    size = float(resource.get("allocatedStorage"))
    if not resource.get("skipFinalSnapshot", False):
        yield Use(t("final snapshot, GB"), "database", size, "rds-backup-gb")
    if not resource.get("deleteAutomatedBackups", True):
        kept = size * min(int(resource.get("backupRetentionPeriod", 0)) / 30, 1)
        yield Use(t("backups until they expire, GB"), "database", kept, "rds-backup-gb")


def repository(resource: Resource, context: Context) -> Iterator[Use]:
    """Yield a repository with as many images as its lifecycle policy allows. Shared layers are counted each time."""
    counts = [
        rule["selection"]["countNumber"]
        for policy in context.graph.of(resource, "ecr:LifecyclePolicy")
        for rule in json.loads(policy.get("policy"))["rules"]
        if rule["selection"]["countType"] == "imageCountMoreThan"
    ]
    if not counts:
        raise NoPrice("no lifecycle policy limits its images")
    yield Use(t("images, GB"), "storage", context.assumed.image_gb * min(counts), "ecr-gb")


def bucket(_: Resource, context: Context) -> Iterator[Use]:
    """Yield a bucket's storage; its requests are not counted."""
    yield Use(KEPT, "storage", context.assumed.bucket_gb, "s3-gb")


def log_group(resource: Resource, context: Context) -> Iterator[Use]:
    """Yield what a log group ingests and stores, uncompressed. What a flow log writes is billed with that."""
    if context.graph.of(resource, "ec2:FlowLog"):
        written = context.assumed.flow_log_gb
    else:
        of_app = str(resource.inputs.get("name") or "").startswith(APP_LOGS)
        written = context.assumed.log_gb if of_app else context.assumed.other_log_gb
        yield Use(t("written, GB"), "monitoring", written, "log-gb")
    days = int(resource.get("retentionInDays", 0)) or 365  # of a log without an end, a year
    yield Use(KEPT, "monitoring", written * days * 12 / 365, "log-gb-month")


def alarm(resource: Resource, _: Context) -> Iterator[Use]:
    """Yield an alarm, billed by the number of its metrics."""
    metrics = sum("metric" in query for query in resource.get("metricQueries", [])) or 1
    yield Use(t("alarm"), "monitoring", metrics, "alarm")


def scaling(resource: Resource, _: Context) -> Iterator[Use]:
    """Yield the alarms of a target-tracking policy; the policy itself is free."""
    if resource.get("policyType", "StepScaling") == "TargetTrackingScaling":
        yield Use(t("its alarms"), "monitoring", TRACKING_ALARMS, "alarm")


def cluster(resource: Resource, context: Context) -> Iterator[Use]:
    """Yield the metrics of Container Insights; the cluster itself is free."""
    modes = {setting["name"]: setting["value"] for setting in resource.get("settings", [])}
    prices = {"enabled": "metric", "enhanced": "insights-metric"}
    price = prices.get(modes.get("containerInsights", "disabled"))
    if price and (services := len(context.graph.all("ecs:Service"))):
        metrics = context.assumed.insights_metrics * services
        yield Use(t("Container Insights, metrics"), "monitoring", metrics, price)


def instance(resource: Resource, _: Context) -> Iterator[Use]:
    """Yield an EC2 instance with its root volume."""
    yield Use(HOURLY, "other", HOURS, f"ec2-hour:{resource.get('instanceType')}")
    volume = resource.get("rootBlockDevice", {})
    size, disk = volume.get("volumeSize") or ROOT_GB, volume.get("volumeType") or "gp3"
    yield Use(t("disk, GB"), "other", float(size), f"ebs-gb:{disk}")
    if resource.get("associatePublicIpAddress", False):
        yield Use(ADDRESS, "network", HOURS, "ipv4-hour")


RULES: dict[str, PriceRule] = {
    "ec2:NatGateway": nat,
    "ec2:Eip": one(ADDRESS, "network", "ipv4-hour", HOURS),
    "ec2:VpcEndpoint": endpoint,
    "ec2:FlowLog": flow_log,
    "lb:LoadBalancer": balancer,
    "rds:Instance": database,
    "kms:Key": one(t("key"), "storage", "kms-key"),
    "ecr:Repository": repository,
    "s3:Bucket": bucket,
    "cloudwatch:LogGroup": log_group,
    "cloudwatch:MetricAlarm": alarm,
    "cloudwatch:Dashboard": one(t("dashboard"), "monitoring", "dashboard"),
    "appautoscaling:Policy": scaling,
    "ecs:Cluster": cluster,
    "ecs:Service": tasks.service,
    "scheduler:Schedule": tasks.job,
    "ec2:Instance": instance,
}

FREE = frozenset(
    {
        *("ec2:Vpc", "ec2:Subnet", "ec2:RouteTable", "ec2:RouteTableAssociation", "ec2:Route"),
        *("ec2:InternetGateway", "ec2:SecurityGroup", "ec2:DefaultSecurityGroup"),
        *("vpc:SecurityGroupIngressRule", "vpc:SecurityGroupEgressRule"),
        *("lb:Listener", "lb:ListenerRule", "lb:TargetGroup", "ecs:TaskDefinition"),
        *("iam:Role", "iam:RolePolicy", "iam:RolePolicyAttachment", "iam:InstanceProfile"),
        *("ecs:ClusterCapacityProviders", "scheduler:ScheduleGroup"),
        *("appautoscaling:Target", "appautoscaling:ScheduledAction"),
        *("rds:SubnetGroup", "rds:ParameterGroup", "ecr:LifecyclePolicy"),
        *("s3:BucketPolicy", "s3:BucketPublicAccessBlock", "s3:BucketLifecycleConfiguration"),
        *("s3:BucketOwnershipControls", "s3:BucketServerSideEncryptionConfiguration"),
        *("s3:BucketVersioning", "sns:Topic", "sns:TopicPolicy", "sns:TopicSubscription"),
        *("cloudwatch:EventRule", "cloudwatch:EventTarget", "acm:CertificateValidation"),
        # a public certificate, and alias records of AWS's own resources
        *("acm:Certificate", "route53:Record", "index:Image"),
    }
)
"""Types that AWS does not charge for: the pricing page of its service names no charge, or bills something else for
it, as it does the repository for an image."""


def bill(graph: Graph, book: PriceBook, assumed: Assumptions) -> Bill:
    """Price every resource of a graph."""
    rules = {resource.short: _unknown for resource in graph if resource.short not in FREE}
    return priced(graph, book, assumed, {**rules, **RULES})


def left(graph: Graph, book: PriceBook, assumed: Assumptions) -> Bill:
    """Price what stays billed after a destroy."""
    return priced(graph, book, assumed, {"rds:Instance": after_destroy})


def _unknown(resource: Resource, _: Context) -> Iterator[Use]:
    raise NoPrice("no price is known for the type {type}", type=resource.type)
