"""The database, secrets, keys, images, buckets."""

from __future__ import annotations

import json
from collections.abc import Iterator

from i18n import t
from ops.cost.bill import Case, Rule, UnknownUsage, Use
from ops.cost.graph import Resource, UnknownInput
from ops.cost.network import HOURLY
from ops.cost.prices import HOURS

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


RULES: dict[str, Rule] = {
    "rds:Instance": database,
    "secretsmanager:Secret": secret,
    "kms:Key": key,
    "ecr:Repository": repository,
    "s3:Bucket": bucket,
    "s3:BucketV2": bucket,
}
