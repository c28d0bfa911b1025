"""Controls of Amazon RDS."""

from __future__ import annotations

from tests.controls.control import Control, Service, Wrong, said, unless
from tests.controls.graph import Graph, Resource

INSTANCE = "aws:rds/instance:Instance"
CLUSTER = ("aws:rds/cluster:Cluster",)
SNAPSHOT = ("aws:rds/snapshot:Snapshot", "aws:rds/clusterSnapshot:ClusterSnapshot")
SUBSCRIPTION = "aws:rds/eventSubscription:EventSubscription"
PORTS = {"postgres": 5432, "mysql": 3306, "mariadb": 3306}
CRITICAL = {
    "db-cluster": {"maintenance", "failure"},
    "db-instance": {"maintenance", "configuration change", "failure"},
    "db-parameter-group": {"configuration change"},
    "db-security-group": {"configuration change", "failure"},
}
"""The events that RDS.19 to RDS.22 ask for, by source type."""
EVERYWHERE = {"0.0.0.0/0", "::/0"}


def in_a_public_subnet(instance: Resource, graph: Graph) -> bool:
    """A route to the internet gateway from any subnet of its group. No group is the default VPC's.

    A group without a subnet that we know is wrong, too: then nothing would be proven.
    """
    group = said(instance, "dbSubnetGroupName")
    groups = graph.of("aws:rds/subnetGroup:SubnetGroup")
    names = [one for one in groups if group in one.known_as]
    subnets = [subnet for one in names for subnet in one.inputs["subnetIds"]]
    return not subnets or any(is_public(subnet, graph) for subnet in subnets)


def is_public(subnet: str, graph: Graph) -> bool:
    tables = {
        one.inputs["routeTableId"]
        for one in graph.of("aws:ec2/routeTableAssociation:RouteTableAssociation")
        if one.inputs.get("subnetId") == subnet
    }
    routes = [
        one for one in graph.of("aws:ec2/route:Route") if one.inputs["routeTableId"] in tables
    ]
    return not tables or any(
        "gatewayId" in one.inputs and said(one, "destinationCidrBlock") in EVERYWHERE
        for one in routes
    )


def hears_too_little(subscription: Resource, _: Graph) -> bool:
    """Without categories it hears all; without a source type, of everything."""
    wanted = CRITICAL.get(said(subscription, "sourceType", ""), set())
    heard = set(said(subscription, "eventCategories", []) or wanted)
    return not wanted <= heard or said(subscription, "enabled", True) is not True


def misses_logs(*logs: str) -> Wrong:
    return lambda instance, _: not {*logs} <= {*said(instance, "enabledCloudwatchLogsExports", [])}


def _instance(id_: str, title: str, path: str, *good: object) -> Control:
    return Control(id_, title, "RDS instance", (INSTANCE,), unless(path, *good))


def _cluster(id_: str, title: str) -> Control:
    return Control(id_, title, "RDS or Aurora cluster", CLUSTER)


def _events(id_: str, title: str, source: str) -> Control:
    return Control(
        id_,
        title,
        f"RDS event subscription of type {source}",
        (SUBSCRIPTION,),
        hears_too_little,
        lambda one: said(one, "sourceType", source) == source,
    )


def _other(id_: str, title: str, engine: str) -> Control:
    return Control(
        id_,
        title,
        f"RDS instance of {engine}",
        (INSTANCE,),
        None,
        lambda one: said(one, "engine", "").startswith(engine),
    )


INSTANCES = (
    _instance("RDS.2", "Instances are not publicly accessible", "publiclyAccessible", False),
    _instance("RDS.3", "Storage is encrypted", "storageEncrypted", True),
    _instance("RDS.5", "Instances span zones (Multi-AZ)", "multiAz", True),
    _instance("RDS.6", "Enhanced monitoring is on", "monitoringInterval", *(1, 5, 10, 15, 30, 60)),
    _instance("RDS.8", "Deletion protection is on", "deletionProtection", True),
    Control(
        "RDS.9",
        "Instances publish logs to CloudWatch Logs",
        "RDS instance",
        (INSTANCE,),
        misses_logs("postgresql", "upgrade"),
    ),
    _instance("RDS.10", "IAM authentication is on", "iamDatabaseAuthenticationEnabled", True),
    Control(
        "RDS.11",
        "Backups are kept for at least 7 days",
        "RDS instance",
        (INSTANCE,),
        lambda one, _: said(one, "backupRetentionPeriod", 0) < 7,
    ),
    _instance("RDS.13", "Minor versions are upgraded", "autoMinorVersionUpgrade", True),
    _instance("RDS.17", "Tags are copied to snapshots", "copyTagsToSnapshot", True),
    Control(
        "RDS.23",
        "Instances do not use the engine's default port",
        "RDS instance",
        (INSTANCE,),
        lambda one, _: said(one, "port", 0) in {0, PORTS.get(said(one, "engine"))},
    ),
    Control(
        "RDS.25",
        "The administrator's name is a custom one",
        "RDS instance",
        (INSTANCE,),
        lambda one, _: said(one, "username") in {None, "postgres", "admin"},
    ),
    Control(
        "RDS.36",
        "PostgreSQL instances publish logs to CloudWatch Logs",
        "RDS instance of PostgreSQL",
        (INSTANCE,),
        misses_logs("postgresql"),
        lambda one: said(one, "engine") == "postgres",
    ),
    Control(
        "RDS.46",
        "Instances are not in subnets with a route to an internet gateway",
        "RDS instance",
        (INSTANCE,),
        in_a_public_subnet,
    ),
)

RDS = Service(
    "RDS",
    "rds",
    (
        Control("RDS.1", "Snapshots are private", "snapshot of its own", SNAPSHOT),
        *INSTANCES[:3],
        Control("RDS.4", "Snapshots are encrypted", "snapshot of its own", SNAPSHOT),
        *INSTANCES[3:],
        _cluster("RDS.7", "Clusters have deletion protection"),
        _cluster("RDS.12", "Clusters use IAM authentication"),
        _cluster("RDS.14", "Aurora clusters have backtracking"),
        _cluster("RDS.15", "Clusters span zones"),
        _cluster("RDS.16", "Aurora clusters copy tags to snapshots"),
        _events("RDS.19", "Subscriptions cover critical cluster events", "db-cluster"),
        _events("RDS.20", "Subscriptions cover critical instance events", "db-instance"),
        _events("RDS.21", "Subscriptions cover parameter group events", "db-parameter-group"),
        _events("RDS.22", "Subscriptions cover security group events", "db-security-group"),
        _cluster("RDS.24", "Clusters have a custom administrator's name"),
        _cluster("RDS.27", "Clusters are encrypted"),
        _cluster("RDS.34", "Aurora MySQL publishes audit logs"),
        _cluster("RDS.35", "Clusters upgrade minor versions"),
        _cluster("RDS.37", "Aurora PostgreSQL publishes logs"),
        _other("RDS.40", "SQL Server publishes logs", "sqlserver"),
        _other("RDS.41", "SQL Server is encrypted in transit", "sqlserver"),
        _other("RDS.42", "MariaDB publishes logs", "mariadb"),
        Control("RDS.43", "Proxies require TLS", "RDS Proxy", ("aws:rds/proxy:Proxy",)),
        _other("RDS.44", "MariaDB is encrypted in transit", "mariadb"),
        _cluster("RDS.45", "Aurora MySQL has audit logging"),
        _cluster("RDS.47", "PostgreSQL clusters copy tags to snapshots"),
        _cluster("RDS.48", "MySQL clusters copy tags to snapshots"),
        _cluster("RDS.50", "Clusters keep backups long enough"),
        Control(
            "RDS.51",
            "Global clusters run a supported Aurora MySQL",
            "global cluster",
            ("aws:rds/globalCluster:GlobalCluster",),
        ),
    ),
    ("rds",),
    "RDS.19 to RDS.22 are met where an account has no event subscription at all.",
)
